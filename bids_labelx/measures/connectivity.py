"""From region signals to matrices between regions.

A region is missing where its signal is NaN or does not vary. Its row and column are NaN, and the
numbers of the others are bit for bit what they are without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

_EPS = float(np.finfo(np.float64).eps)
# What a table's digits leave of a correlation of 1: nearer to it, z would be their rounding error.
PERFECT = 1 - 1e-6


def correlation(signals: np.ndarray) -> np.ndarray:
    """Pearson correlation between regions.

    Parameters
    ----------
    signals
        Shape (n_volumes, n_regions).

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), symmetric, its diagonal 1; NaN for missing regions.

    Raises
    ------
    ValueError
        Where there are fewer than 3 volumes: two points always correlate perfectly.
    """
    usable, deviations, norms = _deviations(signals, "a correlation", 3)
    scaled = deviations / norms[:, None]
    values = np.clip(scaled @ scaled.T, -1.0, 1.0)
    np.fill_diagonal(values, 1.0)
    return _with_missing(values, usable)


def covariance(signals: np.ndarray) -> np.ndarray:
    """Sample covariance between regions: sums of products of deviations, over n - 1.

    n is the number of volumes, whatever denoising took from the degrees of freedom.

    Parameters
    ----------
    signals
        Shape (n_volumes, n_regions).

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), symmetric, in squared units; NaN for missing regions.

    Raises
    ------
    ValueError
        Where there are fewer than 2 volumes.
    """
    usable, deviations, _ = _deviations(signals, "a covariance", 2)
    return _with_missing(deviations @ deviations.T / (len(signals) - 1), usable)


def partial_correlation(signals: np.ndarray) -> np.ndarray:
    """Correlation between two regions given all others, with Ledoit-Wolf shrinkage.

    It is -P_ij / sqrt(P_ii P_jj) of `precision`'s P, and the scale of a signal does not matter.

    Parameters
    ----------
    signals
        Shape (n_volumes, n_regions); there may be more regions than volumes.

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), symmetric, its diagonal 1; NaN for missing regions.

    Raises
    ------
    ValueError
        As `precision`.
    """
    usable, inverse, _ = _standardized_precision(signals, "a partial correlation")
    roots = np.sqrt(np.diag(inverse))
    values = np.clip(-inverse / np.outer(roots, roots), -1.0, 1.0)
    np.fill_diagonal(values, 1.0)
    return _with_missing(values, usable)


def precision(signals: np.ndarray) -> np.ndarray:
    """Inverse of the covariance between regions, with Ledoit-Wolf shrinkage.

    Parameters
    ----------
    signals
        Shape (n_volumes, n_regions); there may be more regions than volumes.

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), symmetric, in inverse squared units; NaN for missing regions.

    Raises
    ------
    ValueError
        Where there are fewer than 3 volumes, or nothing to shrink though some signals are made of
        others (all jump between two values).

    Notes
    -----
    Ledoit & Wolf (2004, doi:10.1016/S0047-259X(03)00096-4): the covariance S (over n) of p
    standardised signals z becomes ``(1 - s) S + s m I`` with ``m = trace(S) / p``,
    ``s = min(b, d) / d``, ``d = ||S - m I||^2`` and ``b = sum_t ||z_t z_t' - S||^2 / n^2``. Its
    inverse is divided by the standard deviations (n - 1) of both regions.

    Not standardised, all signals would be shrunk towards one variance, which hardly touches large
    ones and parts small ones from all others. Variances are therefore left alone, as by Schäfer &
    Strimmer (2005, doi:10.2202/1544-6115.1175). nilearn's ``ConnectivityMeasure`` leaves
    standardising to the caller: on z-scored (n - 1) signals its numbers are the same. The formula
    takes volumes for independent, and shrinks less than would be best where they are not.
    """
    usable, inverse, deviation = _standardized_precision(signals, "a precision")
    return _with_missing(inverse / np.outer(deviation, deviation), usable)


def concatenate(series: Sequence[np.ndarray]) -> np.ndarray:
    """Several runs' series below each other, each region z-scored (n - 1) within its run.

    A region that is missing in one run is NaN in all rows: no edge of a matrix over all runs may
    come from fewer runs than another one.

    Parameters
    ----------
    series
        For each run, shape (n_volumes of the run, n_regions).

    Returns
    -------
    numpy.ndarray
        Shape (sum of n_volumes, n_regions), in standard deviations.

    Raises
    ------
    ValueError
        Where there are no runs, their numbers of regions differ, or one has fewer than 2 volumes.
    """
    counts = sorted({run.shape[1] for run in series})
    if len(counts) != 1:
        raise ValueError(f"runs of one number of regions are needed, found {counts or 'no runs'}")
    whole = np.full((sum(map(len, series)), counts[0]), np.nan)
    missing = np.zeros(counts[0], dtype=bool)
    start = 0
    for run in series:
        usable, deviations, norms = _deviations(run, "a run to concatenate", 2)
        scores = deviations * (np.sqrt(len(run) - 1) / norms)[:, None]
        whole[start : start + len(run), usable] = scores.T
        missing |= ~usable
        start += len(run)
    whole[:, missing] = np.nan
    return whole


def choose_volumes(n_kept: int, n: int, seed: Sequence[int] | None = None) -> np.ndarray:
    """Positions of `n` of the volumes kept, ascending: the first, or drawn without replacement.

    Parameters
    ----------
    n_kept, n
        How many there are, and how many of them to take.
    seed
        What a draw is made by: the same numbers draw the same volumes, and fewer of them are among
        more. None takes the first.

    Raises
    ------
    ValueError
        Where there are fewer, or `n` is below 1.
    """
    if not 1 <= n <= n_kept:
        raise ValueError(f"{n} volumes are asked for, there are {n_kept}")
    if seed is None:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n_kept)[:n])


def fisher_z(matrix: np.ndarray) -> np.ndarray:
    """Fisher's z of correlations: ``arctanh(r)``.

    Parameters
    ----------
    matrix
        Correlations, shape (n_regions, n_regions); NaN where there is none.

    Returns
    -------
    numpy.ndarray
        The same shape; NaN on the diagonal, and where a correlation is perfect, see
        `perfect_correlations`: its z is infinite, and no mean is left of others with it.

    Raises
    ------
    ValueError
        Where the matrix is not square, or a value is no correlation: beyond ±1 by over 1e-6.
    """
    values = np.array(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"a square matrix is expected, not one of shape {values.shape}")
    np.fill_diagonal(values, np.nan)
    if (np.abs(values) > 1 + 1e-6).any():
        raise ValueError(f"correlations are expected, there is one of {np.nanmax(np.abs(values))}")
    values[perfect_correlations(values)] = np.nan
    return np.arctanh(values)


def perfect_correlations(matrix: np.ndarray) -> np.ndarray:
    """Which edges have a correlation of 1 or -1, as identical or duplicated regions have.

    Parameters
    ----------
    matrix
        Correlations, shape (n_regions, n_regions); NaN where there is none.

    Returns
    -------
    numpy.ndarray
        Bool, the same shape: ``|r| >= 1 - 1e-6``; False on the diagonal.
    """
    found = np.abs(matrix) >= PERFECT
    np.fill_diagonal(found, False)
    return found


def mean_fisher_z(
    weighted: Iterable[tuple[np.ndarray, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over matrices of Fisher's z, edge by edge, over those that have a value; none is kept.

    ``sum_k w_k z_k / sum_k w_k`` over the matrices k in which the edge has a value.

    Parameters
    ----------
    weighted
        Correlations, each of one shape (n_regions, n_regions), see `fisher_z`; and their weights,
        above 0.

    Returns
    -------
    mean : numpy.ndarray
        Shape (n_regions, n_regions), in units of z; NaN on the diagonal and where `n` is 0.
    n : numpy.ndarray
        The number of matrices behind each edge; the same shape, int64.

    Raises
    ------
    ValueError
        Where there are no matrices, their shapes differ, or one is refused by `fisher_z`.
    """
    total = weights = n = np.empty(0)
    for i, (matrix, weight) in enumerate(weighted):
        z = fisher_z(matrix)
        if i == 0:
            total, weights, n = np.zeros(z.shape), np.zeros(z.shape), np.zeros(z.shape, np.int64)
        elif z.shape != total.shape:
            raise ValueError(f"matrices of different shapes: {total.shape} and {z.shape}")
        known = np.isfinite(z)
        total[known] += weight * z[known]
        weights[known] += weight
        n += known
    if total.ndim != 2:
        raise ValueError("no matrices to average")
    return np.divide(total, weights, out=np.full(total.shape, np.nan), where=n > 0), n


def _deviations(
    signals: np.ndarray, what: str, fewest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which regions vary; their deviations from the mean, a row per region; the rows' norms."""
    if signals.ndim != 2:
        raise ValueError(f"{what} needs volumes by regions, not an array of shape {signals.shape}")
    if len(signals) < fewest:
        raise ValueError(f"{what} needs at least {fewest} volumes, there are {len(signals)}")
    # A row per region, next to each other in memory: no sum depends on what other rows there are.
    rows = np.ascontiguousarray(signals.T, dtype=np.float64)
    largest = np.abs(rows).max(axis=1)
    usable = np.isfinite(largest)
    rows = rows[usable]
    deviations = rows - rows.mean(axis=1, keepdims=True)
    norms = np.sqrt((deviations**2).sum(axis=1))
    # A constant signal leaves rounding errors behind, which would correlate like signal.
    varies = norms > _EPS * len(signals) * largest[usable]
    usable[usable] = varies
    return usable, deviations[varies], norms[varies]


def _standardized_precision(
    signals: np.ndarray, what: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which regions vary; the precision of their standardised signals; standard deviations."""
    from sklearn.covariance import ledoit_wolf

    usable, deviations, norms = _deviations(signals, what, 3)
    deviation = norms / np.sqrt(len(signals) - 1)
    if not usable.any():
        return usable, np.empty((0, 0)), deviation
    shrunk, _ = ledoit_wolf((deviations / deviation[:, None]).T, assume_centered=True)
    try:
        # What the regions before it leave of a region.
        left = np.diag(np.linalg.cholesky(shrunk)).min() ** 2
    except np.linalg.LinAlgError:
        left = 0.0
    # Rounding errors of sums over all volumes and regions.
    if left <= _EPS * (len(signals) + len(shrunk)):
        raise ValueError(
            f"{what} of these signals is not defined: some are linear combinations of others"
        )
    return usable, np.linalg.inv(shrunk), deviation


def _with_missing(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """The matrix of all regions from that of the usable ones, made exactly symmetric."""
    matrix = np.full((len(usable), len(usable)), np.nan)
    matrix[np.ix_(usable, usable)] = (values + values.T) / 2
    return matrix


_SHRUNK = "with Ledoit-Wolf shrinkage of standardised signals"
# What each measure of `--connectivity` computes, and how its sidecar names it; for a figure what
# stands before the comma is enough.
MEASURES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "correlation": (correlation, "Pearson correlation"),
    "partial-correlation": (partial_correlation, f"partial correlation, {_SHRUNK}"),
    "covariance": (covariance, "sample covariance, over n - 1"),
    "precision": (precision, f"precision, {_SHRUNK}"),
}
