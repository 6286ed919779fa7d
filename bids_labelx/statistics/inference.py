"""All tests of one contrast over edges, from the same permutations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.statistics.components import (
    Components,
    PairTest,
    constrained_nbs,
    largest_component,
    mean_t,
    network_based_statistic,
)
from bids_labelx.statistics.exchange import Exchange, draw_exchange
from bids_labelx.statistics.linear import Fit, fdr, fit, with_dof
from bids_labelx.statistics.networks import NetworkPairs
from bids_labelx.statistics.permutation import (
    Summary,
    largest_t,
    lowest_p,
    p_of_largest,
    permute,
    times_reached,
)


@dataclass(frozen=True)
class Permuted:
    """What permutations tell of one contrast.

    Where edges lack rows, t is taken here with the degrees of freedom of the edges that have most:
    see `permutation.permute`.

    Attributes
    ----------
    exchange
        The rearrangements: of what kind, how many were done (``len``) and how many are possible.
    lowest_p
        That an edge with all rows can have.
    largest_t
        Largest absolute t over edges of each, shape (n_permutations,); the first is that of the
        data as they are.
    p_fwe
        Family-wise p of each edge, two-sided, shape (n_edges,).
    components
        By the network-based statistic.
    largest_component
        Edges of the largest component of each, shape (n_permutations,).
    networks
        By the constrained network-based statistic; None without networks.
    """

    exchange: Exchange
    lowest_p: float
    largest_t: np.ndarray
    p_fwe: np.ndarray
    components: Components
    largest_component: np.ndarray
    networks: PairTest | None


@dataclass(frozen=True)
class Inference:
    """Tests of one contrast over edges.

    Attributes
    ----------
    fit
        Least squares, t and its p by Student's t distribution.
    p
        Two-sided p of each edge alone, shape (n_edges,): that of t; with whole blocks, whose rows
        are not independent, the share of permutations with an absolute t as large.
    p_fdr
        The same p with the false discovery rate over edges, shape (n_edges,).
    permuted
        None where no permutations were asked for, or no edge could be tested.
    """

    fit: Fit
    p: np.ndarray
    p_fdr: np.ndarray
    permuted: Permuted | None


def infer(
    z: np.ndarray,
    design: np.ndarray,
    weights: np.ndarray,
    *,
    n_regions: int,
    pairs: NetworkPairs | None = None,
    participants: np.ndarray | None = None,
    n_permutations: int = 1000,
    blocks: np.ndarray | None = None,
    whole: bool = False,
    threshold: float = 3.1,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Inference:
    """Fit a linear model to each edge, and test a contrast by t and by permutations.

    Parameters
    ----------
    z, design, weights, participants
        See `linear.fit`.
    n_regions
        Edges are those above the diagonal, row by row.
    pairs
        Of networks, of the same edges.
    n_permutations
        The identity included; 0 for none.
    blocks, whole, seed
        See `exchange.draw_exchange`.
    threshold
        Of the absolute t, for components.
    n_jobs, progress
        See `permutation.permute`.

    Raises
    ------
    ValueError
        See `linear.fit` and `exchange.draw_exchange`: before anything is fitted.
    """
    exchange = None
    if n_permutations:
        exchange = draw_exchange(
            design,
            weights,
            n_permutations,
            seed=seed,
            blocks=blocks,
            whole=whole,
            participants=participants,
        )
    fitted = fit(z, design, weights, participants)
    tested = ~np.isnan(fitted.t)
    if exchange is None or not tested.any():
        return Inference(fitted, fitted.p, fdr(fitted.p), None)
    dof = np.maximum(fitted.dof, 1)
    t = with_dof(fitted.t, dof, dof[tested].max())
    summaries: Sequence[Summary] = [
        largest_t,
        largest_component(n_regions, threshold),
        *([] if pairs is None else [mean_t(pairs)]),
    ]
    largest, sizes, *more = permute(
        z,
        design,
        weights,
        exchange,
        summaries,
        totals=[times_reached(t)] if whole else [],
        participants=participants,
        tested=tested,
        same_dof=True,
        n_jobs=n_jobs,
        progress=progress,
    )
    p = np.where(tested, more[-1] / len(exchange), np.nan) if whole else fitted.p
    permuted = Permuted(
        exchange,
        lowest_p(exchange, design, weights, participants),
        largest,
        p_of_largest(t, largest),
        network_based_statistic(t, n_regions, threshold, sizes),
        sizes,
        None if pairs is None else constrained_nbs(more[0]),
    )
    return Inference(fitted, p, fdr(p), permuted)
