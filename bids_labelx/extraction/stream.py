"""The volumes of an image, in blocks, in memory that depends on grid and block size only."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from bids_labelx.extraction.resample import same_grid

Image = str | os.PathLike[str] | SpatialImage

_PIECE_BYTES = 1 << 20
_BLOCK_VOXELS = 1 << 22

# isal's stubs take its error class for an instance, hence the cast.
_GZIP_ERRORS = (EOFError, OSError, zlib.error, cast(type[Exception], isal_zlib.error))
_LOAD_ERRORS = (ImageFileError, HeaderDataError, EOFError, zlib.error)


@dataclass(frozen=True)
class Volumes:
    """A 3D or 4D image as a sequence of flat volumes of stored values.

    Attributes
    ----------
    name
        The path, or ``in-memory image``; for messages.
    shape
        Voxels along x, y and z.
    n_volumes
        Number of volumes; 1 for a 3D image.
    affine : float64 array of shape (4, 4)
        From voxel indices to millimetres.
    slope, inter
        ``value = slope * stored + inter``.
    dtype
        Data type of the stored values, with its byte order.
    """

    name: str
    shape: tuple[int, int, int]
    n_volumes: int
    affine: np.ndarray
    slope: float
    inter: float
    dtype: np.dtype
    _read: Callable[[int], Iterator[tuple[int, np.ndarray]]] = field(repr=False)

    @property
    def n_voxels(self) -> int:
        """Number of voxels in one volume."""
        return math.prod(self.shape)

    def blocks(self, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the volumes in their order, up to `size` at a time.

        Parameters
        ----------
        size
            Volumes in a block; the last block may hold fewer. Unless given, as many as make up
            about 4 million voxels, which is 32 MB as float64.

        Yields
        ------
        first : int
            Index of the block's first volume.
        raw : array of shape (n, x*y*z), of the stored data type
            Stored values, unscaled, the voxels of a volume in Fortran order. The array is valid
            until the next block is asked for: its memory may then be used again. It may be
            read-only.

        Raises
        ------
        ValueError
            If `size` is below 1.
        OSError
            If the file ends early or its compressed data are damaged.
        """
        if size is None:
            size = max(1, _BLOCK_VOXELS // self.n_voxels)
        if size < 1:
            raise ValueError(f"a block holds at least 1 volume, got a size of {size}")
        return self._read(size)

    def scale(self, raw: np.ndarray) -> np.ndarray:
        """Turn stored values into values: ``slope * raw + inter``, a new float64 array."""
        values = raw.astype(np.float64)
        if self.slope != 1.0:
            values *= self.slope
        if self.inter != 0.0:
            values += self.inter
        return values


def open_volumes(image: Image | Sequence[Image]) -> Volumes:
    """Open an image for reading volume by volume; reads headers only.

    ``.nii.gz`` is decompressed once from beginning to end, ``.nii`` is memory-mapped a block at
    a time, and any other format is sliced through nibabel. A nibabel image whose data still lie
    in such a file is read from the file; one whose data are an array is read from the array.

    Parameters
    ----------
    image
        Path or nibabel image with 3 dimensions or 4, or more where only one of the further ones
        is longer than 1. Or a list or tuple of images of one volume each, all on one grid, which
        are the volumes of a run in the order given; of their stored values, `Volumes.slope` is 1
        and `Volumes.inter` 0, since the images' own scalings may differ. Or a path with the
        wildcards of `glob`, which stands for the sorted list of the files that match; a file of
        that very name goes before.

    Raises
    ------
    OSError
        If the file cannot be read as an image or is shorter than its header says.
    TypeError
        If `image` is neither a path nor a nibabel image with a grid in space, or an image in a
        list has several volumes.
    ValueError
        If the image is not 3D or 4D, is empty, or holds complex or colour values; if a list is
        empty or its images are on different grids; if no file matches the wildcards.
    """
    if isinstance(image, (list, tuple)):
        return _open_run(image)
    if isinstance(image, (str, os.PathLike)) and glob.has_magic(pattern := os.fspath(image)):
        path = Path(pattern).expanduser()
        if not path.exists():
            files = sorted(glob.glob(str(path)))  # noqa: PTH207, whose advice needs a relative path
            if not files:
                raise ValueError(f"no file is called, or matches the pattern, {pattern!r}")
            return _open_run(files)
    return _open_image(cast(Image, image))


def _open_run(images: Sequence[Image]) -> Volumes:
    """Open images of a volume each as the volumes of one run."""
    if not images:
        raise ValueError("expected an image or a list of 3D images, found an empty list")
    parts = [_open_image(image) for image in images]
    first = parts[0]
    for index, part in enumerate(parts):
        if part.n_volumes != 1:
            raise TypeError(
                "Input data has incompatible dimensionality: Expected dimension is 4D and you "
                "provided a list of 4D images (5D). Each image of a list is one volume, but "
                f"image #{index} ({part.name}) has {part.n_volumes}."
            )
        if not same_grid(part.shape, part.affine, first.shape, first.affine):
            raise ValueError(
                f"Field of view of image #{index} ({part.name}) is not that of image #0 "
                f"({first.name}):\n"
                f"image #{index}: shape {part.shape}, affine\n{part.affine}\n"
                f"image #0: shape {first.shape}, affine\n{first.affine}"
            )
    if any(part.slope != 1.0 or part.inter != 0.0 for part in parts):
        dtype = np.dtype(np.float64)
    else:
        dtype = np.result_type(*(part.dtype for part in parts))
    return replace(
        first,
        name=first.name if len(parts) == 1 else f"{first.name} and {len(parts) - 1} more",
        n_volumes=len(parts),
        slope=1.0,
        inter=0.0,
        dtype=dtype,
        _read=partial(_run_blocks, parts, dtype),
    )


def _open_image(image: Image) -> Volumes:
    """Open one image; see `open_volumes`."""
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        image = _load(name)
    else:
        name = getattr(image, "get_filename", lambda: None)() or "in-memory image"
    if not isinstance(image, SpatialImage):
        raise TypeError(
            f"{name}: expected a path or a nibabel image on a 3D grid, "
            f"found {type(image).__name__}"
        )
    shape, n_volumes = _grid_and_length(name, image.shape)
    proxy: Any = image.dataobj
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iufb":
        raise ValueError(f"{name}: expected real numbers, found data of type {dtype}")

    slope, inter = 1.0, 0.0
    path = _nifti_file(proxy)
    if path is None:
        read = partial(_array_blocks, name, proxy, shape, n_volumes)
        if nib.is_proxy(proxy):
            dtype = np.dtype(np.asanyarray(proxy[(slice(0, 1),) * len(proxy.shape)]).dtype)
    else:
        slope, inter = float(proxy.slope), float(proxy.inter)
        reader = _gzip_blocks if path.name.lower().endswith(".gz") else _mapped_blocks
        read = partial(reader, path, dtype, proxy.offset, math.prod(shape), n_volumes)
        name = str(path)
    affine = np.array(image.affine, dtype=np.float64)
    return Volumes(name, shape, n_volumes, affine, slope, inter, dtype, read)


def read_volume(image: Image) -> tuple[Volumes, np.ndarray]:
    """Read an image of a single volume: a mask, or labels.

    Returns
    -------
    volumes : Volumes
        The image's description.
    values : array of shape (x, y, z)
        As stored where the image holds unscaled integers, so that they stay exact; float64
        otherwise.

    Raises
    ------
    OSError, TypeError, ValueError
        As from `open_volumes`, and a ValueError if there is more than one volume.
    """
    volumes = open_volumes(image)
    if volumes.n_volumes != 1:
        raise ValueError(f"{volumes.name}: expected a 3D image, found {volumes.n_volumes} volumes")
    unscaled = volumes.dtype.kind != "f" and volumes.slope == 1.0 and volumes.inter == 0.0
    # To the end of the one block there is: only there is the checksum compared.
    for _, raw in volumes.blocks(1):
        values = np.array(raw) if unscaled else volumes.scale(raw)
    return volumes, values[0].reshape(volumes.shape, order="F")


def _load(name: str) -> Any:
    """Read an image's header, with every kind of unreadable file turned into an OSError."""
    try:
        return nib.load(name)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such file") from None
    except _LOAD_ERRORS as error:
        raise OSError(f"{name}: cannot be read as an image ({error})") from error


def _grid_and_length(name: str, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """Split an image's shape into its grid and its number of volumes."""
    further = [length for length in shape[3:] if length != 1]
    if len(shape) < 3 or len(further) > 1:
        raise ValueError(f"{name}: expected a 3D or 4D image, found the shape {tuple(shape)}")
    if 0 in shape:
        raise ValueError(f"{name}: the image is empty, its shape is {tuple(shape)}")
    x, y, z = (int(length) for length in shape[:3])
    return (x, y, z), int(math.prod(further))


def _nifti_file(proxy: Any) -> Path | None:
    """Path of the one-file NIfTI that an image's data lie in, or None."""
    file_like = getattr(proxy, "file_like", None)
    if not isinstance(proxy, ArrayProxy) or not isinstance(file_like, (str, os.PathLike)):
        return None
    path = Path(file_like)
    return path if path.name.lower().endswith((".nii", ".nii.gz")) else None


def _truncated(name: str | Path, whole: int, n_volumes: int) -> OSError:
    """Describe a file that ends early."""
    return OSError(
        f"{name}: only {whole} of {n_volumes} volumes are whole, the file is truncated or corrupt"
    )


def _gzip_blocks(
    path: Path, dtype: np.dtype, offset: int, n_voxels: int, n_volumes: int, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of a ``.nii.gz``, decompressed into three buffers in turn.

    While one is looked at, a thread fills the others: isal lets go of the interpreter's lock. Two
    are asked for ahead, so that the thread goes on while the caller wakes up.
    """
    firsts = range(0, n_volumes, size)
    buffers = [np.empty((min(size, n_volumes), n_voxels), dtype) for _ in range(3)]
    blocks = [(first, buffers[k % 3][: n_volumes - first]) for k, first in enumerate(firsts)]
    with igzip.open(path, "rb") as stream, ThreadPoolExecutor(1) as reader:
        ahead = iter(blocks)
        filling = deque(
            reader.submit(_fill, stream, block, skip=0 if first else offset)
            for first, block in islice(ahead, 2)
        )
        for first, block in blocks:
            try:
                filling.popleft().result()
            except _GZIP_ERRORS as error:
                reader.shutdown(cancel_futures=True)
                whole = _whole_volumes(path, buffers[0][0], offset)
                raise _truncated(path, whole, n_volumes) from error
            for _, later in islice(ahead, 1):
                filling.append(reader.submit(_fill, stream, later, skip=0))
            yield first, block
        try:
            # Reading on over the end is what makes the checksum of the data be compared.
            stream.read(1)
        except _GZIP_ERRORS as error:
            raise OSError(
                f"{path}: all {n_volumes} volumes were read, but the compressed data end wrongly "
                f"({error}), the file is truncated or corrupt"
            ) from error


def _fill(stream: igzip.IGzipFile, target: np.ndarray, skip: int) -> None:
    """Fill an array with the stream's next bytes; EOFError if there are too few."""
    stream.seek(skip, os.SEEK_CUR)
    left = target.view(np.uint8).reshape(-1).data
    while left:
        # `readinto` goes through a bytes object of the size asked for: ask for little.
        count = stream.readinto1(left[:_PIECE_BYTES])
        if not count:
            raise EOFError("the data end before the last volume")
        left = left[count:]


def _whole_volumes(path: Path, buffer: np.ndarray, offset: int) -> int:
    """Count the whole volumes of a damaged file.

    The read that fails takes along what it had decompressed already, so the count needs reads of
    a volume at most, from the beginning.
    """
    whole = 0
    with igzip.open(path, "rb") as stream, contextlib.suppress(*_GZIP_ERRORS):
        while True:
            _fill(stream, buffer, skip=0 if whole else offset)
            whole += 1
    return whole


def _mapped_blocks(
    path: Path, dtype: np.dtype, offset: int, n_voxels: int, n_volumes: int, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of a ``.nii``, each mapped by itself so that pages of earlier ones are let go."""
    volume_bytes = n_voxels * dtype.itemsize
    whole = max(path.stat().st_size - offset, 0) // volume_bytes
    if whole < n_volumes:
        raise _truncated(path, whole, n_volumes)
    for first in range(0, n_volumes, size):
        count = min(size, n_volumes - first)
        start = offset + first * volume_bytes
        yield first, np.memmap(path, dtype, mode="r", offset=start, shape=(count, n_voxels))


def _array_blocks(
    name: str, data: Any, shape: tuple[int, int, int], n_volumes: int, size: int
) -> Iterator[tuple[int, np.ndarray]]:
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


def _run_blocks(
    parts: Sequence[Volumes], dtype: np.dtype, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of a run whose volumes are images of their own, in a buffer that is used again."""
    buffer = np.empty((min(size, len(parts)), parts[0].n_voxels), dtype)
    for first in range(0, len(parts), size):
        block = buffer[: len(parts) - first]
        for row, part in zip(block, parts[first : first + size], strict=True):
            # Asked for to the end, a compressed file is checked to its end.
            for _, raw in part.blocks(1):
                scaled = part.slope != 1.0 or part.inter != 0.0
                row[:] = part.scale(raw[0]) if scaled else raw[0]
        yield first, block
