from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.outputs.run_records import (
    Invocation,
    RecordedFile,
    RunRecord,
    command_line,
    contradictions,
    is_as_written,
    read_record,
    read_records,
    recorded_file,
    strategies_as_typed,
    write_record,
)

RUN = {"sub": "01", "task": "rest"}
MADE = {
    "settings": {"--min-coverage": 0.5},
    "strategies": {"simple": {"filter": "cosine"}, "raw": {}},
    "atlases": {"MNI, A": {"image": "1"}, "MNI, B": {"image": "2"}},
}
FIRST = Invocation(
    "bids_labelx a b participant",
    strategies={"simple": {"label": "simple"}, "none": {"label": "raw"}},
    made_with=MADE,
)


def record(*files: str, invocation: Invocation = FIRST) -> RunRecord:
    written = {path: RecordedFile(3, invocation.key, "A", "simple") for path in files}
    return RunRecord(RUN).with_files(
        invocation, written, done={"simple": {"LowPass": 0.1}}, inputs="x", seconds={"files": 1.5}
    )


@pytest.mark.parametrize("program", ["/usr/bin/bids_labelx", "/lib/bids_labelx/__main__.py"])
def test_the_command_is_as_one_types_it(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr("sys.argv", [program, "/a b", "out", "--atlas", "x"])
    assert command_line() == "bids_labelx '/a b' out --atlas x"


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path, RUN) is None
    written = record("sub-01/func/a.tsv", "sub-01/func/b.tsv")
    write_record(tmp_path, written)
    assert read_record(tmp_path, RUN) == written
    assert read_records(tmp_path) == read_records(tmp_path, "01") == [written]
    assert read_records(tmp_path, "0") == []
    (made,) = written.invocations.values()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", made.finished)


def test_strategies_come_as_typed_those_of_the_latest_invocation_first() -> None:
    earlier = replace(FIRST, finished="2026-01-01 10:00:00")
    later = Invocation("again", strategies={"z": {}, "simple": {}}, finished="2026-01-02 09:00:00")
    for made in ([earlier, later], [later, earlier]):
        found = strategies_as_typed(made, ["none", "other", "simple", "z"])
        assert found == ["z", "simple", "none", "other"]
    assert strategies_as_typed([earlier], ["none", "none"]) == ["none"]
    assert strategies_as_typed([], ["b", "a"]) == ["b", "a"]


def test_a_broken_record_is_refused_by_name(tmp_path: Path) -> None:
    write_record(tmp_path, record("a"))
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    for text in ("{half", "[]", '{"files": {}}', whole.replace('[3, "', '["')):
        path.write_text(text)
        with pytest.raises(BadDataError, match=r"sub-01_task-rest_bold\.json"):
            read_record(tmp_path, RUN)


def test_a_file_is_of_the_invocation_that_wrote_it_last() -> None:
    second = replace(FIRST, command="another")
    both = record("a", "b").with_files(
        second,
        {"b": RecordedFile(4, second.key, "B", "none")},
        done={"none": {}},
        inputs="y",
        seconds={},
    )
    assert {path: file.invocation for path, file in both.files.items()} == {
        "a": FIRST.key,
        "b": second.key,
    }
    assert set(both.invocations) == {FIRST.key, second.key}
    assert set(both.done) == {"simple", "none"}
    left = both.without(["a"])
    assert set(left.invocations) == {second.key}
    assert set(left.done) == {"none"}


@pytest.mark.parametrize(
    ("now", "atlas", "strategy", "said"),
    [
        ({"settings": {"--min-coverage": 0.5}}, "A", "simple", []),
        ({"settings": {"--new": 1}}, "A", "simple", []),
        (
            {"settings": {"--min-coverage": 0.9}},
            "",
            "",
            ["--min-coverage was 0.5, is 0.9"],
        ),
        (
            {"strategies": {"simple": {"filter": "none"}}},
            "A",
            "simple",
            ['strategy simple: filter was "cosine", is "none"'],
        ),
        ({"strategies": {"simple": {"filter": "none"}}}, "A", "none", []),
        ({"strategies": {"raw": {"filter": "none"}}}, "A", "simple", []),
        (
            {"atlases": {"MNI, A": {"image": "3"}}},
            "A",
            "",
            ['atlas MNI, A: image was "1", is "3"'],
        ),
        ({"atlases": {"MNI, A": {"image": "3"}}}, "B", "simple", []),
        ({"atlases": {"MNI, A": {"image": "3"}}}, "", "simple", []),
    ],
)
def test_a_result_is_contradicted_by_what_it_depends_on_alone(
    now: dict[str, dict[str, object]], atlas: str, strategy: str, said: list[str]
) -> None:
    file = RecordedFile(1, FIRST.key, atlas, strategy)
    assert contradictions(FIRST, now, file) == said


def test_the_content_of_tables_counts_and_that_of_images_does_not(tmp_path: Path) -> None:
    for name, counts in (("a.tsv", True), ("a.json", True), ("a.nii.gz", False)):
        path = tmp_path / name
        path.write_bytes(b"123")
        file = recorded_file(path, FIRST.key, "A", "simple")
        assert (file.size, file.atlas, file.strategy) == (3, "A", "simple")
        assert is_as_written(path, file)
        path.write_bytes(b"124")
        assert is_as_written(path, file) != counts
