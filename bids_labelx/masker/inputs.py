"""A masker's inputs, in every form that is accepted, as arrays and tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction.formats import Image, open_run_data, read_map
from bids_labelx.extraction.resample import exact_labels
from bids_labelx.extraction.space import Space
from bids_labelx.masker.grayordinates import cifti_image, read_labels
from bids_labelx.settings.convert import split_map


def file_name(image: Any) -> str:
    """What to call an image in messages: its file, or its kind."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    name = image.get_filename() if hasattr(image, "get_filename") else None
    return name or f"{type(image).__name__} in memory"


class Labels(NamedTuple):
    """A label image.

    Attributes
    ----------
    values : int64 array of shape (n_elements,)
        The label of each element.
    space
        The elements.
    table
        ``index``, ``name`` and ``color`` of its own label table, which a ``.dlabel.nii`` has.
    decimals
        Whether the numbers are stored as floating point ones.
    """

    values: np.ndarray
    space: Space
    table: pd.DataFrame | None
    decimals: bool = False


def load_labels_img(image: Image, background: int) -> Labels:
    """Read a label image, of several label maps of a CIFTI-2 file the one of ``FILE#MAP``.

    Values that are not finite count as background, with a warning.

    Raises
    ------
    TypeError
        Where the image is 4D, or no image at all.
    ValueError
        Where a value is fractional, there is no label but the background, or grayordinates have
        something else than one map of labels.
    """
    file, which = image, ""
    if isinstance(image, (str, os.PathLike)):
        file, which = split_map(os.fspath(image))
    if (opened := cifti_image(file)) is not None:
        values, space, table = read_labels(opened, which)
        name = opened.get_filename() or "in-memory image"
        return Labels(_whole_numbers(values, background, name), space, table)
    data = open_run_data(image)
    if data.n_volumes != 1:
        raise TypeError(
            "Input data has incompatible dimensionality: Expected dimension is 3D and you "
            f"provided a 4D image ({data.name}, {data.n_volumes} volumes). A map per volume is "
            "no label image."
        )
    _, values = read_map(image)
    decimals = data.scaled or data.dtype.kind == "f"
    return Labels(_whole_numbers(values, background, data.name), data.space, None, decimals)


def _whole_numbers(values: np.ndarray, background: int, name: str) -> np.ndarray:
    """Labels as int64; at least one is no background."""
    finite = np.isfinite(values)
    if not finite.all():
        warnings.warn(
            f"{name}: Non-finite values detected. In the label image they count as background.",
            stacklevel=4,
        )
        values = np.where(finite, values, background)
    labels = exact_labels(values, name)
    if (labels == background).all():
        raise ValueError(f"{name}: Image has no label; there is no label but the background")
    return labels


def load_mask_img(image: Image) -> tuple[np.ndarray, Space]:
    """Read a mask: whether each element is inside, and their space.

    What is not finite is outside, with a warning. Of a 4D image, elements are inside that are in
    every volume.

    Raises
    ------
    ValueError
        Where nothing is inside.
    """
    data = open_run_data(image)
    inside, finite = np.ones(data.space.n_elements, dtype=bool), True
    for _, raw in data.blocks(1):
        values = np.asarray(data.scale(raw), dtype=np.float64)
        known = np.isfinite(values)
        finite &= bool(known.all())
        inside &= ((values != 0) & known).all(axis=0)
    if not finite:
        warnings.warn(
            f"{data.name}: Non-finite values detected. In the mask they count as outside.",
            stacklevel=4,
        )
    if not inside.any():
        raise ValueError(f"{data.name}: The mask is invalid as it is empty: it masks all data")
    return inside, data.space


def one_per_run(what: str, values: Any, n_runs: int) -> Sequence[Any]:
    """Values for each of several runs; None means none for any run.

    Raises
    ------
    TypeError, ValueError
        Where they are no list, or not as many as the runs.
    """
    if values is None:
        return [None] * n_runs
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{what} is a list, one entry for each run; got {type(values).__name__}")
    if len(values) != n_runs:
        raise ValueError(
            f"number of {what} ({len(values)}) unequal to number of images ({n_runs})"
        )
    return values


def mask_per_run(sample_mask: Any, n_runs: int) -> Sequence[Any]:
    """Sample masks for each of several runs: one for all, or a list with one for each."""
    if isinstance(sample_mask, (list, tuple)) and any(
        one is None or np.ndim(one) == 1 for one in sample_mask
    ):
        return one_per_run("sample_mask", sample_mask, n_runs)
    return [sample_mask] * n_runs


def one_mask(sample_mask: Any) -> Any:
    """The sample mask of a single run: itself, or the only one of a list of vectors.

    Raises
    ------
    ValueError
        Where there are several.
    """
    if not isinstance(sample_mask, (list, tuple)) or not sample_mask:
        return sample_mask
    if any(np.ndim(one) != 1 for one in sample_mask):
        return sample_mask
    if len(sample_mask) > 1:
        raise ValueError(
            f"number of sample_mask ({len(sample_mask)}) unequal to number of images (1)"
        )
    return sample_mask[0]


def positional(given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
    """Confounds and sample mask out of what follows the images in `fit_transform`.

    The reference page has ``(imgs, confounds, sample_mask)``, scikit-learn's pipelines call
    ``(imgs, y)``, and newer releases of nilearn have ``(imgs, y, confounds, sample_mask)``. A
    target has one value per row; anything else in second position is confounds.

    Parameters
    ----------
    given
        The positional arguments behind the images.
    named
        ``confounds`` and ``sample_mask`` given by name; None where they were not.

    Raises
    ------
    TypeError
        Where there are too many, or one is given in both ways.
    """
    if len(given) > 3:
        raise TypeError(f"fit_transform takes images and at most 3 more, got {len(given)}")
    found: dict[str, Any] = {}
    if len(given) == 3 or (len(given) == 2 and given[0] is None and is_confounds(given[1])):
        found = dict(zip(("confounds", "sample_mask"), given[1:], strict=False))
    elif len(given) == 2:
        found = {"confounds": given[0], "sample_mask": given[1]}
    elif given and is_confounds(given[0]):
        found = {"confounds": given[0]}
    twice = [
        name for name, value in found.items() if value is not None and named[name] is not None
    ]
    if twice:
        raise TypeError(f"fit_transform got {' and '.join(twice)} both by place and by name")
    chosen = {k: found.get(k) if value is None else value for k, value in named.items()}
    return chosen["confounds"], chosen["sample_mask"]


def is_confounds(value: Any) -> bool:
    """Whether it is a path, a table, something of two dimensions, or a list of these."""
    if isinstance(value, (os.PathLike, pd.DataFrame)):
        return True
    if isinstance(value, str):
        return Path(value).suffix.lower() in (".csv", ".tsv", ".txt", ".par", ".1d")
    if isinstance(value, np.ndarray):
        return value.ndim == 2
    if isinstance(value, (list, tuple)):
        return any(isinstance(one, (list, tuple)) or is_confounds(one) for one in value) or any(
            isinstance(one, np.ndarray) and one.ndim == 1 for one in value
        )
    return False


def is_one_run(images: Any) -> bool:
    """Whether it is a single run, and not a list, tuple or generator of runs. None is one."""
    return isinstance(images, (str, os.PathLike, SpatialImage)) or not isinstance(images, Iterable)


def is_3d(image: Any) -> bool:
    """Whether it is a single 3D image, by path or in memory."""
    if isinstance(image, (str, os.PathLike)) and Path(image).is_file():
        image = nib.load(image)
    return isinstance(image, SpatialImage) and len(image.shape) == 3
