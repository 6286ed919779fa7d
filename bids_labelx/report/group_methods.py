"""The methods text of the group level: what was done for the results on its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bids_labelx._version import __version__
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.harmonize import Harmonised
from bids_labelx.group.rating_columns import CRITERION
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.retest import HALVES
from bids_labelx.group.rows import motion_words
from bids_labelx.models.results import ModelResult
from bids_labelx.outputs.sidecars import software_versions
from bids_labelx.report.citations import (
    Methods,
    cite,
    cite_within,
    make_methods,
    read_bibliography,
    unmarked,
)
from bids_labelx.report.group_page import GroupContent
from bids_labelx.report.methods import software_in_words, software_key, software_reference
from bids_labelx.settings import Settings
from bids_labelx.words import counted, enumerated


def group_methods(
    content: GroupContent,
    settings: Settings,
    results: Sequence[ModelResult] = (),
    apart: Sequence[str] = (),
) -> Methods:
    """Write the methods text of the group level with all that it cites.

    Parameters
    ----------
    content
        What is on the page.
    settings
        Of the group level.
    results
        Of models.
    apart
        By what there are several means of a participant.
    """
    bibliography = {
        **read_bibliography(),
        software_key(__version__): software_reference(__version__),
    }
    paragraphs = [
        _participants(content),
        _means(content, settings, apart),
        _qcfc(content.evidence, settings.qcfc_covariates),
        *(_ratings(content.rated, settings) if content.rated else ()),
        _harmonised(content.harmonised),
        *_models(results, settings),
    ]
    return make_methods([one for one in paragraphs if one], bibliography)


def _participants(content: GroupContent) -> str:
    quality = content.quality
    people = counted(int(quality["participant_id"].nunique()), "participant")
    limits = content.limits
    rules = []
    if limits.max_mean_fd is not None:
        rules.append(f"a mean framewise displacement above {limits.max_mean_fd:g} mm")
    if limits.min_minutes:
        rules.append(f"less than {limits.min_minutes:g} min left after censoring")
    if limits.min_coverage_share:
        rules.append(f"less than {100 * limits.min_coverage_share:g} % of the labels covered")
    excluded = int(quality["excluded"].fillna(0).sum()) if "excluded" in quality else 0
    said = [
        f"Results of {people} were combined with bids_labelx {__version__} "
        f"{cite(software_key(__version__))}."
    ]
    if content.made_by:
        made = content.made_by
        said.append(
            "Time series and correlation matrices had been made, and denoised, by "
            f"{unmarked(f'{made.name} {made.version}')} {cite(made.reference)}."
        )
    if rules:
        said.append(
            f"Runs with {' or '.join(rules)} were "
            f"excluded: {excluded:,} of {counted(len(quality), 'combination')} of run, atlas and "
            "denoising strategy."
        )
    else:
        said.append("No run was excluded by a limit.")
    return " ".join([*said, software_in_words({k: [v] for k, v in software_versions().items()})])


def _means(content: GroupContent, settings: Settings, apart: Sequence[str]) -> str:
    if not content.matrices:
        return ""
    over = [
        f"{one}s" if one != "dir" else "phase encoding directions"
        for one in settings.averaged_over or ()
    ]
    within = (
        f"averaged within each participant over {enumerated(over)} (weights: "
        f"{content.run_weights}), and then "
        if over
        else ""
    )
    kept = f" There is a mean for each {enumerated(apart)}." if apart else ""
    return (
        f"Correlations between regions were transformed to Fisher's z, {within}averaged over "
        "participants, each of whom counted equally. This was done edge by edge; runs in which a "
        f"region was missing did not contribute to its edges.{unmarked(kept)}"
    )


def _qcfc(evidence: Sequence[Evidence], covariates: Sequence[str]) -> str:
    known = [one for one in evidence if one.row.get("median_abs_qcfc") is not None]
    if not known:
        return ""
    moved = motion_words(known[0].row["motion"])
    # Of strategies that are compared, over what all of them have.
    common = ", on the runs that all strategies have" if known[0].row.get("runs") else ""
    partial = ""
    if covariates:
        partial = f", with {enumerated(covariates)} held constant (partial correlation)"
    return (
        "Denoising strategies were compared by QC-FC, the correlation over participants of each "
        f"edge with {moved}{unmarked(partial)} {cite('qcfc')}{common}: by the median "
        "of its absolute value, the share of edges with p < 0.05 with the false discovery rate "
        f"{cite('fdr')}, and its Spearman correlation with the distance between the regions "
        f"{cite('qcfc_measures')}."
    )


def _ratings(rated: Sequence[RatedStrategies], settings: Settings) -> Iterator[str]:
    rows = [row for one in rated for row in one.rows]
    kinds = dict.fromkeys(str(row["retest"]) for row in rows if row.get("retest"))
    if kinds:
        halves = " (first and second half of the same runs)" if HALVES in kinds else ""
        text = (
            f"Test-retest reliability of edges over {enumerated(kinds)}{halves} was assessed by "
            f"the intraclass correlations ICC(2,1) and ICC(3,1) {cite('icc')}"
        )
        if any(row.get("fingerprint") is not None for row in rows):
            chance = ""
            if settings.permutations:
                chance = (
                    f", with a p value from {counted(settings.permutations, 'permutation')} of "
                    f"participants (seed {settings.seed})"
                )
            text += (
                ", identifiability by the share of participants whose edges correlated most with "
                f"their own of another repeat {cite('fingerprint')}{chance}, and by "
                f"discriminability {cite('discriminability')}"
            )
        yield f"{text}."
    if any(row.get("segregation") is not None for row in rows):
        yield (
            "Separation of the networks of the label table was measured by system segregation "
            f"{cite('segregation')}."
        )
    columns = dict.fromkeys(
        key.removeprefix(CRITERION).rpartition("_")[0]
        for row in rows
        for key, value in row.items()
        if key.startswith(CRITERION) and key.endswith(("_r", "_auc")) and value is not None
    )
    if columns:
        yield (
            f"From the edges, {unmarked(enumerated(columns))} "
            f"{'was' if len(columns) == 1 else 'were'} predicted by cross-validated ridge "
            "regression, with motion regressed out of the edges "
            f"within the training folds (seed {settings.seed})."
        )


def _harmonised(harmonised: Sequence[Harmonised]) -> str:
    if not harmonised:
        return ""
    batches = harmonised[0].batches
    counts = [one.batches.counts for one in harmonised]
    sizes: Mapping[str, int] = counts[0]
    numbers = ""
    if all(one == sizes for one in counts):
        numbers = f" ({', '.join(f'{label}: {n:,}' for label, n in sizes.items())})"
    preserved = (
        f"Linear effects of {enumerated(batches.preserved)} were preserved."
        if batches.preserved
        else "No covariate was preserved."
    )
    return (
        f"Differences between the {counted(len(sizes), 'batch', 'batches')} of "
        f"{unmarked(batches.column + numbers)} in the Fisher z of edges were removed with ComBat "
        f"{cite('combat', 'combat_imaging', 'combat_connectivity')}: the shift and scale of each "
        "edge and batch, shrunk by parametric empirical Bayes over edges. "
        f"{unmarked(preserved)}"
    )


def _models(results: Sequence[ModelResult], settings: Settings) -> Iterator[str]:
    """A paragraph on each model, and one on how all were tested."""
    by_model: dict[str, list[ModelResult]] = {}
    for one in results:
        by_model.setdefault(one.design.name, []).append(one)
    for name, own in by_model.items():
        yield _model(name, own)
    if not results:
        return
    said = [
        "Two-sided p values of t were corrected over edges for the false discovery rate "
        f"{cite('fdr')}."
    ]
    said += dict.fromkeys(_permuted(one) for one in results if one.edges.permuted)
    permuted = [one.edges.permuted for one in results if one.edges.permuted]
    if permuted:
        said.append(
            "The largest |t| over edges of each gave family-wise p values. In the network-based "
            f"statistic {cite('nbs')}, edges with |t| > {settings.nbs_threshold:g} formed "
            "components, whose size in edges was tested."
        )
        if any(one.networks for one in permuted):
            said.append(
                "Pairs of networks were tested by the constrained network-based statistic "
                f"{cite('cnbs')}."
            )
    else:
        said.append("There were no permutations, and so no family-wise p values.")
    yield " ".join(said)


def _model(name: str, results: Sequence[ModelResult]) -> str:
    first = results[0]
    designs = [one.design for one in results]
    contrasts = enumerated(
        dict.fromkeys(
            f"{one.contrast.name} ("
            + " + ".join(
                f"{weight:g} × {column}"
                for column, weight in zip(
                    one.design.columns.names, one.contrast.weights, strict=True
                )
                if weight
            )
            + ")"
            for one in results
        )
    )
    rows = sorted({len(one.rows) for one in designs})
    people = sorted({one.n_participants for one in designs})
    text = (
        f"Model {name}: the Fisher z of each edge was fitted by ordinary least squares with "
        f"{first.design.source}, over {_span(rows, 'row')} of {_span(people, 'participant')}"
    )
    if any(one.rows.entities.get("harm") for one in results):
        text += ", after harmonisation"
    if any(one.participants is not None for one in designs):
        text += ", with an intercept for each participant"
    return unmarked(f"{text}. Contrasts: {contrasts}.")


def _span(found: Sequence[int], noun: str) -> str:
    low, high = found[0], found[-1]
    return counted(low, noun) if low == high else f"{low:,} to {counted(high, noun)}"


def _permuted(one: ModelResult) -> str:
    assert one.edges.permuted is not None
    exchange = one.edges.permuted.exchange
    blocks = one.options.permutation_blocks
    how = [f"seed {one.options.seed}"] if not exchange.every else ["all that there are"]
    if blocks is not None:
        what = "whole blocks" if one.options.permute_blocks == "whole" else "within blocks"
        how.append(f"{what} of {unmarked(blocks)}")
    if one.design.participants is not None:
        how.append("within participants")
    return (
        f"Contrasts were also tested by {counted(len(exchange), exchange.kind[:-1])} of the "
        f"residuals of the model without the contrast ({', '.join(how)}; "
        f"{cite_within('freedman_lane', 'permutation')})."
    )
