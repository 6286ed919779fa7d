"""The maps and spheres maskers of bids_labelx.nilearn_compat beside nilearn 0.14.1.

`test_nilearn_compat.py` has the signatures, and what all maskers do alike.
"""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from compat_runs import AFFINE, SHAPE, make_run, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle

from bids_labelx import nilearn_compat as compat

ONE_RUN = ("NiftiMapsMasker", "NiftiSpheresMasker")
SEEDS = [(2.0, 3.0, 4.0), (8.0, 12.0, 20.0), (4.0, 15.0, 12.0)]


def image_of(values: np.ndarray) -> Any:
    return nib.Nifti1Image(values, AFFINE, dtype=values.dtype)


def maps_image() -> Any:
    """Three maps that overlap; the last one is in the last two slices alone."""
    weights = np.random.default_rng(0).random((*SHAPE, 3))
    weights[weights < 0.5] = 0
    weights[:, :, :-2, 2] = 0
    return image_of(weights)


def mask_image() -> Any:
    """A mask without the last map."""
    inside = np.ones(SHAPE, np.uint8)
    inside[:, :, -2:] = 0
    return image_of(inside)


def regions_of(kind: str) -> dict[str, Any]:
    if "Maps" in kind:
        return {"maps_img": maps_image()}
    return {"seeds": SEEDS, "radius": 4.5}


def assert_same(kind: str, options: dict[str, Any], call: dict[str, Any]) -> None:
    ours, found, told = outcome(kind, compat, options, call)
    theirs, expected, wanted = outcome(kind, oracle, options, call)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert found.shape == expected.shape
    # Of maps without a voxel nilearn does not warn; docs/explanation/differences.md.
    assert {one for one in told if not one[1].startswith("Maps with the following")} == wanted
    names = list(theirs.get_feature_names_out())
    if found.shape[-1] == len(names):  # else point 14 of docs/explanation/differences.md
        assert list(ours.get_feature_names_out()) == names
        assert ours.n_elements_ == theirs.n_elements_
    assert (ours.mask_img_ is None) == (theirs.mask_img_ is None)


@pytest.mark.parametrize("kind", ONE_RUN)
@settings(max_examples=40, deadline=None)
@given(
    standardize=st.sampled_from([None, "zscore_sample", "psc", True, False]),
    detrend=st.booleans(),
    masked=st.booleans(),
    keep=st.booleans(),
    filtered=st.sampled_from([{}, {"high_pass": 0.02}, {"low_pass": 0.1, "high_pass": 0.02}]),
    cosine=st.booleans(),
    confounds=st.booleans(),
    censored=st.booleans(),
    smoothing=st.sampled_from([None, 5.0]),
    high_variance=st.booleans(),
)
def test_numbers_names_and_warnings_are_those_of_nilearn(
    kind: str,
    standardize: Any,
    detrend: bool,
    masked: bool,
    keep: bool,
    filtered: dict[str, float],
    cosine: bool,
    confounds: bool,
    censored: bool,
    smoothing: float | None,
    high_variance: bool,
) -> None:
    cosine = cosine and "low_pass" not in filtered and bool(filtered)
    options: dict[str, Any] = {
        **regions_of(kind),
        "standardize": standardize,
        "detrend": detrend,
        "mask_img": mask_image() if masked else None,
        "t_r": 2.0,
        "clean_args": {"filter": "cosine"} if cosine else None,
        "smoothing_fwhm": smoothing,
        "high_variance_confounds": high_variance,
        **filtered,
    }
    if "Maps" in kind:
        # A column of zeros has no percentage, and is noise for nilearn.
        options["keep_masked_maps"] = keep and standardize in (None, False)
    call: dict[str, Any] = {}
    if confounds:
        call["confounds"] = np.random.default_rng(2).normal(size=(40, 2))
    if censored:
        call["sample_mask"] = np.delete(np.arange(40), [7, 8])
    assert_same(kind, options, call)


@pytest.mark.parametrize(
    ("target", "masked"),
    [("data", False), ("data", True), ("maps", False), ("maps", True), ("mask", True)],
)
def test_resampling_and_its_warnings_are_those_of_nilearn(target: str, masked: bool) -> None:
    values = np.random.default_rng(3).normal(100, 5, (12, 14, 16, 9))
    fine = nib.Nifti1Image(values, AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    options = {
        "maps_img": maps_image(),
        "mask_img": image_of(np.ones(SHAPE, np.uint8)) if masked else None,
        "resampling_target": target,
        "standardize": None,
    }
    assert_same("NiftiMapsMasker", options, {"imgs": fine})
    signals, told = [], []
    for module in (compat, oracle):
        masker = module.NiftiMapsMasker(**options).fit()
        assert not masked or masker.mask_img_.shape == SHAPE
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            signals.append(masker.transform(fine))
        texts = {str(one.message).split(".")[0] for one in found}
        told.append({one for one in texts if "at transform time" in one and "mask" not in one})
    np.testing.assert_allclose(signals[0], signals[1], rtol=1e-6)
    assert told[0] == told[1]


TABLE = np.random.default_rng(4).normal(size=(40, 2))
COARSE = nib.Nifti1Image(np.ones((3, 4, 4, 3)), AFFINE @ np.diag([2, 2, 2, 1]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *[
            (kind, options)
            for kind in ONE_RUN
            for options in (
                {"mask_img": image_of(np.zeros(SHAPE, np.int16))},
                {"mask_img": "/nowhere/mask.nii.gz"},
                {"standardize": "zscore"},
                {"dtype": bool},
                {"detrend": "yes"},
                {"t_r": "2"},
                {"memory": 3},
                {"verbose": "much"},
                {"smoothing_fwhm": [4, 4, 4]},
                {"clean_args": [1]},
                {"high_pass": 0.01},
                {"clean__filter": "cosine"},
                {"unknown": 1},
                {"imgs": 3},
                {"imgs": "/nowhere/run.nii"},
                {"confounds": TABLE[:7]},
                {"confounds": 3},
                {"sample_mask": [[1, 2], [3, 4]]},
            )
        ],
        ("NiftiMapsMasker", {"maps_img": None}),
        ("NiftiMapsMasker", {"maps_img": "/nowhere/maps.nii.gz"}),
        ("NiftiMapsMasker", {"maps_img": image_of(np.zeros((*SHAPE, 2)))}),
        ("NiftiMapsMasker", {"resampling_target": "mask"}),
        ("NiftiMapsMasker", {"resampling_target": "labels"}),
        ("NiftiMapsMasker", {"resampling_target": None, "imgs": COARSE}),
        ("NiftiMapsMasker", {"keep_masked_maps": "yes"}),
        ("NiftiMapsMasker", {"allow_overlap": False}),
        ("NiftiSpheresMasker", {"seeds": None}),
        ("NiftiSpheresMasker", {"seeds": 3}),
        ("NiftiSpheresMasker", {"seeds": [1, 2]}),
        ("NiftiSpheresMasker", {"maps_img": 1}),
        ("NiftiSpheresMasker", {"seeds": [(1, 2)]}),
        ("NiftiSpheresMasker", {"seeds": [(500, 2, 3)]}),
        ("NiftiSpheresMasker", {"radius": 20}),
    ],
    ids=lambda one: one if isinstance(one, str) else "-".join(one),
)
def test_exceptions_are_of_the_type_that_nilearn_raises(
    kind: str, options: dict[str, Any]
) -> None:
    calls = ("imgs", "confounds", "sample_mask")
    call = {name: value for name, value in options.items() if name in calls}
    options = regions_of(kind) | {k: v for k, v in options.items() if k not in calls}
    theirs, _, _ = outcome(kind, oracle, options, call)
    ours, _, _ = outcome(kind, compat, options, call)
    assert isinstance(theirs, type)
    assert ours is theirs


def test_a_mask_without_any_map_is_an_error_where_the_images_are_known() -> None:
    corner = np.zeros(SHAPE, np.uint8)
    corner[0, 0, 0] = 1
    weights = np.zeros((*SHAPE, 1))
    weights[3:] = 1
    options = {"maps_img": image_of(weights), "mask_img": image_of(corner), "standardize": None}
    for module in (compat, oracle):
        masker = module.NiftiMapsMasker(**options).fit()
        assert masker.n_elements_ == 1
        with pytest.raises(ValueError, match="No map left after applying mask"):
            masker.transform(make_run())
        with pytest.raises(ValueError, match="No map left after applying mask"):
            module.NiftiMapsMasker(**options).fit(make_run())
        with pytest.raises(ValueError, match="No map left after applying mask"):
            module.NiftiMapsMasker(**options, resampling_target="maps").fit()


@pytest.mark.parametrize("kind", ONE_RUN)
@pytest.mark.parametrize("given_dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("dtype", [None, "auto", "int32"])
def test_the_inverse_has_the_values_and_the_type_of_nilearns(
    kind: str, given_dtype: str, dtype: Any
) -> None:
    signals = (np.random.default_rng(5).random((4, 3)) * 10).astype(given_dtype)
    images = []
    for module in (compat, oracle):
        options = {"mask_img": image_of(np.ones(SHAPE, np.uint8)), "dtype": dtype}
        masker = getattr(module, kind)(**regions_of(kind), **options).fit()
        images.append(masker.inverse_transform(region_signals=signals))
    ours, theirs = (np.asarray(one.dataobj) for one in images)
    # Whole numbers are cut off, so that a last digit may make one of difference.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 if ours.dtype.kind == "f" else 1)
    assert ours.dtype == theirs.dtype
    assert images[0].get_data_dtype() == images[1].get_data_dtype()


@pytest.mark.parametrize("kind", ONE_RUN)
def test_a_3d_image_gives_a_vector_and_a_frame_of_one_row(kind: str) -> None:
    volume = image_of(make_run().get_fdata()[..., 0])
    options = {**regions_of(kind), "standardize": None}
    masker = getattr(compat, kind)(**options)
    vector = masker.fit_transform(volume)
    np.testing.assert_allclose(vector, getattr(oracle, kind)(**options).fit_transform(volume))
    assert vector.shape == (3,)
    frame = masker.set_output(transform="pandas").transform(volume)
    assert frame.shape == (1, 3)
    assert list(frame.columns) == [f"{kind.lower()}{number}" for number in range(3)]


def test_several_runs_are_those_of_nilearn() -> None:
    runs = [make_run(seed=k) for k in range(3)]
    options = {"mask_img": mask_image(), "standardize": "zscore_sample", "detrend": True}
    call = {
        "confounds": [TABLE, None, pd.DataFrame(TABLE)],
        "sample_mask": [None, np.arange(3, 40), None],
    }
    maps = maps_image()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = compat.MultiNiftiMapsMasker(maps, **options, n_jobs=2).fit_transform(runs, **call)
        theirs = oracle.MultiNiftiMapsMasker(maps, **options).fit_transform(runs, **call)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    for wrong in ({"confounds": TABLE}, {"sample_mask": np.arange(20)}):
        with pytest.raises(TypeError, match="must be a None or a list"):
            compat.MultiNiftiMapsMasker(maps).fit_transform(runs, **wrong)


@pytest.mark.parametrize("kind", ONE_RUN)
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    ("shown", "rows"), [("all", [0, 1, 2]), (2, [0, 1]), ([2, 0], [2, 0]), (np.array([1]), [1])]
)
def test_a_report_shows_the_maps_or_spheres_asked_for(
    kind: str, fitted: bool, shown: Any, rows: list[int]
) -> None:
    masker = getattr(compat, kind)(**regions_of(kind)).fit(make_run(3) if fitted else None)
    name = "displayed_maps" if "Maps" in kind else "displayed_spheres"
    before = dict(vars(masker))
    page = str(masker.generate_report(**{name: shown}))
    what = "map" if "Maps" in kind else "seed"
    places = [page.find(f"{what} {number}") for number in range(3)]
    assert [number for number in range(3) if places[number] >= 0] == sorted(rows)
    assert sorted(rows, key=lambda number: places[number]) == rows
    assert vars(masker).keys() == before.keys()
    # Unless asked, all are shown.
    page = str(masker.generate_report())
    assert all(f"{what} {number}" in page for number in range(3))


def test_the_picture_is_of_the_maps_asked_for() -> None:
    masker = compat.NiftiMapsMasker(maps_image()).fit()
    drawn = masker._drawn([2])
    weights = maps_image().get_fdata()[..., 2]
    np.testing.assert_array_equal(drawn.grid.to_volume(drawn.coded), weights != 0)
    assert masker._drawn([]).coded.max() == 0


@pytest.mark.parametrize("kind", ONE_RUN)
@pytest.mark.parametrize("shown", [4.5, [8.4, 3], "invalid", np.array([1.2, 3.0])])
def test_something_else_than_numbers_of_maps_or_spheres_is_refused(kind: str, shown: Any) -> None:
    name = "displayed_maps" if "Maps" in kind else "displayed_spheres"
    for module in (compat, oracle):
        masker = getattr(module, kind)(**regions_of(kind)).fit()
        with pytest.raises(TypeError, match=f"'{name}' of .*should be either 'all' or a positive"):
            masker.generate_report(**{name: shown})


@pytest.mark.parametrize("kind", ONE_RUN)
@pytest.mark.parametrize(
    ("shown", "text"), [(7, "was set to 3"), ([0, 66], "cannot display the following .*66")]
)
def test_numbers_that_are_not_there_are_told_of(kind: str, shown: Any, text: str) -> None:
    name = "displayed_maps" if "Maps" in kind else "displayed_spheres"
    for module in (compat, oracle):
        masker = getattr(module, kind)(**regions_of(kind)).fit()
        with pytest.warns(UserWarning, match=text):
            masker.generate_report(**{name: shown})
