"""The maps of an atlas on the grid of a run as a file, beside its label table."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.weighted import Maps
from bids_labelx.files import whole_file

# Most of it is 0, which packs well at any level.
_LEVEL = 3


def write_maps(path: Path, maps: Maps, columns: np.ndarray, grid: VolumeGrid) -> None:
    """Write maps as gzipped NIfTI of float32, one in each volume; same maps, same bytes.

    One map is in memory at a time.

    Parameters
    ----------
    path
        ``…_probseg.nii.gz``.
    maps, grid
        The maps and their grid.
    columns : int array of shape (n_volumes,)
        The map of each volume.

    Raises
    ------
    CannotWriteError
        As from `whole_file`.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((*grid.shape, len(columns)))
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, code="aligned")
    header.set_qform(grid.affine, code="unknown", strip_shears=True)
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    # Such a header of gzip has neither time nor name.
    packer = zlib.compressobj(_LEVEL, wbits=31)
    values = np.zeros(grid.n_elements, "<f4")
    start = header.as_byteswapped("<").binaryblock
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(packer.compress(start + bytes(header.single_vox_offset - len(start))))
        for column in columns.tolist():
            of_map = slice(*maps.weights.indptr[column : column + 2])
            elements = maps.elements[maps.weights.indices[of_map]]
            values[elements] = maps.weights.data[of_map]
            stream.write(packer.compress(values.tobytes()))
            values[elements] = 0
        stream.write(packer.flush())
