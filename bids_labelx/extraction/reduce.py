"""Label statistics of every volume, for many atlases and statistics in one pass.

Only labelled voxels are turned into float64. Every number of a volume comes from that volume
alone, in an order of operations that the block size has no part in, so the same image gives the
same bytes in blocks of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bids_labelx.extraction.stream import Volumes

STATISTICS = ("mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation")

# A voxel that is zero in every volume adds nothing to a sum, and a mean divides by the count of
# covered voxels, which is known in the end: these two need not know the coverage beforehand.
_ADDITIVE = frozenset({"mean", "sum"})

Uncovered = Literal["exclude", "zero"]


@dataclass(frozen=True)
class Regions:
    """The voxels of an atlas's labels on one grid.

    Attributes
    ----------
    voxels : intp array of shape (m,)
        Flat indices of the labelled voxels, in Fortran order and ascending.
    columns : intp array of shape (m,)
        Column of the label that each voxel bears.
    n_columns
        Number of columns, those without a voxel included.
    """

    voxels: np.ndarray
    columns: np.ndarray
    n_columns: int


@dataclass(frozen=True)
class Reduction:
    """What one pass over the volumes yields.

    Attributes
    ----------
    signals : list of dict of float64 arrays of shape (n_volumes, n_columns)
        For each atlas, the signals of each statistic.
    voxels_covered : list of integer arrays of shape (n_columns,)
        For each atlas, how many voxels each column's statistics are taken over.
    nonfinite_voxels
        Number of labelled voxels that are NaN or infinite in some volume.
    mean_image : float64 array of shape (x, y, z), or None
        Mean over the volumes, non-finite values counted as 0.
    """

    signals: list[dict[str, np.ndarray]]
    voxels_covered: list[np.ndarray]
    nonfinite_voxels: int
    mean_image: np.ndarray | None


def find_regions(labels: np.ndarray, ids: np.ndarray, mask: np.ndarray | None = None) -> Regions:
    """Find the voxels of the given labels.

    Parameters
    ----------
    labels : integer array of shape (x, y, z)
    ids : integer array of shape (n,)
        Labels in the order of the columns. Each is looked up by its value; one that the image
        lacks gets a column without voxels.
    mask : bool array of shape (x, y, z), optional
        Voxels outside are left out.

    Raises
    ------
    TypeError
        If labels or ids are not integers, or the mask is not boolean.
    ValueError
        If the shapes do not fit or a label is asked for twice.
    """
    ids = np.asarray(ids)
    if labels.dtype.kind not in "iu" or (ids.size and ids.dtype.kind not in "iu"):
        raise TypeError(f"labels and ids are integers, found {labels.dtype} and {ids.dtype}")
    if labels.ndim != 3 or ids.ndim != 1:
        raise ValueError(
            f"expected 3D labels and a vector of ids, found {labels.shape} and {ids.shape}"
        )
    flat = labels.ravel(order="F").astype(np.int64, copy=False)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order].astype(np.int64)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise ValueError(f"labels asked for more than once: {np.unique(twice).tolist()}")
    candidates = np.ones(flat.size, dtype=bool)
    if mask is not None:
        if mask.dtype != bool:
            raise TypeError(f"a mask is a boolean array, found {mask.dtype}")
        if mask.shape != labels.shape:
            raise ValueError(f"the mask's shape {mask.shape} is not the labels' {labels.shape}")
        candidates = mask.ravel(order="F")
    if not ids.size:
        return Regions(np.empty(0, np.intp), np.empty(0, np.intp), 0)
    voxels = np.flatnonzero(candidates)
    found = np.minimum(np.searchsorted(ordered, flat[voxels]), ids.size - 1)
    wanted = ordered[found] == flat[voxels]
    return Regions(voxels[wanted], order[found[wanted]].astype(np.intp), ids.size)


def reduce_volumes(
    volumes: Volumes,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    *,
    uncovered: Uncovered,
    mean_image: bool = False,
    block: int | None = None,
) -> Reduction:
    """Reduce every volume to one number per label, statistic and atlas.

    The volumes are read once. They are read a second time only if a labelled voxel turns out to
    be without data after its values went into a statistic that they spoil.

    Parameters
    ----------
    volumes
        The image.
    regions
        One per atlas, on the grid of `volumes`.
    statistics
        Some of `STATISTICS`; variance and standard deviation divide by the number of voxels.
    uncovered
        ``exclude``: a voxel that is non-finite in some volume, or zero in all of them, takes no
        part in any statistic, and a column without any other voxel is NaN. ``zero``: every voxel
        of a label counts, non-finite values as 0, and a column without voxels is 0.
    mean_image
        Take the mean over time of all voxels, too.
    block
        Volumes held in memory at a time, as for `Volumes.blocks`. The result does not depend on
        it.

    Raises
    ------
    OSError
        As from `Volumes.blocks`.
    ValueError
        If a statistic or `uncovered` is unknown, or regions are not of this grid.
    """
    unknown = [name for name in statistics if name not in STATISTICS]
    if unknown:
        raise ValueError(f"unknown statistic(s) {unknown}; known are {', '.join(STATISTICS)}")
    if uncovered not in ("exclude", "zero"):
        raise ValueError(f"uncovered is 'exclude' or 'zero', found {uncovered!r}")
    for one in regions:
        if one.voxels.size and one.voxels.max() >= volumes.n_voxels:
            raise ValueError(
                f"{volumes.name}: voxel {one.voxels.max()} of a region lies outside of its grid "
                f"{volumes.shape}"
            )
    every = uncovered == "zero"
    passing = [
        _Passing(one, volumes.n_volumes, statistics, np.ones(one.voxels.size, bool))
        if every
        else _Passing(one, volumes.n_volumes, statistics)
        for one in regions
    ]
    picture = _one_pass(volumes, passing, mean_image=mean_image, block=block)
    nonfinite = [np.empty(0, np.intp), *(atlas.voxels[~atlas.finite] for atlas in passing)]
    covered = [np.ones_like(one.finite) if every else one.covered for one in passing]
    if any(one.spoiled(mine) for one, mine in zip(passing, covered, strict=True)):
        passing = [
            _Passing(one, volumes.n_volumes, statistics, mine)
            for one, mine in zip(regions, covered, strict=True)
        ]
        _one_pass(volumes, passing, mean_image=False, block=block)

    counts = []
    for atlas, mine in zip(passing, covered, strict=True):
        count = np.bincount(atlas.columns[mine], minlength=atlas.n_columns)
        if "mean" in atlas.signals:
            atlas.signals["mean"] /= np.maximum(count, 1)
        for values in atlas.signals.values():
            values[:, count == 0] = 0.0 if every else np.nan
        counts.append(count)
    signals = [atlas.signals for atlas in passing]
    return Reduction(signals, counts, np.unique(np.concatenate(nonfinite)).size, picture)


def _one_pass(
    volumes: Volumes, passing: Sequence[_Passing], *, mean_image: bool, block: int | None
) -> np.ndarray | None:
    """Read all volumes once, show them to every atlas, and give the mean image if asked for."""
    total = np.zeros(volumes.n_voxels) if mean_image else None
    for start, raw in volumes.blocks(block):
        if total is not None:
            _add_volumes(total, raw)
        for atlas in passing:
            atlas.take(volumes, raw, start)
    if total is None:
        return None
    return volumes.scale(total / volumes.n_volumes).reshape(volumes.shape, order="F")


def _add_volumes(total: np.ndarray, raw: np.ndarray) -> None:
    """Add stored volumes to `total`, one by one: a sum over a block would depend on its size."""
    for row in raw:
        if raw.dtype.kind == "f":
            row = np.where(np.isfinite(row), row, 0)
        total += row


@dataclass(frozen=True)
class _Segments:
    """Where each column that has voxels begins among voxels sorted by column, and its voxels."""

    present: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    n_columns: int


def _segments(columns: np.ndarray, n_columns: int) -> _Segments:
    counts = np.bincount(columns, minlength=n_columns)
    present = np.flatnonzero(counts)
    return _Segments(present, (np.cumsum(counts) - counts)[present], counts[present], n_columns)


class _Passing:
    """An atlas while the volumes pass by: its voxels, its signals, and what was seen so far.

    Voxels are gathered with those of a column next to each other, so that a region is a segment.
    Its sum is several times faster than a sparse matrix product or counting with weights, holds
    no lock that the reader would wait for, and is pairwise, which rounds less.

    Attributes
    ----------
    voxels, columns : intp arrays of shape (m,)
        Flat index and column of each voxel.
    n_columns
        Number of columns.
    signals : dict of float64 arrays of shape (n_volumes, n_columns)
        By statistic; ``mean`` is a sum here.
    finite : bool array of shape (m,)
        Voxels that were finite in every volume so far.
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
        order = np.argsort(small, kind="stable")
        self.voxels, self.columns = regions.voxels[order], regions.columns[order]
        self.n_columns = regions.n_columns
        self.signals = {name: np.empty((n_volumes, self.n_columns)) for name in statistics}
        self.finite = np.ones(order.size, dtype=bool)
        self._zero = np.arange(order.size)  # positions that were zero in every volume so far
        self._additive = _ADDITIVE.issuperset(statistics)
        self._all = _segments(self.columns, self.n_columns)
        # Without `used`, the first volume tells which voxels are likely to be without data, so
        # that a run with empty margins is read once and not twice.
        self._used = used
        self._kept = self._all if used is None else _segments(self.columns[used], self.n_columns)

    @property
    def covered(self) -> np.ndarray:
        """Voxels that were finite in every volume and not zero in all of them."""
        covered = self.finite.copy()
        covered[self._zero] = False
        return covered

    def spoiled(self, covered: np.ndarray) -> bool:
        """Whether the statistics were taken over other voxels than these."""
        assert self._used is not None  # an image has at least one volume
        wrong = self._used != covered
        if self._additive:
            wrong &= covered | ~self.finite  # a voxel of zeros may stay in a sum
        return bool(wrong.any())

    def take(self, volumes: Volumes, raw: np.ndarray, start: int) -> None:
        """Take in a block of volumes, the first of which is the one at `start`."""
        values = volumes.scale(raw.take(self.voxels, axis=1))
        finite = np.isfinite(values) if raw.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            self.finite &= finite.all(axis=0)
            values[~finite] = 0.0
        for row in values:
            self._zero = self._zero[row[self._zero] == 0]
        if self._used is None:
            self._used = np.ones(self.columns.size, bool) if finite is None else finite[0].copy()
            if not self._additive:
                self._used &= values[0] != 0
            self._kept = _segments(self.columns[self._used], self.n_columns)
        kept = values
        if not self._used.all():
            values[:, ~self._used] = 0.0
            kept = values if self._additive else values[:, self._used]
        for name, signal in self.signals.items():
            # A sum goes over all voxels, so that its rounding is the same whatever goes with it.
            of = (values, self._all) if name in _ADDITIVE else (kept, self._kept)
            signal[start : start + len(values)] = _statistic(name, *of)


def _statistic(name: str, values: np.ndarray, segments: _Segments) -> np.ndarray:
    """One statistic over one atlas; the mean as a sum; columns without voxels are 0.

    Parameters
    ----------
    name
        One of `STATISTICS`.
    values : array of shape (n, m)
        Sorted by column.
    segments
        Where each column's voxels are among them.

    Returns
    -------
    array of shape (n, n_columns)
    """
    result = np.zeros((len(values), segments.n_columns))
    present, starts, counts = segments.present, segments.starts, segments.counts
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
    """Median of each segment of each row: the middle value, or the mean of the middle two."""
    result = np.empty((len(values), len(starts)))
    for k, part in enumerate(np.split(values, starts[1:], axis=1)):
        low, high = (part.shape[1] - 1) // 2, part.shape[1] // 2
        part = np.partition(part, (low, high), axis=1)
        result[:, k] = (part[:, low] + part[:, high]) / 2
    return result
