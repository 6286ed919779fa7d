"""Other files in an output folder never matter, and its own are named where they are spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + b"\x00" * 80


@pytest.fixture
def settings(finished: Callable[..., Settings]) -> Settings:
    """Two participants, one with two runs, done and concatenated; settings for that level."""
    runs = ("sub-01_task-rest_run-1", "sub-01_task-rest_run-2", "sub-02_task-rest_run-1")
    return finished(*runs, concatenate="runs")


def contents(output: Path) -> dict[str, bytes]:
    """The tables, matrices and sidecars of an output folder."""
    found = [path for path in output.rglob("*") if path.suffix in (".tsv", ".h5", ".json")]
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in found
        if "logs" not in path.parts
    }


def test_hidden_and_foreign_files_never_matter(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    output = settings.output_dir
    group = replace(settings, analysis_level="group")
    assert run_group(group) == 0
    before = contents(output)
    told = capsys.readouterr().err
    foreign = []

    def add(path: Path, content: bytes = APPLE) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        foreign.append(path)

    for path in [path for path in output.rglob("*") if path.is_file()]:
        add(path.with_name(f"._{path.name}"))
        # Backups of editors and file managers.
        add(path.with_name(f"{path.name}~"), path.read_bytes())
        add(path.with_name(f"#{path.name}#"))
        add(path.with_name(f"{path.stem} (copy){path.suffix}"), path.read_bytes())
        add(path.with_name(f"{path.stem.replace('_desc', '_old_desc')}_{path.suffix}"))
    for folder in {path.parent for path in foreign}:
        add(folder / ".DS_Store")
        add(folder / "Thumbs.db")
    func = output / "sub-01" / "func"
    # Of fMRIPrep and XCP-D, and of a plot of one's own.
    for name in (
        "sub-01_task-rest_desc-confounds_timeseries.tsv",
        "sub-01_task-rest_space-MNI_seg-X_stat-mean_timeseries.tsv",
        "sub-01_task-rest_space-MNI_seg-X_stat-pearsoncorrelation_relmat.tsv",
        "sub-01_task-rest_space-MNI_desc-aseg_dseg.tsv",
        "relmat.tsv",
        "my_relmat.json",
    ):
        add(func / name)
    add(output / "sub-99" / "func" / "sub-99_task-rest_desc-preproc_bold.nii.gz")
    add(output / "sub-98" / "anat" / "sub-98_T1w.nii.gz")
    add(output / "sub-01.bak" / "func" / next(func.glob("*_timeseries.tsv")).name)
    add(output / "sub-03")
    add(output / "group_atlas-Mine_qcfc.tsv")
    add(output / "figures" / "group_mine_hist.svg")
    there = {path.relative_to(output).as_posix(): path.read_bytes() for path in foreign}

    assert run_group(group) == 0
    assert capsys.readouterr().err == told
    assert run_participants(replace(settings, reports_only=True)) == 0
    assert "2 reports" in capsys.readouterr().err
    assert run_participants(replace(settings, overwrite=True)) == 0
    assert "failed: " not in capsys.readouterr().err
    assert {path.name for path in output.glob("sub-*.html") if path not in foreign} == {
        "sub-01.html",
        "sub-02.html",
    }
    after = contents(output)
    assert {name: after[name] for name in before} == before
    assert {path.relative_to(output).as_posix(): path.read_bytes() for path in foreign} == there


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"\x1f\x8bno")])
def test_data_of_a_page_that_are_broken_are_passed_over_where_the_atlas_is_drawn(
    settings: Settings, spoil: Callable[[Path], object]
) -> None:
    output = settings.output_dir
    for path in output.rglob("*_dseg.tsv"):
        path.write_text(path.read_text().replace("\tok\n", "\tlow-coverage\n", 1))
    for path in output.rglob("*_relmat.tsv"):
        path.unlink()
    shutil.rmtree(output / "logs" / "runs")
    first, *others = sorted(output.rglob("*_atlas-Slabs_report.js"))
    assert others
    spoil(first)
    group = replace(settings, analysis_level="group")
    # They are no results.
    assert run_group(group) == 0
    figure = output / "figures" / "group_atlas-Slabs_lost.png"
    assert figure.is_file()
    # Without any all but the brain is there.
    for path in others:
        spoil(path)
    assert run_group(group) == 0
    assert not figure.exists()
    assert "Labels of Slabs missing in a run: 1 of 3" in (output / "group.html").read_text()


def test_the_group_level_removes_its_own_files_and_no_others(settings: Settings) -> None:
    output = settings.output_dir
    group = replace(settings, analysis_level="group")
    mine = [
        output / "group_atlas-Slabs_desc-mine_stat-mean_relmat.tsv",
        output / "group_atlas-Other_coverage.tsv",
        output / "figures" / "group_mine_lost.png",
        output / "group_notes.json",
    ]
    (output / "figures").mkdir()
    for path in mine:
        path.write_text("mine")
    assert run_group(group) == 0
    of_raw = {path for path in output.rglob("group*") if "_desc-raw_" in path.name}
    assert len(of_raw) == 4 * 2 + 1 + 2
    for path in output.glob("sub-*/func/*_desc-raw_*"):
        path.unlink()
    assert run_group(replace(group, allow_missing=True)) == 0
    assert not any(path.exists() for path in of_raw)
    assert all(path.read_text() == "mine" for path in mine)
    # Whatever the record says, a file that is none of the group level's stays.
    record = output / "logs" / "group.json"
    other = next(output.rglob("*_dseg.tsv")).relative_to(output)
    output.with_name("beside.json").write_text("{}")
    names = [other.as_posix(), "../beside.json", "descriptions.tsv"]
    record.write_text(json.dumps({"files": names}))
    assert run_group(replace(group, allow_missing=True)) == 0
    assert all((output / name).is_file() for name in names)


def test_every_table_has_a_description_and_a_unit_of_each_column(settings: Settings) -> None:
    output = settings.output_dir
    assert run_group(replace(settings, analysis_level="group")) == 0
    tables = [path for path in output.rglob("*.tsv") if "logs" not in path.parts]
    kinds = {path.stem.rpartition("_")[2] for path in tables}
    assert kinds == {"qc", "coverage", "qcfc", "strategies", "relmat", "dseg"} | {
        *("outliers", "timeseries"),
        "descriptions",
    }
    for path in tables:
        sidecar = json.loads(path.with_suffix(".json").read_text())
        table = pd.read_csv(path, sep="\t")
        numbers = set(table.select_dtypes("number"))
        described = list(table)
        if path.stem.endswith(("_relmat", "_timeseries")):
            # A column for each region: one description holds for all of them.
            described = ["name", "Columns"] if path.stem.endswith("_relmat") else ["Columns"]
            numbers = {"Columns"}
        for column in described:
            assert sidecar[column]["Description"], (path, column)
            # In BIDS a text has no units.
            whole = table[column].notna().any() if column in table else True
            if whole:
                assert ("Units" in sidecar[column]) == (column in numbers), (path, column)


def test_volumes_of_the_outliers_are_counted_from_0(settings: Settings) -> None:
    for path in settings.output_dir.rglob("*_outliers.tsv"):
        table = pd.read_csv(path, sep="\t")
        assert table.columns[0] == "volume"
        assert table["volume"].tolist() == list(range(40))
