"""Spheres whose vertices are numbered as those of surface templates.

Only the order of the vertices is a convention; that of fs_LR is Connectome Workbench's, and that
of fsaverage is FreeSurfer's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Corners of the triangles of either icosahedron, in the order in which they are divided.
_FSLR = (
    *((0, 7, 8), (0, 3, 7), (0, 1, 3), (1, 2, 3), (1, 5, 2), (5, 9, 10), (10, 11, 6)),
    *((4, 1, 0), (4, 5, 1), (4, 9, 5), (5, 10, 2), (10, 6, 2), (6, 11, 7), (11, 9, 8)),
    *((9, 4, 8), (8, 4, 0), (11, 8, 7), (6, 7, 3), (6, 3, 2), (11, 10, 9)),
)
_FSAVERAGE = (
    *((0, 3, 4), (0, 4, 5), (0, 5, 1), (0, 1, 2), (0, 2, 3), (3, 2, 8), (3, 8, 9)),
    *((3, 9, 4), (4, 9, 10), (4, 10, 5), (5, 10, 6), (5, 6, 1), (1, 6, 7), (1, 7, 2)),
    *((2, 7, 8), (8, 11, 9), (9, 11, 10), (10, 11, 6), (6, 11, 7), (7, 11, 8)),
)


def fslr_sphere(
    divisions: int, hemisphere: str
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """An icosahedron with its edges divided into equal parts: 57 for the mesh of 32k vertices.

    Of each triangle in turn, new vertices on its edges are numbered first, from the corner with
    the lower number on, and then those inside, row by row.

    Parameters
    ----------
    divisions
        Parts of each edge.
    hemisphere
        ``L`` is ``R`` mirrored, its triangles turned.

    Returns
    -------
    numpy.ndarray
        Coordinates on the unit sphere, shape (10 * divisions² + 2, 3). Parts of an edge are equal
        angles; Workbench moves vertices by up to a hundredth of the radius to make areas equal.
    numpy.ndarray
        Triangles, shape (20 * divisions², 3).
    """
    golden = (1 + 5**0.5) / 2
    upper = np.array([(-golden, 0, 1), (0, -1, golden), (golden, 0, 1), (0, 1, golden)])
    middle = np.array([(-1, -golden, 0), (1, -golden, 0), (1, golden, 0), (-1, golden, 0)])
    corners = np.concatenate([upper, middle, upper * (1, 1, -1)])
    row, column = np.indices((divisions + 1, divisions + 1))
    inside = (row > 0) & (column > 0) & (row + column < divisions)
    shares = np.stack([divisions - row - column, column, row], axis=-1) / divisions
    weights = np.sin(shares * np.arctan(2))  # the angle of an edge
    along = np.arange(1, divisions)
    points, triangles, count = [corners], [], len(corners)
    edges: dict[tuple[int, ...], NDArray[np.integer]] = {}
    for first, second, third in _FSLR:
        number = np.zeros(row.shape, dtype=int)
        number[0, 0], number[0, -1], number[-1, 0] = first, second, third
        for ends, place in (
            ((first, second), (0 * along, along)),
            ((first, third), (along, 0 * along)),
            ((second, third), (along, divisions - along)),
        ):
            edge = tuple(sorted(ends))
            if edge not in edges:
                edges[edge] = count + along - 1
                points.append(weights[0, 1:-1, :2] @ corners[list(edge)])
                count += len(along)
            number[place] = edges[edge] if ends == edge else edges[edge][::-1]
        number[inside] = count + np.arange(inside.sum())
        points.append(weights[inside] @ corners[[first, second, third]])
        count += len(points[-1])
        triangles.append(_rows_of_triangles(number))
    found, tiles = _unit(np.concatenate(points)), np.concatenate(triangles)
    return (found * (-1, 1, 1), tiles[:, [1, 0, 2]]) if hemisphere == "L" else (found, tiles)


def fsaverage_sphere(level: int) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """An icosahedron with its edges halved again and again: 5 times for fsaverage5.

    Both hemispheres have the same vertices. Those of a level come first in the next one, followed
    by the middles of the edges in the order of the triangles.

    Returns
    -------
    numpy.ndarray
        Coordinates on the unit sphere, shape (10 * 4**level + 2, 3).
    numpy.ndarray
        Triangles, shape (20 * 4**level, 3).
    """
    height = 5**-0.5
    turns = np.exp(2j * np.pi * np.arange(5) / 5) * (1 - height**2) ** 0.5
    ring = np.stack([turns.real, turns.imag, np.full(5, height)], axis=1)
    upper, lower = np.roll(ring, 1, axis=0), np.roll(-ring, -1, axis=0)
    poles = np.array([(0.0, 0, 1), (0, 0, -1)])
    points = np.concatenate([poles[:1], upper, lower, poles[1:]])
    triangles = np.array(_FSAVERAGE)
    for _ in range(level):
        a, b, c = triangles.T
        count = len(points)
        ends = np.sort(np.stack([a, c, c, b, b, a], axis=1).reshape(-1, 2), axis=1)
        codes, first, edge = np.unique(ends @ (count, 1), return_index=True, return_inverse=True)
        by_age = np.argsort(first)
        number = np.empty(len(codes), dtype=int)
        number[by_age] = count + np.arange(len(codes))
        one, other = np.divmod(codes[by_age], count)
        points = _unit(np.concatenate([points, points[one] + points[other]]))
        ac, cb, ba = number[edge].reshape(-1, 3).T
        others = np.stack([ac, cb, c, ba, cb, ac, ba, b, cb], axis=1).reshape(-1, 3)
        triangles = np.concatenate([np.stack([a, ba, ac], axis=1), others])
    return points, triangles


def _rows_of_triangles(number: NDArray[np.integer]) -> NDArray[np.integer]:
    """Divide a triangle whose vertices are in the upper left half of a grid, row by row."""
    here, right, above, across = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    row, column = np.indices(here.shape)
    pairs: Sequence[NDArray[np.integer]] = [
        np.stack([here, right, above], axis=-1),
        np.stack([above, right, across], axis=-1),
    ]
    left = len(here) - row - column
    return np.stack(pairs, axis=2)[np.stack([left > 0, left > 1], axis=2)]


def _unit(points: NDArray[np.floating]) -> NDArray[np.floating]:
    return points / np.linalg.norm(points, axis=1, keepdims=True)
