"""The reference of outputs has all that the demo writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from outputs_page import unlisted

from bids_labelx.names import ENTITY_ORDER

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "outputs.md"

pytestmark = pytest.mark.integration


def test_every_file_of_the_demo_is_on_the_page(demo: tuple[Path, str]) -> None:
    assert list(unlisted(demo[0] / "bids_labelx")) == []


def test_every_column_of_the_demo_is_on_the_page(demo: tuple[Path, str]) -> None:
    known = set(re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
    output = demo[0] / "bids_labelx"
    tables = [*output.glob("group_*.tsv"), *output.glob("sub-*/**/*_dseg.tsv")]
    tables += output.glob("sub-*/**/*_outliers.tsv")
    # Those of matrices are regions, those of designs regressors; `network` is the atlas' own.
    tables = [path for path in tables if not path.stem.endswith(("_relmat", "_design"))]
    assert len(tables) > 20
    left = {name for path in tables for name in path.read_text().split("\n")[0].split("\t")}
    assert left - known - {*ENTITY_ORDER, "network"} == set()


def test_a_file_that_is_not_on_the_page_is_found(tmp_path: Path) -> None:
    (tmp_path / "sub-01" / "func").mkdir(parents=True)
    for name in ("group_qc.tsv", "group_qc.json", "sub-01/func/sub-01_dseg.json", "other.tsv"):
        (tmp_path / name).write_text("")
    assert list(unlisted(tmp_path)) == ["other.tsv"]
