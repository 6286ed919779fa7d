"""Censored volumes: splines of another making, and straight lines by `numpy.interp`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import make_interp_spline

from bids_labelx.extraction.interpolate import interpolate_censored


def noise(n_volumes=200, n_columns=4, seed=0):
    return 1000 + np.random.default_rng(seed).normal(size=(n_volumes, n_columns)).cumsum(axis=0)


def spline_through(columns, keep, where):
    """The not-a-knot cubic in B-spline form; of lower degree through few volumes."""
    kept = np.flatnonzero(keep)
    return make_interp_spline(kept, columns[kept], k=min(3, len(kept) - 1))(where)


@settings(max_examples=100, deadline=None)
@given(keep=st.lists(st.booleans(), min_size=2, max_size=40), extrapolate=st.booleans())
def test_censored_volumes_lie_on_the_spline_through_the_kept_ones(keep, extrapolate):
    keep = np.array(keep)
    keep[[0, 1]] |= keep.sum() < 2
    columns = np.random.default_rng(0).normal(size=(len(keep), 3))
    kept = np.flatnonzero(keep)
    span = np.arange(len(keep)) if extrapolate else np.arange(kept[0], kept[-1] + 1)
    expected = spline_through(columns, keep, span)
    whole, inside = interpolate_censored(columns, keep, extrapolate=extrapolate)
    np.testing.assert_array_equal(inside, keep[span])
    np.testing.assert_array_equal(whole[inside], columns[keep])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(whole / scale, expected / scale, rtol=0, atol=1e-8)


def test_a_cubic_is_continued_as_it_is():
    time = np.arange(50.0)[:, np.newaxis]
    cubic = 3 + time - 0.2 * time**2 + 0.003 * time**3
    keep = np.ones(50, bool)
    keep[[0, 1, 10, 24, 25, 26, 39, 49]] = False
    whole, inside = interpolate_censored(np.where(keep[:, None], cubic, 1e6), keep)
    np.testing.assert_allclose(whole, cubic[2:49], atol=1e-9)
    assert len(inside) == 47
    whole, _ = interpolate_censored(np.where(keep[:, None], cubic, 1e6), keep, extrapolate=True)
    np.testing.assert_allclose(whole, cubic, atol=1e-9)


def test_interpolation_leaves_its_input_and_keeps_a_column_of_nan_apart():
    columns = noise(30)
    keep = np.arange(30) % 4 > 0
    expected, _ = interpolate_censored(columns, keep)
    columns[~keep] = np.nan
    columns[9, 2] = np.inf
    before = columns.copy()
    whole, _ = interpolate_censored(columns, keep)
    np.testing.assert_array_equal(columns, before)
    assert np.isnan(whole[:, 2]).all()
    np.testing.assert_array_equal(whole[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    assert interpolate_censored(columns[:, :0], keep)[0].shape == (29, 0)


def test_a_single_kept_volume_is_a_run_of_one_and_cannot_be_extrapolated():
    keep = np.arange(30) == 7
    whole, inside = interpolate_censored(noise(30), keep)
    np.testing.assert_array_equal(whole, noise(30)[[7]])
    assert inside.tolist() == [True]
    with pytest.raises(ValueError, match="only one volume"):
        interpolate_censored(noise(30), keep, extrapolate=True)


@settings(max_examples=100, deadline=None)
@given(
    keep=st.lists(st.booleans(), min_size=2, max_size=40),
    extrapolate=st.sampled_from([False, True, "hold"]),
    dummy=st.integers(0, 4),
)
def test_straight_lines_are_those_of_numpy(keep, extrapolate, dummy):
    keep = np.array(keep)
    keep[: min(dummy, len(keep) - 2)] = False
    keep[[-1, -2]] |= keep.sum() < 2
    columns = np.random.default_rng(0).normal(size=(len(keep), 3))
    kept = np.flatnonzero(keep)
    first, last = (min(dummy, kept[0]), len(keep)) if extrapolate else (kept[0], kept[-1] + 1)
    whole, inside = interpolate_censored(
        columns, keep, interpolation="linear", extrapolate=extrapolate, dummy=dummy
    )
    np.testing.assert_array_equal(inside, keep[first:last])
    expected = [np.interp(np.arange(first, last), kept, column[kept]) for column in columns.T]
    np.testing.assert_allclose(whole, np.transpose(expected), rtol=0, atol=1e-12)


def test_held_ends_repeat_the_nearest_kept_volume_whatever_is_between():
    columns, keep = noise(30), np.ones(30, bool)
    keep[[0, 1, 2, 3, 12, 27, 28, 29]] = False
    whole, _ = interpolate_censored(columns, keep, extrapolate="hold", dummy=2)
    assert len(whole) == 28
    np.testing.assert_allclose(whole[:2], columns[[4, 4]], rtol=1e-12)
    np.testing.assert_allclose(whole[-3:], columns[[26, 26, 26]], rtol=1e-12)
    spline = spline_through(columns, keep, np.arange(4, 27))
    np.testing.assert_allclose(whole[2:-3], spline, rtol=1e-9)
