"""Images of maps whose data are made when they are asked for."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx import NiftiMapsMasker
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.maps import find_maps
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.weighted import maps_of
from bids_labelx.masker.map_image import maps_image

SHAPE = (5, 4, 3)


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.random((*SHAPE, 6)) * (rng.random((*SHAPE, 6)) < 0.3)


@pytest.fixture
def image(values: np.ndarray) -> nib.Nifti1Image:
    affine = np.diag([2.0, 3, 4, 1])
    maps = find_maps(open_run_data(nib.Nifti1Image(values, affine)))
    return maps_image(maps, VolumeGrid.of(SHAPE, affine))


def test_it_is_an_image_like_any_other(
    values: np.ndarray, image: nib.Nifti1Image, tmp_path: Path
) -> None:
    assert image.shape == values.shape
    assert image.get_data_dtype() == np.float64
    np.testing.assert_array_equal(image.get_fdata(), values)
    np.testing.assert_array_equal(image.dataobj[..., 2], values[..., 2])
    np.testing.assert_array_equal(image.dataobj[..., -1], values[..., -1])
    np.testing.assert_array_equal(image.dataobj[1, :, 2], values[1, :, 2])
    np.testing.assert_array_equal(image.slicer[..., 1:3].get_fdata(), values[..., 1:3])
    np.testing.assert_array_equal(image.dataobj[1:, ..., ::2], values[1:, ..., ::2])
    np.testing.assert_array_equal(image.dataobj[3, 2, 1, 4], values[3, 2, 1, 4])
    np.testing.assert_array_equal(image.dataobj[[0, 2]], values[[0, 2]])
    np.testing.assert_array_equal(image.dataobj[values > 0.5], values[values > 0.5])
    with pytest.raises(IndexError):
        image.dataobj[..., 6]
    np.testing.assert_allclose(image.get_fdata(dtype=np.float32), values, rtol=1e-6)
    nib.save(image, tmp_path / "maps.nii.gz")
    np.testing.assert_array_equal(nib.load(tmp_path / "maps.nii.gz").get_fdata(), values)


def test_the_array_is_not_made_before_it_is_asked_for() -> None:
    # A thousand maps of a thousand thousand voxels: 8 GB.
    grid = VolumeGrid.of((100, 100, 100), np.eye(4))
    maps = maps_of([(np.arange(k, k + 9), np.ones(9)) for k in range(1000)], grid.n_elements)
    tracemalloc.start()
    try:
        image = maps_image(maps, grid)
        assert image.dataobj[..., 5].sum() == 9
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_a_masker_takes_it_and_goes_through_pickle(
    values: np.ndarray, image: nib.Nifti1Image
) -> None:
    run = nib.Nifti1Image(np.random.default_rng(1).normal(size=(*SHAPE, 7)), image.affine)
    expected = NiftiMapsMasker(nib.Nifti1Image(values, image.affine)).fit_transform(run)
    masker = NiftiMapsMasker(image).fit(run)
    np.testing.assert_array_equal(masker.transform(run), expected)
    again = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(again.transform(run), expected)
    np.testing.assert_array_equal(again.maps_img_.get_fdata(), values)
