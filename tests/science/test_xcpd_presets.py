"""Presets called as XCP-D's and files made for it, beside its procedure written from its parts.

XCP-D is in no package registry. What stands here was compared with its own functions
(`denoise_with_nilearn`, `GenerateConfounds`, `filter_motion`) at release 26.1.1.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn.signal import butterworth
from scipy.interpolate import CubicSpline
from scipy.signal import butter, detrend, filtfilt, iirnotch

from bids_labelx.app.participant import run_participants
from bids_labelx.denoise import Strategy, read_strategies, select, with_datasets
from bids_labelx.files import read_json
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.records import Extracted, RunSource, SeriesKey, SignalKey
from bids_labelx.settings import DenoisingOptions, Settings

T_R, N_VOLUMES, DUMMIES = 1.5, 220, 3
MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
TISSUE = ["global_signal", "csf", "white_matter"]
TAILS = ["", "_derivative1", "_power2", "_derivative1_power2"]
COMPCOR = [f"{mask}_comp_cor_{i:02d}" for mask in "wc" for i in range(5)]
COSINES = ["cosine00", "cosine01", "cosine02"]
AROMA = ["aroma_orth_motion_01", "aroma_orth_motion_07"]


def expanded(names: list[str], tails: list[str] = TAILS) -> list[str]:
    return [name + tail for name in names for tail in tails]


# Columns of its files in ``xcp_d/data/nuisance``.
COLUMNS = {
    "24P": expanded(MOTION),
    "27P": [*expanded(MOTION), *TISSUE],
    "36P": [*expanded(MOTION), *expanded(TISSUE)],
    "36P+scrubbing": [*expanded(MOTION), *expanded(TISSUE)],
    "acompcor": [*expanded(MOTION, TAILS[:2]), *COMPCOR, *COSINES],
    "acompcor_gsr": [*expanded(MOTION, TAILS[:2]), "global_signal", *COMPCOR, *COSINES],
    "aroma": ["csf", "white_matter", *AROMA],
    "aroma_gsr": ["csf", "white_matter", "global_signal", *AROMA],
    "gsr_only": ["global_signal"],
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Confounds in fMRIPrep's units: millimetres, radians, and signals of some hundreds."""
    rng = np.random.default_rng(3)
    motion = rng.normal(scale=0.03, size=(N_VOLUMES, 6)).cumsum(axis=0)
    # Censored volumes at the end, at the start, and in between.
    for volume in (4, 60, 61, 62, 100, 150, 151, 152, 153, 154, 218, 219):
        motion[volume:, 0] += 0.5
    motion[:, 3:] /= 50
    columns = dict(zip(MOTION, motion.T, strict=True))
    slow = rng.normal(size=(N_VOLUMES, 3)).cumsum(axis=0)
    columns |= dict(zip(TISSUE, (500 + slow + rng.normal(size=(N_VOLUMES, 3))).T, strict=True))
    frame = pd.DataFrame(columns)
    for name in list(frame):
        frame[f"{name}_derivative1"] = frame[name].diff()
    for name in list(frame):
        frame[f"{name}_power2"] = frame[name] ** 2
    for name in (*COMPCOR, *AROMA):
        frame[name] = rng.normal(size=N_VOLUMES)
    time = (np.arange(N_VOLUMES - DUMMIES) + 0.5) / (N_VOLUMES - DUMMIES)
    for i, name in enumerate(COSINES):
        frame[name] = np.concatenate([np.zeros(DUMMIES), np.cos(np.pi * (i + 1) * time)])
    for i in range(DUMMIES):
        frame[f"non_steady_state_outlier{i:02d}"] = (np.arange(N_VOLUMES) == i).astype(float)
    frame["framewise_displacement"] = fd_of(frame[MOTION].to_numpy())
    return frame


def fd_of(motion: np.ndarray) -> np.ndarray:
    moved = np.abs(np.diff(motion, axis=0)) * [1, 1, 1, 50, 50, 50]
    return np.concatenate([[np.nan], moved.sum(axis=1)])


@pytest.fixture(scope="module")
def signals(table: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(4)
    shared = table[[*expanded(MOTION), *TISSUE]].fillna(0)
    shared = (shared - shared.mean()) / shared.std()
    mixed = shared.to_numpy() @ rng.normal(size=(shared.shape[1], 20))
    drift = np.linspace(0, 20, N_VOLUMES)[:, np.newaxis]
    return 1000 + mixed + drift + 3 * rng.normal(size=mixed.shape).cumsum(axis=0)


def xcpd(signals: np.ndarray, confounds: np.ndarray, outliers: np.ndarray) -> np.ndarray:
    """Dummies out; censored volumes by spline, held at the ends; detrend, filter, regress."""
    confounds = np.nan_to_num(confounds)[DUMMIES:]
    signals, outliers = signals[DUMMIES:], outliers[DUMMIES:]
    both = [prepared(columns, ~outliers) for columns in (signals, confounds)]
    kept, regressors = (columns[~outliers] for columns in both)
    return kept - regressors @ np.linalg.lstsq(regressors, kept, rcond=None)[0]


def prepared(columns: np.ndarray, keep: np.ndarray) -> np.ndarray:
    time = np.flatnonzero(keep)
    if not keep.all():
        where = np.arange(len(keep)).clip(time[0], time[-1])
        filled = CubicSpline(time, columns[time])(where)
        columns = np.where(keep[:, np.newaxis], columns, filled)
    return butterworth(
        detrend(columns, axis=0),
        sampling_rate=1 / T_R,
        low_pass=0.08,
        high_pass=0.01,
        order=2,
        padtype="constant",
        padlen=len(columns) - 1,
    )


def ours(strategy: Strategy, signals: np.ndarray, folder) -> np.ndarray:
    key = SignalKey(0, "mean")
    source = RunSource(
        bold=folder / "bold.nii.gz", confounds=folder / "confounds.tsv", t_r=T_R, desc="preproc"
    )
    extracted = Extracted({key: signals}, (), np.empty(0))
    # Without the dataset aroma its columns are looked for in the confounds table.
    strategies = with_datasets([strategy], ["preprocessed"])
    denoised = denoise_signals(extracted, source, strategies, DenoisingOptions())
    return denoised.signals[SeriesKey(*key, strategy.name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("run")
    table.to_csv(path / "confounds.tsv", sep="\t", index=False, na_rep="n/a", float_format="%.17g")
    about = {"w": "WM", "c": "CSF"}
    compcor = ",".join(
        f'"{name}": {{"Method": "aCompCor", "Mask": "{about[name[0]]}"}}' for name in COMPCOR
    )
    (path / "confounds.json").write_text(f"{{{compcor}}}")
    return path


@pytest.mark.parametrize("name", COLUMNS)
def test_the_preset_gives_the_series_and_edges_of_xcpd(name, table, signals, folder):
    (strategy,) = read_strategies([name])
    fd = table["framewise_displacement"].to_numpy()
    outliers = fd > (0.3 if name == "36P+scrubbing" else np.inf)
    expected = xcpd(signals, table[COLUMNS[name]].to_numpy(), outliers)
    found = ours(strategy, signals, folder)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.std())
    np.testing.assert_allclose(np.corrcoef(found.T), np.corrcoef(expected.T), rtol=0, atol=1e-6)
    # The regressors matter, or this would prove nothing.
    nothing = prepared(signals[DUMMIES:], ~outliers[DUMMIES:])[~outliers[DUMMIES:]]
    assert np.abs(np.corrcoef(nothing.T) - np.corrcoef(expected.T)).max() > 0.01


# Regressors of the presets as a file for XCP-D may have them, whose other columns are names.
PATTERNS = {
    "24P": (),
    "36P": (),
    "acompcor": ("^[wc]_comp_cor_0[0-4]$", r"^cosine\d+$"),
}


def xcpd_file(path: Path, columns: list[str]) -> Path:
    """A file for XCP-D with these columns of the confounds table."""
    lines = ["confounds:", "  all:", "    dataset: preprocessed", "    query:"]
    lines += ["      space: null", "      desc: confounds", "      suffix: timeseries"]
    lines += ["      extension: .tsv", "    columns:", *(f"    - {name}" for name in columns)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", PATTERNS)
def test_a_file_of_xcpd_gives_the_series_of_xcpd_and_of_our_preset(
    name, table, signals, folder, tmp_path
):
    plain = [column for column in COLUMNS[name] if column not in (*COMPCOR, *COSINES)]
    file = xcpd_file(tmp_path / "own.yml", [*plain, *PATTERNS[name]])
    strategy, preset = read_strategies([file, name])
    chosen = select(strategy, table, N_VOLUMES, source="confounds.tsv", t_r=T_R)
    assert sorted(chosen.columns) == sorted(COLUMNS[name])
    found = ours(strategy, signals, folder)
    expected = xcpd(signals, table[COLUMNS[name]].to_numpy(), np.zeros(N_VOLUMES, bool))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.std())
    of_preset = ours(preset, signals, folder)
    np.testing.assert_allclose(found, of_preset, rtol=0, atol=1e-9 * expected.std())


AROMA_FILE = """
  components:
    dataset: aroma
    query: {space: null, desc: aroma, suffix: timeseries, extension: .tsv}
    columns:
    - ^aroma_orth_motion_.*$
"""


@pytest.mark.parametrize("name", ["24P", "aroma"])
def test_a_file_of_xcpd_is_a_strategy_of_the_command(name, tmp_path, add_run, atlas_dataset):
    bold = add_run(tmp_path / "ds")
    columns = [column for column in COLUMNS[name] if column not in AROMA]
    file, datasets = xcpd_file(tmp_path / "own.yml", columns), ()
    if name == "aroma":
        file.write_text(file.read_text() + AROMA_FILE)
        datasets = (f"aroma={tmp_path / 'aroma'}",)
        add_run(tmp_path / "aroma")
        table = tmp_path / "aroma" / bold.parent.relative_to(tmp_path / "ds")
        components = np.random.default_rng(6).normal(size=(40, 3))
        frame = pd.DataFrame(components, columns=[*AROMA, "aroma_motion_01"])
        path = table / "sub-01_task-rest_desc-aroma_timeseries.tsv"
        frame.to_csv(path, sep="\t", index=False)
    settings = Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        datasets=datasets,
        atlas_dataset=atlas_dataset,
        denoise=(name, str(file)),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    found = {
        label: next((tmp_path / "out").rglob(f"*_desc-{label}_timeseries.tsv"))
        for label in (name, "own")
    }
    taken = [read_json(path.with_suffix(".json"))["ConfoundRegressors"] for path in found.values()]
    assert sorted(taken[0]) == sorted(taken[1]) == sorted(COLUMNS[name])
    pd.testing.assert_frame_equal(*map(pd.read_table, found.values()), rtol=1e-6)


def filtered(motion: np.ndarray, kind: str) -> np.ndarray:
    """XCP-D's `filter_motion` of order 4, at 12 to 18 breaths per minute."""
    if kind == "lp":
        taps = butter(2, 12 / 60, fs=1 / T_R)
    else:
        taps = iirnotch(15 / 60, 15 / 6, fs=1 / T_R)
    return filtfilt(*taps, motion, axis=0, padtype="constant", padlen=len(motion) - 1)


@pytest.mark.parametrize("kind", ["notch", "lp"])
def test_filtered_motion_regressors_are_those_of_xcpd(kind, table):
    (preset,) = read_strategies(["24P"])
    band = {"band_stop_min": 12} | ({"band_stop_max": 18} if kind == "notch" else {})
    strategy = replace(
        preset, confounds={**preset.confounds, "motion_filter": {"type": kind, **band}}
    )
    chosen = select(strategy, table, N_VOLUMES, source="confounds.tsv", t_r=T_R)
    motion = pd.DataFrame(filtered(table[MOTION].to_numpy(), kind), columns=MOTION)
    for name in MOTION:
        motion[f"{name}_derivative1"] = motion[name].diff()
    for name in list(motion):
        motion[f"{name}_power2"] = motion[name] ** 2
    expected = motion.fillna(0)
    assert {name.removesuffix("_filtered") for name in chosen.columns} == set(expected)
    columns = [name.removesuffix("_filtered") for name in chosen.columns]
    np.testing.assert_allclose(chosen.regressors, expected[columns], rtol=0, atol=1e-12)
    assert np.abs(expected[MOTION] - table[MOTION]).to_numpy().max() > 0.01
