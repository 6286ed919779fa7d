"""Grids of voxels: what they have in common, where they lie, and labels laid onto them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_labelx.extraction.space import VolumeGrid, lay_mask


def grid(shape: tuple[int, ...], *scales: float) -> VolumeGrid:
    return VolumeGrid.of(shape, np.diag([*(scales or (1.0, 1.0, 1.0)), 1.0]))


def moved(by: float, axis: int = 0) -> np.ndarray:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[axis, 3] = by
    return affine


def test_grids_are_the_same_within_a_micrometre():
    one = VolumeGrid.of((4, 5, 6), moved(0.0))
    assert one.same(VolumeGrid.of((4, 5, 6, 20), moved(0.9e-3)))
    assert not one.same(VolumeGrid.of((4, 5, 6), moved(1.1e-3)))
    assert not one.same(VolumeGrid.of((4, 5, 7), moved(0.0)))
    assert not one.same(VolumeGrid.of((4, 5, 6), np.full((4, 4), np.nan)))
    assert not one.same("another kind of space")


def test_a_grid_contains_the_points_up_to_the_outer_faces_of_its_voxels():
    one = VolumeGrid.of((4, 5, 6), moved(10.0))
    points = np.array(
        [[9, -1, -1], [17, 9, 11], [8.9, 0, 0], [17.1, 0, 0], [12, 9.1, 4], [12, 4, 6]]
    )
    assert one.contains(points).tolist() == [True, True, False, False, False, True]


def test_grids_of_one_header_are_one_key_and_one_digest():
    affine = np.random.default_rng(0).normal(size=(4, 4))
    one = VolumeGrid.of((np.int16(4), 5, 6), affine.astype("f4"))
    other = VolumeGrid.of((4, 5, 6, 9), affine.astype("f4").astype(">f8"))
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)
    nearby = affine.astype("f4").astype("f8")
    nearby[0, 0] = np.nextafter(nearby[0, 0], np.inf)
    assert repr(one) != repr(VolumeGrid.of((4, 5, 6), nearby))
    np.testing.assert_array_equal(one.affine, affine.astype("f4"))


def test_flat_values_go_back_to_the_voxels_that_they_come_from():
    values = np.random.default_rng(0).normal(size=(2, 3, 4))
    back = grid((2, 3, 4)).to_volume(values.ravel(order="F"))
    np.testing.assert_array_equal(back, values)


def test_only_labels_that_lie_elsewhere_are_resampled():
    labels = np.random.default_rng(0).integers(0, 5, (4, 4, 4))
    fine, coarse, flat = grid((4, 4, 4)), grid((2, 2, 2), 2, 2, 2), labels.ravel(order="F")
    assert fine.lay_labels(flat, grid((4, 4, 4))) is flat
    expected = labels[::2, ::2, ::2].ravel(order="F")
    np.testing.assert_array_equal(coarse.lay_labels(flat, fine), expected)


def test_beyond_a_mask_is_outside():
    inside = lay_mask(grid((3, 1, 1)), np.array([True, False]), grid((2, 1, 1)))
    assert inside.tolist() == [True, False, False]


def test_labels_in_another_kind_of_space_are_refused():
    with pytest.raises(TypeError, match="on a voxel grid, found str"):
        grid((3, 1, 1)).lay_labels(np.array([1, 2]), "vertices")


def test_the_bounding_box_reaches_to_the_edges_of_the_voxels():
    affine = np.array([[-2.0, 0, 0, 10], [0, 0, 3.0, 0], [0, 4.0, 0, -5], [0, 0, 0, 1]])
    # x: from 10 + 1 down to 10 - 2 * 4.5; y takes the third axis, z the second.
    box = VolumeGrid.of((5, 2, 3), affine).bounding_box()
    np.testing.assert_allclose(box, [[1, -1.5, -7], [11, 7.5, 1]])


@given(st.integers(0, 9999), st.tuples(*[st.integers(1, 9)] * 3))
def test_the_bounding_box_holds_the_grid_and_no_smaller_box_does(seed, shape):
    affine = np.eye(4)
    affine[:3] = np.random.default_rng(seed).normal(size=(3, 4))
    indices = np.indices(np.add(shape, 1)).reshape(3, -1).T - 0.5
    points = nib.affines.apply_affine(affine, indices)
    box = VolumeGrid.of(shape, affine).bounding_box()
    np.testing.assert_allclose(box, [points.min(0), points.max(0)], atol=1e-9)


def test_boxes_that_share_a_face_only_do_not_overlap():
    one = VolumeGrid.of((4, 4, 4), moved(0.0))
    for shift, overlap in ((7.9, True), (8.0, False), (-8.0, False), (-7.9, True)):
        assert one.boxes_overlap(VolumeGrid.of((4, 4, 4), moved(shift, axis=1))) is overlap
