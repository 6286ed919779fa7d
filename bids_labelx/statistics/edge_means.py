"""Means over sets of edges of which some rows lack some.

The mean of the edges that a row happens to have is no number to compare rows by: a row that lacks
a region of strong edges has a lower mean, though none of its edges is weaker. Here a row is
compared with others edge by edge: ``z = row + edge + error`` is fitted by least squares to what
there is, and the mean of a row is its own term at the average of all edges. Without missing edges
that is the plain mean.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bids_labelx.statistics.networks import NetworkPairs


def means_of_regions(z: np.ndarray, n_regions: int) -> np.ndarray:
    """Mean Fisher z of the edges of each region, differences between edges held constant.

    Parameters
    ----------
    z
        Shape (n_rows, n_edges), edges above the diagonal row by row; NaN where a row lacks one.
    n_regions
        With ``n_edges = n_regions (n_regions - 1) / 2``.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows, n_regions); NaN as `mean_of_rows` has it.
    """
    numbers = np.zeros((n_regions, n_regions), int)
    above = np.triu_indices(n_regions, k=1)
    numbers[above] = numbers.T[above] = np.arange(len(above[0]))
    return _means(z, (np.delete(numbers[k], k) for k in range(n_regions)), n_regions)


def means_of_pairs(z: np.ndarray, pairs: NetworkPairs) -> np.ndarray:
    """The same of the edges of each pair of networks, shape (n_rows, n_pairs)."""
    count = len(pairs.names)
    return _means(z, (np.flatnonzero(pairs.of_edge == k) for k in range(count)), count)


def mean_of_rows(z: np.ndarray) -> np.ndarray:
    """Mean of the edges of each row, differences between edges held constant.

    Rows and edges are the two factors of a linear model without interaction, fitted by least
    squares to the values there are (Searle, 1971, Linear Models, chapter 7).

    Parameters
    ----------
    z
        Shape (n_rows, n_edges), NaN where there is no value.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), float64. NaN where a row has no value; and in rows that share no edge,
        not even through others, with the most rows: nothing tells how these compare.
    """
    z = np.asarray(z, np.float64)
    known = np.isfinite(z)
    means = np.full(len(z), np.nan)
    if known.all() and z.shape[1]:
        return np.asarray(z.mean(axis=1))
    rows, edges = _connected(known)
    if not len(rows):
        return means
    known = known[np.ix_(rows, edges)]
    values = np.where(known, z[np.ix_(rows, edges)], 0)
    weights = known.astype(np.float64)
    of_row, of_edge = weights.sum(axis=1), weights.sum(axis=0)
    # The normal equations for the edges alone or the rows alone, whichever are fewer.
    if len(edges) <= len(rows):
        scaled = weights / of_row[:, np.newaxis]
        left = np.diag(of_edge) - weights.T @ scaled
        own = _solved(left, values.sum(axis=0) - scaled.T @ values.sum(axis=1))
        means[rows] = (values.sum(axis=1) - weights @ own) / of_row
        return means
    scaled = weights / of_edge
    left = np.diag(of_row) - scaled @ weights.T
    found = _solved(left, values.sum(axis=1) - scaled @ values.sum(axis=0))
    own = (values.sum(axis=0) - found @ weights) / of_edge
    means[rows] = found + own.mean()
    return means


def _means(z: np.ndarray, sets: Iterable[np.ndarray], count: int) -> np.ndarray:
    made = np.full((len(z), count), np.nan)
    for own, edges in zip(made.T, sets, strict=True):
        own[:] = mean_of_rows(z[:, edges])
    return made


def _solved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution with a sum of 0: a constant may be added to all."""
    return np.asarray(np.linalg.solve(left + 1 / len(left), right))


def _connected(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most rows that are connected through edges, and the edges that these have."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows, edges = np.nonzero(known)
    size = sum(known.shape)
    links = csr_array((np.ones(len(rows)), (rows, len(known) + edges)), shape=(size, size))
    labels = connected_components(links, directed=False)[1]
    of_rows = labels[: len(known)][known.any(axis=1)]
    if not len(of_rows):
        return np.array([], int), np.array([], int)
    inside = labels == np.bincount(of_rows).argmax()
    return np.flatnonzero(inside[: len(known)]), np.flatnonzero(inside[len(known) :])
