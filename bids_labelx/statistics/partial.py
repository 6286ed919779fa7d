"""Correlation of edges with one figure per participant, with covariates held constant."""

from __future__ import annotations

import numpy as np


def partial_correlation_of_edges(
    z: np.ndarray, figure: np.ndarray, covariates: np.ndarray, fewest: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate each edge with a figure over participants, both freed of covariates.

    Both are replaced by the residuals of their least-squares fit to the covariates and a constant
    (Ciric et al., 2017, doi:10.1016/j.neuroimage.2017.03.020). Under the null hypothesis
    ``r sqrt((n - 2 - q) / (1 - r^2))`` has Student's t with n - 2 - q degrees of freedom, for q
    covariates.

    Parameters
    ----------
    z
        Fisher z, shape (n_participants, n_edges); NaN where there is none. A participant without
        an edge does not count for it.
    figure
        Shape (n_participants,).
    covariates
        Shape (n_participants, q); q may be 0.
    fewest
        Participants beyond q that an r takes.

    Returns
    -------
    r : numpy.ndarray
        Shape (n_edges,); NaN where fewer than `fewest` + q participants have the edge, or where
        either does not vary beyond the covariates.
    n : numpy.ndarray
        The number of participants behind each edge, the same shape.
    """
    values = np.asarray(z, dtype=np.float64)
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    r = np.full(values.shape[1], np.nan)
    # Edges that the same participants have are done at once: mostly those that all have.
    packed = np.packbits(known, axis=0)
    _, first, which = np.unique(packed, axis=1, return_index=True, return_inverse=True)
    for pattern, edge in enumerate(first):
        rows = known[:, edge]
        if rows.sum() >= fewest + covariates.shape[1]:
            own = np.flatnonzero(which.ravel() == pattern)
            r[own] = _partial(values[np.ix_(rows, own)], figure[rows], covariates[rows])
    return r, counts


def _partial(z: np.ndarray, figure: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    both = np.column_stack((figure, z))
    left = both - both.mean(axis=0)
    if covariates.shape[1]:
        design = covariates - covariates.mean(axis=0)
        design = design / np.maximum(np.linalg.norm(design, axis=0), np.finfo(float).tiny)
        vectors, values, _ = np.linalg.svd(design, full_matrices=False)
        basis = vectors[:, values > len(figure) * np.finfo(float).eps]
        left -= basis @ (basis.T @ left)
    squares, before = (left**2).sum(axis=0), (both**2).sum(axis=0)
    # What is left of a constant, or of the covariates themselves, is rounding error.
    squares[squares <= 1e-20 * before] = np.nan
    r = left[:, 0] @ left[:, 1:] / np.sqrt(squares[0] * squares[1:])
    return np.asarray(np.clip(r, -1.0, 1.0))
