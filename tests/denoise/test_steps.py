"""What was done, in the words of the sidecar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise import Strategy, cleaning_steps, select
from bids_labelx.extraction.clean import prepare_cleaner

N_VOLUMES = 60


def steps(clean: dict[str, Any], *, censored: str = "drop", scrub: bool = True) -> list[str]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"csf": rng.normal(size=N_VOLUMES), "trans_x": rng.normal(size=N_VOLUMES)}
    )
    table["framewise_displacement"] = 0.1
    table.loc[[20, 21, 59], "framewise_displacement"] = 0.9
    volumes = {"non_steady_state": 2}
    if scrub:
        volumes["scrub"] = {"fd_threshold": 0.5, "min_segment": 0}
    strategy = Strategy("mine", "", {"columns": ["csf", "trans_x"]}, volumes, clean)
    chosen = select(strategy, table, N_VOLUMES, source="c.tsv")
    cleaner = prepare_cleaner(
        N_VOLUMES,
        confounds=chosen.regressors,
        sample_mask=chosen.kept,
        t_r=2.0,
        dummy=2,
        censored=censored,
        **strategy.cleaning,
    )
    return cleaning_steps(cleaner, chosen)


REGRESSED = (
    "2 confounds, cleaned in the same way, regressed out by least squares over the kept volumes"
)
BAND = {"filter": "butterworth", "high_pass": 0.01, "low_pass": 0.1, "detrend": True}
PASSED = "passed by a Butterworth filter, forwards and backwards"


def test_without_a_filter_censored_volumes_go_first() -> None:
    assert steps({"detrend": True}) == [
        "2 dummy volumes removed",
        "3 censored volumes removed",
        "mean and linear trend removed",
        REGRESSED,
    ]
    filled = "3 censored volumes interpolated by straight lines, those at the ends cut off"
    assert steps({}, censored="interpolate")[-1] == filled
    assert steps({}, scrub=False) == ["2 dummy volumes removed", REGRESSED]


def test_with_a_filter_they_are_interpolated_until_after_it() -> None:
    assert steps(BAND) == [
        "2 dummy volumes removed",
        "3 censored volumes interpolated by straight lines, those at the ends cut off",
        "mean and linear trend removed",
        f"frequencies from 0.01 to 0.1 Hz {PASSED}",
        "3 censored volumes removed",
        REGRESSED,
    ]
    held = steps({**BAND, "interpolation": "spline", "censored_ends": "hold"})
    assert held[1] == (
        "3 censored volumes interpolated by a cubic spline, "
        "those at the ends held at the nearest kept volume"
    )
    assert "3 censored volumes removed" not in steps(BAND, censored="interpolate")


def test_a_cutoff_that_was_left_out_is_not_told() -> None:
    with pytest.warns(UserWarning, match="there is nothing above it to remove"):
        assert f"frequencies above 0.01 Hz {PASSED}" in steps({**BAND, "low_pass": 0.3})
    assert steps({"filter": "cosine", "high_pass": 0.02})[-1].startswith(
        "2 confounds and cosine drifts up to 0.02 Hz, cleaned"
    )
