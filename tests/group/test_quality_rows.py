from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.group.quality_rows import (
    add_earlier,
    add_failure,
    add_failures,
    add_series,
    check_figures,
    quality_table,
)
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
        ("Atlas", ..., "no Atlas"),
        ("DenoisingStrategy", 3, "DenoisingStrategy is 3, a text is expected"),
        ("NumberOfVolumesKept", "30", "NumberOfVolumesKept is '30', a number is expected"),
        ("DegreesOfFreedom", None, "DegreesOfFreedom is None, a number is expected"),
        ("RepetitionTime", [2], "RepetitionTime is .2., a number or null is expected"),
        ("NumberOfVolumes", True, "NumberOfVolumes is True, a number is expected"),
        ("MeanStdDVARS", float("nan"), "MeanStdDVARS is nan, a number or null is expected"),
        ("NumberOfVolumesKept", 33, "NumberOfVolumesKept is 33, a number from 1 to 32 is"),
        ("NumberOfVolumesKept", 0, "NumberOfVolumesKept is 0, a number from 1 to 32 is"),
        ("DegreesOfFreedom", -1, "DegreesOfFreedom is -1, a number from 0 to 30 is"),
        ("DegreesOfFreedom", 31, "DegreesOfFreedom is 31, a number from 0 to 30 is"),
        ("EffectiveDegreesOfFreedom", -2.5, "EffectiveDegreesOfFreedom is -2.5, a number from 0"),
        ("MeanFramewiseDisplacement", -0.1, "MeanFramewiseDisplacement is -0.1, a number from 0"),
        ("ShareFramewiseDisplacementAbove", 1.5, "Above is 1.5, a number from 0 to 1 is"),
        ("SampleMask", [True] * 30, "SampleMask is .*, a list of 32 truth values of which 30 are"),
        ("SampleMask", None, "SampleMask is None, a list of 32 truth values of which 30 are"),
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
    with pytest.raises(BadDataError, match=f"timeseries.json: .*{message}.*run the participant"):
        check_figures(read_series(tmp_path / "out", path.relative_to(tmp_path / "out")))


def test_a_filter_may_take_the_nominal_degrees_of_freedom_below_zero(
    write_run: WriteRun, tmp_path: Path
) -> None:
    path = write_run(
        DegreesOfFreedom=-3,
        Filter="butterworth",
        EffectiveDegreesOfFreedom=2.5,
    )
    check_figures(read_series(tmp_path / "out", path.relative_to(tmp_path / "out")))


def test_a_row_is_done_partly_done_or_failed(write_run: WriteRun, tmp_path: Path) -> None:
    rows: dict[RowKey, Row] = {}
    root = tmp_path / "out"
    add(rows, root, write_run())
    key = add(rows, root, write_run(strategy="24P"))
    add_failure(rows[key], Failure("a matrix is gone"))
    add_failures(rows, [Failure("no", {"sub": "02", "task": "rest"}, ("simple",), ("Small",))])
    assert quality_table(rows)["state"].tolist() == ["partly done", "done", "failed"]


def test_results_from_before_a_run_failed_have_no_figures(
    write_run: WriteRun, tmp_path: Path
) -> None:
    rows: dict[RowKey, Row] = {}
    path = write_run()
    add_earlier(rows, read_series(tmp_path / "out", path.relative_to(tmp_path / "out")))
    run = {"sub": "01", "task": "rest", "space": "MNI", "res": "2"}
    add_failures(rows, [Failure("cut off", run, ("simple",), ("Small",))])
    table = quality_table(rows)
    assert table["state"].tolist() == ["failed"]
    assert table["mean_fd"].isna().tolist() == [True]
    (problem,) = table["problem"]
    assert problem.endswith("in no mean; cut off")
