"""CIFTI-2: dense series and maps, read once from beginning to end, grayordinate by grayordinate.

In the file, the series of each grayordinate is contiguous; a volume is scattered over all of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, LabelAxis, SeriesAxis
from nibabel.cifti2.cifti2 import Cifti2HeaderError

from bids_labelx.extraction.grayordinates import BrainModel, Grayordinates
from bids_labelx.extraction.headers import CiftiFile
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.stored import LocalFile, Stored, cannot_be_read, open_stored
from bids_labelx.extraction.streamed import reading_thread

# Numbers of a tile of whole series, which depends on nothing but the number of volumes.
_TILE_NUMBERS = 1 << 20

# Bytes to a multiple of which some programs fill up files.
_MOST_PADDING = 511
_DENSE = "CIFTI_INDEX_TYPE_BRAIN_MODELS"
_SCALING = (("slope", 1.0), ("inter", 0.0))

_AXES = {
    "ParcelsAxis": "parcels (a parcellated file: ptseries, pconn or plabel)",
    "ScalarAxis": "scalar maps (dscalar)",
    "LabelAxis": "label maps (dlabel)",
    "SeriesAxis": "a series (dtseries)",
    "BrainModelAxis": "grayordinates",
}
_HEADER_ERRORS = (Cifti2HeaderError, ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class _Rows:
    """Where the series of the grayordinates lie in a file."""

    file: Stored
    dtype: np.dtype
    offset: int
    n_elements: int
    n_volumes: int


def is_cifti(image: Any) -> bool:
    """Whether an image is a CIFTI-2 file that was opened."""
    return isinstance(image, (nib.Cifti2Image, CiftiFile))


def open_cifti(
    name: str, image: nib.Cifti2Image | CiftiFile, file: Stored | None = None
) -> RunData:
    """Open a dense CIFTI-2 file: a series, or maps of labels or scalars.

    Its data lie in `file` where that is on no disk.

    Raises
    ------
    ValueError
        If it is not dense, has no brain models, or holds no real numbers.
    OSError
        If the file is too small for what its header says.
    """
    space = _space(name, image)
    proxy: Any = image.dataobj
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "iufb":
        raise ValueError(f"{name}: expected real numbers, found data of type {dtype}")
    n_volumes, n_elements = (int(length) for length in image.shape)
    if n_elements != space.n_elements or not n_volumes:
        raise ValueError(
            f"{name}: the data have the shape {tuple(image.shape)}, the header describes "
            f"{space.n_elements} grayordinates"
        )
    in_file = isinstance(getattr(proxy, "file_like", None), (str, os.PathLike))
    if file is None and not in_file:
        values = np.ascontiguousarray(np.asanyarray(proxy).T)
        read = partial(_tiles_in_memory, values)
    else:
        file = file or LocalFile.of(Path(proxy.file_like))
        rows = _Rows(file, dtype, proxy.offset, n_elements, n_volumes)
        size = file.size
        claimed = rows.offset + n_elements * n_volumes * dtype.itemsize
        if claimed > size:
            whole = max(size - rows.offset, 0) // (n_volumes * dtype.itemsize)
            raise OSError(
                f"{name}: only {whole} of {n_elements} grayordinates are whole, the file is "
                "truncated or corrupt"
            )
        read = partial(_tiles, rows)
    slope, inter = (float(getattr(proxy, key, default)) for key, default in _SCALING)
    return RunData(
        name,
        space,
        n_volumes,
        dtype,
        partial(_blocks, read, n_elements, n_volumes, dtype),
        slope,
        inter,
        read_series=read,
    )


def _space(name: str, image: nib.Cifti2Image | CiftiFile) -> Grayordinates:
    """The grayordinates of a dense file."""
    try:
        columns = image.header.matrix.get_index_map(1)
        kind = str(columns.indices_map_to_data_type)
        space = grayordinates_of(columns) if kind == _DENSE else None
    except _HEADER_ERRORS as error:
        raise ValueError(f"{name}: its CIFTI-2 header makes no sense ({error})") from error
    if space is None:
        raise ValueError(
            f"{name}: expected a dense file, with a column for each grayordinate, found "
            f"{_AXES.get(type(_axis(name, image, 1)).__name__, 'another kind of columns')}"
        )
    if not space.models:
        raise ValueError(f"{name}: its CIFTI-2 header has no brain models")
    if problem := space.problem:
        raise ValueError(f"{name}: {problem}")
    return space


def grayordinates_of(columns: Any) -> Grayordinates:
    """The space that a CIFTI-2 index map describes.

    nibabel's axis says the same, with a text for each element, which takes long.
    """
    models = []
    for one in sorted(columns.brain_models, key=lambda one: one.index_offset):
        count, indices = 0, one.voxel_indices_ijk
        if str(one.model_type) == "CIFTI_MODEL_TYPE_SURFACE":
            count, indices = int(one.surface_number_of_vertices), one.vertex_indices
        elements = np.array(list(indices), np.int32).reshape((-1,) if count else (-1, 3))
        if len(elements) != one.index_count:
            raise ValueError(f"{one.brain_structure} has other than {one.index_count} elements")
        structure = str(one.brain_structure).removeprefix("CIFTI_STRUCTURE_")
        models.append(BrainModel(structure, count, elements))
    if columns.volume is None:
        return Grayordinates(tuple(models))
    to_mm = columns.volume.transformation_matrix_voxel_indices_ijk_to_xyz
    affine = np.array(to_mm.matrix, dtype=np.float64)
    affine[:3] *= 10.0 ** (int(to_mm.meter_exponent) + 3)
    shape = tuple(map(int, columns.volume.volume_dimensions))
    return Grayordinates(tuple(models), VolumeGrid.of(shape, affine))


def brain_model_axis(space: Grayordinates) -> BrainModelAxis:
    """The CIFTI-2 axis of a space."""
    names = [f"CIFTI_STRUCTURE_{model.structure}" for model in space.models]
    vertices = np.full(space.n_elements, -1)
    voxels = np.full((space.n_elements, 3), -1)
    for model, part in zip(space.models, space.slices, strict=True):
        (vertices if model.is_surface else voxels)[part] = model.indices
    # In one go: nibabel's sum of an axis for each structure looks at all elements each time.
    return BrainModelAxis(
        np.repeat(names, [len(model.indices) for model in space.models]),
        voxels,
        vertices,
        affine=None if space.grid is None else space.grid.affine,
        volume_shape=None if space.grid is None else space.grid.shape,
        nvertices={f"CIFTI_STRUCTURE_{name}": count for name, count in space.meshes.items()},
    )


def _axis(name: str, image: nib.Cifti2Image | CiftiFile, dimension: int) -> Any:
    try:
        return image.header.get_axis(dimension)
    except _HEADER_ERRORS as error:
        raise ValueError(f"{name}: its CIFTI-2 header makes no sense ({error})") from error


def step_of(name: str, image: nib.Cifti2Image | CiftiFile) -> float:
    """The seconds between two volumes of a dense series.

    Raises
    ------
    ValueError
        If the rows are no series in time.
    """
    axis = _axis(name, image, 0)
    if not isinstance(axis, SeriesAxis) or axis.unit != "SECOND":
        found = _AXES.get(type(axis).__name__, "something else")
        if isinstance(axis, SeriesAxis):
            found = f"a series in {axis.unit.lower()}, and not in seconds"
        raise ValueError(f"{name}: expected a row for each volume, found {found}")
    # nibabel multiplies the step by ten to the power that the header gives.
    return float(axis.step)


def read_label_map(
    name: str, image: nib.Cifti2Image | CiftiFile, wanted: str = ""
) -> tuple[np.ndarray, Grayordinates, dict[int, tuple[str, tuple[float, ...]]]]:
    """Read a map of labels.

    Parameters
    ----------
    wanted
        Which map of several: its name, or its number, counted from 1.

    Returns
    -------
    values : array of shape (n_elements,)
        As stored; float64 where the file holds floats or is scaled.
    space
        Their grayordinates.
    labels
        By key, the name and the colour (r, g, b, opacity from 0 to 1).

    Raises
    ------
    ValueError
        If the file has no label maps, or none of that name or number, or several and none is
        wanted.
    """
    data = open_cifti(name, image)
    axis = _axis(name, image, 0)
    if not isinstance(axis, LabelAxis):
        found = _AXES.get(type(axis).__name__, "something else")
        raise ValueError(f"{name}: expected label maps (dlabel), found {found}")
    row = choose_map(name, list(map(str, axis.name)), wanted)
    assert data.read_series is not None  # as every CIFTI-2 file
    values = np.concatenate([raw[:, row].copy() for _, raw in data.read_series()])
    if data.dtype.kind == "f" or data.scaled:
        values = data.scale(values)
    labels = {
        int(key): (str(text), tuple(colour)) for key, (text, colour) in axis.label[row].items()
    }
    assert isinstance(data.space, Grayordinates)  # as of every dense file
    return values, data.space, labels


def choose_map(name: str, names: list[str], wanted: str) -> int:
    """The position of the map that is wanted by its name, or by its number, counted from 1.

    Raises
    ------
    ValueError
        If there is no such map, or several and none is wanted.
    """
    listed = ", ".join(f"{number} {text!r}" for number, text in enumerate(names, 1))
    if not wanted:
        if len(names) == 1:
            return 0
        raise ValueError(f"{name}: {len(names)} maps; say which with FILE#MAP: {listed}")
    if names.count(wanted) == 1:
        return names.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise ValueError(f"{name}: no map {wanted!r}, or several of this name; there are {listed}")


def _tile_rows(n_volumes: int) -> int:
    return max(1, _TILE_NUMBERS // n_volumes)


def _tiles_in_memory(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    size = _tile_rows(values.shape[1])
    for first in range(0, len(values), size):
        yield first, values[first : first + size]


def _tiles(rows: _Rows) -> Iterator[tuple[int, np.ndarray]]:
    """The stored series tile by tile, in two buffers in turn: a thread fills the other one."""
    size = min(_tile_rows(rows.n_volumes), rows.n_elements)
    firsts = range(0, rows.n_elements, size)
    buffers = [np.empty((size, rows.n_volumes), rows.dtype) for _ in firsts[:2]]
    with _opened(rows) as stream, reading_thread() as (submit, _):
        stream.seek(rows.offset)
        filling = submit(_fill, rows, stream, 0, buffers[0][: rows.n_elements])
        for number, first in enumerate(firsts):
            filling.result()
            if (later := first + size) < rows.n_elements:
                ahead = buffers[(number + 1) % 2][: rows.n_elements - later]
                filling = submit(_fill, rows, stream, later, ahead)
            yield first, buffers[number % 2][: rows.n_elements - first]
        more = len(stream.read(_MOST_PADDING + 1))
    if more > _MOST_PADDING:
        raise OSError(
            f"{rows.file}: there are more data than the header says, which are "
            f"{rows.n_elements} grayordinates of {rows.n_volumes} volumes of {rows.dtype.name} "
            f"from byte {rows.offset} on; write the file again"
        )


def _fill(rows: _Rows, stream: Any, first: int, tile: np.ndarray) -> None:
    """Fill a tile, whose first element is given, with the stream's next bytes."""
    left = tile.view(np.uint8).reshape(-1).data
    while left:
        count = stream.readinto(left)
        if not count:
            whole = first + (tile.nbytes - len(left)) // tile[0].nbytes
            raise OSError(
                f"{rows.file}: only {whole} of {rows.n_elements} grayordinates are whole, the "
                "file is truncated or corrupt"
            )
        left = left[count:]


@contextmanager
def _opened(rows: _Rows) -> Iterator[Any]:
    """The open file; an error where it was written to since its header was read."""
    file = rows.file
    with open_stored(file) as stream:
        file.check_unchanged(stream)
        try:
            yield stream
        except OSError as error:
            # Of a store that does not answer nothing else is to be asked.
            if not isinstance(error, TimeoutError):
                file.check_unchanged(stream)
            if error.errno:
                raise cannot_be_read(file, error) from error
            raise
        file.check_unchanged(stream)


def _blocks(read: Any, n_elements: int, n_volumes: int, dtype: np.dtype, size: int) -> Blocks:
    """Blocks of whole volumes: the file is read to its end for each."""
    buffer = np.empty((min(size, n_volumes), n_elements), dtype)
    for first in range(0, n_volumes, size):
        block = buffer[: n_volumes - first]
        for start, tile in read():
            block[:, start : start + len(tile)] = tile[:, first : first + len(block)].T
        yield first, block
