"""Running mean and spread over participants, edge by edge; no matrix is kept."""

from __future__ import annotations

import numpy as np

from bids_labelx.extraction.welford import update_mean


class Moments:
    """Mean, standard deviation and number of matrices, over those that have a value.

    Parameters
    ----------
    n_regions
        Of each matrix, which has the shape (n_regions, n_regions).
    """

    def __init__(self, n_regions: int) -> None:
        self.n = np.zeros((n_regions, n_regions), dtype=np.int64)
        self._mean = np.zeros((n_regions, n_regions))
        self._squares = np.zeros((n_regions, n_regions))

    def add(self, z: np.ndarray) -> None:
        """Add a matrix; NaN where an edge has no value in it."""
        known = np.isfinite(z)
        self.n += known
        values = np.where(known, z, self._mean)
        before, after = update_mean(self._mean, values, np.maximum(self.n, 1))
        self._squares += before * after

    @property
    def mean(self) -> np.ndarray:
        """Shape (n_regions, n_regions); NaN where `n` is 0."""
        return np.where(self.n > 0, self._mean, np.nan)

    @property
    def std(self) -> np.ndarray:
        """Over n - 1, shape (n_regions, n_regions); NaN where `n` is below 2."""
        known = self.n > 1
        return np.where(known, np.sqrt(self._squares / np.where(known, self.n - 1, 1)), np.nan)
