"""Models from tables to files, through the command line, beside statsmodels and scipy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from model_study import NAME, Study
from scipy import stats

from bids_labelx.app.options import build_parser
from bids_labelx.settings import Settings, make_settings

LABELS = [f"{k:02d}" for k in range(1, 13)]
AGES = [21.5, 34, 56, 23, 45, 61, 38, 29, 50, 44, 33, 27]
SEXES = list("FMMFMFFMFMFM")
SITES = [1, 2, 10, 1, 2, 10, 10, 2, 1, 2, 10, 1]
FIELDS = {one.name for one in fields(Settings)}
QUICK = ("--permutations", "0")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Twelve participants with age, sex and site."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    ids = [f"sub-{label}" for label in LABELS]
    made.table({"participant_id": ids, "age": AGES, "sex": SEXES, "site": SITES})
    return made


def judged(formula: str, z: np.ndarray, **covariates: object) -> list[object]:
    """The fits of statsmodels, edge by edge, rows with missing values dropped."""
    data = pd.DataFrame(covariates)
    return [smf.ols(f"z ~ {formula}", data.assign(z=own), missing="drop").fit() for own in z.T]


def z_of(study: Study) -> np.ndarray:
    return np.array([study.z(label) for label in LABELS])


@pytest.mark.parametrize(
    ("formula", "column", "contrast", "name"),
    [
        ("age + sex + C(site)", "age", "age", "age"),
        ("age + sex + C(site)", "sex[T.M]", "sex", "sex"),
        ("age + sex + C(site)", "C(site)[T.10]", "C(site)[T.10]", "CSiteT10"),
        ("center(age) * sex", "center(age):sex[T.M]", "age:sex", "ageSex"),
        ("site", "site", "site", "site"),
        ("age + I(age**2)", "I(age ** 2)", "q=I(age**2)", "q"),
    ],
)
def test_t_and_p_are_those_of_statsmodels(
    study: Study, formula: str, column: str, contrast: str, name: str
) -> None:
    typed = formula.replace("center(age)", "age")
    assert study.group("--model", typed, "--contrast", contrast, *QUICK) == 0
    edges = study.read(f"model-A_contrast-{name}_edges")
    fits = judged(formula, z_of(study), age=AGES, sex=SEXES, site=SITES)
    for of, values in (("beta", "params"), ("t", "tvalues"), ("p", "pvalues")):
        expected = [getattr(one, values)[column] for one in fits]
        np.testing.assert_allclose(edges[of], expected, rtol=2e-5)
    assert edges["n"].tolist() == [12] * 6
    assert set(edges["dof"]) == {fits[0].df_resid}
    np.testing.assert_allclose(edges["p_fdr"], stats.false_discovery_control(edges["p"]))


def test_two_groups_are_as_by_ttest_ind(study: Study) -> None:
    assert study.group("--model", "sex", "--contrast", "sex", *QUICK) == 0
    z, male = z_of(study), np.array(SEXES) == "M"
    expected = stats.ttest_ind(z[male], z[~male])
    edges = study.read("model-A_contrast-sex_edges")
    np.testing.assert_allclose(edges["t"], expected.statistic, rtol=2e-5)
    np.testing.assert_allclose(edges["p"], expected.pvalue, rtol=2e-5)


def test_one_sample_is_as_by_ttest_1samp(study: Study) -> None:
    assert study.group("--model", "1", "--contrast", "Intercept", *QUICK) == 0
    expected = stats.ttest_1samp(z_of(study), 0)
    edges = study.read("model-A_contrast-Intercept_edges")
    np.testing.assert_allclose(edges["t"], expected.statistic, rtol=2e-5)
    np.testing.assert_allclose(edges["p"], expected.pvalue, rtol=2e-5)


def test_the_mean_at_mean_covariates_is_tested_as_covariates_are_centred(study: Study) -> None:
    assert study.group("--model", "age", "--contrast", "Intercept", *QUICK) == 0
    centred = np.array(AGES) - np.mean(AGES)
    fits = judged("age", z_of(study), age=centred)
    edges = study.read("model-A_contrast-Intercept_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["Intercept"] for one in fits], rtol=2e-5)
    sidecar = json.loads((study.out / f"{NAME}_model-A_contrast-Intercept_edges.json").read_text())
    assert sidecar["CentredCovariates"] == ["age"]


def test_without_an_intercept_nothing_is_centred(study: Study) -> None:
    assert study.group("--model", "0 + age", "--contrast", "age", *QUICK) == 0
    fits = judged("0 + age", z_of(study), age=AGES)
    edges = study.read("model-A_contrast-age_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["age"] for one in fits], rtol=2e-5)


def test_a_difference_of_levels_is_a_linear_combination(study: Study) -> None:
    expression = "C(site)[T.2] - C(site)[T.10]"
    assert study.group("--model", "C(site)", "--contrast", f"far={expression}", *QUICK) == 0
    edges = study.read("model-A_contrast-far_edges")
    fits = judged("C(site)", z_of(study), site=SITES)
    expected = [one.t_test(expression).tvalue.item() for one in fits]
    np.testing.assert_allclose(edges["t"], expected, rtol=2e-5)


def test_participants_with_missing_values_are_dropped_and_told(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    ages = [None, *AGES[1:]]
    sexes = [*SEXES[:4], None, *SEXES[5:]]
    ids = [f"sub-{label}" for label in LABELS]
    study.table({"participant_id": ids, "age": ages, "sex": sexes})
    assert study.group("--model", "age + sex", "--contrast", "age", *QUICK) == 0
    fits = judged("age + sex", z_of(study), age=ages, sex=sexes)
    edges = study.read("model-A_contrast-age_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["age"] for one in fits], rtol=2e-5)
    sidecar = json.loads((study.out / f"{NAME}_model-A_design.json").read_text())
    assert sidecar["DroppedRows"] == {"sub-01": "age n/a", "sub-05": "sex n/a"}
    assert sidecar["NumberOfParticipants"] == 10
    assert "10 rows of 10 participants, 2 dropped" in capsys.readouterr().err


def test_an_edge_is_fitted_over_the_rows_that_have_it(study: Study) -> None:
    study.add("03", 2, covered=[10, -1, 10, 10])
    study.add("07", 6, covered=[10, 10, -1, 10])
    assert study.group("--model", "age + sex", "--contrast", "age", *QUICK) == 0
    fits = judged("age + sex", z_of(study), age=AGES, sex=SEXES)
    edges = study.read("model-A_contrast-age_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["age"] for one in fits], rtol=2e-5)
    assert edges["n"].tolist() == [one.nobs for one in fits]
    assert sorted(set(edges["n"])) == [10, 11, 12]


def test_mean_fd_is_a_covariate_of_the_runs_themselves(study: Study) -> None:
    assert study.group("--model", "mean_fd + age", "--contrast", "age", *QUICK) == 0
    fd = study.read("qc", "group").set_index("participant_id")["mean_fd"]
    fits = judged("fd + age", z_of(study), fd=fd.to_numpy(), age=AGES)
    edges = study.read("model-A_contrast-age_edges")
    np.testing.assert_allclose(edges["t"], [one.tvalues["age"] for one in fits], rtol=2e-5)


def test_a_model_without_motion_is_remarked(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    models = "none=age", "motion=age + mean_fd"
    assert study.group("--model", *models, "--contrast", "age", *QUICK) == 0
    remarks = [one for one in capsys.readouterr().err.splitlines() if "mean_fd" in one]
    assert len(remarks) == 1
    assert remarks[0].startswith("note: model none: mean_fd is no covariate")


def test_columns_of_a_design_are_taken_as_they_are(study: Study) -> None:
    patients = [float(sex == "M") for sex in SEXES]
    design = study.table(
        {"participant_id": LABELS[::-1], "mean": 1, "patient": patients[::-1], "age": AGES[::-1]},
        "design.tsv",
    )
    assert study.group("--model", f"D={design}", "--contrast", "mean", "patient", *QUICK) == 0
    fits = judged("age + patient", z_of(study), patient=patients, age=AGES)
    for name, column in (("mean", "Intercept"), ("patient", "patient")):
        edges = study.read(f"model-D_contrast-{name}_edges")
        expected = [one.tvalues[column] for one in fits]
        np.testing.assert_allclose(edges["t"], expected, rtol=2e-5)


def test_regions_and_pairs_of_networks_are_means_of_edges(study: Study) -> None:
    assert study.group("--model", "age", "--contrast", "age", *QUICK) == 0
    z = z_of(study)
    # Edges 01 02 03 12 13 23 of regions in the networks Vis, Vis, Mot and Mot.
    of_regions = np.stack([z[:, own].mean(axis=1) for own in ([0, 1, 2], [0, 3, 4], [1, 3, 5])])
    fits = judged("age", of_regions.T, age=AGES)
    regions = study.read("model-A_contrast-age_regions")
    np.testing.assert_allclose(regions["t"][:3], [one.tvalues["age"] for one in fits], rtol=2e-5)
    of_pairs = np.stack([z[:, own].mean(axis=1) for own in ([0], [1, 2, 3, 4], [5])])
    fits = judged("age", of_pairs.T, age=AGES)
    networks = study.read("model-A_contrast-age_networks")
    names = networks[["network_1", "network_2"]].to_numpy().tolist()
    assert names == [["Vis", "Vis"], ["Vis", "Mot"], ["Mot", "Mot"]]
    assert networks["edges"].tolist() == [1, 4, 1]
    np.testing.assert_allclose(networks["t"], [one.tvalues["age"] for one in fits], rtol=2e-5)


def test_the_commands_of_the_documentation_are_understood() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "howto", "group.md").read_text("utf-8")
    block = page.split("## Models")[1].split("```bash\n")[1].split("```")[0].replace("\\\n", " ")
    commands = [shlex.split(line)[1:] for line in block.strip().splitlines()]
    assert len(commands) == 5
    for words in commands:
        options, unknown = build_parser().parse_known_args(words)
        assert unknown == []
        known = {name: value for name, value in vars(options).items() if name in FIELDS}
        assert make_settings(known).models
