from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_labelx.group.mean_matrices import MeanMatrix
from bids_labelx.group.write import remove_others, write_mean_matrix, write_strategies


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


def test_what_an_earlier_group_made_goes_and_nothing_else(tmp_path: Path) -> None:
    old = [
        "group_atlas-Old_coverage.tsv",
        "group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.tsv",
        "group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.json",
        "group_atlas-A_meas-correlation_desc-old_stat-std_relmat.tsv",
        "group_atlas-A_meas-correlation_desc-old_stat-n_relmat.tsv",
        "figures/group_atlas-A_meas-correlation_desc-old_stat-mean_relmat.svg",
    ]
    new = [name.replace("old", "new").replace("Old", "New") for name in old]
    others = ["group_qc.tsv", "group_mine.tsv", "group_relmat.tsv", "figures/mine.svg"]
    for name in (*old, *new, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_others(tmp_path, [Path(name) for name in new if not name.endswith(".json")])
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {*new, *others}
