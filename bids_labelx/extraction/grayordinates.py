"""Spaces of surfaces and grayordinates: elements by structure and vertex, or structure and voxel.

What a structure is called, and which vertices and voxels a file holds, are CIFTI-2's
(https://www.nitrc.org/projects/cifti). Elements of two files are never matched by their position:
files differ in the medial wall that they leave out, and in the order of their structures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from bids_labelx.extraction.space import VolumeGrid

CORTEX = {"L": "CORTEX_LEFT", "R": "CORTEX_RIGHT"}


@dataclass(frozen=True, eq=False)
class BrainModel:
    """The elements of one structure.

    Attributes
    ----------
    structure
        As CIFTI-2 calls it, without ``CIFTI_STRUCTURE_``.
    n_vertices
        Vertices of the whole mesh; 0 for a structure of voxels.
    indices : int32 array of shape (n,), or (n, 3) for voxels
        Vertices, or i, j, k, in the order of the elements.
    """

    structure: str
    n_vertices: int
    indices: np.ndarray

    @property
    def is_surface(self) -> bool:
        """Whether its elements are vertices."""
        return self.n_vertices > 0


@dataclass(frozen=True, eq=False, repr=False)
class Grayordinates:
    """Vertices of surfaces and voxels of a grid, structure by structure.

    It is hashable and its repr tells its content, so that it can stand in the inputs of a cached
    node.

    Attributes
    ----------
    models
        Structures in the order of their elements.
    grid
        The grid of the voxels; None where there are none.
    """

    models: tuple[BrainModel, ...]
    grid: VolumeGrid | None = None

    @cached_property
    def digest(self) -> str:
        """A checksum of all structures and indices."""
        found = hashlib.sha256(repr(self.grid).encode())
        for model in self.models:
            found.update(f"{model.structure} {model.n_vertices} {model.indices.shape}".encode())
            found.update(np.ascontiguousarray(model.indices, "<i4").tobytes())
        return found.hexdigest()

    def __repr__(self) -> str:
        return f"Grayordinates({self.digest})"

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grayordinates) and self.digest == other.digest

    def __str__(self) -> str:
        parts = [
            f"{model.structure} {len(model.indices)}"
            + (f" of {model.n_vertices} vertices" if model.is_surface else " voxels")
            for model in self.models
        ]
        return f"{self.n_elements} grayordinates: {', '.join(parts)}"

    @property
    def n_elements(self) -> int:
        """Number of vertices and voxels."""
        return sum(len(model.indices) for model in self.models)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the elements of each structure are."""
        ends = np.cumsum([0, *(len(model.indices) for model in self.models)]).tolist()
        return tuple(slice(*span) for span in pairwise(ends))

    @property
    def meshes(self) -> dict[str, int]:
        """Vertices of the whole mesh of each structure that has one."""
        return {one.structure: one.n_vertices for one in self.models if one.is_surface}

    @property
    def problem(self) -> str:
        """Why these cannot be elements of one space; empty where they can."""
        names = [one.structure for one in self.models]
        if twice := {name for name in names if names.count(name) > 1}:
            return f"the structure {min(twice)} stands in it more than once"
        for model in self.models:
            lengths: tuple[int, ...] = (model.n_vertices,)
            if not model.is_surface:
                if self.grid is None:
                    return f"{model.structure} has voxels, and there is no grid of them"
                lengths = self.grid.shape
            indices = model.indices.reshape(-1, len(lengths))
            if (indices < 0).any() or (indices >= lengths).any():
                whole = _mesh(model) if model.is_surface else f"the grid of {lengths} voxels"
                return f"{model.structure} has an index outside of {whole}"
            if len(np.unique(np.ravel_multi_index(indices.T, lengths))) < len(indices):
                return f"{model.structure} has an element twice"
        return ""

    def same(self, other: Any) -> bool:
        """Whether another space has the same elements in the same order."""
        return isinstance(other, Grayordinates) and self.digest == other.digest

    def lay_labels(self, labels: np.ndarray, own: Any, *, background: int = 0) -> np.ndarray:
        """Give the label of each vertex and voxel; see `Space.lay_labels`.

        Nothing is resampled: an element that `own` does not have gets `background`.

        Raises
        ------
        TypeError
            If `own` is a voxel grid, or `labels` are not integers.
        ValueError
            If the meshes have other numbers of vertices, the voxels another grid, or the two
            have no structure in common.
        """
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels are integers, found {labels.dtype}")
        if self.same(own):
            return labels
        if not isinstance(own, Grayordinates):
            raise TypeError("labels on a voxel grid cannot be taken for those of grayordinates")
        theirs = {
            one.structure: (one, part) for one, part in zip(own.models, own.slices, strict=True)
        }
        if theirs.keys().isdisjoint(one.structure for one in self.models):
            raise ValueError(
                f"no structure in common: the labels are on {_names(own)}, the run has "
                f"{_names(self)}"
            )
        laid = np.full(self.n_elements, background, labels.dtype)
        for model, part in zip(self.models, self.slices, strict=True):
            if model.structure not in theirs:
                continue
            other, there = theirs[model.structure]
            if model.n_vertices != other.n_vertices:
                raise ValueError(
                    f"{model.structure} has {_mesh(other)} in the labels and {_mesh(model)} in "
                    "the run; surfaces are not resampled: take the atlas on the run's mesh"
                )
            if not model.is_surface:
                _check_grids(self.grid, own.grid)
            laid[part] = _matched(model, other, labels[there], self.grid, background)
        return laid


def _names(space: Grayordinates) -> str:
    return ", ".join(one.structure for one in space.models)


def _mesh(model: BrainModel) -> str:
    return f"a mesh of {model.n_vertices} vertices" if model.is_surface else "voxels"


def _check_grids(grid: VolumeGrid | None, other: VolumeGrid | None) -> None:
    if grid is None or not grid.same(other):
        raise ValueError(
            f"the voxels of the labels are on another grid: {other}\nbut the run has {grid}"
        )


def _matched(
    model: BrainModel,
    other: BrainModel,
    labels: np.ndarray,
    grid: VolumeGrid | None,
    background: int,
) -> np.ndarray:
    """The labels of the elements of `other` for those of `model`, by vertex or voxel."""
    if model.is_surface:
        size, mine, theirs = model.n_vertices, model.indices, other.indices
    else:
        assert grid is not None  # a structure of voxels has a grid
        size = grid.n_elements
        mine, theirs = (np.ravel_multi_index(one.indices.T, grid.shape) for one in (model, other))
    by_index = np.full(size, background, labels.dtype)
    by_index[theirs] = labels
    return by_index[mine]


def hemispheres(n_vertices: Sequence[tuple[str, int]]) -> Grayordinates:
    """The space of whole meshes, by hemisphere (``L`` or ``R``) and number of vertices."""
    models = [
        BrainModel(CORTEX[hemi], count, np.arange(count, dtype=np.int32))
        for hemi, count in n_vertices
    ]
    return Grayordinates(tuple(models))


def label_centroids(
    labels: np.ndarray,
    space: Grayordinates,
    ids: np.ndarray,
    coordinates: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Centres of mass of labels.

    Parameters
    ----------
    labels : integer array of shape (n_elements,)
        Of the space.
    ids
        Shape (n_regions,).
    coordinates
        Of all vertices of the meshes of structures, shape (n_vertices, 3), mm.

    Returns
    -------
    float64 array of shape (n_regions, 3)
        In mm; NaN for labels without an element, and with one on a surface whose coordinates are
        not known.
    """
    places = np.full((space.n_elements, 3), np.nan)
    for model, part in zip(space.models, space.slices, strict=True):
        if model.is_surface and model.structure in coordinates:
            places[part] = coordinates[model.structure][model.indices]
        elif not model.is_surface and space.grid is not None:
            affine = space.grid.affine
            places[part] = model.indices @ affine[:3, :3].T + affine[:3, 3]
    found = np.full((len(ids), 3), np.nan)
    for row, label in enumerate(ids):
        own = labels == label
        if own.any():
            found[row] = places[own].mean(axis=0)
    return found
