"""Columns that confounds tables lack are told once per strategy, by --dry-run and by a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import MOTION, confounds_table

from bids_labelx.app.cli import main
from bids_labelx.denoise import preset_names


@pytest.fixture
def arguments(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path
) -> tuple[str, ...]:
    """Three runs, of which two have no motion parameters, and one no signal of CSF either."""
    table = confounds_table(np.random.default_rng(0))
    add_run(tmp_path / "ds", "sub-01_task-rest", confounds=table)
    without = table.drop(columns=MOTION)
    add_run(tmp_path / "ds", "sub-02_task-rest", confounds=without)
    add_run(tmp_path / "ds", "sub-03_task-rest", confounds=without.drop(columns="csf"))
    folders = (str(tmp_path / "ds"), str(tmp_path / "out"))
    return (*folders, "participant", "--atlas-dataset", str(atlas_dataset), "--nprocs", "1")


def told(text: str) -> list[str]:
    wanted = ("--denoise ", "strategies for which")
    return [line for line in text.splitlines() if line.startswith(wanted)]


def test_a_dry_run_counts_the_runs_of_each_strategy_and_names_what_can_be_done(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--denoise", "none", "simple", "--dry-run"]) == 1
    one, other, able = told(capsys.readouterr().out)
    lacks = "columns in the confounds table: motion parameters (24, such as trans_x)"
    assert one == f"--denoise simple: 1 run of 3 lacks {lacks}"
    assert other == f"--denoise simple: 1 run of 3 lacks {lacks} and white matter and CSF (csf)"
    # Of all presets these alone take no motion parameters and nothing of tissues.
    words = "strategies for which no column is missing in these tables: "
    assert able == f"{words}none"
    assert "gsr_only" in preset_names()


def test_a_run_tells_the_same_after_its_failures(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--denoise", "none", "simple", "--dry-run"]) == 1
    planned = told(capsys.readouterr().out)
    assert main([*arguments, "--denoise", "none", "simple"]) == 1
    assert told(capsys.readouterr().err) == planned


def test_with_a_global_signal_gsr_only_can_be_done(
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    add_run: Callable[..., Path],
) -> None:
    rng = np.random.default_rng(0)
    table = confounds_table(rng).drop(columns=[*MOTION, "csf"])
    for name in ("sub-02_task-rest", "sub-03_task-rest"):
        columns = {"global_signal": rng.standard_normal(len(table))}
        add_run(tmp_path / "ds", name, confounds=table.assign(**columns))
    assert main([*arguments, "--denoise", "24P", "--dry-run"]) == 1
    one, able = told(capsys.readouterr().out)
    assert one.startswith("--denoise 24P: 2 runs of 3 lack columns in the confounds table: motion")
    assert able.endswith(": gsr_only, none")


def test_nothing_is_told_where_no_column_is_missing(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--denoise", "simple", "--participant-label", "01", "--dry-run")
    assert main([*arguments, *chosen]) == 0
    assert not told(capsys.readouterr().out)


def test_a_misspelt_column_of_a_strategy_file_is_told_with_the_one_that_was_meant(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[confounds]\ncolumns = ["white_mater"]\n')
    assert main([*arguments, "--denoise", str(mine), "--dry-run"]) == 1
    text = capsys.readouterr().out
    assert "needs columns that are missing: white_mater (did you mean white_matter?);" in text
    assert told(text)[0] == (
        "--denoise mine: 3 runs of 3 lack columns in the confounds table: white_mater (did you "
        "mean white_matter?)"
    )
