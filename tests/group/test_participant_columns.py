from __future__ import annotations

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from edge_tables import NAMES, NETWORKS, table, write_edges

from bids_labelx.files import write_tsv
from bids_labelx.group.covariates import read_covariates
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.participant_columns import columns_of, distinct

IDS = ["sub-03", "sub-00", "sub-01", "sub-02"]
COLUMNS = {
    "participant_id": IDS,
    "age": [60, 20.5, "n/a", 40],
    "site": ["β", "1", "2", "n/a"],
    "a/b": ["x", "y", "z", "w"],
    "none": ["n/a"] * 4,
}


def edges(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 15)).astype(np.float32)


def test_the_columns_of_the_table_stand_beside_the_rows(tmp_path: Path) -> None:
    rows = write_edges(tmp_path / "out", edges(), table(tmp_path, COLUMNS))
    with h5py.File(rows.path) as file:
        own = file["participants"]
        assert list(own) == ["age", "site", "a_b", "none"]
        np.testing.assert_equal(own["age"][:], [20.5, np.nan, 40, 60])
        assert own["age"].dtype == np.float64
        assert own["site"].asstr()[:].tolist() == ["1", "2", "", "β"]
        assert own["a_b"].attrs["Column"] == "a/b"
        assert np.isnan(own["none"][:]).all()
        assert own.attrs["Source"] == "participants.tsv"
        assert own.attrs["ParticipantsMissing"] == "[]"


def test_networks_and_units_are_in_the_file(tmp_path: Path) -> None:
    rows = write_edges(tmp_path, edges())
    known = ["" if one == "n/a" else one for one in NETWORKS]
    with h5py.File(rows.path) as file:
        found = {key: file[key].asstr()[:].tolist() for key in file if key[-2:] in ("_1", "_2")}
        assert "participants" not in file
        units = {
            key: file[key].attrs.get("Units") for key in ("z", "runs", "mean_fd", "minutes_kept")
        }
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert found == {
        "region_1": [NAMES[i] for i, _ in pairs],
        "region_2": [NAMES[j] for _, j in pairs],
        "network_1": [known[i] for i, _ in pairs],
        "network_2": [known[j] for _, j in pairs],
    }
    assert units == {"z": "Fisher z", "runs": "runs", "mean_fd": "mm", "minutes_kept": "min"}


def test_without_networks_their_names_are_empty(tmp_path: Path) -> None:
    rows = write_edges(tmp_path, edges(), networks=None)
    with h5py.File(rows.path) as file:
        assert set(file["network_1"].asstr()[:]) == {""}


def test_a_participant_that_is_not_in_the_table_has_no_values_and_is_named(tmp_path: Path) -> None:
    columns = {key: values[:3] for key, values in COLUMNS.items()}
    rows = write_edges(tmp_path / "out", edges(), table(tmp_path, columns))
    with h5py.File(rows.path) as file:
        own = file["participants"]
        np.testing.assert_equal(own["age"][:], [20.5, np.nan, np.nan, 60])
        assert own["site"].asstr()[:].tolist() == ["1", "2", "", "β"]
        assert json.loads(own.attrs["ParticipantsMissing"]) == ["sub-02"]
        assert int(own.attrs["NumberOfParticipantsMissing"]) == 1


def test_ids_are_joined_by_pandas_as_the_documentation_says(tmp_path: Path) -> None:
    rows = write_edges(tmp_path / "out", edges(), table(tmp_path, COLUMNS))
    participants = pd.read_csv(tmp_path / "participants.tsv", sep="\t")
    with h5py.File(rows.path) as file:
        ids = file["participant_id"].asstr()[:]
        joined = pd.DataFrame({"participant_id": ids, "fd": file["mean_fd"][:]}).merge(
            participants
        )
    assert joined["participant_id"].tolist() == sorted(IDS)
    np.testing.assert_equal(joined["age"].to_numpy(), [20.5, np.nan, 40, 60])


def test_numbers_among_which_is_a_text_stay_text(tmp_path: Path) -> None:
    columns = {"participant_id": IDS, "age": ["60", "20,5", "30", "40"]}
    rows = write_edges(tmp_path / "out", edges(), table(tmp_path, columns))
    with h5py.File(rows.path) as file:
        assert file["participants/age"].asstr()[:].tolist() == ["20,5", "30", "40", "60"]


def test_columns_of_sessions_are_those_of_the_rows_session(tmp_path: Path) -> None:
    path = tmp_path / "both.tsv"
    text = "participant_id\tsession_id\tscanner\tsex\n01\ta\tX\tf\n01\tb\tY\tf\n02\ta\tX\tn/a\n"
    write_tsv(path, pd.read_csv(io.StringIO(text), sep="\t", dtype=str))
    covariates = read_covariates(tmp_path, path)
    found = columns_of(covariates, [Unit("01", "b"), Unit("02", "b"), Unit("03", "a")])
    assert found.table["scanner"].tolist() == ["Y", None, None]
    assert found.about["ParticipantsMissing"] == ["sub-03"]
    # Of both sessions, in which one column differs.
    found = columns_of(covariates, [Unit("01"), Unit("02")])
    assert found.table["sex"].tolist() == ["f", None]
    assert list(found.table) == ["sex"]
    assert found.about["ColumnsLeftOut"] == ["scanner"]


@pytest.mark.parametrize(
    ("names", "taken", "expected"),
    [
        (["a", "a", "a"], [], ["a", "a (2)", "a (3)"]),
        (["a", "a (2)", "a"], [], ["a", "a (2)", "a (3)"]),
        (["age", "b"], ["age"], ["age (2)", "b"]),
    ],
    ids=["same", "numbered", "taken"],
)
def test_names_are_distinct(names: list[str], taken: list[str], expected: list[str]) -> None:
    assert distinct(names, taken) == expected


@pytest.mark.parametrize("n", [2, 700], ids=["few", "many"])
def test_the_room_that_is_taken_is_enough_with_columns(
    tmp_path: Path, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns: dict[str, list[object]] = {"participant_id": [f"sub-{k:02d}" for k in range(n)]}
    columns |= {f"ä{c}": ["ß" * (40 + k % 3) for k in range(n)] for c in range(60)}
    columns |= {f"n{c}": list(range(n)) for c in range(60)}
    covariates = table(tmp_path, columns)
    taken = []
    monkeypatch.setattr("os.posix_fallocate", lambda _, start, size: taken.append(start + size))
    rows = write_edges(tmp_path / "out", edges(n), covariates)
    assert rows.path.stat().st_size <= taken[0]
