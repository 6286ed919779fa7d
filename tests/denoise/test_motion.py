"""Framewise displacement, and the volumes that motion censors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_labelx.denoise import read_confounds_table
from bids_labelx.denoise.motion import filter_motion, framewise_displacement, short_segments

PARAMETERS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
T_R = 0.8
NOTCH = {"type": "notch", "band_stop_min": 12, "band_stop_max": 18}
LOW_PASS = {"type": "lp", "band_stop_min": 6}


def test_displacement_adds_up_millimetres_and_degrees_on_a_sphere_of_50_mm() -> None:
    parameters = np.array(
        [[0, 0, 0, 0, 0, 0], [1, -2, 0.5, 0, 0, 0], [1, -2, 0.5, 0.01, -0.02, 0.002]]
    )
    # 1 + 2 + 0.5 mm; then 0.032 rad, which is 1.6 mm at 50 mm.
    np.testing.assert_allclose(framewise_displacement(parameters), [np.nan, 3.5, 1.6])


# Not confounds/test_desc-…: whoever made it of the table below changed the motion of one volume
# and the displacement of another.
@pytest.mark.parametrize(
    "name",
    [
        "confounds/test-v21_desc-confounds_timeseries.tsv",
        "confounds/no_nonsteady_desc-confounds_regressors.tsv",
        "haxby-12runs/sub-01/func/sub-01_task-objectviewing_run-07_desc-confounds_timeseries.tsv",
        "real-fmriprep-like/sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv",
        "trees/pybids_synthetic/derivatives/fmriprep/sub-01/ses-01/func/"
        "sub-01_ses-01_task-nback_run-01_desc-confounds_regressors.tsv",
    ],
)
def test_computed_displacement_is_that_of_the_table(shared_data: Path, name: str) -> None:
    table = read_confounds_table(shared_data / name)
    computed = framewise_displacement(table[PARAMETERS].to_numpy(float))
    np.testing.assert_allclose(computed, table["framewise_displacement"], atol=1e-5)


def in_motion(per_minute: float, amplitude: float, n_volumes: int = 600) -> np.ndarray:
    seconds = np.arange(n_volumes) * T_R
    wave = amplitude * np.sin(2 * np.pi * per_minute / 60 * seconds)
    return np.column_stack([wave, np.zeros((n_volumes, 5))])


@pytest.mark.parametrize("options", [NOTCH, LOW_PASS], ids=["notch", "lp"])
def test_breathing_vanishes_from_filtered_displacement(options: dict[str, object]) -> None:
    breathing = in_motion(15, 0.5)
    before = framewise_displacement(breathing)
    after = framewise_displacement(filter_motion(breathing, T_R, options))
    # The ends, which the wave does not go on beyond, ring for a while.
    inside = slice(100, -100)
    assert after[inside].max() < 0.05 * before[inside].max()


@pytest.mark.parametrize("options", [NOTCH, LOW_PASS], ids=["notch", "lp"])
def test_slow_motion_stays_in_filtered_displacement(options: dict[str, object]) -> None:
    slow = in_motion(0.6, 1.0)
    after = framewise_displacement(filter_motion(slow, T_R, options))
    np.testing.assert_allclose(after[50:-50], framewise_displacement(slow)[50:-50], atol=2e-3)


def test_a_frequency_that_the_run_cannot_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="18 breaths per minute are not below 15"):
        filter_motion(np.zeros((50, 6)), 2.0, NOTCH)


def test_a_single_volume_cannot_be_filtered() -> None:
    with pytest.raises(ValueError, match="too short"):
        filter_motion(np.zeros((1, 6)), T_R, LOW_PASS)


def by_brute_force(outliers: list[bool], min_segment: int) -> list[bool]:
    """Walk left and right from every volume to the next outlier or end."""
    short = []
    for i, outlier in enumerate(outliers):
        left = right = i
        while left > 0 and not outliers[left - 1]:
            left -= 1
        while right < len(outliers) - 1 and not outliers[right + 1]:
            right += 1
        short.append(any(outliers) and not outlier and right - left + 1 < min_segment)
    return short


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 8))
def test_short_segments_equal_brute_force(outliers: list[bool], min_segment: int) -> None:
    found = short_segments(np.array(outliers), min_segment)
    assert found.tolist() == by_brute_force(outliers, min_segment)


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.1, 0.1, 0.9]), min_size=2, max_size=60))
def test_scrubbed_volumes_equal_nilearn(displacement: list[float]) -> None:
    from nilearn.interfaces.fmriprep.load_confounds_components import _load_scrub

    table = pd.DataFrame({"framewise_displacement": displacement, "std_dvars": 1.0})
    theirs = _load_scrub(table, 5, 0.5, 3).to_numpy().any(axis=1)
    outliers = np.array(displacement) > 0.5
    np.testing.assert_array_equal(outliers | short_segments(outliers, 5), theirs)
