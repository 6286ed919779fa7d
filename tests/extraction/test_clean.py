"""Cleaning: nilearn's numbers where it is right, a brute-force least squares everywhere."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import signal
from scipy.interpolate import CubicSpline, make_interp_spline
from scipy.signal import butter, sosfiltfilt
from scipy.signal import detrend as scipy_detrend

from bids_labelx.extraction.clean import clean, prepare_cleaner
from bids_labelx.extraction.sample_mask import boolean_mask


def by_nilearn(signals, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"filter": False, **options}
        extra = {f"butterworth__{k}": v for k, v in options.pop("butterworth", {}).items()}
        return signal.clean(signals, **options, **extra)


def make(n_volumes=40, n_columns=6, n_confounds=5, seed=0):
    rng = np.random.default_rng(seed)
    time = np.linspace(-1, 1, n_volumes)[:, np.newaxis]
    signals = 500 + 20 * rng.normal(size=(n_volumes, n_columns)) + 30 * time
    confounds = rng.normal(size=(n_volumes, n_confounds)) * [0.01, 1, 1000, 3, 5][:n_confounds]
    confounds += 7 + 2 * time
    signals += confounds @ rng.normal(size=(n_confounds, n_columns))
    return signals, confounds


def mask_of(n_volumes=40, seed=3):
    keep = np.random.default_rng(seed).random(n_volumes) < 0.7
    keep[0] = False
    return keep


@pytest.mark.parametrize("with_confounds", [False, True])
@pytest.mark.parametrize("censor", [False, True])
@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("standardize", [False, True, "zscore_sample", "psc"])
@pytest.mark.parametrize("standardize_confounds", [True, False])
def test_numbers_are_those_of_nilearn(
    with_confounds, censor, detrend, standardize, standardize_confounds
):
    if standardize == "psc" and not standardize_confounds:
        # Confounds with a mean take part of the baseline along, and nilearn divides by the rest.
        detrend = True
    signals, confounds = make()
    options = {
        "confounds": confounds if with_confounds else None,
        "sample_mask": mask_of() if censor else None,
        "detrend": detrend,
        "standardize": standardize,
        "standardize_confounds": standardize_confounds,
    }
    np.testing.assert_allclose(
        clean(signals, **options), by_nilearn(signals, **options), rtol=1e-9, atol=1e-9
    )


FILTERS = [
    {"filter": "butterworth", "low_pass": 0.1},
    {"filter": "butterworth", "high_pass": 0.01},
    {"filter": "butterworth", "low_pass": 0.1, "high_pass": 0.01},
    {
        "filter": "butterworth",
        "low_pass": 0.12,
        "high_pass": 0.02,
        "butterworth": {"order": 3, "padtype": "even", "padlen": 20},
    },
    {"filter": "cosine", "high_pass": 0.01},
]


def one_sided_mask(n_volumes, seed=1):
    """A mask that censors no volume together with its mirror image: nilearn is right there."""
    rng = np.random.default_rng(seed)
    keep = np.ones(n_volumes, bool)
    for one in rng.permutation(np.arange(1, n_volumes))[: n_volumes // 4]:
        keep[one] = not keep[n_volumes - 1 - one]
    keep[0], keep[-1] = False, True
    return keep


@pytest.mark.parametrize("filtered", FILTERS)
@pytest.mark.parametrize("with_confounds", [False, True])
@pytest.mark.parametrize("censor", [None, "drop ends", "extrapolate"])
@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("standardize", [False, "zscore_sample", "psc"])
@pytest.mark.parametrize("standardize_confounds", [True, False])
def test_filtered_numbers_are_those_of_nilearn(
    filtered, with_confounds, censor, detrend, standardize, standardize_confounds
):
    if standardize == "psc" and not standardize_confounds:
        detrend = True
    signals, confounds = make(121)
    if standardize == "psc":
        # As BOLD is: where the mean does not outweigh what varies, nilearn changes the baseline.
        signals += 1e5
    keep = one_sided_mask(121)
    assert keep[60]
    assert (~keep).sum() > 15
    options = {
        "confounds": confounds if with_confounds else None,
        "sample_mask": keep if censor else None,
        "detrend": detrend,
        "standardize": standardize,
        "standardize_confounds": standardize_confounds,
        "t_r": 2.0,
        "extrapolate": censor == "extrapolate",
        **filtered,
    }
    result = clean(signals, **options)
    expected = by_nilearn(signals, **options)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def by_brute_force(signals, confounds, keep, t_r, low_pass, high_pass, detrend, extrapolate):
    """Interpolate, detrend, filter, drop and regress, a column at a time and all by the book."""
    volumes, kept = np.arange(len(keep)), np.flatnonzero(keep)
    span = volumes if extrapolate else volumes[kept[0] : kept[-1] + 1]
    cutoffs = [c for c in (high_pass, low_pass) if c]
    kind = "band" if len(cutoffs) == 2 else "low" if low_pass else "high"
    sos = butter(5, cutoffs if kind == "band" else cutoffs[0], kind, fs=1 / t_r, output="sos")

    def step(column):
        spline = make_interp_spline(kept, column[kept], k=3)
        whole = np.array([column[t] if keep[t] else spline(t) for t in span])
        if detrend:
            whole = whole - np.polyval(
                np.polyfit(span - span.mean(), whole, 1), span - span.mean()
            )
        return sosfiltfilt(sos, whole)[keep[span]]

    signals = np.column_stack([step(column) for column in signals.T])
    if confounds is None:
        return signals
    confounds = np.column_stack([step(column) for column in confounds.T])
    confounds = confounds - confounds.mean(axis=0)
    confounds = confounds / confounds.std(axis=0)
    return signals - confounds @ np.linalg.lstsq(confounds, signals, rcond=None)[0]


@settings(max_examples=150, deadline=None)
@given(
    mask=st.lists(st.booleans(), min_size=50, max_size=90),
    n_confounds=st.integers(0, 3),
    cutoffs=st.sampled_from([(0.1, None), (None, 0.01), (0.1, 0.01)]),
    detrend=st.booleans(),
    extrapolate=st.booleans(),
    seed=st.integers(0, 999),
)
def test_censoring_and_filtering_are_those_of_brute_force(
    mask, n_confounds, cutoffs, detrend, extrapolate, seed
):
    keep = np.array(mask)
    keep[[5, -5]] = True
    keep[20:32] = True
    signals, confounds = make(len(keep), 3, max(n_confounds, 1), seed)
    confounds = confounds if n_confounds else None
    low_pass, high_pass = cutoffs
    expected = by_brute_force(
        signals, confounds, keep, 2.0, low_pass, high_pass, detrend, extrapolate
    )
    result = clean(
        signals,
        confounds=confounds,
        sample_mask=keep,
        t_r=2.0,
        filter="butterworth",
        low_pass=low_pass,
        high_pass=high_pass,
        detrend=detrend,
        extrapolate=extrapolate,
    )
    # What is extrapolated over ten volumes is huge, and so are its rounding errors.
    scale = 500 + np.abs(expected).max()
    np.testing.assert_allclose(result / scale, expected / scale, rtol=0, atol=1e-8)


@pytest.mark.parametrize("censored", [[40, 59], [0, 1, 98, 99], [0, 49, 50, 99], [10]])
@pytest.mark.parametrize("extrapolate", [False, True])
@pytest.mark.parametrize("filtered", [FILTERS[2], FILTERS[4], {}])
def test_spikes_in_censored_volumes_leave_no_trace(censored, extrapolate, filtered):
    signals, confounds = make(100)
    keep = np.ones(100, bool)
    keep[censored] = False
    options = {
        "sample_mask": keep,
        "t_r": 2.0,
        "detrend": True,
        "standardize": "zscore_sample",
        "extrapolate": extrapolate,
        **filtered,
    }
    expected = clean(signals, confounds=confounds, **options)
    for spike in (1000.0, np.nan):
        spiked, worse = signals.copy(), confounds.copy()
        spiked[censored] += spike
        worse[censored] -= spike
        result = clean(spiked, confounds=worse, **options)
        np.testing.assert_array_equal(result, expected)
    assert result.shape == (100 - len(censored), 6)


def test_a_spike_in_a_kept_volume_does_leave_a_trace():
    signals, _ = make(100)
    spiked = signals.copy()
    spiked[40] += 1000
    options = {"sample_mask": np.arange(100) != 10, "t_r": 2.0, **FILTERS[2]}
    difference = np.abs(clean(spiked, **options) - clean(signals, **options))
    assert difference.max() > 100


def test_confounds_are_filtered_along_with_the_signals():
    # Unfiltered, the confound's fast half would keep it from explaining the slow signal.
    time = np.arange(1000) * 2.0
    fast, slow = (np.sin(2 * np.pi * f * time)[:, np.newaxis] for f in (0.2, 0.05))
    options = {"t_r": 2.0, "filter": "butterworth", "low_pass": 0.1}
    middle = slice(50, -50)
    assert np.abs(clean(slow, confounds=slow + fast, **options)[middle]).max() < 0.05
    assert np.abs(clean(slow, confounds=slow + fast)[middle]).max() > 0.4
    left_alone = clean(slow, confounds=fast, **options)
    np.testing.assert_allclose(left_alone[middle], slow[middle], atol=0.01)


@pytest.mark.parametrize("trend", [-1.0, 1.0])
def test_cosines_are_removed_beside_confounds_that_resemble_them(trend):
    # nilearn leaves every cosine out if one confound correlates with one of them.
    signals, confounds = make(150)
    keep = mask_of(150)
    line = trend * np.arange(150.0)
    cosines = signal.create_cosine_drift(0.01, np.arange(150) * 2.0)[keep]
    together = np.column_stack([confounds[keep], line[keep], cosines])
    mean = signals[keep].mean(axis=0)
    expected = mean + least_squares(signals[keep], together)
    result = clean(
        signals,
        confounds=np.column_stack([confounds, line]),
        sample_mask=keep,
        t_r=2.0,
        **FILTERS[4],
    )
    np.testing.assert_allclose(result, expected, atol=1e-8)


def test_cosines_that_come_as_confounds_are_not_missed_twice():
    signals, confounds = make(150)
    cosines = signal.create_cosine_drift(0.01, np.arange(150) * 2.0)[:, :-1]
    options = {"t_r": 2.0, "detrend": True, "standardize": "zscore_sample", **FILTERS[4]}
    both = np.hstack([confounds, cosines])
    result = clean(signals, confounds=both, **options)
    np.testing.assert_allclose(result, clean(signals, confounds=confounds, **options), atol=1e-9)
    np.testing.assert_allclose(result, by_nilearn(signals, confounds=both, **options), atol=1e-9)


def test_a_run_too_short_for_a_cosine_is_left_unfiltered_with_a_warning():
    signals, _ = make(20)
    with pytest.warns(UserWarning, match="20 volumes are too short"):
        result = clean(signals, t_r=2.0, **FILTERS[4])
    np.testing.assert_array_equal(result, signals)


def test_a_butterworth_without_cutoffs_censors_first_as_no_filter_does():
    signals, confounds = make()
    options = {"confounds": confounds, "sample_mask": mask_of(), "detrend": True}
    np.testing.assert_array_equal(
        clean(signals, filter="butterworth", **options), clean(signals, **options)
    )


@pytest.mark.parametrize("filtered", [{}, *FILTERS])
@pytest.mark.parametrize("with_confounds", [False, True])
def test_ensure_finite_counts_what_is_not_finite_as_zero(filtered, with_confounds):
    signals, confounds = make(121)
    signals[3, 0], signals[7, 1], signals[:, 2] = np.nan, -np.inf, np.nan
    before = signals.copy()
    options = {
        "confounds": confounds if with_confounds else None,
        "sample_mask": one_sided_mask(121),
        "t_r": 2.0,
        "detrend": True,
        "standardize": False,
        "ensure_finite": True,
        **filtered,
    }
    result = clean(signals, **options)
    np.testing.assert_allclose(result, by_nilearn(signals, **options), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(signals, before)


@pytest.mark.parametrize("filtered", FILTERS)
@pytest.mark.parametrize("standardize", [False, "zscore", "zscore_sample", "psc"])
def test_nan_stays_in_its_column_through_a_filter(filtered, standardize):
    signals, confounds = make(100)
    keep = mask_of(100)
    options = {
        "confounds": confounds,
        "sample_mask": keep,
        "t_r": 2.0,
        "standardize": standardize,
        **filtered,
    }
    expected = clean(signals, **options)
    signals[np.flatnonzero(keep)[5], 1], signals[:, 4] = np.inf, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = clean(signals, **options)
    assert np.isnan(result[:, [1, 4]]).all()
    rest = [0, 2, 3, 5]
    np.testing.assert_allclose(result[:, rest], expected[:, rest], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("filtered", FILTERS)
@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("standardize_confounds", [False, True])
def test_constant_and_duplicate_confounds_do_no_harm_through_a_filter(
    filtered, detrend, standardize_confounds
):
    if "high_pass" not in filtered and not standardize_confounds:
        detrend = True
    signals, confounds = make(100)
    columns = [confounds, confounds[:, ::-1] * 3]
    if filtered["filter"] == "butterworth" or detrend or standardize_confounds:
        columns += [np.full((100, 1), 1e6 + 0.1), np.zeros((100, 1))]
    options = {
        "sample_mask": mask_of(100),
        "t_r": 2.0,
        "detrend": detrend,
        "standardize_confounds": standardize_confounds,
        **filtered,
    }
    np.testing.assert_allclose(
        clean(signals, confounds=np.hstack(columns), **options),
        clean(signals, confounds=confounds, **options),
        atol=1e-7,
    )
    empty = clean(signals, confounds=np.empty((100, 0)), **options)
    np.testing.assert_allclose(empty, clean(signals, **options), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3e-12])
@pytest.mark.parametrize("filtered", FILTERS)
@pytest.mark.parametrize("standardize", ["zscore", "zscore_sample", "psc"])
@pytest.mark.parametrize("detrend", [False, True])
def test_a_constant_series_becomes_zero_through_a_filter(value, filtered, standardize, detrend):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = clean(
            np.full((100, 2), value),
            sample_mask=mask_of(100),
            t_r=2.0,
            standardize=standardize,
            detrend=detrend,
            **filtered,
        )
    np.testing.assert_allclose(result, 0.0, atol=1e-9)


@pytest.mark.parametrize("filtered", FILTERS)
def test_filtering_modifies_no_input(filtered):
    signals, confounds = make(100)
    keep, options = mask_of(100), {"order": 4}
    before = [one.copy() for one in (signals, confounds, keep)]
    for extrapolate in (False, True):
        clean(
            signals,
            confounds=confounds,
            sample_mask=keep,
            t_r=2.0,
            **{**filtered, "butterworth": options},
            detrend=True,
            standardize="psc",
            extrapolate=extrapolate,
        )
    for one, then in zip((signals, confounds, keep), before, strict=True):
        np.testing.assert_array_equal(one, then)
    assert options == {"order": 4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter": "butterworth", "low_pass": 0.1}, "t_r, in seconds"),
        ({"filter": "cosine", "t_r": 2.0}, "needs high_pass"),
        ({"filter": "butterworth", "t_r": 2.0, "high_pass": 0.3}, "Nyquist"),
        ({"filter": "bandpass", "t_r": 2.0, "high_pass": 0.01}, "bandpass"),
        (
            {"filter": "butterworth", "t_r": 2.0, "high_pass": 0.1, "butterworth": {"order": 20}},
            "over 40 volumes",
        ),
    ],
)
def test_a_filter_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        clean(make()[0], **options)


def test_an_unknown_option_of_the_filter_is_refused():
    with pytest.raises(TypeError, match="colour"):
        clean(make()[0], t_r=2.0, **{**FILTERS[0], "butterworth": {"colour": 1}})


def least_squares(signals, regressors):
    """Residuals by the normal equations' textbook solution."""
    return signals - regressors @ (np.linalg.pinv(regressors) @ signals)


@settings(max_examples=100, deadline=None)
@given(
    n_volumes=st.integers(8, 60),
    n_confounds=st.integers(1, 5),
    detrend=st.booleans(),
    seed=st.integers(0, 9999),
)
def test_confounds_are_removed_by_least_squares_over_the_kept_volumes(
    n_volumes, n_confounds, detrend, seed
):
    signals, confounds = make(n_volumes, 3, n_confounds, seed)
    keep = mask_of(n_volumes, seed)
    keep[-8:] = True
    signals_kept, kept = signals[keep], confounds[keep]
    time = np.arange(len(kept))[:, np.newaxis]
    if detrend:
        regressors = np.hstack([kept, np.ones_like(time), time])
        expected = least_squares(signals_kept, regressors)
    else:
        means = signals_kept.mean(axis=0)
        expected = means + least_squares(signals_kept - means, kept - kept.mean(axis=0))
    result = clean(signals, confounds=confounds, sample_mask=keep, detrend=detrend)
    np.testing.assert_allclose(result, expected, atol=1e-7)


def test_zscore_uses_the_population_deviation():
    signals, _ = make()
    expected = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=0)
    np.testing.assert_allclose(clean(signals, standardize="zscore"), expected, atol=1e-12)


def test_percent_change_is_of_the_mean_before_anything_was_removed():
    signals, confounds = make()
    keep = mask_of()
    baseline = signals[keep].mean(axis=0)
    for detrend in (False, True):
        options = {"confounds": confounds, "sample_mask": keep, "detrend": detrend}
        plain = clean(signals, **options)
        expected = 100 * (plain - plain.mean(axis=0)) / baseline
        np.testing.assert_allclose(
            clean(signals, standardize="psc", **options), expected, atol=1e-9
        )


def test_percent_change_of_a_zero_mean_is_zero_and_warned_of():
    signals, _ = make()
    signals[:, 1] -= signals[:, 1].mean()
    with pytest.warns(UserWarning, match="mean of zero"):
        result = clean(signals, standardize="psc")
    assert not result[:, 1].any()
    np.testing.assert_allclose(
        np.delete(result, 1, axis=1),
        by_nilearn(np.delete(signals, 1, axis=1), detrend=False, standardize="psc"),
        rtol=1e-9,
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3e-12])
@pytest.mark.parametrize("standardize", ["zscore", "zscore_sample", "psc"])
@pytest.mark.parametrize("detrend", [False, True])
def test_a_constant_series_becomes_zero(value, standardize, detrend):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = clean(np.full((50, 2), value), standardize=standardize, detrend=detrend)
    np.testing.assert_allclose(result, 0.0, atol=1e-9)


def test_a_series_that_the_confounds_explain_wholly_becomes_zero_and_not_noise():
    _, confounds = make()
    signals = 1e4 + confounds @ np.arange(1, 11).reshape(5, 2)
    result = clean(signals, confounds=confounds, standardize="zscore_sample")
    np.testing.assert_array_equal(result, 0.0)


@settings(max_examples=50, deadline=None)
@given(scale=st.sampled_from([1e-15, 1e-6, 1.0, 1e9]), detrend=st.booleans())
def test_standardised_signals_do_not_depend_on_the_unit(scale, detrend):
    signals, confounds = make()
    options = {"detrend": detrend, "standardize": "zscore_sample"}
    expected = clean(signals, confounds=confounds, **options)
    result = clean(scale * signals, confounds=scale * confounds, **options)
    np.testing.assert_allclose(result, expected, atol=1e-9)


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("standardize_confounds", [False, True])
def test_constant_duplicate_and_trend_confounds_do_no_harm(detrend, standardize_confounds):
    signals, confounds = make()
    options = {"detrend": detrend, "standardize_confounds": standardize_confounds}
    columns = [confounds, confounds[:, ::-1] * 3]
    if detrend or standardize_confounds:
        columns += [np.full((40, 1), 1e6 + 0.1), np.zeros((40, 1))]
    if detrend:
        columns += [1e5 + np.arange(40.0)[:, np.newaxis]]
    padded = np.hstack(columns)
    np.testing.assert_allclose(
        clean(signals, confounds=padded, **options),
        clean(signals, confounds=confounds, **options),
        atol=1e-8,
    )
    free = [
        prepare_cleaner(40, confounds=c, **options).degrees_of_freedom for c in (padded, confounds)
    ]
    assert free[0] == free[1]


@pytest.mark.parametrize("mean", [1e3, 1e5, 1e6, 1e8])
@pytest.mark.parametrize("filtered", [{}, FILTERS[2]])
def test_a_copy_of_a_confound_around_a_large_mean_removes_nothing_more(mean, filtered):
    """Whichever of the two QR takes first: of equal ones a rounding error decides."""
    for seed in range(10):
        signals, confounds = make(100, seed=seed)
        confounds = confounds / confounds.std(axis=0)
        copies = np.hstack([confounds, 3 * confounds + mean])
        options = {"detrend": True, "t_r": 2.0, **filtered}
        expected = clean(signals, confounds=confounds, **options)
        result = clean(signals, confounds=copies, **options)
        # Beside the mean a copy has no more digits, and up to thousands of it are in the signals.
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * mean)


def test_a_column_of_nan_stays_nan_and_leaves_the_others_alone():
    signals, confounds = make()
    for standardize in (False, "zscore", "zscore_sample", "psc"):
        options = {"confounds": confounds, "detrend": True, "standardize": standardize}
        expected = clean(signals, **options)
        holed = signals.copy()
        holed[:, 2] = np.nan
        expected[:, 2] = np.nan
        np.testing.assert_allclose(clean(holed, **options), expected, atol=1e-9)


def test_inputs_are_not_modified_and_integers_are_taken():
    signals, confounds = (np.rint(one).astype(np.int32) for one in make())
    before = signals.copy(), confounds.copy()
    result = clean(signals, confounds=confounds, detrend=True, standardize="psc")
    assert result.dtype == np.float64
    np.testing.assert_array_equal(signals, before[0])
    np.testing.assert_array_equal(confounds, before[1])
    floats = signals.astype(float)
    clean(floats)[:] = 0
    np.testing.assert_array_equal(floats, before[0])


def test_a_single_confound_may_be_a_vector():
    signals, confounds = make(n_confounds=1)
    np.testing.assert_array_equal(
        clean(signals, confounds=confounds[:, 0]), clean(signals, confounds=confounds)
    )


def test_a_single_kept_volume_is_left_as_it_is_with_a_warning():
    signals, confounds = make()
    keep = np.zeros(40, bool)
    keep[7] = True
    with pytest.warns(UserWarning, match="only one volume"):
        result = clean(
            signals, confounds=confounds, sample_mask=keep, detrend=True, standardize="zscore"
        )
    np.testing.assert_array_equal(result, signals[[7]])
    cleaner = prepare_cleaner(40, confounds=confounds, sample_mask=keep, detrend=True)
    assert cleaner.degrees_of_freedom == 1


def test_a_censored_volume_may_hold_anything():
    signals, confounds = make()
    keep = mask_of()
    expected = clean(signals, confounds=confounds, sample_mask=keep, detrend=True)
    signals[~keep], confounds[~keep] = np.nan, np.inf
    np.testing.assert_array_equal(
        clean(signals, confounds=confounds, sample_mask=keep, detrend=True), expected
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confounds": np.zeros((39, 2))}, "40 volumes"),
        ({"confounds": np.full((40, 2), np.nan)}, "column.s. 0, 1"),
        ({"sample_mask": np.zeros(40, bool)}, "no volume is kept"),
        ({"sample_mask": np.ones(39, bool)}, "40 volumes"),
        ({"sample_mask": np.ones(40, int)}, "boolean"),
        ({"standardize": "percent"}, "percent"),
    ],
)
def test_wrong_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        clean(make()[0], **options)
    with pytest.raises(ValueError, match="shape"):
        clean(np.zeros(40))


@settings(max_examples=60, deadline=None)
@given(
    n_volumes=st.integers(2, 30),
    n_confounds=st.integers(1, 12),
    detrend=st.booleans(),
    standardize_confounds=st.booleans(),
    seed=st.integers(0, 999),
)
def test_degrees_of_freedom_are_volumes_less_the_rank_of_the_regressors_together(
    n_volumes, n_confounds, detrend, standardize_confounds, seed
):
    rng = np.random.default_rng(seed)
    # Small integers: often constant or dependent, and NumPy finds their rank exactly.
    confounds = rng.integers(-1, 2, (n_volumes, n_confounds)).astype(float)
    if detrend:
        time = np.arange(n_volumes)
        together = np.column_stack([confounds, np.ones(n_volumes), time])
    else:
        together = confounds
        if standardize_confounds:
            together = confounds - confounds.mean(axis=0)
    cleaner = prepare_cleaner(
        n_volumes,
        confounds=confounds,
        detrend=detrend,
        standardize_confounds=standardize_confounds,
    )
    assert cleaner.degrees_of_freedom == n_volumes - np.linalg.matrix_rank(together)


def test_degrees_of_freedom_count_kept_volumes_and_need_no_confound():
    _, confounds = make()
    keep = np.zeros(40, bool)
    keep[:4] = True
    assert prepare_cleaner(40, confounds=confounds, sample_mask=keep).degrees_of_freedom == 1
    cleaner = prepare_cleaner(40, confounds=confounds, sample_mask=keep, detrend=True)
    assert cleaner.degrees_of_freedom == 0
    assert prepare_cleaner(40).degrees_of_freedom == 40
    assert prepare_cleaner(40, sample_mask=keep, detrend=True).degrees_of_freedom == 2


@pytest.mark.parametrize(
    ("low_pass", "high_pass"), [(0.1, 0.01), (0.1, None), (None, 0.05), (0.08, 0.02)]
)
def test_a_band_pass_leaves_as_many_dimensions_as_its_output_has(low_pass, high_pass):
    # The singular values of what it makes of white noise: those that are more than half through.
    n_volumes, t_r = 400, 2.0
    options = {"t_r": t_r, "filter": "butterworth", "low_pass": low_pass, "high_pass": high_pass}
    cleaner = prepare_cleaner(n_volumes, **options)
    power = np.linalg.svd(clean(np.eye(n_volumes), **options), compute_uv=False) > 0.5
    assert cleaner.degrees_of_freedom == pytest.approx(power.sum(), abs=3)
    confounds = np.random.default_rng(0).normal(size=(n_volumes, 7))
    fewer = prepare_cleaner(n_volumes, confounds=confounds, **options).degrees_of_freedom
    assert fewer == cleaner.degrees_of_freedom - 7
    trend = prepare_cleaner(n_volumes, detrend=True, **options).degrees_of_freedom
    assert trend == cleaner.degrees_of_freedom - (0 if high_pass else 2)


def test_cosines_count_as_regressors():
    free = prepare_cleaner(200, t_r=2.0, filter="cosine", high_pass=0.01).degrees_of_freedom
    assert free == 200 - 8


@pytest.mark.parametrize("standardize", [False, "zscore_sample", "psc"])
@pytest.mark.parametrize("standardize_confounds", [True, False])
def test_interpolated_volumes_lose_the_confounds_by_the_weights_of_the_kept_ones(
    standardize, standardize_confounds
):
    signals, confounds = make()
    keep = mask_of()
    band = {"t_r": 2.0, "filter": "butterworth", "low_pass": 0.1}
    options = {
        "confounds": confounds,
        "sample_mask": keep,
        "detrend": True,
        "standardize_confounds": standardize_confounds,
        **band,
    }
    dropped = clean(signals, standardize=standardize, **options)
    whole = clean(signals, standardize=standardize, censored="interpolate", **options)
    cleaner = prepare_cleaner(40, standardize=standardize, censored="interpolate", **options)
    time = np.flatnonzero(keep)
    span = np.arange(time[0], time[-1] + 1)
    np.testing.assert_array_equal(np.flatnonzero(cleaner.rows), span)
    np.testing.assert_allclose(whole[keep[span]], dropped, atol=1e-9)
    if standardize:
        return
    # Brute force: splines, trend, filter and least squares, a step after the other.
    sections = butter(5, 0.1, "lowpass", output="sos", fs=0.5)

    def prepared(columns):
        filled = CubicSpline(time, columns[time])(span)
        straight = scipy_detrend(filled, axis=0)
        return sosfiltfilt(sections, straight, axis=0)

    x, y = prepared(confounds), prepared(signals)
    if standardize_confounds:
        x = x - x[keep[span]].mean(axis=0)
    weights, *_ = np.linalg.lstsq(x[keep[span]], y[keep[span]], rcond=None)
    np.testing.assert_allclose(whole, y - x @ weights, atol=1e-8)


def test_without_a_filter_what_is_left_of_the_kept_volumes_is_interpolated():
    signals, confounds = make()
    keep = mask_of()
    options = {"confounds": confounds, "sample_mask": keep, "detrend": True}
    dropped = clean(signals, **options)
    time = np.flatnonzero(keep)
    expected = CubicSpline(time, dropped)(np.arange(time[0], time[-1] + 1))
    whole = clean(signals, censored="interpolate", **options)
    np.testing.assert_allclose(whole, expected, atol=1e-9)
    extrapolated = clean(signals, censored="interpolate", extrapolate=True, **options)
    assert len(extrapolated) == 40


def test_a_sample_mask_of_indices_is_the_boolean_one():
    keep = mask_of()
    assert boolean_mask(None, 40) is None
    np.testing.assert_array_equal(boolean_mask(keep.tolist(), 40), keep)
    np.testing.assert_array_equal(boolean_mask(np.flatnonzero(keep).astype("u2"), 40), keep)


@pytest.mark.parametrize(
    "wrong", [[True] * 39, [0, 40], [-1, 3], [0, 1, 1, 0], [0.0, 1.0], [[0, 1]], []]
)
def test_a_sample_mask_that_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError, match=r"sample mask|no volume is kept"):
        boolean_mask(wrong, 40)
