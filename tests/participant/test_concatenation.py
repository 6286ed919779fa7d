"""Matrices over several runs, and of the first volumes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.errors import BadDataError
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]
SPACE = "space-MNI152NLin2009cAsym_atlas-Slabs"


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    given = {"denoise": ("simple",), "nprocs": 1, "concatenate": "runs", **options}
    return Settings(root, root.parent / "out", "participant", atlas_dataset=atlas_dataset, **given)


@pytest.fixture
def dataset(tmp_path: Path, add_run: AddRun) -> Path:
    """A participant with two sessions of two runs of rest each, and one run of a task."""
    root = tmp_path / "ds"
    for seed, (ses, run) in enumerate([("a", 1), ("a", 2), ("b", 1), ("b", 2)]):
        add_run(root, f"sub-01_ses-{ses}_task-rest_run-{run}", seed=seed)
    add_run(root, "sub-01_ses-a_task-nback", seed=9)
    return root


def read_matrix(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col=0, na_values=["n/a"])


def scores(output: Path, pattern: str) -> np.ndarray:
    """Z-scored series of some runs, one below the other: as many steps as there are runs."""
    parts = []
    for path in sorted(output.rglob(pattern)):
        values = pd.read_csv(path, sep="\t", na_values=["n/a"]).to_numpy()
        parts.append((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))
    return np.concatenate(parts)


@pytest.mark.parametrize("level", ["runs", "sessions"])
def test_one_matrix_over_all_runs_is_that_of_their_scores(
    dataset: Path, atlas_dataset: Path, level: str
) -> None:
    settings = settings_for(dataset, atlas_dataset, concatenate=level)
    assert run_participants(settings) == 0
    end = f"task-rest_{SPACE}_stat-mean_meas-correlation_desc-simple_relmat.tsv"
    if level == "runs":
        places = {f"sub-01/ses-{s}/func/sub-01_ses-{s}_{end}": f"*ses-{s}_task-rest" for s in "ab"}
    else:
        places = {f"sub-01/func/sub-01_{end}": "*_task-rest"}
    for place, pattern in places.items():
        matrix = read_matrix(settings.output_dir / place)
        whole = scores(settings.output_dir, f"{pattern}*_timeseries.tsv")
        np.testing.assert_allclose(matrix, np.corrcoef(whole.T), atol=1e-6)
        sidecar = json.loads((settings.output_dir / place).with_suffix(".json").read_text())
        runs = 2 if level == "runs" else 4
        assert sidecar["NumberOfRuns"] == runs
        assert sidecar["NumberOfVolumesKept"] == len(whole) == runs * 39
        assert len(sidecar["Sources"]) == runs
        assert all(uri.startswith("bids::sub-01/ses-") for uri in sidecar["Sources"])
        assert sidecar["MissingRuns"] == []
        assert (settings.output_dir / sidecar["NodeFiles"].removeprefix("bids::")).is_file()
    # The task that has one run only keeps its own matrix, under a name of its own.
    alone = settings.output_dir.rglob("*task-nback*_relmat.tsv")
    assert len(list(alone)) == (1 if level == "runs" else 2)
    page = (settings.output_dir / "sub-01.html").read_text()
    assert "Concatenated runs" in page
    text = re.sub(r"<[^>]*>", " ", page.partition("Matrices over several runs")[2])
    assert f"correlation   {2 if level == 'runs' else 4}" in re.sub(r"\s*\n\s*", "   ", text)


@pytest.mark.parametrize("done_before", [False, True])
def test_a_run_that_failed_is_missing_by_name(
    dataset: Path, atlas_dataset: Path, done_before: bool
) -> None:
    if done_before:
        # Its series stay where they are.
        assert run_participants(settings_for(dataset, atlas_dataset)) == 0
    next(dataset.rglob("*ses-a_task-rest_run-2_*_mask.nii.gz")).unlink()
    settings = settings_for(dataset, atlas_dataset)
    assert run_participants(settings) == 1
    (path,) = settings.output_dir.rglob(f"sub-01_ses-a_task-rest_{SPACE}*_relmat.json")
    sidecar = json.loads(path.read_text())
    assert sidecar["NumberOfRuns"] == 1
    assert sidecar["MissingRuns"] == [
        "sub-01_ses-a_task-rest_run-2_space-MNI152NLin2009cAsym_bold"
    ]


def test_a_name_that_a_run_has_already_stops_the_app(
    dataset: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(dataset, "sub-01_ses-a_task-rest")
    settings = settings_for(dataset, atlas_dataset, bids_filter_file=None)
    with pytest.raises(BadDataError, match=r"would have the name of one of them(.|\n)*run-2"):
        make_plan(settings)


def test_matrices_of_the_first_volumes_are_of_those_and_only_where_there_are_as_many(
    dataset: Path, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(
        dataset, atlas_dataset, task_id=("nback",), exact_volumes=(20, 40), concatenate=None
    )
    assert run_participants(settings) == 0
    told = capsys.readouterr().err
    assert "simple keeps 39 volumes: no matrix of the first 40" in told
    func = settings.output_dir / "sub-01/ses-a/func"
    (series,) = func.glob("*_timeseries.tsv")
    values = pd.read_csv(series, sep="\t", na_values=["n/a"]).to_numpy()
    (path,) = func.glob("*_desc-simpleFirst20_relmat.tsv")
    np.testing.assert_allclose(read_matrix(path), np.corrcoef(values[:20].T), atol=1e-6)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["NumberOfVolumesUsed"] == 20
    of_series = json.loads(series.with_suffix(".json").read_text())
    (confounds,) = dataset.rglob("sub-01_ses-a_task-nback_*confounds_timeseries.tsv")
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")[of_series["ConfoundRegressors"]]
    kept = table.to_numpy()[of_series["SampleMask"]]
    kept -= kept.mean(axis=0)
    operator = (np.eye(39) - kept @ np.linalg.pinv(kept))[:20]
    eigenvalues = np.linalg.svd(operator - operator.mean(axis=0), compute_uv=False) ** 2
    left = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert sidecar["EffectiveDegreesOfFreedom"] == pytest.approx(left, abs=1e-3)
    assert sidecar["DegreesOfFreedom"] == round(of_series["DegreesOfFreedom"] * 20 / 39)
    assert not list(func.glob("*First40*"))
    descriptions = (settings.output_dir / "descriptions.tsv").read_text()
    assert "desc-simpleFirst20" in descriptions


def test_censored_rows_do_not_count_among_the_first(dataset: Path, atlas_dataset: Path) -> None:
    settings = settings_for(
        dataset,
        atlas_dataset,
        task_id=("rest",),
        exact_volumes=(10,),
        censor_output="nan",
        concatenate="sessions",
    )
    assert run_participants(settings) == 0
    (series,) = settings.output_dir.rglob("*ses-a_*run-1_*_timeseries.tsv")
    values = pd.read_csv(series, sep="\t", na_values=["n/a"]).to_numpy()
    assert np.isnan(values[0]).all()
    (path,) = settings.output_dir.rglob("*ses-a_*run-1_*First10_relmat.tsv")
    np.testing.assert_allclose(read_matrix(path), np.corrcoef(values[1:11].T), atol=1e-6)
    (path,) = (settings.output_dir / "sub-01/func").glob("*_desc-simple_relmat.json")
    assert json.loads(path.read_text())["NumberOfVolumesKept"] == 4 * 39
