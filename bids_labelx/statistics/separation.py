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
    within_positive, between_positive
        The same after edges below 0 are set to 0.
    """

    within: np.ndarray
    between: np.ndarray
    within_positive: np.ndarray
    between_positive: np.ndarray


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
    """Average the edges within and between networks, of each row.

    ``within`` and ``between`` are means of all edges of their kind, negative ones included.

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
    return Separation(inside, across, inside_positive, across_positive)


def segregation(found: Separation) -> float | None:
    """System segregation of a group of rows, ``(w - b) / w`` (Chan et al., 2014).

    With w and b the means over rows of edges within and between networks, edges below 0 set to 0
    (doi:10.1073/pnas.1415122111). It is a ratio of means and no mean of ratios: a single row whose
    w is near 0 would have a ratio of any size, and decide the mean.

    Parameters
    ----------
    found
        Of two rows at least.

    Returns
    -------
    float or None
        None where there are no edges of either kind, or the mean of `Separation.within` is not
        above 0 by two standard errors over rows: then w is noise, and so is what it divides.
    """
    both = np.array([found.within, found.within_positive, found.between_positive])
    kept = both[:, np.isfinite(both).all(axis=0)]
    if kept.shape[1] < 2:
        return None
    within, w, b = kept.mean(axis=1)
    error = kept[0].std(ddof=1) / np.sqrt(kept.shape[1])
    return float((w - b) / w) if within > 2 * error else None
