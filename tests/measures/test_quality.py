from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import periodogram

from bids_labelx.measures.quality import (
    coverage_table,
    mean_temporal_snr,
    motion_summary,
    power_spectrum,
    qc_row,
)


def test_every_status_has_its_own_reason() -> None:
    table = pd.DataFrame(
        {
            "index": range(1, 8),
            "name": list("abcdefg"),
            "voxels_atlas": [0, 5, 9, 10, 10, 10, 40],
            "voxels_in_view": [0, 5, 9, 10, 10, 10, 10],
            "voxels_grid": [0, 0, 4, 10, 20, 10, 10],
        }
    )
    found = coverage_table(
        table,
        voxels_in_mask=np.array([0, 0, 0, 4, 11, 10, 10]),
        voxels_covered=np.array([0, 0, 0, 4, 10, 10, 9]),
        min_coverage=0.5,
    )
    assert found["status"].tolist() == [
        "absent-from-image",
        "lost-in-resampling",
        "outside-mask",
        "low-coverage",
        "ok",
        "ok",
        "low-coverage",
    ]
    np.testing.assert_array_equal(found["coverage"], [np.nan, 0, 0, 0.4, 0.5, 1, 0.225])
    assert found["name"].tolist() == list("abcdefg")


def test_a_label_without_a_covered_voxel_is_lost_whatever_the_threshold() -> None:
    columns = ("voxels_atlas", "voxels_in_view", "voxels_grid")
    table = pd.DataFrame({name: [3, 3] for name in columns})
    found = coverage_table(
        table,
        voxels_in_mask=np.array([3, 3]),
        voxels_covered=np.array([0, 1]),
        min_coverage=0,
    )
    assert found["status"].tolist() == ["low-coverage", "ok"]


def test_motion_is_summed_up_over_the_volumes_that_have_values() -> None:
    table = pd.DataFrame({"framewise_displacement": [np.nan, 0.1, 0.5], "x": [1, 2, 3]})
    summary = motion_summary(table)
    assert summary["MeanFramewiseDisplacement"] == pytest.approx(0.3)
    assert summary["MaxFramewiseDisplacement"] == pytest.approx(0.5)
    assert summary["MeanStdDVARS"] is None
    assert summary["MeanFilteredFramewiseDisplacement"] is None
    assert summary["MeanRMSDisplacement"] is None
    assert set(motion_summary(None).values()) == {None}


def test_filtered_displacement_and_rmsd_have_figures_of_their_own() -> None:
    table = pd.DataFrame(
        {
            "framewise_displacement": [np.nan, 0.9, 0.9],
            "framewise_displacement_filtered": [np.nan, 0.1, 0.6],
            "rmsd": [np.nan, 0.02, 0.04],
        }
    )
    summary = motion_summary(table, 0.5)
    assert summary["MeanFramewiseDisplacement"] == pytest.approx(0.9)
    assert summary["ShareFramewiseDisplacementAbove"] == 1
    assert summary["MeanFilteredFramewiseDisplacement"] == pytest.approx(0.35)
    assert summary["ShareFilteredFramewiseDisplacementAbove"] == 0.5
    assert summary["MeanRMSDisplacement"] == pytest.approx(0.03)


@pytest.mark.parametrize(("threshold", "share"), [(0.05, 1.0), (0.1, 2 / 3), (0.5, 0.0)])
def test_the_share_above_a_threshold_is_of_the_volumes_with_a_value(
    threshold: float, share: float
) -> None:
    table = pd.DataFrame({"framewise_displacement": [np.nan, 0.1, 0.5, 0.2]})
    summary = motion_summary(table, threshold)
    assert summary["ShareFramewiseDisplacementAbove"] == pytest.approx(share)
    assert summary["FramewiseDisplacementThreshold"] == threshold


def test_temporal_snr_is_the_mean_over_regions_that_vary() -> None:
    signals = np.random.default_rng(0).normal(100, [1, 2, 5, 9], (20, 4))
    signals[:, 1], signals[3, 3] = 7.0, np.nan
    expected = []
    for column in (0, 2):
        values = signals[:, column].tolist()
        middle = sum(values) / 20
        expected.append(middle / (sum((v - middle) ** 2 for v in values) / 19) ** 0.5)
    assert mean_temporal_snr(signals) == pytest.approx(sum(expected) / 2)
    assert mean_temporal_snr(signals[:, [1, 3]]) is None


def test_a_qc_row_counts_lost_labels_and_minutes() -> None:
    sidecar = {
        "NumberOfVolumes": 100,
        "NumberOfVolumesKept": 90,
        "RepetitionTime": 2.0,
        "DegreesOfFreedom": 60,
        "MeanFramewiseDisplacement": 0.2,
    }
    labels = pd.DataFrame(
        {"status": ["ok", "low-coverage", "lost-in-resampling"], "coverage": ["0.9", "0.3", "n/a"]}
    )
    row = qc_row(sidecar, labels)
    assert row["minutes_kept"] == 3.0
    assert (row["labels"], row["labels_lost"], row["min_coverage"]) == (3, 2, 0.0)
    assert row["max_fd"] is None
    assert qc_row({**sidecar, "RepetitionTime": None}, labels)["minutes_kept"] is None


def test_the_lowest_coverage_is_unknown_where_that_of_a_region_with_a_signal_is() -> None:
    labels = pd.DataFrame({"status": ["ok", "outside-mask"], "coverage": ["n/a", "n/a"]})
    of_run = {"NumberOfVolumes": 100, "NumberOfVolumesKept": 100, "DegreesOfFreedom": None}
    row = qc_row(of_run, labels)
    assert np.isnan(row["min_coverage"])
    assert row["labels_lost"] == 1


@pytest.mark.parametrize("n_volumes", [40, 41])
def test_power_is_that_of_scipy_where_no_volume_is_missing(n_volumes: int) -> None:
    series = np.random.default_rng(0).normal(3, 2, (n_volumes, 4))
    frequencies, share = power_spectrum(series, np.ones(n_volumes, dtype=bool), 0.8)
    expected_f, density = periodogram(
        series, 1 / 0.8, detrend="constant", scaling="density", axis=0
    )
    np.testing.assert_allclose(frequencies, expected_f[1:])
    two_sided = density[1:].copy()
    # scipy doubles what has a negative frequency beside it.
    two_sided[: -1 if n_volumes % 2 == 0 else None] /= 2
    expected = (two_sided / two_sided.sum(axis=0)).mean(axis=1) * n_volumes * 0.8
    np.testing.assert_allclose(share, expected)
    assert (share * frequencies[0]).sum() == pytest.approx(1)


def test_power_with_gaps_is_the_sum_over_the_volumes_kept() -> None:
    rng = np.random.default_rng(1)
    kept = rng.uniform(size=50) > 0.3
    series = rng.normal(size=(int(kept.sum()), 3))
    lost = np.column_stack([series, np.full(len(series), np.nan), np.full(len(series), 2.0)])
    frequencies, share = power_spectrum(lost, kept, 2.0)
    times = 2.0 * np.flatnonzero(kept)
    power = np.zeros((len(frequencies), 3))
    for i, f in enumerate(frequencies):
        for region in range(3):
            x = series[:, region] - series[:, region].mean()
            power[i, region] = (
                abs(sum(v * np.exp(-2j * np.pi * f * t) for v, t in zip(x, times, strict=True)))
                ** 2
            )
    expected = (power / power.sum(axis=0)).mean(axis=1) * 100.0
    np.testing.assert_allclose(share, expected)


def test_without_a_region_there_is_no_power() -> None:
    frequencies, share = power_spectrum(np.full((10, 2), np.nan), np.ones(10, dtype=bool), 2.0)
    assert len(frequencies) == 5
    assert np.isnan(share).all()
