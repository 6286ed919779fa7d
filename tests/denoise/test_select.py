"""What a strategy takes of one run's confounds, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import MOTION, confounds_table

from bids_labelx.denoise import (
    Strategy,
    check_image,
    preset_names,
    read_confounds_table,
    read_strategies,
    select,
    with_datasets,
)
from bids_labelx.denoise.motion import framewise_displacement
from bids_labelx.errors import BadDataError
from bids_labelx.names import FIRST_DATASET

SIMPLE, NONE = read_strategies(["simple", "none"])


@pytest.fixture
def table() -> pd.DataFrame:
    return confounds_table(np.random.default_rng(0))


def test_none_takes_nothing_and_needs_no_table() -> None:
    chosen = select(NONE, None, 7, source="")
    assert chosen.columns == ()
    assert chosen.regressors.shape == (7, 0)
    assert chosen.kept.all()
    assert not chosen.rules["dummy"].any()


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
    assert np.flatnonzero(chosen.rules["dummy"]).tolist() == [0, 1]
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
    # 39 steady volumes of 3.2 s are shorter than the 128 s cut-off; of 3.3 s they are not.
    assert "cosine00" not in select(SIMPLE, bare, 40, source="x", t_r=3.2).columns
    with pytest.raises(BadDataError, match="cosine00"):
        select(SIMPLE, bare, 40, source="x", t_r=3.3)
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


def scrubbing(**scrub: Any) -> Strategy:
    return Strategy("mine", "", {}, {"scrub": scrub})


def full_table() -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table with everything that a preset wants, and its JSON."""
    rng = np.random.default_rng(2)
    table = confounds_table(rng)
    for name in ("csf", "white_matter", "global_signal"):
        for tail in ("", "_derivative1", "_power2", "_derivative1_power2"):
            table[name + tail] = rng.standard_normal(len(table))
    masks = {"a": "combined", "w": "WM", "c": "CSF"}
    metadata = {}
    for prefix, mask in masks.items():
        for i in range(6):
            name = f"{prefix}_comp_cor_0{i}"
            table[name] = rng.standard_normal(len(table))
            share = 0.15 * (i + 1)
            metadata[name] = {"Method": "aCompCor", "Mask": mask, "Retained": True}
            metadata[name]["CumulativeVarianceExplained"] = share
    for name in ("aroma_orth_motion_01", "aroma_orth_motion_12"):
        table[name] = rng.standard_normal(len(table))
    quiet = {"framewise_displacement": 0.1, "std_dvars": 1.0}
    return table.assign(**quiet), metadata


@pytest.mark.parametrize(
    ("name", "n_columns"),
    [
        ("none", 0),
        ("simple", 1 + 24 + 2),
        ("simple+gsr", 1 + 24 + 2 + 1),
        ("scrubbing", 1 + 24 + 8),
        ("scrubbing.2", 1 + 24 + 8),
        ("scrubbing.2+gsr", 1 + 24 + 8 + 1),
        ("scrubbing.5", 1 + 24 + 8),
        ("scrubbing.5+gsr", 1 + 24 + 8 + 1),
        ("acompcor50", 1 + 24 + 4),
        ("icaaroma", 1 + 2),
        ("24P", 24),
        ("27P", 27),
        ("36P", 36),
        ("36P+scrubbing", 36),
        ("acompcor", 1 + 12 + 10),
        ("acompcor_gsr", 1 + 12 + 10 + 1),
        ("aroma", 2 + 2),
        ("denoised", 0),
        ("aroma_gsr", 3 + 2),
        ("gsr_only", 1),
    ],
)
def test_every_preset_takes_as_many_columns_as_it_says(name: str, n_columns: int) -> None:
    table, metadata = full_table()
    (strategy,) = with_datasets(read_strategies([name]), [FIRST_DATASET])
    desc = strategy.images[-1] if strategy.images else "preproc"
    chosen = select(strategy, table, len(table), source="x", metadata=metadata, image_desc=desc)
    assert len(chosen.columns) == n_columns
    assert chosen.regressors.shape == (len(table), n_columns)
    assert np.isfinite(chosen.regressors).all()
    assert chosen.kept.sum() == len(table) - (name not in ("none", "denoised"))


def test_the_column_counts_above_are_of_all_presets() -> None:
    (mark,) = test_every_preset_takes_as_many_columns_as_it_says.pytestmark  # type: ignore[attr-defined]
    assert sorted(name for name, _ in mark.args[1]) == preset_names()


def test_every_rule_marks_its_volumes_and_a_volume_may_have_several(table: pd.DataFrame) -> None:
    table["framewise_displacement"], table["std_dvars"] = 0.1, 1.0
    table.loc[[0, 10], "framewise_displacement"] = 0.6
    table.loc[[10, 13], "std_dvars"] = 4.0
    strategy = Strategy(
        "mine",
        "",
        {},
        {"non_steady_state": True, "scrub": {"fd_threshold": 0.5, "std_dvars_threshold": 3}},
    )
    rules = select(strategy, table, len(table), source="x").rules
    assert {name: np.flatnonzero(rule).tolist() for name, rule in rules.items()} == {
        "dummy": [0],
        "fd": [0, 10],
        "dvars": [10, 13],
        "short_segment": [11, 12],
    }


def test_a_value_at_the_threshold_or_missing_in_the_first_row_is_not_over_it(
    table: pd.DataFrame,
) -> None:
    table["framewise_displacement"] = 0.5
    table.loc[0, "framewise_displacement"] = np.nan
    assert select(scrubbing(fd_threshold=0.5), table, len(table), source="x").kept.all()


def test_displacement_is_the_tables_where_it_has_it(table: pd.DataFrame) -> None:
    chosen = select(SIMPLE, table, len(table), source="x")
    assert chosen.fd_source == "table"
    np.testing.assert_array_equal(chosen.framewise_displacement, table["framewise_displacement"])
    np.testing.assert_array_equal(chosen.std_dvars, table["std_dvars"])


def test_displacement_is_computed_where_the_table_lacks_it(table: pd.DataFrame) -> None:
    bare = table.drop(columns="framewise_displacement")
    expected = framewise_displacement(
        bare[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].to_numpy()
    )
    threshold = float(np.nanmedian(expected))
    strategy = scrubbing(fd_threshold=threshold, min_segment=0)
    chosen = select(strategy, bare, len(bare), source="x")
    assert chosen.fd_source == "computed"
    np.testing.assert_array_equal(chosen.framewise_displacement, expected)
    np.testing.assert_array_equal(chosen.rules["fd"], expected > threshold)


def test_there_is_no_displacement_without_motion(table: pd.DataFrame) -> None:
    bare = table[["csf", "white_matter"]]
    chosen = select(NONE, bare, len(bare), source="x")
    assert chosen.framewise_displacement is None
    assert chosen.fd_source is None
    assert chosen.std_dvars is None


def test_a_motion_filter_censors_by_its_own_displacement_and_leaves_the_runs_as_it_is(
    table: pd.DataFrame,
) -> None:
    strategy = scrubbing(fd_threshold=100, motion_filter={"type": "lp", "band_stop_min": 6})
    chosen = select(strategy, table, len(table), source="x", t_r=0.8)
    unfiltered = select(SIMPLE, table, len(table), source="x", t_r=0.8)
    assert chosen.fd_source == unfiltered.fd_source == "table"
    np.testing.assert_array_equal(chosen.framewise_displacement, unfiltered.framewise_displacement)
    assert unfiltered.filtered_fd is None
    assert chosen.filtered_fd is not None
    threshold = float(np.nanmedian(chosen.filtered_fd))
    scrubbed = scrubbing(
        fd_threshold=threshold,
        min_segment=0,
        motion_filter={"type": "lp", "band_stop_min": 6},
    )
    censored = select(scrubbed, table, len(table), source="x", t_r=0.8).rules["fd"]
    np.testing.assert_array_equal(censored, chosen.filtered_fd > threshold)
    assert (censored != (chosen.framewise_displacement > threshold)).any()
    with pytest.raises(BadDataError, match="motion_filter needs the repetition time"):
        select(strategy, table, len(table), source="x")
    with pytest.raises(BadDataError, match=r"x: --denoise mine: 6 .* not below 3"):
        select(strategy, table, len(table), source="x", t_r=10.0)


def test_filtered_displacement_does_not_go_by_the_tables_own(table: pd.DataFrame) -> None:
    strategy = scrubbing(fd_threshold=1, motion_filter={"type": "lp", "band_stop_min": 6})
    with pytest.raises(BadDataError, match="missing: trans_y;"):
        select(strategy, table.drop(columns="trans_y"), len(table), source="x", t_r=0.8)


def test_scrubbing_without_its_figures_names_all_that_is_missing(table: pd.DataFrame) -> None:
    bare = table.drop(columns=["framewise_displacement", "std_dvars", "rot_x"])
    strategy = scrubbing(fd_threshold=0.5, std_dvars_threshold=3)
    with pytest.raises(
        BadDataError, match=r"missing: framewise_displacement \(or, to compute it, rot_x\), std_d"
    ):
        select(strategy, bare, len(bare), source="x")


def test_a_gap_in_a_figure_that_censors_is_refused_and_else_only_reported(
    table: pd.DataFrame,
) -> None:
    table.loc[5, "framewise_displacement"] = np.nan
    with pytest.raises(BadDataError, match="framewise_displacement, row 6"):
        select(scrubbing(fd_threshold=0.5), table, len(table), source="x")
    chosen = select(SIMPLE, table, len(table), source="x")
    assert chosen.framewise_displacement is not None
    assert np.isnan(chosen.framewise_displacement[5])


def test_a_run_that_is_censored_altogether_says_by_which_rules(table: pd.DataFrame) -> None:
    table["framewise_displacement"] = ([0.1] * 4 + [0.9]) * 8
    strategy = Strategy(
        "mine",
        "",
        {},
        {"non_steady_state": 2, "scrub": {"fd_threshold": 0.5, "min_segment": 5}},
    )
    with pytest.raises(BadDataError) as caught:
        select(strategy, table, len(table), source="x.tsv")
    message = str(caught.value)
    assert "x.tsv: --denoise mine leaves no volume of 40" in message
    assert "2 non-steady-state or dummy volumes" in message
    assert "8 with framewise displacement over 0.5 mm" in message
    assert "32 in segments shorter than 5" in message
    assert "DVARS over" not in message


def test_a_number_of_dummy_volumes_needs_no_table() -> None:
    strategy = Strategy("mine", "", {}, {"non_steady_state": 3})
    chosen = select(strategy, None, 7, source="")
    assert not strategy.needs_table
    assert np.flatnonzero(~chosen.kept).tolist() == [0, 1, 2]
    with pytest.raises(BadDataError, match="leaves no volume of 3"):
        select(strategy, None, 3, source="")


def test_ica_aroma_is_refused_on_an_image_that_has_not_been_denoised() -> None:
    (strategy,) = read_strategies(["icaaroma"])
    with pytest.raises(BadDataError) as caught:
        check_image(strategy, "preproc", "fMRIPrep 25.1.1")
    for words in ("icaaroma", "desc-preproc_bold", "nonaggrDenoised or smoothAROMAnonaggr"):
        assert words in str(caught.value)


def test_a_table_of_another_length_is_no_concern_of_a_strategy_without_one(
    table: pd.DataFrame,
) -> None:
    chosen = select(NONE, table, 7, source="x")
    assert chosen.kept.shape == (7,)
    assert chosen.framewise_displacement is None


def test_old_tables_have_no_derivatives_and_none_are_made_up(shared_data: Path) -> None:
    path = (
        shared_data / "trees/pybids_synthetic/derivatives/fmriprep/sub-01/ses-01/func"
        "/sub-01_ses-01_task-nback_run-01_desc-confounds_regressors.tsv"
    )
    table = read_confounds_table(path)
    with pytest.raises(BadDataError, match="trans_x_derivative1, trans_x_power2"):
        select(SIMPLE, table, len(table), source=str(path))
    basic = Strategy("mine", "", {"motion": "basic", "wm_csf": "basic", "high_pass": True}, {})
    assert len(select(basic, table, len(table), source=str(path)).columns) == 6 + 2 + 27
