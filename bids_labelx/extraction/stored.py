"""The files that images lie in: on a disk, or elsewhere and given as a stream."""

from __future__ import annotations

import contextlib
import io
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import nibabel as nib
from isal import igzip, isal_zlib
from nibabel.fileholders import FileHolder
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction.headers import (
    DENSE,
    GZIPPED,
    LOAD_ERRORS,
    CiftiFile,
    check_size,
    cifti_file,
    file_state,
)

# isal's stubs take its error class for an instance, hence the cast.
GZIP_ERRORS = (EOFError, OSError, zlib.error, cast(type[Exception], isal_zlib.error))

# By its first number, what a header of NIfTI is of. Its data begin behind these bytes.
_SHORTEST, _LONGEST = 352, 1 << 28
_NIFTI = {348: nib.Nifti1Image, 540: nib.Nifti2Image}


class Stored(Protocol):
    """A file, wherever it is; as text it is what messages call it."""

    @property
    def name(self) -> str:
        """What it is called in its folder."""

    @property
    def size(self) -> int:
        """Bytes."""

    def open(self) -> BinaryIO:
        """A stream of its bytes, which goes forward, or begins anew; OSError if it cannot be."""

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Raise an OSError with its name where it was written to since it was looked into."""


@dataclass(frozen=True)
class LocalFile:
    """A file on a disk, with its size and time of the last change when it was looked into."""

    path: Path
    state: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> LocalFile:
        """The file as it is now."""
        return cls(path, file_state(path))

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes."""
        return self.state[0] if self.state else 0

    def open(self) -> BinaryIO:
        """The open file."""
        return self.path.open("rb")

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Compare the open file with how it was."""
        if file_state(stream.fileno()) != self.state:
            raise OSError(
                f"{self.path}: changed while it was read; run again when nothing writes to it"
            )


def open_stored(file: Stored) -> BinaryIO:
    """The bytes of a file; an OSError that names it where it cannot be opened."""
    try:
        return file.open()
    except OSError as error:
        raise cannot_be_read(file, error) from error


def cannot_be_read(file: Stored, error: OSError) -> OSError:
    """The error to raise where reading a file raised this one."""
    return OSError(f"{file}: cannot be read ({error.strerror})")


def decompressed(stream: BinaryIO, name: str) -> AbstractContextManager[BinaryIO]:
    """The content of a stream that, by its file's name, may be gzipped."""
    if name.lower().endswith(GZIPPED):
        return cast(AbstractContextManager[BinaryIO], igzip.IGzipFile(fileobj=stream, mode="rb"))
    return contextlib.nullcontext(stream)


def load_stored(file: Stored) -> SpatialImage | CiftiFile:
    """Read the header of a NIfTI or CIFTI-2 file, and no more than that of it.

    Raises
    ------
    OSError
        For every kind of unreadable file, with its name.
    """
    try:
        with open_stored(file) as stored, decompressed(stored, file.name) as stream:
            header = _header_bytes(stream)
        known: Any = _NIFTI[_first_number(header)]
        holder = FileHolder(fileobj=io.BytesIO(header))
        image: Any = known.from_file_map({"image": holder, "header": holder})
        if file.name.endswith(DENSE):
            return cifti_file(str(file), image) or _refuse(file, "no dense CIFTI-2 file")
        check_size(str(file), file.name, file.size, image)
    except GZIP_ERRORS as error:
        if str(error).startswith(f"{file}: "):
            raise
        if isinstance(error, OSError) and error.errno:
            raise cannot_be_read(file, error) from error
        raise OSError(f"{file}: cannot be read as an image ({error})") from error
    except LOAD_ERRORS as error:
        raise OSError(f"{file}: cannot be read as an image ({error})") from error
    return image


def _refuse(file: Stored, why: str) -> CiftiFile:
    raise OSError(f"{file}: cannot be read as an image ({why})")


def _first_number(header: bytes) -> int:
    """How many bytes a header says that it has; 0 where it is none."""
    sizes = (int.from_bytes(header[:4], order) for order in ("little", "big"))
    return next((size for size in sizes if size in _NIFTI), 0)


def _header_bytes(stream: BinaryIO) -> bytes:
    """All that is before the data of a NIfTI file.

    Raises
    ------
    ValueError
        Where it is none.
    """
    start = stream.read(_SHORTEST)
    size = _first_number(start)
    if not size:
        raise ValueError("no NIfTI header")
    start += stream.read(max(size - len(start), 0))
    offset = int(_NIFTI[size].header_class(start[:size], check=False)["vox_offset"])
    if not size <= offset <= _LONGEST:
        raise ValueError(f"its data would begin at byte {offset}")
    return start + stream.read(offset - len(start))
