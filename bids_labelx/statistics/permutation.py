"""The null distribution of statistics of edges, by permutation of residuals.

Freedman & Lane (1983, doi:10.1080/07350015.1983.10509354), as in Winkler et al. (2014,
doi:10.1016/j.neuroimage.2014.01.060): what the nuisance part of the model leaves of the edges is
rearranged, given back to it, and fitted anew with the whole model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.statistics.exchange import Exchange, Restriction, orders, restrict, signs
from bids_labelx.statistics.linear import (
    NO_RESIDUALS,
    Split,
    blocks_of,
    checked,
    fit,
    patterns,
    split_design,
    squares,
    with_dof,
)

# Of t of some permutations, shape (n_some, n_edges) with NaN where an edge is not tested: a value
# or a row of values for each, along the first axis.
Summary = Callable[[np.ndarray], np.ndarray]

# Permutations in a product of matrices. Always the same, so that rounding is.
_AT_ONCE = 32
# Relative difference of two statistics that are equal but for rounding.
TIE = 1e-8
# Of edges in a product, so that it stays in the processor's cache.
_EDGES_AT_ONCE = 2048


@dataclass(frozen=True)
class _Part:
    """Edges with the same rows: what the nuisance leaves of them, and its sum of squares."""

    split: Split
    restriction: Restriction
    edges: np.ndarray
    residuals: np.ndarray
    squares: np.ndarray


def permute(
    z: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
    exchange: Exchange,
    summaries: Sequence[Summary],
    *,
    totals: Sequence[Summary] = (),
    participants: np.ndarray | None = None,
    tested: np.ndarray | None = None,
    same_dof: bool = False,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[np.ndarray]:
    """Statistics of all edges under each rearrangement of the residuals.

    Parameters
    ----------
    z, design, weights, participants
        See `linear.fit`.
    exchange
        Of `exchange.draw_exchange` for the same design, contrast and participants.
    summaries
        What is kept of each permutation, such as `largest_t`.
    totals
        What is added up over all permutations, such as `times_reached`.
    tested
        Which edges have a t by `linear.fit`, bool of shape (n_edges,); found out where not given.
    same_dof
        Summaries get, in place of the t of an edge that lacks rows, the t with the same p and the
        degrees of freedom of the edges that have most, see `linear.with_dof`. The largest t is
        that of an edge with few rows otherwise, whose t are spread widely, and no other edge is
        found.
    n_jobs
        Threads, each with a batch of permutations; results do not depend on it.
    progress
        Called with the number of permutations that are done.

    Raises
    ------
    ValueError
        See `linear.fit`; where the rearrangements are of another number of rows.

    Returns
    -------
    list of numpy.ndarray
        Of each summary, a value or row for each of the permutations, of which the first is that
        of the data as they are; then the sum of each of the totals.

    Notes
    -----
    With Q an orthonormal basis of the nuisance part, x the regressor of the contrast, orthogonal
    to it and of length 1, e an edge's residuals under the nuisance alone, and P a permutation or
    sign flips, the t of the whole model fitted to P e is ``x'Pe / sqrt((e'e - |Q'Pe|² - (x'Pe)²) /
    dof)``, whatever of the nuisance is given back to P e. So that x and Q are permuted instead of
    the edges, and many permutations are one product of matrices.

    Beside `z`, memory for its float64 copy and, per thread, 32 values of t for each edge is taken.
    """
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    if tested is None:
        tested = ~np.isnan(fit(z, design, weights, participants).t)
    z, design, weights, participants = checked(z, design, weights, participants)
    if len(exchange.unit) != len(z):
        raise ValueError(f"rearrangements of {len(exchange.unit)} rows for {len(z)} rows")
    parts = []
    for rows, edges in patterns(z):
        some = edges[tested[edges]]
        split = split_design(design, weights, rows, participants) if len(some) else None
        if split is not None:
            parts.append(_part(z, split, restrict(exchange, rows), some))
    most = max((part.split.dof for part in parts), default=0) if same_dof else 0
    batches = [slice(i, i + _AT_ONCE) for i in range(0, len(exchange), _AT_ONCE)]
    n_edges, done, kept = z.shape[1], 0, []
    sums: list[np.ndarray | float] = [0.0 for _ in totals]

    def one(batch: slice) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        t = _statistics(parts, exchange, batch, n_edges, most)
        return len(t), [own(t) for own in summaries], [own(t).sum(axis=0) for own in totals]

    # Threads, as products of matrices release Python's lock; each on one core.
    with threadpool_limits(1):
        parallel = Parallel(n_jobs, backend="threading", return_as="generator")
        for count, found, added in parallel(delayed(one)(batch) for batch in batches):
            kept.append(found)
            sums = [own + more for own, more in zip(sums, added, strict=True)]
            done += count
            if progress is not None:
                progress(done)
    return [*(np.concatenate(own) for own in zip(*kept, strict=True)), *map(np.asarray, sums)]


def largest_t(t: np.ndarray) -> np.ndarray:
    """The largest absolute t of each permutation: a `Summary`, shape (n_permutations,)."""
    return np.asarray(np.fmax.reduce(np.abs(t), axis=1))


def times_reached(observed: np.ndarray) -> Summary:
    """Whether the absolute t of each permutation and edge is at least that of the data.

    Parameters
    ----------
    observed
        The t of each edge, as summaries get it, shape (n_edges,).
    """
    least = np.abs(observed) * (1 - TIE)

    def summary(t: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(t) >= least)

    return summary


def p_of_largest(observed: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Family-wise p: the share of permutations whose largest statistic is at least that large.

    Parameters
    ----------
    observed
        Statistics, of which the absolute value counts; NaN where there is none. Any shape.
    largest
        Of each permutation, the identity included, the largest absolute statistic.

    Returns
    -------
    numpy.ndarray
        The shape of `observed`: at least 1 / n_permutations; NaN stays.
    """
    observed = np.abs(np.asarray(observed, np.float64))
    null = np.sort(largest)
    below = np.searchsorted(null, observed * (1 - TIE), side="left")
    return np.where(np.isnan(observed), np.nan, (len(null) - below) / len(null))


def lowest_p(
    exchange: Exchange,
    design: np.ndarray,
    weights: np.ndarray,
    participants: np.ndarray | None = None,
) -> float:
    """The lowest two-sided p that an edge with all rows can have.

    The share of the rearrangements with the absolute t of the data as they are, whatever these
    are: the identity, and those that turn every t into -t, as all signs flipped do, or two
    groups of one size in each other's place.

    Parameters
    ----------
    exchange, design, weights, participants
        See `permute`.
    """
    rows = np.arange(len(design))
    numbers = checked(np.empty((len(design), 0)), design, weights, participants)[3]
    split = split_design(np.asarray(design, float), np.asarray(weights, float), rows, numbers)
    if split is None:
        return 1.0
    vectors, restriction = np.vstack([split.regressor, split.nuisance.T]), restrict(exchange, rows)
    same = 0
    for start in range(0, len(exchange), _AT_ONCE):
        batch = slice(start, start + _AT_ONCE)
        moved = _rearranged(vectors, exchange, batch, rows, restriction)
        moved = moved.reshape(-1, *vectors.shape)
        mirrored = np.abs(moved[:, 0] @ split.regressor) > 1 - TIE
        nuisance = moved[:, 1:]
        beyond = nuisance - nuisance @ split.nuisance @ split.nuisance.T
        same += int((mirrored & (np.abs(beyond) < TIE).all(axis=(1, 2))).sum())
    return same / len(exchange)


def _part(z: np.ndarray, split: Split, restriction: Restriction, edges: np.ndarray) -> _Part:
    residuals = np.empty((len(split.rows), len(edges)))
    start = 0
    for some in blocks_of(edges):
        residuals[:, start : start + len(some)] = split.residuals(z[np.ix_(split.rows, some)])
        start += len(some)
    return _Part(split, restriction, edges, residuals, squares(residuals))


def _statistics(
    parts: Sequence[_Part], exchange: Exchange, batch: slice, n_edges: int, most: int
) -> np.ndarray:
    """The t of each edge under some permutations, shape (n_some, n_edges).

    With at least the degrees of freedom `most`.
    """
    t = np.full((len(exchange.values[batch]), n_edges), np.nan)
    for part in parts:
        split = part.split
        vectors = np.vstack([split.regressor, split.nuisance.T])
        moved = _rearranged(vectors, exchange, batch, split.rows, part.restriction)
        for start in range(0, len(part.edges), _EDGES_AT_ONCE):
            some = slice(start, start + _EDGES_AT_ONCE)
            products = (moved @ part.residuals[:, some]).reshape(len(t), len(vectors), -1)
            along, whole = products[:, 0], part.squares[some]
            left = whole - np.einsum("ijk,ijk->ik", products, products)
            np.maximum(left, NO_RESIDUALS * whole, out=left)
            found = along / np.sqrt(left / split.dof)
            t[:, part.edges[some]] = (
                found if split.dof >= most else with_dof(found, split.dof, most)
            )
    return t


def _rearranged(
    vectors: np.ndarray,
    exchange: Exchange,
    batch: slice,
    rows: np.ndarray,
    restriction: Restriction,
) -> np.ndarray:
    """What has the same products with the residuals as these vectors with the rearranged ones.

    Shape (n_some × n_vectors, n_these_rows).
    """
    n_rows = vectors.shape[1]
    if exchange.kind == "sign flips":
        flipped = signs(exchange, batch, rows)[:, np.newaxis, :] * vectors
        return np.asarray(flipped.reshape(-1, n_rows))
    order = orders(exchange, batch, restriction)
    moved = np.empty((len(order), *vectors.shape))
    for one, own in zip(moved, order, strict=True):
        one[:, own] = vectors
    return moved.reshape(-1, n_rows)
