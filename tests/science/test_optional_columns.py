"""Spike regressors where there are some, against numpy's least squares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import N_VOLUMES, confounds_table

from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

STRATEGY = r"""
[confounds]
motion = "basic"
columns = ['^motion_outlier\d+$', { name = "rmsd", required = false }]
"""
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


@pytest.mark.parametrize("spikes", [[], [7, 20]])
def test_spikes_are_regressed_out_where_there_are_some(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path, spikes: list[int]
) -> None:
    table = confounds_table(np.random.default_rng(3))
    outliers = [f"motion_outlier{i:02d}" for i in range(len(spikes))]
    for name, volume in zip(outliers, spikes, strict=True):
        table[name] = np.eye(N_VOLUMES)[volume]
    bold = add_run(tmp_path / "ds", confounds=table)
    (tmp_path / "mine.toml").write_text(STRATEGY)
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=(str(tmp_path / "mine.toml"),),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    (path,) = settings.output_dir.rglob("*_timeseries.tsv")
    data = np.asarray(nib.load(bold).dataobj, float)
    # Of the slabs of the atlas those inside the mask, which lacks the first row of voxels.
    means = {"nine": data[4:5], "two": data[1:2], "five": data[2:4]}
    signals = np.column_stack([part.mean(axis=(0, 1, 2)) for part in means.values()])
    x = np.column_stack([np.ones(N_VOLUMES), table[MOTION + outliers]])
    fitted = x @ np.linalg.lstsq(x, signals, rcond=None)[0]
    found = pd.read_csv(path, sep="\t", na_values="n/a")[list(means)].to_numpy()
    difference = found - (signals - fitted)
    np.testing.assert_allclose(difference - difference.mean(axis=0), 0, atol=1e-4)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["ConfoundRegressors"] == MOTION + outliers
    assert sidecar["ConfoundEntries"] == {r"^motion_outlier\d+$": outliers, "rmsd": []}
