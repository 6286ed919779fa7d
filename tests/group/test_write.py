from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_labelx.group.mean_matrices import MeanMatrix
from bids_labelx.group.write import (
    record_files,
    remove_others,
    write_mean_matrix,
    write_strategies,
)


def test_mean_spread_and_number_and_qcfc_are_four_tables_with_a_sidecar_each(
    tmp_path: Path,
) -> None:
    mean = MeanMatrix(
        np.array([[np.nan, 0.25], [0.25, np.nan]]),
        np.array([[np.nan, 0.5], [0.5, np.nan]]),
        np.array([[0, 3], [3, 0]]),
        12,
        3,
        np.zeros((2, 2), dtype=int),
    )
    entities = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": "simple"}
    paths = write_mean_matrix(tmp_path, entities, ["a", "b"], mean, np.full((2, 2), 0.5))
    stem = "group_atlas-A_meas-correlation_desc-simple_stat"
    stats = ("mean", "std", "n", "qcfc")
    assert [str(path) for path in paths] == [f"{stem}-{stat}_relmat.tsv" for stat in stats]
    assert (tmp_path / paths[0]).read_text() == "name\ta\tb\na\tn/a\t0.25\nb\t0.25\tn/a\n"
    assert (tmp_path / paths[1]).read_text() == "name\ta\tb\na\tn/a\t0.5\nb\t0.5\tn/a\n"
    assert (tmp_path / paths[2]).read_text() == "name\ta\tb\na\t0\t3\nb\t3\t0\n"
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        f"{stem}-mean_relmat.json",
        f"{stem}-n_relmat.json",
        f"{stem}-qcfc_relmat.json",
        f"{stem}-std_relmat.json",
    ]


def test_entities_of_some_means_are_columns_in_the_order_of_bids(tmp_path: Path) -> None:
    common = {"task": "rest", "atlas": "A", "desc": "simple"}
    own = [{**common, "echo": "1"}, common, {"ses": "1", **common}]
    rows = [
        ({**one}, {**{k: v for k, v in one.items() if k != "atlas"}, "strategy": "simple"})
        for one in own
    ]
    (path,) = write_strategies(tmp_path, rows)
    assert str(path) == "group_atlas-A_qcfc.tsv"
    lines = (tmp_path / path).read_text().splitlines()
    assert lines[0] == "ses\ttask\techo\tdesc\tstrategy"
    assert lines[1:] == [
        "n/a\trest\t1\tsimple\tsimple",
        "n/a\trest\tn/a\tsimple\tsimple",
        "1\trest\tn/a\tsimple\tsimple",
    ]


def test_what_an_earlier_group_recorded_goes_and_nothing_else(tmp_path: Path) -> None:
    old = [
        "group_atlas-Old_coverage.tsv",
        "group_atlas-Old_coverage.json",
        "group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.tsv",
        "group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.json",
        "group_atlas-A_meas-correlation_desc-old_edges.h5",
        "figures/group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.svg",
    ]
    new = [name.replace("old", "new").replace("Old", "New") for name in old]
    # Called as the group level calls its files, and not by it.
    others = ["group_mine.tsv", "group_atlas-B_coverage.tsv", "figures/group_x_lost.png"]
    for name in (*old, *new, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    record_files(tmp_path, [Path(name) for name in old if not name.endswith(".json")])
    remove_others(tmp_path, [Path(name) for name in new if not name.endswith(".json")])

    def left() -> set[str]:
        found = (path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
        return {one.as_posix() for one in found if one.suffix and one.parts[0] != "logs"}

    assert left() == {*new, *others}
    # What is recorded now are the files of this time alone.
    remove_others(tmp_path, [])
    assert left() == set(others)


def test_files_are_recorded_as_they_are_written_so_that_a_stopped_group_level_leaves_none(
    tmp_path: Path,
) -> None:
    for name in ("group_a_qcfc.tsv", "group_b_edges.h5"):
        (tmp_path / name).touch()
        record_files(tmp_path, [Path(name)])
    remove_others(tmp_path, [])
    assert not list(tmp_path.glob("group*"))
