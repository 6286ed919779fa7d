"""Filters: the frequencies they keep, and nilearn's numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import signal

from bids_labelx.extraction.filters import (
    TemporalFilter,
    butterworth,
    choose_filter,
    cosine_drift,
)

BANDS = [
    {"low_pass": 0.1},
    {"high_pass": 0.01},
    {"low_pass": 0.08, "high_pass": 0.008},
]


def noise(n_volumes=200, n_columns=4, seed=0):
    return 1000 + np.random.default_rng(seed).normal(size=(n_volumes, n_columns)).cumsum(axis=0)


def by_nilearn(columns, t_r, **options):
    return signal.butterworth(columns, sampling_rate=1 / t_r, copy=True, **options)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"order": 2},
        {"padtype": "even"},
        {"padtype": "constant", "padlen": 50},
        {"padtype": None},
        {"order": 3, "padlen": 0},
    ],
)
def test_the_butterworth_filter_is_that_of_nilearn(band, options):
    columns = noise()
    np.testing.assert_allclose(
        butterworth(columns, t_r=2.2, **band, **options),
        by_nilearn(columns, 2.2, **band, **options),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize("band", BANDS)
def test_frequencies_outside_the_band_go_and_those_inside_stay_in_phase(band):
    t_r, time = 2.0, np.arange(2000) * 2.0
    for frequency in (0.001, 0.004, 0.03, 0.2):
        wave = np.sin(2 * np.pi * frequency * time)[:, np.newaxis]
        kept = band.get("high_pass", 0) < frequency < band.get("low_pass", 1)
        middle = butterworth(wave, t_r=t_r, **band)[500:1500]
        np.testing.assert_allclose(middle, wave[500:1500] * kept, atol=2e-3)


@pytest.mark.parametrize("band", [{"low_pass": 0.1}, {"high_pass": 0.1}])
def test_half_of_a_wave_at_the_cutoff_remains(band):
    wave = np.sin(2 * np.pi * 0.1 * np.arange(2000))[:, np.newaxis]
    result = butterworth(wave, t_r=1.0, **band)
    np.testing.assert_allclose(result[500:1500], wave[500:1500] / 2, atol=1e-6)


def test_filtering_leaves_its_input_and_a_column_of_nan_spoils_no_other():
    columns = np.rint(noise()).astype(np.int32)
    before = columns.copy()
    expected = butterworth(columns, t_r=2.0, low_pass=0.1)
    np.testing.assert_array_equal(columns, before)
    holed = columns.astype(float)
    holed[17, 1], holed[3, 2] = np.nan, np.inf
    result = butterworth(holed, t_r=2.0, low_pass=0.1)
    assert np.isnan(result[:, 1:3]).all()
    np.testing.assert_array_equal(result[:, [0, 3]], expected[:, [0, 3]])
    assert butterworth(np.empty((200, 0)), t_r=2.0, low_pass=0.1).shape == (200, 0)


@pytest.mark.parametrize(
    ("n_volumes", "options", "message"),
    [
        (18, {}, "over 18 volumes.*padlen"),
        (200, {"padtype": "mirror"}, "mirror"),
        (200, {"order": 1.5}, "order 1.5"),
        (200, {"low_pass": 0.3}, "Wn"),
    ],
)
def test_a_butterworth_filter_that_cannot_be_is_refused(n_volumes, options, message):
    with pytest.raises(ValueError, match=message):
        butterworth(noise(n_volumes), **{"t_r": 2.0, "low_pass": 0.1, **options})


@settings(max_examples=200, deadline=None)
@given(
    n_volumes=st.integers(2, 400),
    t_r=st.sampled_from([0.72, 1.0, 1.5, 2.0, 2.2, 3.0]),
    high_pass=st.sampled_from([0.005, 0.008, 0.01, 1 / 128]),
)
def test_cosines_are_those_of_nilearn(n_volumes, t_r, high_pass):
    with_constant = signal.create_cosine_drift(high_pass, np.arange(n_volumes) * t_r)
    result = cosine_drift(high_pass, n_volumes, t_r)
    np.testing.assert_allclose(result, with_constant[:, :-1], atol=1e-12)


def test_cosines_are_orthonormal_without_mean_and_none_is_faster_than_the_cutoff():
    n_volumes, t_r = 300, 0.8
    drift = cosine_drift(0.02, n_volumes, t_r)
    np.testing.assert_allclose(drift.T @ drift, np.eye(drift.shape[1]), atol=1e-12)
    np.testing.assert_allclose(drift.mean(axis=0), 0, atol=1e-12)
    crossings = np.count_nonzero(np.diff(np.sign(drift), axis=0), axis=0)
    np.testing.assert_array_equal(crossings, np.arange(1, drift.shape[1] + 1))
    assert crossings[-1] / (2 * n_volumes * t_r) <= 0.02 < (crossings[-1] + 1) / 480


def test_a_cosine_at_the_very_cutoff_is_in_whatever_the_rounding():
    # 375 volumes of 0.8 s hold three periods at 0.01 Hz; in floating point, one ulp fewer.
    assert cosine_drift(0.01, 375, 0.8).shape == (375, 6)
    assert cosine_drift(0.01, 374, 0.8).shape == (374, 5)


@pytest.mark.parametrize("n_volumes", [1, 2, 20])
def test_a_short_run_has_no_cosine(n_volumes):
    assert cosine_drift(0.008, n_volumes, 2.0).shape == (n_volumes, 0)


@pytest.mark.parametrize("nothing", [None, False])
def test_no_filter_is_none_and_cutoffs_without_one_are_warned_of(nothing):
    assert choose_filter(nothing) is None
    with pytest.warns(UserWarning, match="nothing is filtered"):
        assert choose_filter(nothing, low_pass=0.1, t_r=2.0) is None


def test_a_butterworth_without_cutoffs_is_no_filter_and_needs_no_t_r():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_filter("butterworth") is None


def test_a_filter_that_fits_comes_back_as_asked_for():
    assert choose_filter("butterworth", t_r=2, low_pass=0.1, high_pass=0.01) == TemporalFilter(
        "butterworth", 2, 0.1, 0.01
    )
    assert choose_filter("cosine", t_r=2, high_pass=0.01) == TemporalFilter(
        "cosine", 2, None, 0.01
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"filter": "cosine", "low_pass": 0.1, "high_pass": 0.01},
            TemporalFilter("cosine", 2.0, None, 0.01),
        ),
        (
            {"filter": "butterworth", "low_pass": 0.25, "high_pass": 0.01},
            TemporalFilter("butterworth", 2.0, None, 0.01),
        ),
        ({"filter": "butterworth", "low_pass": 7}, None),
    ],
)
def test_a_low_pass_that_can_do_nothing_is_left_out_with_a_warning(options, expected):
    with pytest.warns(UserWarning, match="low_pass=.* ignored"):
        assert choose_filter(t_r=2.0, **options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter": "fir", "high_pass": 0.01}, "fir"),
        ({"filter": True, "high_pass": 0.01}, "True"),
        ({"filter": "cosine"}, "needs high_pass"),
        ({"filter": "cosine", "high_pass": 0.01, "t_r": None}, "t_r, in seconds"),
        ({"filter": "butterworth", "high_pass": 0.01, "t_r": None}, "t_r, in seconds"),
        ({"filter": "butterworth", "high_pass": 0.01, "t_r": 0.0}, "above 0; found 0"),
        ({"filter": "butterworth", "high_pass": 0.01, "t_r": np.nan}, "found nan"),
        ({"filter": "butterworth", "high_pass": 0.0}, "high_pass is a frequency"),
        ({"filter": "butterworth", "low_pass": -0.1}, "low_pass is a frequency"),
        ({"filter": "cosine", "high_pass": -0.1}, "high_pass is a frequency"),
        ({"filter": "butterworth", "low_pass": 0.01, "high_pass": 0.01}, "not below low_pass"),
        ({"filter": "butterworth", "low_pass": 0.01, "high_pass": 0.1}, "not below low_pass"),
        ({"filter": "butterworth", "high_pass": 0.25}, "Nyquist frequency of 0.25 Hz"),
        ({"filter": "cosine", "high_pass": 0.25}, "Nyquist frequency of 0.25 Hz"),
        ({"filter": "butterworth", "high_pass": 0.01, "t_r": 2000}, "nothing would be left"),
    ],
)
def test_options_that_make_no_filter_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        choose_filter(**{"t_r": 2.0, **options})


@pytest.mark.parametrize(("band", "fewest"), [({"low_pass": 0.1}, 9), (BANDS[2], 15)])
def test_a_run_that_scipy_could_not_pad_is_too_short_to_be_padded_by_its_length(band, fewest):
    options = {"t_r": 2.0, "order": 2, "padtype": "constant", **band}
    with pytest.raises(ValueError, match=f"over {fewest} volumes: .* more than {fewest}"):
        butterworth(noise(fewest), padlen="run", **options)
    with pytest.raises(ValueError, match="padlen"):
        butterworth(noise(fewest), **options)
    np.testing.assert_allclose(
        butterworth(noise(fewest + 1), padlen="run", **options),
        by_nilearn(noise(fewest + 1), 2.0, order=2, padtype="constant", padlen=fewest, **band),
        atol=1e-9,
    )
