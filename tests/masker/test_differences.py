"""docs/explanation/differences.md, point by point: ours beside brute force and nilearn's.

Each test also holds that nilearn still differs: where a release mends a point, it leaves the page.
"""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn import maskers as oracle
from scipy import interpolate, signal

from bids_labelx import NiftiLabelsMasker
from bids_labelx import nilearn_compat as compat

N_VOLUMES, T_R = 100, 2.0
BAND = {"low_pass": 0.1, "high_pass": 0.01, "t_r": T_R}


@pytest.fixture
def labels() -> Any:
    """One region per slab."""
    data = np.repeat(np.arange(1, 4), 9).reshape(3, 3, 3).astype(np.int32)
    return nib.Nifti1Image(data, np.eye(4))


@pytest.fixture
def series() -> np.ndarray:
    """What each region's voxels all show, shape (n_volumes, 3)."""
    return 500 + 10 * np.random.default_rng(0).standard_normal((N_VOLUMES, 3))


def run_of(series: np.ndarray, dtype: str = "f8") -> Any:
    data = np.repeat(series.T, 9, axis=0).reshape(3, 3, 3, len(series)).astype(dtype)
    return nib.Nifti1Image(data, np.eye(4))


def both(
    labels: Any,
    run: Any,
    given: dict[str, Any] | None = None,
    *,
    drop_in: str = "ours",
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Our signals and nilearn's; those of the drop-in class are the same as the ones named."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = NiftiLabelsMasker(labels, **options).fit_transform(run, **(given or {}))
        cleaning = {k.removeprefix("clean__"): options.pop(k) for k in list(options) if "__" in k}
        options["clean_args"] = cleaning or None
        masker = oracle.NiftiLabelsMasker(labels, **options)
        theirs = masker.fit_transform(run, **(given or {}))
        found = compat.NiftiLabelsMasker(labels, **options).fit_transform(run, **(given or {}))
        np.testing.assert_allclose(found, ours if drop_in == "ours" else theirs, rtol=1e-12)
        return ours, theirs


def band_passed(columns: np.ndarray) -> np.ndarray:
    sections = signal.butter(5, [0.01, 0.1], "bandpass", fs=1 / T_R, output="sos")
    return signal.sosfiltfilt(sections, columns, axis=0)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def test_1_censored_volumes_are_all_interpolated_before_a_butterworth_filter(
    labels: Any, series: np.ndarray
) -> None:
    censored = [40, 59]
    kept = np.setdiff1d(np.arange(N_VOLUMES), censored)
    spoiled = series.copy()
    spoiled[censored] += 1000
    ours, theirs = both(labels, run_of(spoiled), {"sample_mask": kept}, **BAND)
    filled = interpolate.CubicSpline(kept, series[kept])(np.arange(N_VOLUMES))
    expected = band_passed(filled)[kept]
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert distance(theirs, expected) > 100


def test_2_confounds_that_repeat_another_or_are_constant_remove_nothing_more(
    labels: Any, series: np.ndarray
) -> None:
    table = np.random.default_rng(1).standard_normal((N_VOLUMES, 4)).cumsum(axis=0)
    # In another unit around another mean: a plain copy loses itself with some BLAS kernels.
    more = np.column_stack([table, 3 * table + 1000, np.ones(N_VOLUMES)])
    ours, theirs = both(labels, run_of(series), {"confounds": more}, detrend=True, **BAND)
    design = band_passed(signal.detrend(table, axis=0))
    design = design - design.mean(axis=0)
    cleaned = band_passed(signal.detrend(series, axis=0))
    weights, *_ = np.linalg.lstsq(design, cleaned, rcond=1e-12)
    expected = cleaned - design @ weights
    np.testing.assert_allclose(ours, expected, atol=1e-8)
    assert distance(theirs, expected) > 1


def test_3_percent_signal_change_is_of_the_mean_before_anything_was_removed(
    labels: Any, series: np.ndarray
) -> None:
    table = 5 + np.random.default_rng(1).standard_normal((N_VOLUMES, 2))
    options = {"standardize": "psc", "standardize_confounds": False}
    ours, theirs = both(labels, run_of(series), {"confounds": table}, **options)
    weights, *_ = np.linalg.lstsq(table, series, rcond=None)
    left = series - table @ weights
    expected = 100 * (left - left.mean(axis=0)) / series.mean(axis=0)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert distance(theirs, expected) > 0.5


def test_4_signals_of_whole_number_images_are_not_cut_to_whole_numbers(
    labels: Any, series: np.ndarray
) -> None:
    options = {"dtype": "int32", "standardize": "zscore_sample"}
    ours, theirs = both(labels, run_of(series), **options)
    whole = series.astype(np.int32)
    expected = (whole - whole.mean(axis=0)) / whole.std(axis=0, ddof=1)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert distance(theirs, expected) > 0.9


def test_5_float32_images_are_averaged_in_float64(labels: Any) -> None:
    series = 1e6 + np.random.default_rng(0).standard_normal((N_VOLUMES, 3))
    run = run_of(series, "f4")
    ours, theirs = both(labels, run, strategy="sum")
    expected = 9 * series.astype("f4").astype("f8")
    np.testing.assert_array_equal(ours, expected)
    assert ours.dtype == np.float64
    assert theirs.dtype == np.float32
    assert 0.1 < distance(theirs, expected) < 6e-8 * expected.max()


def test_5_float32_images_are_summed_in_float64_where_dtype_is_float64(labels: Any) -> None:
    data = 800 + 20 * np.random.default_rng(0).standard_normal((3, 3, 3, 20)).astype("f4")
    ours, theirs = both(labels, nib.Nifti1Image(data, np.eye(4)), dtype="float64")
    expected = data.astype("f8").reshape(3, 9, 20).mean(axis=1).T
    np.testing.assert_allclose(ours, expected, rtol=1e-13)
    assert theirs.dtype == np.float64
    assert 1e-6 < distance(theirs, expected) < 1e-3


@pytest.mark.parametrize("options", [{"smoothing_fwhm": 3}, {"resampling_target": "labels"}])
def test_5_whole_numbers_are_smoothed_and_resampled_in_float64(
    labels: Any, options: dict[str, Any]
) -> None:
    data = np.random.default_rng(0).integers(10_000, 20_000, (3, 3, 3, 20)).astype(np.int16)
    if "resampling_target" in options:
        finer = np.kron(np.asarray(labels.dataobj), np.ones((2, 2, 2), np.int32))
        labels = nib.Nifti1Image(finer.astype(np.int32), np.diag([0.5, 0.5, 0.5, 1]))
    ours, theirs = both(labels, nib.Nifti1Image(data, np.eye(4)), **options)
    _, expected = both(labels, nib.Nifti1Image(data.astype(float), np.eye(4)), **options)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert 1e-9 < distance(theirs, expected) / expected.max() < 1e-7


def test_6_a_low_pass_beyond_nyquist_is_left_out_with_a_warning(
    labels: Any, series: np.ndarray
) -> None:
    beyond = {"low_pass": 0.3, "high_pass": 0.01, "t_r": T_R}
    ours, theirs = both(labels, run_of(series), **beyond)
    sections = signal.butter(5, 0.01, "highpass", fs=1 / T_R, output="sos")
    expected = signal.sosfiltfilt(sections, series, axis=0)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert distance(theirs, expected) > 0.5
    padded = both(labels, run_of(series), clean__butterworth__padlen=60, **beyond)
    assert distance(*padded) < 0.01
    with pytest.warns(UserWarning, match="Nyquist"):
        NiftiLabelsMasker(labels, **beyond).fit_transform(run_of(series))


def test_7_cosines_are_not_dropped_for_a_confound_that_resembles_one(
    labels: Any, series: np.ndarray
) -> None:
    time = np.arange(N_VOLUMES)
    drift = series + 40 * np.cos(2 * np.pi * (time[:, np.newaxis] + 0.5) / N_VOLUMES)
    table = -time[:, np.newaxis].astype(float)
    options = {"high_pass": 0.01, "t_r": T_R, "clean__filter": "cosine"}
    ours, theirs = both(labels, run_of(drift), {"confounds": table}, **options)
    orders = range(1, int(2 * N_VOLUMES * T_R * 0.01) + 1)
    cosines = [np.cos(np.pi * k * (time + 0.5) / N_VOLUMES) for k in orders]
    design = np.column_stack([table, *cosines])
    design = design - design.mean(axis=0)
    weights, *_ = np.linalg.lstsq(design, drift, rcond=1e-12)
    expected = drift - design @ weights
    np.testing.assert_allclose(ours, expected, atol=1e-8)
    assert distance(theirs, expected) > 10


def test_8_a_label_outside_of_the_mask_keeps_a_column_of_zeros(
    labels: Any, series: np.ndarray
) -> None:
    inside = np.ones((3, 3, 3), np.uint8)
    inside[2] = 0
    mask = nib.Nifti1Image(inside, np.eye(4))
    ours, theirs = both(labels, run_of(series), mask_img=mask, drop_in="theirs")
    np.testing.assert_allclose(ours[:, :2], series[:, :2], rtol=1e-12)
    assert (ours[:, 2] == 0).all()
    assert theirs.shape == (N_VOLUMES, 2)


def test_9_a_3d_image_gives_one_row(labels: Any, series: np.ndarray) -> None:
    volume = nib.Nifti1Image(np.asarray(run_of(series).dataobj)[..., 0], np.eye(4))
    ours, theirs = both(labels, volume, drop_in="theirs")
    assert ours.shape == (1, 3)
    assert theirs.shape == (3,)


def test_10_uint8_images_are_not_rounded_when_they_are_resampled(labels: Any) -> None:
    data = np.random.default_rng(0).integers(90, 110, (3, 3, 3, 20)).astype(np.uint8)
    finer = np.kron(np.asarray(labels.dataobj), np.ones((2, 2, 2), np.int32))
    labels = nib.Nifti1Image(finer.astype(np.int32), np.diag([0.5, 0.5, 0.5, 1]))
    options = {"resampling_target": "labels"}
    ours, theirs = both(labels, nib.Nifti1Image(data, np.eye(4)), **options)
    _, expected = both(labels, nib.Nifti1Image(data.astype(float), np.eye(4)), **options)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert distance(theirs, expected) > 0.005


def test_11_beyond_the_label_image_is_background(series: np.ndarray) -> None:
    data = np.repeat([1, 2], 9).reshape(2, 3, 3).astype(np.int32)
    labels = nib.Nifti1Image(data, np.eye(4))
    ours, theirs = both(labels, run_of(series), background_label=1)
    np.testing.assert_allclose(ours, series[:, [1]], rtol=1e-12)
    np.testing.assert_allclose(theirs, series[:, [2, 1]], rtol=1e-12)
