from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.group import mean_matrices
from bids_labelx.group.collect import collect
from bids_labelx.group.mean_matrices import mean_matrix

WriteRun = Callable[..., Path]


def run(sub: str, **more: str) -> dict[str, str]:
    return {"sub": sub, "task": "rest", "space": "MNI", "atlas": "Small", **more}


def test_runs_of_one_combination_go_together_and_nothing_else(
    write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(run("01", run="1"))
    write_run(run("01", run="2"))
    write_run(run("02"))
    write_run(run("02", task="nback"))
    write_run(run("02", space="T1w"))
    write_run(run("02", atlas="Other", seg="S"))
    write_run(run("02"), statistic="median")
    write_run(run("02"), strategy="24P")
    found = collect(tmp_path / "out", ["01", "02"], [])
    assert found.problems == []
    head, tail = "group_task-rest_space-MNI_atlas-Small", "meas-correlation_desc"
    assert {name: len(one.files) for name, one in found.combinations.items()} == {
        f"{head}_{tail}-simple_stat-mean_relmat": 3,
        f"group_task-nback_space-MNI_atlas-Small_{tail}-simple_stat-mean_relmat": 1,
        f"group_task-rest_space-T1w_atlas-Small_{tail}-simple_stat-mean_relmat": 1,
        f"group_task-rest_space-MNI_atlas-Other_seg-S_{tail}-simple_stat-mean_relmat": 1,
        f"{head}_{tail}-simpleMedian_stat-mean_relmat": 1,
        f"{head}_{tail}-24P_stat-mean_relmat": 1,
    }


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        (("run",), {"": 3, "ses-a": 1, "acq-x": 1, "dir-AP": 1, "dir-PA": 1, "echo-1": 1}),
        (("run", "dir"), {"": 5, "ses-a": 1, "acq-x": 1, "echo-1": 1}),
        (("run", "session", "dir"), {"": 6, "acq-x": 1, "echo-1": 1}),
        ((), {"": 1, "run-1": 1, "run-2": 1, "ses-a": 1, "acq-x": 1, "dir-AP": 1, "dir-PA": 1}),
    ],
)
def test_what_is_averaged_over_is_chosen(
    write_run: WriteRun, tmp_path: Path, over: tuple[str, ...], expected: dict[str, int]
) -> None:
    write_run(run("02"))
    for more in ("run-1", "run-2", "ses-a", "acq-x", "dir-AP", "dir-PA", "echo-1"):
        key, _, value = more.partition("-")
        write_run(run("01", **{key: value}))
    found = collect(tmp_path / "out", ["01", "02"], [], over)
    shared = {"task", "space", "atlas", "stat", "meas", "desc"}
    counts = {
        "_".join(f"{k}-{v}" for k, v in one.entities.items() if k not in shared): len(one.files)
        for one in found.combinations.values()
    }
    assert counts == {"echo-1": 1} | expected


def test_a_run_counts_once_in_the_coverage_of_an_atlas_whatever_was_made_of_it(
    write_run: WriteRun, tmp_path: Path
) -> None:
    for strategy in ("simple", "24P"):
        for statistic in ("mean", "median"):
            write_run(run("01"), strategy=strategy, statistic=statistic)
    write_run(run("01", space="T1w"))
    write_run(run("01", res="2"))
    found = collect(tmp_path / "out", ["01"], [])
    assert list(found.atlases) == ["group_atlas-Small_coverage.tsv"]
    assert found.atlases["group_atlas-Small_coverage.tsv"].runs == 3


def test_covariance_and_precision_are_not_averaged(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(measures=("correlation", "partial-correlation", "covariance", "precision"))
    found = collect(tmp_path / "out", ["01"], [])
    assert found.not_averaged == {"covariance", "precision"}
    measures = sorted(one.entities["meas"] for one in found.combinations.values())
    assert measures == ["correlation", "partialCorrelation"]


def test_a_matrix_of_several_runs_or_of_the_first_volumes_does_not_count_runs_twice(
    write_run: WriteRun, tmp_path: Path
) -> None:
    path = write_run(run("01", run="1"))
    (matrix,) = path.parent.glob("*_relmat.tsv")
    shutil.copy(matrix, matrix.with_name(matrix.name.replace("_run-1", "")))
    shutil.copy(matrix, matrix.with_name(matrix.name.replace("-simple_", "-simpleFirst20_")))
    found = collect(tmp_path / "out", ["01"], [])
    assert found.problems == []
    assert [[file.path.name for file in one.files] for one in found.combinations.values()] == [
        [matrix.name]
    ]


@pytest.mark.parametrize("odd", ["01", "02", "03"])
def test_a_run_with_other_labels_than_most_is_left_out_wherever_it_stands(
    write_run: WriteRun, tmp_path: Path, odd: str
) -> None:
    atlas = pd.DataFrame({"index": [1, 2, 3], "name": ["a", "b", "c"]})
    for sub in ("01", "02", "03"):
        table = atlas.assign(index=[1, 2, 7]) if sub == odd else atlas
        for strategy in ("simple", "24P"):
            write_run(run(sub), atlas=table, strategy=strategy)
    found = collect(tmp_path / "out", ["01", "02", "03"], [])
    (problem,) = found.problems
    others = [sub for sub in ("01", "02", "03") if sub != odd]
    assert problem.entities == {"sub": odd}
    assert f"sub-{odd}_task-rest_space-MNI_atlas-Small_dseg.tsv: not the labels" in problem.message
    assert (
        f"sub-{others[0]}_task-rest_space-MNI_atlas-Small_dseg.tsv, which 2 runs"
        in problem.message
    )
    assert "row 3 is 7 c here and 3 c there" in problem.message
    (sums,) = found.atlases.values()
    assert sums.runs == 2
    for one in found.combinations.values():
        assert [file.participant for file in one.files] == others
    refused = {key[0] for key, row in found.rows.items() if row["problem"]}
    assert refused == {f"sub-{odd}"}


def test_what_is_broken_is_told_and_the_rest_is_taken(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(run("01")).with_suffix(".json").write_text("{half")
    path = write_run(run("01", run="1"))
    write_run(run("02"))
    labels = path.with_name("sub-01_task-rest_run-1_space-MNI_atlas-Small_dseg.tsv")
    labels.write_text(labels.read_text()[:-3])
    found = collect(tmp_path / "out", ["01", "02", "03"], [])
    assert [one.entities["sub"] for one in found.problems] == ["01", "01", "03"]
    texts = [one.message for one in found.problems]
    assert any("status ''" in text and str(labels) in text for text in texts)
    assert any("not valid JSON" in text for text in texts)
    assert texts[-1] == "no time series"
    assert [key[0] for key in found.rows] == ["sub-02"]
    assert [one.runs for one in found.atlases.values()] == [1]


def test_two_means_of_one_name_are_told_apart(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(run("01"), statistic="median")
    write_run(run("01"), strategy="simpleMedian")
    found = collect(tmp_path / "out", ["01"], [])
    (problem,) = found.problems
    assert "is the mean of others already; rename its strategy" in problem.message
    assert [len(one.files) for one in found.combinations.values()] == [1]


def peak(output: Path, participants: list[str]) -> int:
    """Bytes at most while all is collected and averaged, less those that are kept."""
    tracemalloc.start()
    found = collect(output, participants, [])
    for one in found.combinations.values():
        mean, broken = mean_matrix(output, one.files, one.labels.names)
        assert not broken
        assert mean is not None
        assert mean.participants == len(participants)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_participants_but_for_their_rows(
    write_run: WriteRun, tmp_path: Path
) -> None:
    n = 150
    atlas = pd.DataFrame({"index": range(1, n + 1), "name": [f"region{i}" for i in range(n)]})
    folder = write_run(run("00"), atlas=atlas).parent
    everyone = [f"{i:02d}" for i in range(60)]
    for participant in everyone[1:]:
        other = tmp_path / "out" / f"sub-{participant}" / "func"
        other.mkdir(parents=True)
        for path in folder.iterdir():
            shutil.copy(path, other / path.name.replace("sub-00", f"sub-{participant}"))
    peak(tmp_path / "out", everyone[:1])
    few, many = peak(tmp_path / "out", everyone[:3]), peak(tmp_path / "out", everyone)
    # A row and two paths; a matrix has 180,000 bytes, a label table about 20,000.
    assert (many - few) / (60 - 3) < 4_000


def test_one_matrix_is_open_at_a_time_and_each_is_read_once(
    write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        write_run(run(f"0{i}"), seed=i)
    read: list[str] = []
    whole = mean_matrices.read_matrix

    def counting(path: Path, names: list[str]) -> np.ndarray:
        read.append(path.name[:6])
        return whole(path, names)

    monkeypatch.setattr(mean_matrices, "read_matrix", counting)
    found = collect(tmp_path / "out", ["00", "01", "02", "03"], [])
    assert read == []
    (one,) = found.combinations.values()
    mean_matrix(tmp_path / "out", one.files, one.labels.names)
    assert read == ["sub-00", "sub-01", "sub-02", "sub-03"]
