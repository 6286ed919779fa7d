"""Confounds of high variance: nilearn's numbers, in any block size, without holding the run."""

from __future__ import annotations

import tracemalloc
import warnings

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import image
from scipy import linalg

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.variance import high_variance_confounds

SHAPE = (12, 11, 10, 40)


def run(shape=SHAPE, seed=0):
    """Noise of very different size from voxel to voxel, with a few common waves in it."""
    rng = np.random.default_rng(seed)
    voxels, time = shape[:3], np.arange(shape[3])
    values = rng.normal(size=shape) * rng.uniform(1, 20, size=(*voxels, 1))
    for period, size in ((9, 30), (14, 20), (25, 12)):
        values += size * rng.normal(size=(*voxels, 1)) ** 3 * np.sin(time / period)
    return values + 1000 + 3 * rng.normal(size=(*voxels, 1)) * time


def image_of(values, dtype="f8", slope=None):
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    made = nib.Nifti1Image(values.astype("f8" if slope else dtype), np.eye(4), header)
    if slope:
        made.header.set_slope_inter(slope, 100.0)
        made = nib.Nifti1Image.from_bytes(made.to_bytes())
    return made


def by_nilearn(values, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return image.high_variance_confounds(
            nib.Nifti1Image(np.asarray(values, dtype="f8"), np.eye(4)), **options
        )


def assert_same_up_to_sign(result, expected, atol=1e-6):
    assert result.shape == expected.shape
    signs = np.sign((result * expected).sum(axis=0))
    np.testing.assert_allclose(result, expected * signs, rtol=0, atol=atol)


def flat(mask: np.ndarray | None) -> np.ndarray | None:
    """A mask of shape (x, y, z) in the order of the elements."""
    return None if mask is None else mask.ravel(order="F")


def mask_of(seed=3):
    return np.random.default_rng(seed).random(SHAPE[:3]) < 0.6


@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize(
    ("dtype", "slope"), [("f8", None), ("f4", None), ("i2", None), ("i2", 0.25), (">i2", 0.25)]
)
def test_confounds_are_those_of_nilearn_on_the_same_values(dtype, slope, with_mask, detrend):
    made = image_of(run(), dtype, slope)
    mask = mask_of() if with_mask else None
    expected = by_nilearn(
        made.get_fdata(),
        detrend=detrend,
        mask_img=nib.Nifti1Image(mask.astype("u1"), np.eye(4)) if with_mask else None,
    )
    result = high_variance_confounds(open_run_data(made), detrend=detrend, mask=flat(mask))
    assert_same_up_to_sign(result, expected)


@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize(("n_confounds", "percentile"), [(1, 2.0), (8, 1.0), (10, 33.3)])
def test_number_and_share_are_those_of_nilearn(n_confounds, percentile, detrend):
    options = {"n_confounds": n_confounds, "percentile": percentile, "detrend": detrend}
    result = high_variance_confounds(open_run_data(image_of(run())), **options)
    assert_same_up_to_sign(result, by_nilearn(run(), **options))


@settings(max_examples=40, deadline=None)
@given(
    n_volumes=st.integers(8, 30),
    block=st.integers(1, 35),
    offset=st.sampled_from([0.0, 1e3, -1e6]),
    seed=st.integers(0, 99),
)
def test_confounds_are_the_singular_vectors_of_the_voxels_that_vary_most(
    n_volumes, block, offset, seed
):
    values = run((6, 5, 4, n_volumes), seed) + offset
    time = np.column_stack([np.ones(n_volumes), np.arange(n_volumes)])
    series = values.reshape(-1, n_volumes).T
    series = series - time @ np.linalg.lstsq(time, series, rcond=None)[0]
    power = (series**2).mean(axis=0)
    chosen = series[:, power > np.percentile(power, 90)]
    left, _, _ = linalg.svd(chosen, full_matrices=False)
    result = high_variance_confounds(
        open_run_data(image_of(values)), n_confounds=3, percentile=10, block=block
    )
    assert_same_up_to_sign(result, left[:, :3])


def test_no_byte_depends_on_the_block_size_and_every_peak_is_positive():
    volumes = open_run_data(image_of(run(), "f4"))
    expected = high_variance_confounds(volumes)
    for block in (1, 3, 40, 100):
        np.testing.assert_array_equal(high_variance_confounds(volumes, block=block), expected)
    peaks = np.abs(expected).argmax(axis=0)
    assert (expected[peaks, np.arange(5)] > 0).all()
    np.testing.assert_allclose(expected.T @ expected, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("detrend", [True, False])
def test_a_voxel_with_nan_counts_as_zero_in_a_mask_and_not_at_all_without(detrend):
    values = run()
    wild = np.unravel_index(values.var(axis=3).argsort(axis=None)[-3:], SHAPE[:3])
    values[wild[0][0], wild[1][0], wild[2][0], 7] = np.nan
    values[wild[0][1], wild[1][1], wild[2][1]] = np.nan
    made = image_of(values)
    without = high_variance_confounds(open_run_data(made), detrend=detrend)
    assert_same_up_to_sign(without, by_nilearn(values, detrend=detrend))

    values[wild[0][2], wild[1][2], wild[2][2], 5] = np.inf
    everywhere = np.ones(SHAPE[:3], bool)
    within = high_variance_confounds(
        open_run_data(image_of(values)), detrend=detrend, mask=flat(everywhere)
    )
    zeroed = np.where(np.isfinite(values), values, 0.0)
    assert_same_up_to_sign(within, by_nilearn(zeroed, detrend=detrend))
    assert_same_up_to_sign(
        within,
        by_nilearn(
            values,
            detrend=detrend,
            mask_img=nib.Nifti1Image(everywhere.astype("u1"), np.eye(4)),
        ),
    )
    assert np.isfinite(
        high_variance_confounds(open_run_data(image_of(values)), detrend=detrend)
    ).all()


def test_a_small_variance_on_a_large_mean_is_found():
    rng = np.random.default_rng(0)
    values = np.full((10, 10, 10, 30), 1e6)
    values[4, :5, 3] += 0.1 * rng.normal(size=(5, 30))
    result = high_variance_confounds(
        open_run_data(image_of(values)), n_confounds=4, percentile=0.5
    )
    series = values[4, :5, 3].T
    time = np.column_stack([np.ones(30), np.arange(30)])
    residual = series - time @ np.linalg.lstsq(time, series, rcond=None)[0]
    left, _, _ = linalg.svd(residual, full_matrices=False)
    assert_same_up_to_sign(result, left[:, :4])


def test_a_mask_is_laid_over_the_grid_and_not_over_its_mirror_image():
    values = np.zeros((5, 6, 7, 30))
    values += np.random.default_rng(0).normal(size=values.shape)
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2:5, 6] = mask[4, 0, 1:4] = True
    expected = by_nilearn(
        values,
        n_confounds=2,
        percentile=50,
        mask_img=nib.Nifti1Image(mask.astype("u1"), np.eye(4)),
    )
    result = high_variance_confounds(
        open_run_data(image_of(values)), n_confounds=2, percentile=50, mask=flat(mask)
    )
    assert_same_up_to_sign(result, expected)


@pytest.mark.parametrize(
    ("values", "available"),
    [
        (run()[:4, :4, :4], 2),
        (run()[..., :5], 3),
        (run()[..., :1], 0),
        (np.full(SHAPE, 7.1), 0),
        (np.full(SHAPE, np.nan), 0),
    ],
    ids=["few voxels", "few volumes", "one volume", "constant", "NaN"],
)
def test_what_cannot_be_found_is_left_out_with_a_warning(values, available):
    with pytest.warns(UserWarning, match=rf"5 confounds.* have {available} independent"):
        result = high_variance_confounds(open_run_data(image_of(values)))
    assert result.shape == (values.shape[3], available)


def test_memory_is_that_of_a_few_volumes(tmp_path):
    shape = (40, 40, 40, 150)
    path = tmp_path / "bold.nii.gz"
    nib.save(image_of(np.random.default_rng(0).normal(size=shape), "f4"), path)
    volume, chosen = 40**3 * 8, 0.02 * 40**3 * 150 * 8
    volumes = open_run_data(path)
    for mask in (None, np.ones(shape[:3], bool)):
        tracemalloc.start()
        high_variance_confounds(volumes, mask=flat(mask), block=4)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * volume + 3 * chosen < 0.2 * 150 * volume


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_confounds": 0}, ValueError, "at least one"),
        ({"percentile": 101.0}, ValueError, "between 0 and 100"),
        ({"percentile": np.nan}, ValueError, "between 0 and 100"),
        ({"mask": np.ones(np.prod(SHAPE[:3]))}, TypeError, "boolean"),
        ({"mask": np.ones(27, bool)}, ValueError, "shape"),
        ({"mask": np.zeros(np.prod(SHAPE[:3]), bool)}, ValueError, "empty"),
        ({"block": 0}, ValueError, "at least 1 volume"),
    ],
)
def test_wrong_input_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        high_variance_confounds(open_run_data(image_of(run())), **options)
