"""What padding a run and bridging censored volumes do to the correlations of filtered signals.

The judge is the same run with nothing missing: what came before its start and after its end, or
what stands in the censored volumes, is known here and hidden from the filter.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from bids_labelx.denoise import Strategy
from bids_labelx.extraction.clean import clean

T_R = 2.0
BAND = {"filter": "butterworth", "low_pass": 0.08, "high_pass": 0.01, "detrend": True}
DEFAULTS = Strategy("mine", "", {}, {}, BAND).cleaning


def autoregressive(n_volumes: int, seed: int, *, memory: float = 0.5) -> np.ndarray:
    """Series of 30 regions that share five sources and forget by `memory` a volume."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(n_volumes + 100, 5)) @ rng.normal(size=(5, 30))
    white += 1.5 * rng.normal(size=white.shape)
    return lfilter([1], [1, -memory], white, axis=0)[100:]


def edges(columns: np.ndarray) -> np.ndarray:
    return np.corrcoef(columns.T)[np.triu_indices(columns.shape[1], 1)]


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))


@pytest.mark.parametrize("n_volumes", [120, 240])
def test_the_padding_of_strategies_moves_edges_half_as_much_as_scipys(n_volumes):
    errors: dict[str, list[float]] = {"odd": [], "default": []}
    for seed in range(12):
        whole = autoregressive(n_volumes + 400, seed)
        run = slice(200, 200 + n_volumes)
        truth = edges(clean(whole, t_r=T_R, **DEFAULTS)[run])
        odd = {**DEFAULTS, "butterworth": {"order": 2}}
        errors["odd"].append(rms(edges(clean(whole[run], t_r=T_R, **odd)) - truth))
        errors["default"].append(rms(edges(clean(whole[run], t_r=T_R, **DEFAULTS)) - truth))
    assert np.mean(errors["default"]) < 0.6 * np.mean(errors["odd"])
    assert np.mean(errors["default"]) < 0.04


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("length", [1, 3, 10, 20])
def test_straight_lines_over_censored_volumes_move_edges_less_than_a_spline(length, memory):
    errors: dict[str, list[float]] = {"spline": [], "linear": []}
    keep = np.ones(300, bool)
    for start in np.linspace(20, 270 - length, 30 // length if length < 20 else 2).astype(int):
        keep[start : start + length] = False
    for seed in range(8):
        run = autoregressive(300, seed, memory=memory)
        truth = edges(clean(run, t_r=T_R, **DEFAULTS)[keep])
        for interpolation, found in errors.items():
            options = {**DEFAULTS, "interpolation": interpolation, "sample_mask": keep}
            found.append(rms(edges(clean(run, t_r=T_R, **options)) - truth))
    assert np.mean(errors["linear"]) < 0.95 * np.mean(errors["spline"])
    assert np.mean(errors["linear"]) < 0.045


def test_a_spline_overshoots_a_long_gap_and_straight_lines_do_not():
    run = autoregressive(300, 0)
    keep = np.ones(300, bool)
    keep[100:140] = False
    filled = {
        how: clean(
            run, t_r=T_R, **{**DEFAULTS, "interpolation": how}, sample_mask=keep,
            censored="interpolate",
        )[~keep]
        for how in ("spline", "linear")
    }  # fmt: skip
    spread = clean(run, t_r=T_R, **DEFAULTS).std()
    assert np.abs(filled["spline"]).max() > 5 * spread
    assert np.abs(filled["linear"]).max() < 5 * spread


@pytest.mark.parametrize("filtered", [{}, BAND])
def test_censored_rows_of_the_output_are_on_straight_lines(filtered: dict[str, object]) -> None:
    run = autoregressive(120, 1)
    keep = np.ones(120, bool)
    keep[40:60] = False
    options = Strategy("mine", "", {}, {}, filtered).cleaning
    rows = clean(run, t_r=T_R, sample_mask=keep, censored="interpolate", **options)
    kept = np.flatnonzero(keep)
    lines = [np.interp(np.arange(120), kept, column[keep]) for column in run.T]
    expected = clean(np.transpose(lines), t_r=T_R, **options)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-9)
