"""A small multi-echo run with known sources, for tedana to find.

Each source has a place in the brain and a time course of its own. BOLD changes R2*, so that its
share of the signal grows with echo time; motion, inflow and the like change S0, so that theirs is
the same at every echo (Kundu et al. 2012, doi:10.1016/j.neuroimage.2011.12.028).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

SHAPE = (16, 16, 12)
AFFINE = np.array([[-4.0, 0, 0, 30], [0, 4, 0, -30], [0, 0, 4, -22], [0, 0, 0, 1]])
ECHO_TIMES = (0.015, 0.030, 0.045)  # s
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
    r2 = (1 + 0.05 * rng.standard_normal((n_voxels, 1))) / 0.030  # 1/s
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


def write_echoes(folder: Path) -> tuple[list[Path], Path]:
    """Write the run as fMRIPrep does with ``--me-output-echos``: paths of the echoes and the mask.

    There is no more of fMRIPrep's output than that.
    """
    echoes, brain = simulated_echoes()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, echo in enumerate(echoes, 1):
        paths.append(folder / f"{PREFIX}_echo-{number}_desc-preproc_bold.nii.gz")
        _write(paths[-1], echo)
    mask = folder / f"{PREFIX}_desc-brain_mask.nii.gz"
    _write(mask, brain.astype(np.uint8))
    return paths, mask


def _write(path: Path, data: np.ndarray) -> None:
    image = nib.Nifti1Image(data, AFFINE)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], T_R))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def tedana_arguments(echoes: Sequence[Path], mask: Path, out_dir: Path) -> list[str]:
    """What tedana is called with: 12 components, which takes seconds, and the same ones again."""
    return [
        *("-d", *map(str, echoes), "-e", *map(str, ECHO_TIMES), "--mask", str(mask)),
        *("--out-dir", str(out_dir), "--prefix", PREFIX),
        *("--tedpca", "12", "--seed", "42", "--tedort", "--no-reports"),
    ]
