"""GIFTI: a data array after another out of an XML file that is never held in memory as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
from isal import isal_zlib
from nibabel.gifti.parse_gifti_fast import GiftiImageParser

from bids_labelx.extraction.grayordinates import hemispheres
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.stored import LocalFile, Stored, decompressed, open_stored

_PIECE_BYTES = 1 << 18

# What comes for XML that is no GIFTI or holds damaged data.
# isal's stubs take its error class for an instance, hence the cast.
_PARSE_ERRORS = (
    *(ExpatError, AssertionError, AttributeError, EOFError, LookupError, TypeError, ValueError),
    *(zlib.error, cast(type[Exception], isal_zlib.error)),
)


class _Parser(GiftiImageParser):
    """nibabel's parser, which here hands over each data array and keeps none."""

    def __init__(self) -> None:
        super().__init__(mmap=False)
        self.arrays: list[Any] = []
        self.n_arrays = -1

    def StartElementHandler(self, name: str, attrs: dict[str, str]) -> None:
        super().StartElementHandler(name, attrs)
        if name == "GIFTI":
            self.n_arrays = int(attrs.get("NumberOfDataArrays", -1))
            # It is compared with what was handed over; nibabel would warn that none is left.
            self.__dict__.pop("expected_numDA", None)
        elif name == "DataArray" and attrs.get("Encoding") == "ExternalFileBinary":
            raise ValueError("its data lie in another file, which is not read")

    def EndElementHandler(self, name: str) -> None:
        super().EndElementHandler(name)
        if name == "DataArray":
            self.arrays.append(self.img.darrays.pop())


@dataclass(frozen=True)
class GiftiFile:
    """A GIFTI file of one array per volume or map.

    Attributes
    ----------
    file
        Where it is.
    n_arrays, n_vertices
        Arrays that it says it has, and the length of each.
    dtype
        Of the stored values.
    metadata
        Texts about the whole file by name, such as ``TimeStep``.
    """

    file: Stored
    n_arrays: int
    n_vertices: int
    dtype: np.dtype
    metadata: Mapping[str, str]


def open_gifti(where: Path | Stored) -> GiftiFile:
    """Read a file up to the end of its first array.

    Raises
    ------
    OSError
        If it cannot be read as GIFTI, or is cut before the end of that.
    ValueError
        If it has no array, or one that is not a vector of real numbers.
    """
    file = LocalFile.of(where) if isinstance(where, Path) else where
    parser = _Parser()
    first = next(_arrays(file, parser), None)
    if first is None:
        raise ValueError(f"{file}: no data array in it")
    if parser.n_arrays < 1:
        raise ValueError(
            f"{file}: NumberOfDataArrays is missing or below 1; the number of its data arrays is "
            "expected, write it again"
        )
    return GiftiFile(file, parser.n_arrays, first.size, first.dtype, dict(parser.img.meta))


def read_gifti(path: Path) -> tuple[list[np.ndarray], list[str], dict[int, tuple[str, Any]]]:
    """Read all arrays of a file, their names, and the label table (name and colour by key).

    Raises
    ------
    OSError, ValueError
        As from `open_gifti`.
    """
    parser = _Parser()
    names: list[str] = []
    arrays = list(_arrays(LocalFile.of(path), parser, names))
    if not arrays:
        raise ValueError(f"{path}: no data array in it")
    labels = {
        int(one.key): (str(one.label or ""), tuple(one.rgba))
        for one in parser.img.labeltable.labels
    }
    return arrays, names, labels


def open_hemispheres(files: Mapping[str, GiftiFile]) -> RunData:
    """Give the files of a run, by hemisphere ``L`` or ``R``, as one run over all their vertices.

    Raises
    ------
    ValueError
        If they have other numbers of volumes; when it is read, also if a file has more or fewer
        arrays than it says, or arrays of other lengths.
    """
    counts = {one.n_arrays for one in files.values()}
    if len(counts) > 1:
        said = " and ".join(f"{one.file} has {one.n_arrays}" for one in files.values())
        raise ValueError(f"the hemispheres of a run have the same number of volumes, but {said}")
    dtype = np.result_type(*(one.dtype for one in files.values()))
    name = " and ".join(str(one.file) for one in files.values())
    space = hemispheres([(hemi, one.n_vertices) for hemi, one in files.items()])
    parts = tuple(files.values())
    return RunData(name, space, counts.pop(), dtype, partial(_blocks, parts, dtype))


def _blocks(files: tuple[GiftiFile, ...], dtype: np.dtype, size: int) -> Blocks:
    """Blocks in a buffer that is used again, each volume out of one array of every file."""
    n_volumes = files[0].n_arrays
    width = sum(one.n_vertices for one in files)
    buffer = np.empty((min(size, n_volumes), width), dtype)
    streams = [_volumes(one) for one in files]
    for first in range(0, n_volumes, size):
        block = buffer[: n_volumes - first]
        for row in block:
            start = 0
            for one, stream in zip(files, streams, strict=True):
                row[start : start + one.n_vertices] = next(stream)
                start += one.n_vertices
        if first + len(block) == n_volumes:
            for stream in streams:
                # To the end of the file, where it is seen whether there is more.
                next(stream, None)
        yield first, block


def _volumes(file: GiftiFile) -> Iterator[np.ndarray]:
    """The arrays of a file; an error where they are not as many or as long as it says."""
    stored, count = file.file, 0
    for array in _arrays(stored, _Parser(), unchanged=True):
        count += 1
        if array.size != file.n_vertices:
            raise ValueError(
                f"{stored}: array {count} has {array.size} values, the first has {file.n_vertices}"
            )
        if count <= file.n_arrays:
            yield array
    if count != file.n_arrays:
        raise ValueError(
            f"{stored}: {count} data arrays, the file says that it has {file.n_arrays}; write it "
            "again"
        )


def _arrays(
    file: Stored, parser: _Parser, names: list[str] | None = None, *, unchanged: bool = False
) -> Iterator[np.ndarray]:
    """The data arrays of a file, one by one; their names go to `names`.

    Where it is to be `unchanged`, that is seen to at its end.
    """
    expat = ParserCreate()
    expat.buffer_text = True
    for handler in parser.HANDLER_NAMES:
        setattr(expat, handler, getattr(parser, handler))
    try:
        with open_stored(file) as stored, decompressed(stored, file.name) as stream:
            piece = b" "
            while piece:
                piece = stream.read(_PIECE_BYTES)
                expat.Parse(piece, not piece)
                for one in parser.arrays:
                    values = np.asarray(one.data)
                    if values.ndim != 1 or values.dtype.kind not in "iuf":
                        raise ValueError(
                            f"an array of {values.dtype} of shape {values.shape}; expected one "
                            "vector of numbers for each volume or map"
                        )
                    if names is not None:
                        names.append(one.meta.get("Name", ""))
                    yield values
                parser.arrays.clear()
            if unchanged:
                file.check_unchanged(stored)
    except OSError as error:
        if str(file) in str(error) and not error.errno:
            raise
        raise OSError(f"{file}: cannot be read ({error.strerror or error})") from error
    except _PARSE_ERRORS as error:
        kept = error if str(file) in str(error) else f"{file}: cannot be read as GIFTI ({error})"
        raise OSError(str(kept)) from error
