"""Small derivatives for `ci/soak` and `ci/fuzz`: a run per participant, made from its number.

What a run is made of is given as arrays, too, so that results can be computed from what was drawn
and not from what was written and read again.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (8, 8, 8)
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -12], [0, 0, 3, -9], [0, 0, 0, 1]])
N_VOLUMES = 80
T_R = 2.0
SPACE = "MNI152NLin2009cAsym"
SLOPE = 0.5
# Regions of the atlases by their name.
ATLASES = {"Few": 3, "Some": 8, "More": 20}

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TAILS = ("", "_derivative1", "_power2", "_derivative1_power2")
# Of a run of 79 steady volumes at 2 s, as fMRIPrep has them.
N_COSINES = int(2 * (N_VOLUMES - 1) * T_R / 128) - 1


@dataclass(frozen=True)
class SmallRun:
    """A run as it was drawn.

    Attributes
    ----------
    stored : int16 array of shape (x, y, z, n_volumes)
        The values times `SLOPE` are the signal.
    mask : bool array of shape (x, y, z)
    confounds
        Columns by name, each of shape (n_volumes,), NaN for n/a.
    """

    stored: np.ndarray
    mask: np.ndarray
    confounds: dict[str, np.ndarray]


def draw_run(number: int) -> SmallRun:
    """Draw the run of the participant with this number."""
    rng = np.random.default_rng([18, number])
    confounds = _confounds(rng)
    drift = np.cumsum(rng.standard_normal((N_VOLUMES, 2)), axis=0)
    moved = np.column_stack([confounds[name] for name in (*MOTION, "csf", "white_matter")])
    known = np.column_stack([moved, drift])
    weights = rng.standard_normal((known.shape[1], *SHAPE))
    signal = 1000 + np.tensordot(known, weights, 1) + 10 * rng.standard_normal((N_VOLUMES, *SHAPE))
    stored = np.rint(np.moveaxis(signal, 0, -1) / SLOPE).astype(np.int16)
    mask = np.ones(SHAPE, bool)
    mask[0], mask[:, :, 0] = False, False
    return SmallRun(stored, mask, confounds)


def _confounds(rng: np.random.Generator) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name in (*MOTION, "csf", "white_matter"):
        series = 0.05 * np.cumsum(rng.standard_normal(N_VOLUMES))
        derivative = np.r_[np.nan, np.diff(series)]
        values = (series, derivative, series**2, derivative**2)
        columns |= {name + tail: one for tail, one in zip(TAILS, values, strict=True)}
    steady = np.arange(N_VOLUMES - 1) + 0.5
    for k in range(N_COSINES):
        columns[f"cosine{k:02d}"] = np.r_[0, np.cos(np.pi * (k + 1) * steady / len(steady))]
    displacement = rng.gamma(2, 0.05, N_VOLUMES)
    displacement[rng.choice(np.arange(5, N_VOLUMES), 4, replace=False)] = 0.9
    columns["framewise_displacement"] = np.r_[np.nan, displacement[1:]]
    columns["std_dvars"] = np.r_[np.nan, 1 + 0.1 * rng.random(N_VOLUMES - 1)]
    columns["non_steady_state_outlier00"] = np.eye(N_VOLUMES)[0]
    return columns


def atlas_labels(n_regions: int) -> np.ndarray:
    """An atlas' labels on the grid of the runs, int16 of shape (x, y, z): 10, 20, …, and 0."""
    order = np.random.default_rng(n_regions).permutation(np.prod(SHAPE))
    return (10 * (order.reshape(SHAPE) % (n_regions + 1))).astype(np.int16)


def region_names(atlas: str) -> list[str]:
    """The regions of an atlas in the order of its table, which is not that of the labels."""
    return [f"{atlas}_{k}" for k in range(ATLASES[atlas], 0, -1)]


def write_image(path: Path, data: np.ndarray, slope: float = 1.0) -> None:
    """Write NIfTI, packed at the lowest level."""
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        image.header["pixdim"][4] = T_R
    image.header.set_slope_inter(slope, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def table_text(columns: dict[str, np.ndarray]) -> str:
    """A TSV with n/a for NaN."""
    rows = zip(*columns.values(), strict=True)
    cells = [["n/a" if np.isnan(one) else f"{one:.10g}" for one in row] for row in rows]
    return "\n".join("\t".join(line) for line in [list(columns), *cells]) + "\n"


def write_dataset(root: Path) -> None:
    """What describes a dataset of derivatives as a whole."""
    root.mkdir(parents=True, exist_ok=True)
    about = {"Name": "small", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps(about))


def run_paths(root: Path, label: str) -> dict[str, Path]:
    """The files of a participant's run: bold, sidecar, mask, confounds."""
    folder = root / f"sub-{label}" / "func"
    start = f"sub-{label}_task-rest"
    return {
        "bold": folder / f"{start}_space-{SPACE}_desc-preproc_bold.nii.gz",
        "sidecar": folder / f"{start}_space-{SPACE}_desc-preproc_bold.json",
        "mask": folder / f"{start}_space-{SPACE}_desc-brain_mask.nii.gz",
        "confounds": folder / f"{start}_desc-confounds_timeseries.tsv",
    }


def write_run(root: Path, label: str, run: SmallRun) -> dict[str, Path]:
    """Write a run; gives its files as `run_paths` does."""
    paths = run_paths(root, label)
    write_image(paths["bold"], run.stored, SLOPE)
    write_image(paths["mask"], run.mask.astype(np.uint8))
    paths["sidecar"].write_text(json.dumps({"RepetitionTime": T_R}))
    paths["confounds"].write_text(table_text(run.confounds))
    return paths


def write_atlases(root: Path, names: tuple[str, ...] = tuple(ATLASES)) -> None:
    """Write a dataset of these atlases, on the grid of the runs."""
    for name in names:
        stem = root / f"tpl-{SPACE}" / "anat" / f"tpl-{SPACE}_atlas-{name}_res-01_dseg"
        write_image(stem.with_suffix(".nii.gz"), atlas_labels(ATLASES[name]))
        rows = [f"{10 * int(one.split('_')[1])}\t{one}" for one in region_names(name)]
        stem.with_suffix(".tsv").write_text("\n".join(["index\tname", *rows]) + "\n")
