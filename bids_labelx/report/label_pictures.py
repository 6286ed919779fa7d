"""Pictures of labels where they are: slices of a voxel grid, or surfaces of hemispheres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bids_labelx.extraction.grayordinates import CORTEX, Grayordinates
from bids_labelx.extraction.space import Space, voxel_grid
from bids_labelx.meshes import Mesh, find_meshes, read_mesh, sphere
from bids_labelx.report.brain import plot_label_values, plot_labels
from bids_labelx.report.surfaces import plot_surface_labels, plot_surface_values


@dataclass(frozen=True)
class Canvas:
    """What the labels of a run are drawn on.

    Attributes
    ----------
    labels : integer array of shape (n_elements,)
        0 where there is none.
    space
        Their elements.
    meshes
        Of the hemispheres, for labels on surfaces; empty where none is known.
    background : array of shape (n_elements,), or None
        Drawn below the labels of a voxel grid.
    """

    labels: np.ndarray
    space: Space
    meshes: Mapping[str, Mesh]
    background: np.ndarray | None = None

    @property
    def drawable(self) -> bool:
        """Whether anything can be drawn."""
        return bool(self.meshes) or not isinstance(self.space, Grayordinates)

    @property
    def shown(self) -> list[int]:
        """The labels that are in a picture, sorted: on surfaces none of voxels alone."""
        if isinstance(self.space, Grayordinates):
            own = list(_by_hemisphere(self.labels, self.space).values())
            found = np.unique(np.concatenate(own)) if own else np.empty(0, int)
        else:
            found = np.unique(self.labels)
        return [int(label) for label in found if label]


def canvas_of(
    labels: np.ndarray,
    space: Space,
    name: str,
    given: Sequence[Path],
    background: np.ndarray | None = None,
) -> Canvas:
    """What labels are drawn on.

    Parameters
    ----------
    labels, space, background
        See `Canvas`.
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
        return Canvas(labels, space, {}, background)
    counts = {hemi: space.meshes[s] for hemi, s in CORTEX.items() if s in space.meshes}
    meshes = {hemi: read_mesh(path) for hemi, path in find_meshes(name, counts, given).items()}
    if not meshes:
        spheres = {hemi: sphere(count, hemi, name) for hemi, count in counts.items()}
        meshes = {hemi: one for hemi, one in spheres.items() if one is not None}
    return Canvas(labels, space, meshes)


def draw_labels(canvas: Canvas) -> Figure:
    """Draw labels in colours that tell neighbours apart."""
    if isinstance(canvas.space, Grayordinates):
        return plot_surface_labels(canvas.meshes, _by_hemisphere(canvas.labels, canvas.space))
    grid = voxel_grid(canvas.space)
    below = None if canvas.background is None else grid.to_volume(canvas.background)
    return plot_labels(below, grid.to_volume(canvas.labels), grid.affine)


def draw_values(
    canvas: Canvas,
    values: Mapping[int, float],
    *,
    measure: str,
    limits: tuple[float, float],
    cmap: str = "cividis",
) -> Figure:
    """Draw a value per label; see `bids_labelx.report.brain.plot_label_values`."""
    if isinstance(canvas.space, Grayordinates):
        labels = _by_hemisphere(canvas.labels, canvas.space)
        return plot_surface_values(
            canvas.meshes, labels, values, measure=measure, limits=limits, cmap=cmap
        )
    grid = voxel_grid(canvas.space)
    below = None if canvas.background is None else grid.to_volume(canvas.background)
    volume = grid.to_volume(canvas.labels)
    return plot_label_values(
        below, volume, grid.affine, values, measure=measure, limits=limits, cmap=cmap
    )


def _by_hemisphere(labels: np.ndarray, space: Grayordinates) -> dict[str, np.ndarray]:
    """The labels of all vertices of each hemisphere's mesh, 0 where the space has none."""
    hemispheres = {structure: hemi for hemi, structure in CORTEX.items()}
    found = {}
    for model, part in zip(space.models, space.slices, strict=True):
        if model.structure in hemispheres:
            whole = np.zeros(model.n_vertices, labels.dtype)
            whole[model.indices] = labels[part]
            found[hemispheres[model.structure]] = whole
    return found
