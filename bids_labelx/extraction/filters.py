"""Trends and temporal filters."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Filter = Literal["butterworth", "cosine", False] | None

# A cut-off that is one of the cosine's own frequencies must not be missed by a rounding error.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TemporalFilter:
    """A filter that fits the run it is meant for.

    Attributes
    ----------
    kind
        ``butterworth`` or ``cosine``.
    t_r
        Repetition time in seconds.
    low_pass, high_pass
        Cut-offs in Hz, or None; `low_pass` is always None for ``cosine``, `high_pass` never.
    """

    kind: Literal["butterworth", "cosine"]
    t_r: float
    low_pass: float | None
    high_pass: float | None

    @property
    def cutoffs(self) -> dict[str, Any]:
        """Arguments of `butterworth` that say which frequencies are kept."""
        return {"t_r": self.t_r, "low_pass": self.low_pass, "high_pass": self.high_pass}


def choose_filter(
    filter: Filter,
    *,
    t_r: float | None = None,
    low_pass: float | None = None,
    high_pass: float | None = None,
) -> TemporalFilter | None:
    """Check the options of a filter against each other and against the repetition time.

    Parameters
    ----------
    filter
        ``butterworth``, ``cosine``, or None or False for no filter.
    t_r
        Repetition time in seconds; needed by both filters.
    low_pass, high_pass
        Frequencies in Hz, above and below which signals are to be removed. ``butterworth`` without
        either is no filter.

    Returns
    -------
    TemporalFilter, or None where nothing is to be filtered

    Raises
    ------
    ValueError
        If the filter is unknown; a filter comes without a positive `t_r`, or ``cosine`` without
        `high_pass`; a cut-off is not a positive number; `high_pass` is not below `low_pass`, or
        not below the Nyquist frequency, so that nothing would be left.

    Warns
    -----
    UserWarning
        If a cut-off is ignored: any without a filter, `low_pass` with ``cosine``,
        and a `low_pass` that is not below the Nyquist frequency.
    """
    if filter is None or filter is False:
        if low_pass is not None or high_pass is not None:
            warnings.warn(
                "low_pass and high_pass are given without a filter: nothing is filtered",
                stacklevel=4,
            )
        return None
    if filter not in ("butterworth", "cosine"):
        raise ValueError(f"filter is butterworth, cosine, None or False; found {filter!r}")
    if filter == "cosine":
        if high_pass is None:
            raise ValueError("the cosine filter needs high_pass, the lowest frequency to keep")
        if low_pass is not None:
            warnings.warn(
                f"the cosine filter removes slow drifts only: low_pass={low_pass} is ignored",
                stacklevel=4,
            )
            low_pass = None
    elif low_pass is None and high_pass is None:
        return None
    if t_r is None or not 0 < t_r < math.inf:
        raise ValueError(f"the {filter} filter needs t_r, in seconds and above 0; found {t_r}")
    for name, cutoff in (("low_pass", low_pass), ("high_pass", high_pass)):
        if cutoff is not None and not 0 < cutoff < math.inf:
            raise ValueError(f"{name} is a frequency in Hz above 0, or None; found {cutoff}")
    nyquist = 0.5 / t_r
    sampling = f"the Nyquist frequency of {nyquist:g} Hz that goes with t_r={t_r}"
    if high_pass is not None and high_pass >= nyquist:
        raise ValueError(f"high_pass={high_pass} is not below {sampling}: nothing would be left")
    if high_pass is not None and low_pass is not None and high_pass >= low_pass:
        raise ValueError(
            f"high_pass={high_pass} is not below low_pass={low_pass}: no frequency is between them"
        )
    if low_pass is not None and low_pass >= nyquist:
        warnings.warn(
            f"low_pass={low_pass} is not below {sampling}: there is nothing above it to remove, "
            "and it is ignored",
            stacklevel=4,
        )
        low_pass = None
        if high_pass is None:
            return None
    return TemporalFilter(filter, t_r, low_pass, high_pass)


def remove_trend(columns: np.ndarray) -> np.ndarray:
    """Take mean and slope out of columns, by least squares.

    Parameters
    ----------
    columns : float array of shape (n_volumes, n_columns)
        Not modified. A single row is returned as it is.
    """
    if len(columns) == 1:
        return columns
    time = np.arange(len(columns), dtype=np.float64)
    time -= time.mean()
    time /= np.linalg.norm(time)
    # Centred before the slope is measured: a large mean would drown it in rounding errors.
    centred = columns - columns.mean(axis=0)
    return centred - np.outer(time, time @ centred)


def butterworth(
    columns: np.ndarray,
    *,
    t_r: float,
    low_pass: float | None = None,
    high_pass: float | None = None,
    order: int = 5,
    padtype: str | None = "odd",
    padlen: int | Literal["run"] | None = None,
) -> np.ndarray:
    """Run a Butterworth filter forwards and backwards, so that it shifts no phase.

    Band-pass with both cut-offs, low-pass or high-pass with one. Passing twice squares the gain,
    which is one half at the cut-offs (Butterworth, 1930, Experimental Wireless 7, 536-541).

    Parameters
    ----------
    columns : array of shape (n_volumes, n_columns)
        Evenly sampled. A column with a non-finite value comes out as NaN. Not modified.
    t_r
        Repetition time in seconds.
    low_pass, high_pass
        Cut-offs in Hz, at least one of them.
    order
        Of the filter that is run twice.
    padtype, padlen
        How the series go on beyond their ends, ``odd``, ``even``, ``constant`` or None, and for
        how many volumes, as `scipy.signal.sosfiltfilt` takes them; ``run`` is the most that there
        can be, one less than the run has.

    Returns
    -------
    float64 array of shape (n_volumes, n_columns)

    Raises
    ------
    ValueError
        If no such filter can be made, or there are no more volumes than the padding needs, for
        ``run`` than that of SciPy would.
    """
    from scipy.signal import butter, sosfiltfilt  # takes 0.3 s, which most starts can do without

    cutoffs = [cutoff for cutoff in (high_pass, low_pass) if cutoff is not None]
    kind = "bandpass" if len(cutoffs) == 2 else "highpass" if low_pass is None else "lowpass"
    columns = np.asarray(columns, dtype=np.float64)
    try:
        # Second-order sections: at low cut-offs the polynomials of the other form lose digits.
        sections = butter(order, np.squeeze(cutoffs), kind, output="sos", fs=1 / t_r)
        if padlen == "run":
            # SciPy's own padding: a shorter run has no more volumes than the filter has memory.
            fewest = 3 * (2 * len(sections) + 1)
            if len(columns) <= fewest:
                raise ValueError(f"there have to be more than {fewest}")
            padlen = len(columns) - 1 if padtype else None
        return sosfiltfilt(sections, columns, axis=0, padtype=padtype, padlen=padlen)
    except ValueError as error:
        raise ValueError(
            f"cannot run a Butterworth filter of order {order} over {len(columns)} volumes: "
            f"{error}"
        ) from error


def cosine_drift(high_pass: float, n_volumes: int, t_r: float) -> np.ndarray:
    """Cosines slower than a cut-off, the drifts to regress out.

    The discrete cosine set of SPM (Friston et al., 2007, Statistical Parametric Mapping, chapter
    14), which is the DCT-II without its constant: ``sqrt(2 / n) cos(pi k (t + 1/2) / n)`` has a
    frequency of ``k / (2 n t_r)`` Hz, and `k` runs from 1 to the last at or below `high_pass`.

    Parameters
    ----------
    high_pass
        Cut-off in Hz.
    n_volumes
        Length of the run, censored volumes counted.
    t_r
        Repetition time in seconds.

    Returns
    -------
    float64 array of shape (n_volumes, n_terms)
        Orthonormal columns of zero mean, the slowest first; none where the run is too short.
    """
    slower = math.floor(2 * n_volumes * high_pass * t_r + _ROUNDING)
    terms = np.arange(1, min(slower, n_volumes - 1) + 1)
    time = np.arange(n_volumes)[:, np.newaxis] + 0.5
    return np.sqrt(2 / n_volumes) * np.cos(np.pi / n_volumes * time * terms)
