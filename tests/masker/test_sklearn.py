"""The maskers among scikit-learn's tools."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker

KINDS = [NiftiLabelsMasker, MultiNiftiLabelsMasker]

# Checks that give `fit` an array of numbers, where a masker wants images.
NEED_ARRAYS = {
    "check_complex_data",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_empty_data_messages",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit1d",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}

# The documented class wants what these checks forbid: a default that is a `joblib.Memory`, and a
# constructor that refuses a wrong `resampling_target`.
AGAINST_THE_PAGE = {
    "check_parameters_default_constructible",
    "check_do_not_raise_errors_in_init_or_set_params",
}


@pytest.mark.parametrize("kind", KINDS)
def test_estimator_checks_pass_but_for_those_listed_with_their_reason(
    kind: Any, labels_img: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(labels_img), on_fail=None, on_skip=None)
    failed = {one["check_name"] for one in results if one["status"] == "failed"}
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    assert failed <= NEED_ARRAYS | AGAINST_THE_PAGE
    for name in ("cloneable", "repr"):
        assert f"check_estimator_{name}" in passed
    for name in ("check_no_attributes_set_in_init", "check_get_params_invariance"):
        assert name in passed
    for one in results:
        if one["status"] == "failed" and one["check_name"] in NEED_ARRAYS:
            assert "image" in str(one["exception"]) or isinstance(one["exception"], AssertionError)


class MeanOverTime(TransformerMixin, BaseEstimator):
    """A row of region means per run."""

    def fit(self, runs: Any, y: Any = None) -> MeanOverTime:  # noqa: ARG002
        return self

    def transform(self, runs: Any) -> np.ndarray:
        return np.array([np.asarray(run).mean(axis=0) for run in runs])


def test_it_works_in_a_pipeline_and_a_grid_search(
    labels_img: Any, make_run: Callable[..., Any]
) -> None:
    runs = [make_run(5, seed) for seed in range(12)]
    for k, run in enumerate(runs):
        if k % 2:
            # The second class is brighter in the region of label 5.
            np.asarray(run.dataobj)[2:4] += 20
    target = np.arange(12) % 2
    pipeline = make_pipeline(
        MultiNiftiLabelsMasker(labels_img), MeanOverTime(), StandardScaler(), LogisticRegression()
    )
    search = GridSearchCV(
        pipeline,
        {"multiniftilabelsmasker__strategy": ["variance", "mean"]},
        cv=3,
    )
    search.fit(runs, target)
    assert search.best_params_ == {"multiniftilabelsmasker__strategy": "mean"}
    assert search.best_score_ > 0.8
    np.testing.assert_array_equal(search.predict(runs), target)


def test_what_follows_the_images_is_read_as_the_page_and_as_a_pipeline_mean_it(
    labels_img: Any, make_run: Callable[..., Any]
) -> None:
    run = make_run()
    table = np.random.default_rng(1).standard_normal((20, 2))
    kept = np.arange(2, 18)
    masker = NiftiLabelsMasker(labels_img)
    plain = masker.fit_transform(run)
    cleaned = masker.fit_transform(run, confounds=table)
    censored = masker.fit_transform(run, confounds=table, sample_mask=kept)
    only_censored = masker.fit_transform(run, sample_mask=kept)
    assert not np.allclose(plain, cleaned)
    assert censored.shape == only_censored.shape == (16, 3)
    for given, wanted in (
        ((table,), cleaned),
        ((table.tolist(),), cleaned),
        (([table[:, :1], table[:, 1:]],), cleaned),
        ((pd.DataFrame(table),), cleaned),
        ((table, kept), censored),
        ((None, kept), only_censored),
        ((None, table), cleaned),
        ((None, table, kept), censored),
        ((np.array([1]),), plain),
        ((["face"],), plain),
        ((np.arange(20),), plain),
    ):
        np.testing.assert_array_equal(masker.fit_transform(run, *given), wanted)
    np.testing.assert_array_equal(
        masker.fit_transform(run, np.array([1]), confounds=table), cleaned
    )
    with pytest.raises(TypeError, match="confounds both by place and by name"):
        masker.fit_transform(run, table, confounds=table)
    with pytest.raises(TypeError, match="at most 3"):
        masker.fit_transform(run, 1, 2, 3, 4)


def test_several_runs_take_confounds_second_too(
    labels_img: Any, make_run: Callable[..., Any]
) -> None:
    run, table = make_run(), np.random.default_rng(1).standard_normal((20, 2))
    several = MultiNiftiLabelsMasker(labels_img)
    single = NiftiLabelsMasker(labels_img)
    first, second = several.fit_transform([run, run], [table, None])
    np.testing.assert_array_equal(first, single.fit_transform(run, confounds=table))
    np.testing.assert_array_equal(second, single.fit_transform(run))
    with pytest.raises(TypeError, match="one entry for each run"):
        several.fit_transform([run, run], table)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output_gives_each_run_the_container_with_names(
    kind: Any, container: str, labels_img: Any, make_run: Callable[..., Any]
) -> None:
    pytest.importorskip(container)
    masker = kind(labels_img, labels=["a", "b", "c"]).set_output(transform=container)
    several = kind is MultiNiftiLabelsMasker
    result = masker.fit_transform([make_run()] if several else make_run())
    table = result[0] if several else result
    assert type(table).__module__.split(".")[0] == container
    assert list(table.columns) == ["a", "b", "c"]
    plain = masker.set_output(transform="default").transform(make_run())
    np.testing.assert_array_equal(table.to_numpy(), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_can_be_requested_as_the_page_says(kind: Any, labels_img: Any) -> None:
    with config_context(enable_metadata_routing=True):
        masker = kind(labels_img)
        masker.set_transform_request(confounds=True, imgs=False, sample_mask="kept")
        masker.set_fit_request(imgs=True)
        masker.set_inverse_transform_request(signals=True)
        routing = masker.get_metadata_routing()
    assert routing.transform.requests == {"imgs": False, "confounds": True, "sample_mask": "kept"}
    assert routing.fit.requests == {"imgs": True}
    assert routing.inverse_transform.requests == {"signals": True}


def test_names_are_those_of_the_columns(labels_img: Any, make_run: Callable[..., Any]) -> None:
    lut = pd.DataFrame({"index": [9, 5, 2], "name": ["nine", "five", "two"]})
    masker = NiftiLabelsMasker(labels_img, lut=lut).fit(make_run())
    assert masker.get_feature_names_out().tolist() == ["two", "five", "nine"]
