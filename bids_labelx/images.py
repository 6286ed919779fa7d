"""Opening images, with one clear message where it cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from bids_labelx.content import missing_reason
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.formats import read_map
from bids_labelx.extraction.headers import check_header, load_image
from bids_labelx.extraction.space import voxel_grid
from bids_labelx.extraction.stored import load_stored
from bids_labelx.remote.mirror import remote_series


def open_image(path: Path) -> SpatialImage:
    """Read an image's header; its data stay where they are, a series in a store, too.

    Raises
    ------
    MissingInputError
        Where there is no such file, or its content was not fetched.
    BadDataError
        Where it is not an image on a voxel grid, its header makes no sense, or the file is too
        small for what the header says.
    """
    if problem := missing_reason(path):
        raise MissingInputError(problem)
    try:
        series = remote_series(path)
        image = load_stored(series) if series else load_image(str(path))
        if not isinstance(image, SpatialImage):
            raise BadDataError(f"{path}: not an image on a voxel grid")
        check_header(str(path), image)
    except (OSError, ValueError) as error:
        raise BadDataError(str(error)) from error
    return image


def has_orientation(image: SpatialImage) -> bool:
    """Whether a header says where the voxels are; NIfTI has codes for that, which may all be 0.

    Without it, nibabel puts the middle of the image at 0.
    """
    header: Any = image.header
    if not isinstance(header, nib.Nifti1Header):
        return True
    return bool(header["sform_code"] > 0 or header["qform_code"] > 0)


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
