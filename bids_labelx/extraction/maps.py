"""Signals of maps: the least squares fit of all of them to every volume, in one pass.

With the weights of the covered elements as the columns of W and a volume y, the signals x solve
``WᵀW x = Wᵀy``. The Gram matrix WᵀW is made once, and Wᵀy as the volumes are read.
"""

from __future__ import annotations

import numpy as np
import scipy
from scipy import linalg, sparse

from bids_labelx.extraction.regions import MapSignals, Uncovered
from bids_labelx.extraction.resample import source_points, target_to_source
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, voxel_grid
from bids_labelx.extraction.weighted import (
    Maps,
    WeightedSums,
    maps_of,
    weighted_residuals,
    weighted_sums,
)

# Maps of norm 1 are collinear where a combination of norm 1 has less than this squared norm. Sums
# over a million elements are exact to about 1e-13, and copies that were stored as float32 differ
# by 1e-14.
_COLLINEAR = 1e-11

# From this condition number on, the fit is corrected once by the residuals: without it, the error
# is that of the sums times the condition number's square.
_WELL_CONDITIONED = 1e3

# What a map takes part in a combination of maps of norm 1 with.
_PART = 1e-4

# Of shares of a map's weight.
_DIGITS = 12


class CollinearMapsError(ValueError):
    """Some maps are combinations of others, so that no fit is the best one.

    Attributes
    ----------
    columns : list of int
        The maps concerned, counted from 0.
    rank : int
        Number of maps that are independent.
    atlas : int
        Of several atlases that are fitted at once, the position of this one.
    """

    atlas = 0

    def __init__(self, columns: list[int], rank: int, n_maps: int) -> None:
        self.columns, self.rank = columns, rank
        shown = ", ".join(map(str, columns[:20])) + (", …" if len(columns) > 20 else "")
        super().__init__(
            f"the maps are collinear: the rank of {n_maps} maps is {rank}. Maps that are a "
            f"combination of others, counted from 0: {shown}. Remove repeated ones, or those "
            "that are sums of others."
        )


def find_maps(volumes: RunData, inside: np.ndarray | None = None) -> Maps:
    """Find the elements of maps, which are the volumes of an image.

    One volume is in memory at a time, besides the weights that are not zero.

    Parameters
    ----------
    volumes
        The maps; values that are not finite count as 0.
    inside : bool array of shape (n_elements,), optional
        A mask; elements outside are excluded.

    Raises
    ------
    OSError
        As from `RunData.blocks`.
    """
    columns = []
    for _, raw in volumes.blocks(1):
        # Most of a map is 0, and without an intercept stored as 0.
        stored = np.flatnonzero(raw[0] != 0 if volumes.inter == 0 else np.ones(raw.shape[1], bool))
        values = volumes.scale(raw[0, stored])
        kept = np.isfinite(values) & (values != 0)
        columns.append((stored[kept], values[kept]))
    return maps_of(columns, volumes.n_elements, inside)


def lay_maps(maps: Maps, own: Space, target: VolumeGrid, inside: np.ndarray | None = None) -> Maps:
    """Bring maps to another grid by linear interpolation, if their own is another.

    Parameters
    ----------
    maps, own
        The maps and their space.
    target
        The other grid; beyond the outermost centres of their own, maps are 0.
    inside : bool array of shape (n_elements,), optional
        A mask on the other grid; elements outside are excluded.

    Raises
    ------
    TypeError
        If the maps are not on a voxel grid.
    ValueError
        If one of the affines cannot be inverted.
    """
    if target.same(own):
        return maps if inside is None else maps.take(inside[maps.elements])
    lay = _Linear(voxel_grid(own), target)
    values = np.zeros(maps.n_elements)
    columns = []
    for column in range(maps.n_maps):
        of_map = slice(*maps.weights.indptr[column : column + 2])
        elements = maps.elements[maps.weights.indices[of_map]]
        values[elements] = maps.weights.data[of_map]
        columns.append(lay(values, elements))
        values[elements] = 0.0
    return maps_of(columns, target.n_elements, inside)


class _Linear:
    """Linear interpolation of maps at the voxels of another grid that they reach."""

    def __init__(self, source: VolumeGrid, target: VolumeGrid) -> None:
        matrix, self._offset = target_to_source(source.affine, target.affine)
        self._matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
        self._source, self._target = source, target

    def __call__(self, values: np.ndarray, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Elements and weights of a map, by its values and where they are not 0."""
        voxels = self._reached(elements)
        points = source_points(self._matrix, self._offset, self._target.shape, voxels)
        volume = self._source.to_volume(values)
        weights = scipy.ndimage.map_coordinates(volume, points, order=1, mode="constant")
        found = np.flatnonzero(weights != 0)
        return voxels[found], weights[found]

    def _reached(self, elements: np.ndarray) -> np.ndarray:
        """Voxels of the target in the box around some of the source, and a little more."""
        if not elements.size:
            return elements
        places = np.array(np.unravel_index(elements, self._source.shape, order="F"))
        ends = np.stack([places.min(axis=1) - 1, places.max(axis=1) + 1])
        corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1)
        there = np.linalg.solve(self._matrix, corners - self._offset[:, np.newaxis])
        outermost = np.array(self._target.shape)
        low = np.clip(np.floor(there.min(axis=1)).astype(int) - 1, 0, outermost)
        high = np.clip(np.ceil(there.max(axis=1)).astype(int) + 2, 0, outermost)
        box = np.ix_(*(np.arange(*span) for span in zip(low, high, strict=True)))
        return np.sort(np.ravel_multi_index(box, self._target.shape, order="F"), axis=None)


def fit_maps(
    run: RunData, maps: Maps, *, uncovered: Uncovered, block: int | None = None
) -> MapSignals:
    """Fit all maps to every volume by least squares.

    The run is read once; a second time if an element turns out to be without data after its
    values were added, and once more if the maps are nearly collinear.

    Parameters
    ----------
    run
        The run.
    maps
        In the space of `run`.
    uncovered
        ``exclude``: an element that is non-finite in some volume, or without data, is excluded,
        see `reduce_volumes`, and the signal of a map without any other element is NaN. ``zero``:
        every element counts, non-finite values as 0, and the signal of a map without elements is
        0.
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
        If `uncovered` is unknown or maps are not of this space.
    """
    found = weighted_sums(run, maps, uncovered=uncovered, block=block)
    return fit_sums(run, maps, found, uncovered=uncovered, block=block)


def fit_sums(
    run: RunData,
    maps: Maps,
    found: WeightedSums,
    *,
    uncovered: Uncovered,
    least_share: float = 0.0,
    block: int | None = None,
) -> MapSignals:
    """Fit maps by the weighted sums of every volume; see `fit_maps`.

    The run is read again if the maps are nearly collinear.

    Parameters
    ----------
    found
        From a reading of `run` with these maps.
    least_share
        A map with a smaller share of its weight is excluded, and its signal is NaN.
    run, maps, uncovered, block
        As for `fit_maps`, which raises the same.
    """
    sums, covered, nonfinite = found
    fitted = maps.take(covered)
    # All of a map is all, whatever the rounding of its sums.
    shares = np.round(fitted.shares(), _DIGITS)
    wanted = shares >= least_share
    gram = _Gram(fitted.weights, wanted)
    signals = gram.solve(sums)
    if gram.condition > _WELL_CONDITIONED:
        signals += gram.solve(weighted_residuals(run, maps, covered, signals, block=block))
    signals[:, ~gram.present if uncovered == "exclude" else ~wanted] = np.nan
    return MapSignals(*(signals, shares, fitted.counts(), nonfinite, gram.rank, gram.condition))


class _Gram:
    """The Gram matrix of maps that are scaled to norm 1, factorised.

    Attributes
    ----------
    present : bool array of shape (n_maps,)
        Maps that have elements, of those that are wanted.
    rank, condition
        As in `MapSignals`.
    """

    def __init__(self, weights: sparse.csc_array, wanted: np.ndarray) -> None:
        norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0)).ravel())
        self.present = (norms > 0) & wanted
        self.rank, self.condition = int(self.present.sum()), 1.0
        self._norms = norms[self.present]
        if not self.rank:
            return
        scaled = weights[:, np.flatnonzero(self.present)] * (1 / self._norms)
        gram = _product(sparse.csc_array(scaled))
        squares = linalg.eigvalsh(gram)
        if squares[0] <= _COLLINEAR * squares[-1]:
            raise _collinear(gram, np.flatnonzero(self.present), norms.size)
        self.condition = float(np.sqrt(squares[-1] / squares[0]))
        self._factor = linalg.cho_factor(gram)

    def solve(self, sums: np.ndarray) -> np.ndarray:
        """Signals by weighted sums, both of shape (n_volumes, n_maps); 0 of absent maps."""
        signals = np.zeros(sums.shape)
        if self.rank:
            right = sums[:, self.present] / self._norms
            signals[:, self.present] = linalg.cho_solve(self._factor, right.T).T / self._norms
        return signals


def _product(weights: sparse.csc_array) -> np.ndarray:
    """``WᵀW``, dense; by a sparse product where the weights are few."""
    m, n = weights.shape
    if weights.nnz <= m * n / 16:
        return np.asarray((weights.T @ weights).toarray())
    gram = np.zeros((n, n))
    rows = weights.tocsr()
    for first in range(0, m, 1 << 14):
        part = rows[first : first + (1 << 14)].toarray()
        gram += part.T @ part
    return gram


def _collinear(gram: np.ndarray, columns: np.ndarray, n_maps: int) -> CollinearMapsError:
    """The error that names the maps of a singular Gram matrix."""
    squares, vectors = linalg.eigh(gram)
    lost = squares <= _COLLINEAR * squares[-1]
    part = np.linalg.norm(vectors[:, lost], axis=1) > _PART
    return CollinearMapsError(columns[part].tolist(), int((~lost).sum()), n_maps)
