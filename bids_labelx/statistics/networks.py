"""Edges averaged within and between networks of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.measures.quality import NETWORKLESS

# Of rows averaged at once, so that their copies stay small.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class NetworkPairs:
    """Which pair of networks each edge is of.

    Attributes
    ----------
    names
        Of both networks of each pair, those within one included, in the order in which networks
        come in the label table; pairs without an edge are left out.
    of_edge
        Number of the pair of each edge, shape (n_edges,); -1 where a region has no network.
    """

    names: tuple[tuple[str, str], ...]
    of_edge: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Edges of each pair, shape (n_pairs,)."""
        return np.bincount(self.of_edge[self.of_edge >= 0], minlength=len(self.names))


def network_pairs(networks: Sequence[str]) -> NetworkPairs:
    """Pairs of networks and their edges.

    Parameters
    ----------
    networks
        Of each region, shape (n_regions,). Edges are those above the diagonal, row by row, as
        ``numpy.triu_indices(n_regions, k=1)`` gives them.
    """
    named = [one for one in dict.fromkeys(networks) if one not in NETWORKLESS]
    numbers = {name: number for number, name in enumerate(named)}
    own = np.array([numbers.get(one, -1) for one in networks], dtype=int)
    rows, columns = np.triu_indices(len(own), k=1)
    low, high = np.minimum(own[rows], own[columns]), np.maximum(own[rows], own[columns])
    codes, of_edge = np.unique(np.where(low < 0, -1, low * len(named) + high), return_inverse=True)
    without = int((codes < 0).sum())
    pairs = [divmod(int(code), len(named)) for code in codes[without:]]
    names = tuple((named[first], named[second]) for first, second in pairs)
    return NetworkPairs(names, of_edge - without)


def pair_means(values: np.ndarray, pairs: NetworkPairs) -> np.ndarray:
    """Mean of edges over each pair of networks; those that are NaN are left out.

    Parameters
    ----------
    values
        Fisher z or statistics, shape (n_rows, n_edges).
    pairs
        Of the same edges.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows, n_pairs), float64; NaN where no edge has a value.
    """
    from scipy.sparse import csr_array

    used = np.flatnonzero(pairs.of_edge >= 0)
    to_pair = csr_array(
        (np.ones(len(used)), (pairs.of_edge[used], used)),
        shape=(len(pairs.names), values.shape[1]),
    )
    means = np.full((len(values), len(pairs.names)), np.nan)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        some = values[start : start + _ROWS_AT_ONCE]
        known = ~np.isnan(some)
        counts = (to_pair @ known.T.astype(np.float64)).T
        sums = (to_pair @ np.where(known, some, 0).T).T
        np.divide(sums, counts, out=means[start : start + len(some)], where=counts > 0)
    return means
