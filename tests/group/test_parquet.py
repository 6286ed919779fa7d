"""Edges as Parquet are those of the HDF5 file, by pandas and polars."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest
from edge_tables import NAMES, NETWORKS, table, write_edges

from bids_labelx.errors import CannotWriteError
from bids_labelx.group import parquet as module
from bids_labelx.group.parquet import edge_names, write_edges_parquet

COLUMNS = {
    "participant_id": ["sub-00", "sub-01", "sub-02"],
    "age": [20.5, "n/a", 40],
    "a.b": ["ä", "n/a", "x"],
    "runs": [7, 8, 9],
    "a--ü": ["taken", "taken", "n/a"],
}
FIRST = ["participant_id", "age", "a.b", "runs (2)", "a--ü", "runs", "mean_fd", "minutes_kept"]


def edges() -> np.ndarray:
    z = np.random.default_rng(0).normal(size=(3, 15)).astype(np.float32)
    z[1, 4] = np.nan
    return z


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = write_edges(tmp_path / "out", edges(), table(tmp_path, COLUMNS))
    return tmp_path / "out" / write_edges_parquet(tmp_path / "out", rows)


def test_pandas_reads_what_the_hdf5_file_has(path: Path) -> None:
    found = pd.read_parquet(path)
    assert list(found)[: len(FIRST)] == FIRST
    np.testing.assert_array_equal(found.iloc[:, len(FIRST) :], edges())
    assert (found.dtypes.iloc[len(FIRST) :] == np.float32).all()
    assert found["participant_id"].tolist() == COLUMNS["participant_id"]
    np.testing.assert_equal(found["age"].to_numpy(), [20.5, np.nan, 40])
    assert found["a.b"].fillna("").tolist() == ["ä", "", "x"]
    assert found["runs (2)"].tolist() == [7, 8, 9]
    assert found["runs"].tolist() == [1, 1, 1]
    with h5py.File(path.with_suffix(".h5")) as file:
        for name in ("mean_fd", "minutes_kept"):
            np.testing.assert_array_equal(found[name], file[name][:])


def test_each_edge_is_a_column_by_the_names_of_its_regions(path: Path) -> None:
    names = list(pd.read_parquet(path))[len(FIRST) :]
    expected = [f"{a}--{b}" for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]]
    assert names == ["a--ü (2)", *expected[1:]]


def test_names_that_meet_are_told_apart() -> None:
    names = edge_names(["a", "a--b", "b--c", "c"])
    assert names[1:3] == ["a--b--c", "a--c"]
    assert names[3:5] == ["a--b--b--c", "a--b--c (2)"]
    assert len(set(names)) == len(names)


def test_pandas_joins_it_with_the_table_without_a_word_on_types(path: Path) -> None:
    table_ = pd.read_csv(path.parents[1] / "participants.tsv", sep="\t")
    joined = pd.read_parquet(path, columns=["participant_id", "mean_fd"]).merge(table_)
    assert joined["participant_id"].tolist() == COLUMNS["participant_id"]


def test_units_entities_and_networks_are_in_the_metadata(path: Path) -> None:
    about = {
        key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items()
    }
    assert json.loads(about["Units"]) == {
        "edges": "Fisher z",
        "mean_fd": "mm",
        "minutes_kept": "min",
        "runs": "runs",
    }
    assert json.loads(about["SourceEntities"])["atlas"] == "A"
    assert json.loads(about["Regions"]) == list(NAMES)
    assert json.loads(about["Networks"]) == list(NETWORKS)


def test_rows_written_in_groups_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = np.random.default_rng(1).normal(size=(11, 15)).astype(np.float32)
    rows = write_edges(tmp_path, z)
    monkeypatch.setattr(module, "_AT_ONCE", 15 * 5)
    monkeypatch.setattr(module, "_TURNED", 2)
    path = tmp_path / write_edges_parquet(tmp_path, rows)
    assert pq.ParquetFile(path).num_row_groups == 3
    found = polars.read_parquet(path)
    np.testing.assert_array_equal(found[:, 4:].to_numpy(), z)


def test_the_same_edges_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    rows = write_edges(tmp_path / "b", edges(), table(tmp_path, COLUMNS))
    again = tmp_path / "b" / write_edges_parquet(tmp_path / "b", rows)
    assert again.read_bytes() == path.read_bytes()


def test_a_full_disk_is_one_message_and_nothing_is_left(small_disk: Path) -> None:
    names = [f"region {k}" for k in range(120)]
    z = np.random.default_rng(1).normal(size=(20, 7140)).astype(np.float32)
    rows = write_edges(small_disk, z, names=names, networks=None)
    with pytest.raises(CannotWriteError, match=r"disk full: .*edges\.parquet"):
        write_edges_parquet(small_disk, rows)
    assert list(small_disk.iterdir()) == [rows.path]
