"""Framewise displacement out of the six motion parameters, and which volumes motion censors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bids_labelx.extraction.filters import butterworth

# Rotations count as the displacement of a point on a sphere of about the size of the cortex (Power
# et al. 2012, doi:10.1016/j.neuroimage.2011.10.018).
_HEAD_RADIUS = 50.0  # mm


def framewise_displacement(parameters: np.ndarray) -> np.ndarray:
    """How far the head moved from one volume to the next (Power et al. 2012).

    Parameters
    ----------
    parameters : float array of shape (n_volumes, 6)
        Translations in mm, then rotations in radians.

    Returns
    -------
    float64 array of shape (n_volumes,)
        Sums of the absolute differences in mm, rotations on a sphere of 50 mm. The first volume,
        which nothing precedes, has NaN.
    """
    differences = np.abs(np.diff(parameters, axis=0))
    differences[:, 3:] *= _HEAD_RADIUS
    return np.concatenate([[np.nan], differences.sum(axis=1)])


def filter_motion(parameters: np.ndarray, t_r: float, options: Mapping[str, Any]) -> np.ndarray:
    """Take breathing out of motion parameters.

    It moves the image more than the head (Fair et al. 2020, doi:10.1016/j.neuroimage.2019.116400).
    Both filters run forwards and backwards and shift no phase. The ends are padded with the first
    and the last volume.

    Parameters
    ----------
    parameters : float array of shape (n_volumes, n_parameters)
        Not modified.
    t_r
        Repetition time in seconds.
    options
        ``type``: ``notch`` removes from ``band_stop_min`` to ``band_stop_max`` (second order),
        ``lp`` what is above ``band_stop_min`` (Butterworth, second order). Both are in breaths
        per minute.

    Returns
    -------
    float64 array of the same shape

    Raises
    ------
    ValueError
        Where a frequency is not below the run's Nyquist frequency, so that breathing shows up at
        others; or there are too few volumes.
    """
    edges = [options[k] for k in ("band_stop_min", "band_stop_max") if k in options]
    nyquist = 30 / t_r
    if max(edges) >= nyquist:
        raise ValueError(
            f"{max(edges):g} breaths per minute are not below {nyquist:g}, the fastest that a "
            f"repetition time of {t_r:g} s can tell; choose a slower one of type lp, or leave "
            "motion_filter out"
        )
    if len(parameters) < 2:
        raise ValueError(f"{len(parameters)} volume is too short to filter")
    hertz = [edge / 60 for edge in edges]
    padding: dict[str, Any] = {"padtype": "constant", "padlen": len(parameters) - 1}
    if options["type"] == "lp":
        return butterworth(parameters, t_r=t_r, low_pass=hertz[0], order=2, **padding)

    from scipy.signal import filtfilt, iirnotch  # takes 0.3 s, which most invocations do not need

    centre, width = sum(hertz) / 2, hertz[1] - hertz[0]
    numerator, denominator = iirnotch(centre, centre / width, fs=1 / t_r)
    return filtfilt(numerator, denominator, parameters, axis=0, **padding)


def expand(series: np.ndarray, expansion: str) -> np.ndarray:
    """A series, its backward difference, or the square of either, as fMRIPrep's names say.

    Parameters
    ----------
    series : float array of shape (n_volumes, n_columns)
    expansion
        ``_derivative1``, ``_power2``, ``_derivative1_power2`` or empty.

    Returns
    -------
    float64 array of the same shape; a difference has NaN in the first volume
    """
    if "_derivative1" in expansion:
        series = np.diff(series, axis=0, prepend=np.nan)
    return np.square(series) if expansion.endswith("_power2") else series.copy()


def short_segments(outliers: np.ndarray, min_segment: int) -> np.ndarray:
    """Volumes between outliers in stretches that are too short to be of use.

    Parameters
    ----------
    outliers : bool array of shape (n_volumes,)
    min_segment
        Volumes in a row that are enough.

    Returns
    -------
    bool array of shape (n_volumes,)
        True in runs of less than `min_segment` volumes that are no outliers, those at both ends
        included. Without an outlier there is no segment to be short.
    """
    if not outliers.any():
        return np.zeros_like(outliers)
    edges = np.flatnonzero(np.diff(outliers)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(outliers)]]))
    return np.repeat((lengths < min_segment) & ~outliers[starts], lengths)
