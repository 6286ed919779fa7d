"""Models of harmonised edges have the batch as a term, and test nothing that was removed."""

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

from bids_labelx.statistics.combat import combat

LABELS = [f"{k:02d}" for k in range(1, 13)]
IDS = [f"sub-{label}" for label in LABELS]
AGES = [21.5, 34, 56, 23, 45, 61, 38, 29, 50, 44, 33, 27]
SITES = [1, 2, 3, 1, 1, 2, 2, 3, 3, 2, 1, 3]
SEXES = list("FMMFMFFMFMFM")
COMBAT = ("--harmonize", "combat", "--batch", "site", "--permutations", "0")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Twelve participants of three sites."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    made.table({"participant_id": IDS, "age": AGES, "site": SITES, "sex": SEXES})
    return made


@pytest.mark.parametrize(
    ("preserve", "model", "contrast", "words"),
    [
        ("age", "age + mean_fd", "age", "write --model 'age + mean_fd + C(site)'"),
        ("age", "age + site", "age", "write --model 'age + site + C(site)'"),
        ("age", "age + sex + C(site)", "age", "write --preserve age sex"),
        ("", "age + C(site)", "age", "write --preserve age"),
        ("age", "age + C(site)", "C(site)[T.2]", "(site), which harmonisation removes"),
        ("age", "C(site)", "C(site)[T.2] - C(site)[T.3]", "(site), which harmonisation removes"),
    ],
    ids=["no batch", "a slope", "one not preserved", "none preserved", "batch", "batches"],
)
def test_what_harmonised_edges_cannot_tell_is_refused(
    study: Study,
    capsys: pytest.CaptureFixture[str],
    preserve: str,
    model: str,
    contrast: str,
    words: str,
) -> None:
    kept = ("--preserve", preserve) if preserve else ()
    before = sorted(study.out.rglob("*"))
    assert study.group(*COMBAT, *kept, "--model", model, "--contrast", contrast) == 64
    assert words in capsys.readouterr().err
    assert sorted(study.out.rglob("*")) == before


def test_a_table_of_regressors_needs_the_batches_too(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    columns: dict[str, list[float]] = {"mean": [1] * 12, "age": AGES}
    asked = *COMBAT, "--preserve", "age", "--contrast", "age", "--model"
    short = study.table({"participant_id": IDS, **columns}, "short.tsv")
    assert study.group(*asked, str(short)) == 64
    assert "add columns of site to it" in capsys.readouterr().err
    own = {f"site{k}": [float(site == k) for site in SITES] for k in (2, 3)}
    whole = study.table({"participant_id": IDS, **columns, **own}, "whole.tsv")
    assert study.group(*asked, str(whole)) == 0


@pytest.mark.parametrize(("model", "contrast"), [("1", "Intercept"), ("0 + C(site)", "m")])
def test_the_mean_of_harmonised_edges_can_be_tested(
    study: Study, model: str, contrast: str
) -> None:
    mean = "m=(C(site)[1] + C(site)[2] + C(site)[3]) / 3"
    typed = mean if contrast == "m" else contrast
    assert study.group(*COMBAT, "--model", model, "--contrast", typed) == 0
    assert (
        study.read(f"model-A_contrast-{contrast}_edges", f"{NAME}_harm-combat")["t"].notna().all()
    )


def test_an_interaction_that_was_not_preserved_is_remarked(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = "--preserve", "age", "sex", "--model", "age*sex + C(site)", "--contrast", "age:sex"
    assert study.group(*COMBAT, *asked) == 0
    remark = "harmonisation did not preserve age:sex[T.M], and removes a part of the effect"
    assert f"note: model A, contrast ageSex: {remark}" in capsys.readouterr().err
    assert f"H{remark[1:]}" in (study.out / "group.html").read_text()
    end = f"{NAME}_harm-combat_model-A_contrast-ageSex_edges.json"
    assert remark in json.loads((study.out / end).read_text())["Remarks"][-1]


def test_with_the_batches_in_the_model_false_positives_are_five_percent() -> None:
    """Two sites, of which one has few patients and the other one many."""
    site = np.repeat(["a", "b"], 15)
    patient = np.array([0] * 13 + [1] * 2 + [0] * 2 + [1] * 13, float)
    second = (site == "b").astype(float)
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(30, 100)) + np.where(second[:, None], rng.normal(size=100), 0)
        z = combat(z, list(site), patient[:, None], ["patient"])[0]
        share = []
        for columns in ([patient], [patient, second]):
            design = np.column_stack([np.ones(30), *columns])
            inverse = np.linalg.inv(design.T @ design)
            beta = inverse @ design.T @ z
            dof = 30 - design.shape[1]
            error = np.sqrt(((z - design @ beta) ** 2).sum(axis=0) / dof * inverse[1, 1])
            share.append((2 * stats.t.sf(np.abs(beta[1] / error), dof) < 0.05).mean())
        found.append(share)
    without, having = np.mean(found, axis=0)
    assert without > 0.15
    assert having == pytest.approx(0.05, abs=0.03)


def test_the_model_with_batches_is_that_of_statsmodels(study: Study) -> None:
    asked = "--preserve", "age", "--model", "age + C(site)", "--contrast", "age"
    assert study.group(*COMBAT, *asked) == 0
    z = np.array([study.z(label) for label in LABELS])
    edges = study.read("model-A_contrast-age_edges", f"{NAME}_harm-combat")
    own = combat(z, list(map(str, SITES)), np.array(AGES)[:, None], ["age"])[0]
    data = pd.DataFrame({"age": AGES, "site": SITES})
    fits = [smf.ols("z ~ age + C(site)", data.assign(z=edge)).fit() for edge in own.T]
    np.testing.assert_allclose(edges["t"], [one.tvalues["age"] for one in fits], rtol=1e-4)
