"""Models with several rows of a participant, beside scipy and statsmodels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from model_study import NAME, Study
from scipy import stats

LABELS = [f"{k:02d}" for k in range(1, 9)]
QUICK = ("--permutations", "0")
PAIRED = ("--model-rows", "session", "--model", "participant_id + session")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Eight participants with two sessions; a ninth has the second one alone."""
    made = Study(tmp_path, write_run)
    for k, label in enumerate(LABELS):
        for n, session in enumerate(("a", "b")):
            made.add(label, 2 * k + n, ses=session)
    made.add("09", 99, ses="b")
    return made


def z_of(study: Study, session: str) -> np.ndarray:
    return np.array([study.z(label, ses=session) for label in LABELS])


def test_paired_sessions_are_as_by_ttest_rel(study: Study) -> None:
    assert study.group(*PAIRED, "--contrast", "session", *QUICK) == 0
    expected = stats.ttest_rel(z_of(study, "b"), z_of(study, "a"))
    edges = study.read("model-A_contrast-session_edges")
    np.testing.assert_allclose(edges["t"], expected.statistic, rtol=2e-5)
    np.testing.assert_allclose(edges["p"], expected.pvalue, rtol=2e-5)
    assert edges["n"].tolist() == [16] * 6
    assert set(edges["dof"]) == {7}


@pytest.mark.parametrize(
    "formula",
    [
        "participant_id + session*group",
        "participant_id + session + session:group",
        "participant_id + group*session",
    ],
)
def test_group_by_time_is_as_by_ttest_ind_of_the_differences(
    study: Study, capsys: pytest.CaptureFixture[str], formula: str
) -> None:
    group = list("ccpcpcpp")
    study.table({"participant_id": [*LABELS, "09"], "group": [*group, "p"]})
    term = "group:session" if "group*" in formula else "session:group"
    asked = "--model-rows", "session", "--model", formula, "--contrast", f"x={term}"
    assert study.group(*asked, *QUICK) == 0
    difference, patient = z_of(study, "b") - z_of(study, "a"), np.array(group) == "p"
    expected = stats.ttest_ind(difference[patient], difference[~patient])
    edges = study.read("model-A_contrast-x_edges")
    np.testing.assert_allclose(edges["t"], expected.statistic, rtol=2e-5)
    np.testing.assert_allclose(edges["p"], expected.pvalue, rtol=2e-5)
    beta = difference[patient].mean(axis=0) - difference[~patient].mean(axis=0)
    np.testing.assert_allclose(edges["beta"], beta, rtol=2e-5)
    assert "group[T.p] already, as it does not differ" in capsys.readouterr().err
    sidecar = json.loads((study.out / f"{NAME}_model-A_design.json").read_text())
    assert len(sidecar["AbsorbedColumns"]) == 1


def test_a_participant_of_one_session_is_dropped_and_told(study: Study) -> None:
    assert study.group(*PAIRED, "--contrast", "session", *QUICK) == 0
    sidecar = json.loads((study.out / f"{NAME}_model-A_design.json").read_text())
    (whose,) = sidecar["DroppedRows"]
    assert whose == "sub-09 ses-b"
    assert "the only row of the participant" in sidecar["DroppedRows"][whose]
    assert (sidecar["NumberOfRows"], sidecar["NumberOfParticipants"]) == (16, 8)
    table = study.read("model-A_design")
    assert table["participant_id"].tolist() == [f"sub-{k}" for k in LABELS for _ in "ab"]
    assert table["session_id"].tolist() == ["ses-a", "ses-b"] * 8
    assert table["session[T.b]"].tolist() == [0, 1] * 8


def test_signs_of_differences_within_participants_are_permuted(study: Study) -> None:
    assert study.group(*PAIRED, "--contrast", "session", "--permutations", "256") == 0
    edges = study.read("model-A_contrast-session_edges")
    difference = z_of(study, "b") - z_of(study, "a")
    # All 256 sign flips of the differences, and the largest |t| of each.
    flips = 1 - 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    largest = [np.abs(stats.ttest_1samp(own[:, None] * difference, 0).statistic) for own in flips]
    null = np.max(largest, axis=1)
    expected = [(null >= abs(t) - 1e-6).mean() for t in edges["t"]]
    np.testing.assert_allclose(edges["p_fwe"], expected)
    name = f"{NAME}_model-A_contrast-session_edges.json"
    sidecar = json.loads((study.out / name).read_text())
    assert sidecar["Permutations"] == 256
    assert sidecar["PermutationsExhaustive"]
    assert sidecar["Exchangeability"] == "rows within participants"


def test_covariates_of_sessions_are_those_of_each_row(study: Study) -> None:
    pain = np.random.default_rng(3).normal(size=(9, 2)).round(2)
    for label, own in zip([*LABELS, "09"], pain, strict=True):
        rows = {"session_id": ["ses-a", "ses-b"], "pain": own}
        study.table(rows, f"sub-{label}/sub-{label}_sessions.tsv")
    study.table({"participant_id": [*LABELS, "09"]})
    asked = "--model-rows", "session", "--model", "participant_id + pain + session"
    assert study.group(*asked, "--contrast", "pain", *QUICK) == 0
    z = np.stack([z_of(study, "a"), z_of(study, "b")], axis=1).reshape(16, -1)
    data = pd.DataFrame({"who": np.repeat(LABELS, 2), "pain": pain[:8].ravel(), "s": [0, 1] * 8})
    fits = [smf.ols("z ~ C(who) + pain + s", data.assign(z=own)).fit() for own in z.T]
    edges = study.read("model-A_contrast-pain_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["pain"] for one in fits], rtol=2e-5)
    assert set(edges["dof"]) == {fits[0].df_resid}


def test_sessions_are_modelled_apart_where_a_row_is_a_participant(study: Study) -> None:
    asked = "--model", "mean_fd", "--contrast", "mean_fd", *QUICK
    assert study.group(*asked) == 0
    found = {name.partition("_contrast")[0] for name in study.models() if "_contrast" in name}
    end = NAME.removeprefix("group_")
    assert found == {f"group_ses-{one}_{end}_model-A" for one in "ab"}


def test_single_runs_are_rows(write_run: Callable[..., Path], tmp_path: Path) -> None:
    runs = Study(tmp_path / "runs", write_run)
    for k, label in enumerate(LABELS):
        for run in (1, 2, 3)[: 2 + k % 2]:
            runs.add(label, 10 * k + run, run=run)
    asked = "--model-rows", "run", "--model", "participant_id + run", "--contrast", "run[T.2]"
    assert runs.group(*asked, *QUICK) == 0
    rows = [(k, run) for k in range(8) for run in (1, 2, 3)[: 2 + k % 2]]
    z = np.array([runs.z(LABELS[k], run=str(run)) for k, run in rows])
    data = pd.DataFrame(rows, columns=["who", "run"])
    fits = [smf.ols("z ~ C(who) + C(run)", data.assign(z=own)).fit() for own in z.T]
    edges = runs.read("model-A_contrast-runT2_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["C(run)[T.2]"] for one in fits], rtol=2e-5)


def test_a_design_of_sessions_has_participants_absorbed(study: Study) -> None:
    rows = [(label, session) for label in [*LABELS, "09"] for session in "ab"][:-2]
    rows.append(("09", "b"))
    effect = np.random.default_rng(0).normal(size=len(rows)).round(3)
    design = study.table(
        {
            "participant_id": [f"sub-{one}" for one, _ in rows],
            "session_id": [f"ses-{one}" for _, one in rows],
            "mean": 1,
            "effect": effect,
        },
        "design.tsv",
    )
    asked = "--model-rows", "session", "--model", str(design), "--contrast", "effect"
    assert study.group(*asked, *QUICK) == 0
    z = np.stack([z_of(study, "a"), z_of(study, "b")], axis=1).reshape(16, -1)
    data = pd.DataFrame({"who": np.repeat(LABELS, 2), "effect": effect[:16]})
    fits = [smf.ols("z ~ C(who) + effect", data.assign(z=own)).fit() for own in z.T]
    edges = study.read("model-A_contrast-effect_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["effect"] for one in fits], rtol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "session", "--contrast", "session"), "participants have several rows"),
        (
            ("--model", "participant_id + sex + session", "--contrast", "sex"),
            "sex[T.M] does not differ within participants",
        ),
        (
            ("--model", "participant_id + sex", "--contrast", "sex"),
            "no column differs within participants (sex[T.M])",
        ),
        (
            ("--model", "participant_id * session", "--contrast", "session"),
            "participant_id is expected as a term of its own",
        ),
        (("--model", "participant_id", "--contrast", "session"), "no term beside participant_id"),
        (
            ("--model", "participant_id + session", "--contrast", "Intercept"),
            "the columns are session[T.b]",
        ),
    ],
    ids=["no intercepts", "between", "only between", "interaction", "no term", "intercept"],
)
def test_what_cannot_be_tested_within_participants_is_refused(
    study: Study, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    study.table({"participant_id": [*LABELS, "09"], "sex": list("FMFMFMFMF")})
    before = sorted(study.out.rglob("*"))
    assert study.group("--model-rows", "session", *arguments) == 64
    assert words in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before
