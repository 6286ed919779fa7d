"""Covered voxels, judged on the run and kept to when something else was made of it."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_labelx.extraction.coverage import (
    covered_regions,
    reduce_smoothed,
    refuse_empty_volumes,
    union,
    watch,
)
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import Regions, find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.spatial import smooth_volumes

SHAPE = (7, 8, 9)
AFFINE = np.diag([3.0, 3, 3, 1])
IDS = np.array([3, 1, 2])


def image_of(values: np.ndarray) -> RunData:
    return open_run_data(nib.Nifti1Image(values, AFFINE, dtype=values.dtype))


def some_run() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (*SHAPE, 5))


def some_labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, SHAPE)


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


def smoothed_by_hand(data: np.ndarray, fwhm: float) -> np.ndarray:
    """Every volume through SciPy's Gaussian, what is not finite as 0."""
    sigma = fwhm / 3 / np.sqrt(8 * np.log(2))
    clean = np.where(np.isfinite(data), data, 0)
    volumes = [ndimage.gaussian_filter(one, sigma) for one in np.moveaxis(clean, 3, 0)]
    return np.stack(volumes, axis=3)


def test_what_passes_by_is_the_same_and_says_which_voxels_are_covered():
    data = np.full((6, 1, 1, 9), 5.0, "f4")
    data[1] = 0.0
    data[2, ..., 5] = np.nan
    data[3, ..., 8] = -np.inf
    data[4, ..., :-1] = 0.0
    data[5] = np.nan
    for size in (1, 2, 9):
        volumes, seen = watch(image_of(data), np.arange(6))
        passed = np.concatenate([np.array(raw) for _, raw in volumes.blocks(size)])
        np.testing.assert_array_equal(passed, data[:, 0, 0].T)
        assert seen.covered.tolist() == [True, False, False, False, True, False]
        assert seen.finite.tolist() == [True, True, False, False, True, False]


def test_a_voxel_of_stored_zeros_is_covered_where_they_mean_something_else(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 30), "i2"), np.eye(4))
    image.header.set_slope_inter(1.0, 5.0)
    nib.save(image, tmp_path / "run.nii")
    volumes, seen = watch(open_run_data(tmp_path / "run.nii"), np.arange(8))
    for _ in volumes.blocks():
        pass
    assert seen.covered.all()


def test_covered_regions_leave_voxels_out_and_keep_the_columns():
    data, labels = some_run(), some_labels()
    data[0] = 0
    regions = regions_of(labels, IDS)
    volumes, seen = watch(image_of(data), regions.elements)
    for _ in volumes.blocks():
        pass
    labels[0] = 0
    expected = regions_of(labels, IDS)
    result = covered_regions(regions, seen)
    np.testing.assert_array_equal(result.elements, expected.elements)
    np.testing.assert_array_equal(result.columns, expected.columns)
    assert result.n_columns == 3


@pytest.mark.parametrize(("gaps", "passes"), [(False, 1), (True, 2)])
def test_smoothed_regions_are_those_of_whole_smoothed_volumes_over_covered_voxels(gaps, passes):
    data, labels = some_run(), some_labels()
    if gaps:
        data[0], data[1, 0, 0, 2], data[2, 3, :, :2] = 0.0, np.nan, 0.0
        labels[0, 0, 0] = 9
    ids = np.array([3, 1, 2, 9])
    atlases = [regions_of(labels, ids), regions_of(labels.T.reshape(SHAPE), ids)]
    volumes, made = counted(image_of(data))
    statistics = ["mean", "median"]
    result = reduce_smoothed(volumes, 6.0, atlases, statistics, mean_image=True)
    assert len(made) == passes
    smooth = smoothed_by_hand(data, 6.0)
    np.testing.assert_allclose(result.mean_image, smooth.mean(axis=3).ravel("F"), rtol=1e-12)
    good = np.isfinite(data).all(axis=3) & (data != 0).any(axis=3)
    assert result.nonfinite_elements == int(gaps)
    for one, by_statistic, counts in zip(
        (labels, labels.T.reshape(SHAPE)), result.signals, result.elements_covered, strict=True
    ):
        for column, label in enumerate(ids):
            series = smooth[good & (one == label)]
            assert counts[column] == len(series)
            for name in statistics:
                found = by_statistic[name][:, column]
                if len(series):
                    np.testing.assert_allclose(found, getattr(np, name)(series, axis=0))
                else:
                    assert np.isnan(found).all()


def test_smoothing_fills_gaps_which_is_why_coverage_is_judged_before():
    data = some_run()
    data[0] = 0
    labels = np.zeros(SHAPE, int)
    labels[0] = 1
    regions = [regions_of(labels, np.array([1]))]
    smoothed = smooth_volumes(image_of(data), 6.0)
    after = reduce_volumes(smoothed, regions, ["mean"], uncovered="exclude")
    assert after.elements_covered[0].tolist() == [72]
    before = reduce_smoothed(image_of(data), 6.0, regions, ["mean"])
    assert before.elements_covered[0].tolist() == [0]
    assert np.isnan(before.signals[0]["mean"]).all()


def test_the_union_has_each_voxel_once_in_ascending_order():
    a, b = Regions(np.array([5, 9]), np.array([0, 0]), 1), Regions(np.array([2, 5]), [0, 1], 2)
    assert union([a, b]).tolist() == [2, 5, 9]
    assert union([]).tolist() == []


def test_wrong_requests_are_refused():
    volumes = image_of(some_run())
    for wrong in ([3, 2], [2, 2], [[1, 2]]):
        with pytest.raises(ValueError, match="ascending"):
            watch(volumes, np.array(wrong))
    for wrong in ([-1, 2], [0, volumes.n_elements]):
        with pytest.raises(ValueError, match="are not among its"):
            watch(volumes, np.array(wrong))
    _, seen = watch(volumes, np.array([2, 4]))
    for voxels in ([2, 3], [2, 4, 5]):
        regions = Regions(np.array(voxels), np.zeros(len(voxels), np.intp), 1)
        with pytest.raises(ValueError, match=r"1 element\(s\) of the regions were not watched"):
            covered_regions(regions, seen)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_volume_without_any_finite_value_is_named_and_others_are_not(size):
    data = some_run()
    data[1:, :, :, 2] = np.nan
    data[0, 0, 0, 2] = np.inf
    data[..., 4] = np.inf
    data[1, 1, 1, 4] = np.nan
    with pytest.raises(ValueError, match=rf"volume 5 of {data.shape[3]} has no finite value"):
        list(refuse_empty_volumes(image_of(data)).blocks(size))
    data[-1, -1, -1, 4] = 0
    assert list(refuse_empty_volumes(image_of(data)).blocks(size))
