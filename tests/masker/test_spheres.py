"""The spheres masker beside nilearn's, and what it refuses and tells."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle

from bids_labelx import NiftiSpheresMasker

SHAPE, N_VOLUMES, T_R = (9, 8, 7), 40, 2.0
AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}


def image_of(values: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(values, affine, dtype=values.dtype)


def run_image(affine: np.ndarray, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    return image_of(800 + 20 * rng.standard_normal((*SHAPE, 1)) + 5 * values, affine)


def mask_image(affine: np.ndarray, shape: Any = SHAPE) -> Any:
    inside = np.random.default_rng(2).random(shape) < 0.9
    return image_of(inside.astype(np.uint8), affine)


def seeds_in(affine: np.ndarray, count: int, seed: int = 0) -> list[list[float]]:
    """Seeds in the middle of the image."""
    places = np.random.default_rng(seed).uniform(2, np.array(SHAPE) - 3, (count, 3))
    found: list[list[float]] = (places @ affine[:3, :3].T + affine[:3, 3]).tolist()
    return found


def both(seeds: Any, run: Any, given: dict[str, Any] | None = None, **options: Any) -> Any:
    """Our numbers and nilearn's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = NiftiSpheresMasker(seeds, **options).fit_transform(run, **(given or {}))
        theirs = oracle.NiftiSpheresMasker(seeds, **options).fit_transform(run, **(given or {}))
    return ours, theirs


def assert_equal(result: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert result.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result / scale, expected / scale, rtol=0, atol=tolerance)


@st.composite
def cases(draw: st.DrawFn) -> Any:
    """Seeds, a mask, and every parameter that changes numbers."""
    affine = AFFINES[draw(st.sampled_from(sorted(AFFINES)))]
    options: dict[str, Any] = {"radius": draw(st.sampled_from([4.5, 6.0, 7.5]))}
    if draw(st.booleans()):
        moved = affine @ np.diag([1.2, 0.9, 0.95, 1]) if draw(st.booleans()) else affine
        options["mask_img"] = mask_image(moved, (9, 9, 8))
    options["allow_overlap"] = True
    options["smoothing_fwhm"] = draw(st.sampled_from([None, 5.0]))
    options["standardize"] = draw(st.sampled_from([False, None, "zscore_sample", "psc"]))
    options["detrend"] = draw(st.booleans())
    options["high_variance_confounds"] = draw(st.booleans())
    run: dict[str, Any] = {}
    if draw(st.booleans()):
        run["confounds"] = np.random.default_rng(3).standard_normal((N_VOLUMES, 3)).cumsum(axis=0)
    options |= draw(
        st.sampled_from(
            [
                {},
                {"high_pass": 0.02, "t_r": T_R},
                {"low_pass": 0.1, "high_pass": 0.01, "t_r": T_R},
            ]
        )
    )
    if "t_r" not in options and draw(st.booleans()):
        run["sample_mask"] = np.setdiff1d(np.arange(N_VOLUMES), [0, 11, 12, 39])
    seeds = seeds_in(affine, draw(st.integers(1, 4)), draw(st.integers(0, 1000)))
    return seeds, run_image(affine, draw(st.integers(0, 5))), run, options


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_numbers_are_nilearns_whatever_the_parameters(case: Any) -> None:
    seeds, image, run, options = case
    ours, theirs = both(seeds, image, run, **options)
    assert_equal(ours, theirs, 1e-5 if options["standardize"] == "psc" else 1e-6)


def test_a_single_voxel_is_taken_without_a_radius() -> None:
    affine = AFFINES["diagonal"]
    run = run_image(affine)
    seeds = [[3.9, 6.2, 8.5], [12, 12, 12]]
    ours, theirs = both(seeds, run)
    assert_equal(ours, theirs)
    np.testing.assert_allclose(ours[:, 0], run.get_fdata()[1, 2, 2])


@pytest.mark.parametrize("form", [list, tuple, np.array])
def test_seeds_are_taken_in_every_form(form: Any) -> None:
    affine = AFFINES["flipped"]
    seeds = seeds_in(affine, 3)
    masker = NiftiSpheresMasker(form(seeds), 4.5, allow_overlap=True).fit(run_image(affine))
    assert masker.seeds_ == seeds
    assert masker.n_elements_ == 3
    assert masker.get_feature_names_out().tolist() == [f"niftispheresmasker{k}" for k in range(3)]


def test_inverse_transform_gives_overlapping_spheres_their_mean() -> None:
    affine = AFFINES["oblique"]
    seeds, mask = seeds_in(affine, 5), mask_image(affine)
    options: dict[str, Any] = {"radius": 7.0, "mask_img": mask, "allow_overlap": True}
    ours = NiftiSpheresMasker(seeds, **options).fit()
    theirs = oracle.NiftiSpheresMasker(seeds, **options).fit()
    signals = np.random.default_rng(1).standard_normal((6, 5))
    for one in (signals, signals[0]):
        result, expected = ours.inverse_transform(one), theirs.inverse_transform(one)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.get_fdata(), expected.get_fdata(), atol=1e-12)
    np.testing.assert_array_equal(ours.mask_img_.get_fdata(), mask.get_fdata())


def test_inverse_transform_takes_the_grid_of_fit_without_a_mask_and_needs_one() -> None:
    affine = AFFINES["diagonal"]
    run, seeds = run_image(affine), [[6, 6, 8], [18, 15, 16]]
    masker = NiftiSpheresMasker(seeds, 3.0)
    signals = masker.fit_transform(run)
    back = masker.inverse_transform(signals)
    np.testing.assert_allclose(masker.transform(back), signals)
    assert back.shape == run.shape
    with pytest.raises(ValueError, match="Please provide mask_img, or images to fit"):
        masker.fit().inverse_transform(signals)


def test_parameters_and_defaults_are_those_of_nilearn() -> None:
    ours = inspect.signature(NiftiSpheresMasker)
    theirs = inspect.signature(oracle.NiftiSpheresMasker)
    given = {name: one.default for name, one in ours.parameters.items() if name != "kwargs"}
    assert given == {name: one.default for name, one in theirs.parameters.items()}
    assert list(given) == list(theirs.parameters)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (None, "Seeds must be a list of triplets of coordinates in native space"),
        (3, "Given seed list is of type"),
        ([1, 2, 3], "Seed #0 is not a valid triplet of coordinates. It is of type int"),
        ([(1, 2, 3), (1, 2)], "Seed #1 is of length 2 instead of 3"),
        ([], "The list is empty"),
        ([(1, 2, np.inf)], "seed #0 is not a place"),
        ([(6, 6, 8), (400, 2, 3)], "outside of the image: seed #1 at (400.0, 2.0, 3.0)"),
        ([(6, 6, 8), (6, 6, 9)], "Overlap detected between spheres"),
    ],
)
def test_what_is_no_seed_is_refused_by_its_number(seeds: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        NiftiSpheresMasker(seeds, 4.0).fit_transform(run_image(AFFINES["diagonal"]))
    assert message in str(error.value)


def test_a_sphere_outside_of_the_mask_is_refused() -> None:
    affine = AFFINES["diagonal"]
    inside = np.zeros(SHAPE, np.uint8)
    inside[0] = 1
    masker = NiftiSpheresMasker([(0, 3, 4), (24, 3, 4)], 4.0, image_of(inside, affine))
    with pytest.raises(ValueError, match=r"outside of the mask: seed #1 at \(24\.0, 3\.0, 4\.0\)"):
        masker.fit_transform(run_image(affine))


def test_voxels_that_are_not_finite_count_as_zero_with_a_warning() -> None:
    affine = AFFINES["diagonal"]
    run = run_image(affine)
    np.asarray(run.dataobj)[2, 2, 2, 3] = np.nan
    with pytest.warns(UserWarning, match="Non-finite values detected in 1 voxels of the spheres"):
        ours = NiftiSpheresMasker([(6, 6, 8)], 4.0).fit_transform(run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.NiftiSpheresMasker([(6, 6, 8)], 4.0)
        assert_equal(ours, theirs.fit_transform(run))


def test_the_report_shows_seeds_and_a_picture_where_there_is_a_grid() -> None:
    affine = AFFINES["diagonal"]
    masker = NiftiSpheresMasker([(6, 6, 8), (18, 15, 16)], 4.0)
    assert "not been fitted" in str(masker.generate_report())
    page = str(masker.fit(run_image(affine)).generate_report())
    for text in ('id="contents"', "seed 1 at (18, 15, 16)", "radius"):
        assert text in page
    page = str(masker.fit().generate_report())
    assert 'id="contents"' not in page
    assert "seed 1" in page


def test_names_reach_pandas() -> None:
    masker = NiftiSpheresMasker([(6, 6, 8)], 4.0).set_output(transform="pandas")
    table = masker.fit_transform(run_image(AFFINES["diagonal"]))
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == ["niftispheresmasker0"]


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        {"radius": 8.0},
        {"radius": 6.0, "smoothing_fwhm": 6.0},
        {"radius": 5.0, "detrend": True, "low_pass": 0.1, "high_pass": 0.01, "t_r": 2.5},
    ],
    ids=["plain", "smooth", "band"],
)
def test_a_real_run(shared_data: Path, options: Any) -> None:
    func = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc"
    # Of float64: nilearn keeps the type of the image, float32 here, where it smooths.
    opened = nib.load(func / f"{stem}-preproc_bold.nii.gz")
    run = image_of(opened.get_fdata(), opened.affine)
    mask = str(func / f"{stem}-brain_mask.nii.gz")
    # Precuneus, medial prefrontal, angular gyri, motor cortex, amygdala.
    seeds = [
        (0, -52, 26),
        (0, 52, 0),
        (-46, -68, 32),
        (46, -68, 32),
        (-38, -22, 56),
        (22, -4, -18),
    ]
    table = pd.read_csv(func / "sub-01_task-rest_desc-confounds_timeseries.tsv", sep="\t")
    given = {"confounds": table[["trans_x", "rot_z", "csf"]].to_numpy()}
    assert_equal(*both(seeds, run, given, mask_img=mask, **options))


def test_a_3d_image_gives_one_row_with_the_warning_of_the_page() -> None:
    affine = AFFINES["diagonal"]
    volume = image_of(run_image(affine).get_fdata()[..., 0], affine)
    for masker in (
        NiftiSpheresMasker([(6, 6, 8)]).fit(),
        NiftiSpheresMasker([(6, 6, 8)]).fit(volume),
    ):
        with pytest.warns(DeprecationWarning, match="3D image"):
            signals = masker.transform(volume)
        np.testing.assert_array_equal(signals, [[volume.get_fdata()[2, 2, 2]]])
