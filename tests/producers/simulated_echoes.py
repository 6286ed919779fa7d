"""A small multi-echo run with known sources, for tedana to find.

Each source has a place in the brain and a time course of its own. BOLD changes R2*, so that its
share of the signal grows with echo time; motion, inflow and the like change S0, so that theirs is
the same at every echo (Kundu et al. 2012, doi:10.1016/j.neuroimage.2011.12.028).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from tiny import confounds_table

SHAPE = (16, 16, 12)
AFFINE = np.array([[-4.0, 0, 0, 30], [0, 4, 0, -30], [0, 0, 4, -22], [0, 0, 0, 1]])
ECHO_TIMES = (0.015, 0.030, 0.045)  # s
T2STAR = 0.030  # s
N_VOLUMES = 80
T_R = 2.0  # s
N_BOLD = N_OTHER = 4
PREFIX = "sub-01_task-rest"


def simulated_echoes(seed: int = 20) -> tuple[list[np.ndarray], np.ndarray]:
    """The echoes, float32 of shape (x, y, z, n_volumes) each, and the brain, bool."""
    rng = np.random.default_rng(seed)
    centre = (np.array(SHAPE) - 1) / 2
    from_centre = np.moveaxis(np.indices(SHAPE), 0, -1) - centre
    brain = np.square(from_centre / (np.array(SHAPE) * 0.45)).sum(axis=-1) < 1
    n_voxels = int(brain.sum())

    courses = gaussian_filter1d(rng.standard_normal((N_BOLD + N_OTHER, N_VOLUMES)), 1.0, axis=1)
    courses = (courses - courses.mean(axis=1, keepdims=True)) / courses.std(axis=1, keepdims=True)
    maps = np.array([_blob(rng, brain) for _ in courses])
    bold = maps[:N_BOLD].T @ courses[:N_BOLD]
    other = maps[N_BOLD:].T @ courses[N_BOLD:]

    s0 = 1000 * (1 + 0.1 * rng.standard_normal((n_voxels, 1)))
    r2 = (1 + 0.05 * rng.standard_normal((n_voxels, 1))) / T2STAR  # 1/s
    echoes = []
    for echo_time in ECHO_TIMES:
        signal = s0 * (1 + 0.03 * other) * np.exp(-echo_time * (r2 - bold))
        image = np.abs(3 * rng.standard_normal((*SHAPE, N_VOLUMES)))
        image[brain] = signal + 3 * rng.standard_normal(signal.shape)
        echoes.append(image.astype(np.float32))
    return echoes, brain


def _blob(rng: np.random.Generator, brain: np.ndarray) -> np.ndarray:
    """Where in the brain a source is, at most 1."""
    point = np.zeros(SHAPE)
    point[tuple(rng.choice(np.argwhere(brain)))] = 1
    smooth = gaussian_filter(point, 2.0)[brain]
    return smooth / smooth.max()


def write_multi_echo_dataset(root: Path) -> tuple[list[Path], Path]:
    """Write the run as fMRIPrep does with ``--me-output-echos``; paths of the echoes and the mask.

    Beside the echoes there are the optimally combined run, weighted by their BOLD contrast at one
    T2* for all voxels, and confounds drawn from a seed. All are in the run's own space.
    """
    echoes, brain = simulated_echoes()
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    generated = [{"Name": "fMRIPrep", "Version": "25.1.3"}]
    description = {"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    _write_json(root / "dataset_description.json", description | {"GeneratedBy": generated})
    paths = []
    for number, (echo, echo_time) in enumerate(zip(echoes, ECHO_TIMES, strict=True), 1):
        paths.append(func / f"{PREFIX}_echo-{number}_desc-preproc_bold.nii.gz")
        _write_bold(paths[-1], echo, EchoTime=echo_time)
    weights = np.array(ECHO_TIMES) * np.exp(-np.array(ECHO_TIMES) / T2STAR)
    combined = np.tensordot(weights / weights.sum(), echoes, axes=1).astype(np.float32)
    _write_bold(func / f"{PREFIX}_desc-preproc_bold.nii.gz", combined)
    mask = func / f"{PREFIX}_desc-brain_mask.nii.gz"
    _write_image(mask, brain.astype(np.uint8))
    table = confounds_table(np.random.default_rng(1), N_VOLUMES)
    path = func / f"{PREFIX}_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return paths, mask


def _write_bold(path: Path, data: np.ndarray, **metadata: float) -> None:
    _write_image(path, data)
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    _write_json(sidecar, {"RepetitionTime": T_R, "TaskName": "rest", **metadata})


def _write_image(path: Path, data: np.ndarray) -> None:
    image = nib.Nifti1Image(data, AFFINE)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], T_R))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content))


def tedana_arguments(echoes: Sequence[Path], mask: Path, out_dir: Path) -> list[str]:
    """What tedana is called with: 12 components, which takes seconds, and the same ones again."""
    return [
        *("-d", *map(str, echoes), "-e", *map(str, ECHO_TIMES), "--mask", str(mask)),
        *("--out-dir", str(out_dir), "--prefix", PREFIX),
        *("--tedpca", "12", "--seed", "42", "--tedort", "--no-reports"),
    ]
