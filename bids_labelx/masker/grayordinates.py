"""What a masker does otherwise on surfaces and grayordinates: CIFTI-2 in, CIFTI-2 out.

Labels are matched by structure and vertex, or structure and voxel. Nothing is resampled or
smoothed, and elements without data take no part, as on the command line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.cifti2 import ScalarAxis, SeriesAxis

from bids_labelx.atlases.surface_labels import hex_colour
from bids_labelx.extraction.cifti import brain_model_axis, is_cifti, read_label_map, step_of
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.headers import load_image
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space

_BOTH = "labels, images and mask are all volumes or all on grayordinates"


def cifti_image(image: Any) -> nib.Cifti2Image | None:
    """The CIFTI-2 image that it is, or that a path leads to; None for anything else."""
    if isinstance(image, (str, os.PathLike)):
        if not os.fspath(image).endswith(".nii") or not Path(image).is_file():
            return None
        image = load_image(os.fspath(image))
    return image if is_cifti(image) else None


def read_labels(
    image: nib.Cifti2Image, which: str = ""
) -> tuple[np.ndarray, Grayordinates, pd.DataFrame]:
    """Read the labels of a ``.dlabel.nii`` and its label table.

    Parameters
    ----------
    image
        The image.
    which
        Of several maps, the name of the one wanted or its number, counted from 1.

    Returns
    -------
    values : array of shape (n_elements,)
        As stored.
    space
        The elements.
    table
        ``index``, ``name`` and ``color``.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or has no label maps or several of which none is chosen.
    """
    name = _name(image)
    n_maps = image.shape[0]
    if n_maps > 1 and not image.get_filename():
        raise ValueError(f"{name}: {n_maps} maps; give an image of the one that is wanted")
    values, space, labels = read_label_map(name, image, which)
    rows = [(key, text, hex_colour(colour)) for key, (text, colour) in labels.items()]
    return values, space, pd.DataFrame(rows, columns=["index", "name", "color"])


def _name(image: nib.Cifti2Image) -> str:
    return image.get_filename() or "in-memory image"


def seconds_per_volume(image: nib.Cifti2Image) -> float | None:
    """The step of a dense series; None for other rows, and where it is not above 0."""
    try:
        step = step_of(_name(image), image)
    except ValueError:
        return None
    return step if np.isfinite(step) and step > 0 else None


def check_options(space: Space, mask: Space | None, smoothing_fwhm: Any, target: Any) -> None:
    """Refuse what there is for volumes alone, where labels are on grayordinates.

    Raises
    ------
    TypeError
        If labels and mask are not of one kind.
    ValueError
        If images are to be smoothed or resampled.
    """
    on_surfaces = isinstance(space, Grayordinates)
    if mask is not None and isinstance(mask, Grayordinates) != on_surfaces:
        raise TypeError(
            f"mask_img is {_kind(mask)} and labels_img is {_kind(space)}: {_BOTH}; give the mask "
            f"as {'.dscalar.nii' if on_surfaces else 'a volume'}, or none"
        )
    if not on_surfaces:
        return
    if np.any(smoothing_fwhm):
        raise ValueError(
            f"smoothing_fwhm={smoothing_fwhm!r}: surfaces and grayordinates are not smoothed; "
            "smooth the series before, as with wb_command -cifti-smoothing, and leave "
            "smoothing_fwhm=None"
        )
    if target == "labels":
        raise ValueError(
            "resampling_target='labels': surfaces and grayordinates are not resampled; leave "
            "'data', which matches labels by structure and vertex or voxel"
        )


def check_kind(data: RunData, labels: Space) -> None:
    """Refuse volumes with labels on grayordinates, and the other way round, by a TypeError."""
    if isinstance(data.space, Grayordinates) != isinstance(labels, Grayordinates):
        wanted = "dtseries.nii" if isinstance(labels, Grayordinates) else "nii.gz"
        other = "nii.gz" if isinstance(labels, Grayordinates) else "dlabel.nii"
        raise TypeError(
            f"{data.name}: it is {_kind(data.space)} and labels_img is {_kind(labels)}: {_BOTH}; "
            f"give images as .{wanted}, or labels as .{other}"
        )


def _kind(space: Space) -> str:
    return "on grayordinates (CIFTI-2)" if isinstance(space, Grayordinates) else "a volume"


def series_image(values: np.ndarray, space: Grayordinates, step: float | None) -> nib.Cifti2Image:
    """Dense series of values of shape (n_elements, n_volumes), `step` or 1 seconds apart."""
    rows = SeriesAxis(start=0, step=step or 1.0, size=values.shape[1])
    return _image(values.T, rows, space, "NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")


def scalars_image(values: np.ndarray, space: Grayordinates, name: str) -> nib.Cifti2Image:
    """Dense scalars, a map with a name, of values of shape (n_elements,)."""
    intent = "NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS"
    return _image(values[np.newaxis], ScalarAxis([name]), space, intent)


def _image(
    rows: np.ndarray, axis: ScalarAxis | SeriesAxis, space: Grayordinates, intent: str
) -> nib.Cifti2Image:
    image = nib.Cifti2Image(rows, (axis, brain_model_axis(space)), dtype=rows.dtype)
    image.nifti_header.set_intent(intent)
    return image
