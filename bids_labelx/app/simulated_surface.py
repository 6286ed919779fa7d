"""A run of the simulated study on grayordinates: its volumes sampled at the vertices of meshes."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.cifti2 import BrainModelAxis, LabelAxis, SeriesAxis

from bids_labelx.app.simulated_study import (
    BOLD_GRID,
    BOLD_SLOPE,
    BRAIN_AXES,
    BRAIN_CENTRE,
    LABELS,
    REPETITION_TIME,
    Floats,
    Integers,
    region_names,
    regions_at,
)
from bids_labelx.extraction.cifti import brain_model_axis
from bids_labelx.extraction.grayordinates import CORTEX, BrainModel, Grayordinates
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.measures.spheres import fslr_sphere

SPACE, DENSITY = "fsLR", "2k"
DIVISIONS = 14  # of the icosahedron's edges: 10 * 14**2 + 2 = 1,962 vertices
DEPTH = 0.85  # of the cortex, where 0 is the brain's centre and 1 its outer border
MEDIAL_WALL = 0.15  # vertices nearer to the midline, in half widths of the brain, are left out
THALAMUS = np.array([12.0, -18.0, 8.0])  # mm, on the right
THALAMUS_RADIUS = 9.0


def _cortex(hemisphere: str) -> Floats:
    """Places of the vertices in mm, shape (n, 3): half of an ellipsoid inside the grey matter."""
    sphere, _ = fslr_sphere(DIVISIONS, hemisphere)
    side = -1 if hemisphere == "L" else 1
    across = side * (side * sphere[:, 0] + 1) / 2
    around = sphere[:, 1:] / np.maximum(np.linalg.norm(sphere[:, 1:], axis=1), 1e-9)[:, None]
    places = np.column_stack([across, around * np.sqrt(1 - across**2)[:, None]])
    return np.asarray(BRAIN_CENTRE + DEPTH * BRAIN_AXES * places)


def _cortical_models() -> list[tuple[BrainModel, Floats]]:
    models = []
    for hemisphere, structure in CORTEX.items():
        places = _cortex(hemisphere)
        outside = np.abs(places[:, 0] - BRAIN_CENTRE[0]) > MEDIAL_WALL * BRAIN_AXES[0]
        kept = np.flatnonzero(outside).astype(np.int32)
        models.append((BrainModel(structure, len(places), kept), places[kept]))
    return models


def _thalamus(side: int) -> tuple[BrainModel, Floats]:
    places = BOLD_GRID.positions
    inside = np.linalg.norm(places - THALAMUS * [side, 1, 1], axis=-1) < THALAMUS_RADIUS
    name = "THALAMUS_LEFT" if side < 0 else "THALAMUS_RIGHT"
    return BrainModel(name, 0, np.argwhere(inside).astype(np.int32)), places[inside]


def series_on_surfaces(bold: Integers) -> nib.Cifti2Image:
    """A dense series with the value of the nearest voxel at each vertex of the cortex.

    Parameters
    ----------
    bold
        The stored volumes on the BOLD grid, shape (x, y, z, volumes).
    """
    models = [*_cortical_models(), _thalamus(-1), _thalamus(1)]
    grid = VolumeGrid.of(BOLD_GRID.shape, BOLD_GRID.affine)
    space = Grayordinates(tuple(model for model, _ in models), grid)
    places = np.concatenate([one for _, one in models])
    voxels = np.rint((places - np.array(BOLD_GRID.origin)) / BOLD_GRID.size).astype(int)
    values = bold[tuple(voxels.T)].T.astype(np.float32) * np.float32(BOLD_SLOPE)
    series = SeriesAxis(start=0, step=REPETITION_TIME, size=len(values))
    return _image(values, (series, brain_model_axis(space)), "DENSE_SERIES")


def atlas_on_surfaces() -> nib.Cifti2Image:
    """The regions of the atlas at the vertices of the cortex, as labels."""
    models = _cortical_models()
    places = np.concatenate([one for _, one in models])
    labels = np.array([0, *LABELS])[regions_at(places)]
    hues = np.linspace(0, 1, len(LABELS), endpoint=False)
    named = {
        label: (name, (float(hue), 0.6, float(1 - hue), 1.0))
        for label, name, hue in zip(LABELS, region_names(), hues, strict=True)
    }
    axis = LabelAxis(["Demo"], [{0: ("???", (0.0, 0.0, 0.0, 0.0)), **named}])
    space = Grayordinates(tuple(model for model, _ in models))
    return _image(labels.astype(np.int32)[None], (axis, brain_model_axis(space)), "DENSE_LABELS")


def _image(
    values: npt.NDArray[Any], axes: tuple[Any, BrainModelAxis], intent: str
) -> nib.Cifti2Image:
    image = nib.Cifti2Image(values, axes, dtype=values.dtype)
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
    return image
