"""Spheres beside a loop over voxels and beside nilearn's masker."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.maskers import NiftiSpheresMasker

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.spheres import average_spheres, find_spheres

SHAPE = (7, 6, 8)
AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}


def image_of(values: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(values, affine, dtype=values.dtype)


def brute_force(grid: VolumeGrid, seed: np.ndarray, radius: float, mask: Any) -> list[int]:
    """Flat indices of a sphere, by a loop over all voxels."""
    found = []
    nearest = np.round(np.linalg.solve(grid.affine, [*seed, 1])[:3])
    for k, place in enumerate(np.ndindex(grid.shape[::-1])):
        voxel = np.array(place[::-1])
        centre = grid.affine[:3, :3] @ voxel + grid.affine[:3, 3]
        close = np.linalg.norm(centre - seed) <= radius + 1e-6
        if (close or (voxel == nearest).all()) and (mask is None or mask[tuple(voxel)]):
            found.append(k)
    return found


@settings(max_examples=60, deadline=None)
@given(
    affine=st.sampled_from(sorted(AFFINES)),
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([None, 0.0, 2.0, 3.0, 5.0, 8.5]),
    masked=st.booleans(),
    uncovered=st.sampled_from(["exclude", "zero"]),
    gaps=st.booleans(),
)
def test_spheres_are_those_of_a_loop_over_voxels(affine, seed, radius, masked, uncovered, gaps):
    rng = np.random.default_rng(seed)
    grid = VolumeGrid.of(SHAPE, AFFINES[affine])
    places = rng.uniform(0, np.array(SHAPE) - 1, (4, 3))
    seeds = places @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    mask = rng.random(SHAPE) < 0.8 if masked else None
    inside = None if mask is None else mask.ravel("F")
    data = rng.normal(100, 5, (*SHAPE, 9))
    if gaps:
        data[rng.random(SHAPE) < 0.1] = 0
        data[rng.random(data.shape) < 0.01] = np.nan
    expected = [brute_force(grid, one, radius or 0, mask) for one in seeds]
    if not all(expected):
        with pytest.raises(ValueError, match="These spheres are empty"):
            find_spheres(grid, seeds, radius, inside=inside)
        return
    spheres = find_spheres(grid, seeds, radius, inside=inside)
    for column, voxels in enumerate(expected):
        weights = spheres.weights[:, [column]].toarray().ravel()
        assert spheres.elements[weights == 1].tolist() == voxels
        assert set(weights.tolist()) <= {0.0, 1.0}
    run = open_run_data(image_of(data, grid.affine))
    result = average_spheres(run, spheres, uncovered=uncovered)
    flat = data.reshape(-1, 9, order="F")
    covered = np.isfinite(flat).all(axis=1) & (flat != 0).any(axis=1)
    for column, voxels in enumerate(expected):
        series = np.where(np.isfinite(flat[voxels]), flat[voxels], 0)
        if uncovered == "exclude":
            series = series[covered[voxels]]
        assert result.elements_covered[column] == len(series)
        mean = series.mean(axis=0) if len(series) else np.full(9, np.nan)
        np.testing.assert_allclose(result.signals[:, column], mean, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    affine=st.sampled_from(sorted(AFFINES)),
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([4.0, 6.5, 9.0]),
    masked=st.booleans(),
)
def test_means_are_those_of_nilearn(affine, seed, radius, masked):
    rng = np.random.default_rng(seed)
    grid = VolumeGrid.of(SHAPE, AFFINES[affine])
    places = rng.uniform(0, np.array(SHAPE) - 1, (5, 3))
    seeds = places @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    mask = rng.random(SHAPE) < 0.9 if masked else None
    image = image_of(rng.normal(100, 5, (*SHAPE, 9)), grid.affine)
    given = {} if mask is None else {"mask_img": image_of(mask.astype("u1"), grid.affine)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = NiftiSpheresMasker(seeds.tolist(), radius, allow_overlap=True, **given)
        expected = masker.fit_transform(image)
    inside = None if mask is None else mask.ravel("F")
    spheres = find_spheres(grid, seeds, radius, inside=inside)
    result = average_spheres(open_run_data(image), spheres, uncovered="zero")
    np.testing.assert_allclose(result.signals, expected, rtol=1e-12)


def test_each_seed_may_have_a_radius_of_its_own():
    grid = VolumeGrid.of((9, 9, 9), np.eye(4))
    spheres = find_spheres(grid, [[4, 4, 4], [4, 4, 4], [0, 0, 0]], [1.0, np.sqrt(2), 1.0])
    assert spheres.weights.sum(axis=0).tolist() == [7, 19, 4]


def test_a_centre_as_far_as_the_radius_belongs_to_the_sphere_whatever_the_rounding():
    sizes = np.linspace(0.7, 3.3, 40)
    for size in sizes:
        grid = VolumeGrid.of((9, 9, 9), np.diag([size, size, size, 1]) + 0.1 * np.eye(4, k=3))
        seed = grid.affine @ [4, 4, 4, 1]
        assert find_spheres(grid, [seed[:3]], 2 * size).elements.size == 33


def test_seeds_outside_of_image_or_mask_are_named_by_number_and_place():
    grid = VolumeGrid.of((5, 5, 5), np.diag([2.0, 2, 2, 1]))
    inside = np.zeros(125, bool)
    inside[0] = True
    with pytest.raises(ValueError, match=r"of the image: seed #1 at \(90\.0, 0\.5, 4\.0\)"):
        find_spheres(grid, [[4, 4, 4], [90, 0.5, 4]], 3)
    with pytest.raises(ValueError, match=r"of the mask: seed #1 at \(8\.0, 8\.0, 8\.0\)"):
        find_spheres(grid, [[0, 0, 0], [8, 8, 8]], 3, inside=inside)


def test_many_seeds_outside_are_counted():
    grid = VolumeGrid.of((5, 5, 5), np.eye(4))
    with pytest.raises(ValueError, match="and 3 more"):
        find_spheres(grid, np.full((8, 3), 99.0))


def test_overlap_is_refused_with_the_two_spheres_where_it_is_not_allowed():
    grid = VolumeGrid.of((9, 9, 9), np.eye(4))
    seeds = [[1, 1, 1], [6, 6, 6], [6, 6, 7]]
    find_spheres(grid, seeds, allow_overlap=False)
    find_spheres(grid, seeds, 1.5)
    with pytest.raises(ValueError, match=r"Overlap detected between spheres.*#1 at .* and #2 at"):
        find_spheres(grid, seeds, 1.5, allow_overlap=False)


@pytest.mark.parametrize(
    ("seeds", "radius", "message"),
    [
        ([[1, 2]], None, "triplets of coordinates in mm"),
        ([], None, "triplets of coordinates in mm"),
        ([[1, 2, np.nan]], None, r"seed #0 is not a place: \(1\.0, 2\.0, nan\)"),
        ([[1, 2, 3]], -1.0, "radius is a length"),
        ([[1, 2, 3]], [1.0, 2.0], "radius is a length"),
    ],
)
def test_what_is_no_seed_or_radius_is_refused(seeds, radius, message):
    with pytest.raises(ValueError, match=message):
        find_spheres(VolumeGrid.of((5, 5, 5), np.eye(4)), seeds, radius)
