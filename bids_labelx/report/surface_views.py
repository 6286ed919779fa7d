"""Views of surfaces: which vertex is seen in each cell of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates
from bids_labelx.extraction.space import Space
from bids_labelx.meshes import HEMISPHERES, Mesh, find_meshes, read_mesh, sphere

# Cells across a view. A tooltip's cell is as many of them in either direction.
COLUMNS, COARSER = 360, 5

FLAT_NOTE = (
    "Flat map: the sphere of each hemisphere, unrolled with areas kept (Mollweide projection), as "
    "no surface was found to draw on."
)
_NAMES = {"L": "left", "R": "right"}
# Cells looked at together, which bounds the memory.
_BLOCK = 100_000


@dataclass(frozen=True)
class View:
    """One panel: which vertex is where.

    Attributes
    ----------
    hemisphere, title
        ``L`` or ``R``, and what is seen.
    row
        Of the pictures, in which this one stands.
    vertices
        Position of the vertex in each cell, -1 where there is none, the first row at the bottom.
    light
        How bright each cell is, 0 to 1, of the same shape.
    extent
        Left, right, bottom and top of the cells in data coordinates.
    marks
        Words for directions, from the left to the right.
    """

    hemisphere: str
    title: str
    row: int
    vertices: NDArray[np.integer]
    light: NDArray[np.floating]
    extent: tuple[float, float, float, float]
    marks: tuple[str, ...]


def meshes_of(space: Space, name: str, given: Sequence[Path]) -> dict[str, Mesh]:
    """The meshes of hemispheres on which labels are drawn; none for a voxel grid.

    Parameters
    ----------
    space
        The elements of the labels.
    name
        Of the space, such as ``fsLR``.
    given
        Meshes of the user's; before those in TemplateFlow's local folder, and spheres.

    Raises
    ------
    LabelxError
        Where a given mesh is missing or broken.
    """
    if not isinstance(space, Grayordinates):
        return {}
    counts = {hemi: space.meshes[s] for hemi, s in CORTEX.items() if s in space.meshes}
    meshes = {hemi: read_mesh(path) for hemi, path in find_meshes(name, counts, given).items()}
    if not meshes:
        spheres = {hemi: sphere(count, hemi, name) for hemi, count in counts.items()}
        meshes = {hemi: one for hemi, one in spheres.items() if one is not None}
    return meshes


def views_of(meshes: Mapping[str, Mesh]) -> list[View]:
    """View both sides of hemispheres, ``L`` or ``R`` or both, or their spheres unrolled.

    The left hemisphere comes first, the lateral sides above the medial ones; the sides of one
    hemisphere alone are next to each other.

    Raises
    ------
    ValueError
        If a mesh is flat, or one is a sphere and the other is not.
    """
    sides = [side for side in HEMISPHERES if side in meshes]
    kinds = {meshes[side].kind for side in sides}
    if "flat" in kinds or ("sphere" in kinds and len(kinds) > 1):
        raise ValueError(f"labels cannot be drawn on meshes of the kinds {sorted(kinds)}")
    if not sides:
        return []
    return unroll(meshes, sides) if kinds == {"sphere"} else look_at(meshes, sides)


def look_at(
    meshes: Mapping[str, Mesh], sides: Sequence[str], columns: int = COLUMNS
) -> list[View]:
    """View hemispheres along the x axis from the left and from the right, all to one scale.

    Data coordinates are y and z in mm; from the left, y is mirrored.
    """
    every = np.concatenate([meshes[side].coordinates[:, 1:] for side in sides])
    middle, size = (every.max(axis=0) + every.min(axis=0)) / 2, 1.04 * np.ptp(every, axis=0)
    cell = float(size.max()) / columns
    columns, rows = (COARSER * int(np.ceil(one / cell / COARSER)) for one in size)
    corner = middle - cell * np.array([columns, rows]) / 2
    (y0, z0), (y1, z1) = corner, corner + cell * np.array([columns, rows])
    views = {}
    for side in sides:
        mesh = meshes[side]
        places = (mesh.coordinates[:, 1:] - corner) / cell - 0.5
        normals = _normals(mesh)
        seen = _rasterise(places, mesh.coordinates[:, 0], mesh.triangles, (rows, columns))
        for from_left, (corners, weights) in zip((True, False), seen, strict=True):
            # From where one looks, and somewhat from above.
            light = normals @ ((-0.9 if from_left else 0.9), 0, 0.44)
            vertices = np.take_along_axis(corners, weights.argmax(axis=2)[..., None], axis=2)
            brightness = np.clip((light[corners] * weights).sum(axis=2), 0, 1)
            turn = slice(None, None, -1 if from_left else 1)
            lateral = from_left == (side == "L")
            views[lateral, side] = View(
                side,
                f"{_NAMES[side]} hemisphere, {'lateral' if lateral else 'medial'}",
                int(not lateral and len(sides) > 1),
                vertices[:, turn, 0],
                brightness[:, turn],
                (y1, y0, z0, z1) if from_left else (y0, y1, z0, z1),
                ("A", "P") if from_left else ("P", "A"),
            )
    return [views[lateral, side] for lateral in (True, False) for side in sides]


def _normals(mesh: Mesh) -> NDArray[np.floating]:
    """Unit normals of vertices, outwards, shape (n, 3)."""
    points = mesh.coordinates - mesh.coordinates.mean(axis=0)
    first, second, third = points[mesh.triangles].transpose(1, 0, 2)
    across = np.cross(second - first, third - first)
    if (across * first).sum() < 0:
        across = -across
    corners = mesh.triangles.ravel()
    sums = [np.bincount(corners, np.repeat(one, 3), len(points)) for one in across.T]
    normals = np.stack(sums, axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.where(lengths == 0, 1, lengths)


def _rasterise(
    places: NDArray[np.floating],
    depth: NDArray[np.floating],
    triangles: NDArray[np.integer],
    shape: tuple[int, int],
) -> list[tuple[NDArray[np.integer], NDArray[np.floating]]]:
    """Find what is nearest in each cell of a grid to somebody below and above it.

    Parameters
    ----------
    places
        Column and row of each vertex, shape (n, 2); cells' centres are whole numbers.
    depth
        Of each vertex; below is least. Shape (n,).
    triangles
        Shape (m, 3).
    shape
        Of the grid, rows and columns; all places are within.

    Returns
    -------
    list
        For either of the two: the corners of the triangle in each cell, -1 where there is none,
        and their weights, both of shape (rows, columns, 3).
    """
    corners = places[triangles]
    low = np.ceil(corners.min(axis=1)).astype(np.int32)
    size = np.floor(corners.max(axis=1)).astype(np.int32) - low + 1
    origin, (right, up) = corners[:, 0], (corners[:, 1:] - corners[:, :1]).transpose(1, 0, 2)
    area = right[:, 0] * up[:, 1] - right[:, 1] * up[:, 0]
    held = (size > 0).all(axis=1) & (area != 0)
    triangles, low, size, origin = triangles[held], low[held], size[held], origin[held]
    right, up = (edge[held] / area[held, None] for edge in (right, up))
    counts = size.prod(axis=1)
    ends = np.cumsum(counts)
    depths = depth[triangles]
    nearest = np.full((2, shape[0] * shape[1]), -np.inf)
    seen = np.full((*nearest.shape, 3), -1)
    share = np.zeros(seen.shape)
    # Some triangles at a time, and of these every cell of their bounding boxes.
    blocks = np.searchsorted(ends, np.arange(0, counts.sum(), _BLOCK))
    for start, stop in pairwise((*blocks, len(counts))):
        which = np.repeat(np.arange(start, stop), counts[start:stop])
        before = ends[start:stop] - counts[start:stop]
        within = np.arange(len(which)) - np.repeat(before - before[:1], counts[start:stop])
        row, column = np.divmod(within, size[which, 0])
        row, column = row + low[which, 1], column + low[which, 0]
        x, y = column - origin[which, 0], row - origin[which, 1]
        # Barycentric coordinates.
        second = x * up[which, 1] - y * up[which, 0]
        third = y * right[which, 0] - x * right[which, 1]
        inside = (second >= -1e-9) & (third >= -1e-9) & (second + third <= 1 + 1e-9)
        which, cells = which[inside], (row * shape[1] + column)[inside]
        weights = np.stack([1 - second - third, second, third], axis=1)[inside]
        height = (depths[which] * weights).sum(axis=1)
        for i, sign in enumerate((-1, 1)):
            np.maximum.at(nearest[i], cells, sign * height)
            shown = nearest[i][cells] == sign * height
            seen[i][cells[shown]] = triangles[which[shown]]
            share[i][cells[shown]] = weights[shown]
    grid = (*shape, 3)
    return [(seen[i].reshape(grid), share[i].reshape(grid)) for i in (0, 1)]


def unroll(meshes: Mapping[str, Mesh], sides: Sequence[str], columns: int = COLUMNS) -> list[View]:
    """Unroll spheres in Mollweide's projection, as seen from outside, cut at the medial side.

    Data coordinates are -2 to 2 across, and -1 to 1 up.
    """
    rows = columns // 2
    up = (2 * np.arange(rows) + 1) / rows - 1
    across = (4 * np.arange(columns) + 2) / columns - 2
    angle = np.arcsin(up)[:, None]
    latitude = np.arcsin((2 * angle + np.sin(2 * angle)) / np.pi)
    longitude = np.pi * across / (2 * np.cos(angle))
    inside = np.abs(longitude) <= np.pi
    east, north = longitude[inside], np.broadcast_to(latitude, inside.shape)[inside]
    views = []
    for side in sides:
        # The left hemisphere is seen from the left: its front is at the left.
        outwards = -1 if side == "L" else 1
        seen = np.stack([np.cos(east) * np.cos(north), np.sin(east) * np.cos(north)], axis=1)
        towards = np.column_stack([outwards * seen, np.sin(north)])
        points = meshes[side].coordinates
        vertices = np.full(inside.shape, -1)
        vertices[inside] = cKDTree(points / np.linalg.norm(points, axis=1)[:, None]).query(
            towards
        )[1]
        marks = ("medial", "anterior", "lateral", "posterior", "medial")
        views.append(
            View(
                side,
                f"{_NAMES[side]} hemisphere",
                0,
                vertices,
                np.ones(inside.shape),
                (-2, 2, -1, 1),
                marks if side == "L" else marks[::-1],
            )
        )
    return views
