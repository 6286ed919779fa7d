"""The maps and spheres of bids_labelx.nilearn_compat beside nilearn 0.14.1's."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle

from bids_labelx import nilearn_compat as compat

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
SHAPE = (6, 7, 8)
TABLE = np.random.default_rng(4).normal(size=(40, 2))


def _maps(n_maps: int = 3, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.random((*SHAPE, n_maps)) * (rng.random((*SHAPE, n_maps)) < 0.3)
    return nib.Nifti1Image(values, AFFINE)


def _run(n_volumes: int = 40, seed: int = 1) -> Any:
    values = np.random.default_rng(seed).normal(100, 5, (*SHAPE, n_volumes))
    return nib.Nifti1Image(values, AFFINE)


def _mask() -> Any:
    inside = np.random.default_rng(3).random(SHAPE) < 0.9
    return nib.Nifti1Image(inside.astype(np.uint8), AFFINE)


REGIONS: dict[str, dict[str, Any]] = {
    "NiftiMapsMasker": {"maps_img": _maps()},
    "NiftiSpheresMasker": {"seeds": [(4, 6, 8), (6, 12, 20)], "radius": 4.5},
}


def _outcome(kind: str, module: Any, options: dict[str, Any], call: dict[str, Any]) -> Any:
    """The masker and its signals, or the type of the exception; and the warnings."""
    call = dict(call)
    imgs = call.pop("imgs", None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            masker = getattr(module, kind)(**options)
            signals = masker.fit_transform(_run() if imgs is None else imgs, **call)
        except Exception as error:
            return type(error), None, None
    heard = {(w.category.__name__, str(w.message).split("\n")[0][:40]) for w in told}
    return masker, signals, {one for one in heard if one[0] != "RuntimeWarning"}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(REGIONS)),
    standardize=st.sampled_from([None, "zscore_sample", "psc", True, False]),
    detrend=st.booleans(),
    masked=st.booleans(),
    filtered=st.sampled_from([{}, {"high_pass": 0.02}, {"low_pass": 0.1, "high_pass": 0.02}]),
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
    filtered: dict[str, float],
    confounds: bool,
    censored: bool,
    smoothing: float | None,
    high_variance: bool,
) -> None:
    options = {
        **REGIONS[kind],
        "standardize": standardize,
        "detrend": detrend,
        "mask_img": _mask() if masked else None,
        "t_r": 2.0,
        "smoothing_fwhm": smoothing,
        "high_variance_confounds": high_variance,
        **filtered,
    }
    call: dict[str, Any] = {"confounds": TABLE} if confounds else {}
    if censored:
        call["sample_mask"] = np.delete(np.arange(40), [7, 8])
    ours, found, told = _outcome(kind, compat, options, call)
    theirs, expected, wanted = _outcome(kind, oracle, options, call)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert told == wanted
    assert ours.n_elements_ == theirs.n_elements_
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


@pytest.mark.parametrize("target", ["data", "maps", "mask"])
@pytest.mark.parametrize("masked", [False, True])
def test_resampling_and_its_warnings_are_those_of_nilearn(target: str, masked: bool) -> None:
    if target == "mask" and not masked:
        pytest.skip("there is no mask to resample to")
    values = np.random.default_rng(3).normal(100, 5, (12, 14, 16, 9))
    fine = nib.Nifti1Image(values, AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    signals, told = [], []
    for module in (compat, oracle):
        masker = module.NiftiMapsMasker(
            _maps(),
            _mask() if masked else None,
            resampling_target=target,
            standardize=None,
        ).fit()
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            signals.append(masker.transform(fine))
        told.append({str(one.message).split(".")[0] for one in found})
    np.testing.assert_allclose(signals[0], signals[1], rtol=1e-6)
    assert {one for one in told[0] if "mask" not in one} == {
        one for one in told[1] if "mask" not in one
    }


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("NiftiMapsMasker", {"maps_img": None}),
        ("NiftiMapsMasker", {"maps_img": "/nowhere/maps.nii.gz"}),
        ("NiftiMapsMasker", {"maps_img": nib.Nifti1Image(np.zeros((*SHAPE, 2)), AFFINE)}),
        ("NiftiMapsMasker", {"resampling_target": "mask"}),
        ("NiftiMapsMasker", {"resampling_target": "labels"}),
        ("NiftiMapsMasker", {"allow_overlap": False}),
        ("NiftiMapsMasker", {"keep_masked_maps": "yes"}),
        ("NiftiMapsMasker", {"unknown": 1}),
        ("NiftiMapsMasker", {"clean_args": [1]}),
        ("NiftiMapsMasker", {"imgs": 3}),
        ("NiftiMapsMasker", {"imgs": nib.Nifti1Image(np.ones((9, 9, 9, 2)), AFFINE),
                             "resampling_target": None}),
        ("NiftiSpheresMasker", {"seeds": None}),
        ("NiftiSpheresMasker", {"seeds": [1, 2, 3]}),
        ("NiftiSpheresMasker", {"seeds": [(1, 2)]}),
        ("NiftiSpheresMasker", {"seeds": [(900, 1, 1)]}),
        ("NiftiSpheresMasker", {"radius": 9.0}),
        ("NiftiSpheresMasker", {"standardize": "zscore"}),
        ("NiftiSpheresMasker", {"confounds": TABLE[:7]}),
        ("NiftiSpheresMasker", {"maps_img": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_exceptions_are_of_the_type_that_nilearn_raises(kind: str, options: Any) -> None:
    calls = ("imgs", "confounds")
    call = {name: value for name, value in options.items() if name in calls}
    options = REGIONS[kind] | {k: v for k, v in options.items() if k not in calls}
    theirs, _, _ = _outcome(kind, oracle, options, call)
    ours, _, _ = _outcome(kind, compat, options, call)
    assert isinstance(theirs, type)
    assert ours is theirs


@pytest.mark.parametrize("kind", sorted(REGIONS))
def test_a_3d_image_gives_a_vector(kind: str) -> None:
    volume = nib.Nifti1Image(_run().get_fdata()[..., 0], AFFINE)
    options = {**REGIONS[kind], "standardize": None}
    vector = getattr(compat, kind)(**options).fit_transform(volume)
    expected = getattr(oracle, kind)(**options).fit_transform(volume)
    assert vector.shape == expected.shape
    np.testing.assert_allclose(vector, expected)


@pytest.mark.parametrize("kind", sorted(REGIONS))
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_the_inverse_has_the_values_and_the_type_of_nilearns(kind: str, dtype: str) -> None:
    images = []
    for module in (compat, oracle):
        masker = getattr(module, kind)(**REGIONS[kind], mask_img=_mask()).fit(_run())
        signals = (np.random.default_rng(5).random((4, masker.n_elements_)) * 10).astype(dtype)
        images.append(masker.inverse_transform(signals))
    ours, theirs = (np.asarray(one.dataobj) for one in images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert ours.dtype == theirs.dtype


def test_several_runs_are_those_of_nilearn() -> None:
    runs = [_run(seed=k) for k in range(3)]
    options = {"mask_img": _mask(), "standardize": "zscore_sample", "detrend": True}
    call = {"confounds": [TABLE, None, TABLE], "sample_mask": [None, np.arange(3, 40), None]}
    found = compat.MultiNiftiMapsMasker(_maps(), **options, n_jobs=2).fit_transform(runs, **call)
    expected = oracle.MultiNiftiMapsMasker(_maps(), **options).fit_transform(runs, **call)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


def test_maps_to_show_that_are_not_there_are_told() -> None:
    masker = compat.NiftiMapsMasker(_maps()).fit()
    with pytest.warns(UserWarning, match="was set to 3"):
        masker.generate_report(displayed_maps=4)
    with pytest.warns(UserWarning, match=r"Report cannot display the following: \[7\]"):
        masker.generate_report(displayed_maps=[1, 7])
    with pytest.raises(TypeError, match="should be either 'all'"):
        masker.generate_report(displayed_maps=[1.5])
    assert "map 2" in str(masker.generate_report(displayed_maps="all"))
