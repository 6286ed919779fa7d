"""Label statistics: what a loop over labels and volumes gives, in one pass, to the same byte."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import BY_NUMPY

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import STATISTICS, Regions, find_regions
from bids_labelx.extraction.run_data import RunData


def image_of(values: np.ndarray) -> RunData:
    return open_run_data(nib.Nifti1Image(values, np.eye(4), dtype=values.dtype))


def regions_of(labels: np.ndarray, ids: np.ndarray, mask: np.ndarray | None = None) -> Regions:
    """Regions of labels and mask of shape (x, y, z)."""
    return find_regions(labels.ravel("F"), ids, None if mask is None else mask.ravel("F"))


def counted(volumes: RunData) -> tuple[RunData, list[int]]:
    """The same volumes, and a list that grows by one entry with every pass over them."""
    passes: list[int] = []

    def read(size):
        passes.append(size)
        return volumes.blocks(size)

    return dataclasses.replace(volumes, read_blocks=read), passes


def brute_force(data, labels, ids, mask, statistic, uncovered):
    """A loop over labels; `data` is (x, y, z, t). Returns signals and covered voxels."""
    data = data.astype(np.float64)
    signals = np.full((data.shape[3], len(ids)), 0.0 if uncovered == "zero" else np.nan)
    counts = np.zeros(len(ids), int)
    for column, label in enumerate(ids):
        inside = labels == label
        if mask is not None:
            inside = inside & mask
        series = data[inside]
        if uncovered == "zero":
            series = np.where(np.isfinite(series), series, 0.0)
        else:
            series = series[np.isfinite(series).all(axis=1) & (series != 0).any(axis=1)]
        counts[column] = len(series)
        if len(series):
            signals[:, column] = BY_NUMPY[statistic](series, axis=0)
    return signals, counts


@st.composite
def runs(draw):
    """An image with gaps of every kind, two atlases, a mask."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    n_volumes = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    dtype = draw(st.sampled_from(["i2", ">i2", "u1", "f4", "f8"]))
    data = (rng.normal(size=(*shape, n_volumes)) * 20 + 60).astype(dtype)
    if draw(st.booleans()):
        data[rng.random(shape) < 0.3] = 0
    if draw(st.booleans()):
        data[rng.random(data.shape) < 0.1] = 0
    if data.dtype.kind == "f" and draw(st.booleans()):
        data[rng.random(data.shape) < 0.05] = np.nan
        data[rng.random(data.shape) < 0.02] = np.inf
    atlases = []
    for _ in range(draw(st.integers(1, 2))):
        values = np.array([0, 7, 3, 9170, 12])
        labels = rng.choice(values, shape)
        ids = rng.permutation([3, 9170, 7, 5, 12])[: draw(st.integers(1, 5))]
        atlases.append((labels, ids))
    mask = rng.random(shape) < 0.8 if draw(st.booleans()) else None
    return data, atlases, mask


@settings(max_examples=200, deadline=None)
@given(
    run=runs(),
    uncovered=st.sampled_from(["exclude", "zero"]),
    statistics=st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True),
    block=st.integers(1, 10),
)
def test_every_statistic_is_that_of_a_loop_over_labels(run, uncovered, statistics, block):
    data, atlases, mask = run
    regions = [regions_of(labels, ids, mask) for labels, ids in atlases]
    result = reduce_volumes(image_of(data), regions, statistics, uncovered=uncovered, block=block)
    assert len(result.signals) == len(atlases)
    for (labels, ids), signals, covered in zip(
        atlases, result.signals, result.elements_covered, strict=True
    ):
        assert list(signals) == statistics
        for statistic in statistics:
            expected, counts = brute_force(data, labels, ids, mask, statistic, uncovered)
            np.testing.assert_array_equal(covered, counts)
            np.testing.assert_allclose(signals[statistic], expected, rtol=1e-12, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(run=runs(), uncovered=st.sampled_from(["exclude", "zero"]), block=st.integers(2, 10))
def test_the_block_size_does_not_change_a_single_byte(run, uncovered, block):
    data, atlases, mask = run
    data = data.astype("f8") / 3
    regions = [regions_of(labels, ids, mask) for labels, ids in atlases]
    one, other = (
        reduce_volumes(
            image_of(data), regions, STATISTICS, uncovered=uncovered, mean_image=True, block=size
        )
        for size in (1, block)
    )
    assert one.mean_image.tobytes() == other.mean_image.tobytes()
    for a, b in zip(one.signals, other.signals, strict=True):
        for statistic in STATISTICS:
            assert a[statistic].tobytes() == b[statistic].tobytes()


def test_the_block_size_does_not_change_a_single_byte_of_large_regions():
    data = np.random.default_rng(0).normal(1000, 30, (20, 21, 22, 13))
    labels = np.random.default_rng(1).integers(0, 4, data.shape[:3])
    regions = [regions_of(labels, np.array([1, 2, 3]))]
    reductions = [
        reduce_volumes(image_of(data), regions, STATISTICS, uncovered="exclude", block=size)
        for size in (1, 2, 5, 13)
    ]
    for statistic in STATISTICS:
        assert len({one.signals[0][statistic].tobytes() for one in reductions}) == 1


def test_a_statistic_is_the_same_alone_and_with_others_and_other_atlases():
    data = np.random.default_rng(0).normal(100, 10, (6, 6, 6, 5))
    data[:2] = 0
    rng = np.random.default_rng(1)
    regions = [regions_of(rng.integers(0, 5, (6, 6, 6)), np.arange(1, 5)) for _ in range(2)]
    together = reduce_volumes(image_of(data), regions, STATISTICS, uncovered="exclude")
    for k, one in enumerate(regions):
        for statistic in STATISTICS:
            alone = reduce_volumes(image_of(data), [one], [statistic], uncovered="exclude")
            assert (
                alone.signals[0][statistic].tobytes() == together.signals[k][statistic].tobytes()
            )


@pytest.mark.parametrize("statistic", ["variance", "standard_deviation"])
def test_a_large_offset_does_not_harm_the_variance(statistic):
    noise = np.random.default_rng(0).integers(-8, 9, (5, 5, 5, 4)) / 8.0
    regions = [regions_of(np.ones((5, 5, 5), int), np.array([1]))]
    near, far = (
        reduce_volumes(image_of(noise + shift), regions, [statistic], uncovered="zero")
        for shift in (0.0, 1e6)
    )
    np.testing.assert_allclose(far.signals[0][statistic], near.signals[0][statistic], rtol=1e-9)


@pytest.mark.parametrize(
    ("statistics", "spoil", "passes"),
    [
        (STATISTICS, None, 1),
        (STATISTICS, "zero in all volumes", 1),
        (STATISTICS, "NaN in all volumes", 1),
        (["mean", "sum"], "zero in the first volume", 1),
        (["mean", "sum"], "NaN in the last volume", 2),
        (["median"], "zero in the first volume", 2),
        (["median"], "NaN in the last volume", 2),
    ],
)
def test_the_data_are_read_twice_only_where_the_first_volume_deceives(statistics, spoil, passes):
    data = np.random.default_rng(0).normal(100, 10, (4, 4, 4, 9))
    if spoil:
        value = np.nan if spoil.startswith("NaN") else 0.0
        when = {"all volumes": np.s_[:], "first volume": 0, "last volume": -1}
        data[0, :, :, next(t for words, t in when.items() if spoil.endswith(words))] = value
    volumes, made = counted(image_of(data))
    labels = np.random.default_rng(1).integers(0, 3, (4, 4, 4))
    regions = regions_of(labels, np.array([1, 2]))
    result = reduce_volumes(volumes, [regions], statistics, uncovered="exclude", block=4)
    assert len(made) == passes
    for statistic in statistics:
        expected, _ = brute_force(data, labels, [1, 2], None, statistic, "exclude")
        np.testing.assert_allclose(result.signals[0][statistic], expected, rtol=1e-12)


def test_zeros_are_read_once_where_every_voxel_counts():
    data = np.random.default_rng(0).normal(size=(4, 4, 4, 9))
    data[0], data[1, ..., -1] = 0, np.nan
    volumes, made = counted(image_of(data))
    regions = regions_of(np.ones((4, 4, 4), int), np.array([1]))
    result = reduce_volumes(volumes, [regions], STATISTICS, uncovered="zero", block=4)
    assert len(made) == 1
    assert result.nonfinite_elements == 16
    assert result.elements_covered[0].tolist() == [64]


@pytest.mark.parametrize(("uncovered", "empty"), [("exclude", np.nan), ("zero", 0.0)])
def test_a_column_without_voxels_holds_nan_or_zero(uncovered, empty):
    regions = regions_of(np.ones((2, 2, 2), int), np.array([1, 99]))
    result = reduce_volumes(
        image_of(np.ones((2, 2, 2, 3))), [regions], STATISTICS, uncovered=uncovered
    )
    for statistic in STATISTICS:
        np.testing.assert_array_equal(result.signals[0][statistic][:, 1], np.full(3, empty))
    assert result.elements_covered[0].tolist() == [8, 0]


def test_an_atlas_of_which_nothing_is_left_and_no_atlas_at_all_are_no_special_case():
    volumes = image_of(np.ones((2, 2, 2, 3)))
    none = regions_of(np.zeros((2, 2, 2), int), np.array([4]))
    result = reduce_volumes(volumes, [none], ["mean", "median"], uncovered="exclude")
    assert np.isnan(result.signals[0]["median"]).all()
    result = reduce_volumes(volumes, [], ["mean"], uncovered="exclude", mean_image=True)
    assert result.signals == []
    np.testing.assert_array_equal(result.mean_image, np.ones(8))


def test_scaled_values_are_reduced_and_stored_zeros_are_data_where_the_intercept_is_not_zero(
    tmp_path,
):
    stored = np.random.default_rng(0).integers(0, 50, (3, 4, 5, 6)).astype("i2")
    stored[0] = 0
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(0.5, -3.0)
    nib.save(image, tmp_path / "image.nii.gz")
    data = stored * 0.5 - 3.0
    saved = nib.load(tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(saved.get_fdata(), data)
    labels = np.ones((3, 4, 5), int)
    labels[0] = 2
    result = reduce_volumes(
        open_run_data(tmp_path / "image.nii.gz"),
        [regions_of(labels, np.array([2, 1]))],
        ["mean"],
        uncovered="exclude",
        mean_image=True,
    )
    expected, counts = brute_force(data, labels, [2, 1], None, "mean", "exclude")
    np.testing.assert_allclose(result.signals[0]["mean"], expected)
    np.testing.assert_array_equal(result.elements_covered[0], counts)
    np.testing.assert_allclose(result.mean_image, data.mean(axis=3).ravel("F"))


def test_non_finite_values_count_as_zero_in_the_mean_image():
    data = np.random.default_rng(0).normal(size=(3, 3, 3, 4))
    data[0, 0, 0, 0], data[1, 1, 1] = np.nan, np.inf
    result = reduce_volumes(image_of(data), [], [], uncovered="exclude", mean_image=True)
    expected = np.where(np.isfinite(data), data, 0).mean(axis=3)
    np.testing.assert_allclose(result.mean_image, expected.ravel("F"))


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    ids=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=6, unique=True),
    masked=st.booleans(),
    seed=st.integers(0, 999),
)
def test_labels_are_found_by_value_in_the_order_asked_for(shape, ids, masked, seed):
    rng = np.random.default_rng(seed)
    others = [0, 2**62 + 1, -(2**62) - 1]
    labels = rng.choice(np.array([*ids, *others], np.int64), shape)
    mask = rng.random(shape) < 0.6 if masked else None
    regions = regions_of(labels, np.array(ids), mask)
    assert regions.n_columns == len(ids)
    assert regions.elements.dtype == regions.columns.dtype == np.intp
    assert (np.diff(regions.elements) > 0).all()
    for column, label in enumerate(ids):
        inside = labels == label if mask is None else (labels == label) & mask
        expected = np.flatnonzero(inside.ravel(order="F"))
        np.testing.assert_array_equal(regions.elements[regions.columns == column], expected)


def test_wrong_regions_are_refused():
    labels = np.ones((2, 2, 2), int)
    with pytest.raises(TypeError, match="integers"):
        regions_of(labels.astype(float), np.array([1]))
    with pytest.raises(TypeError, match="integers"):
        regions_of(labels, np.array([1.0]))
    with pytest.raises(ValueError, match=r"more than once: \[3\]"):
        regions_of(labels, np.array([3, 1, 3]))
    with pytest.raises(ValueError, match="shape"):
        regions_of(labels, np.array([1]), np.ones((2, 2, 3), bool))
    with pytest.raises(TypeError, match="boolean"):
        regions_of(labels, np.array([1]), labels)
    with pytest.raises(ValueError, match="vectors"):
        find_regions(labels, np.array([1]))


def test_wrong_requests_are_refused():
    volumes = image_of(np.ones((2, 2, 2, 3)))
    regions = regions_of(np.ones((2, 2, 2), int), np.array([1]))
    with pytest.raises(ValueError, match="mode"):
        reduce_volumes(volumes, [regions], ["mode"], uncovered="zero")
    with pytest.raises(ValueError, match="keep"):
        reduce_volumes(volumes, [regions], ["mean"], uncovered="keep")  # type: ignore[arg-type]
    outside = Regions(np.array([8]), np.array([0]), 1)
    with pytest.raises(ValueError, match="outside"):
        reduce_volumes(volumes, [outside], ["mean"], uncovered="zero")
