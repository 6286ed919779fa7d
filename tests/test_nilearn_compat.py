"""bids_labelx.nilearn_compat beside nilearn 0.14.1: calls, names, numbers, warnings, exceptions.

`ci/nilearn-suite` runs nilearn's own tests on these classes.
"""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from compat_runs import AFFINE, SHAPE, make_run, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle
from nilearn._utils.tags import accept_niimg_input, is_masker

from bids_labelx import nilearn_compat as compat

KINDS = sorted(compat.__all__)


def _label_values() -> np.ndarray:
    return np.random.default_rng(0).choice([0, 2, 5, 9], SHAPE).astype(np.int32)


@pytest.fixture
def labels() -> Any:
    """Labels 2, 5 and 9."""
    return nib.Nifti1Image(_label_values(), AFFINE)


@pytest.fixture
def without_5() -> Any:
    """A mask without label 5."""
    return nib.Nifti1Image((_label_values() != 5).astype(np.uint8), AFFINE)


def _assert_same(options: dict[str, Any], call: dict[str, Any]) -> None:
    ours, found, told = outcome("NiftiLabelsMasker", compat, options, call)
    theirs, expected, wanted = outcome("NiftiLabelsMasker", oracle, options, call)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert found.shape == expected.shape
    assert told == wanted
    for name in ("region_ids_", "region_names_", "n_elements_", "labels_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    pd.testing.assert_frame_equal(ours.lut_, theirs.lut_, check_dtype=False)
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    for name in ("labels_img_", "region_atlas_"):
        np.testing.assert_array_equal(
            getattr(ours, name).get_fdata(), getattr(theirs, name).get_fdata(), name
        )


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_are_those_of_nilearn(kind: str) -> None:
    def parameters(call: Any) -> list[tuple[Any, ...]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(call).parameters.values()]

    ours, theirs = getattr(compat, kind), getattr(oracle, kind)
    assert parameters(ours) == parameters(theirs)
    calls = ("fit", "transform", "fit_transform", "transform_single_imgs", "inverse_transform")
    for call in (*calls, "generate_report", "get_feature_names_out", "transform_imgs"):
        assert hasattr(ours, call) == hasattr(theirs, call)
        if hasattr(theirs, call):
            assert parameters(getattr(ours, call)) == parameters(getattr(theirs, call)), call


@settings(max_examples=200, deadline=None)
@given(
    standardize=st.sampled_from([None, "zscore_sample", "psc", True, False]),
    strategy=st.sampled_from(["mean", "median", "sum", "standard_deviation", "maximum"]),
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
    standardize: Any,
    strategy: str,
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
    mask = nib.Nifti1Image((_label_values() != 5).astype(np.uint8), AFFINE)
    cosine = cosine and "low_pass" not in filtered and bool(filtered)
    # A column of zeros has no percentage, and is noise for nilearn.
    keep = keep and masked and standardize in (None, False)
    options: dict[str, Any] = {
        "labels_img": nib.Nifti1Image(_label_values(), AFFINE),
        "standardize": standardize,
        "strategy": strategy,
        "detrend": detrend,
        "mask_img": mask if masked else None,
        "keep_masked_labels": keep,
        "t_r": 2.0,
        "clean_args": {"filter": "cosine"} if cosine else None,
        "smoothing_fwhm": smoothing,
        "high_variance_confounds": high_variance,
        **filtered,
    }
    call: dict[str, Any] = {}
    if confounds:
        call["confounds"] = np.random.default_rng(2).normal(size=(40, 2))
    if censored:
        call["sample_mask"] = np.delete(np.arange(40), [7, 8])
    _assert_same(options, call)


LUT = pd.DataFrame({"index": [0, 2, 5, 9], "name": ["bg", "a", "b", "c"], "net": [*"wxyz"]})


@pytest.mark.parametrize(
    "options",
    [
        {"lut": LUT},
        {"lut": LUT[["net", "name", "index"]].iloc[::-1]},
        {"lut": LUT.iloc[1:]},
        {"lut": LUT[["index", "name"]].iloc[:3]},
        {"labels": ["a"]},
        {"labels": [*"abcdef"]},
        {"labels": ["background", *"abc"]},
        {"labels": []},
        {"background_label": 2},
        {"background_label": 99},
        {"dtype": "float32"},
    ],
)
def test_tables_and_names_are_read_as_by_nilearn(labels: Any, options: dict[str, Any]) -> None:
    _assert_same({"labels_img": labels, "standardize": None, **options}, {})


def test_names_of_a_floating_point_image_are_those_of_nilearn() -> None:
    image = nib.Nifti1Image(_label_values().astype(np.float32), AFFINE)
    _assert_same({"labels_img": image, "standardize": None}, {})


@pytest.mark.parametrize("target", ["data", "labels"])
@pytest.mark.parametrize("masked", [False, True])
def test_resampling_and_its_warnings_are_those_of_nilearn(
    labels: Any, without_5: Any, target: str, masked: bool
) -> None:
    values = np.random.default_rng(3).normal(100, 5, (12, 14, 16, 9))
    fine = nib.Nifti1Image(values, AFFINE @ np.diag([0.5, 0.5, 0.5, 1]))
    options = {
        "labels_img": labels,
        "mask_img": without_5 if masked else None,
        "resampling_target": target,
        "standardize": None,
    }
    _assert_same(options, {"imgs": fine})
    told = []
    for module in (compat, oracle):
        masker = module.NiftiLabelsMasker(**options).fit()
        with pytest.warns(UserWarning, match="at transform time") as found:
            masker.transform(fine)
        told.append({str(one.message).split(".")[0] for one in found})
    assert {one for one in told[0] if "mask" not in one} == {
        one for one in told[1] if "mask" not in one
    }


TABLE = np.random.default_rng(4).normal(size=(40, 2))


@pytest.mark.parametrize(
    "options",
    [
        {"labels_img": None},
        {"labels_img": "/nowhere/labels.nii.gz"},
        {"labels_img": nib.Nifti1Image(np.zeros(SHAPE, np.int16), AFFINE)},
        {"mask_img": nib.Nifti1Image(np.zeros(SHAPE, np.int16), AFFINE)},
        {"labels": ("a", "b", "c")},
        {"labels": [1, 2, 3]},
        {"labels": [*"abc"], "lut": LUT},
        {"standardize": "zscore"},
        {"standardize": "z"},
        {"strategy": "mode"},
        {"resampling_target": "mask"},
        {"dtype": bool},
        {"detrend": "yes"},
        {"t_r": "2"},
        {"memory": 3},
        {"memory_level": "high"},
        {"verbose": "much"},
        {"smoothing_fwhm": [4, 4, 4]},
        {"clean_args": [1]},
        {"high_pass": 0.01},
        {"clean__filter": "cosine"},
        {"unknown": 1},
        {"imgs": 3},
        {"imgs": np.ones((*SHAPE, 3))},
        {"imgs": "/nowhere/run.nii"},
        {"imgs": nib.Nifti1Image(np.ones((12, 14, 16, 3)), AFFINE), "resampling_target": None},
        {"confounds": TABLE[:7]},
        {"confounds": 3},
        {"confounds": "nowhere.tsv"},
        {"sample_mask": [[1, 2], [3, 4]]},
    ],
    ids=lambda options: "-".join(options),
)
def test_exceptions_are_of_the_type_that_nilearn_raises(
    labels: Any, options: dict[str, Any]
) -> None:
    calls = ("imgs", "confounds", "sample_mask")
    call = {name: value for name, value in options.items() if name in calls}
    options = {"labels_img": labels} | {k: v for k, v in options.items() if k not in calls}
    theirs, _, _ = outcome("NiftiLabelsMasker", oracle, options, call)
    ours, _, _ = outcome("NiftiLabelsMasker", compat, options, call)
    assert isinstance(theirs, type)
    assert ours is theirs


@pytest.mark.parametrize("kind", ["several images", "a list of 4D images as labels"])
def test_where_nilearn_has_its_own_class_it_is_the_typeerror_it_derives_from(
    labels: Any, kind: str
) -> None:
    options: dict[str, Any] = {"labels_img": labels}
    call: dict[str, Any] = {"imgs": [make_run(), make_run()]}
    if kind != "several images":
        options, call = {"labels_img": make_run()}, {}
    theirs, _, _ = outcome("NiftiLabelsMasker", oracle, options, call)
    ours, _, _ = outcome("NiftiLabelsMasker", compat, options, call)
    assert theirs.__name__ == "DimensionError"
    assert issubclass(theirs, TypeError)
    assert ours is TypeError


def test_a_3d_image_gives_a_vector_and_a_frame_of_one_row(labels: Any) -> None:
    volume = nib.Nifti1Image(make_run().get_fdata()[..., 0], AFFINE)
    masker = compat.NiftiLabelsMasker(labels, standardize=None)
    vector = masker.fit_transform(volume)
    np.testing.assert_allclose(
        vector, oracle.NiftiLabelsMasker(labels, standardize=None).fit_transform(volume)
    )
    assert vector.shape == (3,)
    frame = masker.set_output(transform="pandas").transform(volume)
    assert frame.shape == (1, 3)
    assert list(frame.columns) == ["2", "5", "9"]
    np.testing.assert_array_equal(masker.inverse_transform(frame).shape, SHAPE)


@pytest.mark.parametrize("given_dtype", ["f4", "f8", "i4", "i8", "bool"])
@pytest.mark.parametrize("dtype", [None, "auto", "float32", "int32"])
def test_the_inverse_has_the_values_and_the_type_of_nilearns(
    labels: Any, given_dtype: str, dtype: Any
) -> None:
    if (given_dtype, dtype) == ("bool", "auto"):
        pytest.skip("nilearn 0.14.1 takes 'auto' for the name of a type")
    signals = (np.random.default_rng(5).random((4, 3)) * 10).astype(given_dtype)
    images = []
    for module in (compat, oracle):
        masker = module.NiftiLabelsMasker(labels, dtype=dtype).fit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images.append(masker.inverse_transform(signals))
    ours, theirs = images
    np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
    assert np.asarray(ours.dataobj).dtype == np.asarray(theirs.dataobj).dtype
    assert ours.get_data_dtype() == theirs.get_data_dtype()


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_the_inverse_takes_data_frames(labels: Any, container: str) -> None:
    module = pytest.importorskip(container)
    signals = np.random.default_rng(5).random((4, 3))
    masker = compat.NiftiLabelsMasker(labels).fit()
    frame = module.DataFrame(signals, **({"schema": [*"abc"]} if container == "polars" else {}))
    np.testing.assert_array_equal(
        masker.inverse_transform(frame).get_fdata(), masker.inverse_transform(signals).get_fdata()
    )


def test_an_image_without_background_has_none_in_the_attributes(labels: Any) -> None:
    masker = compat.NiftiLabelsMasker(labels, background_label=99, standardize=None)
    signals = masker.fit_transform(make_run())
    assert signals.shape == (40, 4)
    assert masker.n_elements_ == len(masker.labels_) == len(masker.region_names_) == 4
    assert "background" not in masker.region_ids_
    assert "Background" not in masker.lut_["name"].tolist()


def test_several_runs_are_those_of_nilearn(labels: Any, without_5: Any) -> None:
    runs = [make_run(seed=k) for k in range(3)]
    options = {"mask_img": without_5, "standardize": "zscore_sample", "detrend": True}
    call = {
        "confounds": [TABLE, None, pd.DataFrame(TABLE)],
        "sample_mask": [None, np.arange(3, 40), None],
    }
    found = compat.MultiNiftiLabelsMasker(labels, **options, n_jobs=2).fit_transform(runs, **call)
    expected = oracle.MultiNiftiLabelsMasker(labels, **options).fit_transform(runs, **call)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    for wrong in ({"confounds": TABLE}, {"sample_mask": np.arange(20)}):
        with pytest.raises(TypeError, match="must be a None or a list"):
            compat.MultiNiftiLabelsMasker(labels).fit_transform(runs, **wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_confounds_in_the_place_of_the_target_are_told_of(labels: Any, kind: str) -> None:
    regions = [(2, 3, 4)] if "Spheres" in kind else labels
    masker = getattr(compat, kind)(regions, standardize=None)
    with pytest.warns(UserWarning, match="give confounds by name"):
        found = masker.fit_transform(make_run(), TABLE)
    np.testing.assert_array_equal(found, masker.fit_transform(make_run()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masker.fit_transform(make_run(), np.arange(40))


def test_a_path_with_wildcards_is_a_list_of_volumes(tmp_path: Path, labels: Any) -> None:
    run = make_run(5)
    for k in range(5):
        nib.save(nib.Nifti1Image(run.get_fdata()[..., k], AFFINE), tmp_path / f"v{k}.nii")
    options = {"labels_img": labels, "standardize": None}
    found = compat.NiftiLabelsMasker(**options).fit_transform(str(tmp_path / "v*.nii"))
    np.testing.assert_allclose(found, compat.NiftiLabelsMasker(**options).fit_transform(run))


@pytest.mark.parametrize("kind", KINDS)
def test_nilearn_takes_them_for_maskers(labels: Any, kind: str) -> None:
    masker = getattr(compat, kind)(labels)
    assert is_masker(masker)
    assert accept_niimg_input(masker)


def test_an_engine_that_is_not_there_is_ignored_with_a_warning(labels: Any) -> None:
    masker = compat.NiftiLabelsMasker(labels).fit(make_run())
    with pytest.warns(UserWarning, match="engine='brainsprite' is not available"):
        page = masker.generate_report(engine="brainsprite", title="Labels of sub-01")
    assert "Labels of sub-01" in str(page)
    with pytest.raises(ValueError, match="'engine' must be one of"):
        masker.generate_report(engine="crayons")


@pytest.mark.parametrize(
    ("reports", "fitted", "text"),
    [
        (True, None, "This estimator has not been fit yet"),
        (False, "image", "Report generation not enabled"),
        (True, "nothing", "No image provided to fit in MultiNiftiLabelsMasker"),
        (True, "list", "A list of 4D subject images were provided to fit"),
    ],
)
def test_reports_warn_of_what_they_lack_as_nilearns(
    labels: Any, reports: bool, fitted: str | None, text: str
) -> None:
    images = {"image": make_run(3), "list": [make_run(3), make_run(3)], "nothing": None}
    for module in (compat, oracle):
        masker = module.MultiNiftiLabelsMasker(labels, reports=reports, standardize=None)
        if fitted is not None:
            masker.fit(images[fitted])
        with pytest.warns(UserWarning, match=text):
            masker.generate_report()


def test_a_memory_of_level_0_is_told_of(tmp_path: Path, labels: Any) -> None:
    with pytest.warns(UserWarning, match="memory_level is currently set to 0"):
        compat.NiftiLabelsMasker(labels, memory=tmp_path, memory_level=0).fit()
