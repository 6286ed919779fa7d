"""Running means: brought up to date with one observation at a time, none of which is kept."""

from __future__ import annotations

import numpy as np


def update_mean(
    mean: np.ndarray, values: np.ndarray, n: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take an observation into running means; give its deviations from them before and after.

    The sum of squared deviations grows by the product of the two (Welford, 1962,
    doi:10.1080/00401706.1962.10490022), so that a large mean enters no sum that a small variance
    would have to be told from.

    Parameters
    ----------
    mean : float64 array
        Changed in place.
    values : array of the shape of `mean`
        One that equals its mean changes nothing.
    n : int or array of that shape
        Number of observations, this one included.
    """
    before = values - mean
    mean += before / n
    return before, values - mean
