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

# Pixels across a view.
COLUMNS = 360

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
    hemisphere, title, row
        ``L`` or ``R``, what is seen, and in which row of pictures it stands.
    vertices
        Position of the vertex in each pixel, -1 where there is none, the first row at the top.
    light
        How bright each pixel is, 0 to 1, of the same shape.
    marks
        Words for directions, from the left to the right.
    """

    hemisphere: str
    title: str
    row: int
    vertices: NDArray[np.integer]
    light: NDArray[np.floating]
    marks: tuple[str, ...]


def meshes_of(space: Space, name: str, given: Sequence[Path]) -> dict[str, Mesh]:
    """The meshes on which to draw labels of a space such as ``fsLR``; none for a voxel grid.

    Those that are given come before TemplateFlow's local folder, and that before spheres.

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


def look_at(meshes: Mapping[str, Mesh], sides: Sequence[str]) -> list[View]:
    """View hemispheres along the x axis from the left and from the right, all to one scale."""
    every = np.concatenate([meshes[side].coordinates[:, 1:] for side in sides])
    middle, size = (every.max(axis=0) + every.min(axis=0)) / 2, 1.04 * np.ptp(every, axis=0)
    pixel = float(size.max()) / COLUMNS
    columns, rows = (int(np.ceil(one / pixel)) for one in size)
    corner = middle - pixel * np.array([columns, rows]) / 2
    views = {}
    for side in sides:
        mesh = meshes[side]
        places = (mesh.coordinates[:, 1:] - corner) / pixel - 0.5
        normals = _normals(mesh)
        seen = _rasterise(places, mesh.coordinates[:, 0], mesh.triangles, (rows, columns))
        for from_left, vertices in zip((True, False), seen, strict=True):
            # From where one looks, and somewhat from above.
            light = (normals @ ((-0.9 if from_left else 0.9), 0, 0.44)).clip(0, 1)
            turned = vertices[::-1, :: -1 if from_left else 1]
            lateral = from_left == (side == "L")
            views[lateral, side] = View(
                side,
                f"{_NAMES[side]} hemisphere, {'lateral' if lateral else 'medial'}",
                int(not lateral and len(sides) > 1),
                turned,
                light[turned],
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
    lengths = np.linalg.norm(sums, axis=0)
    return (sums / np.where(lengths == 0, 1, lengths)).T


def _rasterise(
    places: NDArray[np.floating],
    depth: NDArray[np.floating],
    triangles: NDArray[np.integer],
    shape: tuple[int, int],
) -> list[NDArray[np.integer]]:
    """Find the vertex seen in each cell of a grid by somebody below and above it, -1 for none.

    It is the nearest corner of the nearest triangle. `places` are column and row of each vertex,
    shape (n, 2), where centres of cells are whole numbers; the least `depth` is below.
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
    seen = np.full(nearest.shape, -1)
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
        corner = triangles[which, weights.argmax(axis=1)]
        for i, sign in enumerate((-1, 1)):
            np.maximum.at(nearest[i], cells, sign * height)
            shown = nearest[i][cells] == sign * height
            seen[i][cells[shown]] = corner[shown]
    return list(seen.reshape(2, *shape))


def unroll(meshes: Mapping[str, Mesh], sides: Sequence[str]) -> list[View]:
    """Unroll spheres in Mollweide's projection, as seen from outside, cut at the medial side."""
    rows = COLUMNS // 2
    up = 1 - (2 * np.arange(rows) + 1) / rows
    across = (4 * np.arange(COLUMNS) + 2) / COLUMNS - 2
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
        tree = cKDTree(points / np.linalg.norm(points, axis=1)[:, None])
        vertices[inside] = tree.query(towards)[1]
        marks = ("medial", "anterior", "lateral", "posterior", "medial")[::-outwards]
        title, light = f"{_NAMES[side]} hemisphere", np.ones(inside.shape)
        views.append(View(side, title, 0, vertices, light, marks))
    return views
