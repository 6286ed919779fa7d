"""Network-based statistics: components of connected edges, and pairs of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bids_labelx.statistics.linear import fdr
from bids_labelx.statistics.networks import NetworkPairs, pair_means
from bids_labelx.statistics.permutation import TIE, Summary, p_of_largest


@dataclass(frozen=True)
class Components:
    """Connected components of the edges above a threshold, the largest first.

    Attributes
    ----------
    of_edge
        Number of the component of each edge, from 1; 0 where it is below the threshold. Shape
        (n_edges,).
    sizes
        Edges of each component, shape (n_components,).
    p
        Family-wise p of each component, shape (n_components,).
    """

    of_edge: np.ndarray
    sizes: np.ndarray
    p: np.ndarray


def largest_component(n_regions: int, threshold: float) -> Summary:
    """Edges of the largest component of each permutation: see `network_based_statistic`."""

    def summary(t: np.ndarray) -> np.ndarray:
        found = _connected(t, n_regions, threshold)
        largest = np.zeros(len(t), int)
        np.maximum.at(largest, found.row, found.sizes[found.component])
        return largest

    return summary


def network_based_statistic(
    t: np.ndarray, n_regions: int, threshold: float, largest: np.ndarray
) -> Components:
    """Components of edges, and their p by the network-based statistic.

    Zalesky et al. (2010, doi:10.1016/j.neuroimage.2010.06.041): regions are connected by edges
    whose absolute t is above a threshold; the size of a component is its number of edges, and its
    p the share of permutations whose largest component has at least that size.

    Parameters
    ----------
    t
        Of each edge above the diagonal, row by row, shape (n_edges,); NaN is no edge.
    n_regions
        With ``n_edges = n_regions (n_regions - 1) / 2``.
    threshold
        Of the absolute t.
    largest
        Of each permutation, the identity included: see `largest_component`.
    """
    found = _connected(t[np.newaxis], n_regions, threshold)
    order = np.argsort(-found.sizes, kind="stable")
    rank = np.empty(len(order), int)
    rank[order] = np.arange(1, len(order) + 1)
    of_edge = np.zeros(len(t), int)
    of_edge[found.edge] = rank[found.component]
    sizes = found.sizes[order]
    return Components(of_edge, sizes, p_of_largest(sizes, largest))


class _Connected(NamedTuple):
    """Edges above a threshold: row, edge and component of each; edges of each component."""

    row: np.ndarray
    edge: np.ndarray
    component: np.ndarray
    sizes: np.ndarray


def _connected(t: np.ndarray, n_regions: int, threshold: float) -> _Connected:
    """Components of all rows of t, which are parts of one graph that nothing connects."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with np.errstate(invalid="ignore"):
        row, edge = np.nonzero(np.abs(t) > threshold)
    first, second = (row * n_regions + ends[edge] for ends in np.triu_indices(n_regions, k=1))
    n_nodes = len(t) * n_regions
    graph = coo_array((np.ones(len(row)), (first, second)), shape=(n_nodes, n_nodes))
    of_node = connected_components(graph, directed=False)[1]
    # Numbers in the order of the regions, of those that have an edge.
    component = np.unique(of_node[first], return_inverse=True)[1]
    return _Connected(row, edge, component, np.bincount(component))


@dataclass(frozen=True)
class PairTest:
    """The mean t of each pair of networks, each of shape (n_pairs,).

    Attributes
    ----------
    t
        Mean over the edges of the pair.
    p
        Share of permutations in which the pair's absolute mean is at least that large.
    p_fdr
        The same with the false discovery rate over pairs.
    p_fwe
        Share of permutations in which the largest absolute mean of all pairs is.
    """

    t: np.ndarray
    p: np.ndarray
    p_fdr: np.ndarray
    p_fwe: np.ndarray


def mean_t(pairs: NetworkPairs) -> Summary:
    """The mean t of each pair of networks and permutation, shape (n_permutations, n_pairs)."""

    def summary(t: np.ndarray) -> np.ndarray:
        return pair_means(t, pairs)

    return summary


def constrained_nbs(null: np.ndarray) -> PairTest:
    """Test the mean t of pairs of networks: the constrained network-based statistic.

    Noble & Scheinost (2020, doi:10.1007/978-3-030-59728-3_45). Two-sided.

    Parameters
    ----------
    null
        Of `mean_t`, of which the first row is that of the data as they are; a pair without a
        tested edge has NaN.
    """
    observed, size = null[0], np.abs(null)
    p = (size >= size[0] * (1 - TIE)).mean(axis=0)
    p = np.where(np.isnan(observed), np.nan, p)
    largest = np.fmax.reduce(size, axis=1, initial=0)
    return PairTest(observed, p, fdr(p), p_of_largest(observed, largest))
