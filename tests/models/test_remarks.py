"""What has to be known of a model is said: on the console, on the page and in the files."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from model_study import NAME, Study

LABELS = [f"{k:02d}" for k in range(1, 13)]
AGES = [21.5, 34, 56, 23, 45, 61, 38, 29, 50, 44, 33, 27]
SEXES = list("FMMFMFFMFMFM")


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Study:
    """Twelve participants with age, sex, and a group by number."""
    made = Study(tmp_path, write_run)
    for seed, label in enumerate(LABELS):
        made.add(label, seed)
    group = [0, 1, 2] * 4
    ids = [f"sub-{label}" for label in LABELS]
    made.table({"participant_id": ids, "age": AGES, "sex": SEXES, "group": group})
    return made


@pytest.mark.parametrize(
    ("permutations", "lowest"),
    [("1000", None), ("2", "0.5 (ask for more)"), ("1", "1 (ask for more)")],
)
def test_too_few_permutations_for_any_edge_are_remarked(
    study: Study, capsys: pytest.CaptureFixture[str], permutations: str, lowest: str | None
) -> None:
    asked = "--model", "age", "--contrast", "age", "--permutations", permutations
    assert study.group(*asked) == 0
    told = capsys.readouterr().err
    if lowest is None:
        assert "no edge can have" not in told
    else:
        assert f"permutation{'s' if permutations == '2' else ''} is {lowest}" in told


def test_groups_that_are_too_small_for_any_edge_are_remarked(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three and three have 20 orders in pairs of mirror images."""
    six = "--participant-label", *LABELS[:6]
    assert study.group(*six, "--model", "sex", "--contrast", "sex") == 0
    remark = "no edge can have a family-wise p < 0.05: the lowest p of 20 permutations is 0.1"
    assert f"note: model A, contrast sex: {remark} (all there are" in capsys.readouterr().err
    sidecar = json.loads((study.out / f"{NAME}_model-A_contrast-sex_edges.json").read_text())
    assert sidecar["LowestPossibleP"] == 0.1
    assert (study.read("model-A_contrast-sex_edges")["p_fwe"] >= 0.1).all()
    assert "the lowest possible p is 0.1" in (study.out / "group.html").read_text()


def said_of(study: Study, capsys: pytest.CaptureFixture[str], *asked: str) -> list[str]:
    """What is remarked on the console, which the page and the files remark, too."""
    assert study.group(*asked, "--permutations", "0") == 0
    notes = [one for one in capsys.readouterr().err.splitlines() if one.startswith("note: model")]
    said = [one.partition(": model ")[2].partition(": ")[2] for one in notes]
    said = [one for one in said if not one.startswith("mean_fd is no covariate")]
    (path,) = study.out.glob("*_edges.json")
    assert json.loads(path.read_text()).get("Remarks", []) == said
    page = html.unescape((study.out / "group.html").read_text())
    assert all(f"{one[0].upper()}{one[1:]}." in page for one in said)
    return said


@pytest.mark.parametrize("formula", [True, False], ids=["formula", "table"])
def test_a_design_without_a_constant_is_remarked(
    study: Study, capsys: pytest.CaptureFixture[str], formula: bool
) -> None:
    patient = {"participant_id": LABELS, "patient": [0, 1] * 6}
    model = "0 + age" if formula else str(study.table(patient, "design.tsv"))
    contrast = "age" if formula else "patient"
    said = said_of(study, capsys, "--model", model, "--contrast", contrast)
    assert [one[:21] for one in said] == ["there is no intercept"]


@pytest.mark.parametrize(
    ("model", "contrast", "words"),
    [
        ("age", "age", []),
        ("0 + sex", "sex[F]", []),
        ("group", "group", ["group has the values 0, 1 and 2 and is fitted as one slope"]),
        ("age + C(group)", "age", []),
        ("sex*age", "age", ["its effect where sex is F, and no main effect"]),
        ("sex*age", "sex", ["its effect at the mean of age, and no main effect"]),
        ("sex*age", "sex:age", []),
        ("sex*age", "m=age + sex[T.M]:age / 2", []),
        (
            "age*C(group, contr.treatment(base='1'))",
            "age",
            ["where C(group, contr.treatment(base='1')) is 1, and no main effect"],
        ),
        ("age + sex", "sex", []),
    ],
    ids=lambda one: str(one) if isinstance(one, str) else None,
)
def test_what_may_not_be_meant_is_remarked(
    study: Study,
    capsys: pytest.CaptureFixture[str],
    model: str,
    contrast: str,
    words: list[str],
) -> None:
    said = said_of(study, capsys, "--model", model, "--contrast", contrast)
    assert len(said) == len(words)
    assert all(word in one for word, one in zip(words, said, strict=True))


def test_the_effect_beside_an_interaction_is_that_of_the_reference_group(study: Study) -> None:
    """By statsmodels, of the women alone."""
    assert study.group("--model", "sex*age", "--contrast", "age", "--permutations", "0") == 0
    women = [k for k, sex in enumerate(SEXES) if sex == "F"]
    z = np.array([study.z(LABELS[k]) for k in women])
    design = sm.add_constant(np.array(AGES)[women])
    expected = [sm.OLS(edge, design).fit().params[1] for edge in z.T]
    found = study.read("model-A_contrast-age_edges")["beta"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_contrast_that_begins_with_a_minus_is_told_how_to_be_written(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.group("--model", "age", "--contrast", "-age") == 64
    told = capsys.readouterr().err
    assert "a value that begins with - is given as --contrast=-age" in told
    assert len(told.splitlines()) == 1
    quick = "--model", "age", "--permutations", "0"
    assert study.group(*quick, "--contrast=-age") == 0
    down = study.read("model-A_contrast-negAge_edges")["t"]
    assert study.group(*quick, "--contrast", "age") == 0
    np.testing.assert_allclose(down, -study.read("model-A_contrast-age_edges")["t"])
