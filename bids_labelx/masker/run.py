"""One run through a masker: grid, extraction and cleaning, as a function without state.

It runs in the caller's process, in a worker of `n_jobs`, or not at all where joblib has it cached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nibabel.spatialimages import SpatialImage
from threadpoolctl import threadpool_limits

from bids_labelx.extraction.clean import clean
from bids_labelx.extraction.reduce import find_regions, reduce_volumes
from bids_labelx.extraction.resample import labels_on_grid
from bids_labelx.extraction.sample_mask import boolean_mask
from bids_labelx.extraction.spatial import resample_volumes, smooth_volumes
from bids_labelx.extraction.stream import Volumes, open_volumes
from bids_labelx.extraction.variance import high_variance_confounds

ResamplingTarget = Literal["data", "labels"] | None


@dataclass(frozen=True)
class Grid:
    """Labels and mask on one grid.

    Attributes
    ----------
    labels : int64 array of shape (x, y, z)
    mask : bool array of shape (x, y, z), or None
    affine : array of shape (4, 4)
    present : int64 array
        The labels that are there, ascending, without the background.
    lost : int64 array
        Those that were lost on the way to this grid.
    background
        The label that is none.
    """

    labels: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    present: np.ndarray
    lost: np.ndarray
    background: int

    @property
    def masked(self) -> np.ndarray:
        """The labels inside of the mask, and background outside."""
        if self.mask is None:
            return self.labels
        return np.where(self.mask, self.labels, self.background)

    @property
    def coded(self) -> np.ndarray:
        """The masked labels as 1, 2, … in ascending order, and 0 where there is none."""
        codes = np.searchsorted(self.present, self.masked) + 1
        return np.where(self.masked == self.background, 0, codes)


@dataclass(frozen=True)
class Recipe:
    """All that decides what becomes of a run, but the run.

    Attributes
    ----------
    labels, labels_affine
        The label image on its own grid.
    known
        The labels of the image, ascending, without the background.
    ids
        All labels to look for, ascending: those of the image, or of its table.
    mask
        Array of 0 and 1 with its affine, or None.
    background
        The label that is none.
    strategy
        The statistic over a region's voxels.
    resampling_target, smoothing_fwhm, dtype, high_variance_confounds, lost_labels
        As the masker's parameters.
    cleaning
        Keyword arguments of `bids_labelx.extraction.clean.clean`.
    """

    labels: np.ndarray
    labels_affine: np.ndarray
    known: np.ndarray
    ids: np.ndarray
    mask: tuple[np.ndarray, np.ndarray] | None
    background: int
    strategy: str
    resampling_target: ResamplingTarget
    smoothing_fwhm: Any
    dtype: np.dtype | Literal["auto"] | None
    high_variance_confounds: bool
    lost_labels: Literal["nan"] | None
    cleaning: Mapping[str, Any]

    def columns(self, grid: Grid) -> np.ndarray:
        """Labels of the columns on a grid: all of them, or those that were not lost."""
        return self.ids if self.lost_labels == "nan" else grid.present


@dataclass(frozen=True)
class Extracted:
    """What came out of a run.

    Attributes
    ----------
    signals : array of shape (n_kept, n_columns)
    columns : int64 array
        The label of each column.
    messages
        What the user should be warned of.
    """

    signals: np.ndarray
    columns: np.ndarray
    messages: tuple[str, ...]


def lay_on_grid(recipe: Recipe, shape: tuple[int, int, int], affine: np.ndarray) -> Grid:
    """Labels and mask on a grid, resampled from their own where they are on another.

    Raises
    ------
    ValueError
        Where grids differ and nothing may be resampled, or no label is left.
    """
    may = recipe.resampling_target is not None
    background = recipe.background
    labels = labels_on_grid(
        recipe.labels,
        recipe.labels_affine,
        shape,
        affine,
        background=background,
        may_resample=may,
    )
    # Sorting out a million voxels is not for free, and on their own grid the labels are known.
    same = labels is recipe.labels
    present = recipe.known if same else np.setdiff1d(labels, [background])
    if not present.size:
        raise ValueError("No label left after resampling the label image to the data image.")
    mask = None
    if recipe.mask is not None:
        mask = labels_on_grid(*recipe.mask, shape, affine, may_resample=may, name="mask") > 0
        if (labels[mask] == background).all():
            raise ValueError("No label left after applying mask to the label image.")
    lost = np.setdiff1d(recipe.known, present)
    return Grid(labels, mask, affine, present, lost, background)


def lost_message(recipe: Recipe, grid: Grid) -> str:
    """The warning for labels lost in resampling; empty where there are none."""
    if not grid.lost.size:
        return ""
    kept = "keep their column, without values" if recipe.lost_labels else "were removed"
    return (
        "After resampling the label image to the data image, the following labels "
        f"{kept}: {set(grid.lost.tolist())}. Label image only contains {grid.present.size + 1} "
        "labels (including background)."
    )


def extract_run(
    image: Any,
    token: object,  # noqa: ARG001
    confounds: np.ndarray | None,
    sample_mask: Any,
    recipe: Recipe,
) -> Extracted:
    """Extract and clean the signals of one run.

    Parameters
    ----------
    image
        Path, nibabel image, or list of 3D ones.
    token
        See `file_token`; a part of what joblib tells calls apart by.
    confounds : array of shape (n_volumes, n_confounds), or None
    sample_mask
        Booleans or indices of the volumes to keep, or None.
    recipe
        What to do.

    Raises
    ------
    OSError, TypeError, ValueError
        Where the image cannot be read to its end, or something does not fit it.
    """
    original = open_volumes(image)
    volumes = _converted(original, recipe.dtype)
    shape, affine = volumes.shape, volumes.affine
    if recipe.resampling_target == "labels":
        shape, affine = recipe.labels.shape, recipe.labels_affine
    grid = lay_on_grid(recipe, shape, affine)
    columns = recipe.columns(grid)
    regions = find_regions(grid.labels, columns, grid.mask)
    if recipe.resampling_target == "labels":
        # What is to be smoothed needs its surroundings.
        wanted = regions.voxels if recipe.smoothing_fwhm is None else None
        volumes = resample_volumes(volumes, shape, affine, wanted)
    if recipe.smoothing_fwhm is not None:
        volumes = smooth_volumes(volumes, recipe.smoothing_fwhm)
    reduction = reduce_volumes(volumes, [regions], [recipe.strategy], uncovered="zero")
    messages = [lost_message(recipe, grid)]
    if reduction.nonfinite_voxels:
        messages.append(
            f"{original.name}: Non-finite values detected in {reduction.nonfinite_voxels} "
            "labelled voxels; they count as zero."
        )
    if recipe.high_variance_confounds:
        own = high_variance_confounds(original)
        confounds = own if confounds is None else np.column_stack([own, confounds])
    # On one thread, the numbers do not depend on the machine's cores; these matrices are small.
    with threadpool_limits(1):
        signals = clean(
            reduction.signals[0][recipe.strategy],
            confounds=confounds,
            sample_mask=boolean_mask(sample_mask, volumes.n_volumes),
            **recipe.cleaning,
        )
    if recipe.lost_labels == "nan":
        signals[:, reduction.voxels_covered[0] == 0] = np.nan
    if volumes.dtype == np.float32 and recipe.dtype is not None:
        signals = signals.astype(np.float32)
    return Extracted(signals, columns, tuple(text for text in messages if text))


def file_token(image: Any) -> object:
    """What tells a file from the same file after a change: path, size and time of each.

    None for an image in memory, which joblib tells apart by its content.
    """
    if isinstance(image, (list, tuple)):
        return [file_token(one) for one in image]
    if isinstance(image, SpatialImage):
        image = image.get_filename()
    if not isinstance(image, (str, os.PathLike)) or not Path(image).is_file():
        return None
    status = Path(image).stat()
    return (os.fspath(image), status.st_size, status.st_mtime_ns)


def _converted(volumes: Volumes, dtype: np.dtype | Literal["auto"] | None) -> Volumes:
    """Volumes whose values are of another type; ``auto`` is int32 for whole numbers, else float32.

    Whole numbers are what an image of integers without scaling holds.
    """
    if dtype is None:
        return volumes
    discrete = volumes.dtype.kind in "iub" and volumes.slope == 1.0 and volumes.inter == 0.0
    kind = np.dtype((np.int32 if discrete else np.float32) if dtype == "auto" else dtype)
    if kind == volumes.dtype and volumes.slope == 1.0 and volumes.inter == 0.0:
        return volumes

    def read(size: int) -> Any:
        for first, raw in volumes.blocks(size):
            yield first, volumes.scale(raw).astype(kind)

    return replace(volumes, slope=1.0, inter=0.0, dtype=kind, _read=read)
