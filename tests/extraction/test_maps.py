"""Maps beside scipy's least squares over whole arrays, and beside nilearn's function."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img
from nilearn.regions import img_to_signals_maps
from scipy import linalg

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.maps import CollinearMapsError, find_maps, fit_maps, lay_maps
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import VolumeGrid

AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}


def image_of(values: np.ndarray, affine: np.ndarray | None = None) -> Any:
    return nib.Nifti1Image(values, np.eye(4) if affine is None else affine, dtype=values.dtype)


def run_of(values: np.ndarray, affine: np.ndarray | None = None) -> RunData:
    return open_run_data(image_of(values, affine))


def brute_force(data: np.ndarray, maps: np.ndarray, mask: Any, uncovered: str) -> np.ndarray:
    """Least squares by an SVD of all voxels that some map covers; (n_volumes, n_maps)."""
    data = data.astype(np.float64).reshape(-1, data.shape[-1])
    weights = maps.astype(np.float64).reshape(-1, maps.shape[-1])
    used = (weights != 0).any(axis=1)
    if mask is not None:
        used &= mask.ravel()
    if uncovered == "exclude":
        used &= np.isfinite(data).all(axis=1) & (data != 0).any(axis=1)
    signals = np.full((data.shape[1], weights.shape[1]), np.nan if uncovered == "exclude" else 0.0)
    present = (weights[used] != 0).any(axis=0)
    data = np.where(np.isfinite(data), data, 0)
    if present.any():
        signals[:, present] = linalg.lstsq(weights[np.ix_(used, present)], data[used])[0].T
    return signals


@st.composite
def cases(draw):
    """A run with gaps of every kind, maps that overlap, a mask."""
    shape = draw(st.tuples(*[st.integers(3, 6)] * 3))
    n_volumes = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    dtype = draw(st.sampled_from(["i2", ">i2", "u1", "f4", "f8"]))
    data = (rng.normal(size=(*shape, n_volumes)) * 20 + 60).astype(dtype)
    if draw(st.booleans()):
        data[rng.random(shape) < 0.2] = 0
    if data.dtype.kind == "f" and draw(st.booleans()):
        data[rng.random(data.shape) < 0.01] = np.nan
        data[rng.random(data.shape) < 0.01] = np.inf
    n_maps = draw(st.integers(1, 4))
    maps = rng.random((*shape, n_maps)) * (rng.random((*shape, n_maps)) < draw(st.floats(0.3, 1)))
    if draw(st.booleans()):
        maps *= rng.choice([-1, 1], maps.shape)
    if draw(st.booleans()):
        maps[..., 0] = 0
    mask = rng.random(shape) < 0.9 if draw(st.booleans()) else None
    return data, maps, mask


@settings(max_examples=200, deadline=None)
@given(case=cases(), uncovered=st.sampled_from(["exclude", "zero"]), block=st.integers(1, 41))
def test_signals_are_those_of_scipys_least_squares(case, uncovered, block):
    data, maps, mask = case
    inside = None if mask is None else mask.ravel("F")
    found = find_maps(run_of(maps), inside=inside)
    try:
        result = fit_maps(run_of(data), found, uncovered=uncovered, block=block)
    except CollinearMapsError:
        # Few voxels are left: there must be fewer of them than maps, or nearly so.
        assert np.linalg.cond(found.weights.toarray()) > 100 or uncovered == "exclude"
        return
    expected = brute_force(data, maps, mask, uncovered)
    scale = 1 + np.nanmax(np.abs(expected), initial=0)
    np.testing.assert_allclose(result.signals, expected, rtol=0, atol=1e-9 * scale)
    assert result.rank == np.isfinite(expected).all(axis=0).sum() - (
        (expected == 0).all(axis=0).sum() if uncovered == "zero" else 0
    )


@settings(max_examples=50, deadline=None)
@given(case=cases(), uncovered=st.sampled_from(["exclude", "zero"]), block=st.integers(2, 41))
def test_the_block_size_does_not_change_a_single_byte(case, uncovered, block):
    data, maps, _ = case
    found = find_maps(run_of(maps))
    try:
        one = fit_maps(run_of(data), found, uncovered=uncovered, block=1)
    except CollinearMapsError:
        return
    other = fit_maps(run_of(data), found, uncovered=uncovered, block=block)
    assert one.signals.tobytes() == other.signals.tobytes()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), masked=st.booleans(), n_maps=st.integers(1, 6))
def test_signals_are_those_of_nilearn(seed, masked, n_maps):
    rng = np.random.default_rng(seed)
    shape = (6, 5, 7)
    maps = rng.random((*shape, n_maps)) * (rng.random((*shape, n_maps)) < 0.4)
    data = rng.normal(1000, 20, (*shape, 20))
    mask = rng.random(shape) < 0.7 if masked else None
    given = {"mask_img": image_of(mask.astype("u1"))} if mask is not None else {}
    expected, _ = img_to_signals_maps(image_of(data), image_of(maps), **given)
    inside = None if mask is None else mask.ravel("F")
    found = find_maps(run_of(maps), inside=inside)
    result = fit_maps(run_of(data), found, uncovered="zero")
    np.testing.assert_allclose(result.signals, expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("source", AFFINES)
@pytest.mark.parametrize("target", AFFINES)
@pytest.mark.parametrize("zoom", [0.6, 1.0, 1.7])
def test_maps_on_another_grid_are_interpolated_as_by_nilearn(source, target, zoom):
    rng = np.random.default_rng(5)
    maps = np.zeros((9, 8, 7, 4))
    maps[2:5, 3:6, 1:4, 0] = rng.random((3, 3, 3))
    maps[5:, :3, 4:, 1] = rng.random((4, 3, 3))
    maps[..., 2] = rng.normal(size=(9, 8, 7))
    grid = VolumeGrid.of((11, 9, 8), AFFINES[target] @ np.diag([zoom, zoom, zoom, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = resample_img(
            image_of(maps, AFFINES[source]),
            target_affine=grid.affine,
            target_shape=grid.shape,
            interpolation="linear",
        ).get_fdata()
    image = run_of(maps, AFFINES[source])
    found = lay_maps(find_maps(image), image.space, grid)
    result = np.zeros((grid.n_elements, 4))
    result[found.elements] = found.weights.toarray()
    np.testing.assert_allclose(
        result.reshape(*grid.shape, 4, order="F"), expected, rtol=0, atol=1e-12
    )


def test_maps_keep_the_weights_that_are_not_zero_and_finite_in_ascending_order():
    maps = np.zeros((3, 2, 2, 2))
    maps[2, 1, 1, 0], maps[0, 1, 0, 0], maps[1, 0, 0, 0] = 0.5, np.nan, -2.0
    maps[2, 1, 1, 1], maps[0, 0, 1, 1] = 4.0, np.inf
    found = find_maps(run_of(maps))
    assert found.elements.tolist() == [1, 11]  # x fastest: 1, and 2 + 1·3 + 1·6
    assert found.weights.toarray().tolist() == [[-2.0, 0.0], [0.5, 4.0]]
    assert (found.n_elements, found.n_maps) == (12, 2)


@pytest.mark.parametrize("inter", [0.0, -3.0])
def test_scaled_maps_are_those_that_the_file_means(inter, tmp_path):
    stored = np.random.default_rng(0).integers(0, 9, (3, 4, 5, 2)).astype("i2")
    image = image_of(stored)
    image.header.set_slope_inter(0.5, inter)
    nib.save(image, tmp_path / "maps.nii.gz")
    found = find_maps(open_run_data(tmp_path / "maps.nii.gz"))
    values = np.zeros((60, 2))
    values[found.elements] = found.weights.toarray()
    np.testing.assert_array_equal(values, (stored * 0.5 + inter).reshape(60, 2, order="F"))
    assert found.weights.nnz == np.count_nonzero(stored * 0.5 + inter)


def test_coverage_is_the_share_of_absolute_weight_in_mask_and_data():
    maps = np.zeros((4, 1, 1, 2))
    maps[:, 0, 0, 0] = [1, -2, 3, 4]
    maps[2:, 0, 0, 1] = [1, 3]
    data = np.random.default_rng(0).normal(100, 1, (4, 1, 1, 5))
    data[2] = 0
    found = find_maps(run_of(maps), inside=np.array([False, True, True, True]))
    zero = fit_maps(run_of(data), found, uncovered="zero")
    np.testing.assert_allclose(zero.coverage, [9 / 10, 1])
    exclude = fit_maps(run_of(data), found, uncovered="exclude")
    np.testing.assert_allclose(exclude.coverage, [6 / 10, 3 / 4])


@pytest.mark.parametrize("dense", [False, True])
def test_collinear_maps_are_named(dense):
    rng = np.random.default_rng(1)
    maps = rng.random((6, 6, 6, 20)) * (rng.random((6, 6, 6, 20)) < (1 if dense else 0.1))
    maps[..., 7] = maps[..., 3] + 2 * maps[..., 11]
    data = rng.normal(size=(6, 6, 6, 3))
    with pytest.raises(CollinearMapsError, match=r"rank of 20 maps is 19.*: 3, 7, 11\.") as error:
        fit_maps(run_of(data), find_maps(run_of(maps)), uncovered="zero")
    assert error.value.columns == [3, 7, 11]


def test_maps_that_are_collinear_only_where_there_are_data_are_named():
    rng = np.random.default_rng(1)
    maps = rng.random((6, 6, 6, 3))
    maps[:3, ..., 2] = maps[:3, ..., 1]
    data = rng.normal(size=(6, 6, 6, 3))
    data[3:] = 0
    found = find_maps(run_of(maps))
    fit_maps(run_of(data), found, uncovered="zero")
    with pytest.raises(CollinearMapsError) as error:
        fit_maps(run_of(data), found, uncovered="exclude")
    assert error.value.columns == [1, 2]


@pytest.mark.parametrize("apart", [1e-2, 1e-4])
def test_nearly_collinear_maps_are_fitted_to_many_digits(apart):
    rng = np.random.default_rng(2)
    maps = rng.random((8, 8, 8, 5))
    maps[..., 4] = maps[..., 0] + apart * rng.random((8, 8, 8))
    truth = rng.normal(size=(5, 12))
    data = 1000 * (maps @ truth) + rng.normal(size=(8, 8, 8, 12))
    result = fit_maps(run_of(data), find_maps(run_of(maps)), uncovered="zero")
    scaled = maps.reshape(-1, 5) / np.linalg.norm(maps.reshape(-1, 5), axis=0)
    np.testing.assert_allclose(result.condition, np.linalg.cond(scaled), rtol=1e-5)
    expected = brute_force(data, maps, None, "zero")
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result.signals, expected, rtol=0, atol=1e-9 * scale)


def test_a_scaled_zero_that_does_not_read_as_zero_takes_no_part(tmp_path):
    rng = np.random.default_rng(3)
    maps = rng.random((4, 4, 4, 3))
    data = rng.normal(100, 5, (4, 4, 4, 20))
    data[0] = 0
    # nibabel takes these for what is stored.
    image = image_of(np.round((data - 100) / 0.03).astype("i2"))
    image.header.set_slope_inter(0.03, 100.0)
    nib.save(image, tmp_path / "run.nii.gz")
    stored = nib.load(tmp_path / "run.nii.gz").get_fdata()
    assert (stored[0] != 0).all()
    np.testing.assert_allclose(stored, data, atol=0.02)
    stored[0] = 0
    run = open_run_data(tmp_path / "run.nii.gz")
    result = fit_maps(run, find_maps(run_of(maps)), uncovered="exclude")
    np.testing.assert_allclose(result.signals, brute_force(stored, maps, None, "exclude"))


def test_what_is_unknown_or_of_another_space_is_refused():
    found = find_maps(run_of(np.ones((3, 3, 3, 1))))
    with pytest.raises(ValueError, match="uncovered is 'exclude' or 'zero', found 'all'"):
        fit_maps(run_of(np.ones((3, 3, 3, 2))), found, uncovered="all")
    with pytest.raises(ValueError, match="the maps have 27 elements, the run has 8"):
        fit_maps(run_of(np.ones((2, 2, 2, 2))), found, uncovered="zero")
