"""Confounds tables of every version, and the JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise import read_confounds_metadata, read_confounds_table
from bids_labelx.denoise.confounds import column_values
from bids_labelx.errors import BadDataError, MissingInputError


def test_tables_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.tsv"):
        read_confounds_table(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(BadDataError, match=r"empty\.tsv"):
        read_confounds_table(tmp_path / "empty.tsv")


def test_old_names_become_todays(tmp_path: Path) -> None:
    pairs = {
        "FramewiseDisplacement": "framewise_displacement",
        "stdDVARS": "std_dvars",
        "non-stdDVARS": "dvars",
        "vx-wisestdDVARS": "vx-wisestdDVARS",
        "X": "trans_x",
        "RotZ": "rot_z",
        "CSF": "csf",
        "WhiteMatter": "white_matter",
        "GlobalSignal": "global_signal",
        "Cosine07": "cosine07",
        "aCompCor05": "a_comp_cor_05",
        "tCompCor00": "t_comp_cor_00",
        "AROMAAggrComp12": "aroma_motion_12",
        "NonSteadyStateOutlier01": "non_steady_state_outlier01",
    }
    path = tmp_path / "old.tsv"
    pd.DataFrame([range(len(pairs))], columns=list(pairs)).to_csv(path, sep="\t", index=False)
    assert list(read_confounds_table(path).columns) == list(pairs.values())


def test_a_name_that_is_there_already_is_not_given_twice(tmp_path: Path) -> None:
    (tmp_path / "both.tsv").write_text("CSF\tcsf\n1\t2\n")
    assert list(read_confounds_table(tmp_path / "both.tsv").columns) == ["CSF", "csf"]


def test_real_old_tables_get_todays_names(shared_data: Path) -> None:
    folder = shared_data / "trees" / "pybids_synthetic" / "derivatives" / "fmriprep" / "sub-04"
    name = "sub-04_ses-01_task-rest_desc-confounds_regressors.tsv"
    table = read_confounds_table(folder / "ses-01" / "func" / name)
    new = {"trans_x", "rot_x", "white_matter", "cosine00", "std_dvars", "framewise_displacement"}
    assert new <= set(table.columns)
    assert "non_steady_state_outlier00" in table
    assert "csf" not in table


def test_the_json_beside_a_table_is_read_where_there_is_one(tmp_path: Path) -> None:
    table = tmp_path / "sub-01_desc-confounds_timeseries.tsv"
    assert read_confounds_metadata(table) == {}
    about = {"csf": {"Method": "Mean"}}
    table.with_suffix(".json").write_text(json.dumps(about))
    assert read_confounds_metadata(table) == about


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_json_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(BadDataError, match=r"c\.json"):
        read_confounds_metadata(tmp_path / "c.tsv")


@pytest.mark.parametrize(
    ("values", "row", "found"),
    [
        (["oops", 1.0, 2.0], 1, "'oops'"),
        ([None, None, 2.0], 2, "n/a"),
        ([1.0, 2.0, None], 3, "n/a"),
        ([1.0, np.inf, 2.0], 2, "inf"),
        ([None], 1, "n/a"),
    ],
)
def test_a_value_that_is_no_number_is_named_by_column_and_row(
    values: list[object], row: int, found: str
) -> None:
    name = "csf_derivative1"
    table = pd.DataFrame({name: values})
    with pytest.raises(BadDataError, match=rf"x\.tsv: column {name}, row {row} .* is {found}"):
        column_values(table, [name], "x.tsv")


@pytest.mark.parametrize("column", ["trans_x", "csf_power2", "cosine00", "a_comp_cor_05"])
def test_a_series_without_a_difference_has_a_value_at_the_first_volume(column: str) -> None:
    table = pd.DataFrame({column: [None, 1.0, 2.0], "mine": [None, 1.0, 2.0]})
    with pytest.raises(BadDataError, match=rf"column {column}, row 1 \(of 3\) is n/a"):
        column_values(table, [column], "x.tsv")
    assert column_values(table, ["mine"], "x.tsv").tolist() == [[1.0], [1.0], [2.0]]


@pytest.mark.parametrize("mark", [";", ","])
def test_columns_that_no_tabs_are_between_are_told(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"csf{mark}rmsd\n" + f"1{mark}2\n" * 3)
    with pytest.raises(BadDataError, match=f"one column, called csf{mark}rmsd; .*, not {mark}"):
        read_confounds_table(path)
