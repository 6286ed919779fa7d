"""Region signals censored, detrended, filtered, denoised and standardised.

The order depends on the temporal filter. A Butterworth filter needs evenly spaced volumes:
censored ones are interpolated, the run is detrended and filtered, and only then are they dropped.
With cosine terms, which are regressors, or without a filter, they are dropped first. Regression
and standardising come last. Signals and confounds go through the same steps, so that none
reintroduces what an earlier one removed (Lindquist et al., 2019, doi:10.1002/hbm.24528).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from bids_labelx.extraction import filters
from bids_labelx.extraction.filters import Filter, TemporalFilter
from bids_labelx.extraction.interpolate import (
    Extrapolate,
    Interpolation,
    interpolate_censored,
    span_of,
)
from bids_labelx.extraction.regressors import (
    check_confounds,
    confound_basis,
    spread_basis,
    with_drifts,
)
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
# `interpolate_censored` with all but the columns.
Fill = partial[tuple[np.ndarray, np.ndarray]]


def clean(signals: np.ndarray, **options: Any) -> np.ndarray:
    """Censor, detrend, filter, regress confounds out of, and standardise signals.

    Parameters
    ----------
    signals : array of shape (n_volumes, n_columns)
        Not modified. A column with a non-finite value does not touch the others.
    **options
        As for `prepare_cleaner`, which says what is raised and warned of.

    Returns
    -------
    float64 array of shape (n_rows, n_columns)
        A row for each of `Cleaner.rows`: the kept volumes, or with ``interpolate`` their span.
    """
    signals = np.asarray(signals, dtype=np.float64)
    if signals.ndim != 2:
        raise ValueError(f"signals have the shape (volumes, columns), found {signals.shape}")
    return prepare_cleaner(len(signals), **options)(signals)


@dataclass(frozen=True)
class Cleaner:
    """The steps of `clean` for one run, with options checked and confounds prepared.

    Attributes
    ----------
    keep : bool array of shape (n_volumes,)
        The volumes that are kept.
    rows : bool array of shape (n_volumes,)
        The volumes that the result has a row for.
    fill
        What interpolates the censored volumes of columns, as `interpolate_censored` does.
    detrend, ensure_finite, censored
        As for `prepare_cleaner`.
    filter
        The filter as it fits the run, or None.
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
        Dimensions of the kept volumes that are left after detrending and band-pass.
    """

    keep: np.ndarray
    rows: np.ndarray
    fill: Fill
    detrend: bool
    ensure_finite: bool
    censored: Censored
    filter: TemporalFilter | None
    band_pass: BandPass | None
    basis: np.ndarray | None
    spread: np.ndarray | None
    standardize: str | None
    mean_removed: bool
    dimensions: int

    @property
    def cutoffs(self) -> tuple[float | None, float | None]:
        """Low-pass and high-pass in Hz, None where there is none."""
        return (
            (None, None) if self.filter is None else (self.filter.low_pass, self.filter.high_pass)
        )

    @property
    def degrees_of_freedom(self) -> int:
        """Kept volumes less the dimensions that were taken out: the nominal count.

        Confounds count by their rank, mean and slope where they are detrended; a band-pass
        leaves the share of the spectrum that it lets through (Davey et al., 2013,
        doi:10.1016/j.neuroimage.2012.08.022). Where nothing removes it, the mean is among them.
        Confounds that lie in the stop band count twice, so that it may fall below 1; see
        `bids_labelx.extraction.freedom` for what is left.
        """
        return self.dimensions - (0 if self.basis is None else self.basis.shape[1])

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Clean signals of shape (n_volumes, n_columns); see `clean`."""
        return self.standardized(self.denoised(signals), signals)

    def denoised(self, signals: np.ndarray) -> np.ndarray:
        """Censor, detrend, filter and regress: all of `__call__` but standardising, and linear."""
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
        return self.fill(whole)[0]

    def standardized(self, cleaned: np.ndarray, signals: np.ndarray) -> np.ndarray:
        """Standardise cleaned signals by their kept volumes.

        Parameters
        ----------
        cleaned : float64 array of shape (n_rows, n_columns)
            Cleaned without standardising, or reduced from elements that were.
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
        return _run_to_filter(self._finite(signals), self.keep, self.band_pass, self.fill)

    def _finite(self, signals: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(signals), signals, 0.0) if self.ensure_finite else signals


def prepare_cleaner(
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
    interpolation: Interpolation = "spline",
    extrapolate: Extrapolate = False,
    dummy: int = 0,
    butterworth: Mapping[str, Any] | None = None,
    censored: Censored = "drop",
) -> Cleaner:
    """Check the options of `clean` and prepare the confounds, once for all signals of a run.

    Parameters
    ----------
    n_volumes
        Length of the run.
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
        Z-score confounds first, so that regression leaves the mean of the signals alone.
        Otherwise they are used as they are, detrended or not.
    ensure_finite
        Take non-finite values of the signals for 0.
    interpolation, extrapolate, dummy
        How censored volumes are interpolated for a Butterworth filter, and whether it has those
        before the first and after the last kept one, too; see `interpolate_censored`.
    butterworth
        Options of `filters.butterworth`: ``order``, ``padtype``, ``padlen``. With ``run`` as
        ``padlen`` and ``constant`` as ``padtype`` the ends of short runs suffer less than with
        the defaults, which are those of SciPy.
    censored
        ``drop``: the result has the kept volumes. ``interpolate``: it has those in between, too,
        with the interpolated signals less the interpolated confounds, weighted as in the kept
        volumes. Those before the first and after the last kept one stay away, unless they are
        extrapolated.

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
        neither detrended nor standardised; a cut-off is missing; or the run is too short for
        any cosine.

    Notes
    -----
    After a Butterworth filter that leaves the mean in, ``psc`` is in percent of the mean of the
    filtered signal. Where detrending or a high-pass took the mean out, it is in percent of that
    of the interpolated run plus the little that filtering brought back at the run's ends: the
    convention of nilearn.
    """
    divisor = check_standardize(standardize)
    keep = check_sample_mask(sample_mask, n_volumes)
    fill = partial(
        interpolate_censored,
        keep=keep,
        interpolation=interpolation,
        extrapolate=extrapolate,
        dummy=dummy,
    )
    regressors = None if confounds is None else check_confounds(confounds, keep)
    chosen = filters.choose_filter(filter, t_r=t_r, low_pass=low_pass, high_pass=high_pass)
    band_pass: BandPass | None = None
    if chosen is not None and chosen.kind == "cosine":
        regressors = with_drifts(regressors, chosen, n_volumes)
    elif chosen is not None:
        band_pass = partial(filters.butterworth, **chosen.cutoffs, **(butterworth or {}))
    basis = spread = None
    if regressors is not None:
        run, inside = _run_to_filter(regressors, keep, band_pass, fill)
        columns = _detrend_and_filter(run, detrend, band_pass)
        noise = rounding_noise(run[inside])
        basis = spread = confound_basis(columns[inside], noise, standardize_confounds)
        if censored == "interpolate":
            spread = spread_basis(basis, columns, inside, standardize_confounds)
    return Cleaner(
        keep,
        keep if censored == "drop" else span_of(keep, extrapolate, dummy),
        fill,
        detrend,
        ensure_finite,
        censored,
        chosen,
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


def _run_to_filter(
    columns: np.ndarray, keep: np.ndarray, band_pass: BandPass | None, fill: Fill
) -> tuple[np.ndarray, np.ndarray]:
    """Copy of what detrending and filtering are to see, and which of its volumes are kept.

    The run with its censored volumes interpolated if a filter follows, else the kept volumes.
    """
    if band_pass is None:
        kept = columns[keep]
        return kept, np.ones(len(kept), dtype=bool)
    return fill(columns)


def _detrend_and_filter(
    columns: np.ndarray, detrend: bool, band_pass: BandPass | None
) -> np.ndarray:
    """Columns less their trend, then band-passed, where either is asked for."""
    if detrend:
        columns = filters.remove_trend(columns)
    return columns if band_pass is None else band_pass(columns)
