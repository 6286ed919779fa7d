"""Region signals without trends, drifts and confounds, standardised.

The order depends on the temporal filter. A Butterworth filter needs every volume in its place:
censored ones are interpolated, the run is detrended and filtered, and only then do they go. With
cosine terms, which are regressors, or without a filter, they go first. Regression and
standardising come last. Signals and confounds go through the same steps, so that one does not
bring back what was taken from the other (Lindquist et al., 2019, doi:10.1002/hbm.24528).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from bids_labelx.extraction import filters
from bids_labelx.extraction.filters import Filter, TemporalFilter
from bids_labelx.extraction.standardize import (
    Standardize,
    check_standardize,
    percent_change,
    rounding_noise,
    zscore,
)

BandPass = Callable[[np.ndarray], np.ndarray]

_EPS = float(np.finfo(np.float64).eps)


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

    Returns
    -------
    float64 array of shape (n_kept, n_columns)

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
    )
    return cleaner(signals)


@dataclass(frozen=True)
class Cleaner:
    """What `clean` does to the signals of one run, its options checked and confounds prepared.

    Attributes
    ----------
    keep : bool array of shape (n_volumes,)
        The volumes that are kept.
    detrend, extrapolate, ensure_finite
        As for `clean`.
    band_pass
        The Butterworth filter, or None.
    basis : float64 array of shape (n_kept, rank), or None
        Orthonormal basis of the confounds after the same steps.
    standardize
        ``zscore_sample``, ``zscore``, ``psc`` or None.
    mean_removed
        Whether detrending or a high-pass takes the mean out before the confounds.
    """

    keep: np.ndarray
    detrend: bool
    extrapolate: bool
    ensure_finite: bool
    band_pass: BandPass | None
    basis: np.ndarray | None
    standardize: str | None
    mean_removed: bool

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Clean signals of shape (n_volumes, n_columns); see `clean`."""
        if self.ensure_finite:
            signals = np.where(np.isfinite(signals), signals, 0.0)
        run, inside = _run_to_filter(signals, self.keep, self.band_pass, self.extrapolate)
        original = run[inside]
        cleaned = filtered = _detrend_and_filter(run, self.detrend, self.band_pass)[inside]
        if self.basis is not None:
            cleaned = filtered - self.basis @ (self.basis.T @ filtered)
        if len(original) == 1 and (self.detrend or self.standardize):
            warnings.warn(
                "only one volume is kept: it is neither detrended nor standardised", stacklevel=3
            )
            return cleaned
        if self.standardize is None:
            return cleaned
        noise = rounding_noise(original)
        if self.standardize != "psc":
            return zscore(cleaned, noise, ddof=1 if self.standardize == "zscore_sample" else 0)
        baseline = run.mean(axis=0)
        if self.band_pass is not None and self.mean_removed:
            baseline = baseline + cleaned.mean(axis=0)
        elif self.band_pass is not None:
            baseline = filtered.mean(axis=0)
        return percent_change(cleaned, baseline, noise)


def prepare(
    n_volumes: int,
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
) -> Cleaner:
    """Do once what `clean` has to do but once for all signals of a run of `n_volumes`.

    Options, errors and warnings are those of `clean`, which is ``prepare(...)(signals)``.
    """
    divisor = check_standardize(standardize)
    keep = _check_sample_mask(sample_mask, n_volumes)
    regressors = None if confounds is None else _check_confounds(confounds, keep)
    chosen = filters.choose_filter(filter, t_r=t_r, low_pass=low_pass, high_pass=high_pass)
    band_pass: BandPass | None = None
    if chosen is not None and chosen.kind == "cosine":
        regressors = _with_drifts(regressors, chosen, n_volumes)
    elif chosen is not None:
        band_pass = partial(filters.butterworth, **chosen.cutoffs, **(butterworth or {}))
    basis = None
    if regressors is not None:
        spread, inside = _run_to_filter(regressors, keep, band_pass, extrapolate)
        columns = _detrend_and_filter(spread, detrend, band_pass)[inside]
        basis = _basis(columns, rounding_noise(spread[inside]), standardize_confounds)
    mean_removed = detrend or high_pass is not None
    return Cleaner(
        keep, detrend, extrapolate, ensure_finite, band_pass, basis, divisor, mean_removed
    )


def confound_rank(
    confounds: np.ndarray | None,
    *,
    sample_mask: np.ndarray | None = None,
    detrend: bool = False,
    standardize_confounds: bool = True,
) -> int:
    """Number of independent regressors that `clean` removes from the kept volumes.

    With `detrend` the intercept and the slope count too. The number of kept volumes less this
    rank is what remains of the degrees of freedom, less one more where nothing removed the mean.

    Parameters
    ----------
    confounds : array of shape (n_volumes, n_confounds) or (n_volumes,), or None
        None stands for no confound; with it, `sample_mask` has to be given to detrend.
    sample_mask, detrend, standardize_confounds
        As for `clean`.

    Raises
    ------
    ValueError
        As `clean` does, and if neither confounds nor a sample mask tell how long the run is.
    """
    if confounds is None and sample_mask is None:
        if detrend:
            raise ValueError("without confounds, a sample mask must give the number of volumes")
        return 0
    n_volumes = len(sample_mask) if confounds is None else len(confounds)  # type: ignore[arg-type]
    keep = _check_sample_mask(sample_mask, n_volumes)
    n_kept = int(np.count_nonzero(keep))
    rank = min(2, n_kept) if detrend and n_kept > 1 else 0
    if confounds is None:
        return rank
    kept = _check_confounds(confounds, keep)[keep]
    columns = _detrend_and_filter(kept, detrend, None)
    return rank + _basis(columns, rounding_noise(kept), standardize_confounds).shape[1]


def boolean_mask(sample_mask: ArrayLike | None, n_volumes: int) -> np.ndarray | None:
    """Turn a sample mask in either of its forms into a boolean vector.

    Parameters
    ----------
    sample_mask
        One boolean for each volume, or the indices of the kept ones in ascending order. None
        stays None.
    n_volumes
        Length of the run.

    Raises
    ------
    ValueError
        If it is neither of the two, or does not fit the run.
    """
    if sample_mask is None:
        return None
    given = np.asarray(sample_mask)
    if given.dtype == bool:
        return _check_sample_mask(given, n_volumes)
    keep = np.zeros(n_volumes, dtype=bool)
    if not given.size:
        return _check_sample_mask(keep, n_volumes)
    if given.ndim != 1 or given.dtype.kind not in "iu" or np.any(given[1:] <= given[:-1]):
        raise ValueError(
            "a sample mask is a vector of booleans, or of indices in ascending order, "
            f"each once; found {given.dtype} of shape {given.shape}"
        )
    if given[0] < 0 or given[-1] >= n_volumes:
        raise ValueError(
            f"sample mask indices run from 0 to {n_volumes - 1}, found {given[0]} to {given[-1]}"
        )
    keep[given] = True
    return keep


def _check_sample_mask(sample_mask: np.ndarray | None, n_volumes: int) -> np.ndarray:
    """Boolean vector of the kept volumes, of which there is at least one."""
    if sample_mask is None:
        keep = np.ones(n_volumes, dtype=bool)
    else:
        keep = np.asarray(sample_mask)
        if keep.dtype != bool or keep.shape != (n_volumes,):
            raise ValueError(
                f"the sample mask is a boolean vector of {n_volumes} volumes, "
                f"found {keep.dtype} of shape {keep.shape}"
            )
    if not keep.any():
        raise ValueError(f"no volume is kept: the sample mask censors all {n_volumes}")
    return keep


def _check_confounds(confounds: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Confounds as float64 columns, finite in every kept volume."""
    confounds = np.asarray(confounds, dtype=np.float64)
    if confounds.ndim == 1:
        confounds = confounds[:, np.newaxis]
    if confounds.ndim != 2 or len(confounds) != len(keep):
        raise ValueError(
            f"confounds have the shape (volumes, confounds) with {len(keep)} volumes, "
            f"found {confounds.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(confounds[keep]).all(axis=0))
    if bad.size:
        raise ValueError(
            f"confounds are finite numbers in every kept volume; found NaN or infinity in "
            f"column(s) {', '.join(map(str, bad))}"
        )
    return confounds


def _with_drifts(
    regressors: np.ndarray | None, cosine: TemporalFilter, n_volumes: int
) -> np.ndarray | None:
    """Regressors and the cosine terms of the whole run; terms given twice do no harm."""
    assert cosine.high_pass is not None
    drifts = filters.cosine_drift(cosine.high_pass, n_volumes, cosine.t_r)
    if not drifts.shape[1]:
        warnings.warn(
            f"{n_volumes} volumes are too short for a drift at or below {cosine.high_pass} Hz: "
            "nothing is filtered",
            stacklevel=4,
        )
    return drifts if regressors is None else np.hstack([regressors, drifts])


def _run_to_filter(
    columns: np.ndarray, keep: np.ndarray, band_pass: BandPass | None, extrapolate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Copy of what detrending and filtering are to see, and which of its volumes are kept.

    The run with its censored volumes interpolated if a filter follows, else the kept volumes.
    """
    if band_pass is None:
        kept = columns[keep]
        return kept, np.ones(len(kept), dtype=bool)
    return filters.interpolate_censored(columns, keep, extrapolate=extrapolate)


def _detrend_and_filter(
    columns: np.ndarray, detrend: bool, band_pass: BandPass | None
) -> np.ndarray:
    """Columns less their trend, then band-passed, where either is asked for."""
    if detrend:
        columns = filters.remove_trend(columns)
    return columns if band_pass is None else band_pass(columns)


def _basis(columns: np.ndarray, noise: np.ndarray, standardize_confounds: bool) -> np.ndarray:
    """Orthonormal basis, of shape (n_kept, rank), of what the confounds span.

    The columns come from a QR decomposition with column pivoting, cut where the diagonal of R
    falls below rounding error: relative to its first element (Golub & Van Loan, Matrix
    Computations, 4th edition, section 5.4.2), and relative to what centring a confound of small
    variance and large mean left of its digits (`noise`, per column).
    """
    if standardize_confounds:
        columns = columns - columns.mean(axis=0)
        size = columns.std(axis=0, ddof=min(1, len(columns) - 1))
    else:
        size = np.abs(columns).max(axis=0, initial=0.0)
    varies = size > noise
    if not varies.any():
        return np.empty((len(columns), 0))
    columns, noise = columns[:, varies] / size[varies], noise[varies] / size[varies]
    q, r, pivots = linalg.qr(columns, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(r))
    rounding = max(columns.shape) * _EPS * diagonal[0]
    lost_digits = np.sqrt(len(columns)) * noise[pivots[: len(diagonal)]]
    return q[:, diagonal > np.maximum(rounding, lost_digits)]
