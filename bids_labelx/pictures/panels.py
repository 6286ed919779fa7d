"""Panels of a picture of the brain: pixels that number the region, over a grey background.

On a voxel grid they are slices at the grid's own resolution, and on surfaces views of the
hemispheres. Pages and static figures draw the same panels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates
from bids_labelx.extraction.space import Space, VolumeGrid, voxel_grid
from bids_labelx.meshes import Mesh
from bids_labelx.pictures.surface_views import View

SLICES_PER_ROW = 5
# Grey levels of a background: more of them compress worse, and are not told apart below colours.
_LEVELS = 64
# A region is shown by a slice with as many of its voxels; of a smaller one, with its most.
_VISIBLE = 4
# Surfaces on which coordinates are places in the brain.
_TRUE_TO_SIZE = ("midthickness", "pial", "white", "")

# Row by row: the axis of the slices, the axes across and up, the letters at either side.
_PLANES = (("x", 0, 1, 2, "P", "A"), ("y", 1, 0, 2, "L", "R"), ("z", 2, 0, 1, "L", "R"))


@dataclass(frozen=True)
class Plane:
    """Where a slice is, in mm: its axis (0 to 2), its place there, and its outer edges."""

    axis: int
    at: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Panel:
    """A picture of regions from one side.

    Attributes
    ----------
    title, row
        What is seen, and in which row of panels it stands.
    marks
        Words for directions, evenly spaced from the left to the right.
    regions : integer array of shape (h, w)
        Position of each pixel's region in the label table, from 1; 0 where there is none. The
        first row is at the top.
    background : uint8 array of shape (h, w), or None
        0 is black, and outside of a surface.
    plane
        Of a slice; None for a view of a surface.
    """

    title: str
    row: int
    marks: tuple[str, ...]
    regions: NDArray[np.integer]
    background: NDArray[np.uint8] | None
    plane: Plane | None = None


@dataclass(frozen=True)
class RegionGeometry:
    """Size and place of each region of an atlas, in the order of its label table.

    Attributes
    ----------
    sizes : integer array of shape (n,)
        Voxels or vertices.
    volumes : array of shape (n,), or None
        In mm³; None on surfaces and grayordinates.
    centres : array of shape (n, 3)
        Mean place of the elements in mm; NaN where there are none, or their place is not known.
    """

    sizes: NDArray[np.intp]
    volumes: NDArray[np.floating] | None
    centres: NDArray[np.floating]


def panels_of(
    labels: NDArray[np.integer],
    space: Space,
    views: Sequence[View],
    background: NDArray[Any] | None,
    ids: Sequence[int] | NDArray[np.integer],
) -> list[Panel]:
    """Make the panels of labels.

    Parameters
    ----------
    labels
        Of each element, 0 where there is none, shape (n_elements,).
    space
        Their elements.
    views
        Of the surfaces that have the vertices, see `bids_labelx.pictures.surface_views.views_of`.
    background
        Value of each voxel, such as a run's mean image, shape (n_elements,). Not for surfaces.
    ids
        The label of each region, in the order of the label table.

    Returns
    -------
    list
        On a voxel grid three rows of up to five slices, left on the left, flipped and permuted to
        the nearest RAS order; an oblique grid is not resampled. On surfaces one for each view, of
        vertices alone.
    """
    positions = positions_of(labels, ids)
    if isinstance(space, Grayordinates):
        return _surface_panels(positions, space, views)
    return _slices(positions, voxel_grid(space), background)


def positions_of(
    labels: NDArray[np.integer], ids: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.intp]:
    """The position of each element's region in a label table, from 1; 0 where there is none."""
    known = np.asarray(ids, dtype=np.int64)
    positions = np.zeros(labels.shape, dtype=np.intp)
    held = np.flatnonzero(labels != 0)
    if known.size and held.size:
        order = np.argsort(known)
        own = labels[held].astype(np.int64)
        found = order[np.searchsorted(known, own, sorter=order).clip(max=known.size - 1)]
        positions[held] = np.where(known[found] == own, found + 1, 0)
    return positions


def region_geometry(
    labels: NDArray[np.integer],
    space: Space,
    ids: Sequence[int] | NDArray[np.integer],
    meshes: Mapping[str, Mesh],
) -> RegionGeometry:
    """Measure the regions of an atlas.

    Parameters
    ----------
    labels, space, ids
        As for `panels_of`.
    meshes
        By hemisphere; those that are inflated or spheres say nothing about places.
    """
    positions = positions_of(labels, ids)
    held = np.flatnonzero(positions != 0)
    own, count = positions[held], len(ids)
    sizes = np.bincount(own, minlength=count + 1)[1:]
    if isinstance(space, Grayordinates):
        affine, points = np.eye(4), list(_places(space, meshes)[held].T)
    else:
        grid = voxel_grid(space)
        affine, points = grid.affine, list(np.unravel_index(held, grid.shape, order="F"))
    sums = [np.bincount(own, one, minlength=count + 1)[1:] for one in points]
    with np.errstate(invalid="ignore"):
        centres = np.stack(sums, axis=1) / sizes[:, np.newaxis]
    centres = centres @ affine[:3, :3].T + affine[:3, 3]
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    volumes = None if isinstance(space, Grayordinates) else sizes * voxel
    return RegionGeometry(sizes, volumes, centres)


def _places(space: Grayordinates, meshes: Mapping[str, Mesh]) -> NDArray[np.floating]:
    """The place of each element in mm, shape (n_elements, 3); NaN where it is not known."""
    of_structure = {CORTEX[hemi]: mesh for hemi, mesh in meshes.items()}
    places = np.full((space.n_elements, 3), np.nan)
    for model, part in zip(space.models, space.slices, strict=True):
        mesh = of_structure.get(model.structure)
        if mesh is not None and mesh.kind in _TRUE_TO_SIZE:
            places[part] = mesh.coordinates[model.indices]
        elif not model.is_surface and space.grid is not None:
            affine = space.grid.affine
            places[part] = model.indices @ affine[:3, :3].T + affine[:3, 3]
    return places


def _surface_panels(
    positions: NDArray[np.intp], space: Grayordinates, views: Sequence[View]
) -> list[Panel]:
    parts = dict(zip((one.structure for one in space.models), space.slices, strict=True))
    models = {one.structure: one for one in space.models}
    panels = []
    for view in views:
        structure = CORTEX[view.hemisphere]
        # The last is for cells beside the surface, of which the vertex is -1.
        whole = np.zeros(models[structure].n_vertices + 1, dtype=np.intp)
        whole[models[structure].indices] = positions[parts[structure]]
        light = _grey(0.05 + 0.95 * view.light, 0, 1) * (view.vertices >= 0)
        panels.append(
            Panel(view.title, view.row, view.marks, whole[view.vertices], light.astype(np.uint8))
        )
    return panels


def _slices(
    positions: NDArray[np.intp], grid: VolumeGrid, background: NDArray[Any] | None
) -> list[Panel]:
    orientation = io_orientation(grid.affine)
    affine = grid.affine @ inv_ornt_aff(orientation, grid.shape)
    regions = apply_orientation(grid.to_volume(positions), orientation)
    held, below, low, high = regions != 0, None, 0.0, 1.0
    if background is not None:
        below = apply_orientation(grid.to_volume(background), orientation)
        low, high = _grey_range(below)
        held = held | (below > low + 0.2 * (high - low))
    box = _occupied(held)
    regions = regions[box]
    below = None if below is None else below[box]
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]

    sizes = voxel_sizes(affine)
    middle = (np.array(regions.shape) - 1) / 2
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    panels = []
    chosen = _choose_slices(regions)
    for row, (letter, axis, across, up, *marks) in enumerate(_PLANES):
        half = sizes * regions.shape / 2
        left, bottom = (float(centre[side] - half[side]) for side in (across, up))
        right, top = (float(centre[side] + half[side]) for side in (across, up))
        for index in chosen[axis]:
            voxel = np.where(np.arange(3) == axis, index, middle)
            at = float(affine[axis, :3] @ voxel + affine[axis, 3])
            cut = None if below is None else _grey(_cut(below, axis, index), low, high)
            panels.append(
                Panel(
                    f"{letter} = {round(at):d} mm".replace("-", "−"),
                    row,
                    tuple(marks),
                    _cut(regions, axis, index),
                    cut,
                    Plane(axis, at, left, right, top, bottom),
                )
            )
    return panels


def _cut(volume: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """A slice, its first row at the top."""
    # Not by numpy's take, which first copies the whole volume to another order.
    return np.ascontiguousarray(np.moveaxis(volume, axis, 0)[index].T[::-1])


def _choose_slices(regions: NDArray[np.intp]) -> list[list[int]]:
    """Choose up to five slices along each axis, to show as many regions as possible.

    Each is in the middle of its fifth of the slices with regions, unless another of that fifth
    shows more regions that no other slice shows.
    """
    # Transposed, as voxels are in Fortran's order.
    held = regions.T != 0
    own = regions.T[held] - 1
    count = int(own.max(initial=-1)) + 1
    # Voxels of each region in each slice.
    counts = [
        np.bincount(place * count + own, minlength=length * count).reshape(length, count)
        for place, length in zip(np.nonzero(held)[::-1], regions.shape, strict=True)
    ]
    shown = [(one > 0) & (one >= np.minimum(_VISIBLE, one.max(axis=0))) for one in counts]
    slots: list[tuple[int, NDArray[np.intp]]] = []
    for axis, one in enumerate(counts):
        found = np.flatnonzero(one.any(axis=1))
        found = found if found.size else np.arange(len(one))
        parts = min(SLICES_PER_ROW, found.size)
        slots += [(axis, share) for share in np.array_split(found, parts)]
    chosen = [int(share[len(share) // 2]) for _, share in slots]
    # Twice, as the first ones were moved before the last.
    for i, (axis, share) in 2 * list(enumerate(slots)):
        others = [shown[slots[j][0]][chosen[j]] for j in range(len(slots)) if j != i]
        unseen = ~np.any(others, axis=0)
        gain = (shown[axis][share] & unseen).sum(axis=1)
        from_middle = abs(np.arange(len(share)) - len(share) // 2)
        chosen[i] = int(share[np.lexsort((from_middle, -gain))[0]])
    return [
        [index for (own, _), index in zip(slots, chosen, strict=True) if own == axis]
        for axis in range(3)
    ]


def _occupied(held: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box of the True voxels, with a small margin."""
    box = []
    for axis, length in enumerate(held.shape):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(held.any(axis=others))
        first, last = (inside[0], inside[-1]) if inside.size else (0, length - 1)
        margin = length // 30
        box.append(slice(max(first - margin, 0), min(last + margin + 1, length)))
    return tuple(box)


def _grey_range(volume: NDArray[Any]) -> tuple[float, float]:
    """Values that are black and white, without outliers; of a large volume from a sample."""
    step = max(1, round((volume.size / 50_000) ** (1 / 3)))
    values = volume[::step, ::step, ::step]
    values = values[np.isfinite(values) & (values != 0)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, (1, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _grey(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as grey levels from 0 to 255; what is not finite is black."""
    share = np.nan_to_num((values.astype(float) - low) / (high - low), posinf=0, neginf=0)
    levels = np.rint(share.clip(0, 1) * (_LEVELS - 1))
    return np.rint(levels * 255 / (_LEVELS - 1)).astype(np.uint8)
