"""Distances between regions are those of the atlas, whatever any run's mask leaves of it.

The judges are SciPy's centres of mass of the atlas image, and Spearman's rho over a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.stats import pearsonr, spearmanr
from tiny import AFFINE, SHAPE, SPACE

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings


def world_centres(labels: np.ndarray) -> np.ndarray:
    voxels = ndimage.center_of_mass(np.ones(SHAPE), labels, np.arange(1, 7))
    return nib.affines.apply_affine(AFFINE, np.array(voxels))


def test_distance_dependence_is_of_the_unmasked_atlas_though_the_first_participant_lacks_parts(
    tmp_path: Path, add_run: Callable[..., Path], write_image: Callable[..., Path]
) -> None:
    labels = np.zeros(SHAPE, np.int16)
    for index, corner in enumerate([(1, 0), (1, 3), (2, 2), (3, 0), (4, 3), (5, 1)], 1):
        labels[corner[0], corner[1] : corner[1] + 2] = index
    masks = []
    for i in range(5):
        bold = add_run(tmp_path / "ds", f"sub-0{i}_task-rest", seed=i)
        mask = np.ones(SHAPE, np.uint8)
        if i == 0:
            mask[1, 0], mask[4, :, 2:], mask[2, 3] = 0, 0, 0
        write_image(Path(str(bold).replace("desc-preproc_bold", "desc-brain_mask")), mask)
        masks.append(mask)
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas=(f"Six={write_image(tmp_path / 'six.nii.gz', labels)}",),
        atlas_space=SPACE,
        denoise=("none",),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    assert run_group(replace(settings, analysis_level="group")) == 0
    table = pd.read_csv(tmp_path / "out" / "group_atlas-Six_qcfc.tsv", sep="\t")

    matrices = [
        pd.read_csv(path, sep="\t", index_col=0).to_numpy()
        for path in sorted((tmp_path / "out").glob("sub-*/func/*_relmat.tsv"))
    ]
    fd = [
        pd.read_csv(path, sep="\t")["framewise_displacement"].mean()
        for path in sorted((tmp_path / "ds").glob("sub-*/func/*_timeseries.tsv"))
    ]
    assert len(matrices) == len(fd) == 5
    edges = list(combinations(range(6), 2))
    r = [pearsonr([np.arctanh(one[i, j]) for one in matrices], fd).statistic for i, j in edges]

    def rho(points: np.ndarray) -> float:
        mm = [round(float(np.linalg.norm(points[i] - points[j])), 9) for i, j in edges]
        return float(spearmanr(r, mm).statistic)

    assert abs(rho(world_centres(labels * masks[0])) - rho(world_centres(labels))) > 0.02
    np.testing.assert_allclose(table["distance_dependence"], rho(world_centres(labels)), atol=0.01)
