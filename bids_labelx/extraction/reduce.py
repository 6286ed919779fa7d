"""Label statistics of every volume, for many atlases and statistics in one pass.

Only labelled elements are turned into float64. Every number of a volume comes from that volume
alone, in an order of operations that the block size has no part in, so the same image gives the
same bytes in blocks of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bids_labelx.extraction.accumulator import Accumulator
from bids_labelx.extraction.maps import CollinearMapsError, fit_sums
from bids_labelx.extraction.regions import (
    STATISTICS,
    MapSignals,
    Reduction,
    Regions,
    Uncovered,
)
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.series import reduce_series
from bids_labelx.extraction.weighted import MapAccumulator, Maps, WeightedSums

# An element that is exactly zero in every volume adds nothing to a sum, and a mean divides by the
# count of covered ones, known in the end: these two need not know the coverage beforehand.
_ADDITIVE = frozenset({"mean", "sum"})
# The mean image is a background: of a long run it is of about so many volumes, evenly spaced.
_FOR_MEAN_IMAGE = 30


def reduce_volumes(
    run: RunData,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    *,
    uncovered: Uncovered,
    maps: Sequence[Maps] = (),
    least_share: float = 0.0,
    mean_image: bool = False,
    block: int | None = None,
) -> Reduction:
    """Reduce every volume to one number per label, statistic and atlas.

    Maps are fitted to every volume by least squares in the same reading.

    The run is read once. It is read a second time only if a labelled element turns out to be
    without data after its values went into a statistic that they spoil.

    Parameters
    ----------
    run
        The run.
    regions
        One per atlas, in the space of `run`.
    statistics
        Some of `STATISTICS`; variance and standard deviation divide by the number of elements.
    uncovered
        ``exclude``: an element that is non-finite in some volume, or without data, is excluded
        in any statistic, and a column without any other element is NaN. Without data is one whose
        stored values are all the same and read as zero, see `RunData.reads_as_zero`. ``zero``:
        every element of a label counts, non-finite values as 0, and a column without elements is
        0.
    maps
        One per atlas of maps, in the space of `run`; see `fit_maps`.
    least_share
        A map with a smaller share of its weight is excluded from the fit, and is NaN.
    mean_image
        Take the mean over time of all elements, too; of 60 volumes or more over every second,
        third… one, at least 30.
    block
        Volumes held in memory at a time, as for `RunData.blocks`. The result does not depend on
        it.

    Raises
    ------
    OSError
        As from `RunData.blocks`.
    CollinearMapsError
        If a map is a combination of others over the elements that take part.
    ValueError
        If a statistic or `uncovered` is unknown, regions or maps are not of this space, or maps
        are to be fitted to a file of whole series.
    """
    unknown = [name for name in statistics if name not in STATISTICS]
    if unknown:
        raise ValueError(f"unknown statistic(s) {unknown}; known are {', '.join(STATISTICS)}")
    if uncovered not in ("exclude", "zero"):
        raise ValueError(f"uncovered is 'exclude' or 'zero', found {uncovered!r}")
    for one in regions:
        if one.elements.size and one.elements.max() >= run.n_elements:
            raise ValueError(
                f"{run.name}: element {one.elements.max()} of a region lies outside of its "
                f"{run.n_elements} elements"
            )
    for other in maps:
        if other.n_elements != run.n_elements:
            raise ValueError(
                f"{run.name}: the maps have {other.n_elements} elements, the run has "
                f"{run.n_elements}"
            )
    every = uncovered == "zero"
    if run.read_series is not None:
        if maps:
            raise ValueError(f"{run.name}: maps are fitted to volumes, this is a file of series")
        return reduce_series(run, regions, statistics, every=every, mean_image=mean_image)
    n_volumes = run.n_volumes
    atlases = [
        _Accumulator(one, n_volumes, statistics, np.ones(one.elements.size, bool))
        if every
        else _Accumulator(one, n_volumes, statistics)
        for one in regions
    ]
    sums = [
        MapAccumulator(one, n_volumes, np.ones(one.elements.size, bool) if every else None)
        for one in maps
    ]
    read: list[_Accumulator | MapAccumulator] = [*atlases, *sums]
    mean = _read_once(run, read, mean_image=mean_image, block=block)
    nonfinite = [one.elements[~one.finite] for one in read]
    covered = [np.ones_like(one.finite) if every else one.covered for one in read]
    of_maps = covered[len(atlases) :]
    if any(one.spoiled(mine) for one, mine in zip(read, covered, strict=True)):
        atlases = [
            _Accumulator(one, n_volumes, statistics, mine)
            for one, mine in zip(regions, covered, strict=False)
        ]
        sums = [
            MapAccumulator(one, n_volumes, mine) for one, mine in zip(maps, of_maps, strict=True)
        ]
        _read_once(run, [*atlases, *sums], mean_image=False, block=block)

    counts = []
    for atlas, mine in zip(atlases, covered, strict=False):
        count = np.bincount(atlas.columns[mine], minlength=atlas.n_columns)
        if "mean" in atlas.signals:
            atlas.signals["mean"] /= atlas.regions.divisors(mine)
        for values in atlas.signals.values():
            values[:, count == 0] = 0.0 if every else np.nan
        counts.append(count)
    signals = [atlas.signals for atlas in atlases]
    found = [
        WeightedSums(one.sums, mine, lost.size)
        for one, mine, lost in zip(sums, of_maps, nonfinite[len(atlases) :], strict=True)
    ]
    fitted = _fit_each(run, maps, found, uncovered=uncovered, least_share=least_share, block=block)
    lost = np.unique(np.concatenate([np.empty(0, np.intp), *nonfinite]))
    return Reduction(signals, counts, lost.size, mean, fitted)


def _fit_each(
    run: RunData,
    maps: Sequence[Maps],
    found: Sequence[WeightedSums],
    **how: Any,
) -> list[MapSignals]:
    """Fit the maps of each atlas; an error says which atlas it is of."""
    fitted = []
    for position, (one, sums) in enumerate(zip(maps, found, strict=True)):
        try:
            fitted.append(fit_sums(run, one, sums, **how))
        except CollinearMapsError as error:
            error.atlas = position
            raise
    return fitted


def _read_once(
    run: RunData,
    atlases: Sequence[_Accumulator | MapAccumulator],
    *,
    mean_image: bool,
    block: int | None,
) -> np.ndarray | None:
    """Add all volumes of a run to every atlas; return the mean image if asked for."""
    total = np.zeros(run.n_elements) if mean_image else None
    step, added = max(1, run.n_volumes // _FOR_MEAN_IMAGE), 0
    for start, raw in run.blocks(block):
        if total is not None:
            chosen = raw[-start % step :: step]
            _add_volumes(total, chosen)
            added += len(chosen)
        for atlas in atlases:
            atlas.add(run, raw, start)
    return None if total is None else run.scale(total / max(added, 1))


def _add_volumes(total: np.ndarray, raw: np.ndarray) -> None:
    """Add stored volumes to `total`, one by one: a sum over a block would depend on its size."""
    for row in raw:
        if raw.dtype.kind == "f":
            row = np.where(np.isfinite(row), row, 0)
        total += row


@dataclass(frozen=True)
class _Slices:
    """Where each column that has elements begins among those sorted by column, and how many."""

    present: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    n_columns: int


def _slices(columns: np.ndarray, n_columns: int) -> _Slices:
    counts = np.bincount(columns, minlength=n_columns)
    present = np.flatnonzero(counts)
    return _Slices(present, (np.cumsum(counts) - counts)[present], counts[present], n_columns)


class _Accumulator(Accumulator):
    """Signals of one atlas, and the coverage of its elements, over the volumes read so far.

    Elements are sorted by column, so that each region is a contiguous slice. Its sum is several
    times faster than a sparse matrix product or counting with weights, holds no lock that the
    reader would wait for, and is pairwise, which rounds less.

    Attributes
    ----------
    regions, elements, columns : intp arrays of shape (m,)
        The regions in this order, and index and column of each element.
    n_columns
        Number of columns.
    signals : dict of float64 arrays of shape (n_volumes, n_columns)
        By statistic; ``mean`` is a sum here.
    finite : bool array of shape (m,)
        Elements that were finite in every volume so far.
    """

    def __init__(
        self,
        regions: Regions,
        n_volumes: int,
        statistics: Sequence[str],
        used: np.ndarray | None = None,
    ) -> None:
        # Small numbers are sorted by counting them.
        small = regions.columns.astype(np.min_scalar_type(regions.n_columns))
        self.regions = regions = regions.take(np.argsort(small, kind="stable"))
        super().__init__(regions.elements, used, additive=_ADDITIVE.issuperset(statistics))
        self.columns, self.n_columns = regions.columns, regions.n_columns
        self.signals = {name: np.empty((n_volumes, self.n_columns)) for name in statistics}
        self._all = _slices(self.columns, self.n_columns)
        self._kept = self._all if used is None else _slices(self.columns[used], self.n_columns)

    def add(self, run: RunData, raw: np.ndarray, start: int) -> None:
        """Add a block of volumes, the first of which is the one at `start`."""
        first = self._used is None
        values, used = self._take(run, raw)
        if first:
            self._kept = _slices(self.columns[used], self.n_columns)
        kept = values
        if not used.all():
            values[:, np.flatnonzero(~used)] = 0.0
            kept = values if self._additive else values.take(np.flatnonzero(used), axis=1)
        for name, signal in self.signals.items():
            # Over all elements, so that rounding is the same with any other statistic.
            of = (values, self._all) if name in _ADDITIVE else (kept, self._kept)
            if name == "mean" and self.regions.weights is not None:
                of = values * self.regions.weights, self._all
            signal[start : start + len(values)] = _statistic(name, *of)


def _statistic(name: str, values: np.ndarray, slices: _Slices) -> np.ndarray:
    """One statistic over one atlas; the mean as a sum; columns without elements are 0.

    Parameters
    ----------
    name
        One of `STATISTICS`.
    values : array of shape (n, m)
        Sorted by column.
    slices
        Where each column's elements are among them.

    Returns
    -------
    array of shape (n, n_columns)
    """
    result = np.zeros((len(values), slices.n_columns))
    present, starts, counts = slices.present, slices.starts, slices.counts
    if not present.size:
        return result
    if name in _ADDITIVE:
        result[:, present] = np.add.reduceat(values, starts, axis=1)
    elif name == "minimum":
        result[:, present] = np.minimum.reduceat(values, starts, axis=1)
    elif name == "maximum":
        result[:, present] = np.maximum.reduceat(values, starts, axis=1)
    elif name == "median":
        result[:, present] = _medians(values, starts)
    else:
        # From deviations and not as E[x^2] - E[x]^2, which loses every digit to a large offset.
        means = np.add.reduceat(values, starts, axis=1) / counts
        deviations = values - np.repeat(means, counts, axis=1)
        deviations *= deviations
        variance = np.add.reduceat(deviations, starts, axis=1) / counts
        result[:, present] = np.sqrt(variance) if name == "standard_deviation" else variance
    return result


def _medians(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Median of each slice of each row: the middle value, or the mean of the middle two."""
    result = np.empty((len(values), len(starts)))
    for k, part in enumerate(np.split(values, starts[1:], axis=1)):
        low, high = (part.shape[1] - 1) // 2, part.shape[1] // 2
        part = np.partition(part, (low, high), axis=1)
        result[:, k] = (part[:, low] + part[:, high]) / 2
    return result
