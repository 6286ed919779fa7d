"""Images on a voxel grid, in memory or in any format that nibabel slices."""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction.headers import read_header
from bids_labelx.extraction.run_data import Blocks, RunData


def is_on_grid(image: Any) -> bool:
    """Whether it is a nibabel image on a voxel grid."""
    return isinstance(image, SpatialImage)


def open_sliced(name: str, image: SpatialImage) -> RunData:
    """Open an image for reading through nibabel's slicing, which scales its values."""
    grid, n_volumes, dtype = read_header(name, image)
    data: Any = image.dataobj
    if nib.is_proxy(data):
        dtype = np.dtype(np.asanyarray(data[(slice(0, 1),) * len(data.shape)]).dtype)
    read = partial(_sliced_blocks, name, data, grid.shape, n_volumes)
    return RunData(name, grid, n_volumes, dtype, read)


def _sliced_blocks(
    name: str, data: Any, shape: tuple[int, int, int], n_volumes: int, size: int
) -> Blocks:
    """Blocks of an array in memory, or of another format through nibabel's slicing."""
    for first in range(0, n_volumes, size):
        volumes = slice(first, first + size)
        further = tuple(volumes if length > 1 else slice(None) for length in data.shape[3:])
        try:
            part = np.asanyarray(data[(slice(None),) * 3 + further])
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise OSError(
                f"{name}: cannot read volume {first} of {n_volumes} ({error})"
            ) from error
        # Transposed, C order runs through the voxels of a volume as Fortran order did before;
        # a copy is made only where the array was not in Fortran order already.
        part = part.reshape((*shape, -1))
        yield first, part.T.reshape(part.shape[3], -1)
