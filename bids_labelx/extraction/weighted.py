"""Weighted sums over the elements of every volume: what maps and spheres have in common.

Only elements with a weight are turned into float64. Volumes are multiplied in groups that the
block size has no part in, so the same image gives the same bytes in blocks of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from bids_labelx.extraction.accumulator import Accumulator
from bids_labelx.extraction.regions import Uncovered
from bids_labelx.extraction.run_data import RunData

# Volumes that are multiplied together. A sparse product takes a fifth of the time for each of 16
# that it takes for one; more gain little and take more memory.
_GROUP = 16

# Share of weights that are not zero from which a dense product, whose numbers are contiguous, is
# the faster one.
_DENSE = 0.25


@dataclass(frozen=True)
class Maps:
    """Weights of a space's elements in some maps, or spheres.

    Attributes
    ----------
    elements : intp array of shape (m,)
        Indices of the elements that have a weight in some map, ascending.
    weights : float64 csc_array of shape (m, n_maps)
        The weight of each in each map.
    n_elements
        Number of elements of the space.
    totals : float64 array of shape (n_maps,)
        Sum of the absolute weights of each map, those outside of a mask included.
    """

    elements: np.ndarray
    weights: sparse.csc_array
    n_elements: int
    totals: np.ndarray

    @property
    def n_maps(self) -> int:
        """Number of maps, those without an element included."""
        return int(self.weights.shape[1])

    def take(self, chosen: np.ndarray) -> Maps:
        """The same maps with some of the elements, by a boolean array of shape (m,)."""
        if chosen.all():
            return self
        weights = self.weights[np.flatnonzero(chosen)]
        return Maps(self.elements[chosen], weights, self.n_elements, self.totals)

    def columns(self, chosen: np.ndarray) -> Maps:
        """Some of the maps, by their numbers."""
        weights = self.weights[:, chosen]
        return Maps(self.elements, weights, self.n_elements, self.totals[chosen])

    def counts(self) -> np.ndarray:
        """How many elements each map has, of shape (n_maps,)."""
        return np.diff(self.weights.indptr)

    def shares(self) -> np.ndarray:
        """How much of each map's absolute weight its elements hold, from 0 to 1."""
        held = np.asarray(abs(self.weights).sum(axis=0)).ravel()
        return np.divide(held, self.totals, out=np.zeros(self.n_maps), where=self.totals > 0)


def maps_of(
    columns: list[tuple[np.ndarray, np.ndarray]],
    n_elements: int,
    inside: np.ndarray | None = None,
) -> Maps:
    """Put together the maps of a space, column by column.

    Parameters
    ----------
    columns
        For each map the indices of its elements and their weights, none of which is 0.
    n_elements
        Number of elements of the space.
    inside : bool array of shape (n_elements,), optional
        A mask; elements outside are excluded.
    """
    totals = np.array([np.abs(weights).sum() for _, weights in columns])
    covered = np.zeros(n_elements, dtype=bool)
    kept = []
    for elements, weights in columns:
        if inside is not None:
            chosen = inside[elements]
            elements, weights = elements[chosen], weights[chosen]
        covered[elements] = True
        kept.append((elements, weights))
    rows = np.cumsum(covered, dtype=np.int32) - 1
    starts = np.cumsum([0, *(len(elements) for elements, _ in kept)])
    indices = np.concatenate([np.empty(0, np.int32), *(rows[elements] for elements, _ in kept)])
    data = np.concatenate([np.empty(0), *(weights for _, weights in kept)])
    elements = np.flatnonzero(covered)
    weights = sparse.csc_array((data, indices, starts), shape=(elements.size, len(kept)))
    return Maps(elements, weights, n_elements, totals)


class WeightedSums(NamedTuple):
    """Weighted sums of every volume, and what is known of the elements after the last one.

    Attributes
    ----------
    sums : float64 array of shape (n_volumes, n_maps)
    covered : bool array of shape (m,)
        Elements that the sums are taken over.
    nonfinite_elements
        Number of elements that are NaN or infinite in some volume.
    """

    sums: np.ndarray
    covered: np.ndarray
    nonfinite_elements: int


def weighted_sums(
    run: RunData, maps: Maps, *, uncovered: Uncovered, block: int | None = None
) -> WeightedSums:
    """Sum the elements of every volume with the weights of each map.

    The run is read once, and a second time only if an element turns out to be without data after
    its values were added. On one thread of BLAS, the numbers do not depend on the machine's cores.

    Parameters
    ----------
    run
        The run.
    maps
        In the space of `run`.
    uncovered
        ``exclude``: an element that is non-finite in some volume, or without data, is excluded,
        see `reduce_volumes`. ``zero``: non-finite values count as 0.
    block
        Volumes held in memory at a time, as for `RunData.blocks`. The result does not depend on
        it.

    Raises
    ------
    OSError
        As from `RunData.blocks`.
    ValueError
        If `uncovered` is unknown or maps are not of this space.
    """
    if uncovered not in ("exclude", "zero"):
        raise ValueError(f"uncovered is 'exclude' or 'zero', found {uncovered!r}")
    if maps.n_elements != run.n_elements:
        raise ValueError(
            f"{run.name}: the maps have {maps.n_elements} elements, the run has {run.n_elements}"
        )
    every = np.ones(maps.elements.size, dtype=bool)
    if uncovered == "zero":
        found = _read(run, MapAccumulator(maps, run.n_volumes, every), block)
        covered = every
    else:
        found = _read(run, MapAccumulator(maps, run.n_volumes), block)
        covered = found.covered
        if found.spoiled(covered):
            again = _read(run, MapAccumulator(maps, run.n_volumes, covered), block)
            return WeightedSums(again.sums, covered, int((~found.finite).sum()))
    return WeightedSums(found.sums, covered, int((~found.finite).sum()))


def weighted_residuals(
    run: RunData,
    maps: Maps,
    covered: np.ndarray,
    signals: np.ndarray,
    *,
    block: int | None = None,
) -> np.ndarray:
    """Sum what is left of every volume without the maps' part in it, with their weights.

    Parameters
    ----------
    run, maps, block
        As for `weighted_sums`.
    covered : bool array of shape (m,)
        Elements that take part; non-finite values count as 0.
    signals : float64 array of shape (n_volumes, n_maps)
        How much of each map there is in each volume.

    Returns
    -------
    float64 array of shape (n_volumes, n_maps)
    """
    return _read(run, MapAccumulator(maps, run.n_volumes, covered, signals), block).sums


def _read(run: RunData, sums: MapAccumulator, block: int | None) -> MapAccumulator:
    """Add all volumes of a run."""
    for start, raw in run.blocks(block):
        sums.add(run, raw, start)
    return sums


class MapAccumulator(Accumulator):
    """Weighted sums over the volumes read so far, and the coverage of the elements.

    Attributes
    ----------
    elements : intp array of shape (m,)
        Those that have a weight.
    sums : float64 array of shape (n_volumes, n_maps)
    finite : bool array of shape (m,)
        Elements that were finite in every volume so far.
    """

    def __init__(
        self,
        maps: Maps,
        n_volumes: int,
        used: np.ndarray | None = None,
        signals: np.ndarray | None = None,
    ) -> None:
        super().__init__(maps.elements, used, additive=True)
        self._signals = signals
        size = maps.elements.size
        dense = maps.weights.nnz > _DENSE * size * maps.n_maps
        self._weights = maps.weights.toarray() if dense else maps.weights
        self._group = np.zeros((min(_GROUP, n_volumes), size))
        self.sums = np.empty((n_volumes, maps.n_maps))

    def add(self, run: RunData, raw: np.ndarray, start: int) -> None:
        """Add a block of volumes, the first of which is the one at `start`."""
        values, used = self._take(run, raw)
        if not used.all():
            values[:, np.flatnonzero(~used)] = 0.0
        for volume, row in enumerate(values, start):
            position = volume % len(self._group)
            self._group[position] = row
            if position == len(self._group) - 1 or volume == len(self.sums) - 1:
                self._multiply(volume - position, position + 1)

    def _multiply(self, first: int, count: int) -> None:
        """Sum the group of volumes from `first` on. The product's shape is always the same."""
        assert self._used is not None  # as a volume was added
        columns = self._group.T
        if self._signals is not None:
            part = np.zeros((len(self._group), self._signals.shape[1]))
            part[:count] = self._signals[first : first + count]
            columns = columns - self._weights @ part.T
            columns[np.flatnonzero(~self._used)] = 0.0
        self.sums[first : first + count] = (self._weights.T @ columns).T[:count]
