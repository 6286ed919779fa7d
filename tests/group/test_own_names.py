"""``mean_fd``, ``session`` and ``run`` are those of the rows, wherever a covariate is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from model_study import NAME, Study
from neuroCombat import neuroCombat

LABELS = [f"{k:02d}" for k in range(1, 13)]
FD = [0.1 + seed / 100 for seed in range(12)]
TABLE = {
    "participant_id": LABELS,
    "age": [31, 25, 47, 52, 38, 29, 44, 60, 23, 35, 41, 58],
    "site": list("abababbabaab"),
    "mean_fd": [5, 1, 4, 2, 3, 9, 8, 7, 6, 12, 11, 10],
    "run": [1, 2] * 6,
}


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Twelve participants with a table that has columns like those of rows."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    made.table(TABLE)
    return made


@pytest.mark.parametrize("formula", ["mean_fd", "age + mean_fd"])
def test_motion_in_a_model_is_that_of_the_runs_and_this_is_told(
    study: Study, capsys: pytest.CaptureFixture[str], formula: str
) -> None:
    asked = "--model", formula, "--contrast", "mean_fd", "--permutations", "0"
    assert study.group(*asked) == 0
    z = np.array([study.z(label) for label in LABELS])
    data = {"mean_fd": FD, "age": TABLE["age"]}
    fits = [smf.ols(f"z ~ {formula}", {**data, "z": own}).fit() for own in z.T]
    edges = study.read("model-A_contrast-meanFd_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["mean_fd"] for one in fits], rtol=2e-5)
    assert "mean_fd is that of the rows, and not the table's column" in capsys.readouterr().err


def test_a_model_of_what_the_rows_do_not_have_says_so(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.group("--model", "C(run)", "--contrast", "C(run)") == 64
    told = capsys.readouterr().err
    assert (
        "run is that of the rows, which have none, and not the column of participants.tsv" in told
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--qcfc-covariates", "mean_fd"),
        ("--criterion", "mean_fd"),
        ("--qcfc-covariates", "age", "run"),
        ("--harmonize", "combat", "--batch", "run"),
        ("--harmonize", "combat", "--batch", "site", "--preserve", "run"),
    ],
    ids=["qcfc", "criterion", "run", "batch", "preserve"],
)
def test_elsewhere_a_column_of_that_name_is_refused(
    study: Study, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    before = sorted(study.out.rglob("*"))
    assert study.group(*arguments) == 64
    assert "if the column is meant, give it another name" in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


def test_preserved_motion_is_that_of_the_runs_as_by_neurocombat(study: Study) -> None:
    combat = "--harmonize", "combat", "--batch", "site", "--preserve", "mean_fd"
    assert study.group(*combat) == 0
    z = np.array([study.z(label) for label in LABELS])
    covars = {"site": TABLE["site"], "mean_fd": FD}
    judge = neuroCombat(z.T, pd.DataFrame(covars), "site", continuous_cols=["mean_fd"])
    with h5py.File(study.out / f"{NAME}_harm-combat_edges.h5") as file:
        np.testing.assert_allclose(file["z"][:], judge["data"].T, atol=2e-3)


def test_columns_are_listed_once(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study.group("--model", "weight", "--contrast", "weight") == 64
    told = capsys.readouterr().err
    assert told.count("mean_fd") == 1
    assert told.count(" run") == 1
