"""What a page draws is what is in memory, rounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.pictures.packing import unpack, unpack_matrix
from bids_labelx.pictures.panels import Panel, Plane, RegionGeometry
from bids_labelx.pictures.run_data import (
    atlas_data,
    correlate_confounds,
    matrix_data,
    panel_from,
    results_data,
    signals_data,
    strategy_data,
    symmetric_limits,
    z_scores,
)

RNG = np.random.default_rng(0)


def test_rows_are_scored_over_the_columns_kept() -> None:
    values = RNG.normal(5, 3, (4, 30))
    values[1], values[2] = 7, np.nan
    kept = RNG.uniform(size=30) > 0.3
    found = z_scores(values, kept)
    own = values[0, kept]
    np.testing.assert_allclose(found[0], (values[0] - own.mean()) / own.std())
    assert (found[1] == 0).all()
    assert np.isnan(found[2]).all()
    assert np.isnan(z_scores(values, np.zeros(30, dtype=bool))).all()


def test_limits_are_the_99th_percentile_off_the_diagonal() -> None:
    matrix = RNG.normal(size=(9, 9))
    matrix += matrix.T
    pairs = matrix[np.triu_indices(9, k=1)]
    np.fill_diagonal(matrix, 1e6)
    high = np.percentile(np.abs(np.concatenate([pairs, pairs])), 99)
    assert symmetric_limits(matrix) == pytest.approx((-high, high))
    assert symmetric_limits(np.full((2, 2), np.nan)) == (-1, 1)


def test_a_strategy_has_volumes_motion_regressors_and_their_correlations() -> None:
    kept = np.ones(20, dtype=bool)
    kept[3] = False
    fd = np.r_[np.nan, RNG.uniform(0, 1, 19)]
    regressors = {"a": RNG.normal(size=20), "cosine00": RNG.normal(size=20)}
    confounds = {"a": regressors["a"], "csf": RNG.normal(size=20)}
    found = strategy_data(
        "mine",
        kept,
        t_r=2.0,
        motion={"FD (mm)": fd},
        thresholds={"FD (mm)": 0.5},
        regressors=regressors,
        confounds=confounds,
    )
    assert (found["strategy"], found["volumes"], found["t_r"]) == ("mine", 20, 2.0)
    np.testing.assert_array_equal(unpack(found["kept"]), kept)
    (curve,) = found["motion"]
    assert curve["threshold"] == 0.5
    np.testing.assert_array_equal(unpack(curve["values"]), np.round(fd, 3))
    assert found["names"] == ["a", "cosine00"]
    shown = unpack(found["regressors"])
    own = regressors["a"][kept]
    np.testing.assert_allclose(shown[0], (regressors["a"] - own.mean()) / own.std(), atol=0.0501)
    r = np.corrcoef(confounds["a"], confounds["csf"])[0, 1]
    assert found["confounds"]["names"] == ["a", "csf"]
    np.testing.assert_allclose(unpack(found["confounds"]["values"]), [1, round(r, 2), 1])
    bare = strategy_data(
        "none", kept, t_r=None, motion={}, thresholds={}, regressors={}, confounds={}
    )
    assert (bare["names"], bare["confounds"]) == ([], None)


def test_an_atlas_has_its_table_places_and_pictures() -> None:
    table = pd.DataFrame(
        {
            "index": [3, 7],
            "name": ["b", "a"],
            "network": ["y", "n/a"],
            "coverage": [0.986, np.nan],
            "status": ["ok", "absent-from-image"],
        }
    )
    regions = np.array([[0, 1], [2, 300]])
    plane = Plane(0, -4.5, -10, 10, 20, -20)
    panel = Panel("x = −4 mm", 1, ("P", "A"), regions, np.array([[0, 255]], "u1"), plane)
    geometry = RegionGeometry(
        np.array([4, 0]), np.array([32.0, 0]), np.array([[1.25, 2, 3], [np.nan] * 3])
    )
    found = atlas_data("A", table, [panel], geometry, threshold=0.5, element="voxel")
    shown = found["regions"]
    assert shown["index"] == [3, 7]
    assert shown["coverage"] == [0.99, None]
    assert shown["status"] == ["ok", "absent-from-image"]
    assert (shown["size"], shown["volume"]) == ([4, 0], [32, 0])
    assert shown["centre"] == [[1.2, 2, 3], None]
    assert found["order"] == [0, 1]
    assert [name for name, _ in found["networks"]] == ["y", "no network"]
    back = panel_from(found["panels"][0])
    np.testing.assert_array_equal(back.regions, regions)
    np.testing.assert_array_equal(back.background, panel.background)
    assert (back.title, back.row, back.marks, back.plane) == ("x = −4 mm", 1, ("P", "A"), plane)


def test_series_are_scored_by_region_and_power_is_a_logarithm() -> None:
    series = RNG.normal(100, 5, (30, 3))
    series[:, 1] = np.nan
    frequencies, power = np.array([0.011111, 0.02]), np.array([20.0, 0.0])
    found = signals_data("A", "mean", series, (frequencies, power))
    shown = unpack(found["series"])
    expected = (series - series.mean(axis=0)) / series.std(axis=0)
    np.testing.assert_allclose(shown, expected.T, atol=0.0501)
    assert found["spectrum"]["frequencies"] == [0.01111, 0.02]
    np.testing.assert_allclose(unpack(found["spectrum"]["power"]), [1.3, -9])
    assert results_data("A", "mean", "x", None, [])["series"] is None


def test_a_matrix_is_ordered_by_network_and_rounded_to_two_decimals() -> None:
    matrix = np.corrcoef(RNG.normal(size=(4, 20)))
    found = matrix_data(
        matrix,
        ["b", "a", "b", "n/a"],
        measure="partial-correlation",
        words="Partial correlation",
        file=Path("sub-01/func/x.tsv"),
    )
    order = [0, 2, 1, 3]
    assert (found["order"], found["limits"], found["note"]) == (order, (-1, 1), "")
    np.testing.assert_allclose(unpack_matrix(found), np.round(matrix[np.ix_(order, order)], 2))
    wide = matrix_data(1e4 * matrix, None, measure="covariance", words="c", file=Path("x"))
    np.testing.assert_allclose(unpack_matrix(wide), 1e4 * matrix, atol=50)
    assert wide["limits"] == pytest.approx(symmetric_limits(1e4 * matrix))


def test_of_many_regions_the_note_says_what_a_cell_is() -> None:
    found = matrix_data(np.eye(1001), None, measure="correlation", words="r", file=Path("x"))
    assert (found["block"], found["size"]) == (3, 334)
    assert found["note"] == (
        "Of 1,001 regions, more than 500, each cell is the mean over pairs of 3 neighbouring "
        "regions; the file has every value."
    )


def test_confounds_are_correlated_over_the_rows_that_all_have() -> None:
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[0, 2] = np.nan
    found = correlate_confounds(np.column_stack([values, np.ones(30)]))
    np.testing.assert_allclose(found[:3, :3], np.corrcoef(values[1:].T))
    assert np.isnan(found[3]).all()


def test_a_confound_that_is_mostly_missing_does_not_take_the_others_with_it() -> None:
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[2:, 1] = np.nan
    found = correlate_confounds(values)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()
    kept = np.corrcoef(values[:, [0, 2]].T)
    np.testing.assert_allclose(found[np.ix_([0, 2], [0, 2])], kept)
    assert np.isnan(correlate_confounds(np.full((5, 2), np.nan))).all()
