"""A tree as the HCP pipelines write it, simulated small."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.signal import detrend
from surfaces import space_of, write_dtseries

SHAPE = (6, 5, 4)
AFFINE = np.array([[-2.0, 0, 0, 6], [0, 2, 0, -4], [0, 0, 2, -4], [0, 0, 0, 1]])
T_R = 0.72
N_VOLUMES = 60
# The vertices of HCP's meshes, of which the tiny series has a few.
DENSE = space_of(n_vertices=32492)


def results(root: Path, subject: str, run: str) -> Path:
    return root / subject / "MNINonLinear" / "Results" / run


def add_hcp_run(
    root: Path,
    subject: str = "100307",
    run: str = "rfMRI_REST1_LR",
    *,
    seed: int = 0,
    n_volumes: int = N_VOLUMES,
    volumes: bool = True,
    dense: tuple[str, ...] = ("_Atlas", "_Atlas_MSMAll"),
    mask: str = "brainmask_fs.2.nii.gz",
) -> Path:
    """Write a run: images, brain mask and motion parameters, as their pipelines format them."""
    rng = np.random.default_rng(seed)
    folder = results(root, subject, run)
    folder.mkdir(parents=True)
    inside = np.ones(SHAPE, np.uint8)
    inside[0] = 0
    movement = write_movement(folder, rng, n_volumes)
    # Motion is in the images, so that regressing it out matters.
    weights = rng.normal(size=(6, np.prod(SHAPE)))
    if volumes:
        moved = (movement[:, :6] @ (5 * weights)).T.reshape(*SHAPE, n_volumes)
        noise = rng.normal(scale=3, size=(*SHAPE, n_volumes)).cumsum(axis=3)
        data = ((10000 + moved + noise) * inside[..., np.newaxis]).astype(np.float32)
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_zooms((2, 2, 2, T_R))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, folder / f"{run}.nii.gz")
    if mask:
        nib.save(nib.Nifti1Image(inside, AFFINE), folder / mask)
    for name in dense:
        moved = movement[:, :6] @ (5 * weights[:, : DENSE.n_elements])
        noise = rng.normal(scale=3, size=moved.shape).cumsum(axis=0)
        values = (10000 + moved + noise).astype(np.float32)
        write_dtseries(folder / f"{run}{name}.dtseries.nii", values, DENSE, T_R)
    return folder


def write_movement(folder: Path, rng: np.random.Generator, n_volumes: int) -> np.ndarray:
    """Write the text files of motion; gives the 12 columns of the first, angles in degrees."""
    parameters = rng.normal(scale=0.03, size=(n_volumes, 6)).cumsum(axis=0).round(6)
    backward = np.diff(parameters, axis=0, prepend=parameters[:1])
    movement = np.concatenate([parameters, backward], axis=1)
    write_rows(folder / "Movement_Regressors.txt", movement)
    write_rows(folder / "Movement_Regressors_dt.txt", detrend(movement, axis=0))
    relative = np.abs(rng.normal(scale=0.05, size=n_volumes))
    relative[0] = 0
    (folder / "Movement_RelativeRMS.txt").write_text("".join(f"{one:.8g}\n" for one in relative))
    return movement


def write_rows(path: Path, rows: np.ndarray) -> None:
    path.write_text("".join("".join(f"{one:10.6f} " for one in row) + "\n" for row in rows))
