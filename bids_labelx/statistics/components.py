"""Network-based statistics: components of connected edges, and pairs of networks."""

from __future__ import annotations

from dataclasses import dataclass

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
    ends = np.triu_indices(n_regions, k=1)

    def summary(t: np.ndarray) -> np.ndarray:
        return np.array([_sizes(row, ends, threshold)[1].max(initial=0) for row in t], int)

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
    label, sizes = _sizes(t, np.triu_indices(n_regions, k=1), threshold)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(sizes) + 1, int)
    rank[order] = np.arange(1, len(sizes) + 1)
    # That of no component, -1, is the last.
    rank[-1] = 0
    return Components(rank[label], sizes[order], p_of_largest(sizes[order], largest))


def _sizes(
    t: np.ndarray, ends: tuple[np.ndarray, np.ndarray], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """The component of each edge, from 0, -1 where it is in none; edges of each component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with np.errstate(invalid="ignore"):
        above = np.flatnonzero(np.abs(t) > threshold)
    first, second = ends[0][above], ends[1][above]
    regions, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    graph = coo_array(
        (np.ones(len(above)), (places[: len(above)], places[len(above) :])),
        shape=(len(regions), len(regions)),
    )
    of_region = connected_components(graph, directed=False)[1] if len(regions) else places
    own = of_region[places[: len(above)]]
    label = np.full(len(t), -1)
    label[above] = own
    return label, np.bincount(own)


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

    Noble & Scheinost (2020, doi:10.1007/978-3-030-59728-3_46). Two-sided.

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
