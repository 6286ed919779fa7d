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
    block: int = 8,
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
        Volumes held in memory at a time. The result does not depend on it.

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
    union = np.unique(np.concatenate([np.empty(0, np.intp), *(one.voxels for one in regions)]))
    additive = _ADDITIVE.issuperset(statistics)

    used: np.ndarray | None = np.ones(union.size, dtype=bool) if uncovered == "zero" else None
    first = _one_pass(volumes, regions, statistics, union, used, additive, mean_image, block)
    nonfinite, picture = int(np.count_nonzero(~first.finite)), first.mean_image
    covered = first.used if uncovered == "zero" else first.finite & first.nonzero
    signals = first.signals
    # A voxel of zeros may stay in sums; apart from that, exactly the covered ones have to be in.
    spoiled = first.used != covered
    if additive:
        spoiled &= covered | ~first.finite
    if spoiled.any():
        signals = _one_pass(
            volumes, regions, statistics, union, covered, additive, False, block
        ).signals

    empty = 0.0 if uncovered == "zero" else np.nan
    counts = []
    for one, by_statistic in zip(regions, signals, strict=True):
        inside = covered[np.searchsorted(union, one.voxels)]
        counts.append(np.bincount(one.columns[inside], minlength=one.n_columns))
        if "mean" in by_statistic:
            by_statistic["mean"] /= np.maximum(counts[-1], 1)
        for values in by_statistic.values():
            values[:, counts[-1] == 0] = empty
    return Reduction(signals, counts, nonfinite, picture)


@dataclass(frozen=True)
class _Pass:
    """Result of one pass; `used`, `finite` and `nonzero` are per voxel of the union."""

    signals: list[dict[str, np.ndarray]]
    used: np.ndarray
    finite: np.ndarray
    nonzero: np.ndarray
    mean_image: np.ndarray | None


@dataclass(frozen=True)
class _Segments:
    """The used voxels of one atlas, as positions in the union.

    `scanned` are they as they lie in the image, with their `columns`; `positions` are they with
    those of a column next to each other, and `starts` says where each of the `present` columns
    begins.
    """

    scanned: np.ndarray
    columns: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    present: np.ndarray
    counts: np.ndarray
    n_columns: int


def _one_pass(
    volumes: Volumes,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    union: np.ndarray,
    used: np.ndarray | None,
    additive: bool,
    mean_image: bool,
    block: int,
) -> _Pass:
    """Read all volumes once and reduce them over the voxels in `used`.

    Without `used`, the first volume tells which voxels are likely to be without data, so that a
    run with empty margins is read once and not twice. ``mean`` comes out as a sum.
    """
    shapes = [(volumes.n_volumes, one.n_columns) for one in regions]
    signals = [{name: np.empty(shape) for name in statistics} for shape in shapes]
    finite = np.ones(union.size, dtype=bool)
    nonzero = np.zeros(union.size, dtype=bool)
    total = np.zeros(volumes.n_voxels) if mean_image else None
    segments: list[_Segments] = []

    for start, raw in volumes.blocks(block):
        if total is not None:
            _add_volumes(total, raw, volumes)
        values = volumes.scale(raw.take(union, axis=1))
        good = np.isfinite(values) if raw.dtype.kind == "f" else None
        if good is not None and not good.all():
            finite &= good.all(axis=0)
            values[~good] = 0.0
        doubtful = np.flatnonzero(~nonzero)
        nonzero[doubtful] = (values[:, doubtful] != 0).any(axis=0)
        if start == 0:
            if used is None:
                used = np.ones(union.size, dtype=bool) if good is None else good[0].copy()
                if not additive:
                    used &= values[0] != 0
            segments = [_segments(one, union, used) for one in regions]
        rows = slice(start, start + len(values))
        for one, by_statistic in zip(segments, signals, strict=True):
            ordered = None if additive else values.take(one.positions, axis=1)
            for name, signal in by_statistic.items():
                if ordered is None or name in _ADDITIVE:
                    signal[rows] = _sums(values, one)
                else:
                    signal[rows] = _statistic(name, ordered, one)

    assert used is not None  # an image has at least one volume
    picture = None
    if total is not None:
        picture = (total / volumes.n_volumes).reshape(volumes.shape, order="F")
    return _Pass(signals, used, finite, nonzero, picture)


def _add_volumes(total: np.ndarray, raw: np.ndarray, volumes: Volumes) -> None:
    """Add volumes to `total` one after the other: a sum over blocks would depend on their size."""
    for row in raw:
        values = volumes.scale(row)
        values[~np.isfinite(values)] = 0.0
        total += values


def _segments(one: Regions, union: np.ndarray, used: np.ndarray) -> _Segments:
    """Sort an atlas's used voxels by column."""
    positions = np.searchsorted(union, one.voxels)
    inside = used[positions]
    scanned, columns = positions[inside], one.columns[inside]
    order = np.argsort(columns, kind="stable")
    counts = np.bincount(columns, minlength=one.n_columns)
    present = np.flatnonzero(counts)
    starts = np.cumsum(counts[present]) - counts[present]
    return _Segments(scanned, columns, scanned[order], starts, present, counts, one.n_columns)


def _sums(values: np.ndarray, segments: _Segments) -> np.ndarray:
    """Sums over the used voxels of each column, volume by volume; shape (n, n_columns).

    The voxels are gone through as they lie in the image: that is several times faster than in
    the order of their columns, or than a sparse matrix product.
    """
    columns, n_columns = segments.columns, segments.n_columns
    everything = segments.scanned.size == values.shape[1]
    return np.stack(
        [
            np.bincount(columns, row if everything else row[segments.scanned], n_columns)
            for row in values
        ]
    )


def _statistic(name: str, ordered: np.ndarray, segments: _Segments) -> np.ndarray:
    """One statistic that is not additive, over one atlas; columns without voxels are 0.

    Parameters
    ----------
    name
        One of `STATISTICS` but mean and sum.
    ordered : array of shape (n, m)
        The values at the segments' positions.
    segments
        Where each column's voxels are among them.

    Returns
    -------
    array of shape (n, n_columns)
    """
    result = np.zeros((len(ordered), segments.n_columns))
    present, starts = segments.present, segments.starts
    if not present.size:
        return result
    if name == "minimum":
        result[:, present] = np.minimum.reduceat(ordered, starts, axis=1)
    elif name == "maximum":
        result[:, present] = np.maximum.reduceat(ordered, starts, axis=1)
    elif name == "median":
        result[:, present] = _medians(ordered, starts)
    else:
        counts = segments.counts[present]
        # From deviations and not as E[x^2] - E[x]^2, which loses every digit to a large offset.
        means = np.add.reduceat(ordered, starts, axis=1) / counts
        deviations = ordered - np.repeat(means, counts, axis=1)
        variance = np.add.reduceat(deviations**2, starts, axis=1) / counts
        result[:, present] = np.sqrt(variance) if name == "standard_deviation" else variance
    return result


def _medians(ordered: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Median of each segment of each row: the middle value, or the mean of the middle two."""
    result = np.empty((len(ordered), len(starts)))
    for k, part in enumerate(np.split(ordered, starts[1:], axis=1)):
        low, high = (part.shape[1] - 1) // 2, part.shape[1] // 2
        part = np.partition(part, (low, high), axis=1)
        result[:, k] = (part[:, low] + part[:, high]) / 2
    return result
