"""Headers of images: opening a file, and what has to hold before anything is read or allocated."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.cifti2.cifti2 import Cifti2HeaderError
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage
from nibabel.wrapstruct import WrapStructError

from bids_labelx.extraction.space import VolumeGrid

GZIPPED = (".gz", ".mgz")

# What nibabel raises for headers that make no sense, and for damaged compressed ones.
LOAD_ERRORS = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    Cifti2HeaderError,
    ExpatError,
    AttributeError,
    EOFError,
    zlib.error,
    struct.error,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
)

DENSE = (".dtseries.nii", ".dlabel.nii", ".dscalar.nii")
_CIFTI_CODE = 32  # of the NIfTI extension that a CIFTI-2 header is

# The most that deflate makes of a byte: two bits can stand for 258 bytes.
_MOST_PER_BYTE = 1032


@dataclass(frozen=True)
class CiftiFile:
    """The header of a CIFTI-2 file, and where its data are: what nibabel's image has, too.

    nibabel copies a header as soon as it makes an image of it, which takes longer than to read it.
    """

    name: str
    header: Any
    dataobj: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the matrix."""
        return tuple(self.dataobj.shape)

    def get_filename(self) -> str:
        """The path."""
        return self.name


def _load_cifti(name: str) -> CiftiFile | None:
    """The header of a dense CIFTI-2 file; None for others, whose fault nibabel tells."""
    if not name.endswith(DENSE):
        return None
    try:
        return cifti_file(name, nib.Nifti2Image.from_filename(name))
    except (OSError, *LOAD_ERRORS):
        return None


def cifti_file(name: str, image: nib.Nifti2Image) -> CiftiFile | None:
    """The header of a dense CIFTI-2 file that was opened as NIfTI-2; None for others."""
    try:
        (extension,) = (one for one in image.header.extensions if one.get_code() == _CIFTI_CODE)
        header = extension.get_content()
        proxy: Any = image.dataobj
        sizes = [len(header.get_axis(0)), proxy.shape[-1]]
        if proxy.shape[4:] != tuple(sizes) or header.matrix.get_index_map(1) is None:
            return None
        return CiftiFile(name, header, proxy.reshape(sizes))
    except LOAD_ERRORS:
        return None


def load_image(name: str) -> Any:
    """Read an image's header; its data stay on disk.

    Raises
    ------
    OSError
        For every kind of unreadable file, with its name; FileNotFoundError if it is not there.
    """
    try:
        image = _load_cifti(name) or nib.load(name)
        for file in () if isinstance(image, CiftiFile) else _header_files(image):
            # Read to its end, a compressed header is compared with its checksum.
            with gzip.open(file) as stream:
                stream.read()
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such file") from None
    except OSError as error:
        reason = error.strerror or _why_not(name, error)
        raise OSError(f"{name}: cannot be read as an image ({reason})") from error
    except LOAD_ERRORS as error:
        raise OSError(f"{name}: cannot be read as an image ({_why_not(name, error)})") from error
    return image


def _why_not(name: str, error: Exception) -> str:
    """What is wrong with a file that is no image, from its first bytes and its name."""
    path = Path(name)
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
    except OSError:
        return str(error)
    if not start:
        return "the file is empty"
    compressed, named = start == b"\x1f\x8b", path.name.lower().endswith(GZIPPED)
    if compressed and not named:
        return f"it is compressed with gzip, and its name does not say so; name it {path.name}.gz"
    if named and not compressed:
        plain = path.stem if path.suffix.lower() == ".gz" else f"{path.stem}.mgh"
        return (
            f"it is not compressed with gzip, as its name says; if it is an image, name it {plain}"
        )
    # nibabel's messages have the path again.
    return str(error).replace(f'"{name}"', "it").replace(name, "it")


def _header_files(image: Any) -> list[str]:
    """The gzipped files that hold a header and no data, as of a pair .hdr.gz and .img.gz."""
    names = [holder.filename for kind, holder in image.file_map.items() if kind == "header"]
    return [name for name in names if name and name.lower().endswith(GZIPPED)]


def read_header(name: str, image: SpatialImage) -> tuple[VolumeGrid, int, np.dtype]:
    """Grid, number of volumes and type of the stored values.

    Raises
    ------
    ValueError
        If the image is not 3D or 4D, or holds no real numbers; and as `check_header`.
    OSError
        As `check_header`.
    """
    check_header(name, image)
    shape = image.shape
    further = [length for length in shape[3:] if length != 1]
    if len(further) > 1:
        raise ValueError(f"{name}: expected a 3D or 4D image, found the shape {tuple(shape)}")
    data: Any = image.dataobj
    dtype = np.dtype(data.dtype)
    if dtype.kind not in "iufb":
        raise ValueError(f"{name}: expected real numbers, found data of type {dtype}")
    return VolumeGrid.of(shape, image.affine), int(math.prod(further)), dtype


def check_header(name: str, image: SpatialImage) -> None:
    """Refuse an image that has no voxels or no place for them, or more than its file can hold.

    Raises
    ------
    ValueError
        If it has fewer than three dimensions or an empty one, or its affine is not finite or not
        invertible.
    OSError
        If its file is too small for what the header says.
    """
    shape = tuple(image.shape)
    if len(shape) < 3:
        raise ValueError(f"{name}: expected a 3D or 4D image, found the shape {shape}")
    if min(shape) < 1:
        raise ValueError(f"{name}: the image is empty, its shape is {shape}")
    affine = image.affine
    if affine is None or not np.isfinite(affine).all():
        raise ValueError(f"{name}: its affine is not finite:\n{affine}\ncorrect the header")
    if np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise ValueError(
            f"{name}: its affine cannot be inverted, it puts all voxels into one plane, line or "
            f"point:\n{affine}\ncorrect the header"
        )
    data: Any = image.dataobj
    if isinstance(data, ArrayProxy) and isinstance(data.file_like, (str, os.PathLike)):
        path = Path(data.file_like)
        check_size(name, path.name, path.stat().st_size, image)


def check_size(name: str, file_name: str, size: int, image: SpatialImage) -> None:
    """Refuse a file that cannot hold the data which its header promises.

    `name` is for messages, `file_name` says how the file of `size` bytes is compressed.

    Raises
    ------
    OSError
    """
    data: Any = image.dataobj
    n_elements = math.prod(image.shape[:3])
    if data.offset < 0:
        raise OSError(f"{name}: the data would begin at byte {data.offset}; correct vox_offset")
    volume = n_elements * np.dtype(data.dtype).itemsize
    n_volumes = math.prod(data.shape) // n_elements
    claimed = data.offset + volume * n_volumes
    if file_name.lower().endswith(GZIPPED):
        if claimed > size * _MOST_PER_BYTE:
            raise OSError(
                f"{name}: the header says {claimed / 1e6:.6g} MB of data (shape "
                f"{tuple(data.shape)}, {np.dtype(data.dtype)}), more than a compressed file of "
                f"{size} bytes can hold, the file is truncated or corrupt"
            )
    elif not file_name.lower().endswith((".bz2", ".zst")) and claimed > size:
        raise truncated(name, max(size - data.offset, 0) // volume, n_volumes)


def file_state(file: str | os.PathLike[str] | int) -> tuple[int, int] | None:
    """Size of a file, and time of its last change in nanoseconds; None where there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116, as it may be a descriptor
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def truncated(name: str | Path, whole: int, n_volumes: int) -> OSError:
    """Describe a file that ends early."""
    return OSError(
        f"{name}: only {whole} of {n_volumes} volumes are whole, the file is truncated or corrupt"
    )
