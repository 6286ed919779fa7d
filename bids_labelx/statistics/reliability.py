"""Test-retest reliability of edges: intraclass correlations of single measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Intraclass:
    """An intraclass correlation of each edge with its confidence interval.

    Attributes
    ----------
    value, low, high
        The estimate and the ends of the interval, each of shape (n_edges,); NaN where fewer than
        two participants have the edge in all repeats, or where it does not vary.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """Test-retest reliability of edges.

    Attributes
    ----------
    icc21
        ICC(2,1), absolute agreement: a shift of all participants from one repeat to the next
        lowers it.
    icc31
        ICC(3,1), consistency: such a shift does not.
    n
        The number of participants behind each edge, shape (n_edges,).
    """

    icc21: Intraclass
    icc31: Intraclass
    n: np.ndarray


def intraclass(z: np.ndarray, level: float = 0.95) -> Reliability:
    """Estimate ICC(2,1) and ICC(3,1) of each edge, with confidence intervals.

    Shrout & Fleiss (1979, doi:10.1037/0033-2909.86.2.420), from the mean squares of a two-way
    analysis of variance without replication, MSR between participants, MSC between repeats, MSE
    of the residual: ``ICC(3,1) = (MSR - MSE) / (MSR + (k - 1) MSE)`` and
    ``ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n)``. Intervals are those of
    McGraw & Wong (1996, doi:10.1037/1082-989X.1.1.30). Estimates may be below 0; they are not
    clipped.

    Parameters
    ----------
    z
        Fisher z, shape (n_participants, n_repeats, n_edges); NaN where there is none. A
        participant without an edge in any of the repeats does not count for that edge.
    level
        Of the intervals.

    Raises
    ------
    ValueError
        Where the array has no three dimensions, or fewer than two repeats.
    """
    if z.ndim != 3 or z.shape[1] < 2:
        raise ValueError(f"participants × at least 2 repeats × edges are needed, not {z.shape}")
    values = np.asarray(z, dtype=np.float64)
    k = values.shape[1]
    known = np.asarray(np.isfinite(values).all(axis=1))
    counts = known.sum(axis=0)
    n = np.where(counts > 1, counts, 2).astype(float)
    kept = np.where(known[:, None], values, 0.0)
    kept = np.where(known[:, None], kept - kept.sum(axis=(0, 1)) / (n * k), 0.0)
    of_participants, of_repeats = kept.mean(axis=1), kept.sum(axis=0) / n
    between = k * (of_participants**2).sum(axis=0) / (n - 1)
    repeats = n * (of_repeats**2).sum(axis=0) / (k - 1)
    left = np.where(known[:, None], kept - of_participants[:, None] - of_repeats, 0.0)
    error = (left**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    unknown = (counts < 2) | ((between <= 0) & (error <= 0))
    squares = tuple(np.where(unknown, np.nan, one) for one in (between, repeats, error))
    return Reliability(
        _agreement(squares, n, k, level), _consistency(squares, n, k, level), counts
    )


# Mean squares between participants, between repeats, and of the residual.
_Squares = tuple[np.ndarray, ...]


def _consistency(squares: _Squares, n: np.ndarray, k: int, level: float) -> Intraclass:
    from scipy.special import fdtri

    between, _, error = squares
    upper = (1 + level) / 2
    first, second = n - 1, (n - 1) * (k - 1)

    def icc(of_participants: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((of_participants - error) / (of_participants + (k - 1) * error))

    low = icc(between / fdtri(first, second, upper))
    return Intraclass(icc(between), low, icc(between * fdtri(second, first, upper)))


def _agreement(squares: _Squares, n: np.ndarray, k: int, level: float) -> Intraclass:
    from scipy.special import fdtri

    between, repeats, error = squares
    upper = (1 + level) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        icc = (between - error) / (between + (k - 1) * error + k * (repeats - error) / n)
        # Satterthwaite's degrees of freedom, with both parts times the squared error: there may be
        # none.
        of_repeats = k * icc * repeats
        rest = (n * (1 + (k - 1) * icc) - k * icc) * error
        freedom = (k - 1) * (n - 1) * (of_repeats + rest) ** 2
        freedom = freedom / ((n - 1) * of_repeats**2 + rest**2)
        below, above = fdtri(n - 1, freedom, upper), fdtri(freedom, n - 1, upper)
        spread = k * repeats + (k * n - k - n) * error
        low = n * (between - below * error) / (below * spread + n * between)
        high = n * (above * between - error) / (spread + n * above * between)
    return Intraclass(icc, low, high)
