"""Where the labels of an atlas lie."""

from __future__ import annotations

import numpy as np

# Columns of a label table, in mm of the atlas' space.
CENTROIDS = ("centroid_x", "centroid_y", "centroid_z")


def centroids(labels: np.ndarray, affine: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Centres of mass of labels in world coordinates; both hemispheres of a label are one.

    Parameters
    ----------
    labels
        Whole numbers, shape (x, y, z).
    affine
        From voxels to mm, shape (4, 4).
    ids
        Shape (n_regions,).

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, 3), mm; NaN for a label without a voxel.
    """
    found = np.full((len(ids), 3), np.nan)
    places = np.argwhere(labels != 0)
    values = labels[tuple(places.T)]
    present, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(inverse, places[:, axis]) for axis in range(3)], axis=1)
    where = {int(label): row for row, label in enumerate(present)}
    for i, label in enumerate(ids):
        if int(label) in where:
            row = where[int(label)]
            found[i] = affine[:3, :3] @ (sums[row] / counts[row]) + affine[:3, 3]
    return found
