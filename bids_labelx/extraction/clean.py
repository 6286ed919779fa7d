"""Region signals without trends, drifts and confounds, standardised.

The order depends on the temporal filter. A Butterworth filter needs every volume in its place:
censored ones are interpolated, the run is detrended and filtered, and only then do they go. With
cosine terms, which are regressors, or without a filter, they go first. Regression and
standardising come last. Signals and confounds go through the same steps, so that one does not
bring back what was taken from the other (Lindquist et al., 2019, doi:10.1002/hbm.24528).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bids_labelx.extraction.cleaner import Censored, prepare
from bids_labelx.extraction.filters import Filter
from bids_labelx.extraction.standardize import Standardize


def clean(
    signals: np.ndarray,
    *,
    confounds: np.ndarray | None = None,
    sample_mask: np.ndarray | None = None,
    t_r: float | None = None,
    filter: Filter = None,
    low_pass: float | None = None,
    high_pass: float | None = None,
    detrend: bool = False,
    standardize: Standardize = False,
    standardize_confounds: bool = True,
    ensure_finite: bool = False,
    extrapolate: bool = False,
    butterworth: Mapping[str, Any] | None = None,
    censored: Censored = "drop",
) -> np.ndarray:
    """Censor, detrend, filter, regress confounds out of, and standardise signals.

    Parameters
    ----------
    signals : array of shape (n_volumes, n_columns)
        Not modified. A column with a non-finite value does not touch the others.
    confounds : array of shape (n_volumes, n_confounds) or (n_volumes,), optional
        Regressors to remove, by least squares over the kept volumes. Constant and duplicate
        columns do no harm. Not modified.
    sample_mask : bool array of shape (n_volumes,), optional
        True for the volumes to keep. All are kept unless given.
    t_r
        Repetition time in seconds; a filter needs it.
    filter
        ``butterworth``: a low-pass, high-pass or band-pass of signals and confounds, over a run
        whose censored volumes are interpolated. ``cosine``: the drifts at and below `high_pass`
        are removed together with the confounds. None or False: nothing.
    low_pass, high_pass
        Frequencies in Hz, above and below which signals are removed. `filters.choose_filter`
        says what goes together.
    detrend
        Remove mean and linear trend from signals and confounds.
    standardize
        ``zscore_sample`` or True: zero mean and unit variance, with n - 1 degrees of freedom.
        ``zscore``: the same with n. ``psc``: deviation from the mean in percent of the mean that
        the kept volumes had before anything was removed; with a Butterworth filter, see Notes.
        A column without variance, or for ``psc`` without a mean, becomes 0. False or None:
        nothing.
    standardize_confounds
        Bring confounds to zero mean and unit variance first, so that regression leaves the mean
        of the signals alone. Otherwise they are used as they are, detrended or not.
    ensure_finite
        Take non-finite values of the signals for 0.
    extrapolate
        Let a Butterworth filter have the volumes before the first and after the last kept one
        too, extrapolated. Otherwise they are cut off before.
    butterworth
        Options of `filters.butterworth`: ``order``, ``padtype``, ``padlen``.
    censored
        ``drop``: the result has the kept volumes. ``interpolate``: it has those in between, too,
        with the interpolated signals less the interpolated confounds, weighted as in the kept
        volumes. Those before the first and after the last kept one stay away, unless they are
        extrapolated.

    Returns
    -------
    float64 array of shape (n_rows, n_columns)
        A row for each of `Cleaner.rows`: the kept volumes, or with ``interpolate`` their span.

    Raises
    ------
    ValueError
        If shapes or lengths do not fit, no volume is kept, `standardize` is unknown, a confound
        is not finite in a kept volume, the options of the filter do not go together, or the run
        is too short for it.

    Warns
    -----
    UserWarning
        If a column has no mean to express a percentage of; only one volume is kept, which can be
        neither detrended nor standardised; a cut-off is left out; or the run is too short for
        any cosine.

    Notes
    -----
    After a Butterworth filter that leaves the mean in, ``psc`` is in percent of the mean of the
    filtered signal. Where detrending or a high-pass took the mean out, it is in percent of that
    of the interpolated run plus the little that filtering brought back at the run's ends: the
    convention of nilearn.
    """
    signals = np.asarray(signals, dtype=np.float64)
    if signals.ndim != 2:
        raise ValueError(f"signals have the shape (volumes, columns), found {signals.shape}")
    cleaner = prepare(
        len(signals),
        confounds=confounds,
        sample_mask=sample_mask,
        t_r=t_r,
        filter=filter,
        low_pass=low_pass,
        high_pass=high_pass,
        detrend=detrend,
        standardize=standardize,
        standardize_confounds=standardize_confounds,
        ensure_finite=ensure_finite,
        extrapolate=extrapolate,
        butterworth=butterworth,
        censored=censored,
    )
    return cleaner(signals)
