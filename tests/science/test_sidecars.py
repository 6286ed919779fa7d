"""Sidecars beside the files that they are of: what they say is what the numbers show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import periodogram

from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

FILTER = '[clean]\nfilter = "butterworth"\nhigh_pass = 0.05\nlow_pass = 0.4\n'
STRATEGIES = {
    "beyond": f"{FILTER}[confounds]\nmotion = 'basic'\n[volumes]\nnon_steady_state = true",
    "percent": '[clean]\nstandardize = "psc"\n[volumes]\nnon_steady_state = 2',
    "scores": f'{FILTER}standardize = "zscore_sample"',
    "gaps": "[volumes.scrub]\nfd_threshold = 0.5\nmin_segment = 0",
    "cosines": "[confounds]\nhigh_pass = true",
    "narrow": '[clean]\nfilter = "butterworth"\nlow_pass = 0.1\nhigh_pass = 0.02',
}


@pytest.fixture
def told(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path
) -> dict[str, tuple[dict[str, Any], np.ndarray]]:
    """The sidecar and the series of each strategy, and of none."""
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    (table,) = root.rglob("*confounds_timeseries.tsv")
    confounds = pd.read_csv(table, sep="\t", na_values="n/a")
    confounds["framewise_displacement"] = 0.1
    confounds.loc[[10, 11, 20], "framewise_displacement"] = 0.9
    confounds.to_csv(table, sep="\t", index=False, na_rep="n/a")
    for name, text in STRATEGIES.items():
        (tmp_path / f"{name}.toml").write_text(text)
    strategies = ("none", *(str(tmp_path / f"{name}.toml") for name in STRATEGIES))
    given: dict[str, Any] = {
        "atlas_dataset": atlas_dataset,
        "nprocs": 1,
        "labels": ("two", "nine"),
    }
    settings = Settings(root, tmp_path / "out", "participant", denoise=strategies, **given)
    assert run_participants(settings) == 0
    found = {}
    for path in (tmp_path / "out").rglob("*_timeseries.tsv"):
        sidecar = json.loads(path.with_suffix(".json").read_text())
        series = pd.read_csv(path, sep="\t", na_values="n/a").to_numpy()
        found[sidecar["DenoisingStrategy"]] = (sidecar, series)
    return found


def test_units_and_mean_are_those_of_the_series(
    told: dict[str, tuple[dict[str, Any], np.ndarray]],
) -> None:
    raw = told["none"][1]
    for sidecar, series in told.values():
        mean = np.abs(series.mean(axis=0) / series.std(axis=0))
        assert sidecar["MeanKept"] == (mean > 1).all() == (not (mean < 0.2).all())
    units = {name: sidecar["Units"] for name, (sidecar, _) in told.items()}
    assert {name for name, unit in units.items() if unit == "z"} == {"scores"}
    np.testing.assert_allclose(told["scores"][1].std(axis=0, ddof=1), 1, rtol=1e-5)
    assert {name for name, unit in units.items() if unit == "percent"} == {"percent"}
    kept = raw[2:]
    expected = 100 * (kept - kept.mean(axis=0)) / kept.mean(axis=0)
    np.testing.assert_allclose(told["percent"][1], expected, atol=1e-4)
    assert set(units.values()) == {"z", "percent", "arbitrary"}


def test_a_low_pass_beyond_nyquist_is_not_told_as_done(
    told: dict[str, tuple[dict[str, Any], np.ndarray]], tmp_path: Path
) -> None:
    sidecar, series = told["beyond"]
    assert (sidecar["RepetitionTime"], sidecar["LowPass"], sidecar["HighPass"]) == (
        2.0,
        None,
        0.05,
    )
    frequencies, power = periodogram(series, fs=0.5, axis=0)
    assert power[frequencies > 0.15].mean() > 20 * power[frequencies < 0.03].mean()
    warning, _ = sidecar["Warnings"]
    assert "low_pass=0.4 is not below the Nyquist frequency" in warning
    assert any("above 0.05 Hz" in step for step in sidecar["Steps"])
    assert not any("0.4 Hz" in step for step in sidecar["Steps"])
    assert warning in (tmp_path / "out" / "sub-01.html").read_text()
    assert any(warning in log.read_text() for log in (tmp_path / "out" / "logs").glob("*.log"))


def test_what_leaves_few_data_warns_of_it_in_sidecar_page_and_log(
    told: dict[str, tuple[dict[str, Any], np.ndarray]], tmp_path: Path
) -> None:
    page = (tmp_path / "out" / "sub-01.html").read_text()
    (log,) = (tmp_path / "out" / "logs").glob("*.log")
    warned = 0
    for name, (sidecar, _) in told.items():
        said = " ".join(sidecar["Warnings"])
        kept, volumes = sidecar["NumberOfVolumesKept"], sidecar["NumberOfVolumes"]
        minutes = f"few data: {kept * 2 / 60:.1f} minutes are left ({kept} of {volumes} volumes)"
        assert minutes in said
        _, _, row = page.partition(f">{name}</th>")
        assert minutes in row.partition("</tr>")[0]
        assert "few data: 1." in log.read_text()
        left = sidecar["EffectiveDegreesOfFreedom"]
        assert ("few degrees of freedom" in said) == (left < max(20, volumes / 4))
        warned += "few degrees of freedom" in said
    # A band of 0.08 Hz of 0.25 Hz leaves a third of 40 volumes at most.
    assert warned == 1


def test_rows_with_gaps_have_no_sampling_frequency(
    told: dict[str, tuple[dict[str, Any], np.ndarray]],
) -> None:
    for name, (sidecar, series) in told.items():
        kept = np.flatnonzero(sidecar["SampleMask"])
        assert len(series) == len(kept)
        even = (np.diff(kept) == 1).all()
        assert sidecar["SamplingFrequency"] == (0.5 if even else "n/a"), name
    assert told["gaps"][0]["SamplingFrequency"] == "n/a"


def test_cosines_of_the_table_are_a_high_pass(
    told: dict[str, tuple[dict[str, Any], np.ndarray]],
) -> None:
    sidecar, _ = told["cosines"]
    assert any(name.startswith("cosine") for name in sidecar["ConfoundRegressors"])
    assert sidecar["HighPass"] == pytest.approx(1 / 128)
    assert told["none"][0]["HighPass"] is None
