"""Tiny surfaces: meshes of a dozen vertices, a grid of a few voxels, and files of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, LabelAxis, ScalarAxis, SeriesAxis
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable, GiftiMetaData

from bids_labelx.extraction.grayordinates import BrainModel, Grayordinates
from bids_labelx.extraction.space import VolumeGrid

N_VERTICES = 12
GRID = (4, 3, 3)
AFFINE = np.diag([2.0, 2, 2, 1])
LEFT, RIGHT, THALAMUS = "CORTEX_LEFT", "CORTEX_RIGHT", "THALAMUS_LEFT"
MODELS: Mapping[str, Sequence[object]] = {
    LEFT: (0, 1, 2, 4, 5, 6, 7, 8, 11),
    RIGHT: (1, 2, 3, 4, 6, 7, 8, 9, 10, 11),
    THALAMUS: ((0, 0, 0), (1, 0, 0), (1, 2, 0), (3, 2, 2)),
}


def space_of(
    models: Mapping[str, Sequence[object]] = MODELS,
    n_vertices: int = N_VERTICES,
    grid: tuple[int, ...] = GRID,
    affine: np.ndarray = AFFINE,
) -> Grayordinates:
    """Grayordinates of these vertices and voxels by structure; triples are voxels."""
    parts = tuple(
        BrainModel(name, 0 if isinstance(found[0], tuple) else n_vertices, np.array(found, "i4"))
        for name, found in models.items()
    )
    voxels = any(not one.is_surface for one in parts)
    return Grayordinates(parts, VolumeGrid.of(grid, affine) if voxels else None)


def axis_of(space: Grayordinates) -> BrainModelAxis:
    """The axis of a space, made by nibabel alone."""
    axes = []
    for one in space.models:
        name = f"CIFTI_STRUCTURE_{one.structure}"
        if one.is_surface:
            axes.append(BrainModelAxis(name, vertex=one.indices, nvertices={name: one.n_vertices}))
        else:
            assert space.grid is not None
            axes.append(
                BrainModelAxis(
                    name,
                    voxel=one.indices,
                    affine=space.grid.affine,
                    volume_shape=space.grid.shape,
                )
            )
    return sum(axes[1:], axes[0])


def write_dtseries(
    path: Path, values: np.ndarray, space: Grayordinates, t_r: float = 2.0, unit: str = "SECOND"
) -> Path:
    """Write a dense series, values of shape (n_volumes, n_elements), in their own type."""
    path.parent.mkdir(parents=True, exist_ok=True)
    series = SeriesAxis(0, t_r, len(values), unit)
    image = nib.Cifti2Image(values, (series, axis_of(space)), dtype=values.dtype)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
    nib.save(image, path)
    return path


def write_dscalar(path: Path, values: np.ndarray, space: Grayordinates) -> Path:
    """Write scalar maps."""
    axes = (ScalarAxis([f"map{i}" for i in range(len(values))]), axis_of(space))
    nib.save(nib.Cifti2Image(values, axes, dtype=values.dtype), path)
    return path


def write_dlabel(
    path: Path,
    maps: Mapping[str, np.ndarray],
    space: Grayordinates,
    names: Mapping[int, str] | None = None,
    dtype: str = "i4",
) -> Path:
    """Write label maps by name; keys without a name are called `area` and the key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = []
    for values in maps.values():
        known = {int(key): f"area{key}" for key in np.unique(values) if key}
        table = {0: "???", **(known if names is None else names)}
        tables.append({key: (name, (0.2, 0.4, 0.6, 1.0)) for key, name in table.items()})
    data = np.array(list(maps.values())).astype(dtype)
    image = nib.Cifti2Image(data, (LabelAxis(list(maps), tables), axis_of(space)), dtype=dtype)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    nib.save(image, path)
    return path


def write_func_gii(
    path: Path, values: np.ndarray, step: str | None = None, encoding: str = "GIFTI_ENCODING_B64GZ"
) -> Path:
    """Write a series on a whole mesh, values of shape (n_volumes, n_vertices)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [
        GiftiDataArray(row, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32", encoding)
        for row in values.astype(np.float32)
    ]
    meta = GiftiMetaData({} if step is None else {"TimeStep": step})
    nib.save(GiftiImage(meta=meta, darrays=arrays), path)
    return path


def write_label_gii(
    path: Path, values: np.ndarray, names: Mapping[int, str], maps: Sequence[str] = ("",)
) -> Path:
    """Write the labels of a hemisphere, a map as many times as it has names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = GiftiLabelTable()
    for key, name in {0: "???", **names}.items():
        label = GiftiLabel(key, 0.2, 0.4, 0.6, 1.0)
        label.label = name
        table.labels.append(label)
    arrays = [
        GiftiDataArray(
            (values if values.ndim == 1 else values[i]).astype(np.int32),
            "NIFTI_INTENT_LABEL",
            "NIFTI_TYPE_INT32",
            meta={"Name": name},
        )
        for i, name in enumerate(maps)
    ]
    nib.save(GiftiImage(labeltable=table, darrays=arrays), path)
    return path


def write_shape_gii(path: Path, values: np.ndarray) -> Path:
    """Write a number for each vertex of a hemisphere."""
    array = GiftiDataArray(values.astype("f4"), "NIFTI_INTENT_SHAPE")
    nib.save(GiftiImage(darrays=[array]), path)
    return path


def write_mesh(path: Path, coordinates: np.ndarray, triangles: np.ndarray) -> Path:
    """Write the mesh of a hemisphere."""
    arrays = [
        GiftiDataArray(coordinates.astype("f4"), "NIFTI_INTENT_POINTSET"),
        GiftiDataArray(triangles.astype("i4"), "NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(GiftiImage(darrays=arrays), path)
    return path
