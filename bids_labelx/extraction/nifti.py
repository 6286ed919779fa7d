"""One-file NIfTI images: ``.nii.gz`` decompressed as a stream, ``.nii`` mapped into memory."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from isal import igzip, isal_zlib
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.sliced import read_header

_PIECE_BYTES = 1 << 20

# isal's stubs take its error class for an instance, hence the cast.
_GZIP_ERRORS = (EOFError, OSError, zlib.error, cast(type[Exception], isal_zlib.error))


def is_nifti(image: Any) -> bool:
    """Whether an image's data still lie in a ``.nii.gz`` or a ``.nii``."""
    proxy = image.dataobj if isinstance(image, SpatialImage) else None
    file_like = getattr(proxy, "file_like", None)
    if not isinstance(proxy, ArrayProxy) or not isinstance(file_like, (str, os.PathLike)):
        return False
    return os.fspath(file_like).lower().endswith((".nii", ".nii.gz"))


def open_nifti(name: str, image: SpatialImage) -> RunData:
    """Open the file that an image's data lie in, by decompressing or mapping its blocks."""
    grid, n_volumes, dtype = read_header(name, image)
    proxy: Any = image.dataobj
    path = Path(proxy.file_like)
    blocks = _gzip_blocks if path.name.lower().endswith(".gz") else _mapped_blocks
    read = partial(blocks, path, dtype, proxy.offset, grid.n_elements, n_volumes)
    slope, inter = float(proxy.slope), float(proxy.inter)
    return RunData(str(path), grid, n_volumes, dtype, read, slope, inter)


def _truncated(name: str | Path, whole: int, n_volumes: int) -> OSError:
    """Describe a file that ends early."""
    return OSError(
        f"{name}: only {whole} of {n_volumes} volumes are whole, the file is truncated or corrupt"
    )


def _gzip_blocks(
    path: Path, dtype: np.dtype, offset: int, n_elements: int, n_volumes: int, size: int
) -> Blocks:
    """Blocks of a ``.nii.gz``, decompressed into three buffers in turn.

    While the caller uses one, a thread fills the others: isal releases the interpreter's lock. Two
    are submitted ahead, so that the thread does not wait for the caller.
    """
    firsts = range(0, n_volumes, size)
    buffers = [np.empty((min(size, n_volumes), n_elements), dtype) for _ in range(3)]
    blocks = [(first, buffers[k % 3][: n_volumes - first]) for k, first in enumerate(firsts)]
    with igzip.open(path, "rb") as stream, _reading_thread() as (submit, stop):
        ahead = iter(blocks)
        filling = deque(
            submit(_fill, stream, block, skip=0 if first else offset)
            for first, block in islice(ahead, 2)
        )
        for first, block in blocks:
            try:
                filling.popleft().result()
            except _GZIP_ERRORS as error:
                stop()
                whole = _whole_volumes(path, buffers[0][0], offset)
                raise _truncated(path, whole, n_volumes) from error
            for _, later in islice(ahead, 1):
                filling.append(submit(_fill, stream, later, skip=0))
            yield first, block
        try:
            # Reading on over the end is what makes the checksum of the data be compared.
            stream.read(1)
        except _GZIP_ERRORS as error:
            raise OSError(
                f"{path}: all {n_volumes} volumes were read, but the compressed data end wrongly "
                f"({error}), the file is truncated or corrupt"
            ) from error


@contextlib.contextmanager
def _reading_thread() -> Iterator[tuple[Callable[..., Future], Callable[[], None]]]:
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


def _call_now(function: Callable[..., None], *arguments: Any, **options: Any) -> Future:
    """The outcome of a call as if it had been made in a thread."""
    future: Future = Future()
    try:
        future.set_result(function(*arguments, **options))
    except Exception as error:
        future.set_exception(error)
    return future


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
    path: Path, dtype: np.dtype, offset: int, n_elements: int, n_volumes: int, size: int
) -> Blocks:
    """Blocks of a ``.nii``, each mapped by itself so that pages of earlier ones are let go."""
    volume_bytes = n_elements * dtype.itemsize
    whole = max(path.stat().st_size - offset, 0) // volume_bytes
    if whole < n_volumes:
        raise _truncated(path, whole, n_volumes)
    for first in range(0, n_volumes, size):
        count = min(size, n_volumes - first)
        start = offset + first * volume_bytes
        yield first, np.memmap(path, dtype, mode="r", offset=start, shape=(count, n_elements))
