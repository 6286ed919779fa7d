"""Areas and places of the vertices of a surface, from its mesh or from a file of areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.gifti import read_gifti
from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates
from bids_labelx.meshes import AREAS, Mesh, kind_of, read_mesh
from bids_labelx.names import hemisphere_of

# Meshes that are as large as the cortex: inflated ones and spheres are not.
_TRUE_TO_SIZE = ("midthickness", "", "white", "pial")


def vertex_areas(mesh: Mesh) -> np.ndarray:
    """The area of each vertex in mm²: a third of that of the triangles around it, shape (n,)."""
    corners = mesh.coordinates[mesh.triangles]
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    total = np.bincount(
        mesh.triangles.ravel(), np.repeat(areas / 3, 3), minlength=len(mesh.coordinates)
    )
    return np.asarray(total)


def read_areas(path: Path) -> np.ndarray:
    """Areas of vertices from a ``.shape.gii`` of them, or from a mesh; shape (n,).

    Raises
    ------
    MissingInputError, BadDataError
        Where it cannot be read, or an area is no positive number.
    """
    if path.name.endswith(AREAS):
        try:
            areas = read_gifti(path)[0][0].astype(np.float64)
        except (OSError, ValueError) as error:
            raise BadDataError(str(error)) from error
    else:
        areas = vertex_areas(read_mesh(path))
    if not np.isfinite(areas).all() or (areas < 0).any() or not areas.any():
        raise BadDataError(f"{path}: areas of vertices are positive numbers, found others")
    return areas


def _files(given: Sequence[Path]) -> list[Path]:
    """The files given, and the meshes and areas in the folders given."""
    found: list[Path] = []
    for path in given:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        ends = (".surf.gii", ".shape.gii")
        found += [one for one in inside if not path.is_dir() or one.name.endswith(ends)]
    return [path for path in found if hemisphere_of(path)]


def check_meshes(given: Sequence[Path]) -> None:
    """Refuse meshes and areas that cannot be read, before any run is done.

    Raises
    ------
    MissingInputError, BadDataError
    """
    for path in given:
        if not path.exists() and not path.is_symlink():
            raise MissingInputError(f"--surface-mesh {path}: there is no such file or folder")
    for path in _files(given):
        if path.name.endswith(AREAS):
            read_areas(path)
        else:
            read_mesh(path)


def find_areas(vertices: Mapping[str, int], given: Sequence[Path]) -> dict[str, Path]:
    """The files of areas for hemispheres, by ``L`` and ``R``.

    Parameters
    ----------
    vertices
        The number of vertices of each hemisphere.
    given
        Files of areas, and meshes; those that are inflated or spheres do not count.

    Raises
    ------
    MissingInputError, BadDataError
        Where there is none with just as many vertices, or one cannot be read.
    """
    every = _files(given)
    files = [path for path in every if path.name.endswith(AREAS)]
    for kind in _TRUE_TO_SIZE:
        files += [path for path in every if path not in files and kind_of(path) == kind]
    found: dict[str, Path] = {}
    for hemi, count in vertices.items():
        own = [path for path in files if hemisphere_of(path) == hemi]
        sizes = {path: read_areas(path).size for path in own}
        fitting = [path for path in own if sizes[path] == count]
        if not fitting:
            listed = ", ".join(f"{path.name} has {size}" for path, size in sizes.items())
            raise BadDataError(
                f"--element-weights area: no areas of the {count} vertices of hemisphere {hemi}; "
                "give its midthickness mesh or its va.shape.gii with --surface-mesh"
                + (f" ({listed})" if listed else "")
            )
        found[hemi] = fitting[0]
    return found


def element_weights(space: Grayordinates, areas: Mapping[str, Path]) -> np.ndarray:
    """What the elements of a space count by area, shape (n_elements,).

    Vertices have their area in mm², voxels their volume in mm³.
    """
    weights = np.ones(space.n_elements)
    if space.grid is not None:
        weights *= abs(np.linalg.det(space.grid.affine[:3, :3]))
    hemispheres = {structure: hemi for hemi, structure in CORTEX.items()}
    for model, part in zip(space.models, space.slices, strict=True):
        if model.is_surface:
            weights[part] = read_areas(areas[hemispheres[model.structure]])[model.indices]
    return weights


def find_places(space: Grayordinates, given: Sequence[Path]) -> dict[str, Path]:
    """The meshes that say where vertices are, by structure; empty where not all are given.

    Inflated meshes and spheres say nothing: those of both hemispheres have one centre.

    Raises
    ------
    MissingInputError, BadDataError
        Where a file cannot be read.
    """
    hemispheres = {structure: hemi for hemi, structure in CORTEX.items()}
    files = [path for path in _files(given) if not path.name.endswith(AREAS)]
    for kind in _TRUE_TO_SIZE:
        meshes = [path for path in files if kind_of(path) == kind]
        found = {
            structure: path
            for structure, count in space.meshes.items()
            for path in meshes
            if hemisphere_of(path) == hemispheres.get(structure)
            and len(read_mesh(path).coordinates) == count
        }
        if found and found.keys() == space.meshes.keys():
            return found
    return {}
