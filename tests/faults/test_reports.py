"""What is broken in an output folder costs its own part of a report, and no other report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.report import participant_page
from bids_labelx.settings import Settings


def without_key(output: Path, label: str) -> str:
    path = next(output.glob(f"sub-{label}/func/*desc-simple_timeseries.json"))
    content = json.loads(path.read_text())
    del content["Atlas"]
    path.write_text(json.dumps(content))
    return "desc-simple_timeseries.json: no Atlas"


def half_a_table(output: Path, label: str) -> str:
    path = next(output.glob(f"sub-{label}/func/*_dseg.tsv"))
    path.write_text("index\tname\n1\ttwo\n")
    return "_dseg.tsv: no coverage, status"


def no_table(output: Path, label: str) -> str:
    next(output.glob(f"sub-{label}/func/*_dseg.tsv")).unlink()
    return "Slabs_dseg.tsv"


def half_a_record(output: Path, label: str) -> str:
    next(output.glob(f"logs/runs/sub-{label}_*.json")).write_text("{")
    return "_bold.json: not valid JSON"


def flipped_image(output: Path, label: str) -> str:
    path = next(output.glob(f"sub-{label}/func/*_dseg.nii.gz"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    return "_dseg.nii.gz: cannot be read as an image"


BREAK = {
    "key": without_key,
    "half": half_a_table,
    "gone": no_table,
    "record": half_a_record,
    "image": flipped_image,
}


@pytest.fixture
def settings(finished: Callable[..., Settings]) -> Settings:
    return finished(*(f"sub-{label}_task-rest" for label in (*BREAK, "good")))


def test_each_broken_result_is_named_on_its_own_page(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    output = settings.output_dir
    said = {label: damage(output, label) for label, damage in BREAK.items()}
    (output / "logs" / "contents.json").write_text('{"settings": ')
    for page in output.glob("sub-*.html"):
        page.unlink()
    assert run_participants(replace(settings, reports_only=True)) == 0
    assert "6 reports" in capsys.readouterr().err
    for label, text in said.items():
        assert text in (output / f"sub-{label}.html").read_text(), label
    good = (output / "sub-good.html").read_text()
    assert "Slabs_dseg" not in good.replace("Slabs_dseg.png", "")
    assert "1 run: 1 done, 0 partly done, 0 failed" in good


def test_a_page_that_cannot_be_made_keeps_none_of_the_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = participant_page.strategy_table

    def fails(series: list[participant_page.Series]) -> object:
        if any(one.entities["sub"] == "key" for one in series):
            raise RuntimeError("a mistake")
        return tables(series)

    monkeypatch.setattr(participant_page, "strategy_table", fails)
    for page in settings.output_dir.glob("sub-*.html"):
        page.unlink()
    assert run_participants(replace(settings, reports_only=True)) == 1
    assert len(list(settings.output_dir.glob("sub-*.html"))) == 5
    said = capsys.readouterr().err
    assert "failed: sub-key\n    no report: RuntimeError: a mistake" in said
    # The same after runs: what was done is told before.
    assert run_participants(settings) == 1
    said = capsys.readouterr().err
    assert said.index("6 runs: 6 done") < said.index("no report: RuntimeError")
