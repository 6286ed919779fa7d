"""The group's report, made from the results of the group level; nothing is computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.errors import Failure
from bids_labelx.files import write_text
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.exclusion import Limits
from bids_labelx.group.harmonize import Harmonised
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.rows import motion_words
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs.compact import output_of
from bids_labelx.outputs.failures import failures_by_kind, subject_of
from bids_labelx.outputs.results import ATLAS_ENTITIES
from bids_labelx.outputs.states import FAILED, PARTLY_DONE
from bids_labelx.pictures.packing import pack_integers
from bids_labelx.report.assets import write_assets
from bids_labelx.report.citations import Methods, as_plain
from bids_labelx.report.group_figure_files import (
    GroupPart,
    Picture,
    all_but_strategy,
    atlas_of,
    missing_picture,
    quality_pictures,
    strategy_pictures,
    where,
)
from bids_labelx.report.group_matrices import GroupMatrix, matrix_pictures
from bids_labelx.report.group_tables import (
    missing_table,
    numbers,
    runs_data,
    strategies_table,
)
from bids_labelx.report.harmonize_part import harmonisation_parts
from bids_labelx.report.pages import render_template
from bids_labelx.report.qcfc_words import qcfc_in_words
from bids_labelx.report.rating_part import rated_parts
from bids_labelx.words import counted

MOST_WARNINGS = 20


@dataclass(frozen=True)
class MadeBy:
    """The program, another than this, that made the time series.

    Attributes
    ----------
    name, version
        Of the program.
    reference
        Its key in the bibliography.
    """

    name: str
    version: str
    reference: str


@dataclass(frozen=True)
class GroupContent:
    """The content of a group's page.

    Attributes
    ----------
    quality
        As ``group_qc.tsv``.
    limits, excluded_by
        Limits of exclusion, and how many rows of `quality` each option excludes; see
        `exclusion.count_excluded`.
    coverage
        Each ``group_atlas-…_coverage.tsv`` by its name.
    evidence
        Of each combination, those that differ in the strategy only next to each other.
    rated
        Strategies of the same matrices otherwise, of all sessions.
    matrices
        The mean matrices, in the order of `evidence`.
    labels
        The label tables that each coverage table is over, within the output dataset.
    strategies
        In the order in which they were given to the participant level.
    participants
        Of each participant: label, page (empty where there is none), status in words.
    states
        How many runs are done, partly done and failed, in words.
    failures
        What the participant level could not do.
    problems
        What the group level found broken or missing.
    absent
        Participants of the input without outputs.
    averaged
        What the matrices of a participant are averaged over, in words.
    run_weights
        How these are weighted, in words.
    findings
        What harmonisation and models have found, a line each.
    notes
        What a user has to know of these and of the means.
    not_averaged
        Measures that have no mean.
    files
        The files of the group level, within the output dataset.
    models
        A part for each contrast of each model, over the strategies; see `group_models`.
    methods
        The methods text; None leaves it out.
    harmonised
        What was harmonised, in the order of `evidence`.
    made_by
        Who made the time series, where it was another program.
    """

    quality: pd.DataFrame
    limits: Limits
    excluded_by: Mapping[str, int]
    coverage: Mapping[str, pd.DataFrame]
    evidence: Sequence[Evidence]
    rated: Sequence[RatedStrategies]
    matrices: Sequence[GroupMatrix]
    labels: Mapping[str, Sequence[Path]]
    strategies: Sequence[str]
    participants: Sequence[tuple[str, str, str]]
    states: str
    failures: Sequence[Failure]
    problems: Sequence[Failure]
    absent: Sequence[str]
    averaged: str
    run_weights: str
    findings: Sequence[str]
    notes: Sequence[str]
    not_averaged: Sequence[str]
    files: Sequence[str]
    harmonised: Sequence[Harmonised] = ()
    models: Sequence[GroupPart] = ()
    methods: Methods | None = None
    made_by: MadeBy | None = None


# Anchor, heading and parts.
_Section = tuple[str, str, Sequence[GroupPart]]


def write_group_report(output: Path, content: GroupContent, *, static: bool) -> list[Path]:
    """Write ``group.html`` and the files beside it.

    Parameters
    ----------
    output
        The output dataset.
    content
        What is on the page.
    static
        Whether to draw figures as files of their own as well.

    Returns
    -------
    list of pathlib.Path
        All files of the page's figures, within the output dataset.
    """
    quality = _in_order(content.quality, content.strategies)
    matrices = matrix_pictures(output, content.matrices, static=static)
    harmonised = (
        harmonisation_parts(output, content.harmonised, static=static)
        if content.harmonised
        else []
    )
    sections: list[_Section] = [
        ("quality", "Quality", [_quality(output, quality, content, static=static)]),
        ("matrices", "Mean matrices", _matrices(content, matrices)),
        ("strategies", "Strategies", _strategies(output, content.evidence, static)),
        (
            "reliability",
            "Reliability of strategies",
            rated_parts(output, content.rated, static=static),
        ),
        *_if_any("harmonisation", "Harmonisation", harmonised),
        *_if_any("models", "Models", content.models),
        ("missing-labels", "Missing labels", _missing(output, content, static)),
    ]
    pictures = [one for _, _, parts in sections for part in parts for one in part.pictures]
    data = {
        "runs": runs_data(quality),
        "participants": content.participants,
        "pictures": [one.data for one in pictures],
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    page = render_template(
        "group.html",
        version=__version__,
        summary=_summary(output, content),
        findings=content.findings,
        notes=content.notes,
        warnings=_warnings(content),
        rows=counted(len(quality), "row"),
        states=content.states,
        sections=sections,
        participants=content.participants,
        methods=as_plain(content.methods).split("\n\n") if content.methods else [],
        files=files_by_kind(content.files),
        # As bytes, which the page unpacks like other integers.
        contents=pack_integers(np.frombuffer(text.encode(), np.uint8)),
    )
    write_assets(output)
    write_text(output / "group.html", page)
    static_files = [Path(file.src) for one in pictures for file in one.files]
    return [*static_files, *(path for one in pictures for path in one.scripts)]


def _if_any(anchor: str, title: str, parts: Sequence[GroupPart]) -> list[_Section]:
    """A section, where it has parts."""
    return [(anchor, title, parts)] if parts else []


def _in_order(quality: pd.DataFrame, strategies: Sequence[str]) -> pd.DataFrame:
    """The rows with the strategies of a run in the order in which they were typed."""
    order = list(dict.fromkeys([*strategies, *quality["strategy"]]))
    typed = quality.assign(strategy=pd.Categorical(quality["strategy"], order, ordered=True))
    keys = ["participant_id", "session_id", "run", "atlas", "strategy"]
    return typed.sort_values(keys, kind="stable", ignore_index=True)


def files_by_kind(files: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Group files: tables first, then matrices and edges by combination."""
    kinds: dict[str, list[str]] = {"Tables": []}
    for path in files:
        if path.endswith(("_relmat.tsv", "_edges.h5", "_edges.parquet")):
            stem = path.partition("_edges.")[0].partition("_stat-")[0]
            kinds.setdefault(stem.removeprefix("group_").replace("_", " "), []).append(path)
        else:
            kinds["Tables"].append(path)
    return list(kinds.items())


def _summary(output: Path, content: GroupContent) -> tuple[tuple[str, str], ...]:
    quality = content.quality
    excluded = int(numbers(quality, "excluded").sum())
    by = ", ".join(f"{count:,} by {option}" for option, count in content.excluded_by.items())
    rows = f"{counted(len(quality), 'row')} (run × atlas × strategy)"
    facts = [
        ("Participants", f"{quality['participant_id'].nunique():,}"),
        ("State", content.states),
        ("Atlases", ", ".join(sorted(quality["atlas"].unique()))),
        ("Denoising strategies", ", ".join(dict.fromkeys(content.strategies))),
        (
            "Excluded",
            f"{excluded:,} of {rows}: {by}" if by else "none: no limits are set",
        ),
        ("Failed, missing or broken", f"{_incomplete(quality)} of {rows}"),
        ("Averaged within participants over", content.averaged),
        ("Run weights", content.run_weights),
    ]
    if content.made_by:
        facts.append(("Time series made by", f"{content.made_by.name} {content.made_by.version}"))
    if content.absent:
        facts.append(("Without outputs", ", ".join(f"sub-{one}" for one in content.absent)))
    if content.not_averaged:
        measures = ", ".join(sorted(content.not_averaged))
        facts.append(("Not averaged", f"{measures}: Fisher's z applies to correlations only"))
    return (*facts, ("Output", str(output_of(output) or output)))


def _incomplete(quality: pd.DataFrame) -> str:
    """How many rows are not done, and how many of these have some of their results."""
    counts = quality["state"].value_counts()
    partly = int(counts.get(PARTLY_DONE, 0))
    total = partly + int(counts.get(FAILED, 0))
    return f"{total:,} ({partly:,} partly)" if partly else f"{total:,}"


def _warnings(content: GroupContent) -> list[str]:
    texts = [
        f"{subjects[0]}: {message}"
        + (f" (and {len(subjects) - 1:,} more such)" if len(subjects) > 1 else "")
        for subjects, message in failures_by_kind(content.failures)
    ]
    texts += [f"{subject_of(one)}: {one.message}" for one in content.problems]
    more = len(texts) - MOST_WARNINGS
    shown = texts[:MOST_WARNINGS]
    return [*shown, f"and {more:,} more: see runs and participants"] if more > 0 else shown


def _quality(
    output: Path, quality: pd.DataFrame, content: GroupContent, *, static: bool
) -> GroupPart:
    pictures = quality_pictures(output, quality, content.limits, static=static)
    pages = any(page for _, page, _ in content.participants)
    text = (
        "Each run is counted once; it is marked excluded if any shown strategy or atlas excludes "
        "it. Each dot is a run"
    )
    text += ", and leads to its participant's page." if pages else "."
    return GroupPart(
        text=(text if pictures else "No run has quality measures.",), pictures=tuple(pictures)
    )


def _matrices(content: GroupContent, matrices: Sequence[tuple[str, Picture]]) -> list[GroupPart]:
    text = (
        "Fisher's z of the correlations, averaged over participants edge by edge, each of whom "
        f"counts equally. The matrices of one are averaged first, over {content.averaged}; their "
        f"weights: {content.run_weights}. Runs in which a region is missing do not contribute to "
        "its edges: the files with stat-n have the number of participants of each edge. A "
        "correlation of ±1 has no finite z and is in no mean, and neither are excluded runs. "
        "Covariance and precision are not averaged."
    )
    atlases = dict.fromkeys(atlas for atlas, _ in matrices)
    parts = [
        GroupPart(atlas, pictures=tuple(own for of, own in matrices if of == atlas), atlas=atlas)
        for atlas in atlases
    ]
    return [GroupPart(text=(text if parts else "There is no mean matrix.",)), *parts]


def _strategies(output: Path, evidence: Sequence[Evidence], static: bool) -> list[GroupPart]:
    moved = motion_words(evidence[0].row["motion"]) if evidence else "motion"
    text = (
        "Motion biases connectivity. QC-FC is the correlation, over participants, of an edge with "
        f"{moved}, which is over all volumes and without a motion filter, so that it "
        "is the same for all strategies. A strategy that removes motion artifacts has QC-FC near "
        "0 that does not depend on the distance between the regions (Ciric et al., 2017; Parkes "
        "et al., 2018), at the cost of degrees of freedom. No single measure shows which strategy "
        "is best: one that also removes signal lowers QC-FC as well."
    )
    groups = groupby(evidence, key=lambda one: all_but_strategy(one.entities))
    parts = [_strategies_part(output, entities, list(own), static) for entities, own in groups]
    first = GroupPart(text=(text if parts else "There is no matrix to compare strategies by.",))
    return [first, *parts]


def _strategies_part(
    output: Path, entities: Mapping[str, str], evidence: Sequence[Evidence], static: bool
) -> GroupPart:
    table = pd.DataFrame(
        [
            {
                **one.row,
                "edges": one.edges.edges,
                "volumes": one.volumes,
                "covariate_columns": one.covariate_columns,
            }
            for one in evidence
        ]
    )
    what = f"{atlas_of(entities)}: {where(entities)}"
    coverage = build_name(
        {k: entities[k] for k in ATLAS_ENTITIES if k in entities}, "qcfc", ".tsv"
    )
    return GroupPart(
        what,
        points=tuple(qcfc_in_words(table)),
        pictures=tuple(strategy_pictures(output, evidence, static=static)),
        tables=(strategies_table(table, f"Strategies, {what}"),),
        files=(f"group_{coverage}",),
        atlas=atlas_of(entities),
    )


def _missing(output: Path, content: GroupContent, static: bool) -> list[GroupPart]:
    parts = []
    for name, coverage in content.coverage.items():
        atlas = atlas_of(parse_name(Path(name)).entities)
        table = missing_table(coverage, atlas)
        runs = counted(int(coverage["runs"].iloc[0]), "run")
        if table is None:
            text = f"None of {counted(len(coverage), 'label')} is missing in any of {runs}."
            parts.append(GroupPart(atlas, text=(text,), files=(name,), atlas=atlas))
            continue
        picture = missing_picture(output, name, coverage, content.labels[name], static=static)
        parts.append(
            GroupPart(atlas, pictures=(picture,), tables=(table,), files=(name,), atlas=atlas)
        )
    return parts or [GroupPart(text=("There is no label table.",))]
