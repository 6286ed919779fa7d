"""Extraction and cleaning of one run for a masker, as a function without state.

It runs in the caller's process, in a worker of `n_jobs`, or not at all where joblib has it cached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nibabel.dataobj_images import DataobjImage
from threadpoolctl import threadpool_limits

from bids_labelx.extraction.clean import clean
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.reduce import Uncovered, reduce_volumes
from bids_labelx.extraction.regions import find_regions
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.sample_mask import boolean_mask
from bids_labelx.extraction.space import Space, lay_mask, voxel_grid
from bids_labelx.extraction.spatial import resample_volumes, smooth_volumes
from bids_labelx.extraction.variance import high_variance_confounds
from bids_labelx.masker.grayordinates import check_kind

ResamplingTarget = Literal["data", "labels"] | None


@dataclass(frozen=True)
class LabelledSpace:
    """Labels and mask in one space.

    Attributes
    ----------
    space
        The space, with n_elements elements.
    labels : int64 array of shape (n_elements,)
    mask : bool array of shape (n_elements,), or None
    present : int64 array
        Labels in this space, ascending, without the background.
    missing : int64 array
        Labels of the label image that were lost in resampling.
    background
        The label that is no region.
    """

    space: Space
    labels: np.ndarray
    mask: np.ndarray | None
    present: np.ndarray
    missing: np.ndarray
    background: int

    @property
    def masked(self) -> np.ndarray:
        """Labels inside the mask, and background outside."""
        if self.mask is None:
            return self.labels
        return np.where(self.mask, self.labels, self.background)

    @property
    def coded(self) -> np.ndarray:
        """Masked labels renumbered 1, 2, … in ascending order, with 0 for the background."""
        codes = np.searchsorted(self.present, self.masked) + 1
        return np.where(self.masked == self.background, 0, codes)


@dataclass(frozen=True)
class Recipe:
    """Extraction and cleaning parameters.

    Attributes
    ----------
    labels, labels_space
        The label of each element, in the space of the label image.
    known
        The labels of the image, ascending, without the background.
    ids
        All labels to look for, ascending: those of the image, or of its table.
    mask
        Whether each element is inside, and their space; or None.
    background
        The label that is no region.
    strategy
        The statistic over a region's voxels.
    resampling_target, smoothing_fwhm, dtype, high_variance_confounds, lost_labels
        As the masker's parameters.
    cleaning
        Keyword arguments of `bids_labelx.extraction.clean.clean`.
    """

    labels: np.ndarray
    labels_space: Space
    known: np.ndarray
    ids: np.ndarray
    mask: tuple[np.ndarray, Space] | None
    background: int
    strategy: str
    resampling_target: ResamplingTarget
    smoothing_fwhm: Any
    dtype: np.dtype | Literal["auto"] | None
    high_variance_confounds: bool
    lost_labels: Literal["nan"] | None
    cleaning: Mapping[str, Any]

    def columns(self, labelled: LabelledSpace) -> np.ndarray:
        """Labels of the columns in a space: all of them, or those that are present."""
        return self.ids if self.lost_labels == "nan" else labelled.present


@dataclass(frozen=True)
class RunSignals:
    """Signals of one run.

    Attributes
    ----------
    signals : array of shape (n_kept, n_columns)
    columns : int64 array
        The label of each column.
    messages
        Texts of warnings for the user.
    """

    signals: np.ndarray
    columns: np.ndarray
    messages: tuple[str, ...]


def lay_labels(recipe: Recipe, space: Space, name: str) -> LabelledSpace:
    """Labels and mask in a space: on a grid resampled where their own is another, else matched.

    Parameters
    ----------
    name
        Of the image whose space it is, for messages.

    Raises
    ------
    ValueError
        Where grids differ and nothing may be resampled, meshes differ, or no label is left.
    """
    if not isinstance(space, Grayordinates):
        return _laid(recipe, space, "after resampling the label image to the data image")
    try:
        # Nothing is resampled there, so that no target of resampling is wrong.
        return _laid(replace(recipe, resampling_target="data"), space, "on these grayordinates")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _laid(recipe: Recipe, space: Space, where: str) -> LabelledSpace:
    if recipe.resampling_target is None:
        _check_space("label image", recipe.labels_space, space)
        if recipe.mask is not None:
            _check_space("mask", recipe.mask[1], space)
    background = recipe.background
    labels = space.lay_labels(recipe.labels, recipe.labels_space, background=background)
    # Sorting a million labels takes time, and in their own space they are known.
    same = labels is recipe.labels
    present = recipe.known if same else np.setdiff1d(labels, [background])
    if not present.size:
        raise ValueError(f"No label left {where}.")
    mask = None
    if recipe.mask is not None:
        mask = lay_mask(space, *recipe.mask)
        if (labels[mask] == background).all():
            raise ValueError("No label left after applying mask to the label image.")
    missing = np.setdiff1d(recipe.known, present)
    return LabelledSpace(space, labels, mask, present, missing, background)


def _check_space(name: str, own: Space, target: Space) -> None:
    if not target.same(own):
        raise ValueError(
            f"the {name} is on another grid than the target, and resampling is not allowed:\n"
            f"{name}: {own}\ntarget: {target}"
        )


def missing_message(recipe: Recipe, labelled: LabelledSpace) -> str:
    """The warning for labels missing after resampling; empty where there are none."""
    if not labelled.missing.size:
        return ""
    kept = "keep their column, without values" if recipe.lost_labels else "were removed"
    matched = isinstance(labelled.space, Grayordinates)
    how = "Matching the labels with" if matched else "After resampling the label image to"
    what = "the vertices and voxels of the data" if matched else "the data image"
    return (
        f"{how} {what}, the following labels "
        f"{kept}: {set(labelled.missing.tolist())}. Label image only contains "
        f"{labelled.present.size + 1} labels (including background)."
    )


def extract_run(
    image: Any,
    token: object,  # noqa: ARG001
    confounds: np.ndarray | None,
    sample_mask: Any,
    recipe: Recipe,
) -> RunSignals:
    """Extract and clean the signals of one run.

    Parameters
    ----------
    image
        Path, nibabel image, or list of 3D ones.
    token
        See `file_token`; part of joblib's cache key.
    confounds : array of shape (n_volumes, n_confounds), or None
    sample_mask
        Booleans or indices of the volumes to keep, or None.
    recipe
        Extraction and cleaning parameters.

    Raises
    ------
    OSError, TypeError, ValueError
        Where the image cannot be read to its end, or something does not fit it.
    """
    original = open_run_data(image)
    check_kind(original, recipe.labels_space)
    data = _converted(original, recipe.dtype)
    to_labels = recipe.resampling_target == "labels"
    space = recipe.labels_space if to_labels else data.space
    labelled = lay_labels(recipe, space, original.name)
    columns = recipe.columns(labelled)
    regions = find_regions(labelled.labels, columns, labelled.mask)
    if to_labels:
        # Smoothing needs the neighbours of the labelled voxels, too.
        wanted = regions.elements if recipe.smoothing_fwhm is None else None
        data = resample_volumes(data, voxel_grid(labelled.space), wanted)
    if recipe.smoothing_fwhm is not None:
        data = smooth_volumes(data, recipe.smoothing_fwhm)
    matched = isinstance(space, Grayordinates)
    uncovered: Uncovered = "exclude" if matched else "zero"
    reduction = reduce_volumes(data, [regions], [recipe.strategy], uncovered=uncovered)
    messages = [missing_message(recipe, labelled)]
    if reduction.nonfinite_elements:
        which = "voxels; they count as zero"
        if matched:
            which = "vertices or voxels; they take no part"
        messages.append(
            f"{original.name}: Non-finite values detected in {reduction.nonfinite_elements} "
            f"labelled {which}."
        )
    known = np.ones(columns.size, dtype=bool)
    if matched:
        known = reduction.elements_covered[0] > 0
        messages.append(_unknown_message(original.name, labelled, columns[~known]))
    if recipe.high_variance_confounds:
        own = high_variance_confounds(original)
        confounds = own if confounds is None else np.column_stack([own, confounds])
    # On one thread, the numbers do not depend on the machine's cores; these matrices are small.
    with threadpool_limits(1):
        cleaned = clean(
            reduction.signals[0][recipe.strategy][:, known],
            confounds=confounds,
            sample_mask=boolean_mask(sample_mask, data.n_volumes),
            **recipe.cleaning,
        )
    signals = np.full((len(cleaned), columns.size), np.nan)
    signals[:, known] = cleaned
    if recipe.lost_labels == "nan":
        signals[:, reduction.elements_covered[0] == 0] = np.nan
    if data.dtype == np.float32 and recipe.dtype is not None:
        signals = signals.astype(np.float32)
    return RunSignals(signals, columns, tuple(text for text in messages if text))


def _unknown_message(name: str, labelled: LabelledSpace, unknown: np.ndarray) -> str:
    """The warning for labels without data; an error where no label has any."""
    lacking = np.intersect1d(unknown, labelled.present)
    if lacking.size == labelled.present.size:
        raise ValueError(f"{name}: no vertex or voxel with a label has data")
    if not lacking.size:
        return ""
    return (
        f"{name}: no vertex or voxel of the following labels has data, so that their columns are "
        f"NaN: {set(lacking.tolist())}."
    )


def file_token(image: Any) -> object:
    """Path, size and modification time of each file, which change when the file does.

    None for an image in memory, whose content joblib hashes.
    """
    if isinstance(image, (list, tuple)):
        return [file_token(one) for one in image]
    if isinstance(image, DataobjImage):
        image = image.get_filename()
    if not isinstance(image, (str, os.PathLike)) or not Path(image).is_file():
        return None
    status = Path(image).stat()
    return (os.fspath(image), status.st_size, status.st_mtime_ns)


def _converted(data: RunData, dtype: np.dtype | Literal["auto"] | None) -> RunData:
    """Convert values to another type; ``auto`` is int32 for whole numbers, else float32.

    Whole numbers are what an image of integers without scaling holds.
    """
    if dtype is None:
        return data
    discrete = data.dtype.kind in "iub" and not data.scaled
    kind = np.dtype((np.int32 if discrete else np.float32) if dtype == "auto" else dtype)
    if kind == data.dtype and not data.scaled:
        return data

    def converted(blocks: Blocks) -> Blocks:
        for first, raw in blocks:
            yield first, data.scale(raw).astype(kind)

    series = data.read_series
    return replace(
        data.unscaled(dtype=kind, read_blocks=lambda size: converted(data.blocks(size))),
        read_series=None if series is None else lambda: converted(series()),
    )
