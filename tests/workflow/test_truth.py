"""Strategies on signals whose truth is known: motion, drift and spikes on top of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from bids_labelx.denoise import read_strategies
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.records import Extracted, RunSource, SeriesKey, SignalKey
from bids_labelx.settings import DenoisingOptions

N_VOLUMES, T_R, N_REGIONS = 300, 2.0, 12


@pytest.fixture(scope="module")
def study() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The truth, the measured signals (n_volumes, n_regions), and the confounds."""
    rng = np.random.default_rng(5)
    band = signal.butter(3, [0.01, 0.08], "bandpass", output="sos", fs=1 / T_R)
    truth = signal.sosfiltfilt(band, rng.standard_normal((N_VOLUMES, N_REGIONS)), axis=0)
    truth /= truth.std(axis=0)

    jumps = rng.choice(np.arange(10, N_VOLUMES - 10), 14, replace=False)
    steps = 0.02 * rng.standard_normal((N_VOLUMES, 6))
    steps[jumps] += rng.choice([-0.4, 0.4], (14, 6))
    motion = steps.cumsum(axis=0) - np.linspace(0, 1, N_VOLUMES)[:, None] * steps.sum(axis=0)
    motion[:, 3:] /= 50
    columns = {}
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    tissue = signal.sosfiltfilt(band, rng.standard_normal((N_VOLUMES, 3)), axis=0) * 3
    for name, series in zip(
        [*names, "csf", "white_matter", "global_signal"], [*motion.T, *tissue.T], strict=True
    ):
        change = np.diff(series, prepend=np.nan)
        columns |= {name: series, f"{name}_derivative1": change}
        columns |= {f"{name}_power2": series**2, f"{name}_derivative1_power2": change**2}
    time = np.arange(N_VOLUMES) + 0.5
    for k in range(int(2 * N_VOLUMES * T_R / 128)):
        columns[f"cosine{k:02d}"] = np.cos(np.pi * (k + 1) * time / N_VOLUMES)
    change = np.abs(np.diff(motion, axis=0, prepend=np.nan))
    columns["framewise_displacement"] = change[:, :3].sum(axis=1) + 50 * change[:, 3:].sum(axis=1)
    columns["std_dvars"] = np.r_[np.nan, 1 + 0.05 * rng.random(N_VOLUMES - 1)]
    table = pd.DataFrame(columns)

    def zscored(values: np.ndarray) -> np.ndarray:
        return np.nan_to_num((values - values.mean(axis=0)) / values.std(axis=0))

    def mixed(values: np.ndarray, size: float) -> np.ndarray:
        return size * zscored(values) @ rng.standard_normal((values.shape[1], N_REGIONS))

    measured = truth + mixed(motion, 0.5) + mixed(tissue[:, :2], 0.7)
    measured += mixed(np.column_stack([time, time**2]), 1.0)
    # Spikes that no regressor describes.
    measured[jumps] += 12 * rng.standard_normal((14, N_REGIONS))
    return truth, 500 + 3 * measured, table


def agreement(name: str, study: tuple, folder: Path) -> float:
    """Mean correlation of the cleaned regions with the truth, over the volumes kept."""
    truth, measured, table = study
    path = folder / "c.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    source = RunSource(folder / "bold.nii.gz", confounds=path, t_r=T_R)
    extracted = Extracted({SignalKey(0, "mean"): measured}, (), np.zeros((1, 1, 1)))
    denoised = denoise_signals(extracted, source, read_strategies([name]), DenoisingOptions())
    kept = denoised.applied[name].kept
    ours = denoised.signals[SeriesKey(0, "mean", name)]
    rows = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T, truth[kept].T, strict=True)]
    return float(np.mean(rows))


def test_each_strategy_comes_closer_to_the_truth_than_the_simpler_ones(
    study: tuple, tmp_path: Path
) -> None:
    ladder = ["none", "24P", "simple", "scrubbing.5"]
    found = [agreement(name, study, tmp_path) for name in ladder]
    assert found[0] < found[1] < found[2] < found[3], dict(zip(ladder, found, strict=True))
    # What is left to the truth is what the same regressors take of it where there is no noise.
    truth, _, table = study
    ceiling = agreement("scrubbing.5", (truth, truth, table), tmp_path)
    assert found[3] > 0.98 * ceiling


def test_scrubbing_before_a_band_pass_comes_closer_than_the_band_pass_alone(
    study: tuple, tmp_path: Path
) -> None:
    found = [agreement(name, study, tmp_path) for name in ("24P", "36P", "36P+scrubbing")]
    assert found[0] < found[1] < found[2]
