from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import MissingInputError, NoRunsError
from bids_labelx.settings import Settings
from bids_labelx.workflow.group import run_group
from bids_labelx.workflow.participant import run_participants

AddRun = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path, add_run: AddRun, atlas_dataset: Path) -> Settings:
    """Two participants, done with two strategies and two statistics."""
    add_run(tmp_path / "ds", "sub-01_ses-a_task-rest")
    add_run(tmp_path / "ds", "sub-02_ses-a_task-rest")
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none", "simple"),
        statistic=("mean", "median"),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    return replace(settings, analysis_level="group")


def test_there_is_a_row_per_run_and_strategy_with_what_the_sidecars_say(
    settings: Settings,
) -> None:
    assert run_group(settings) == 0
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-01"] * 2 + ["sub-02"] * 2
    assert table["strategy"].tolist() == ["none", "simple"] * 2
    assert table["session_id"].unique().tolist() == ["ses-a"]
    assert table["volumes"].tolist() == [40] * 4
    assert table["volumes_kept"].tolist() == [40, 39] * 2
    assert table["labels"].tolist() == [3] * 4
    assert table["min_coverage"].tolist() == [0.5] * 4
    confounds = settings.bids_dir / "sub-01/ses-a/func"
    fd = pd.read_csv(next(confounds.glob("*.tsv")), sep="\t")["framewise_displacement"]
    assert table["mean_fd"][0] == pytest.approx(fd.mean())
    page = (settings.output_dir / "group.html").read_text()
    assert 'href="sub-01.html"' in page
    assert "sub-02" in page


def test_what_was_refused_has_a_row_with_the_reason(
    settings: Settings, add_run: AddRun, tmp_path: Path
) -> None:
    add_run(tmp_path / "ds", "sub-00_ses-a_task-rest")
    bold = next((tmp_path / "ds/sub-00").rglob("*_bold.nii.gz"))
    bold.write_bytes(bold.read_bytes()[:-500])
    confounds = next((tmp_path / "ds/sub-02").rglob("*.tsv"))
    lines = confounds.read_text().splitlines(keepends=True)
    confounds.write_text("".join(lines[:-1]))
    assert run_participants(replace(settings, analysis_level="participant")) == 1
    # A participant without any result is missing, too.
    assert run_group(settings) == 1
    path = settings.output_dir / "group_qc.tsv"
    table = pd.read_csv(path, sep="\t").set_index(["participant_id", "strategy"])
    assert len(table) == 6
    for strategy in ("none", "simple"):
        lost = table.loc[("sub-00", strategy)]
        assert lost["session_id"] == "ses-a"
        assert "bold.nii.gz" in lost["problem"]
        assert np.isnan(lost["volumes_kept"])
        assert pd.isna(table.loc[("sub-01", strategy), "problem"])
    assert pd.isna(table.loc[("sub-02", "none"), "problem"])
    refused = table.loc[("sub-02", "simple")]
    assert "39 rows, but the BOLD image has 40 volumes" in refused["problem"]
    # Whole numbers stay whole beside rows without any.
    assert "\t40\t39\t" in path.read_text()
    assert "39 rows, but" in (settings.output_dir / "group.html").read_text()
    # What is done later is no problem any more.
    confounds.write_text("".join(lines))
    assert run_participants(replace(settings, participant_label=("02",))) == 0
    assert run_group(replace(settings, participant_label=("02",))) == 0
    assert pd.read_csv(path, sep="\t")["problem"].isna().all()


def test_a_broken_participant_is_listed_and_the_others_are_in(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (settings.output_dir / "sub-01").rglob("*_timeseries.json"):
        path.write_text("{half")
    for path in (settings.output_dir / "sub-02").rglob("*desc-raw_timeseries.json"):
        path.write_text("{}")
    assert run_group(settings) == 1
    table = pd.read_csv(settings.output_dir / "group_qc.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-02"]
    message = capsys.readouterr().err
    assert "sub-01: " in message
    assert "not valid JSON" in message
    assert "no DegreesOfFreedom" in message


def test_a_participant_that_was_asked_for_and_is_not_there_is_listed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_group(replace(settings, participant_label=("01", "09"))) == 1
    assert "sub-09: no time series" in capsys.readouterr().err


def test_without_participants_there_is_no_group(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(MissingInputError, match="participant level first"):
        run_group(replace(settings, output_dir=tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoRunsError, match="participant level first"):
        run_group(replace(settings, output_dir=tmp_path / "empty"))
