"""Laws that hold whatever the numbers are."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_labelx import NiftiLabelsMasker
from bids_labelx.extraction.regions import STATISTICS

SHAPE = (5, 4, 3)


def images(seed: int, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_labels + 1, SHAPE)
    labels.ravel()[: n_labels + 1] = np.arange(n_labels + 1)
    return labels, rng.normal(10, 3, (*SHAPE, 6))


def signals(labels: np.ndarray, values: np.ndarray, **options: Any) -> np.ndarray:
    image = nib.Nifti1Image(labels.astype(np.int32), np.eye(4))
    result: np.ndarray = NiftiLabelsMasker(image, **options).fit_transform(
        nib.Nifti1Image(values, np.eye(4))
    )
    return result


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.sampled_from(STATISTICS), st.data())
def test_permuting_label_values_permutes_columns(
    seed: int, n_labels: int, strategy: str, data: st.DataObject
) -> None:
    labels, values = images(seed, n_labels)
    plain = signals(labels, values, strategy=strategy)
    fresh = data.draw(
        st.lists(st.integers(1, 10_000), min_size=n_labels, max_size=n_labels, unique=True)
    )
    renamed = np.concatenate([[0], fresh])[labels]
    order = np.argsort(fresh)
    np.testing.assert_array_equal(signals(renamed, values, strategy=strategy), plain[:, order])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-1e4, 1e4))
def test_adding_a_constant_shifts_means_by_it_and_spreads_not_at_all(
    seed: int, constant: float
) -> None:
    labels, values = images(seed, 4)
    for strategy in ("mean", "median", "minimum", "maximum"):
        shifted = signals(labels, values + constant, strategy=strategy)
        plain = signals(labels, values, strategy=strategy)
        np.testing.assert_allclose(shifted, plain + constant, rtol=1e-9, atol=1e-9)
    for strategy in ("variance", "standard_deviation"):
        shifted = signals(labels, values + constant, strategy=strategy)
        plain = signals(labels, values, strategy=strategy)
        np.testing.assert_allclose(shifted, plain, rtol=1e-6, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_what_was_put_back_into_the_brain_is_extracted_again(seed: int, masked: bool) -> None:
    labels, values = images(seed, 5)
    image = nib.Nifti1Image(labels.astype(np.int32), np.eye(4))
    inside = np.random.default_rng(seed).random(SHAPE) < 0.7
    mask = nib.Nifti1Image(inside.astype(np.uint8), np.eye(4)) if masked else None
    masker = NiftiLabelsMasker(image, mask_img=mask)
    once = masker.fit_transform(nib.Nifti1Image(values, np.eye(4)))
    twice = masker.transform(masker.inverse_transform(once))
    np.testing.assert_allclose(twice, once, rtol=1e-12)


def test_a_run_that_is_no_image_is_refused() -> None:
    labels, values = images(0, 3)
    image = nib.Nifti1Image(labels.astype(np.int32), np.eye(4))
    with pytest.raises(TypeError, match="nibabel image"):
        NiftiLabelsMasker(image).fit().transform(values)
