"""Values for the censored volumes of a run, from those that are kept.

A recursive filter such as the Butterworth needs evenly spaced samples and spreads artefacts into
the neighbouring volumes; censored volumes are therefore interpolated beforehand (Power et al.,
2014, doi:10.1016/j.neuroimage.2013.08.048). Cosine terms are regressors like any other and need
no interpolation.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Interpolation = Literal["spline", "linear"]
Extrapolate = bool | Literal["hold"]


def interpolate_censored(
    columns: np.ndarray,
    keep: np.ndarray,
    *,
    interpolation: Interpolation = "spline",
    extrapolate: Extrapolate = False,
    dummy: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Replace censored volumes by values between the kept ones.

    Parameters
    ----------
    columns : float array of shape (n_volumes, n_columns)
        Not modified. A column that is not finite in some kept volume comes out as NaN.
    keep : bool array of shape (n_volumes,)
        True for the kept volumes, of which there is at least one.
    interpolation
        ``spline``: a cubic through every kept volume, its third derivative continuous at the
        second and the last but one ("not-a-knot"; de Boor, A Practical Guide to Splines, chapter
        IV). Over several censored volumes in a row it overshoots. ``linear``: straight lines.
    extrapolate
        True: let the spline go on beyond the first and the last kept volume, where a cubic soon
        diverges; straight lines stay at the nearest kept volume. ``hold``: repeat the nearest kept
        volume there. False: cut these volumes off.
    dummy
        Volumes at the start that are never extrapolated.

    Returns
    -------
    whole : float64 array of shape (n_span, n_columns)
        The volumes from the first kept one to the last, or with `extrapolate` all after `dummy`.
    inside : bool array of shape (n_span,)
        `keep` over the same volumes.

    Raises
    ------
    ValueError
        If a single volume is kept.
    """
    span = span_of(keep, extrapolate, dummy)
    time, shown = np.flatnonzero(keep), np.flatnonzero(span)
    whole, inside = np.array(columns[span], dtype=np.float64), keep[span]
    if len(time) == 1 and not inside.all():
        raise ValueError("only one volume is kept: the censored ones cannot be interpolated")
    kept = columns[time]
    known = np.isfinite(kept).all(axis=0)
    whole[:, ~known] = np.nan
    if known.any() and not inside.all():
        missing = shown[~inside]
        if extrapolate == "hold":
            missing = missing.clip(time[0], time[-1])
        whole[np.ix_(~inside, known)] = _between(time, kept[:, known], missing, interpolation)
    return whole, inside


def span_of(keep: np.ndarray, extrapolate: Extrapolate, dummy: int = 0) -> np.ndarray:
    """The volumes that `interpolate_censored` has a value for, bool of shape (n_volumes,)."""
    if extrapolate:
        return np.arange(len(keep)) >= min(dummy, int(np.argmax(keep)))
    after_first = np.logical_or.accumulate(keep)
    return after_first & np.logical_or.accumulate(keep[::-1])[::-1]


def _between(
    time: np.ndarray, kept: np.ndarray, missing: np.ndarray, interpolation: Interpolation
) -> np.ndarray:
    """Values at the volumes `missing`, shape (n_missing, n_columns)."""
    if interpolation == "spline":
        from scipy.interpolate import CubicSpline  # slow to load

        values: np.ndarray = CubicSpline(time, kept, bc_type="not-a-knot")(missing)
        return values
    before = np.searchsorted(time, missing, side="right").clip(1, len(time) - 1) - 1
    share = ((missing - time[before]) / (time[before + 1] - time[before])).clip(0, 1)
    return kept[before] + share[:, np.newaxis] * (kept[before + 1] - kept[before])
