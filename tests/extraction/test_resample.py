"""Labels on another grid: voxel for voxel what nilearn's nearest neighbour gives."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img

from bids_labelx.extraction.resample import exact_labels, resample_labels

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ATLASES = DATA / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
RUNS = DATA / "real-fmriprep-like"


def by_nilearn(labels, affine, shape, target_affine):
    image = nib.Nifti1Image(labels, affine, dtype=labels.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resampled = resample_img(
            image,
            target_affine=target_affine,
            target_shape=shape,
            interpolation="nearest",
            force_resample=True,
            copy_header=True,
        )
    return np.asarray(resampled.dataobj)


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        i, j = (k for k in range(3) if k != axis)
        one[i, i] = one[j, j] = np.cos(angle)
        one[i, j], one[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ one
    return matrix


def draw_affine(draw, oblique: bool) -> np.ndarray:
    # Multiples of a half put many target centres midway between two voxels.
    sizes = draw(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0, 4.0])] * 3))
    signs = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    shift = draw(st.tuples(*[st.integers(-12, 12).map(lambda n: n / 2)] * 3))
    affine = np.diag([*np.multiply(sizes, signs), 1.0])
    affine[:3, 3] = shift
    if oblique:
        angles = draw(st.tuples(*[st.floats(-0.6, 0.6)] * 3))
        affine[:3, :3] = rotation(angles) @ affine[:3, :3]
        if draw(st.booleans()):
            affine[:3, :3] = affine[:3, [1, 2, 0]]
    return affine


@st.composite
def grids(draw):
    def shape():
        return draw(st.tuples(*[st.integers(2, 9)] * 3))

    labels = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 9, shape())
    labels = np.pad(labels.astype(np.int32), 1)
    source = draw_affine(draw, draw(st.booleans()))
    # Centred grids meet more often than not.
    source[:3, 3] -= source[:3, :3] @ np.divide(labels.shape, 2).astype(int)
    target_shape = shape()
    target = draw_affine(draw, draw(st.booleans()))
    target[:3, 3] -= target[:3, :3] @ np.divide(target_shape, 2).astype(int)
    return labels, source, target_shape, target


@settings(max_examples=300, deadline=None)
@given(grids())
def test_labels_are_voxel_for_voxel_those_of_nilearn(grid):
    labels, source, shape, target = grid
    try:
        expected = by_nilearn(labels, source, shape, target)
    except ValueError as error:
        # nilearn refuses grids that lie apart; there, all is background.
        assert "field of view" in str(error)  # noqa: PT017
        expected = np.zeros(shape, np.int32)
    if np.allclose(source, target) and labels.shape == shape:
        expected = labels
    np.testing.assert_array_equal(resample_labels(labels, source, shape, target), expected)


@pytest.mark.parametrize(
    "values", [[2**31 + 1, 7], [2**62 + 1, 2**62 + 3], [-5, 9170], [2**53 + 1, 2**53]]
)
def test_label_values_of_any_size_survive_exactly(values):
    labels = np.zeros((6, 6, 6), np.int64)
    labels[1:3], labels[3:5] = values
    target = np.diag([2.0, 2.0, 2.0, 1.0])
    resampled = resample_labels(labels, np.eye(4), (3, 3, 3), target)
    assert resampled.dtype == np.int64
    np.testing.assert_array_equal(resampled, labels[::2, ::2, ::2])


def test_beyond_the_labels_there_is_background():
    labels = np.full((2, 2, 2), 5, np.uint8)
    target = np.eye(4)
    target[:3, 3] = -2
    for background in (0, 9):
        expected = np.full((6, 6, 6), background)
        expected[2:4, 2:4, 2:4] = 5
        resampled = resample_labels(labels, np.eye(4), (6, 6, 6), target, background=background)
        np.testing.assert_array_equal(resampled, expected)


def test_a_shift_by_whole_voxels_in_any_direction_moves_the_labels():
    labels = np.random.default_rng(0).integers(1, 9, (4, 5, 6))
    for shift in ((2, 0, 0), (-2, 1, -3)):
        target = np.eye(4)
        target[:3, 3] = shift
        padded = np.pad(labels, 5)
        begin = np.add(5, shift)
        window = tuple(slice(b, b + n) for b, n in zip(begin, labels.shape, strict=True))
        resampled = resample_labels(labels, np.eye(4), labels.shape, target)
        np.testing.assert_array_equal(resampled, padded[window])


def test_big_endian_and_unordered_arrays_give_the_same_labels():
    labels = np.random.default_rng(1).integers(0, 5, (5, 6, 7)).astype("<i2")
    target = np.diag([1.5, 1.5, 1.5, 1.0])
    expected = resample_labels(labels, np.eye(4), (3, 4, 5), target)
    for other in (labels.astype(">i2"), np.asfortranarray(labels), labels[::-1][::-1]):
        np.testing.assert_array_equal(
            resample_labels(other, np.eye(4), (3, 4, 5), target), expected
        )


def test_resampling_is_silent_and_leaves_the_filters_of_warnings_alone():
    labels = np.random.default_rng(0).integers(0, 5, (4, 5, 6))
    oblique = np.diag([1.5, 1.5, 1.5, 1.0])
    oblique[0, 1] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        for target in (np.diag([1.5, 1.5, 1.5, 1.0]), oblique):
            resample_labels(labels, np.eye(4), (3, 4, 5), target)
        assert list(warnings.filters) == before


def test_wrong_input_is_refused():
    with pytest.raises(TypeError, match="float64"):
        resample_labels(np.zeros((2, 2, 2)), np.eye(4), (2, 2, 2), 2 * np.eye(4))
    with pytest.raises(ValueError, match="3D"):
        resample_labels(np.zeros((2, 2), int), np.eye(4), (2, 2, 2), 2 * np.eye(4))
    with pytest.raises(ValueError, match="inverted"):
        resample_labels(np.zeros((2, 2, 2), int), np.zeros((4, 4)), (2, 2, 2), np.eye(4))


@pytest.mark.skipif(
    not ATLASES.is_dir(), reason="shared/data/atlases is not beside the repository"
)
@pytest.mark.parametrize(
    "atlas",
    [
        "Schaefer2018_seg-100Parcels7Networks",
        "Schaefer2018_seg-400Parcels7Networks",
        "Gordon",
        "AAL",
    ],
)
def test_real_atlases_on_a_real_grid_are_voxel_for_voxel_those_of_nilearn(atlas):
    run = next(RUNS.glob("sub-01/func/*space-MNI*_desc-brain_mask.nii.gz"))
    grid = nib.load(run)
    path = ATLASES / f"tpl-MNI152NLin2009cAsym_atlas-{atlas}_res-02_dseg.nii.gz"
    image = nib.load(path)
    labels = exact_labels(np.asarray(image.dataobj), path.name)
    expected = by_nilearn(labels.astype(np.int32), image.affine, grid.shape, grid.affine)
    resampled = resample_labels(labels, image.affine, grid.shape, grid.affine)
    assert np.count_nonzero(resampled) > 1000
    np.testing.assert_array_equal(resampled, expected)


def test_exact_labels_refuses_what_is_no_whole_number():
    np.testing.assert_array_equal(exact_labels(np.array([1.0, 9170.0]), "x"), [1, 9170])
    wrong = (np.array([0.5, 1.0]), np.array([np.nan]), np.array([1e30]), np.array([2**63], "u8"))
    for values in wrong:
        with pytest.raises(ValueError, match="atlas: labels are whole numbers"):
            exact_labels(values, "atlas")
