"""How far networks are separated: edges within and between the networks of a label table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Separation:
    """The contrast of networks in each row.

    Attributes
    ----------
    within, between
        Mean Fisher z of edges within networks, and of edges between two networks, each of shape
        (n_rows,); NaN where there is none.
    segregation
        Of the same shape; see `separation`.
    """

    within: np.ndarray
    between: np.ndarray
    segregation: np.ndarray


def edges_within(networks: Sequence[str], none: Iterable[str] = ()) -> np.ndarray:
    """Say of each edge whether it is within a network: 1, between two: 0, or without one: -1.

    Parameters
    ----------
    networks
        Of the regions.
    none
        What stands for no network.

    Returns
    -------
    numpy.ndarray
        Shape (n_edges,), in the order of the upper triangle row by row, int8.
    """
    named = np.array(networks)
    first, second = np.triu_indices(len(named), k=1)
    found = (named[first] == named[second]).astype(np.int8)
    without = np.isin(named, list(none))
    found[without[first] | without[second]] = -1
    return found


def separation(blocks: Iterable[np.ndarray], within: np.ndarray) -> Separation:
    """Average the edges within and between networks, and contrast them.

    ``within`` and ``between`` are means of all edges of their kind, negative ones included.
    System segregation is ``(w - b) / w`` with w and b the same means after edges below 0 are set
    to 0 (Chan et al., 2014, doi:10.1073/pnas.1415122111).

    Parameters
    ----------
    blocks
        Fisher z of consecutive edges, shape (n_rows, n_edges of the block); NaN where there is
        none, and such an edge does not count in its row.
    within
        Of `edges_within`, for the edges of all blocks.
    """
    sums: np.ndarray | None = None
    start = 0
    for block in blocks:
        z = np.asarray(block, dtype=np.float64)
        kinds = within[start : start + z.shape[1]]
        start += z.shape[1]
        known = np.isfinite(z)
        z = np.where(known, z, 0.0)
        kept = np.array(
            [
                [part[:, kinds == kind].sum(axis=1) for part in (z, np.maximum(z, 0), known)]
                for kind in (1, 0)
            ]
        )
        sums = kept if sums is None else sums + kept
    if sums is None:
        raise ValueError("there is no block of edges")
    with np.errstate(invalid="ignore", divide="ignore"):
        (inside, inside_positive), (across, across_positive) = sums[:, :2] / sums[:, 2:]
        segregation = (inside_positive - across_positive) / inside_positive
    segregation[~np.isfinite(segregation)] = np.nan
    return Separation(inside, across, segregation)
