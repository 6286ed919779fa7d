"""Sentences on harmonisation over batches: what was done, what changed, what it does not do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bids_labelx.group.harmonize import Effect, Harmonised
from bids_labelx.group.mean_matrices import edges_name
from bids_labelx.words import counted, enumerated

# Participants that a sentence names.
_MOST_NAMED = 10


def harmonisation_in_words(column: str, preserved: Sequence[str]) -> list[str]:
    """Describe the method and its limits.

    Parameters
    ----------
    column
        The covariate whose values are the batches.
    preserved
        Columns of the preserved covariates.
    """
    kept = (
        f"Preserved, as linear effects: {enumerated(preserved)}."
        if preserved
        else "No covariate is preserved: where batches differ in age, sex or diagnosis, what "
        "these do to edges is removed with the batches."
    )
    return [
        f"ComBat (Johnson et al., 2007; Fortin et al., 2018) removes from the Fisher z of each "
        f"edge the differences between batches ({column}) in mean and in variance. Both are "
        "estimated for each edge and batch and shrunk towards those of all edges of the batch "
        f"(parametric empirical Bayes). {kept} The raw edges are unchanged: the harmonised ones "
        "are in the files with harm-combat, and models are of these.",
        "ComBat removes no effect of a scanner that differs between persons, such as an "
        "interaction with age or diagnosis, and no nonlinear one beyond mean and variance. "
        "Whatever else batches differ in, and is not preserved, is removed with them. The "
        "differences after harmonisation are those of the participants that it was estimated "
        "from: they are near 0 by construction, which is no proof that nothing of the scanner is "
        "left. All participants together were used, so that a prediction tested on some of them "
        "would know them already: for prediction, estimate ComBat in the training folds alone.",
    ]


def batches_in_words(harmonised: Sequence[Harmonised]) -> list[str]:
    """Describe batches and differences between them, before and after.

    Parameters
    ----------
    harmonised
        Those that differ in the strategy only.
    """
    found = list(dict.fromkeys(_counts(one) for one in harmonised))
    if len(found) > 1:
        found = [f"{one.edges.strategy}: {_counts(one)}" for one in harmonised]
    dropped = {name: why for one in harmonised for name, why in one.batches.dropped.items()}
    if dropped:
        named = [f"{name} ({why})" for name, why in list(dropped.items())[:_MOST_NAMED]]
        more = len(dropped) - len(named)
        also = f" and {more:,} more" if more else ""
        found.append(f"Not in the harmonised edges: {', '.join(named)}{also}.")
    shares = enumerated(
        f"{_percent(one.before.share_significant)} before and "
        f"{_percent(one.after.share_significant)} after for {one.edges.strategy}"
        for one in harmonised
    )
    found.append(
        "Edges whose means differ between batches (one-way analysis of variance, p < 0.05, "
        f"uncorrected; 5 % by chance): {shares}."
    )
    etas = enumerated(
        f"{_share(one.before)} before and {_share(one.after)} after for {one.edges.strategy}"
        for one in harmonised
    )
    chance = _percent(float(harmonised[0].chance[len(harmonised[0].chance) // 2]))
    found.append(
        "Share of an edge's variance that is between batches (eta squared), median over edges: "
        f"{etas}; about {chance} by chance."
    )
    if harmonised[0].batches.names:
        found.append(
            "The analysis of variance does not know the preserved covariates: where batches "
            "differ in them, edges that change with them differ as well, and should."
        )
    missing = [one for one in harmonised if one.not_harmonised]
    if missing:
        of = enumerated(
            f"{one.not_harmonised:,} of {one.edges.n_edges:,} for {one.edges.strategy}"
            for one in missing
        )
        found.append(
            f"Edges that a batch has in fewer than 2 participants, or that do not vary, have no "
            f"estimate and are n/a: {of}."
        )
    return found


def harmonised_in_short(one: Harmonised) -> str:
    """What was harmonised of a combination, in a line."""
    name = edges_name(one.edges.entities).removesuffix("_edges.h5")
    counts = ", ".join(f"{label} {n:,}" for label, n in one.batches.counts.items())
    dropped = f", {len(one.batches.dropped):,} dropped" if one.batches.dropped else ""
    return (
        f"{name}: {one.batches.column} harmonised "
        f"({counts}{dropped}); edges with p < 0.05 between batches: "
        f"{_percent(one.before.share_significant)} before, "
        f"{_percent(one.after.share_significant)} after"
    )


def _counts(one: Harmonised) -> str:
    counts = one.batches.counts
    of = enumerated(f"{n:,} of {label}" for label, n in counts.items())
    rows = counted(sum(counts.values()), "participant")
    return f"{rows} in {counted(len(counts), 'batch', 'batches')}: {of}."


def _percent(share: float) -> str:
    if math.isnan(share):
        return "n/a"
    percent = 100 * share
    return "0 %" if percent == 0 else f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def _share(effect: Effect) -> str:
    return _percent(effect.median_eta_squared)
