"""Opening images, with one clear message where it cannot be done."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import SpatialImage

from bids_labelx.errors import BadDataError, MissingInputError


def open_image(path: Path) -> SpatialImage:
    """Read an image's header; its data stays on disk.

    Raises
    ------
    MissingInputError
        Where there is no such file, or it is a link to one that is not there.
    BadDataError
        Where it is not an image on a voxel grid.
    """
    try:
        image = nib.load(path)
    except FileNotFoundError:
        target = f", a link to {path.readlink()}," if path.is_symlink() else ""
        raise MissingInputError(f"{path}{target} is not there; fetch it first") from None
    except (OSError, EOFError, ImageFileError) as error:
        raise BadDataError(f"{path}: cannot be read as an image ({error})") from None
    if not isinstance(image, SpatialImage) or image.affine is None:
        raise BadDataError(f"{path}: not an image on a voxel grid")
    return image


def read_data(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A 3D image: data (x, y, z) with its header's scaling applied, and affine (4, 4).

    Dimensions of length 1 behind the third are taken off.

    Raises
    ------
    MissingInputError, BadDataError
        Where it cannot be opened or read to its end, or has more than three dimensions.
    """
    image = open_image(path)
    try:
        data = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError) as error:
        raise BadDataError(f"{path}: the image is truncated or corrupt ({error})") from None
    if data.ndim < 3 or set(data.shape[3:]) - {1}:
        raise BadDataError(f"{path}: 3 dimensions are expected, the image has shape {data.shape}")
    return data.reshape(data.shape[:3]), image.affine
