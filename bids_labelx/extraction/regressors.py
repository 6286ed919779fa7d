"""Confounds as regressors: checked, with cosine drifts, and as an orthonormal basis."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg

from bids_labelx.extraction.filters import TemporalFilter, cosine_drift

_EPS = float(np.finfo(np.float64).eps)


def check_confounds(confounds: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Confounds as float64 columns; a ValueError if they are not finite in a kept volume."""
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


def with_drifts(
    regressors: np.ndarray | None, cosine: TemporalFilter, n_volumes: int
) -> np.ndarray | None:
    """Regressors with the cosine terms of the whole run; duplicate terms have no effect."""
    assert cosine.high_pass is not None
    drifts = cosine_drift(cosine.high_pass, n_volumes, cosine.t_r)
    if not drifts.shape[1]:
        warnings.warn(
            f"{n_volumes} volumes are too short for a drift at or below {cosine.high_pass} Hz: "
            "nothing is filtered",
            stacklevel=4,
        )
    return drifts if regressors is None else np.hstack([regressors, drifts])


def confound_basis(
    columns: np.ndarray, noise: np.ndarray, standardize_confounds: bool
) -> np.ndarray:
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


def spread_basis(
    basis: np.ndarray, columns: np.ndarray, inside: np.ndarray, standardize_confounds: bool
) -> np.ndarray:
    """Extend the columns of `basis` from the kept volumes to all, of shape (n_span, rank)."""
    if standardize_confounds:
        columns = columns - columns[inside].mean(axis=0)
    weights, *_ = linalg.lstsq(columns[inside], basis)
    return columns @ weights
