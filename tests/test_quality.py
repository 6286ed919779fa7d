from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_labelx.quality import coverage_table, mean_temporal_snr, motion_summary, qc_row


def test_every_status_has_its_own_reason() -> None:
    table = pd.DataFrame(
        {
            "index": range(1, 8),
            "name": list("abcdefg"),
            "voxels_atlas": [0, 5, 9, 10, 10, 10, 10],
            "voxels_grid": [0, 0, 4, 10, 10, 10, 10],
        }
    )
    found = coverage_table(
        table,
        voxels_in_mask=np.array([0, 0, 0, 4, 6, 10, 3]),
        voxels_covered=np.array([0, 0, 0, 4, 5, 10, 0]),
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
    np.testing.assert_array_equal(found["coverage"], [np.nan, np.nan, 0, 0.4, 0.5, 1, 0])
    assert found["name"].tolist() == list("abcdefg")


def test_a_label_without_a_covered_voxel_is_lost_whatever_the_threshold() -> None:
    table = pd.DataFrame({"voxels_atlas": [3, 3], "voxels_grid": [3, 3]})
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
    assert set(motion_summary(None).values()) == {None}


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
