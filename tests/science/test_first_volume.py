"""A table that starts after dummy volumes, against nilearn on the run without these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean
from tiny import AFFINE

from bids_labelx.denoise import read_strategies, table_queries
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.records import Extracted, RunSource, SeriesKey, SignalKey
from bids_labelx.settings import DenoisingOptions

N, T_R = 120, 2.0
STRATEGY = """
[confounds]
wm_csf = "basic"
[[confounds.tables]]
desc = "early"
suffix = "timeseries"
first_volume = 2
columns = ["early"]
[[confounds.tables]]
desc = "late"
suffix = "timeseries"
first_volume = FIRST
columns = ["^late_.$"]
[clean]
detrend = true
"""
SCRUB = "[volumes.scrub]\nfd_threshold = 0.9\nmin_segment = 0\n"
BUTTERWORTH = 'filter = "butterworth"\nhigh_pass = 0.01\nlow_pass = 0.1\n'


def draw(first: int) -> tuple[np.ndarray, dict[str, pd.DataFrame]]:
    rng = np.random.default_rng(first)
    drift = np.cumsum(rng.standard_normal((N, 2)), axis=0) @ rng.standard_normal((2, 4))
    tables = {
        "confounds": pd.DataFrame(rng.standard_normal((N, 2)), columns=["csf", "white_matter"]),
        "early": pd.DataFrame({"early": rng.standard_normal(N - 2)}),
        "late": pd.DataFrame(rng.standard_normal((N - first, 2)), columns=["late_a", "late_b"]),
    }
    # Dummy volumes are brighter than any other.
    signals = 100 + drift + rng.standard_normal((N, 4))
    signals[:first] += 50
    displacement = rng.random(N)
    displacement[[first, first + 1, first + 30, N - 1]] = 0.95
    tables["confounds"]["framewise_displacement"] = displacement
    return signals, tables


def denoised(
    folder: Path, text: str, signals: np.ndarray, tables: Mapping[str, pd.DataFrame]
) -> np.ndarray:
    (folder / "mine.toml").write_text(text)
    strategies = read_strategies([folder / "mine.toml"])
    paths = {name: folder / f"{name}.tsv" for name in tables}
    for name, path in paths.items():
        tables[name].to_csv(path, sep="\t", index=False)
    found = {query: paths[query.desc] for query in table_queries(strategies)}
    source = RunSource(folder / "bold.nii", confounds=paths["confounds"], t_r=T_R, tables=found)
    extracted = Extracted({SignalKey(0, "mean"): signals}, (), np.zeros(AFFINE.shape))
    done = denoise_signals(extracted, source, strategies, DenoisingOptions())
    return done.signals[SeriesKey(0, "mean", "mine")]


@pytest.mark.parametrize("first", [3, 8])
@pytest.mark.parametrize("scrubbed", [False, True])
@pytest.mark.parametrize("filtered", [False, True])
def test_series_are_those_of_the_run_without_its_dummy_volumes(
    first: int, scrubbed: bool, filtered: bool, tmp_path: Path
) -> None:
    signals, tables = draw(first)
    text = STRATEGY.replace("FIRST", str(first)) + BUTTERWORTH * filtered + SCRUB * scrubbed
    ours = denoised(tmp_path, text, signals, tables)
    cut, regressors = signals[first:], [tables["confounds"].iloc[first:, :2], tables["late"]]
    columns = np.column_stack([*regressors, tables["early"][first - 2 :]])
    moved = tables["confounds"]["framewise_displacement"].to_numpy()[first:] > 0.9
    kept = ~moved if scrubbed else np.ones(len(cut), bool)
    options: dict[str, Any] = {"t_r": T_R, "detrend": True, "standardize": None, "filter": False}
    if not filtered:
        expected = clean(cut, confounds=columns, sample_mask=np.flatnonzero(kept), **options)
        np.testing.assert_allclose(ours, expected, atol=1e-9)
        return
    # Straight lines over what is censored, from the first volume kept to the last.
    places = np.flatnonzero(kept)
    whole = np.arange(places[0], places[-1] + 1)

    def filled(series: np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(whole, places, one[kept]) for one in series.T])

    options |= {"filter": "butterworth", "high_pass": 0.01, "low_pass": 0.1}
    options |= {"butterworth__order": 2, "butterworth__padtype": "constant"}
    options |= {"butterworth__padlen": len(whole) - 1}
    series, known = (clean(filled(one), **options)[kept[whole]] for one in (cut, columns))
    known = known - known.mean(axis=0)
    expected = series - known @ np.linalg.lstsq(known, series, rcond=None)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-9)
