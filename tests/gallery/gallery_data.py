"""Small simulated data for the scripts beside it: an atlas, maps, seeds, runs and confounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

SHAPE, N_VOLUMES, T_R = (14, 13, 12), 80, 2.0
AFFINE = np.array([[-4.0, 0, 0, 26], [0, 4.0, 0, -24], [0, 0, 4.0, -22], [0, 0, 0, 1]])
NAMES = [f"{side} {place}" for side in ("left", "right") for place in ("V1", "M1", "A1", "PCC")]
N_REGIONS = len(NAMES)


def image_of(values: np.ndarray) -> Any:
    return nib.Nifti1Image(values, AFFINE, dtype=values.dtype)


def label_values() -> np.ndarray:
    """Eight blocks with the labels 1, 2, 3, 4 and 11, 12, 13, 14."""
    labels = np.zeros(SHAPE, np.int32)
    for region in range(N_REGIONS):
        side, row, layer = np.unravel_index(region, (2, 2, 2))
        x, y, z = 1 + 6 * side, 1 + 5 * row, 1 + 5 * layer
        labels[x : x + 5, y : y + 5, z : z + 4] = 1 + region % 4 + 10 * side
    return labels


def label_atlas() -> Any:
    return image_of(label_values())


def label_table() -> pd.DataFrame:
    numbers = np.unique(label_values())
    return pd.DataFrame({"index": numbers, "name": ["Background", *NAMES]})


def probabilistic_atlas() -> Any:
    """The blocks, smoothed until they overlap."""
    labels = label_values()
    maps = [
        ndimage.gaussian_filter((labels == one).astype(np.float64), 1.2)
        for one in np.unique(labels)[1:]
    ]
    stacked = np.stack(maps, axis=-1)
    stacked[stacked < 0.02] = 0
    return image_of(stacked)


def brain_mask() -> Any:
    inside = ndimage.binary_dilation(label_values() > 0, iterations=1)
    return image_of(inside.astype(np.uint8))


def seeds() -> list[tuple[float, float, float]]:
    """The middle of each block, in mm."""
    labels = label_values()
    middles = ndimage.center_of_mass(labels > 0, labels, np.unique(labels)[1:])
    return [tuple(one) for one in nib.affines.apply_affine(AFFINE, np.array(middles)).tolist()]


def regional_signals(subject: int, group: int = 0, n_volumes: int = N_VOLUMES) -> np.ndarray:
    """Signals of which left and right are alike; in group 1, the first two regions are, too."""
    rng = np.random.default_rng(100 + subject)
    signals = rng.standard_normal((n_volumes, N_REGIONS))
    signals = ndimage.gaussian_filter1d(signals, 1.0, axis=0)
    signals[:, 4:] += 0.8 * signals[:, :4]
    signals[:, 1] += 2 * group * signals[:, 0]
    return signals / signals.std(axis=0)


def confounds_table(subject: int, n_volumes: int = N_VOLUMES) -> pd.DataFrame:
    rng = np.random.default_rng(200 + subject)
    motion = 0.1 * rng.standard_normal((n_volumes, 6)).cumsum(axis=0)
    columns = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(motion, columns=columns)
    csf = rng.standard_normal(n_volumes)
    return table.assign(csf=csf, white_matter=0.5 * csf + rng.standard_normal(n_volumes))


def run_of(subject: int = 0, group: int = 0, n_volumes: int = N_VOLUMES) -> Any:
    """A run of float64 with regional signals, motion, a drift and noise."""
    rng = np.random.default_rng(subject)
    maps = np.asarray(probabilistic_atlas().dataobj)
    values = maps @ regional_signals(subject, group, n_volumes).T * 12
    values += 3 * confounds_table(subject, n_volumes)["trans_x"].to_numpy()
    values += np.linspace(-4, 4, n_volumes) + 2 * rng.standard_normal(values.shape)
    values += 500 + 20 * rng.standard_normal((*SHAPE, 1))
    image = image_of(values)
    image.header.set_zooms((4, 4, 4, T_R))
    return image


def write_fmriprep(folder: Path, subject: int = 0) -> str:
    """A run with mask, confounds and sidecar, under the names of fMRIPrep; the run's path."""
    stem = f"sub-{subject:02d}_task-rest"
    space = f"{stem}_space-MNI152NLin2009cAsym_desc"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{space}-preproc_bold.nii.gz"
    nib.save(run_of(subject), path)
    nib.save(brain_mask(), folder / f"{space}-brain_mask.nii.gz")
    rng = np.random.default_rng(300 + subject)
    table = confounds_table(subject)
    for name in table.columns.tolist():
        steps = table[name].diff()
        table[f"{name}_derivative1"] = steps
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = steps**2
    table["framewise_displacement"] = [np.nan, *rng.uniform(0, 0.3, N_VOLUMES - 1)]
    table["std_dvars"] = [np.nan, *rng.uniform(0.8, 1.2, N_VOLUMES - 1)]
    table.loc[[20, 21, 50], "framewise_displacement"] = 1.4
    for k in range(3):
        table[f"cosine{k:02d}"] = np.cos(
            np.pi * (k + 1) * (np.arange(N_VOLUMES) + 0.5) / N_VOLUMES
        )
    table["global_signal"] = 500 + rng.standard_normal(N_VOLUMES)
    name = folder / f"{stem}_desc-confounds_timeseries"
    table.to_csv(name.with_suffix(".tsv"), sep="\t", index=False, na_rep="n/a")
    name.with_suffix(".json").write_text(json.dumps({one: {} for one in table.columns}))
    return str(path)
