"""Interpolation of volumes and labels at the voxel centres of another grid."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import scipy
from scipy import linalg

_SAME = 1e-3  # of voxel sizes, as a share of each other

# Older versions warn at every call with a diagonal that its meaning changed in 2016.
_SCIPY_WARNS = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 16)


def exact_labels(values: np.ndarray, name: str) -> np.ndarray:
    """Turn the values of a label image into int64, refusing any that would change.

    Parameters
    ----------
    values : array
        Integers, or floats that are whole numbers.
    name
        What the values come from, for the message.

    Raises
    ------
    ValueError
        If a value is fractional, not finite or beyond int64.
    """
    with np.errstate(invalid="ignore"):
        labels = values.astype(np.int64)
        # A uint64 beyond int64 wraps around and shows by its sign.
        wrong = (labels != values) | ((labels < 0) != (values < 0))
    if wrong.any():
        raise ValueError(
            f"{name}: labels are whole numbers, found {values[wrong][0]}; if whole numbers are "
            "meant, round the image and save it as integers without scaling"
        )
    return labels


def resample_labels(
    labels: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    target_affine: np.ndarray,
    *,
    background: int = 0,
) -> np.ndarray:
    """Resample a label image to a grid by nearest neighbour.

    Where a centre lies midway between two voxels of the label image, SciPy's spline
    interpolation of order 0 decides, as it does in nilearn.

    Parameters
    ----------
    labels, affine : integer array of shape (x, y, z), array of shape (4, 4)
        The label image.
    shape, target_affine
        The target grid.
    background
        Label of voxels whose centre is beyond the outermost centres of `labels`.

    Returns
    -------
    array of the given shape and the data type of `labels`
        Holds no value but those of `labels` and `background`, each exactly.

    Raises
    ------
    TypeError
        If `labels` are not integers.
    ValueError
        If `labels` are not 3D or one of the affines cannot be inverted.
    """
    matrix, offset = target_to_source(affine, target_affine)
    image, lookup = _coded(labels, background)
    return lookup[interpolate(image, matrix, offset, shape, order=0)]


def majority_labels(
    labels: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, int, int],
    target_affine: np.ndarray,
    *,
    background: int = 0,
) -> np.ndarray:
    """Resample a label image to a grid: each voxel gets the label that fills most of it.

    A voxel is sampled at points, the same number to either side of its centre along each axis, at
    least two for each voxel of the label image that it spans. Where labels have equally many
    points, the smaller and the larger one take turns from voxel to voxel. Neither favours a side,
    as the nearest neighbour of a point midway between two voxels does.

    Parameters, result and errors are those of `resample_labels`, but that points beyond the outer
    faces of `labels` are background.
    """
    matrix, offset = target_to_source(affine, target_affine)
    image, lookup = _coded(labels, background)
    # Points have the label of an outermost voxel up to its outer face, not only to its centre.
    image, offset = np.pad(image, 1), offset + 1
    full = np.diag(matrix) if matrix.ndim == 1 else matrix
    # Even numbers: no point is on the centre, where ties are.
    across = np.abs(full).sum(axis=0)
    points = np.maximum(2, 2 * np.ceil(across - _SAME).astype(int))
    first = full @ ((1 - points) / (2 * points)) + offset
    resampled = np.empty(shape, image.dtype)
    for z in range(shape[2]):
        # A plane at a time, as there are up to a hundred points in a voxel.
        fine = (shape[0] * points[0], shape[1] * points[1], points[2])
        step = matrix / points
        start = first + full[:, 2] * z
        sampled = interpolate(image, step, start, fine, order=0)
        split = sampled.reshape(shape[0], points[0], shape[1], points[1], points[2])
        rows = np.moveaxis(split, 2, 1).reshape(shape[0] * shape[1], -1)
        turn = np.add.outer(np.arange(shape[0]), np.arange(shape[1]) + z).ravel() % 2
        resampled[:, :, z] = _most_frequent(rows, turn == 1).reshape(shape[:2])
    return lookup[resampled]


def _coded(labels: np.ndarray, background: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels as consecutive codes from 1, and the label of each code; 0 is the background.

    SciPy computes in float64, which not every int64 fits into.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels are integers, found an array of type {labels.dtype}")
    if labels.ndim != 3:
        raise ValueError(f"labels are a 3D array, found the shape {labels.shape}")
    values, codes = np.unique(labels, return_inverse=True)
    image = (codes + 1).astype(np.int32).reshape(labels.shape)
    return image, np.concatenate([np.array([background], values.dtype), values])


def _most_frequent(rows: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """The most frequent value of each row; of several, the largest or the smallest."""
    rows = np.sort(rows, axis=1)
    found = rows[:, 0].copy()
    mixed = np.flatnonzero(found != rows[:, -1])
    rows, largest = rows[mixed], largest[mixed]
    best, run = np.ones(mixed.size, int), np.ones(mixed.size, int)
    winner = rows[:, 0].copy()
    for column in range(1, rows.shape[1]):
        run = np.where(rows[:, column] == rows[:, column - 1], run + 1, 1)
        better = np.where(largest, run >= best, run > best)
        winner[better], best[better] = rows[better, column], run[better]
    found[mixed] = winner
    return found


def target_to_source(
    affine: np.ndarray, target_affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset from voxels of a target grid to voxels of a source grid.

    A diagonal matrix is returned as its diagonal, for which SciPy takes another way. The two
    ways round differently, so the choice decides ties, and so does the inverse's last bit: both
    are part of the result and not a matter of taste.

    Parameters
    ----------
    affine, target_affine : arrays of shape (4, 4)
        Of the source grid and of the target grid.

    Returns
    -------
    matrix : array of shape (3, 3), or (3,) where it is diagonal
    offset : array of shape (3,)
        In voxels of the source.

    Raises
    ------
    ValueError
        If one of the affines cannot be inverted.
    """
    if np.array_equal(affine, target_affine):
        return np.ones(3), np.zeros(3)
    for one in (affine, target_affine):
        if not np.all(np.isfinite(one)) or np.linalg.matrix_rank(one) < 4:
            raise ValueError(f"the affine cannot be inverted:\n{one}")
    transform = linalg.inv(affine) @ np.asarray(target_affine)
    matrix, offset = transform[:3, :3], transform[:3, 3]
    diagonal = np.diag(matrix)
    if np.array_equal(np.diag(diagonal), matrix):
        return diagonal, offset
    return matrix, offset


def source_points(
    matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int], voxels: np.ndarray
) -> np.ndarray:
    """Where some voxels of the target lie in the source, of shape (3, m); in voxels."""
    target = np.unravel_index(voxels, shape, order="F")
    points = np.repeat(offset[:, np.newaxis], voxels.size, axis=1)
    # Added up in the order in which SciPy's affine_transform does it, as the last bit decides
    # whether a point on the edge is inside.
    for axis in range(3):
        points += matrix[:, axis, np.newaxis] * target[axis]
    return points


def interpolate(
    values: np.ndarray,
    matrix: np.ndarray,
    offset: np.ndarray,
    shape: tuple[int, ...],
    *,
    order: int,
    prefilter: bool = True,
) -> np.ndarray:
    """Values at the centres of another grid's voxels, by a spline; 0 beyond the outermost ones.

    Parameters
    ----------
    values : array of shape (x, y, z), or one of fewer dimensions
    matrix, offset
        As from `target_to_source`, or the part of it that is about the dimensions of `values`.
    shape
        Shape of the target grid.
    order
        Degree of the spline: 0 for the nearest voxel, 3 for cubic.
    prefilter
        False if `values` are spline coefficients already.

    Returns
    -------
    array of the given shape and the data type of `values`
    """
    with contextlib.ExitStack() as stack:
        # Filters of warnings are shared by all threads: they are touched only where they must be.
        if _SCIPY_WARNS and matrix.ndim == 1:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message=".*has changed in SciPy 0.18")
        return scipy.ndimage.affine_transform(
            values,
            matrix,
            offset=offset,
            output_shape=tuple(shape),
            order=order,
            mode="constant",
            cval=0,
            prefilter=prefilter,
        )
