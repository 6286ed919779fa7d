"""Effective degrees of freedom beside the spread of correlations of null series."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from bids_labelx.denoise import preset_names, read_strategies, with_datasets
from bids_labelx.extraction.clean import prepare_cleaner
from bids_labelx.extraction.freedom import effective_degrees_of_freedom
from bids_labelx.names import FIRST_DATASET
from bids_labelx.participant.denoise_run import denoise_signals
from bids_labelx.participant.records import Extracted, RunSource, SeriesKey, SignalKey
from bids_labelx.settings import DenoisingOptions

T_R, N_VOLUMES, N_SERIES = 2.0, 160, 500
SERIES = SignalKey(0, "mean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Smooth confounds, as real ones are: much of them lies below the pass band's end."""
    rng = np.random.default_rng(0)
    smooth = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    names += ["global_signal", "csf", "white_matter"]
    table = pd.DataFrame(
        {
            name: np.convolve(rng.normal(size=N_VOLUMES), smooth, "same") * 0.05
            + 0.01 * rng.normal(size=N_VOLUMES)
            for name in names
        }
    )
    for name in names:
        table[f"{name}_derivative1"] = table[name].diff()
    for name in list(table):
        table[f"{name}_power2"] = table[name] ** 2
    about = {}
    for prefix, mask in (("w", "WM"), ("c", "CSF"), ("a", "combined")):
        for i in range(5):
            name = f"{prefix}_comp_cor_{i:02d}"
            table[name] = np.convolve(rng.normal(size=N_VOLUMES), smooth, "same")
            share = (i + 1) / 10
            about[name] = {
                "Method": "aCompCor",
                "Mask": mask,
                "CumulativeVarianceExplained": share,
            }
    time = (np.arange(N_VOLUMES) + 0.5) / N_VOLUMES
    for i in range(4):
        table[f"cosine{i:02d}"] = np.cos(np.pi * (i + 1) * time)
    for i in range(12):
        table[f"aroma_motion_{i:02d}"] = rng.normal(size=N_VOLUMES)
        table[f"aroma_orth_motion_{i:02d}"] = rng.normal(size=N_VOLUMES)
    moved = np.full(N_VOLUMES, 0.1)
    moved[[20, 21, 22, 50, 90, 91, 92, 93, 94, 95, 130]] = 0.9
    table["framewise_displacement"] = moved
    table["std_dvars"] = 1.0
    path = tmp_path_factory.mktemp("run")
    table.to_csv(path / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    pd.Series(about).to_json(path / "confounds.json")
    return path


def null_correlations(name: str, folder) -> tuple[float, float]:
    """1 / var(r) + 1 of independent series, and the figure that the app gives."""
    (strategy,) = with_datasets(read_strategies([name]), [FIRST_DATASET])
    series = np.random.default_rng(1).normal(size=(N_VOLUMES, N_SERIES))
    image = series
    if name == "icaaroma":
        table = pd.read_csv(folder / "confounds.tsv", sep="\t")
        noise = table.filter(regex="^aroma_motion").to_numpy()
        image = series - noise @ np.linalg.lstsq(noise, series, rcond=None)[0]
    desc = "smoothAROMAnonaggr" if name == "icaaroma" else "preproc"
    source = RunSource(
        bold=folder / "bold.nii.gz", confounds=folder / "confounds.tsv", t_r=T_R, desc=desc
    )
    extracted = Extracted({SERIES: image}, (), np.empty(0))
    denoised = denoise_signals(extracted, source, [strategy], DenoisingOptions())
    cleaned = denoised.signals[SeriesKey(*SERIES, name)]
    r = np.corrcoef(cleaned.T)[np.triu_indices(N_SERIES, 1)]
    return 1 / np.mean(r**2) + 1, denoised.applied[name].effective_degrees_of_freedom


def test_they_are_what_the_spread_of_null_correlations_says_in_the_same_order(folder):
    # What XCP-D has denoised is taken as it is.
    names = [name for name in preset_names() if name != "denoised"]
    pairs = {name: null_correlations(name, folder) for name in names}
    for name, (spread, found) in pairs.items():
        assert found == pytest.approx(spread, rel=0.2), name
    # Those that differ by more than the simulation's own error have the order of the spreads.
    ordered = sorted(pairs.values())
    for (low, first), (high, second) in itertools.pairwise(ordered):
        assert first < second or high < 1.05 * low
    assert len({round(spread) for spread, _ in pairs.values()}) > 8


@pytest.mark.parametrize("rows", [None, np.arange(25), np.array([0, 3, 4, 19, 33])])
def test_they_are_traces_of_the_whole_operator(rows):
    rng = np.random.default_rng(2)
    keep = np.ones(60, bool)
    keep[[0, 1, 20, 21, 22, 40]] = False
    options = {
        "confounds": rng.normal(size=(60, 3)),
        "sample_mask": keep,
        "t_r": 2.0,
        "filter": "butterworth",
        "low_pass": 0.1,
        "detrend": True,
        "interpolation": "linear",
    }
    cleaner = prepare_cleaner(60, **options)
    operator = np.column_stack([cleaner(unit[:, np.newaxis])[:, 0] for unit in np.eye(60)])
    used = operator if rows is None else operator[rows]
    used = used - used.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(used @ used.T)
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    found = effective_degrees_of_freedom(cleaner, rows=rows)
    assert found == pytest.approx(expected, rel=1e-9)


def test_without_a_filter_they_count_dimensions():
    confounds = np.random.default_rng(5).normal(size=(50, 7))
    assert effective_degrees_of_freedom(prepare_cleaner(50)) == pytest.approx(49)
    cleaner = prepare_cleaner(50, confounds=confounds)
    assert effective_degrees_of_freedom(cleaner) == pytest.approx(42)
    everything = np.random.default_rng(6).normal(size=(50, 50))
    assert effective_degrees_of_freedom(prepare_cleaner(50, confounds=everything)) == 0
