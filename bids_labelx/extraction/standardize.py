"""Z-scores and percent signal change, with a threshold for rounding errors."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

STANDARDIZE = ("zscore_sample", "zscore", "psc")

Standardize = Literal["zscore_sample", "zscore", "psc"] | bool | None

_EPS = float(np.finfo(np.float64).eps)


def check_standardize(standardize: Standardize) -> str | None:
    """Name of the standardisation, with True read as nilearn 0.14 reads it."""
    if standardize is True:
        return "zscore_sample"
    if standardize is False or standardize is None:
        return None
    if standardize not in STANDARDIZE:
        raise ValueError(
            f"standardize is one of {', '.join(STANDARDIZE)}, True or False; found {standardize!r}"
        )
    return standardize


def rounding_noise(columns: np.ndarray) -> np.ndarray:
    """Size of the rounding errors of each column, below which it counts as constant.

    Measured against the column before anything was removed: a constant of a million leaves
    rounding errors of 1e-10, which must not be blown up to unit variance.
    """
    return 10 * len(columns) * _EPS * np.abs(columns).max(axis=0, initial=0.0)


def zscore(columns: np.ndarray, noise: np.ndarray, ddof: int, inside: np.ndarray) -> np.ndarray:
    """Z-score columns by their rows `inside`; a column without variance becomes 0."""
    centred = columns - columns[inside].mean(axis=0)
    deviation = centred[inside].std(axis=0, ddof=ddof)
    # A NaN compares false and so keeps its column NaN.
    flat = deviation <= noise
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, deviation))


def percent_change(
    columns: np.ndarray, baseline: np.ndarray, noise: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Deviations from the mean of the rows `inside`, in percent of the baseline's size."""
    baseline = np.abs(baseline)
    without = np.isfinite(baseline) & (baseline <= noise)
    if without.any():
        warnings.warn(
            f"{int(without.sum())} column(s) have a mean of zero: a percent signal change means "
            "nothing there, and they are set to 0",
            stacklevel=5,
        )
    centred = columns - columns[inside].mean(axis=0)
    return np.where(without, 0.0, 100.0 * centred / np.where(without, 1.0, baseline))
