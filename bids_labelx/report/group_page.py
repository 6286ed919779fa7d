"""The group's report, put together from what the group level found.

Nothing is computed again: the tables are those that were written, or what a page shows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.errors import Failure
from bids_labelx.files import write_text
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.exclusion import Limits
from bids_labelx.names import build_name, counted, parse_name
from bids_labelx.outputs.failures import subject_of
from bids_labelx.outputs.results import ATLAS_ENTITIES
from bids_labelx.report.group_figure_files import (
    RUN,
    all_but_strategy,
    atlas_of,
    quality_pictures,
    strategy_pictures,
    where,
)
from bids_labelx.report.group_tables import (
    MOST_RUNS,
    lost_table,
    numbers,
    runs_table,
    strategies_table,
)
from bids_labelx.report.pages import Part, Picture, Section, group_page
from bids_labelx.report.qcfc_words import qcfc_in_words

MOST_WARNINGS = 20


@dataclass(frozen=True)
class GroupContent:
    """What a group's page is made of.

    Attributes
    ----------
    quality
        As ``group_qc.tsv``.
    limits, excluded_by
        What a run has to meet, and how many rows of `quality` each limit excludes; see
        `exclusion.count_excluded`.
    coverage
        Each ``group_atlas-…_coverage.tsv`` by its name.
    evidence
        Of each combination, those that differ in the strategy alone next to each other.
    matrices
        The atlas and the picture of each mean matrix.
    lost
        The picture of the labels that are lost, by the name of the coverage table.
    participants
        Of each participant: label, page (empty where there is none), status in words.
    problems
        What the group level found broken or missing.
    absent
        Participants in the input alone.
    not_averaged
        Measures that have no mean.
    files
        What the group level wrote, within the output dataset.
    """

    quality: pd.DataFrame
    limits: Limits
    excluded_by: Mapping[str, int]
    coverage: Mapping[str, pd.DataFrame]
    evidence: Sequence[Evidence]
    matrices: Sequence[tuple[str, Picture]]
    lost: Mapping[str, Picture]
    participants: Sequence[tuple[str, str, str]]
    problems: Sequence[Failure]
    absent: Sequence[str]
    not_averaged: Sequence[str]
    files: Sequence[str]


def write_group_report(output: Path, content: GroupContent) -> list[Path]:
    """Draw what is not drawn yet, and write ``group.html``.

    Returns
    -------
    list of pathlib.Path
        All pictures of the page, within the output dataset.
    """
    sections = [
        _runs(content),
        _quality(output, content),
        _matrices(content),
        _strategies(output, content),
        _lost(content),
    ]
    page = group_page(
        _summary(output, content),
        sections,
        content.participants,
        __version__,
        warnings=_warnings(content),
        files=files_by_kind(content.files),
    )
    write_text(output / "group.html", page)
    drawn = [one for section in sections for part in section.parts for one in part.pictures]
    return [Path(path) for one in drawn for path in (one.src, one.hover) if path]


def files_by_kind(files: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Tables first, then the matrices and edges of each combination, under what they are."""
    kinds: dict[str, list[str]] = {"Tables": []}
    for path in files:
        if path.endswith(("_relmat.tsv", "_edges.h5")):
            stem = path.removesuffix("_edges.h5").partition("_stat-")[0]
            kinds.setdefault(stem.removeprefix("group_").replace("_", " "), []).append(path)
        else:
            kinds["Tables"].append(path)
    return list(kinds.items())


def _summary(output: Path, content: GroupContent) -> tuple[tuple[str, str], ...]:
    quality = content.quality
    excluded = int(numbers(quality, "excluded").sum())
    failed = int(quality["problem"].notna().sum()) if "problem" in quality else 0
    by = ", ".join(f"{count:,} by {option}" for option, count in content.excluded_by.items())
    facts = [
        ("Participants", f"{quality['participant_id'].nunique():,}"),
        ("Runs", f"{len(quality[RUN].drop_duplicates()):,}"),
        ("Atlases", ", ".join(sorted(quality["atlas"].unique()))),
        ("Denoising strategies", ", ".join(sorted(quality["strategy"].unique()))),
        (
            "Excluded",
            f"{excluded:,} of {len(quality):,} runs × strategies: {by}"
            if by
            else "none: no limit was asked for",
        ),
        ("Failed or broken", f"{failed:,} of {len(quality):,} runs × strategies"),
    ]
    if content.absent:
        facts.append(("In the input alone", ", ".join(f"sub-{one}" for one in content.absent)))
    if content.not_averaged:
        measures = ", ".join(sorted(content.not_averaged))
        facts.append(("Not averaged", f"{measures}: Fisher's z is for correlations"))
    return (*facts, ("Output", str(output)))


def _warnings(content: GroupContent) -> list[str]:
    shown = [f"{subject_of(one)}: {one.message}" for one in content.problems[:MOST_WARNINGS]]
    more = len(content.problems) - len(shown)
    return [*shown, f"and {more:,} more: see the runs and participants"] if more else shown


def _runs(content: GroupContent) -> Section:
    pages = {label: page for label, page, _ in content.participants}
    table, marked = runs_table(content.quality, pages)
    full = ("group_qc.tsv",) if len(content.quality) > MOST_RUNS else ()
    return Section("runs", "Runs", (Part(tables=(table,), marked=marked, files=full),))


def _quality(output: Path, content: GroupContent) -> Section:
    pictures = quality_pictures(output, content.quality, content.limits)
    text = (
        "Each run counts once in a panel. It is called excluded if it is with any of the "
        "strategies and atlases that the panel is about."
    )
    nothing = "No run has figures of quality."
    return Section(
        "quality", "Quality", (Part(text=(text if pictures else nothing,), pictures=(*pictures,)),)
    )


def _matrices(content: GroupContent) -> Section:
    text = (
        "Fisher's z of the correlations, averaged over participants edge by edge; the runs of one "
        "are averaged first. A region that is lost is left out where it is lost: the files with "
        "stat-n have the number of participants behind each edge. Runs that are excluded are in "
        "none of them. Covariance and precision are not averaged."
    )
    atlases = list(dict.fromkeys(atlas for atlas, _ in content.matrices))
    parts = [
        Part(atlas, pictures=tuple(picture for own, picture in content.matrices if own == atlas))
        for atlas in atlases
    ]
    first = Part(text=(text if parts else "There is no mean matrix.",))
    return Section("matrices", "Mean matrices", (first, *parts))


def _strategies(output: Path, content: GroupContent) -> Section:
    text = (
        "Motion leaves traces in connectivity. QC-FC is the correlation, over participants, of an "
        "edge with mean FD: where a strategy works, it is near 0, and does not depend on the "
        "distance between the regions (Ciric et al., 2017; Parkes et al., 2018). What a strategy "
        "costs are degrees of freedom. No figure tells alone which strategy is best: one that "
        "takes out the signal, too, lowers QC-FC as well."
    )
    groups = groupby(content.evidence, key=lambda one: all_but_strategy(one.entities))
    parts = [_strategies_part(output, entities, list(own)) for entities, own in groups]
    first = Part(text=(text if parts else "There is no matrix to compare strategies with.",))
    return Section("strategies", "Strategies", (first, *parts))


def _strategies_part(
    output: Path, entities: Mapping[str, str], evidence: Sequence[Evidence]
) -> Part:
    table = pd.DataFrame(
        [{**one.row, "edges": one.edges.edges, "volumes": one.volumes} for one in evidence]
    )
    what = f"{atlas_of(entities)}: {where(entities)}"
    coverage = build_name(
        {k: entities[k] for k in ATLAS_ENTITIES if k in entities}, "qcfc", ".tsv"
    )
    return Part(
        what,
        points=tuple(qcfc_in_words(table)),
        pictures=tuple(strategy_pictures(output, evidence)),
        tables=(strategies_table(table, f"Strategies, {what}"),),
        files=(f"group_{coverage}",),
    )


def _lost(content: GroupContent) -> Section:
    parts = []
    for name, coverage in content.coverage.items():
        atlas = atlas_of(parse_name(Path(name)).entities)
        table = lost_table(coverage, atlas)
        runs = counted(int(coverage["runs"].iloc[0]), "run")
        picture = content.lost.get(name)
        parts.append(
            Part(
                atlas,
                text=() if table else (f"None of {len(coverage):,} labels was lost in {runs}.",),
                pictures=(picture,) if picture else (),
                tables=(table,) if table else (),
                files=(name,),
            )
        )
    nothing = Part(text=("There is no label table.",))
    return Section("lost-labels", "Lost labels", tuple(parts) or (nothing,))
