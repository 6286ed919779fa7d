from __future__ import annotations

from pathlib import Path

from bids_labelx.errors import Failure
from bids_labelx.outputs.failures import (
    by_subject,
    messages,
    read_failures,
    record_failures,
    subject_of,
)

RUN = {"sub": "01", "task": "rest", "space": "MNI"}


def test_a_failure_is_recorded_until_its_strategy_is_done(tmp_path: Path) -> None:
    both = Failure("no confounds", RUN, ("simple", "36P"), ("A", "B"), "Traceback")
    record_failures(tmp_path, RUN, [both], ["none", "simple", "36P"])
    assert read_failures(tmp_path) == [both]
    # Another invocation, which did one of the two and failed at a third.
    short = Failure("short", RUN, ("24P",), ("A", "B"))
    record_failures(tmp_path, RUN, [short], ["simple", "24P"])
    left = Failure("no confounds", RUN, ("36P",), ("A", "B"), "Traceback")
    assert read_failures(tmp_path) == [left, short]
    assert messages([left, short, left]) == "no confounds\nshort"
    record_failures(tmp_path, RUN, [], ["36P", "24P"])
    assert read_failures(tmp_path) == []
    assert not list(tmp_path.rglob("*.json"))


def test_failures_are_those_of_one_participant_where_one_is_named(tmp_path: Path) -> None:
    for sub in ("1", "10", "2"):
        entities = {**RUN, "sub": sub}
        failure = Failure(f"of {sub}", entities, ("simple",), ("A",))
        record_failures(tmp_path, entities, [failure], ["simple"])
    assert [one.message for one in read_failures(tmp_path, "1")] == ["of 1"]
    assert len(read_failures(tmp_path)) == 3


def test_a_failure_concerns_a_run_or_a_participant() -> None:
    of_run, other = Failure("a", RUN), Failure("b", RUN)
    of_participant = Failure("c", {"sub": "1"})
    assert subject_of(of_run) == "sub-01_task-rest_space-MNI_bold"
    assert by_subject([of_run, of_participant, other]) == {
        "sub-01_task-rest_space-MNI_bold": [of_run, other],
        "sub-1": [of_participant],
    }


def test_a_run_without_failure_leaves_no_file_and_a_broken_file_is_no_failure(
    tmp_path: Path,
) -> None:
    record_failures(tmp_path, RUN, [], ["simple"])
    assert not list(tmp_path.iterdir())
    folder = tmp_path / "logs" / "failures"
    folder.mkdir(parents=True)
    (folder / "sub-01_bold.json").write_text("{half")
    (folder / "sub-02_bold.json").write_text("[]")
    # As versions before this one wrote them.
    (folder / "sub-03_bold.json").write_text(
        '{"entities": {"sub": "03"}, "atlases": ["A"], "problems": {"simple": "no"}, "trace": ""}'
    )
    (folder / "sub-04_bold.json").write_text('{"failures": ["no"]}')
    assert read_failures(tmp_path) == []
