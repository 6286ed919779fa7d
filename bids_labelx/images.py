"""Opening images, with one clear message where it cannot be done."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import SpatialImage

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.formats import read_map
from bids_labelx.extraction.space import voxel_grid


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
    """Read a 3D image: data (x, y, z), unscaled integers as they are, and affine (4, 4).

    Trailing dimensions of length 1 are dropped.

    Raises
    ------
    MissingInputError, BadDataError
        Where it cannot be opened or read to its end, or has more than three dimensions.
    """
    open_image(path)
    try:
        data, values = read_map(path)
        grid = voxel_grid(data.space)
    except (OSError, TypeError, ValueError) as error:
        raise BadDataError(str(error)) from error
    return grid.to_volume(values), grid.affine
