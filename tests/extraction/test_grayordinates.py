"""Elements matched by structure and vertex, or structure and voxel, never by position."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import AFFINE, GRID, LEFT, MODELS, N_VERTICES, RIGHT, THALAMUS, space_of

from bids_labelx.extraction.grayordinates import Grayordinates, hemispheres, label_centroids
from bids_labelx.extraction.space import VolumeGrid

Key = tuple[str, tuple[int, ...]]


def keys_of(space: Grayordinates) -> list[Key]:
    """What each element is: its structure, and its vertex or voxel."""
    return [
        (model.structure, tuple(np.atleast_1d(index).tolist()))
        for model in space.models
        for index in model.indices
    ]


def by_brute_force(labels: np.ndarray, own: Grayordinates, space: Grayordinates) -> list[int]:
    """Labels looked up element by element."""
    known = dict(zip(keys_of(own), labels.tolist(), strict=True))
    return [known.get(key, 0) for key in keys_of(space)]


@st.composite
def any_space(draw: st.DrawFn) -> Grayordinates:
    """Some of the structures in any order, each with any of its elements in any order."""
    voxels = [tuple(index) for index in np.ndindex(*GRID)]
    models = {}
    for name in draw(st.permutations([LEFT, RIGHT, THALAMUS])):
        whole = voxels if name == THALAMUS else list(range(N_VERTICES))
        models[name] = draw(st.lists(st.sampled_from(whole), min_size=1, unique=True))
    for name in draw(st.sets(st.sampled_from([LEFT, RIGHT, THALAMUS]), max_size=1)):
        del models[name]
    return space_of(models)


@given(own=any_space(), space=any_space(), seed=st.integers(0, 9))
def test_labels_are_those_of_the_same_structure_and_index(
    own: Grayordinates, space: Grayordinates, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(1, 9, own.n_elements)
    laid = space.lay_labels(labels, own)
    assert laid.tolist() == by_brute_force(labels, own, space)


def test_a_background_is_given_to_elements_that_the_labels_lack() -> None:
    own = space_of({LEFT: (3, 1)})
    laid = space_of({LEFT: (0, 1, 3)}).lay_labels(np.array([7, 8]), own, background=5)
    assert laid.tolist() == [5, 8, 7]


def test_other_meshes_are_refused_with_both_numbers_of_vertices() -> None:
    own = space_of({LEFT: (0, 1)}, n_vertices=32492)
    space = space_of({LEFT: (0, 1)}, n_vertices=163842)
    with pytest.raises(ValueError, match=r"CORTEX_LEFT .*32492 vertices in the .*163842 vertices"):
        space.lay_labels(np.array([1, 2]), own)


def test_a_surface_and_voxels_of_one_structure_are_refused() -> None:
    with pytest.raises(ValueError, match=r"CORTEX_LEFT has voxels in .* a mesh of 12 vertices"):
        space_of({LEFT: (0, 1)}).lay_labels(np.array([1]), space_of({LEFT: ((0, 0, 0),)}))


@pytest.mark.parametrize(
    ("grid", "affine"), [((5, 3, 3), AFFINE), (GRID, np.diag([2.0, 2, 2.1, 1]))]
)
def test_voxels_on_another_grid_are_refused(grid: tuple[int, ...], affine: np.ndarray) -> None:
    own = space_of(grid=grid, affine=affine)
    with pytest.raises(ValueError, match="the voxels of the labels are on another grid"):
        space_of().lay_labels(np.ones(own.n_elements, int), own)


def test_another_grid_does_not_matter_where_no_voxels_are_shared() -> None:
    own = space_of({LEFT: (0, 1), "PUTAMEN_LEFT": ((0, 0, 0),)}, grid=(9, 9, 9))
    laid = space_of().lay_labels(np.array([1, 2, 3]), own)
    assert laid[:3].tolist() == [1, 2, 0]
    assert not laid[3:].any()


def test_without_a_common_structure_the_structures_of_both_are_told() -> None:
    with pytest.raises(ValueError, match=r"are on CORTEX_LEFT, the run has CORTEX_RIGHT"):
        space_of({RIGHT: (0,)}).lay_labels(np.array([1]), space_of({LEFT: (0,)}))


def test_labels_of_volumes_and_fractions_are_refused() -> None:
    with pytest.raises(TypeError, match="voxel grid"):
        space_of().lay_labels(np.ones(36, int), VolumeGrid.of(GRID, AFFINE))
    with pytest.raises(TypeError, match="integers"):
        space_of().lay_labels(np.ones(23), space_of())


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({LEFT: (0, 12)}, "CORTEX_LEFT has an index outside of a mesh of 12 vertices"),
        ({LEFT: (0, -1)}, "outside of a mesh"),
        ({THALAMUS: ((0, 0, 0), (0, 3, 0))}, r"THALAMUS_LEFT .* outside of the grid of \(4, 3, 3"),
        ({LEFT: (0, 5, 5)}, "CORTEX_LEFT has an element twice"),
        ({THALAMUS: ((1, 0, 0), (1, 0, 0))}, "THALAMUS_LEFT has an element twice"),
    ],
)
def test_elements_that_cannot_be_are_named(models: dict[str, object], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(space_of(models).problem)
    assert not space_of().problem


def test_a_structure_that_stands_twice_is_named() -> None:
    twice = Grayordinates(space_of({LEFT: (0,)}).models + space_of({LEFT: (1,)}).models)
    assert "CORTEX_LEFT stands in it more than once" in twice.problem


@pytest.mark.parametrize(
    "other",
    [
        space_of({**MODELS, LEFT: (0, 1, 2, 4, 5, 6, 7, 8, 10)}),
        space_of({name: MODELS[name] for name in (RIGHT, LEFT, THALAMUS)}),
        space_of(n_vertices=13),
        space_of(grid=(5, 3, 3)),
        space_of(affine=np.diag([2.0, 2, 3, 1])),
    ],
)
def test_spaces_are_the_same_by_all_that_is_in_them(other: Grayordinates) -> None:
    again = pickle.loads(pickle.dumps(space_of()))
    assert again == space_of()
    assert hash(again) == hash(space_of())
    assert repr(again) == repr(space_of())
    assert other != space_of()
    assert repr(other) != repr(space_of())


def test_whole_meshes_have_all_vertices_of_the_hemispheres() -> None:
    space = hemispheres([("L", 3), ("R", 2)])
    assert keys_of(space) == [
        (LEFT, (0,)),
        (LEFT, (1,)),
        (LEFT, (2,)),
        (RIGHT, (0,)),
        (RIGHT, (1,)),
    ]


def test_centroids_are_those_of_voxels_and_of_vertices_with_coordinates() -> None:
    space, ids = space_of(), np.array([1, 2, 3, 4])
    labels = np.zeros(space.n_elements, int)
    labels[:3] = 1
    labels[[8, -1]] = 2
    labels[[-4, -2]] = 3
    found = label_centroids(labels, space, ids, {})
    # Voxels 0, 0, 0 and 1, 2, 0 of 2 mm.
    assert found[2].tolist() == [1, 2, 0]
    assert np.isnan(found[[0, 1, 3]]).all()
    mesh = np.arange(N_VERTICES)[:, None] * np.array([1.0, 10, 100])
    found = label_centroids(labels, space, ids, {LEFT: mesh})
    # Vertices 0, 1 and 2; vertex 11 with the voxel 3, 2, 2.
    assert found[0].tolist() == [1, 10, 100]
    assert found[1].tolist() == [8.5, 57, 552]
    assert found[2].tolist() == [1, 2, 0]
    assert np.isnan(found[3]).all()
