"""Statistics over the voxels that have data, where that is judged before something else is done.

A voxel is covered when it is finite in every volume and not zero in all of them. Smoothing gives
a voxel without data something of its neighbours', and cleaning turns a constant one into zeros:
what they make of a run no longer shows which voxels were covered in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bids_labelx.extraction.reduce import Reduction, Regions, reduce_volumes
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.extraction.stream import Volumes


@dataclass(frozen=True)
class Seen:
    """What the volumes have shown of some voxels; brought up to date as they are read.

    Attributes
    ----------
    voxels : intp array of shape (m,)
        Flat indices in Fortran order, ascending.
    finite : bool array of shape (m,)
        Finite in every volume so far.
    nonzero : bool array of shape (m,)
        Not zero in all volumes so far.
    """

    voxels: np.ndarray
    finite: np.ndarray
    nonzero: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Bool array of shape (m,): finite in every volume, and not zero in all of them."""
        return self.finite & self.nonzero


def watch(volumes: Volumes, voxels: np.ndarray) -> tuple[Volumes, Seen]:
    """Give the same volumes, and what reading them to the end shows of some voxels.

    Parameters
    ----------
    volumes
        The run.
    voxels : integer array of shape (m,)
        Flat indices in Fortran order, ascending: those of `Regions`, or the union of several.

    Raises
    ------
    ValueError
        If the voxels are not ascending indices into the grid.
    """
    voxels = np.asarray(voxels, dtype=np.intp)
    if voxels.ndim != 1 or np.any(voxels[1:] <= voxels[:-1]):
        raise ValueError("voxels are a vector of flat indices in ascending order, each once")
    if voxels.size and not 0 <= voxels[0] <= voxels[-1] < volumes.n_voxels:
        raise ValueError(
            f"{volumes.name}: voxels from {voxels[0]} to {voxels[-1]} do not lie in its grid "
            f"{volumes.shape}"
        )
    seen = Seen(voxels, np.ones(voxels.size, dtype=bool), np.zeros(voxels.size, dtype=bool))
    return replace(volumes, _read=partial(_watched_blocks, volumes, seen)), seen


def _watched_blocks(volumes: Volumes, seen: Seen, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks as they come, looked at on the way."""
    for first, raw in volumes.blocks(size):
        values = volumes.scale(raw.take(seen.voxels, axis=1))
        if raw.dtype.kind == "f":
            seen.finite[:] &= np.isfinite(values).all(axis=0)
        seen.nonzero[:] |= (values != 0).any(axis=0)
        yield first, raw


def union(regions: Sequence[Regions]) -> np.ndarray:
    """Voxels of all atlases together, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.intp), *(one.voxels for one in regions)]))


def covered_regions(regions: Regions, seen: Seen) -> Regions:
    """Leave out of an atlas the voxels that are not covered.

    Raises
    ------
    ValueError
        If a voxel of the atlas is not among those that were looked at.
    """
    positions = np.searchsorted(seen.voxels, regions.voxels)
    known = positions < seen.voxels.size
    known[known] = seen.voxels[positions[known]] == regions.voxels[known]
    if not known.all():
        raise ValueError(f"{np.count_nonzero(~known)} voxel(s) of the regions were not looked at")
    covered = seen.covered[positions]
    return Regions(regions.voxels[covered], regions.columns[covered], regions.n_columns)


def reduce_covered(
    volumes: Volumes, seen: Seen, regions: Sequence[Regions], statistics: Sequence[str], **how: Any
) -> Reduction:
    """Reduce what was made of a run over the voxels that were covered in it.

    Parameters
    ----------
    volumes
        Smoothed, or cleaned.
    seen
        From `watch`, after the run was read.
    regions, statistics
        As for `reduce_volumes`; the voxels of the regions are among those of `seen`.
    **how
        `block` and `mean_image` of `reduce_volumes`.

    Returns
    -------
    Reduction
        As from ``reduce_volumes(..., uncovered="exclude")``: a column without a covered voxel is
        NaN. `Reduction.nonfinite_voxels` are those of the run.
    """
    kept = [covered_regions(one, seen) for one in regions]
    reduced = reduce_volumes(volumes, kept, statistics, uncovered="zero", **how)
    for counts, by_statistic in zip(reduced.voxels_covered, reduced.signals, strict=True):
        for signals in by_statistic.values():
            signals[:, counts == 0] = np.nan
    return replace(reduced, nonfinite_voxels=int(np.count_nonzero(~seen.finite)))


def reduce_smoothed(
    volumes: Volumes,
    fwhm: float,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    **how: Any,
) -> Reduction:
    """Smooth every volume and reduce it over the voxels that are covered in the run itself.

    The run is read once, and a second time where a labelled voxel turns out to be without data.

    Parameters
    ----------
    volumes
        The run.
    fwhm
        Full width at half maximum in mm; see `smooth_volumes`.
    regions, statistics, **how
        As for `reduce_covered`.
    """
    watched, seen = watch(volumes, union(regions))
    # Taken for granted until the run is read, which for most runs it turns out to be.
    hopeful = replace(seen, finite=np.ones_like(seen.finite), nonzero=np.ones_like(seen.finite))
    reduced = reduce_covered(smooth_volumes(watched, fwhm), hopeful, regions, statistics, **how)
    if seen.covered.all():
        return reduced
    return reduce_covered(smooth_volumes(volumes, fwhm), seen, regions, statistics, **how)
