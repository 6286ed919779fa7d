"""Sentences and tables on the results of a group model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_labelx.models.results import ModelResult
from bids_labelx.report.model_pictures import surviving_in_words
from bids_labelx.report.pages import Table
from bids_labelx.words import as_text, counted, enumerated, two_decimals

# Edges that the page lists of each strategy.
MOST_LISTED = 10
# Rows that are not in the model, and are named.
_MOST_NAMED = 5
ALPHA = 0.05


def model_in_words(results: Sequence[ModelResult]) -> list[str]:
    """Describe the model and its results by strategy.

    Parameters
    ----------
    results
        Of one contrast of one model, of combinations that differ in the strategy.
    """
    first = results[0]
    said = [_tested(first), *dict.fromkeys(_rows(one) for one in results)]
    said += [_permuted(first), *(_found(one) for one in results)]
    remarks = [text for one in results for text in (*one.design.remarks, *one.contrast.remarks)]
    said += [f"{text[0].upper()}{text[1:]}." for text in dict.fromkeys(remarks)]
    if not all(one.design.motion for one in results):
        said.append(
            "The model has no mean_fd: where motion is related to the contrast, differences may "
            "come from motion; add the term mean_fd to adjust for it."
        )
    if len(results) > 1:
        said.append(
            "Each strategy is corrected separately: choosing the one with the most edges "
            "afterwards biases the results."
        )
    return said


def _tested(one: ModelResult) -> str:
    design, contrast = one.design, one.contrast
    weights = enumerated(
        f"{weight:g} × {name}"
        for name, weight in zip(design.columns.names, contrast.weights, strict=True)
        if weight
    )
    return (
        f"Model {design.name}: Fisher z of each edge by {design.source}. Contrast "
        f"{contrast.name}: {weights}; t and p are two-sided."
        + (
            " p is the share of permutations with an absolute t as large, as rows of a block are "
            "not independent."
            if one.options.permute_blocks == "whole"
            else ""
        )
    )


def _rows(one: ModelResult) -> str:
    design = one.design
    degrees = np.unique(one.edges.fit.dof[np.isfinite(one.edges.fit.t)])
    freedom = (
        "no edge can be tested"
        if not len(degrees)
        else f"{degrees[0]:g} degrees of freedom"
        if len(degrees) == 1
        else f"{degrees[0]:g} to {degrees[-1]:g} degrees of freedom by edge"
    )
    count = counted(len(design.rows), "row")
    if len(design.rows) != design.n_participants:
        count += f" of {counted(design.n_participants, 'participant')}"
    text = f"{count}, {freedom}"
    if design.dropped:
        named = "; ".join(f"{who}: {why}" for who, why in design.dropped[:_MOST_NAMED])
        more = len(design.dropped) - _MOST_NAMED
        text += f". Not in the model: {named}" + (f"; and {more:,} more" if more > 0 else "")
    return f"{text}."


def _permuted(one: ModelResult) -> str:
    permuted = one.edges.permuted
    if permuted is None:
        return "There are no permutations, and so no family-wise p and no components."
    exchange = permuted.exchange
    every = ", all that there are" if exchange.every else f", seed {one.options.seed}"
    blocks = one.options.permutation_blocks
    within = "" if blocks is None else f", {one.options.permute_blocks} blocks of {blocks}"
    if one.design.participants is not None:
        within += ", within participants"
    done = counted(len(exchange), exchange.kind.removesuffix("s"))
    return (
        f"{done} of residuals (Freedman & Lane, 1983{within}{every}); "
        f"the lowest possible p is {permuted.lowest_p:.2g}."
    )


def _found(one: ModelResult) -> str:
    said = [f"{one.rows.strategy}: {surviving_in_words(one)}"]
    t = one.edges.fit.t
    if np.isfinite(t).any():
        k = int(np.nanargmax(np.abs(t)))
        said.append(f"largest |t| {two_decimals(float(t[k]))} at {_edge(one, k)}")
    sizes = one.components
    if sizes is not None:
        what = f"|t| > {one.options.nbs_threshold:g}"
        said.append(
            f"largest component of edges with {what}: {counted(int(sizes.sizes[0]), 'edge')}, "
            f"p {sizes.p[0]:.2g}"
            if len(sizes.sizes)
            else f"no edge with {what}, and so no component"
        )
    constrained = one.edges.permuted and one.edges.permuted.networks
    if constrained and one.pairs:
        names = [
            " – ".join(dict.fromkeys(pair))
            for pair, p in zip(one.pairs.names, constrained.p_fwe, strict=True)
            if p < ALPHA
        ]
        said.append(
            f"pairs of networks with p < 0.05 (constrained NBS): {enumerated(names)}"
            if names
            else "no pair of networks with p < 0.05 (constrained NBS)"
        )
    return "; ".join(said) + "."


def _edge(one: ModelResult, k: int) -> str:
    first, second = np.triu_indices(len(one.rows.names), k=1)
    return f"{one.rows.names[first[k]]} – {one.rows.names[second[k]]}"


def edges_table(results: Sequence[ModelResult], caption: str) -> Table:
    """The edges with the largest |t| of each strategy."""
    rows = []
    for one in results:
        fit, permuted = one.edges.fit, one.edges.permuted
        order = np.argsort(-np.nan_to_num(np.abs(fit.t)), kind="stable")[:MOST_LISTED]
        for k in order[np.isfinite(fit.t[order])]:
            rows.append(
                (
                    _edge(one, int(k)),
                    one.rows.strategy,
                    two_decimals(float(fit.beta[k])),
                    two_decimals(float(fit.t[k])),
                    str(int(fit.n[k])),
                    as_text(float(one.edges.p[k])),
                    as_text(float(one.edges.p_fdr[k])),
                    as_text(float(permuted.p_fwe[k])) if permuted else "n/a",
                )
            )
    header = ("edge", "strategy", "estimate (Fisher z)", "t", "n", "p", "p FDR", "p FWE")
    return Table(header, tuple(rows), caption)
