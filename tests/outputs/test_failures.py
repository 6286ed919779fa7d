from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.errors import Failure
from bids_labelx.outputs.failures import (
    by_kind,
    messages,
    read_failures,
    read_failures_of,
    record_failures,
    subject_of,
)

RUN = {"sub": "01", "task": "rest", "space": "MNI"}


def record(output: Path, entities: dict[str, str], failures: list[Failure], *tried: str) -> None:
    record_failures(output, entities, failures, strategies=tried, atlases=["A", "B"])


def test_a_failure_is_recorded_until_its_strategy_is_done(tmp_path: Path) -> None:
    both = Failure("no confounds", RUN, ("simple", "36P"), ("A", "B"), trace="Traceback")
    record(tmp_path, RUN, [both], "none", "simple", "36P")
    assert read_failures(tmp_path) == [both]
    # Another invocation, which did one of the two and failed at a third.
    short = Failure("short", RUN, ("24P",), ("A", "B"), ("correlation",))
    record(tmp_path, RUN, [short], "simple", "24P")
    left = Failure("no confounds", RUN, ("36P",), ("A", "B"), trace="Traceback")
    assert read_failures(tmp_path) == read_failures_of(tmp_path, RUN) == [left, short]
    assert read_failures_of(tmp_path, {**RUN, "sub": "02"}) == []
    assert messages([left, short, left]) == "no confounds\nshort"
    record(tmp_path, RUN, [], "36P", "24P")
    assert read_failures(tmp_path) == []
    assert not list(tmp_path.rglob("*.json"))


def test_a_failure_stays_for_the_atlases_that_were_not_tried_again(tmp_path: Path) -> None:
    record(tmp_path, RUN, [Failure("no", RUN, ("simple", "36P"), ("A", "B"))], "simple", "36P")
    record_failures(tmp_path, RUN, [], strategies=["simple"], atlases=["A"])
    assert read_failures(tmp_path) == [
        Failure("no", RUN, ("36P",), ("A", "B")),
        Failure("no", RUN, ("simple",), ("B",)),
    ]


def test_failures_are_those_of_one_participant_where_one_is_named(tmp_path: Path) -> None:
    for sub in ("1", "10", "2"):
        entities = {**RUN, "sub": sub}
        failure = Failure(f"of {sub}", entities, ("simple",), ("A",))
        record(tmp_path, entities, [failure], "simple")
    assert [one.message for one in read_failures(tmp_path, "1")] == ["of 1"]
    assert len(read_failures(tmp_path)) == 3


def test_a_failure_concerns_a_run_or_a_participant() -> None:
    of_run, of_participant = Failure("a", RUN), Failure("c", {"sub": "1"})
    assert subject_of(of_run) == "sub-01_task-rest_space-MNI_bold"
    assert subject_of(of_participant) == "sub-1"


def test_failures_of_one_kind_are_one_message() -> None:
    texts = {
        "01": "sub-01/func/sub-01_task-rest.tsv: no column trans_x, 40 volumes",
        "02": "sub-02/func/sub-02_task-rest.tsv: no column trans_x, 38 volumes",
        "03": "sub-03/func/sub-03_task-rest.tsv: no column trans_y, 38 volumes",
    }
    told = [*texts.items(), ("01", texts["01"])]
    assert by_kind(told) == [(["01", "02"], texts["01"]), (["03"], texts["03"])]


def test_a_run_without_failure_leaves_no_file(tmp_path: Path) -> None:
    record(tmp_path, RUN, [], "simple")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "{half",
        "[]",
        # As versions before this one wrote them.
        '{"entities": {"sub": "01"}, "atlases": ["A"], "problems": {"simple": "no"}, "trace": ""}',
        '{"failures": ["no"]}',
        '{"failures": [{}]}',
        "\0",
    ],
)
def test_a_broken_record_is_a_failure_of_its_run_until_the_run_is_tried_again(
    tmp_path: Path, text: str
) -> None:
    record(tmp_path, RUN, [Failure("no", RUN, ("simple",), ("A",))], "simple")
    (path,) = (tmp_path / "logs" / "failures").iterdir()
    path.write_text(text)
    (failure,) = read_failures(tmp_path)
    assert failure.message.startswith(f"{path}: the record of what failed is broken")
    assert failure.entities == RUN
    record(tmp_path, RUN, [], "simple")
    assert not path.exists()
    # Hidden files are none of ours.
    path.with_name(f"._{path.name}").write_text("{half")
    assert read_failures(tmp_path) == []
