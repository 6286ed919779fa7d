"""Matrices of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise import AppliedStrategy
from bids_labelx.extraction.clean import prepare_cleaner
from bids_labelx.participant.matrices import connect_run, exact_rows, exact_sidecar
from bids_labelx.participant.records import (
    Connected,
    Denoised,
    MatrixKey,
    SeriesKey,
    load_record,
    save_record,
)
from bids_labelx.settings import ConnectivityOptions


def denoised(signals: Mapping[SeriesKey, np.ndarray], kept: np.ndarray) -> Denoised:
    applied = AppliedStrategy(
        columns=(),
        regressors=np.empty((len(kept), 0)),
        cleaner=prepare_cleaner(len(kept), sample_mask=kept),
        removed=np.empty((len(kept), 0)),
        effective_degrees_of_freedom=9.0,
        steps=(),
        motion={},
        fd_source=None,
        outliers=pd.DataFrame(),
    )
    return Denoised({key.strategy: applied for key in signals}, {}, signals, {})


def test_matrices_are_made_of_every_series_and_survive_the_disk(tmp_path: Path) -> None:
    series = np.random.default_rng(0).standard_normal((30, 4))
    # A name of a strategy may hold what separates words elsewhere.
    signals = {SeriesKey(0, "mean", "24P/GSR"): series, SeriesKey(1, "sum", "simple"): series}
    connected = connect_run(denoised(signals, np.ones(30, bool)), ConnectivityOptions(), {})
    assert connected.failures == ()
    save_record(tmp_path / "m.pkl", connected)
    back = load_record(tmp_path / "m.pkl", Connected).matrices
    first = MatrixKey(0, "mean", "24P/GSR", "correlation")
    assert set(back) == {first, MatrixKey(1, "sum", "simple", "correlation")}
    np.testing.assert_allclose(back[first], np.corrcoef(series.T))


def test_a_record_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    save_record(tmp_path / "m.pkl", [1, 2])
    with pytest.raises(TypeError, match=r"m\.pkl: expected Denoised, found list"):
        load_record(tmp_path / "m.pkl", Denoised)


def test_a_matrix_of_too_few_volumes_fails_alone_and_names_the_strategy() -> None:
    series = np.random.default_rng(0).standard_normal((2, 4))
    signals = {SeriesKey(i, "mean", "simple"): series for i in range(2)}
    options = ConnectivityOptions(connectivity=("correlation", "covariance"))
    connected = connect_run(denoised(signals, np.ones(2, bool)), options, {})
    assert {key.measure for key in connected.matrices} <= {"covariance"}
    reasons = [one.message for one in connected.failures]
    assert len(reasons) == len(set(reasons))
    assert any("correlation after simple: a correlation needs at least 3" in r for r in reasons)
    assert {one.strategies for one in connected.failures} == {("simple",)}


def test_censored_volumes_count_in_no_matrix_whatever_stands_in_their_rows() -> None:
    series = np.random.default_rng(0).standard_normal((30, 4))
    kept = np.arange(30) % 3 > 0
    expected = np.corrcoef(series[kept].T)
    for rows in (np.nan, 1000.0):
        series[~kept] = rows
        found = connect_run(
            denoised({SeriesKey(0, "mean", "a"): series}, kept), ConnectivityOptions(), {}
        ).matrices
        np.testing.assert_allclose(found[MatrixKey(0, "mean", "a", "correlation")], expected)


def test_matrices_of_the_first_volumes_are_those_of_as_many_kept() -> None:
    series = np.random.default_rng(0).standard_normal((30, 4))
    kept = np.arange(30) % 3 > 0
    options = ConnectivityOptions(exact_volumes=(10, 25))
    found = connect_run(denoised({SeriesKey(0, "mean", "a"): series}, kept), options, {}).matrices
    assert {key.first for key in found} == {None, 10}
    np.testing.assert_allclose(
        found[MatrixKey(0, "mean", "a", "correlation", 10)], np.corrcoef(series[kept][:10].T)
    )


def test_one_draw_serves_every_space_and_atlas_of_a_run_and_no_other_run() -> None:
    options = ConnectivityOptions(exact_volumes=(10,), exact_volumes_from="random", random_seed=5)

    def drawn(**entities: str) -> list[int]:
        rows = exact_rows(options, 100, 10, {"sub": "01", **entities})
        assert rows is not None
        assert exact_sidecar(options, rows)["VolumesUsed"] == rows.tolist()
        return rows.tolist()

    assert drawn(task="a", space="T1w") == drawn(task="a", space="MNI", res="2", atlas="B")
    assert drawn(task="a") != drawn(task="b")
    assert exact_rows(options, 100, None, {}) is None
    assert exact_sidecar(options, None) == {}
