"""Region signals and matrices as parcellated CIFTI-2, for programs that show them on surfaces."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.cifti2 import ParcelsAxis, SeriesAxis

from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.files import write_bytes

SERIES, MATRIX = ".ptseries.nii", ".pconn.nii"


def parcels_of(labels: np.ndarray, space: Grayordinates, regions: pd.DataFrame) -> ParcelsAxis:
    """The regions of a label table with the vertices and voxels that they have in a run.

    Parameters
    ----------
    labels : integer array of shape (n_elements,)
        Of the space.
    regions
        The label table: ``index`` and ``name``. A region without an element has none here, too.
    """
    voxels = [np.empty((0, 3), dtype=int) for _ in range(len(regions))]
    vertices: list[dict[str, np.ndarray]] = [{} for _ in range(len(regions))]
    for model, part in zip(space.models, space.slices, strict=True):
        own = labels[part]
        for row, index in enumerate(regions["index"].astype(int)):
            chosen = model.indices[own == index]
            if not len(chosen):
                continue
            if model.is_surface:
                vertices[row][f"CIFTI_STRUCTURE_{model.structure}"] = chosen
            else:
                voxels[row] = np.concatenate([voxels[row], chosen])
    return ParcelsAxis(
        regions["name"].tolist(),
        voxels,
        vertices,
        affine=None if space.grid is None else space.grid.affine,
        volume_shape=None if space.grid is None else space.grid.shape,
        nvertices={f"CIFTI_STRUCTURE_{name}": count for name, count in space.meshes.items()},
    )


def write_parcel_series(
    path: Path, signals: np.ndarray, parcels: ParcelsAxis, t_r: float | None
) -> None:
    """Write signals of shape (n_rows, n_regions) as ``.ptseries.nii``; NaN where there is none.

    Rows are a repetition time apart (1 s where it is not known), whether or not censored volumes
    between them were dropped: CIFTI-2 has no other way to say when they were.
    """
    series = SeriesAxis(start=0, step=t_r or 1.0, size=len(signals))
    _write(path, signals, (series, parcels), "NIFTI_INTENT_CONNECTIVITY_PARCELLATED_SERIES")


def write_parcel_matrix(path: Path, matrix: np.ndarray, parcels: ParcelsAxis) -> None:
    """Write a matrix of shape (n_regions, n_regions) as ``.pconn.nii``."""
    _write(path, matrix, (parcels, parcels), "NIFTI_INTENT_CONNECTIVITY_PARCELLATED")


def _write(path: Path, values: np.ndarray, axes: tuple, intent: str) -> None:
    image = nib.Cifti2Image(values.astype(np.float32), axes, dtype=np.float32)
    image.nifti_header.set_intent(intent)
    write_bytes(path, image.to_bytes())
