from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds_strategy
from tiny import MOTION, confounds_table

from bids_labelx.denoise import (
    Strategy,
    describe_presets,
    preset_names,
    read_confounds,
    read_strategies,
    select,
)
from bids_labelx.errors import BadDataError, MissingInputError, UsageError

SIMPLE, NONE = read_strategies(["simple", "none"])


@pytest.fixture
def table() -> pd.DataFrame:
    return confounds_table(np.random.default_rng(0))


def test_the_presets_are_listed_with_what_they_do() -> None:
    lines = describe_presets().splitlines()
    assert {"none", "simple"} <= set(preset_names())
    assert len(lines) == len(preset_names())
    assert "24 motion parameters" in describe_presets()


def test_unknown_strategies_are_all_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"foo bar: choose from none, simple"):
        read_strategies(["foo", "simple", "bar"])


def test_the_label_of_none_is_raw_and_of_others_camel_case() -> None:
    assert (NONE.label, SIMPLE.label) == ("raw", "simple")
    assert Strategy("scrubbing.2+gsr", "", {}, {}).label == "scrubbing2Gsr"


def test_none_takes_nothing_and_needs_no_table() -> None:
    chosen = select(NONE, None, 7, source="")
    assert chosen.columns == ()
    assert chosen.regressors.shape == (7, 0)
    assert chosen.kept.all()
    assert not chosen.dummy.any()


def test_simple_takes_24_motion_parameters_wm_csf_and_cosines(table: pd.DataFrame) -> None:
    chosen = select(SIMPLE, table, len(table), source="x.tsv")
    assert set(chosen.columns) == {*MOTION, "csf", "white_matter", "cosine00"}
    assert len(chosen.columns) == 27
    for column, values in zip(chosen.columns, chosen.regressors.T, strict=True):
        np.testing.assert_array_equal(values[1:], table[column][1:])


def test_dummy_volumes_are_left_out_and_are_no_regressors(table: pd.DataFrame) -> None:
    table["non_steady_state_outlier01"] = np.eye(len(table))[1]
    chosen = select(SIMPLE, table, len(table), source="x.tsv")
    assert np.flatnonzero(~chosen.kept).tolist() == [0, 1]
    assert np.flatnonzero(chosen.dummy).tolist() == [0, 1]
    assert not [c for c in chosen.columns if "non_steady" in c]


def test_a_first_row_without_values_repeats_the_second(table: pd.DataFrame) -> None:
    chosen = select(SIMPLE, table, len(table), source="x.tsv")
    i = chosen.columns.index("trans_x_derivative1")
    assert chosen.regressors[0, i] == table["trans_x_derivative1"][1]
    assert np.isnan(table["trans_x_derivative1"][0])


def test_a_missing_value_elsewhere_is_named_by_column_and_row(table: pd.DataFrame) -> None:
    table.loc[7, "csf"] = np.nan
    with pytest.raises(BadDataError, match=r"x\.tsv: column csf, row 8 \(of 40\)"):
        select(SIMPLE, table, len(table), source="x.tsv")


def test_a_value_that_is_no_number_is_named(table: pd.DataFrame) -> None:
    table["csf"] = table["csf"].astype(object)
    table.loc[3, "csf"] = "oops"
    with pytest.raises(BadDataError, match=r"column csf, row 4 .* 'oops'"):
        select(SIMPLE, table, len(table), source="x.tsv")


def test_all_missing_columns_are_named_with_the_file(table: pd.DataFrame) -> None:
    with pytest.raises(BadDataError) as caught:
        select(SIMPLE, table.drop(columns=["rot_z", "csf"]), len(table), source="x.tsv")
    assert "x.tsv" in str(caught.value)
    assert "rot_z, csf" in str(caught.value)


def test_cosines_may_only_be_missing_where_the_run_is_too_short_for_any(
    table: pd.DataFrame,
) -> None:
    bare = table.drop(columns="cosine00")
    # 40 volumes of 1.5 s are shorter than half of the 128 s cut-off; of 2 s they are not.
    assert "cosine00" not in select(SIMPLE, bare, 40, source="x", t_r=1.5).columns
    with pytest.raises(BadDataError, match="cosine00"):
        select(SIMPLE, bare, 40, source="x", t_r=2.0)
    with pytest.raises(BadDataError, match="cosine00"):
        select(SIMPLE, bare, 40, source="x", t_r=None)


def test_rows_that_are_not_the_volumes_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(BadDataError, match="40 rows, but the BOLD image has 41 volumes"):
        select(SIMPLE, table, 41, source="x.tsv")


def test_a_run_of_dummy_volumes_only_is_refused(table: pd.DataFrame) -> None:
    table["non_steady_state_outlier00"] = 1.0
    with pytest.raises(BadDataError, match="leaves no volume"):
        select(SIMPLE, table, len(table), source="x.tsv")


def test_a_missing_table_says_why() -> None:
    with pytest.raises(BadDataError, match="two candidates"):
        select(SIMPLE, None, 40, source="two candidates")


def test_tables_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.tsv"):
        read_confounds(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(BadDataError, match=r"empty\.tsv"):
        read_confounds(tmp_path / "empty.tsv")


def test_simple_equals_nilearn_on_real_confounds(shared_data: Path) -> None:
    folder = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    path = folder / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    ours = read_confounds(path)
    chosen = select(SIMPLE, ours, len(ours), source=str(path), t_r=2.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, sample_mask = load_confounds_strategy(
            str(folder / "sub-01_task-rest_desc-preproc_bold.nii.gz"), "simple"
        )
    assert sample_mask is None
    assert chosen.kept.all()
    assert set(chosen.columns) == set(theirs.columns)
    # Theirs are demeaned; the regression removes the mean of ours in any case.
    demeaned = chosen.regressors - chosen.regressors.mean(axis=0)
    np.testing.assert_allclose(demeaned, theirs[list(chosen.columns)], rtol=1e-9, atol=1e-12)
