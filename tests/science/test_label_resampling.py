"""Labels resampled by majority lie where they lie in the atlas: no axis is favoured.

The judges are loops over voxels and over points, and centres of mass.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from bids_labelx.extraction.resample import majority_labels, resample_labels


def half(size: float, by: float) -> np.ndarray:
    """A grid of cubes whose first outer face is where that of a grid of cubes of `by` is."""
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = (size - by) / 2
    return affine


def test_a_voxel_of_eight_gets_a_label_that_most_of_them_have() -> None:
    labels = np.random.default_rng(0).choice([0, 3, 9170], (8, 10, 6))
    found = majority_labels(labels, np.diag([2, 2, 2, 1]), (4, 5, 3), half(4, 2))
    for x, y, z in np.ndindex(found.shape):
        eight = labels[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2]
        counts = Counter(eight.ravel().tolist())
        assert counts[int(found[x, y, z])] == max(counts.values())


def test_where_two_labels_fill_a_voxel_equally_each_gets_half_of_such_voxels() -> None:
    labels = np.zeros((12, 12, 12), int)
    labels[:5], labels[5:] = 1, 2
    found = majority_labels(labels, np.diag([2, 2, 2, 1]), (6, 6, 6), half(4, 2))
    assert sorted(Counter(found[2].ravel().tolist()).items()) == [(1, 18), (2, 18)]


@pytest.mark.parametrize(("size", "origin"), [(4.0, 1.0), (3.0, 0.0)])
def test_centres_of_mass_stay_in_place_where_the_nearest_voxel_moves_them(
    size: float, origin: float
) -> None:
    rng = np.random.default_rng(1)
    # Regions as large as a parcel: those nearest to one of 30 seeds.
    seeds = rng.uniform(0, 40, (30, 3))
    places = np.moveaxis(np.indices((40, 40, 40)), 0, -1)
    nearest = np.linalg.norm(places[..., None, :] - seeds, axis=-1).argmin(axis=-1)
    labels = np.where(np.linalg.norm(places - 19.3, axis=-1) < 17, nearest + 1, 0)
    target = np.diag([size, size, size, 1.0])
    target[:3, 3] = origin
    shape = (int(80 // size),) * 3
    shifts = {}
    for resample in (resample_labels, majority_labels):
        laid = resample(labels, np.diag([2.0, 2, 2, 1]), shape, target)
        present = np.unique(laid[laid != 0])
        after = np.array(ndimage.center_of_mass(laid > 0, laid, present)) * size + origin
        before = np.array(ndimage.center_of_mass(labels > 0, labels, present)) * 2
        shifts[resample] = (after - before).mean(axis=0)
    expected = -1.0 if size == 4 else -0.5
    np.testing.assert_allclose(shifts[resample_labels], [expected] * 3, atol=0.15)
    np.testing.assert_allclose(shifts[majority_labels], [0.0] * 3, atol=0.15)


def test_on_an_oblique_grid_a_voxel_gets_the_label_of_most_points_in_it() -> None:
    labels = np.random.default_rng(2).choice([0, 1, 2, 5], (9, 8, 7), p=[0.4, 0.2, 0.2, 0.2])
    source = np.diag([2.0, 2, 2, 1])
    target = np.array([[2.9, -0.8, 0, 3], [0.8, 2.9, 0, 1], [0, 0.3, 3, 2], [0, 0, 0, 1]])
    shape = (4, 4, 4)
    found = majority_labels(labels, source, shape, target)
    matrix = np.linalg.inv(source) @ target
    points = [2 * int(np.ceil(v)) for v in abs(matrix[:3, :3]).sum(axis=0)]
    for voxel in np.ndindex(shape):
        counts: Counter[int] = Counter()
        for at in itertools.product(*(range(n) for n in points)):
            inner = [(k + 0.5) / n - 0.5 for k, n in zip(at, points, strict=True)]
            place = (matrix @ [*(np.array(voxel) + inner), 1])[:3]
            inside = (place >= -0.5).all() and (place <= np.array(labels.shape) - 0.5).all()
            counts[int(labels[tuple(np.rint(place).astype(int))]) if inside else -1] += 1
        most = [label for label, n in counts.items() if n == max(counts.values())]
        assert found[voxel] in [max(label, 0) for label in most]


def test_on_a_grid_of_its_own_or_finer_every_voxel_keeps_its_label() -> None:
    labels = np.random.default_rng(3).integers(0, 2**40, (4, 5, 6))
    same = majority_labels(labels, np.eye(4), labels.shape, np.eye(4))
    np.testing.assert_array_equal(same, labels)
    fine = majority_labels(labels, np.eye(4), (8, 10, 12), half(0.5, 1))
    for axis in range(3):
        labels = np.repeat(labels, 2, axis)
    np.testing.assert_array_equal(fine, labels)
