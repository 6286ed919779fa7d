from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bids_labelx.outputs.failures import Failure, read_failures, remember_failure

RUN = {"sub": "01", "task": "rest", "space": "MNI"}


def test_a_failure_is_remembered_until_its_strategy_is_done(tmp_path: Path) -> None:
    both = Failure(RUN, ("A", "B"), {"simple": "no confounds", "36P": "no confounds"}, "Traceback")
    remember_failure(tmp_path, both, ["none", "simple", "36P"])
    assert read_failures(tmp_path) == [both]
    assert both.problem == "no confounds"
    # Another start, which did one of the two and failed at a third.
    remember_failure(tmp_path, Failure(RUN, ("A", "B"), {"24P": "short"}), ["simple", "24P"])
    (left,) = read_failures(tmp_path)
    assert left.problems == {"36P": "no confounds", "24P": "short"}
    assert left.problem == "no confounds\nshort"
    remember_failure(tmp_path, Failure(RUN, ("A", "B"), {}), ["36P", "24P"])
    assert read_failures(tmp_path) == []
    assert not list(tmp_path.rglob("*.json"))


def test_paths_in_a_problem_do_not_say_where_the_folders_are() -> None:
    failure = Failure(RUN, ("A",), {"simple": "/data/in/sub-01/c.tsv: no rows, see /out/logs"})
    failure = replace(failure, trace='File "/data/in/x.py", line 3')
    moved = failure.within(Path("/data/in"), Path("/out"))
    assert moved.trace == 'File "x.py", line 3'
    assert moved.problems == {"simple": "sub-01/c.tsv: no rows, see logs"}
    assert failure.problem.startswith("/data/in/")


def test_failures_are_those_of_one_participant_where_one_is_named(tmp_path: Path) -> None:
    for sub in ("1", "10", "2"):
        failure = Failure({**RUN, "sub": sub}, ("A",), {"simple": f"of {sub}"})
        remember_failure(tmp_path, failure, ["simple"])
    assert [one.problem for one in read_failures(tmp_path, "1")] == ["of 1"]
    assert len(read_failures(tmp_path)) == 3


def test_a_run_without_failure_leaves_no_file_and_a_broken_file_is_no_failure(
    tmp_path: Path,
) -> None:
    remember_failure(tmp_path, Failure(RUN, ("A",), {}), ["simple"])
    assert not list(tmp_path.iterdir())
    folder = tmp_path / "logs" / "failures"
    folder.mkdir(parents=True)
    (folder / "sub-01_bold.json").write_text("{half")
    (folder / "sub-02_bold.json").write_text("[]")
    assert read_failures(tmp_path) == []
