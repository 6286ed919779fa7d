"""``check OUTPUT_DIR`` on a whole output, and on ones with a run that failed or lost a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_labelx.app.check import run_check
from bids_labelx.app.cli import main
from bids_labelx.app.group import run_group
from bids_labelx.errors import Failure, MissingInputError, NoRunsError
from bids_labelx.outputs.failures import record_failures
from bids_labelx.settings import Settings


@pytest.fixture
def settings(finished: Callable[..., Settings]) -> Settings:
    return finished("sub-01_task-rest", "sub-02_task-rest")


def checked(output: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = run_check(output)
    return code, capsys.readouterr().out


def fail(output: Path, *strategies: str) -> None:
    entities = {"sub": "02", "task": "rest", "space": "MNI152NLin2009cAsym"}
    failure = Failure("the scanner was off", entities, strategies, ("Slabs",))
    record_failures(output, entities, [failure], strategies=strategies, atlases=("Slabs",))


def test_before_the_group_level_the_next_step_is_the_group_level(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = checked(settings.output_dir, capsys)
    assert code == 0
    assert "2 participants; 2 runs: 2 done, 0 partly done, 0 failed" in text
    assert "atlases: Slabs" in text
    assert "denoising strategies: none, simple" in text
    assert "group level: not run" in text
    assert f"bids_labelx {settings.bids_dir} {settings.output_dir} group" in text


def test_a_finished_folder_leaves_nothing_to_do_until_a_participant_is_newer(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run_group(settings)
    code, text = checked(settings.output_dir, capsys)
    assert code == 0
    assert "group level: up to date" in text
    assert "nothing is left to do" in text
    (record,) = (settings.output_dir / "logs" / "runs").glob("sub-02_*")
    later = (settings.output_dir / "group_qc.tsv").stat().st_mtime + 10
    os.utime(record, (later, later))
    code, text = checked(settings.output_dir, capsys)
    assert code == 0
    assert "group level: older than the results of sub-02" in text
    assert "next: run the group level" in text


def test_a_failed_strategy_leaves_its_run_partly_done_with_the_reason(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(settings.output_dir, "simple")
    code, text = checked(settings.output_dir, capsys)
    assert code == 1
    assert "2 runs: 1 done, 1 partly done, 0 failed" in text
    assert (
        "failed: sub-02_task-rest_space-MNI152NLin2009cAsym_bold\n    the scanner was off" in text
    )
    assert "next: remove the causes named above" in text


def test_a_run_of_which_all_strategies_failed_has_failed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(settings.output_dir, "none", "simple")
    assert "2 runs: 1 done, 0 partly done, 1 failed" in checked(settings.output_dir, capsys)[1]


def test_a_recorded_file_that_is_gone_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((settings.output_dir / "sub-01" / "func").glob("*_desc-simple_timeseries.tsv"))
    path.unlink()
    code, text = checked(settings.output_dir, capsys)
    assert code == 1
    assert "1 done, 1 partly done" in text
    assert f"sub-01/func/{path.name}: recorded as written, and is not there" in text


def test_a_participant_of_the_input_without_results_is_named(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    add_run: Callable[..., Path],
    tmp_path: Path,
) -> None:
    dataset = tmp_path / "with blank"
    add_run(dataset, "sub-03_task-rest")
    description = settings.output_dir / "dataset_description.json"
    content = json.loads(description.read_text())
    content["DatasetLinks"]["preprocessed"] = dataset.as_uri()
    description.write_text(json.dumps(content))
    code, text = checked(settings.output_dir, capsys)
    assert code == 0
    assert f"next: sub-03 of {dataset} is not in this folder" in text
    assert f"bids_labelx '{dataset}' {settings.output_dir} group" in text


def test_nothing_is_written(settings: Settings) -> None:
    before = {path: path.stat().st_mtime_ns for path in settings.output_dir.rglob("*")}
    run_check(settings.output_dir)
    assert {path: path.stat().st_mtime_ns for path in settings.output_dir.rglob("*")} == before


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such folder"):
        run_check(tmp_path / "none")
    with pytest.raises(NoRunsError, match="no record of the participant level"):
        run_check(tmp_path)
    assert main(["check", str(tmp_path)]) == 18
    assert main(["--check", str(tmp_path / "none")]) == 66
