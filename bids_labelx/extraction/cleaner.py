"""What `bids_labelx.extraction.clean.clean` does, prepared once and applied to many signals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy import linalg

from bids_labelx.extraction import filters
from bids_labelx.extraction.filters import Filter, TemporalFilter
from bids_labelx.extraction.sample_mask import check_sample_mask
from bids_labelx.extraction.standardize import (
    Standardize,
    check_standardize,
    percent_change,
    rounding_noise,
    zscore,
)

Censored = Literal["drop", "interpolate"]

BandPass = Callable[[np.ndarray], np.ndarray]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Cleaner:
    """What `clean` does to the signals of one run, its options checked and confounds prepared.

    Attributes
    ----------
    keep : bool array of shape (n_volumes,)
        The volumes that are kept.
    detrend, extrapolate, ensure_finite, censored
        As for `clean`.
    band_pass
        The Butterworth filter, or None.
    basis : float64 array of shape (n_kept, rank), or None
        Orthonormal basis of the confounds after the same steps.
    spread : float64 array of shape (n_rows, rank), or None
        The same columns in the rows of the result, as far as a filter has seen them.
    standardize
        ``zscore_sample``, ``zscore``, ``psc`` or None.
    mean_removed
        Whether detrending or a high-pass takes the mean out before the confounds.
    dimensions
        How many of the kept volumes' dimensions detrending and band-pass leave.
    """

    keep: np.ndarray
    detrend: bool
    extrapolate: bool
    ensure_finite: bool
    censored: Censored
    band_pass: BandPass | None
    basis: np.ndarray | None
    spread: np.ndarray | None
    standardize: str | None
    mean_removed: bool
    dimensions: int

    @property
    def rows(self) -> np.ndarray:
        """Bool array of shape (n_volumes,): the volumes that the result has a row for."""
        if self.censored == "drop":
            return self.keep
        if self.extrapolate:
            return np.ones_like(self.keep)
        after_first = np.logical_or.accumulate(self.keep)
        return after_first & np.logical_or.accumulate(self.keep[::-1])[::-1]

    @property
    def degrees_of_freedom(self) -> int:
        """Kept volumes less the dimensions that were taken out; at worst below 1.

        Confounds count by their rank, mean and slope where they are detrended; a band-pass
        leaves the share of the spectrum that it lets through (Davey et al., 2013,
        doi:10.1016/j.neuroimage.2012.08.022). Where nothing removes it, the mean is among them.
        """
        return self.dimensions - (0 if self.basis is None else self.basis.shape[1])

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Clean signals of shape (n_volumes, n_columns); see `clean`."""
        return self.scale(self.denoise(signals), signals)

    def denoise(self, signals: np.ndarray) -> np.ndarray:
        """Do all of `__call__` but standardise.

        Parameters
        ----------
        signals : array of shape (n_volumes, n_columns)

        Returns
        -------
        float64 array of shape (n_rows, n_columns)
        """
        run, inside = self._run_to_filter(signals)
        cleaned = _detrend_and_filter(run, self.detrend, self.band_pass)
        kept = cleaned[inside]
        if self.censored == "drop":
            cleaned = kept
        if self.basis is not None and self.spread is not None:
            cleaned = cleaned - self.spread @ (self.basis.T @ kept)
        if self.censored == "drop" or self.band_pass is not None:
            return cleaned
        whole = np.empty((len(self.keep), cleaned.shape[1]))
        whole[self.keep] = cleaned
        return filters.interpolate_censored(whole, self.keep, extrapolate=self.extrapolate)[0]

    def scale(self, cleaned: np.ndarray, signals: np.ndarray) -> np.ndarray:
        """Standardise what was denoised, by what the kept volumes of it are like.

        Parameters
        ----------
        cleaned : float64 array of shape (n_rows, n_columns)
            What `denoise` made of the signals, or what was made of single voxels that it denoised.
        signals : array of shape (n_volumes, n_columns)
            The signals before anything was removed: they say what is rounding error and, for
            ``psc``, what 100 percent are.

        Returns
        -------
        float64 array of shape (n_rows, n_columns)
        """
        original = self._finite(signals)[self.keep]
        if len(original) == 1 and (self.detrend or self.standardize):
            warnings.warn(
                "only one volume is kept: it is neither detrended nor standardised", stacklevel=4
            )
            return cleaned
        if self.standardize is None:
            return cleaned
        noise = rounding_noise(original)
        inside = self.keep[self.rows]
        if self.standardize != "psc":
            ddof = 1 if self.standardize == "zscore_sample" else 0
            return zscore(cleaned, noise, ddof, inside)
        run, kept = self._run_to_filter(signals)
        baseline = run.mean(axis=0)
        if self.band_pass is not None and self.mean_removed:
            baseline = baseline + cleaned[inside].mean(axis=0)
        elif self.band_pass is not None:
            filtered = _detrend_and_filter(run, self.detrend, self.band_pass)
            baseline = filtered[kept].mean(axis=0)
        return percent_change(cleaned, baseline, noise, inside)

    def _run_to_filter(self, signals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _run_to_filter(self._finite(signals), self.keep, self.band_pass, self.extrapolate)

    def _finite(self, signals: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(signals), signals, 0.0) if self.ensure_finite else signals


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
    censored: Censored = "drop",
) -> Cleaner:
    """Do once what `clean` has to do but once for all signals of a run of `n_volumes`.

    Options, errors and warnings are those of `clean`, which is ``prepare(...)(signals)``.
    """
    divisor = check_standardize(standardize)
    keep = check_sample_mask(sample_mask, n_volumes)
    regressors = None if confounds is None else _check_confounds(confounds, keep)
    chosen = filters.choose_filter(filter, t_r=t_r, low_pass=low_pass, high_pass=high_pass)
    band_pass: BandPass | None = None
    if chosen is not None and chosen.kind == "cosine":
        regressors = _with_drifts(regressors, chosen, n_volumes)
    elif chosen is not None:
        band_pass = partial(filters.butterworth, **chosen.cutoffs, **(butterworth or {}))
    basis = spread = None
    if regressors is not None:
        run, inside = _run_to_filter(regressors, keep, band_pass, extrapolate)
        columns = _detrend_and_filter(run, detrend, band_pass)
        noise = rounding_noise(run[inside])
        basis = spread = _basis(columns[inside], noise, standardize_confounds)
        if censored == "interpolate":
            spread = _spread(basis, columns, inside, standardize_confounds)
    return Cleaner(
        keep,
        detrend,
        extrapolate,
        ensure_finite,
        censored,
        band_pass,
        basis,
        spread,
        divisor,
        mean_removed=detrend or high_pass is not None,
        dimensions=_dimensions(int(np.count_nonzero(keep)), detrend, chosen),
    )


def _dimensions(n_kept: int, detrend: bool, chosen: TemporalFilter | None) -> int:
    """How many dimensions of `n_kept` volumes are left by detrending and a band-pass."""
    trend = min(2, n_kept) if detrend and n_kept > 1 else 0
    if chosen is None or chosen.kind != "butterworth":
        return n_kept - trend
    nyquist = 0.5 / chosen.t_r
    low, high = chosen.high_pass or 0.0, chosen.low_pass or nyquist
    passed = round(n_kept * (high - low) / nyquist)
    # Below a high-pass lies the trend, too.
    return passed - (0 if chosen.high_pass else trend)


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


def _spread(
    basis: np.ndarray, columns: np.ndarray, inside: np.ndarray, standardize_confounds: bool
) -> np.ndarray:
    """The columns of `basis` carried on from the kept volumes to all, of shape (n_span, rank)."""
    if standardize_confounds:
        columns = columns - columns[inside].mean(axis=0)
    weights, *_ = linalg.lstsq(columns[inside], basis)
    return columns @ weights


def _basis(columns: np.ndarray, noise: np.ndarray, standardize_confounds: bool) -> np.ndarray:
    """Orthonormal basis, of shape (n_kept, rank), of what the confounds span.

    The columns come from a QR decomposition with column pivoting, cut where the diagonal of R
    falls below rounding error: relative to its first element (Golub & Van Loan, Matrix
    Computations, 4th edition, section 5.4.2), and relative to what centring a confound of small
    variance and large mean left of its digits (`noise`, per column). What is left of a column
    has the noise of those that were taken out of it, too.
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
    rank = int(np.count_nonzero(diagonal > max(columns.shape) * _EPS * diagonal[0]))
    q, r, diagonal = q[:, :rank], r[:rank, :rank], diagonal[:rank]
    # What is left of a column is itself less a weighted sum of those before it.
    weights = np.abs(linalg.solve_triangular(r, np.eye(rank))) * diagonal
    lost_digits = np.sqrt(len(columns)) * (noise[pivots[:rank]] @ weights)
    return q[:, diagonal > lost_digits]
