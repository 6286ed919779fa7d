"""Arrays of a space as images: NIfTI for a voxel grid, CIFTI-2 for grayordinates."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd

from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import Space, VolumeGrid, voxel_grid
from bids_labelx.masker.grayordinates import scalars_image, series_image
from bids_labelx.outputs.label_images import dense_labels

SpaceImage = nib.Nifti1Image | nib.Cifti2Image


def labels_image(
    labels: np.ndarray, space: Space, regions: pd.DataFrame, background: int
) -> SpaceImage:
    """Image of labels, of grayordinates with their table.

    Parameters
    ----------
    labels : int64 array of shape (n_elements,)
    space
        The elements.
    regions
        ``index`` and ``name`` of all labels but the background, and perhaps ``color``.
    background
        Label of the background.
    """
    if isinstance(space, Grayordinates):
        return dense_labels(labels, space, regions, "labels", background)
    return _whole_numbers(labels, voxel_grid(space))


def mask_image(inside: np.ndarray, space: Space) -> SpaceImage:
    """Image of a mask, 1 inside and 0 outside."""
    if isinstance(space, Grayordinates):
        return scalars_image(inside.astype(np.float32), space, "mask")
    return _whole_numbers(inside, voxel_grid(space))


def signals_image(values: np.ndarray, space: Space, step: float | None) -> SpaceImage:
    """Image of signals of shape (n_elements,) or (n_elements, n_volumes).

    Of grayordinates it is a dense series, `step` seconds (1 s unless given) from one row to the
    next, or for a single vector dense scalars.
    """
    if isinstance(space, Grayordinates):
        if values.ndim == 1:
            return scalars_image(values, space, "signals")
        return series_image(values, space, step)
    grid = voxel_grid(space)
    shape = (*grid.shape, *values.shape[1:])
    return nib.Nifti1Image(values.reshape(shape, order="F"), grid.affine)


def _whole_numbers(values: np.ndarray, grid: VolumeGrid) -> nib.Nifti1Image:
    """Image of whole numbers: int32, which most programs read, wherever they fit into it."""
    narrow = values.astype(np.int32)
    stored = narrow if np.array_equal(narrow, values) else values
    return nib.Nifti1Image(grid.to_volume(stored), grid.affine, dtype=stored.dtype)
