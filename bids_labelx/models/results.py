"""Results of group models: tests of edges, of regions and of pairs of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from bids_labelx.models.contrasts import Contrast
from bids_labelx.models.designs import Design
from bids_labelx.models.plans import Planned
from bids_labelx.models.rows import ModelRows
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.statistics.components import Components
from bids_labelx.statistics.edge_means import means_of_pairs, means_of_regions
from bids_labelx.statistics.exchange import Exchange
from bids_labelx.statistics.inference import Inference, infer
from bids_labelx.statistics.linear import Fit, fdr, fit, with_dof
from bids_labelx.statistics.networks import NetworkPairs, network_pairs
from bids_labelx.statistics.permutation import largest_t, p_of_largest, permute, times_reached


@dataclass(frozen=True)
class Tested:
    """A contrast of regions, or of pairs of networks.

    Attributes
    ----------
    fit
        Of each.
    p
        As `Inference.p`.
    p_fdr
        The same p with the false discovery rate over all of them.
    p_fwe
        Family-wise p over all of them; None without permutations.
    """

    fit: Fit
    p: np.ndarray
    p_fdr: np.ndarray
    p_fwe: np.ndarray | None


@dataclass(frozen=True)
class ModelResult:
    """Results of one contrast of one model of one combination.

    Attributes
    ----------
    rows, design, contrast, options
        What was modelled and asked for; `rows.points` has the places of regions.
    edges
        Tests of the edges above the diagonal, row by row.
    regions
        Of the mean over the edges of each region.
    pairs, networks
        Pairs of networks, and tests of the mean over the edges of each; None where the label
        table has no networks.
    """

    rows: ModelRows
    design: Design
    contrast: Contrast
    options: ModelOptions
    edges: Inference
    regions: Tested
    pairs: NetworkPairs | None
    networks: Tested | None

    @property
    def name(self) -> str:
        """Model and contrast, as files are called."""
        return f"model-{self.design.name}_contrast-{self.contrast.name}"

    @property
    def components(self) -> Components | None:
        """Of the network-based statistic; None without permutations."""
        return None if self.edges.permuted is None else self.edges.permuted.components

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Values of edges as a symmetric matrix, NaN on the diagonal."""
        count = len(self.rows.names)
        made = np.full((count, count), np.nan)
        above = np.triu_indices(count, k=1)
        made[above] = values
        made.T[above] = values
        return made

    def surviving(self, q: float = 0.05) -> tuple[str, np.ndarray]:
        """The edges that survive the planned correction, and which that is.

        Parameters
        ----------
        q
            P values have to be below it.

        Returns
        -------
        correction
            ``fwe`` where there are permutations, else ``fdr``: whatever survives it.
        edges
            Their positions.
        """
        permuted = self.edges.permuted
        if permuted is None:
            return "fdr", np.flatnonzero(self.edges.p_fdr < q)
        return "fwe", np.flatnonzero(permuted.p_fwe < q)


def component_p(components: Components) -> np.ndarray:
    """The p of each edge's component, NaN where it is in none."""
    return np.concatenate([[np.nan], components.p])[components.of_edge]


def fit_models(
    planned: Planned,
    options: ModelOptions,
    n_jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[ModelResult]:
    """Fit a model to all edges of a combination and test its contrasts, one after the other.

    Parameters
    ----------
    planned, options
        What is asked for.
    n_jobs
        Threads for permutations; results do not depend on it.
    progress
        Called with model and contrast, how many permutations there are, and how many are done.
    """
    rows, design = planned.rows, planned.design
    z, count = rows.read(design.rows), len(rows.names)
    pairs = network_pairs(rows.networks) if rows.networks else None
    if pairs is not None and not pairs.names:
        pairs = None
    for contrast, count_exchanged in planned.contrasts:
        title, whole = f"{design.name}: {contrast.name}", options.permute_blocks == "whole"
        edges = infer(
            z,
            design.columns.matrix,
            contrast.weights,
            n_regions=count,
            pairs=pairs,
            participants=design.participants,
            n_permutations=options.permutations,
            blocks=design.blocks,
            whole=whole,
            threshold=options.nbs_threshold,
            seed=options.seed,
            n_jobs=n_jobs,
            progress=None if progress is None else partial(progress, title, count_exchanged),
        )
        exchange = edges.permuted.exchange if edges.permuted else None
        of_networks = None
        if pairs is not None:
            means = means_of_pairs(z, pairs)
            of_networks = _tested(design, contrast, exchange, means, whole=whole)
        of_regions = _tested(design, contrast, exchange, means_of_regions(z, count), whole=whole)
        yield ModelResult(rows, design, contrast, options, edges, of_regions, pairs, of_networks)


def _tested(
    design: Design, contrast: Contrast, exchange: Exchange | None, z: np.ndarray, *, whole: bool
) -> Tested:
    what = design.columns.matrix, contrast.weights
    found = fit(z, *what, design.participants)
    tested = ~np.isnan(found.t)
    if exchange is None or not tested.any():
        return Tested(found, found.p, fdr(found.p), None)
    # As of edges: those with fewer rows have the t of the same p.
    dof = np.maximum(found.dof, 1)
    t = with_dof(found.t, dof, dof[tested].max())
    largest, *reached = permute(
        z,
        *what,
        exchange,
        [largest_t],
        totals=[times_reached(t)] if whole else [],
        participants=design.participants,
        tested=tested,
        same_dof=True,
    )
    p = np.where(tested, reached[0] / len(exchange), np.nan) if whole else found.p
    return Tested(found, p, fdr(p), p_of_largest(t, largest))
