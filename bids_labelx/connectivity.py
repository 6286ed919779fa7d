"""From region signals to matrices between regions."""

from __future__ import annotations

import numpy as np


def correlation(signals: np.ndarray) -> np.ndarray:
    """Pearson correlation between regions.

    Parameters
    ----------
    signals
        Shape (n_volumes, n_regions). NaN columns are lost labels.

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), symmetric, its diagonal 1. Rows and columns of lost labels,
        and of regions whose signal does not vary, are NaN.

    Raises
    ------
    ValueError
        Where there are fewer than 3 volumes: two points always correlate perfectly.
    """
    n_volumes, n_regions = signals.shape
    if n_volumes < 3:
        raise ValueError(f"a correlation needs at least 3 volumes, there are {n_volumes}")
    deviations = signals - signals.mean(axis=0)
    norms = np.linalg.norm(deviations, axis=0)
    # A constant column leaves rounding errors behind, which would correlate like signal.
    floor = np.finfo(float).eps * n_volumes * np.abs(signals).max(axis=0, initial=0.0)
    usable = np.isfinite(norms) & (norms > floor)
    scaled = deviations[:, usable] / norms[usable]
    matrix = np.full((n_regions, n_regions), np.nan)
    values = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(values, 1.0)
    matrix[np.ix_(usable, usable)] = (values + values.T) / 2
    return matrix


# What each measure of `--connectivity` computes, and how its sidecar names it.
MEASURES = {"correlation": (correlation, "Pearson correlation")}
