from __future__ import annotations

import numpy as np

from bids_labelx.measures.centroids import centroids


def test_centroids_are_in_world_coordinates() -> None:
    labels = np.zeros((4, 5, 6), dtype=np.int64)
    labels[0, 1, 2] = labels[2, 3, 2] = 9170
    labels[3, 4, 5] = 3
    affine = np.array([[-2.0, 0, 0, 90], [0, 3, 0, -120], [0, 0, 4, -70], [0, 0, 0, 1]])
    found = centroids(labels, affine, np.array([3, 7, 9170]))
    expected = [[84, -108, -50], [np.nan] * 3, [88, -114, -62]]
    np.testing.assert_allclose(found, expected)
