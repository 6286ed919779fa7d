"""``ci/fuzz`` runs on each of its targets and finds faults; so does the judge of ``ci/soak``."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import fuzz
import fuzz_engine
import fuzz_folder
import fuzz_targets
import numpy as np
import pandas as pd
import pytest
import small_study
import soak_judge
from fuzz_engine import Absurd, Attempt, Report, search

from bids_labelx.errors import BadDataError

CI = Path(__file__).parents[2] / "ci"
READERS = [name for name in fuzz.TARGETS if name != "outputs"]


def kinds(report: Report | fuzz.Total) -> list[str]:
    return [one.kind for one in report.findings]


def target(attempt: Attempt) -> Callable[[Path], tuple[Mapping[str, bytes], Attempt]]:
    return lambda _: ({"a.txt": b"intact"}, attempt)


@pytest.mark.parametrize("name", READERS)
def test_each_reader_takes_its_intact_files_and_is_tried(name: str, tmp_path: Path) -> None:
    report = search(fuzz.TARGETS[name], tmp_path, seconds=60, seed=1, tries=100)
    assert report.tries == 100
    assert 0 < report.taken < 100
    assert kinds(report) == []


def test_the_command_prints_a_row_for_a_target() -> None:
    command = [sys.executable, CI / "fuzz.py", "--tries", "20", "--seed", "3", "filters"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    row = done.stdout.splitlines()[2].split("|")
    assert row[1].strip() == "filters"
    assert int(row[2]) == 20


def test_a_target_that_is_not_there_is_refused() -> None:
    command = [sys.executable, CI / "fuzz.py", "filters", "everything"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no target everything" in done.stderr


def test_a_refusal_is_no_finding_and_any_other_error_is(tmp_path: Path) -> None:
    def refuse(_: str, content: bytes) -> None:
        if content != b"intact":
            raise BadDataError("spoilt")

    def fail(_: str, content: bytes) -> None:
        if content != b"intact":
            raise KeyError("spoilt")

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    refused = search(target(refuse), tmp_path / "one", seconds=60, seed=1, tries=30)
    failed = search(target(fail), tmp_path / "two", seconds=60, seed=1, tries=30)
    assert kinds(refused) == []
    assert len(failed.findings) == 1
    assert failed.findings[0].kind.startswith("KeyError in ")


def test_the_file_of_a_finding_is_made_small(tmp_path: Path) -> None:
    def attempt(_: str, content: bytes) -> None:
        if len(content) > 6 and b"#" in content:
            raise Absurd("a mark")

    (finding,) = search(target(attempt), tmp_path, seconds=60, seed=1, tries=600).findings
    assert 7 <= len(finding.content) <= 20


def test_a_try_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_engine, "HANGS", 0.1)

    def attempt(_: str, content: bytes) -> None:
        while content.startswith(b"\0"):
            time.sleep(0.01)

    report = search(target(attempt), tmp_path, seconds=60, seed=1, tries=100)
    assert [kind.split(":")[0] for kind in kinds(report)] == ["hangs"]


def test_memory_without_bound_is_a_finding_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(_: str, content: bytes) -> None:
        if content != b"intact":
            bytearray(2**36)

    monkeypatch.setitem(fuzz.TARGETS, "bomb", target(attempt))  # type: ignore[arg-type]
    total = fuzz.run_target("bomb", tmp_path, 60, 1, 50)
    assert [kind.split(" in ")[0] for kind in kinds(total)] == ["MemoryError"]
    assert total.tries > 1


def test_a_process_that_dies_is_a_finding_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attempt(_: str, content: bytes) -> None:
        if content != b"intact":
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setitem(fuzz.TARGETS, "deadly", target(attempt))  # type: ignore[arg-type]
    total = fuzz.run_target("deadly", tmp_path, 60, 1, 2)
    assert kinds(total) == ["the process dies: SIGKILL"]
    assert total.findings[0].name == "a.txt"
    assert total.findings[0].content != b"intact"


def test_a_label_table_read_a_row_short_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fuzz_targets.read_table

    def short(path: Path) -> pd.DataFrame:
        table = real(path)
        return table if len(table) < 4 else table.iloc[:-1]

    def only_tsv(folder: Path) -> tuple[Mapping[str, bytes], Attempt]:
        _, attempt = fuzz_targets.labels(folder)
        intact = b"index\tname\n1\ta\n2\tb\n3\tc\n"
        return {"bids.tsv": intact}, lambda name, content: attempt(name, content + b"9\tz\n")

    monkeypatch.setattr(fuzz_targets, "read_table", short)
    with pytest.raises(Absurd, match="other indices"):
        search(only_tsv, tmp_path, seconds=60, seed=1)


def test_a_stream_with_other_numbers_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fuzz_targets.open_run_data

    def unscaled(path: Path) -> object:
        run = real(path)
        return run if run.slope in (0.5, 1.0, 2.0) else run.unscaled()

    monkeypatch.setattr(fuzz_targets, "open_run_data", unscaled)
    files, attempt = fuzz_targets.stream(tmp_path)
    plain = files["littlei2.nii"]
    sloped = plain[:112] + struct.pack("<f", 3.0) + plain[116:]
    finding = fuzz_engine.judge(attempt, ("littlei2.nii", sloped))
    assert isinstance(finding, fuzz_engine.Finding)
    assert finding.kind == "taken: other numbers than nibabel's"
    assert fuzz_engine.judge(attempt, ("littlei2.nii", plain)) is True


def test_a_regressor_with_other_numbers_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fuzz_targets.read_confounds_table

    def zeroed(path: Path) -> pd.DataFrame:
        return real(path).fillna(0.0)

    monkeypatch.setattr(fuzz_targets, "read_confounds_table", zeroed)
    with pytest.raises(Absurd, match="other numbers"):
        search(fuzz_targets.confounds, tmp_path, seconds=60, seed=1)


def test_an_intact_participant_that_the_group_lacks_or_changes_is_found() -> None:
    row = {"run": "task-rest", "problem": "n/a", "volumes": "80"}
    whole = {"sub-01": {"quality": row, "edges": np.array([0.1, np.nan])}, "sub-02": {"x": row}}
    fuzz_folder.compare(whole, {**whole, "sub-02": {}}, "")
    with pytest.raises(Absurd, match="without quality"):
        fuzz_folder.compare(whole, {"sub-02": whole["sub-02"]}, "")
    changed = {"quality": row, "edges": np.array([0.2, np.nan])}
    with pytest.raises(Absurd, match="other edges"):
        fuzz_folder.compare(whole, {"sub-01": changed}, "")


def test_the_soak_s_judge_takes_the_series_and_refuses_any_other() -> None:
    run = small_study.draw_run(0)
    names = small_study.region_names("Few")
    expected = soak_judge.expected_series(run, "Few", "simple")
    assert soak_judge.difference(names, expected.copy(), "Few", expected) == ""
    changed = expected.copy()
    changed[7, 1] += 1e-3 * np.abs(expected).max()
    missing = expected.copy()
    missing[:, 0] = np.nan
    others = {
        "a wrong value": (names, changed, "off by"),
        "a row short": (names, expected[1:], "the shape"),
        "a lost region": (names, missing, "other regions"),
        "names swapped": (names[::-1], expected, "the regions are"),
        "another strategy": (names, soak_judge.expected_series(run, "Few", "raw")[1:], "off by"),
    }
    for what, (header, found, said) in others.items():
        assert said in soak_judge.difference(header, found, "Few", expected), what


def test_the_soak_s_computation_removes_the_confounds_and_scrubs() -> None:
    run = small_study.draw_run(1)
    cleaned = soak_judge.expected_series(run, "Few", "scrubbing5")
    displacement = run.confounds["framewise_displacement"]
    over = int((displacement > 0.5).sum())
    assert over == 4
    assert len(cleaned) <= small_study.N_VOLUMES - 1 - over
    simple = soak_judge.expected_series(run, "Few", "simple")
    motion = run.confounds["trans_x"][1:]
    assert np.abs(np.corrcoef(simple[:, 0], motion)[0, 1]) < 1e-9


def test_the_soak_s_judge_wants_a_participant_named_with_its_own_reason() -> None:
    fault = soak_judge.FAULTS["empty mask"]
    said = "failed: sub-001_task-rest\n    x/sub-001_desc-brain_mask.nii.gz: the mask is empty\n"
    other = "failed: sub-002_task-rest\n    confounds.tsv: 77 rows\n"
    assert soak_judge.reason_found(said + other, "001", fault)
    assert not soak_judge.reason_found(said + other, "002", fault)
    assert not soak_judge.reason_found(said, "00", fault)
    together = f"failed: 2 runs (sub-003_task-rest, sub-004_task-rest); of the first:{said[25:]}"
    assert soak_judge.reason_found(together, "004", fault)
    assert not soak_judge.reason_found(together, "001", fault)
