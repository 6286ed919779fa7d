"""Spaces of elements: where the values of a run, a mask or an atlas belong.

An element has one value at a time: a voxel of a grid today. Values of elements are flat arrays,
in the one order that their space defines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from bids_labelx.extraction.resample import resample_labels

# Largest difference between two elements of affines that are taken for the same, in mm, and
# between two places of a grid, in voxels.
_TOLERANCE = 1e-3


class Space(Protocol):
    """Elements in a fixed order, with what depends on their kind: comparing and resampling."""

    @property
    def n_elements(self) -> int:
        """Number of elements."""

    def same(self, other: Any) -> bool:
        """Whether another space has the same elements in the same order."""

    def lay_labels(self, labels: np.ndarray, own: Any, *, background: int = 0) -> np.ndarray:
        """Give the label of each element, resampled where `own`, the labels' space, is another.

        The result has shape (n_elements,) and the data type of `labels`, and holds no value but
        theirs, each exactly, and `background` for elements beyond their space.

        Raises
        ------
        TypeError, ValueError
            If `labels` are not integers, or cannot be resampled to this space.
        """


@dataclass(frozen=True)
class VolumeGrid:
    """A grid of voxels, each an element; they are ordered as Fortran does, x fastest.

    It is hashable and its repr is exact, so that it can stand in the inputs of a cached node.

    Attributes
    ----------
    shape
        Voxels along x, y and z.
    rows
        The four rows of the affine.
    """

    shape: tuple[int, int, int]
    rows: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: ArrayLike) -> VolumeGrid:
        """The grid of an image with this shape, of which the first three dimensions count."""
        x, y, z = (int(length) for length in shape[:3])
        rows = np.asarray(affine, dtype=np.float64).tolist()
        return cls((x, y, z), tuple(tuple(row) for row in rows))

    @property
    def affine(self) -> np.ndarray:
        """Float64 array of shape (4, 4): from voxel indices to millimetres."""
        return np.array(self.rows)

    @property
    def n_elements(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"shape {self.shape}, affine\n{self.affine}"

    def to_volume(self, values: np.ndarray) -> np.ndarray:
        """Values of the voxels, shape (n_elements,), as an array of shape (x, y, z)."""
        return values.reshape(self.shape, order="F")

    def same(self, other: Any) -> bool:
        """Whether another space is a grid of equal shape, with an affine within 1e-3 mm."""
        if not isinstance(other, VolumeGrid) or self.shape != other.shape:
            return False
        return bool(np.all(np.abs(self.affine - other.affine) <= _TOLERANCE))

    def lay_labels(self, labels: np.ndarray, own: Any, *, background: int = 0) -> np.ndarray:
        """Give the label nearest to the centre of each voxel; see `Space.lay_labels`."""
        if self.same(own):
            return labels
        volume = voxel_grid(own).to_volume(labels)
        laid = resample_labels(volume, own.affine, self.shape, self.affine, background=background)
        return laid.ravel(order="F")

    def bounding_box(self) -> np.ndarray:
        """Least and greatest x, y, z in mm, to the voxels' outer edges; shape (2, 3)."""
        x, y, z = self.shape
        corners = np.array(
            [(i, j, k) for i in (-0.5, x - 0.5) for j in (-0.5, y - 0.5) for k in (-0.5, z - 0.5)]
        )
        points = corners @ self.affine[:3, :3].T + self.affine[:3, 3]
        return np.array([points.min(axis=0), points.max(axis=0)])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie inside some voxel, its outer faces included.

        Parameters
        ----------
        points : array of shape (n, 3)
            In mm.

        Returns
        -------
        bool array of shape (n,)
        """
        inverse = np.linalg.inv(self.affine)
        voxels = points @ inverse[:3, :3].T + inverse[:3, 3]
        outermost = np.array(self.shape) - 0.5
        return np.all((voxels >= -0.5 - _TOLERANCE) & (voxels <= outermost + _TOLERANCE), axis=1)

    def boxes_overlap(self, other: VolumeGrid) -> bool:
        """Whether the boxes around two grids share any space; see `bounding_box`.

        False proves that the grids are apart; True does not prove that they meet where one of
        them is oblique, since its box is larger than itself.
        """
        a, b = self.bounding_box(), other.bounding_box()
        return bool(np.all(a[0] < b[1]) and np.all(b[0] < a[1]))


def voxel_grid(space: Space) -> VolumeGrid:
    """Narrow a space to a voxel grid; a TypeError if it is another kind of space."""
    if not isinstance(space, VolumeGrid):
        raise TypeError(f"this needs data on a voxel grid, found {type(space).__name__}")
    return space


def lay_mask(space: Space, inside: np.ndarray, own: Space) -> np.ndarray:
    """Say of each element of a space whether it is inside a boolean mask on the space `own`."""
    return space.lay_labels(inside.astype(np.uint8), own) > 0
