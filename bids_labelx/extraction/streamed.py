"""Files that hold one volume after another, gzipped or not, read once from beginning to end.

Plain files are read and not mapped: a file that another program shortens would kill a process that
has it mapped.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction.headers import read_header, truncated
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.stored import (
    GZIP_ERRORS,
    LocalFile,
    Stored,
    cannot_be_read,
    decompressed,
    open_stored,
)

# Bytes to a multiple of which some programs fill up files.
_SECTOR = 512
_PIECE_BYTES = 1 << 20

_ENDINGS = (".nii", ".nii.gz", ".img", ".img.gz", ".mgh", ".mgz")


@dataclass(frozen=True)
class _Volumes:
    """Where the volumes of an image lie.

    Attributes
    ----------
    file, offset
        The file, and where in it, once decompressed, they begin.
    footer
        Whether anything may come after them.
    """

    file: Stored
    dtype: np.dtype
    offset: int
    n_elements: int
    n_volumes: int
    footer: bool


def is_streamed(image: Any) -> bool:
    """Whether an image's data still lie in a file of NIfTI, Analyze or FreeSurfer."""
    proxy = image.dataobj if isinstance(image, SpatialImage) else None
    file_like = getattr(proxy, "file_like", None)
    if not isinstance(proxy, ArrayProxy) or not isinstance(file_like, (str, os.PathLike)):
        return False
    return os.fspath(file_like).lower().endswith(_ENDINGS)


def open_streamed(name: str, image: SpatialImage, file: Stored | None = None) -> RunData:
    """Open the file that an image's data lie in, which is `file` where it is on no disk."""
    grid, n_volumes, dtype = read_header(name, image)
    proxy: Any = image.dataobj
    file = file or LocalFile.of(Path(proxy.file_like))
    volumes = _Volumes(
        file,
        dtype,
        proxy.offset,
        grid.n_elements,
        n_volumes,
        footer=isinstance(image, nib.MGHImage),
    )
    slope, inter = float(proxy.slope), float(proxy.inter)
    return RunData(str(file), grid, n_volumes, dtype, partial(_blocks, volumes), slope, inter)


def _blocks(volumes: _Volumes, size: int) -> Blocks:
    """Blocks of a file, read into three buffers in turn.

    While the caller uses one, a thread fills the others: isal and the system release the
    interpreter's lock. Two are submitted ahead, so that the thread does not wait for the caller.
    """
    file, n_volumes = volumes.file, volumes.n_volumes
    firsts = range(0, n_volumes, size)
    shape = (min(size, n_volumes), volumes.n_elements)
    buffers = [np.empty(shape, volumes.dtype) for _ in firsts[:3]]
    blocks = [(first, buffers[k % 3][: n_volumes - first]) for k, first in enumerate(firsts)]
    with _opened(file) as (stored, stream), reading_thread() as (submit, stop):
        file.check_unchanged(stored)
        ahead = iter(blocks)
        filling = deque(
            submit(_fill, stream, block, skip=0 if first else volumes.offset)
            for first, block in islice(ahead, 2)
        )
        for first, block in blocks:
            try:
                filling.popleft().result()
            except GZIP_ERRORS as error:
                stop()
                # Of a store that does not answer nothing else is to be asked.
                if not isinstance(error, TimeoutError):
                    file.check_unchanged(stored)
                if isinstance(error, OSError) and error.errno:
                    raise cannot_be_read(file, error) from error
                whole = _whole_volumes(volumes, buffers[0][0])
                raise truncated(str(file), whole, n_volumes) from error
            for _, later in islice(ahead, 1):
                filling.append(submit(_fill, stream, later, skip=0))
            yield first, block
        try:
            more = _goes_on(volumes, stream)
        except GZIP_ERRORS as error:
            if isinstance(error, OSError) and error.errno:
                raise cannot_be_read(file, error) from error
            raise OSError(
                f"{file}: all {n_volumes} volumes were read, but the data end wrongly "
                f"({error}), the file is truncated or corrupt"
            ) from error
        file.check_unchanged(stored)
    if more:
        raise OSError(
            f"{file}: there are more data than the header says, which are {n_volumes} volumes of "
            f"{volumes.n_elements} voxels of {volumes.dtype.name} from byte {volumes.offset} on; "
            "correct the header's dimensions, data type or vox_offset, or write the image again"
        )


@contextlib.contextmanager
def _opened(file: Stored) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The stream of a file as it is stored, and that of an image's data in it."""
    with open_stored(file) as stored, decompressed(stored, file.name) as stream:
        yield stored, stream


def _goes_on(volumes: _Volumes, stream: BinaryIO) -> bool:
    """Read what is after the last volume; say whether it is data, of which there should be none.

    Reading to the end is also what makes the checksum of the data be compared. Zeros that fill up
    the last sector are no data. Other zeros may be: those of a byte too many before them.
    """
    volume_bytes = volumes.n_elements * volumes.dtype.itemsize
    beyond, zeros = 0, True
    while piece := stream.read(_PIECE_BYTES):
        beyond += len(piece)
        zeros = zeros and not piece.strip(b"\0")
    if volumes.footer or not beyond:
        return False
    end = volumes.offset + volumes.n_volumes * volume_bytes + beyond
    return not (zeros and beyond < min(_SECTOR, volume_bytes) and end % _SECTOR == 0)


@contextlib.contextmanager
def reading_thread() -> Iterator[tuple[Callable[..., Future], Callable[[], None]]]:
    """Two functions: one that has a thread call another one, and one that ends the thread.

    Where no thread can be started, for a limit of processes or of memory, calls are made at once.
    """
    with ThreadPoolExecutor(1) as reader:
        stop = partial(reader.shutdown, cancel_futures=True)
        try:
            reader.submit(int).result()
        except RuntimeError:
            stop()
            yield _call_now, stop
        else:
            yield reader.submit, stop


def _call_now(function: Callable[..., Any], *arguments: Any, **options: Any) -> Future:
    """The outcome of a call as if it had been made in a thread."""
    future: Future = Future()
    try:
        future.set_result(function(*arguments, **options))
    except Exception as error:
        future.set_exception(error)
    return future


def _fill(stream: Any, target: np.ndarray, skip: int) -> None:
    """Fill an array with the stream's next bytes; EOFError if there are too few."""
    stream.seek(skip, os.SEEK_CUR)
    left = target.view(np.uint8).reshape(-1).data
    while left:
        # igzip's `readinto` goes through a bytes object of the size asked for: ask for little.
        count = stream.readinto1(left[:_PIECE_BYTES])
        if not count:
            raise EOFError("the data end before the last volume")
        left = left[count:]


def _whole_volumes(volumes: _Volumes, buffer: np.ndarray) -> int:
    """Count the whole volumes of a damaged file.

    The read that fails takes along what it had decompressed already, so the count needs reads of
    a volume at most, from the beginning.
    """
    whole = 0
    with contextlib.suppress(*GZIP_ERRORS), _opened(volumes.file) as (_, stream):
        while True:
            _fill(stream, buffer, skip=0 if whole else volumes.offset)
            whole += 1
    return whole
