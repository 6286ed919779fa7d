"""Least squares of many edges at once, for one t contrast.

The model of an edge is ``z = X b + error`` over the rows (participants, sessions or runs) that
have the edge; the contrast is ``c'b``. The design splits in two: the nuisance part, which spans
all fits with ``c'b = 0``, and what is left of the regressor of the contrast, ``X c / c'c``, once
the nuisance part is regressed out of it (Frisch & Waugh, 1933, doi:10.2307/1907330; Lovell, 1963,
doi:10.1080/01621459.1963.10480682; for contrasts Winkler et al., 2014,
doi:10.1016/j.neuroimage.2014.01.060, appendix A).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Of edges fitted at once, so that their copies as float64 stay small.
_EDGES_AT_ONCE = 4096
# What is left of a regressor, relative to its length, that is rounding alone.
ROUNDING = 1e-8
# Residual sum of squares, relative to that of the nuisance model, that is rounding alone.
NO_RESIDUALS = 1e-12


@dataclass(frozen=True)
class Fit:
    """A t contrast of each edge, each of shape (n_edges,).

    Attributes
    ----------
    beta
        The contrast of the coefficients, in units of z per unit of the contrast.
    t
        Of it; NaN as is all else but `n` and `dof` where the edge has too few rows, where its rows
        do not determine the contrast, or where the model leaves no residuals.
    p
        Two-sided, of Student's t distribution.
    n
        Rows that have the edge.
    dof
        Residual degrees of freedom: rows without the rank of the design, participants' intercepts
        included.
    """

    beta: np.ndarray
    t: np.ndarray
    p: np.ndarray
    n: np.ndarray
    dof: np.ndarray


@dataclass(frozen=True)
class Split:
    """A design split by a contrast, for the rows that some edges have.

    Attributes
    ----------
    rows
        Indices of these rows.
    participants
        Number of the participant of each of these rows, from 0; None without own intercepts.
    nuisance
        Orthonormal basis of the nuisance part, shape (n_these_rows, rank).
    regressor
        Of the contrast, orthogonal to the nuisance, of length 1; shape (n_these_rows,).
    length
        What it had before.
    dof
        Residual degrees of freedom.
    """

    rows: np.ndarray
    participants: np.ndarray | None
    nuisance: np.ndarray
    regressor: np.ndarray
    length: float
    dof: int

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """What the nuisance leaves of edges, shape (n_these_rows, n_edges), float64."""
        left = demean(z, self.participants)
        left -= self.nuisance @ (self.nuisance.T @ left)
        return left


def fit(
    z: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
    participants: np.ndarray | None = None,
) -> Fit:
    """Fit a linear model to each edge by ordinary least squares and test a contrast.

    Parameters
    ----------
    z
        Fisher z, shape (n_rows, n_edges); NaN where a row does not have the edge, and does not
        count for it.
    design
        Without missing values, shape (n_rows, n_columns). It needs no full rank.
    weights
        Of the columns in the contrast, shape (n_columns,).
    participants
        A label of each row, shape (n_rows,): each participant gets an intercept, which is
        absorbed: rows are taken as deviations from their participant's mean. Contrasts between
        participants are not estimable then.

    Raises
    ------
    ValueError
        Where shapes do not go together, the design has missing values, or no weight is other
        than 0.
    """
    z, design, weights, participants = checked(z, design, weights, participants)
    n_edges = z.shape[1]
    beta, t, p = (np.full(n_edges, np.nan) for _ in range(3))
    n, dof = np.zeros(n_edges, int), np.zeros(n_edges, int)
    for rows, edges in patterns(z):
        n[edges] = len(rows)
        dof[edges] = _dof(design, rows, participants)
        split = split_design(design, weights, rows, participants)
        if split is None:
            continue
        for some in blocks_of(edges):
            values = z[np.ix_(rows, some)].astype(np.float64)
            left = split.residuals(values)
            along, whole = split.regressor @ left, squares(left)
            left -= np.outer(split.regressor, along)
            rest = squares(left)
            varies = (rest > NO_RESIDUALS * whole) & (whole > NO_RESIDUALS * squares(values))
            some, along = some[varies], along[varies]
            beta[some] = along / split.length
            t[some] = along / np.sqrt(rest[varies] / split.dof)
    tested = ~np.isnan(t)
    p[tested] = two_sided(t[tested], dof[tested])
    return Fit(beta, t, p, n, dof)


def two_sided(t: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """Probability of a value of Student's t that is as far from 0, or further."""
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(dof, -np.abs(t)))


def with_dof(t: np.ndarray, dof: np.ndarray | int, other: int) -> np.ndarray:
    """The t that has about the same p with other degrees of freedom.

    By the normal score of a t, ``sqrt(dof log(1 + t²/dof)) (8 dof + 1) / (8 dof + 3)`` (Wallace,
    1959, Annals of Mathematical Statistics 30, 1121-1130): to 0.4 % for t up to 6 with 10 degrees
    of freedom or more; up to 7 % too small for a t of 15 with a single one.

    Parameters
    ----------
    t
        NaN stays. Any shape.
    dof
        Of each, broadcast to `t`; at most `other`.
    other
        Degrees of freedom of what is returned.
    """
    score = np.sqrt(dof * np.log1p(t * t / dof)) * (8 * dof + 1) / (8 * dof + 3)
    score *= (8 * other + 3) / (8 * other + 1)
    return np.asarray(np.copysign(np.sqrt(other * np.expm1(score**2 / other)), t))


def fdr(p: np.ndarray) -> np.ndarray:
    """P values adjusted so that those of at most q have a false discovery rate of q.

    Benjamini & Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x) over all that are not NaN,
    which stay NaN. The same shape.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=np.float64)
    adjusted, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        adjusted[known] = false_discovery_control(p[known])
    return adjusted


def checked(
    z: np.ndarray, design: np.ndarray, weights: np.ndarray, participants: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The same as arrays, and participants as numbers from 0.

    Raises
    ------
    ValueError
        See `fit`.
    """
    z = np.asarray(z)
    design, weights = np.asarray(design, np.float64), np.asarray(weights, np.float64)
    if z.ndim != 2 or design.ndim != 2 or len(z) != len(design):
        raise ValueError(
            f"edges of shape {z.shape} and a design of shape {design.shape}: two axes each, and "
            "as many rows, are expected"
        )
    if weights.shape != design.shape[1:]:
        raise ValueError(
            f"a contrast of shape {weights.shape} for a design with {design.shape[1]} columns"
        )
    if not np.isfinite(design).all() or not np.isfinite(weights).all():
        raise ValueError("the design and the contrast may not have missing or infinite values")
    if not weights.any():
        raise ValueError("all weights of the contrast are 0")
    if participants is None:
        return z, design, weights, None
    if np.shape(participants) != (len(z),):
        raise ValueError(f"{np.size(participants)} labels of participants for {len(z)} rows")
    return z, design, weights, np.unique(participants, return_inverse=True)[1]


def patterns(z: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows, and the edges that these rows have and no others do, as indices of both."""
    missing = np.isnan(z)
    packed = np.ascontiguousarray(np.packbits(missing, axis=0).T)
    keys = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0] if packed.size else packed
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    by_pattern = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    for edges, example in zip(by_pattern, first, strict=True):
        yield np.flatnonzero(~missing[:, example]), edges


def blocks_of(edges: np.ndarray) -> Iterator[np.ndarray]:
    """The same, some at a time."""
    for start in range(0, len(edges), _EDGES_AT_ONCE):
        yield edges[start : start + _EDGES_AT_ONCE]


def split_design(
    design: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    participants: np.ndarray | None,
) -> Split | None:
    """A design split by a contrast, with participants as numbers.

    Returns
    -------
    Split or None
        None where no degrees of freedom are left, or these rows do not determine the contrast.
    """
    groups = None if participants is None else participants[rows]
    nuisance, regressor, share = _divided(design[rows], weights, groups)
    dof = len(rows) - nuisance.shape[1] - 1 - _intercepts(groups)
    if share <= ROUNDING or dof < 1:
        return None
    length = float(np.linalg.norm(regressor))
    return Split(rows, groups, nuisance, regressor / length, length, dof)


def is_estimable(design: np.ndarray, weights: np.ndarray, groups: np.ndarray | None) -> bool:
    """Whether a design, with an intercept for each group of rows, determines a contrast."""
    return _divided(design, weights, groups)[2] > ROUNDING


def _divided(
    design: np.ndarray, weights: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Basis of the nuisance part; the contrast's regressor without it; the share that is left."""
    columns, scales = _scaled(design)
    weights = weights / scales
    regressor = columns @ weights / (weights @ weights)
    whole = float(np.linalg.norm(regressor))
    columns = demean(columns, groups)
    # Combinations of columns whose coefficients have no contrast.
    free = np.linalg.svd(weights[np.newaxis], full_matrices=True)[2][1:].T
    nuisance = _basis(columns @ free)
    regressor = columns @ weights / (weights @ weights)
    # Twice, since once leaves rounding where little of it is left.
    for _ in range(2):
        regressor = regressor - nuisance @ (nuisance.T @ regressor)
    share = float(np.linalg.norm(regressor)) / whole if whole else 0.0
    return nuisance, regressor, share


def squares(values: np.ndarray) -> np.ndarray:
    """The sum of squares of each column."""
    return np.asarray(np.einsum("ij,ij->j", values, values))


def demean(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Rows as deviations from the mean of their group, float64; a copy where there are none."""
    if groups is None:
        return np.array(values, dtype=np.float64)
    from scipy.sparse import csr_array

    values = np.asarray(values, np.float64)
    own, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    to_mean = csr_array(
        (1 / counts[own], (own, np.arange(len(own)))), shape=(len(counts), len(own))
    )
    return np.asarray(values - (to_mean @ values)[own])


def _scaled(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length 1, and by what they were divided; those of zeros stay so."""
    lengths = np.linalg.norm(columns, axis=0)
    lengths = np.where(lengths > 0, lengths, 1)
    return columns / lengths, lengths


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what columns of about unit length span."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, values > ROUNDING])


def _intercepts(groups: np.ndarray | None) -> int:
    return 0 if groups is None else len(np.unique(groups))


def _dof(design: np.ndarray, rows: np.ndarray, participants: np.ndarray | None) -> int:
    groups = None if participants is None else participants[rows]
    rank = _basis(demean(_scaled(design[rows])[0], groups)).shape[1]
    return len(rows) - rank - _intercepts(groups)
