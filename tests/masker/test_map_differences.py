"""docs/explanation/differences.md on maps and spheres, beside brute force and nilearn.

Each test also holds that nilearn still differs: where a release mends a point, it leaves the page.
"""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn import maskers as oracle
from scipy import linalg, ndimage

from bids_labelx import NiftiMapsMasker, NiftiSpheresMasker

SHAPE, N_VOLUMES = (6, 6, 6), 10


@pytest.fixture
def maps() -> np.ndarray:
    """Two maps apart from each other, the second with negative weights."""
    rng = np.random.default_rng(0)
    weights = np.zeros((*SHAPE, 2))
    weights[:3, ..., 0], weights[3:, ..., 1] = rng.random((3, 6, 6)), rng.normal(size=(3, 6, 6))
    return weights


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(1).normal(100, 5, (*SHAPE, N_VOLUMES))


def image_of(values: np.ndarray, affine: np.ndarray | None = None) -> Any:
    return nib.Nifti1Image(values, np.eye(4) if affine is None else affine, dtype=values.dtype)


def both(kind: str, *given: Any, run: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    options = {"standardize": None, **options}
    ours = {"maps": NiftiMapsMasker, "spheres": NiftiSpheresMasker}[kind]
    theirs = {"maps": oracle.NiftiMapsMasker, "spheres": oracle.NiftiSpheresMasker}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [one(*given, **options).fit_transform(run) for one in (ours, theirs)]
    return found[0], found[1]


def least_squares(maps: np.ndarray, data: np.ndarray) -> np.ndarray:
    """The fit over all voxels, by an SVD; shape (n_volumes, n_maps)."""
    weights = maps.astype(float).reshape(-1, maps.shape[-1])
    fit: np.ndarray = linalg.lstsq(weights, data.astype(float).reshape(-1, data.shape[-1]))[0].T
    return fit


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def test_12_collinear_maps_are_an_error(maps: np.ndarray, data: np.ndarray) -> None:
    twice = np.concatenate([maps, maps[..., :1]], axis=-1)
    with pytest.raises(ValueError, match=r"the maps are collinear.*: 0, 2\."):
        NiftiMapsMasker(image_of(twice)).fit_transform(image_of(data))
    theirs = oracle.NiftiMapsMasker(image_of(twice), standardize=None).fit_transform(
        image_of(data)
    )
    expected = least_squares(maps, data)
    np.testing.assert_allclose(theirs[:, [0, 2]], expected[:, [0, 0]] / 2)


def test_13_negative_weights_stay_where_maps_may_not_overlap(
    maps: np.ndarray, data: np.ndarray
) -> None:
    ours, theirs = both("maps", image_of(maps), run=image_of(data), allow_overlap=False)
    np.testing.assert_allclose(ours, least_squares(maps, data))
    assert distance(theirs, ours) > 50
    np.testing.assert_allclose(theirs, least_squares(np.maximum(maps, 0), data))


def test_14_columns_of_maps_inside_the_mask_are_transformed_back(
    maps: np.ndarray, data: np.ndarray
) -> None:
    inside = np.ones(SHAPE, "u1")
    inside[:3] = 0
    given = image_of(maps), image_of(inside)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = NiftiMapsMasker(*given)
        signals = masker.fit_transform(image_of(data))
        theirs = oracle.NiftiMapsMasker(*given, standardize=None)
        theirs.fit_transform(image_of(data))
    assert masker.n_elements_ == signals.shape[1] == 1
    back = masker.inverse_transform(signals).get_fdata()
    np.testing.assert_allclose(back, maps[..., 1:] * inside[..., None] * signals[:, 0])
    assert theirs.n_elements_ == 2
    with pytest.raises(ValueError, match="wrong shape"):
        theirs.inverse_transform(signals)


def test_15_maps_are_resampled_once(data: np.ndarray) -> None:
    fine = image_of(np.random.default_rng(2).random((24, 24, 24, 1)), np.diag([0.5, 0.5, 0.5, 1]))
    coarse = image_of(np.ones((3, 3, 3, 4)), np.diag([3.0, 3, 3, 1]))
    run = image_of(data, np.diag([1.5, 1.5, 1.5, 1]))
    # Every third voxel of the fine grid is one of the run's.
    laid = np.zeros((*SHAPE, 1))
    laid[...] = fine.get_fdata()[:18:3, :18:3, :18:3]
    ours = NiftiMapsMasker(fine, standardize=None).fit(coarse).transform(run)
    np.testing.assert_allclose(ours, least_squares(laid, data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.NiftiMapsMasker(fine, standardize=None).fit(coarse).transform(run)
    assert distance(theirs, ours) > 5


def test_16_a_sphere_has_the_nearest_voxel_and_those_within_the_radius_and_no_other(
    data: np.ndarray,
) -> None:
    affine = np.eye(4)
    affine[:3, 3] = -3.5
    run, seed = image_of(data, affine), [(0.3, 0.3, 0.3)]
    centres = np.stack(np.meshgrid(*[np.arange(6) - 3.5] * 3, indexing="ij"), axis=-1)
    for radius in (None, 1.2):
        apart = np.linalg.norm(centres - 0.3, axis=-1)
        voxels = apart <= (apart.min() if radius is None else radius)
        ours, theirs = both("spheres", seed, radius, run=run)
        np.testing.assert_allclose(ours[:, 0], data[voxels].mean(axis=0))
        # Its whole millimetres are 0, as the seed's.
        voxels[3, 3, 3] = True
        np.testing.assert_allclose(theirs[:, 0], data[voxels].mean(axis=0))
        assert distance(theirs, ours) > 1


def test_17_a_centre_as_far_as_the_radius_belongs_to_the_sphere() -> None:
    values = np.random.default_rng(3).normal(size=(9, 9, 9, 2))
    ball = np.linalg.norm(np.indices((9, 9, 9)).T - 4, axis=-1).T <= 2
    differ = 0
    for size in np.linspace(0.7, 3.3, 27):
        affine = np.diag([size, size, size, 1])
        affine[:3, 3] = 0.1
        seed = (affine @ [4, 4, 4, 1])[:3].tolist()
        ours, theirs = both("spheres", [seed], 2 * size, run=image_of(values, affine))
        np.testing.assert_allclose(ours[:, 0], values[ball].mean(axis=0))
        differ += distance(ours, theirs) > 1e-3
    assert differ > 3


def test_18_infinite_voxels_of_a_sphere_count_as_zero(data: np.ndarray) -> None:
    data[2, 2, 2, 3] = np.inf
    ours, theirs = both("spheres", [(2, 2, 2)], 1.0, run=image_of(data))
    ball = ndimage.generate_binary_structure(3, 1)
    series = data[1:4, 1:4, 1:4][ball]
    series[np.isinf(series)] = 0
    np.testing.assert_allclose(ours[:, 0], series.mean(axis=0))
    assert np.isinf(theirs[3, 0])


def test_4_signals_of_whole_number_images_are_not_cut_to_whole_numbers(
    maps: np.ndarray, data: np.ndarray
) -> None:
    run = image_of(data.astype("i2"))
    expected = least_squares(maps, np.asarray(run.dataobj))
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0, ddof=1)
    options = {"dtype": "auto", "standardize": "zscore_sample"}
    ours, theirs = both("maps", image_of(maps), run=run, **options)
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert set(theirs.ravel().tolist()) <= {-1, 0, 1, 2}


def test_5_float32_images_are_fitted_and_averaged_in_float64(maps: np.ndarray) -> None:
    noise = np.random.default_rng(4).normal(size=(*SHAPE, N_VOLUMES))
    values = (1e6 + noise).astype("f4")
    narrow = np.abs(maps).astype("f4")
    ours, theirs = both("maps", image_of(narrow), run=image_of(values))
    expected = least_squares(narrow, values)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert distance(theirs, expected) > 0.01
    ours, theirs = both("spheres", [(3, 3, 3)], 2.0, run=image_of(values))
    ball = np.linalg.norm(np.indices(SHAPE).T - 3, axis=-1).T <= 2
    expected = values[ball].astype(float).mean(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert distance(theirs, expected) > 0.01


def test_10_uint8_images_are_not_rounded_when_they_are_resampled() -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 255, (*SHAPE, 3)).astype("u1")
    finer = np.diag([0.7, 0.7, 0.7, 1])
    maps = image_of(rng.random((*SHAPE, 2)), finer)
    ours, theirs = both("maps", maps, run=image_of(values), resampling_target="maps")
    exact, same = both("maps", maps, run=image_of(values.astype(float)), resampling_target="maps")
    np.testing.assert_allclose(exact, same, rtol=1e-9)
    np.testing.assert_allclose(ours, same, rtol=1e-9)
    assert distance(theirs, same) > 0.005
