"""Files of the group page's figures, with caption and main numbers in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bids_labelx.group.evidence import Evidence
from bids_labelx.group.exclusion import Limits
from bids_labelx.group.mean_matrices import AVERAGED, MeanMatrix, matrix_name
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs.results import ATLAS_ENTITIES, RESULT_ENTITIES
from bids_labelx.report.figures import matrix_order, plot_matrix, save_figure
from bids_labelx.report.group_figures import (
    Distribution,
    plot_cost,
    plot_distance_dependence,
    plot_distributions,
    plot_qcfc,
)
from bids_labelx.report.group_tables import numbers
from bids_labelx.report.pages import FigureFile
from bids_labelx.report.panel_figures import plot_values
from bids_labelx.report.panels import Panel
from bids_labelx.report.text import as_text, counted, region_signals
from bids_labelx.report.tooltips import save_with_tooltips

# Columns that identify a run, whatever atlas and strategy.
RUN = ["participant_id", "session_id", "run"]

# What captions tell in words, or of the atlas.
_TOLD = (*ATLAS_ENTITIES, *RESULT_ENTITIES)


def draw_mean_matrix(
    output: Path,
    entities: Mapping[str, str],
    mean: MeanMatrix,
    names: Sequence[str],
    networks: Sequence[str] | None,
    strategy: str,
) -> FigureFile:
    """Draw the mean matrix of a combination, denoised with `strategy`, into ``figures``."""
    measure = AVERAGED[entities["meas"]].partition(",")[0]
    what = f"{measure} of {region_signals(entities['stat'], strategy)}"
    place = " ".join(_place(entities))
    people = counted(mean.participants, "participant")
    figure = plot_matrix(
        mean.mean,
        names,
        networks=networks,
        title=f"{what[0].upper()}{what[1:]}; mean of {people}",
        measure=f"mean Fisher z of the {measure}",
    )
    path = Path("figures", f"{matrix_name(entities, 'mean')}.svg")
    order = matrix_order(networks, len(names))
    drawn = names if order is None else [names[i] for i in order]
    save_with_tooltips(figure, output / path, names=drawn)
    values = mean.mean[np.triu_indices(len(names), k=1)]
    values = values[np.isfinite(values)]
    spread = (
        f"{counted(len(values), 'pair')}, median {np.median(values):.2f}, from "
        f"{values.min():.2f} to {values.max():.2f}"
        if values.size
        else "no pair has a value"
    )
    return FigureFile(
        path.as_posix(),
        f"Matrix of the mean Fisher z between regions of {atlas_of(entities)}: {what}; {spread}",
        f"{what[0].upper()}{what[1:]}; {place}; {counted(mean.runs, 'run')} of {people}",
        path.with_suffix(".js").as_posix(),
    )


def draw_missing(
    output: Path,
    name: str,
    panels: Sequence[Panel],
    shares: Mapping[str, float],
) -> FigureFile:
    """Draw how often each label of an atlas is missing, on the labels of one run.

    Parameters
    ----------
    output
        The output dataset.
    name
        Of the coverage table.
    panels
        The labels of a run.
    shares
        By their names, the share of runs in which each is missing.
    """
    figure = plot_values(
        panels,
        np.array(list(shares.values()), dtype=float),
        measure="share of runs without the label",
        limits=(0, 1),
        cmap="YlOrRd",
    )
    texts = [
        f"{text} · missing in {100 * share:.0f} % of the runs" for text, share in shares.items()
    ]
    path = Path("figures", name.replace("_coverage.tsv", "_lost.png"))
    save_with_tooltips(figure, output / path, texts=texts)
    missing = {label: share for label, share in shares.items() if share > 0}
    worst = max(missing, key=lambda label: missing[label])
    atlas = atlas_of(parse_name(Path(name)).entities)
    return FigureFile(
        path.as_posix(),
        f"The labels of {atlas} in the brain, coloured by the share of runs in which each is "
        f"missing: {len(missing):,} of {counted(len(shares), 'label')}, most often {worst} with "
        f"{100 * missing[worst]:.0f} % of the runs",
        f"Share of runs in which a label of {atlas} is missing, on the labels of one run; labels "
        "without a voxel or vertex in that run are not visible, nor are subcortical ones on "
        "surfaces",
        path.with_suffix(".js").as_posix(),
    )


def quality_figures(output: Path, quality: pd.DataFrame, limits: Limits) -> list[FigureFile]:
    """Draw how motion, minutes kept and coverage are distributed over runs.

    Parameters
    ----------
    output
        The output dataset.
    quality
        As ``group_qc.tsv``.
    limits
        Of exclusion; drawn as lines.
    """
    table = quality.assign(
        mean_fd=numbers(quality, "mean_fd"),
        minutes_kept=numbers(quality, "minutes_kept"),
        min_coverage=numbers(quality, "min_coverage"),
        left=1 - numbers(quality, "labels_lost") / numbers(quality, "labels"),
        excluded=numbers(quality, "excluded"),
        everything="",
    )
    rows = (
        ("mean_fd", "everything", "mean FD (mm)", None, limits.max_mean_fd),
        ("minutes_kept", "strategy", "minutes kept", None, limits.min_minutes or None),
        ("min_coverage", "atlas", "lowest coverage of a label", (0.0, 1.0), None),
        (
            "left",
            "atlas",
            "share of labels present",
            (0.0, 1.0),
            limits.min_coverage_share or None,
        ),
    )
    figures = []
    for column, by, measure, ends, limit in rows:
        panels, unknown = _distributions(table, column, by)
        if not panels:
            continue
        figure = plot_distributions(panels, measure=measure, limits=ends, limit=limit)
        src = _save(output, figure, f"group_{column.replace('_', '')}_hist.svg")
        limit_text = "" if limit is None else f"; limit {limit:g}"
        more = f"; {counted(unknown, 'run')} without a value" if unknown else ""
        alt = "; ".join(_in_numbers(panel) for panel in panels)
        each = "" if by == "everything" else f", by {by}"
        figures.append(
            FigureFile(
                src,
                f"Histograms of {measure} over runs. {alt}{limit_text}",
                f"{measure[0].upper()}{measure[1:]} per run{each}{limit_text}{more}",
            )
        )
    return figures


def strategy_figures(output: Path, evidence: Sequence[Evidence]) -> list[FigureFile]:
    """Draw QC-FC and the cost of strategies of the same combination otherwise."""
    entities = all_but_strategy(evidence[0].entities)
    what = f"{atlas_of(entities)}: {where(entities)}"
    return [
        FigureFile(
            _save(output, figure, "group_" + build_name(entities, suffix, ".svg")), alt, text
        )
        for suffix, figure, alt, text in _drawn(evidence, what)
    ]


def atlas_of(entities: Mapping[str, str]) -> str:
    """An atlas in words: its name, segmentation and scale."""
    return " ".join(entities[key] for key in ATLAS_ENTITIES if key in entities)


def all_but_strategy(entities: Mapping[str, str]) -> dict[str, str]:
    """The entities that strategies which can be compared have in common."""
    return {key: value for key, value in entities.items() if key != "desc"}


def _distributions(quality: pd.DataFrame, column: str, by: str) -> tuple[list[Distribution], int]:
    """A panel for each value of `by`, and the number of runs of the panels without a value."""
    runs = quality.groupby([by, *RUN], dropna=False, sort=True)[[column, "excluded"]].agg(
        {column: "first", "excluded": "max"}
    )
    known = runs[runs[column].notna()]
    panels = []
    for title, own in known.groupby(level=0, sort=True):
        values, excluded = own[column].to_numpy(float), (own["excluded"] == 1).to_numpy()
        panels.append(Distribution(str(title), values[~excluded], values[excluded]))
    return panels, len(runs) - len(known)


def _in_numbers(panel: Distribution) -> str:
    values = np.concatenate((panel.included, panel.excluded))
    title = f"{panel.title}: " if panel.title else ""
    return (
        f"{title}{counted(len(values), 'run')}, median {as_text(float(np.median(values)))}, from "
        f"{as_text(float(values.min()))} to {as_text(float(values.max()))}, "
        f"{len(panel.excluded):,} excluded"
    )


def _drawn(evidence: Sequence[Evidence], what: str) -> Iterator[tuple[str, Figure, str, str]]:
    """Suffix, figure, alternative text and caption of each figure of strategies."""
    if any(one.edges.edges for one in evidence):
        yield (
            "qcfc",
            plot_qcfc(evidence),
            f"Histograms of QC-FC over edges of {what}. Median |r|: "
            + _values(evidence, "median_abs_qcfc"),
            "QC-FC of all edges: the narrower about 0, the less residual motion",
        )
        yield (
            "distance",
            plot_distance_dependence(evidence),
            f"QC-FC by distance of the regions of {what}. Spearman's rho: "
            + _values(evidence, "distance_dependence"),
            "QC-FC by distance, in bins of equal numbers of edges: the flatter and nearer to 0, "
            "the less residual motion",
        )
    lost = ", ".join(f"{one.row['strategy']} {one.lost[1]:.4g}" for one in evidence)
    yield (
        "cost",
        plot_cost(evidence),
        f"Bars of strategies, {what}. Mean loss of degrees of freedom: {lost}. Modularity of "
        f"positive edges: {_values(evidence, 'modularity')}. Signed modularity: "
        + _values(evidence, "signed_modularity"),
        "Loss of degrees of freedom per run, and modularity of the mean matrix with the networks "
        "of the label table, of positive edges alone and of both signs",
    )


def _values(evidence: Sequence[Evidence], column: str) -> str:
    return ", ".join(
        f"{one.row['strategy']} {'n/a' if pd.isna(one.row[column]) else f'{one.row[column]:.2f}'}"
        for one in evidence
    )


def where(entities: Mapping[str, str]) -> str:
    """A combination in words, without its atlas and strategy."""
    measure = AVERAGED[entities["meas"]].partition(",")[0]
    return ", ".join([*_place(entities), f"{measure} of {entities['stat']} region signals"])


def _place(entities: Mapping[str, str]) -> list[str]:
    """The entities of runs, as in file names."""
    return [f"{key}-{value}" for key, value in entities.items() if key not in _TOLD]


def _save(output: Path, figure: Figure, name: str) -> str:
    path = Path("figures", name)
    save_figure(figure, output / path)
    return path.as_posix()
