from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import BadDataError
from bids_labelx.group.coverage_sums import (
    CoverageSums,
    checked_coverage,
    coverage_name,
    other_labels,
)

WriteRun = Callable[..., Path]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def test_sums_are_those_of_the_files(write_run: WriteRun, tmp_path: Path) -> None:
    for i, covered in enumerate([[10, 9, 8, 7], [10, 2, 4, 10], [10, 10, -1, 0]]):
        write_run({"sub": f"0{i}", "atlas": "Small"}, covered=covered)
    paths = sorted((tmp_path / "out").rglob("*_dseg.tsv"))
    sums = CoverageSums(read(paths[0]))
    for path in paths:
        sums.add(read(path), checked_coverage(read(path), path), path)
    table = sums.table()

    files = [pd.read_csv(path, sep="\t") for path in paths]
    assert list(table) == [
        *("index", "name", "network"),
        *("runs", "mean_coverage", "min_coverage", "lost_in_runs"),
    ]
    for i in range(4):
        shares = [0.0 if np.isnan(c := file["coverage"][i]) else c for file in files]
        assert table["index"][i] == str(files[0]["index"][i])
        assert table["name"][i] == files[0]["name"][i]
        assert table["network"][i] == files[0]["network"][i]
        assert table["runs"][i] == 3
        assert table["mean_coverage"][i] == pytest.approx(sum(shares) / 3)
        assert table["min_coverage"][i] == min(shares)
        assert table["lost_in_runs"][i] == sum(file["status"][i] != "ok" for file in files)
    assert table["lost_in_runs"].tolist() == [0, 1, 2, 1]


def test_a_column_of_the_atlas_stays_where_all_runs_say_the_same() -> None:
    first = pd.DataFrame(
        {
            "index": ["1", "2"],
            "network": ["a", "b"],
            "name": ["x", "y"],
            "colour": ["red", "blue"],
            "area": ["1", "2"],
            "runs": ["of the atlas", "itself"],
            "voxels_atlas": ["4", "4"],
            "voxels_grid": ["4", "4"],
            "voxels_covered": ["4", "4"],
            "coverage": ["1", "1"],
            "status": ["ok", "ok"],
        }
    )
    sums = CoverageSums(first)
    sums.add(first, np.ones(2), Path("first"))
    assert sums.networks == ["a", "b"]
    sums.add(first.assign(colour=["red", "green"]), np.ones(2), Path("second"))
    sums.add(first.drop(columns="area"), np.zeros(2), Path("third"))
    table = sums.table()
    assert list(table)[:4] == ["index", "name", "network", "runs"]
    assert table["runs"].tolist() == [3, 3]
    sums.add(first.assign(network="c"), np.ones(2), Path("fourth"))
    assert sums.networks is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tcoverage\t", "\tshare\t", "no column coverage"),
        ("\tok\n", "\n", "status '' in row 1, one of ok, absent"),
        ("\tok\n", "\to\n", "status 'o' in row 1, one of ok, absent"),
        ("\t1\tok", "\tx\tok", "coverage 'x' of label Vis_1, a share"),
        ("\t1\tok", "\t1.2\tok", "coverage '1.2' of label Vis_1"),
        ("\t1\tok", "\t\tok", "coverage '' of label Vis_1"),
    ],
)
def test_a_table_that_is_broken_says_why(
    write_run: WriteRun, tmp_path: Path, old: str, new: str, message: str
) -> None:
    write_run()
    (path,) = (tmp_path / "out").rglob("*_dseg.tsv")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadDataError, match=f"_dseg.tsv: {message}.*run the participant level"):
        checked_coverage(read(path), path)


def test_a_table_without_rows_is_broken() -> None:
    empty = pd.DataFrame({c: [] for c in ("index", "name", "coverage", "status")}, dtype=str)
    with pytest.raises(BadDataError, match="no label in it"):
        checked_coverage(empty, Path("x_dseg.tsv"))


def test_tables_that_differ_are_both_named() -> None:
    rows = pd.DataFrame({"index": ["1", "2"], "name": ["a", "b"]})
    most = CoverageSums(rows)
    most.paths += [Path("most.tsv"), Path("other.tsv")]
    longer = pd.DataFrame({"index": ["1", "2", "3"], "name": ["a", "b", "c"]})
    assert other_labels(Path("mine.tsv"), CoverageSums(longer), most) == (
        "mine.tsv: not the labels of most.tsv, which 2 runs have: row 3 is 3 c here and missing "
        "there; run the participant level again with one label table for all"
    )


def test_a_table_is_named_by_its_atlas() -> None:
    entities = {"sub": "1", "space": "MNI", "scale": "2", "atlas": "A", "seg": "S", "res": "1"}
    assert coverage_name(entities) == "group_atlas-A_seg-S_scale-2_coverage.tsv"
    assert coverage_name({"atlas": "A"}) == "group_atlas-A_coverage.tsv"
