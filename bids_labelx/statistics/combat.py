"""ComBat: location and scale of batches, such as scanners, removed from Fisher z of edges.

The model of Johnson et al. (2007), for edges as in Fortin et al. (2018)::

    z = alpha + X beta + sigma (gamma_batch + delta_batch epsilon)

with an intercept, covariates' slopes and a residual standard deviation of each edge, and of each
edge and batch a shift and a scale that are shrunk towards what the batch has over all edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_labelx.errors import BadDataError

Floats = NDArray[np.floating]

# An edge takes part where each batch has as many values of it: a variance needs two.
FEWEST_ROWS = 2
# Shifts (in residual standard deviations) and scales (relative) change by less between steps.
TOLERANCE = 1e-10
_MOST_STEPS = 10_000
# Values that are read at once, and edges that are computed at once.
_READ_AT_ONCE = 2**26
_COMPUTED_AT_ONCE = 2**22
# Of a column's sum of squares; below it is a rounding error.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Harmonisation:
    """What ComBat estimates, and what takes it out of the values.

    Attributes
    ----------
    batches
        Labels, sorted.
    counts
        Rows of each.
    grand_mean
        Mean of the batches' intercepts, weighted by their rows, at the covariates' means; shape
        (n_edges,).
    beta
        Slopes of the covariates, shape (n_covariates, n_edges).
    variance
        Of the residuals over all batches, divided by the number of values; shape (n_edges,).
    gamma_hat, delta_hat
        Shift (in residual standard deviations) and variance (relative to `variance`) of each batch
        before shrinkage, shape (n_batches, n_edges).
    gamma_star, delta_star
        The same after shrinkage: what is removed.
    estimable
        Which edges have an estimate, shape (n_edges,); the others are NaN everywhere.
    centre
        Means of the covariates, shape (n_covariates,).
    """

    batches: tuple[str, ...]
    counts: NDArray[np.int64]
    grand_mean: Floats
    beta: Floats
    variance: Floats
    gamma_hat: Floats
    delta_hat: Floats
    gamma_star: Floats
    delta_star: Floats
    estimable: NDArray[np.bool_]
    centre: Floats

    def adjusted(self, z: Floats, batch: str, covariates: Floats | None = None) -> Floats:
        """Take location and scale of a batch out of rows of it.

        Parameters
        ----------
        z
            Fisher z, shape (n_rows, n_edges).
        batch
            The label of these rows.
        covariates
            Of these rows, shape (n_rows, n_covariates).

        Returns
        -------
        numpy.ndarray
            Shape and type of `z`; NaN where it has no value, or the edge no estimate.
        """
        at = self.batches.index(batch)
        scale = 1 / np.sqrt(self.delta_star[at])
        shift = self.grand_mean * (1 - scale)
        shift -= np.sqrt(self.variance) * self.gamma_star[at] * scale
        found = z * scale
        found += shift
        if len(self.beta):
            found += (np.asarray(covariates, dtype=float) - self.centre) @ (
                self.beta * (1 - scale)
            )
        return found.astype(z.dtype)


def combat(
    z: Floats,
    batches: Sequence[str],
    covariates: Floats | None = None,
    names: Sequence[str] = (),
) -> tuple[Floats, Harmonisation]:
    """Harmonise edges over batches with ComBat.

    Parameters
    ----------
    z
        Fisher z, shape (n_rows, n_edges); NaN where a row lacks an edge. Such a row does not count
        for it. An edge of which a batch has fewer than `FEWEST_ROWS` values, or whose values do
        not determine the model, is NaN in the result.
    batches
        Of each row.
    covariates
        What is preserved: shape (n_rows, n_covariates), without an intercept and NaN. Columns of a
        factor are its indicators without the first level.
    names
        Of the covariates, for messages.

    Returns
    -------
    harmonised : numpy.ndarray
        Shape and type of `z`.
    estimates : Harmonisation

    Raises
    ------
    BadDataError
        See `check_batches`; or where fewer than two edges can be estimated, as shrinkage pools
        over edges.

    References
    ----------
    Johnson, Li & Rabinovic (2007), doi:10.1093/biostatistics/kxj037; Fortin et al. (2018),
    doi:10.1016/j.neuroimage.2017.11.024
    """
    found = estimate(lambda edges: z[:, edges], z.shape[1], batches, covariates, names)
    harmonised = np.empty_like(z)
    labels = np.asarray(batches, dtype=object)
    rows_at_once = max(_COMPUTED_AT_ONCE // max(z.shape[1], 1), 1)
    for batch in found.batches:
        rows = np.flatnonzero(labels == batch)
        for start in range(0, len(rows), rows_at_once):
            own = rows[start : start + rows_at_once]
            of_rows = None if covariates is None else covariates[own]
            harmonised[own] = found.adjusted(z[own], batch, of_rows)
    return harmonised, found


def estimate(
    read: Callable[[slice], Floats],
    n_edges: int,
    batches: Sequence[str],
    covariates: Floats | None = None,
    names: Sequence[str] = (),
) -> Harmonisation:
    """Estimate ComBat's parameters from edges that are read some at a time; see `combat`.

    Parameters
    ----------
    read
        Gives Fisher z of these edges, shape (n_rows, n), such as `EdgeRows.read`.
    n_edges
        How many there are.
    batches, covariates, names
        See `combat`.

    Raises
    ------
    BadDataError
        See `combat`.
    """
    check_batches(batches, covariates, names)
    labels, at = np.unique(np.asarray(batches, dtype=object).astype(str), return_inverse=True)
    scaled, centre, scale = _scaled(covariates, len(at))
    indicators = np.eye(len(labels))[at]
    design = np.hstack([indicators, scaled])
    blocks = _blocks(read, n_edges, len(at))
    parts = [_location_and_scale(z, design, len(labels)) for z in blocks]
    n, beta, variance, gamma, delta = (
        np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)
    )
    estimable = np.isfinite(variance)
    if estimable.sum() < 2:
        raise BadDataError(
            f"ComBat pools its estimates over edges, and {int(estimable.sum())} of {n_edges:,} "
            f"can be estimated; at least 2 are needed, with {FEWEST_ROWS} values in every batch"
        )
    shrunk = np.full((2, *gamma.shape), np.nan)
    for b in range(len(labels)):
        own = n[b, estimable], gamma[b, estimable], delta[b, estimable]
        shrunk[:, b, estimable] = _shrink(*own)
    weights = n / n.sum(axis=0)
    return Harmonisation(
        tuple(labels.tolist()),
        np.bincount(at),
        (weights * beta[: len(labels)]).sum(axis=0),
        beta[len(labels) :] / scale[:, None],
        variance,
        gamma,
        delta,
        shrunk[0],
        shrunk[1],
        estimable,
        centre,
    )


def check_batches(
    batches: Sequence[str], covariates: Floats | None = None, names: Sequence[str] = ()
) -> None:
    """Check that the effect of batches can be told from that of covariates.

    Parameters as of `combat`.

    Raises
    ------
    BadDataError
        Where there is one batch, one has fewer than `FEWEST_ROWS` rows, or a covariate is a linear
        combination of batches and other covariates; these are named.
    """
    labels, at, counts = np.unique(
        np.asarray(batches, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    if len(labels) < 2:
        raise BadDataError(
            f"one batch only ({', '.join(labels) or 'none'}): there is nothing to harmonise; at "
            "least two are needed"
        )
    if few := [label for label, count in zip(labels, counts, strict=True) if count < FEWEST_ROWS]:
        raise BadDataError(
            f"batch {', '.join(few)}: fewer than {FEWEST_ROWS} rows, of which there is no variance"
        )
    scaled, _, _ = _scaled(covariates, len(at))
    named = list(names) or [f"covariate {k + 1}" for k in range(scaled.shape[1])]
    indicators = np.eye(len(labels))[at]
    within = [name for k, name in enumerate(named) if _is_combination(scaled[:, k], indicators)]
    if within:
        raise BadDataError(
            f"{', '.join(within)}: the same for all rows of a batch ({', '.join(labels)}), so "
            "that its effect is indistinguishable from theirs; do not preserve it, or exclude a "
            "batch"
        )
    for k, name in enumerate(named):
        before = np.hstack([indicators, scaled[:, :k]])
        if _is_combination(scaled[:, k], before):
            raise BadDataError(
                f"{name}: a linear combination of the batches ({', '.join(labels)}) and of "
                f"{', '.join(named[:k])}; their effects cannot be told apart; preserve fewer"
            )


def _is_combination(column: Floats, others: Floats) -> bool:
    found = np.linalg.lstsq(others, column, rcond=None)[0]
    left = column - others @ found
    return bool(left @ left <= _NOTHING * (column @ column))


def _scaled(covariates: Floats | None, n_rows: int) -> tuple[Floats, Floats, Floats]:
    """Covariates without their means and of a mean square of 1; these means and their scales."""
    values = np.empty((n_rows, 0)) if covariates is None else np.asarray(covariates, dtype=float)
    centre = values.mean(axis=0)
    scale = np.sqrt(((values - centre) ** 2).mean(axis=0))
    # A constant one stays, and is refused as such.
    scale = np.where(scale > 0, scale, 1)
    return (values - centre) / scale, centre, scale


def _blocks(read: Callable[[slice], Floats], n_edges: int, n_rows: int) -> Iterator[Floats]:
    """All edges as float64, some at a time; each is read in larger pieces."""
    outer = max(_READ_AT_ONCE // n_rows, 1)
    inner = max(_COMPUTED_AT_ONCE // n_rows, 1)
    for first in range(0, n_edges, outer):
        values = read(slice(first, min(first + outer, n_edges)))
        for start in range(0, values.shape[1], inner):
            yield np.asarray(values[:, start : start + inner], dtype=float)


def _location_and_scale(
    z: Floats, design: Floats, n_batches: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Least squares of each edge, and what its batches' residuals have in common.

    Returns
    -------
    n
        Values of each batch, shape (n_batches, n_edges).
    beta
        Shape (n_columns, n_edges).
    variance
        Mean square of the residuals, shape (n_edges,); NaN where nothing can be estimated.
    gamma, delta
        Mean and variance (n - 1) of each batch in units of these, shape (n_batches, n_edges).
    """
    indicators = design[:, :n_batches]
    known = np.isfinite(z)
    whole = known.all(axis=0)
    n = np.repeat(indicators.sum(axis=0)[:, None], z.shape[1], axis=1)
    if not whole.all():
        n = indicators.T @ known
        z = np.where(known, z, 0)
    enough = (n >= FEWEST_ROWS).all(axis=0)
    beta = np.full((design.shape[1], z.shape[1]), np.nan)
    beta[:, whole] = np.linalg.lstsq(design, z[:, whole], rcond=None)[0]
    partly = ~whole & enough
    if partly.any():
        beta[:, partly] = _solve_each(z[:, partly], known[:, partly], design)
    total = np.maximum(n.sum(axis=0), 1)
    residuals = z - design @ beta
    if not whole.all():
        residuals[~known] = 0
    squares = indicators.T @ (residuals * residuals)
    variance = squares.sum(axis=0) / total
    grand = (n / total * beta[:n_batches]).sum(axis=0)
    # Of edges that are the same in all rows a rounding error is left; a model with as many
    # columns as there are rows leaves nothing either.
    usable = enough & (total > design.shape[1])
    usable &= variance > _NOTHING**2 * np.maximum(grand**2, 1)
    variance = np.where(usable, variance, np.nan)
    # Residuals have a mean of 0 in each batch: what a batch differs in is its intercept.
    gamma = (beta[:n_batches] - grand) / np.sqrt(variance)
    delta = squares / np.maximum(n - 1, 1) / variance
    return n, beta, variance, gamma, delta


def _solve_each(z: Floats, known: NDArray[np.bool_], design: Floats) -> Floats:
    """Least squares of edges that lack rows, by their normal equations; NaN where these lack rank.

    The columns of `design` are of a mean square of about 1, or indicators of batches.
    """
    columns = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    gram = (known.T.astype(float) @ products).reshape(-1, columns, columns)
    scale = np.sqrt(np.einsum("eii->ei", gram))
    scale = np.where(scale > 0, scale, 1)
    gram = gram / scale[:, :, None] / scale[:, None, :]
    right = (z.T @ design) / scale
    lowest = np.linalg.eigvalsh(gram)[:, 0]
    good = lowest > _NOTHING
    found = np.full((columns, z.shape[1]), np.nan)
    if good.any():
        solved = np.linalg.solve(gram[good], right[good][:, :, None])[:, :, 0]
        found[:, good] = (solved / scale[good]).T
    return found


def _shrink(n: Floats, gamma: Floats, delta: Floats) -> tuple[Floats, Floats]:
    """Shift and variance of a batch, each edge's shrunk towards those of all edges.

    Parametric empirical Bayes: a normal prior of shifts and an inverse gamma prior of variances,
    whose moments are those over edges; the two conditional posterior means in turn.

    Parameters
    ----------
    n, gamma, delta
        Values, mean and variance of each edge, shape (n_edges,).
    """
    mean, spread = gamma.mean(), gamma.var(ddof=1)
    m, s2 = delta.mean(), delta.var(ddof=1)
    if s2 <= _NOTHING * m**2:
        # All variances are alike: so is the prior's.
        return (spread * n * gamma + m * mean) / (spread * n + m), np.full_like(gamma, m)
    a, b = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
    shift, variance = gamma, delta
    for _ in range(_MOST_STEPS):
        new_shift = (spread * n * gamma + variance * mean) / (spread * n + variance)
        squares = (n - 1) * delta + n * (gamma - new_shift) ** 2
        new_variance = (squares / 2 + b) / (n / 2 + a - 1)
        change = max(
            np.abs(new_shift - shift).max(),
            np.abs(new_variance / np.maximum(variance, 1e-300) - 1).max(),
        )
        shift, variance = new_shift, new_variance
        if change < TOLERANCE:
            return shift, variance
    raise BadDataError(
        f"ComBat's estimates still change by {change:.2g} after {_MOST_STEPS:,} steps; are there "
        "edges whose values are far from all others?"
    )
