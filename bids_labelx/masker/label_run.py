"""What is extracted with a label image: labels and mask in the run's space, and its signals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.reduce import Uncovered, reduce_volumes
from bids_labelx.extraction.regions import find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, lay_mask, voxel_grid
from bids_labelx.extraction.spatial import resample_volumes, smooth_volumes
from bids_labelx.masker.grayordinates import check_kind
from bids_labelx.masker.run import Extracted, Recipe, check_space

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
        Label of the background.
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
    def inside(self) -> np.ndarray:
        """Labels inside the mask, ascending, without the background."""
        if self.mask is None:
            return self.present
        return np.setdiff1d(self.labels[self.mask], [self.background])

    @property
    def coded(self) -> np.ndarray:
        """Masked labels renumbered 1, 2, … in ascending order, with 0 for the background."""
        codes = np.searchsorted(self.present, self.masked) + 1
        return np.where(self.masked == self.background, 0, codes)


@dataclass(frozen=True, kw_only=True)
class LabelRecipe(Recipe):
    """Extraction and cleaning parameters of the labels masker.

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
        Label of the background.
    strategy
        The statistic over a region's voxels.
    resampling_target, lost_labels, keep_masked_labels
        As the masker's parameters.
    """

    labels: np.ndarray
    labels_space: Space
    known: np.ndarray
    ids: np.ndarray
    mask: tuple[np.ndarray, Space] | None
    background: int
    strategy: str
    resampling_target: ResamplingTarget
    lost_labels: Literal["nan"] | None
    keep_masked_labels: bool

    @property
    def has_background(self) -> bool:
        """Whether the label image has the background, too."""
        return bool((self.labels == self.background).any())

    def columns(self, labelled: LabelledSpace) -> np.ndarray:
        """Labels of the columns in a space: all of them, or those that are present."""
        if self.lost_labels == "nan":
            return self.ids
        return labelled.present if self.keep_masked_labels else labelled.inside

    def extract(self, data: RunData) -> Extracted:
        """Signals of the labels, in the run's space or in the labels' own."""
        name = data.name
        check_kind(data, self.labels_space)
        to_labels = self.resampling_target == "labels"
        space = self.labels_space if to_labels else data.space
        labelled = lay_labels(self, space, name)
        columns = self.columns(labelled)
        regions = find_regions(labelled.labels, columns, labelled.mask)
        if to_labels:
            # Smoothing needs the neighbours of the labelled voxels, too.
            wanted = regions.elements if self.smoothing_fwhm is None else None
            data = resample_volumes(data, voxel_grid(labelled.space), wanted)
        if self.smoothing_fwhm is not None:
            data = smooth_volumes(data, self.smoothing_fwhm)
        matched = isinstance(space, Grayordinates)
        uncovered: Uncovered = "exclude" if matched else "zero"
        reduction = reduce_volumes(data, [regions], [self.strategy], uncovered=uncovered)
        messages = [missing_message(self, labelled), masked_message(labelled, columns)]
        if reduction.nonfinite_elements:
            which = "voxels; they count as zero"
            if matched:
                which = "vertices or voxels; they take no part"
            messages.append(
                f"{name}: Non-finite values detected in {reduction.nonfinite_elements} "
                f"labelled {which}."
            )
        known = np.ones(columns.size, dtype=bool)
        if matched or self.lost_labels == "nan":
            known = reduction.elements_covered[0] > 0
        if matched:
            messages.append(_unknown_message(name, labelled, columns[~known]))
        return Extracted(reduction.signals[0][self.strategy], columns, known, messages)


def lay_labels(
    recipe: LabelRecipe, space: Space, name: str, *, fitting: bool = False
) -> LabelledSpace:
    """Labels and mask in a space: on a grid resampled where their own is another, else matched.

    Parameters
    ----------
    name
        Of the image whose space it is, for messages.
    fitting
        Whether the labels' own space stands for that of images to come, so that a mask without
        any label is no error yet.

    Raises
    ------
    ValueError
        Where grids differ and nothing may be resampled, meshes differ, or no label is left.
    """
    if not isinstance(space, Grayordinates):
        where = "after resampling the label image to the data image"
        return _laid(recipe, space, where, fitting)
    try:
        # Nothing is resampled there, so that no target of resampling is wrong.
        recipe = replace(recipe, resampling_target="data")
        return _laid(recipe, space, "on these grayordinates", fitting)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _laid(recipe: LabelRecipe, space: Space, where: str, fitting: bool) -> LabelledSpace:
    if recipe.resampling_target is None:
        check_space("label image", recipe.labels_space, space)
        if recipe.mask is not None:
            check_space("mask", recipe.mask[1], space)
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
        if (labels[mask] == background).all() and not fitting:
            raise ValueError("No label left after applying mask to the labels image.")
    missing = np.setdiff1d(recipe.known, present)
    return LabelledSpace(space, labels, mask, present, missing, background)


def missing_message(recipe: LabelRecipe, labelled: LabelledSpace) -> str:
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


def masked_message(labelled: LabelledSpace, columns: np.ndarray) -> str:
    """The warning for labels without a column as they are outside of the mask; or empty."""
    removed = np.setdiff1d(labelled.present, columns)
    if not removed.size:
        return ""
    return (
        "After applying mask to the labels image, the following labels were removed: "
        f"{set(removed.tolist())}. Out of {labelled.present.size + 1} labels, the masked labels "
        f"image only contains {columns.size + 1} labels (including background)."
    )


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
