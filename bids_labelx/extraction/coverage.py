"""Statistics over covered elements, with coverage judged on the run before it is changed.

An element is covered when it is finite in every volume and has data: its stored values are not all
the same, or do not read as zero, within half a step of the scaling. Smoothing
gives a voxel without data something of its neighbours', and cleaning turns a constant one into
zeros: their results no longer show which elements of the run were covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import Reduction, Regions
from bids_labelx.extraction.run_data import Blocks, RunData, still_blank
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.extraction.weighted import Maps

_Atlas = TypeVar("_Atlas", Regions, Maps)


@dataclass(frozen=True)
class Coverage:
    """Coverage of some elements over the volumes read so far; updated while a run is read.

    Attributes
    ----------
    elements : intp array of shape (m,)
        Indices, ascending.
    finite : bool array of shape (m,)
        Finite in every volume so far.
    has_data : bool array of shape (m,)
        Not stored as one and the same zero in all volumes so far.
    """

    elements: np.ndarray
    finite: np.ndarray
    has_data: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Bool array of shape (m,): finite in every volume, and with data."""
        return self.finite & self.has_data


def watch(run: RunData, elements: np.ndarray) -> tuple[RunData, Coverage]:
    """Give the same run, and the coverage of some elements, complete once it has been read.

    Parameters
    ----------
    run
        The run.
    elements : integer array of shape (m,)
        Indices, ascending: those of `Regions`, or the union of several.

    Raises
    ------
    ValueError
        If the elements are not ascending indices into the run's space.
    """
    elements = np.asarray(elements, dtype=np.intp)
    if elements.ndim != 1 or np.any(elements[1:] <= elements[:-1]):
        raise ValueError("elements are a vector of indices in ascending order, each once")
    if elements.size and not 0 <= elements[0] <= elements[-1] < run.n_elements:
        raise ValueError(
            f"{run.name}: elements from {elements[0]} to {elements[-1]} are not among its "
            f"{run.n_elements} elements"
        )
    seen = Coverage(elements, np.ones(elements.size, bool), np.zeros(elements.size, bool))
    return run.with_blocks(partial(_watched_blocks, run, seen)), seen


def _watched_blocks(run: RunData, seen: Coverage, size: int) -> Blocks:
    """Blocks as they come; updates the coverage on the way."""
    blank = None
    for first, raw in run.blocks(size):
        stored = raw.take(seen.elements, axis=1)
        if raw.dtype.kind == "f":
            seen.finite[:] &= np.isfinite(stored).all(axis=0)
        blank = still_blank(run, stored, blank)
        seen.has_data[:] = True
        seen.has_data[blank.positions] = False
        yield first, raw


def refuse_empty_volumes(run: RunData) -> RunData:
    """Give the same run, whose blocks raise a ValueError at a volume without any finite value.

    Such a volume would leave no element covered; this says which it is.
    """
    if run.dtype.kind != "f":
        return run
    if run.read_series is not None:
        return replace(run, read_series=partial(_finite_series, run))
    return run.with_blocks(partial(_finite_blocks, run))


def _finite_blocks(run: RunData, size: int) -> Blocks:
    for first, raw in run.blocks(size):
        for number, row in enumerate(raw, first + 1):
            # A few elements are enough for nearly every volume.
            if not np.isfinite(row[::101]).any() and not np.isfinite(row).any():
                raise _empty(run, number)
        yield first, raw


def _finite_series(run: RunData) -> Blocks:
    assert run.read_series is not None  # as the caller looked at
    finite = np.zeros(run.n_volumes, dtype=bool)
    for first, raw in run.read_series():
        if not finite.all():
            finite |= np.isfinite(raw).any(axis=0)
        yield first, raw
    if not finite.all():
        raise _empty(run, int(np.flatnonzero(~finite)[0]) + 1)


def _empty(run: RunData, number: int) -> ValueError:
    return ValueError(
        f"volume {number} of {run.n_volumes} has no finite value, NaN or infinity throughout; "
        "write the run again, without it if need be"
    )


def union(regions: Sequence[Regions | Maps]) -> np.ndarray:
    """Elements of all atlases together, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.intp), *(one.elements for one in regions)]))


def covered_regions(regions: _Atlas, seen: Coverage) -> _Atlas:
    """Drop the elements of an atlas, of labels or of maps, that are not covered.

    Raises
    ------
    ValueError
        If an element of the atlas is not among those of `seen`.
    """
    positions = np.searchsorted(seen.elements, regions.elements)
    known = positions < seen.elements.size
    known[known] = seen.elements[positions[known]] == regions.elements[known]
    if not known.all():
        raise ValueError(f"{np.count_nonzero(~known)} element(s) of the regions were not watched")
    return regions.take(seen.covered[positions])


def reduce_covered(
    run: RunData,
    seen: Coverage,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    *,
    maps: Sequence[Maps] = (),
    **how: Any,
) -> Reduction:
    """Reduce a smoothed or cleaned run over the elements that were covered in the original.

    Parameters
    ----------
    run
        Smoothed, or cleaned.
    seen
        From `watch`, after the original was read.
    regions, statistics, maps
        As for `reduce_volumes`; their elements are among those of `seen`.
    **how
        `block`, `least_share` and `mean_image` of `reduce_volumes`.

    Returns
    -------
    Reduction
        As from ``reduce_volumes(..., uncovered="exclude")``: a column without a covered element
        is NaN. `Reduction.nonfinite_elements` are those of the original.
    """
    kept = [covered_regions(one, seen) for one in regions]
    of_maps = [covered_regions(one, seen) for one in maps]
    reduced = reduce_volumes(run, kept, statistics, uncovered="zero", maps=of_maps, **how)
    for fitted in reduced.maps:
        fitted.signals[:, fitted.elements_covered == 0] = np.nan
    for counts, by_statistic in zip(reduced.elements_covered, reduced.signals, strict=True):
        for signals in by_statistic.values():
            signals[:, counts == 0] = np.nan
    return replace(reduced, nonfinite_elements=int(np.count_nonzero(~seen.finite)))


def reduce_smoothed(
    run: RunData,
    fwhm: float,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    *,
    inside: np.ndarray | None = None,
    maps: Sequence[Maps] = (),
    **how: Any,
) -> Reduction:
    """Smooth every volume and reduce it over the voxels that are covered in the run itself.

    The run is read once, and a second time where a labelled voxel turns out to be without data.

    Parameters
    ----------
    run
        The run, on a voxel grid.
    fwhm
        Full width at half maximum in mm; see `smooth_volumes`.
    inside
        A mask to stay inside of; see `smooth_volumes`.
    regions, statistics, maps, **how
        As for `reduce_covered`.
    """
    watched, seen = watch(run, union([*regions, *maps]))
    # Most runs turn out to have data everywhere.
    everywhere = np.ones_like(seen.finite)
    assumed_covered = Coverage(seen.elements, everywhere, everywhere)
    smoothed = smooth_volumes(watched, fwhm, inside)
    how["maps"] = maps
    reduced = reduce_covered(smoothed, assumed_covered, regions, statistics, **how)
    if seen.covered.all():
        return reduced
    return reduce_covered(smooth_volumes(run, fwhm, inside), seen, regions, statistics, **how)
