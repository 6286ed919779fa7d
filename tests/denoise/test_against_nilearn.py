"""The strategies that nilearn has, on real confounds tables, beside nilearn's."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds_strategy

from bids_labelx.denoise import (
    read_confounds_metadata,
    read_confounds_table,
    read_strategies,
    select,
)
from bids_labelx.errors import BadDataError

SCRUB = {"denoise_strategy": "scrubbing", "scrub": 5, "std_dvars_threshold": np.inf}
GSR = {"global_signal": "basic"}
THEIRS: dict[str, dict[str, Any]] = {
    "simple": {"denoise_strategy": "simple"},
    "simple+gsr": {"denoise_strategy": "simple", **GSR},
    "scrubbing.2": {**SCRUB, "fd_threshold": 0.2},
    "scrubbing.2+gsr": {**SCRUB, "fd_threshold": 0.2, **GSR},
    "scrubbing.5": {**SCRUB, "fd_threshold": 0.5},
    "scrubbing.5+gsr": {**SCRUB, "fd_threshold": 0.5, **GSR},
    "scrubbing": {"denoise_strategy": "scrubbing"},
    "acompcor50": {"denoise_strategy": "compcor"},
    "icaaroma": {"denoise_strategy": "ica_aroma"},
}
TABLES = {
    "v1.4": "confounds/test_desc-confounds_regressors.tsv",
    "v1.4-without-dummies": "confounds/no_nonsteady_desc-confounds_regressors.tsv",
    "v21": "confounds/test-v21_desc-confounds_timeseries.tsv",
    "real": "real-fmriprep-like/sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv",
}


def beside_an_image(table: Path, folder: Path, desc: str) -> Path:
    """Copies of a table and its JSON beside an image without content, as nilearn wants it."""
    suffix = table.stem.rpartition("_")[2]
    copy = folder / f"sub-01_task-rest_desc-confounds_{suffix}.tsv"
    shutil.copy(table, copy)
    sidecar = table.with_suffix(".json")
    if not sidecar.exists():  # the table without dummy volumes is otherwise like this one
        sidecar = table.with_name("test_desc-confounds_regressors.json")
    shutil.copy(sidecar, copy.with_suffix(".json"))
    (folder / f"sub-01_task-rest_desc-{desc}_bold.nii.gz").touch()
    return copy


def assert_equal_to_nilearn(name: str, table: Path, folder: Path) -> None:
    desc = "smoothAROMAnonaggr" if name == "icaaroma" else "preproc"
    path = beside_an_image(table, folder, desc)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, sample_mask = load_confounds_strategy(
            str(folder / f"sub-01_task-rest_desc-{desc}_bold.nii.gz"), **THEIRS[name]
        )
    confounds = read_confounds_table(path)
    kept = np.arange(len(confounds)) if sample_mask is None else sample_mask
    (strategy,) = read_strategies([name])
    given: dict[str, Any] = {
        "source": str(path),
        "metadata": read_confounds_metadata(path),
        "image_desc": desc,
    }
    if not len(kept):
        with pytest.raises(BadDataError, match="leaves no volume"):
            select(strategy, confounds, len(confounds), **given)
        return
    chosen = select(strategy, confounds, len(confounds), **given)
    np.testing.assert_array_equal(np.flatnonzero(chosen.kept), kept)
    assert set(chosen.columns) == set(theirs.columns)
    # Theirs are demeaned over the kept volumes; the regression removes the mean of ours.
    ours = pd.DataFrame(chosen.regressors, columns=list(chosen.columns))
    demeaned = ours - ours.iloc[kept].mean()
    np.testing.assert_allclose(demeaned, theirs[list(ours)], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", THEIRS)
def test_columns_sample_mask_and_values_equal_nilearn(
    shared_data: Path, tmp_path: Path, name: str, kind: str
) -> None:
    assert_equal_to_nilearn(name, shared_data / TABLES[kind], tmp_path)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["scrubbing", "scrubbing.2", "scrubbing.5+gsr"])
def test_scrubbing_equals_nilearn_where_much_is_censored(
    shared_data: Path, tmp_path: Path, name: str, seed: int
) -> None:
    source = shared_data / TABLES["real"]
    table = pd.read_csv(source, sep="\t", na_values="n/a")
    rng = np.random.default_rng(seed)
    moved = rng.choice(np.arange(1, len(table)), 12, replace=False)
    table.loc[moved[:8], "framewise_displacement"] = 0.7
    table.loc[moved[6:], "std_dvars"] = 3.5
    table["non_steady_state_outlier00"] = np.eye(len(table))[0]
    table["non_steady_state_outlier01"] = np.eye(len(table))[1]
    made = tmp_path / "made"
    made.mkdir()
    table.to_csv(made / "x_timeseries.tsv", sep="\t", index=False, na_rep="n/a")
    shutil.copy(source.with_suffix(".json"), made / "x_timeseries.json")
    assert_equal_to_nilearn(name, made / "x_timeseries.tsv", tmp_path)
