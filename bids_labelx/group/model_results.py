"""Results of group models: fits of edges, regions and pairs of networks, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.group.contrasts import Contrast
from bids_labelx.group.designs import Design
from bids_labelx.group.model_rows import ModelRows
from bids_labelx.group.models import Planned
from bids_labelx.settings.model_options import ModelOptions
from bids_labelx.statistics.components import (
    Components,
    PairTest,
    constrained_nbs,
    largest_component,
    mean_t,
    network_based_statistic,
)
from bids_labelx.statistics.exchange import Exchange
from bids_labelx.statistics.linear import Fit, fdr, fit
from bids_labelx.statistics.networks import NetworkPairs, network_pairs, pair_means
from bids_labelx.statistics.permutation import Summary, largest_t, p_of_largest, permute

# Called with the number of permutations done.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Tested:
    """A contrast of several things at once: edges, regions or pairs of networks.

    Attributes
    ----------
    fit
        Of each.
    p_fdr, p_fwe
        P values with the false discovery rate over all of them, and family-wise; the latter is
        None without permutations.
    """

    fit: Fit
    p_fdr: np.ndarray
    p_fwe: np.ndarray | None


@dataclass(frozen=True)
class ModelResult:
    """What came of one contrast of one model of one combination.

    Attributes
    ----------
    rows, design, contrast
        What was modelled; `rows.points` has the places of regions.
    options
        What was asked for.
    n_exchanged, kind, possible, every
        How many rearrangements there were, the identity included, 0 without; ``permutations`` or
        ``sign flips``; how many different ones are possible, and whether these were all of them.
    edges
        Those above the diagonal, row by row.
    regions
        Of each region the mean over its edges.
    pairs, networks, constrained
        Pairs of networks, the mean over the edges of each, and their constrained network-based
        statistic; None where the label table has no networks, and without permutations the last.
    components
        Of the network-based statistic; None without permutations.
    null_t, null_size
        Of each rearrangement, the identity first, the largest absolute t of all edges, and the
        edges of the largest component; empty without permutations.
    """

    rows: ModelRows
    design: Design
    contrast: Contrast
    options: ModelOptions
    n_exchanged: int
    kind: str
    possible: int
    every: bool
    edges: Tested
    regions: Tested
    pairs: NetworkPairs | None
    networks: Tested | None
    constrained: PairTest | None
    components: Components | None
    null_t: np.ndarray
    null_size: np.ndarray

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Values of edges as a symmetric matrix, NaN on the diagonal."""
        count = len(self.rows.names)
        made = np.full((count, count), np.nan)
        above = np.triu_indices(count, k=1)
        made[above] = values
        made.T[above] = values
        return made

    def surviving(self, q: float = 0.05) -> tuple[str, np.ndarray]:
        """The edges that survive correction, and by which.

        Parameters
        ----------
        q
            P values have to be below it.

        Returns
        -------
        correction
            ``fwe`` if one survives the family-wise correction, else ``fdr``, else ``nbs`` for the
            edges of components; empty where none survives any.
        edges
            Their positions.
        """
        tested: list[tuple[str, np.ndarray]] = []
        if self.edges.p_fwe is not None:
            tested.append(("fwe", self.edges.p_fwe))
        tested.append(("fdr", self.edges.p_fdr))
        if self.components is not None:
            tested.append(("nbs", component_p(self.components)))
        for correction, p in tested:
            found = np.flatnonzero(p < q)
            if len(found):
                return correction, found
        return "", np.array([], int)


def component_p(components: Components) -> np.ndarray:
    """The p of each edge's component, NaN where it is in none."""
    return np.concatenate([[np.nan], components.p])[components.of_edge]


def fit_models(
    planned: Planned,
    options: ModelOptions,
    n_jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[ModelResult]:
    """Fit a model to all edges of a combination and test its contrasts.

    Parameters
    ----------
    planned, options
        What is asked for.
    n_jobs
        Threads for permutations; results do not depend on it.
    progress
        Called with the model and contrast, the permutations done, and how many there are.
    """
    z = planned.rows.read(planned.design.rows)
    done = []
    for contrast, exchange in planned.contrasts:
        title = f"{planned.design.name}: {contrast.name}"
        total = 0 if exchange is None else len(exchange)
        told = None if progress is None else lambda n, t=title, m=total: progress(t, n, m)
        done.append(_result(planned, contrast, exchange, z, options, n_jobs, told))
    return done


def _result(
    planned: Planned,
    contrast: Contrast,
    exchange: Exchange | None,
    z: np.ndarray,
    options: ModelOptions,
    n_jobs: int,
    progress: Progress | None,
) -> ModelResult:
    rows, count = planned.rows, len(planned.rows.names)
    pairs = network_pairs(rows.networks) if rows.networks else None
    if pairs is not None and not pairs.names:
        pairs = None
    summaries: list[Summary] = [largest_component(count, options.nbs_threshold)]
    if pairs is not None:
        summaries.append(mean_t(pairs))
    edges, (sizes, *of_pairs), null_t = _tested(
        planned.design, contrast, exchange, z, summaries, n_jobs, progress
    )
    regions, _, _ = _tested(
        planned.design, contrast, exchange, region_means(z, count), [], n_jobs, None
    )
    networks = constrained = components = None
    if pairs is not None:
        own = pair_means(z, pairs)
        networks, _, _ = _tested(planned.design, contrast, exchange, own, [], n_jobs, None)
    if exchange is not None:
        components = network_based_statistic(edges.fit.t, count, options.nbs_threshold, sizes)
        constrained = constrained_nbs(of_pairs[0]) if of_pairs else None
    return ModelResult(
        rows=rows,
        design=planned.design,
        contrast=contrast,
        options=options,
        n_exchanged=0 if exchange is None else len(exchange),
        kind="" if exchange is None else exchange.kind,
        possible=0 if exchange is None else exchange.possible,
        every=exchange is not None and exchange.every,
        edges=edges,
        regions=regions,
        pairs=pairs,
        networks=networks,
        constrained=constrained,
        components=components,
        null_t=null_t,
        null_size=sizes,
    )


def _tested(
    design: Design,
    contrast: Contrast,
    exchange: Exchange | None,
    z: np.ndarray,
    summaries: Sequence[Summary],
    n_jobs: int,
    progress: Progress | None,
) -> tuple[Tested, list[np.ndarray], np.ndarray]:
    """The fit with its corrections; summaries of the permutations, and their largest t."""
    what = design.columns.matrix, contrast.weights
    found = fit(z, *what, design.participants)
    adjusted = fdr(found.p)
    none = np.array([])
    if exchange is None:
        return Tested(found, adjusted, None), [none for _ in summaries], none
    largest, *others = permute(
        z,
        *what,
        exchange,
        [largest_t, *summaries],
        participants=design.participants,
        n_jobs=n_jobs,
        progress=progress,
    )
    return Tested(found, adjusted, p_of_largest(found.t, largest)), others, largest


def region_means(z: np.ndarray, n_regions: int) -> np.ndarray:
    """Mean Fisher z of the edges of each region, shape (n_rows, n_regions).

    Edges without a value are left out; NaN where a region has none.

    Parameters
    ----------
    z
        Shape (n_rows, n_edges), edges above the diagonal row by row.
    n_regions
        With ``n_edges = n_regions (n_regions - 1) / 2``.
    """
    first, second = np.triu_indices(n_regions, k=1)
    made = np.empty((len(z), n_regions))
    for row, values in enumerate(z):
        known = np.isfinite(values)
        filled = np.where(known, values, 0).astype(np.float64)
        sums, counts = (
            np.bincount(first, one, n_regions) + np.bincount(second, one, n_regions)
            for one in (filled, known.astype(np.float64))
        )
        nowhere = np.full(n_regions, np.nan)
        made[row] = np.divide(sums, counts, out=nowhere, where=counts > 0)
    return made
