"""What has to be known of a model is said: on the console, on the page and in the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
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
