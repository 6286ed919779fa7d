from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.group.quality_rows import add_failure, add_failures, add_series, quality_table
from bids_labelx.group.rows import Row, RowKey
from bids_labelx.outputs.results import read_series

WriteRun = Callable[..., Path]


def add(rows: dict[RowKey, Row], root: Path, path: Path) -> RowKey:
    return add_series(rows, read_series(root, path.relative_to(root)))


def test_statistics_share_a_row_and_strategies_do_not(write_run: WriteRun, tmp_path: Path) -> None:
    rows: dict[RowKey, Row] = {}
    keys = [
        add(rows, tmp_path / "out", write_run(statistic=statistic, strategy=strategy))
        for strategy in ("simple", "24P")
        for statistic in ("mean", "median")
    ]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    table = quality_table(rows)
    assert table["strategy"].tolist() == ["24P", "simple"]
    assert table["volumes_kept"].tolist() == [30, 30]
    assert table["minutes_kept"].tolist() == [1.0, 1.0]
    assert list(table)[-1] == "problem"
    assert table["problem"].isna().all()


def test_what_failed_has_a_row_and_its_lines_are_one(write_run: WriteRun, tmp_path: Path) -> None:
    rows: dict[RowKey, Row] = {}
    key = add(rows, tmp_path / "out", write_run())
    entities = {"sub": "01", "task": "rest", "space": "MNI", "res": "2"}
    texts = {"simple": "no\n  way", "gsr": "none"}
    add_failures(
        rows, [Failure(text, entities, (name,), ("Small",)) for name, text in texts.items()]
    )
    assert rows[key]["problem"] == "no way"
    add_failure(rows[key], Failure("nor\nelse"))
    table = quality_table(rows)
    assert table["problem"].tolist() == ["none", "no way; nor else"]
    assert table["volumes"].tolist()[1] == 32
    assert table["volumes"].isna().tolist() == [True, False]


def test_where_every_run_failed_the_columns_are_those_of_runs_that_did_not(
    write_run: WriteRun, tmp_path: Path
) -> None:
    done: dict[RowKey, Row] = {}
    failed: dict[RowKey, Row] = {}
    add(done, tmp_path / "out", write_run())
    add_failures(failed, [Failure("no", {"sub": "01", "task": "rest"}, ("simple",), ("Small",))])
    table = quality_table(failed)
    assert list(table) == list(quality_table(done))
    assert table["minutes_kept"].isna().tolist() == [True]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("Atlas", ..., "no Atlas, a text"),
        ("DenoisingStrategy", 3, "DenoisingStrategy is 3, a text is expected"),
        ("NumberOfVolumesKept", "30", "NumberOfVolumesKept is '30', a number is expected"),
        ("DegreesOfFreedom", None, "DegreesOfFreedom is None, a number is expected"),
        ("RepetitionTime", [2], "RepetitionTime is .2., a number or null is expected"),
        ("NumberOfVolumes", True, "NumberOfVolumes is True, a number is expected"),
    ],
)
def test_a_sidecar_with_something_else_in_it_says_so(
    write_run: WriteRun, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    path = write_run()
    sidecar = json.loads(path.with_suffix(".json").read_text())
    sidecar[key] = value
    if value is ...:
        del sidecar[key]
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    with pytest.raises(BadDataError, match=f"timeseries.json: {message}.*run the participant"):
        add({}, tmp_path / "out", path)
