"""What the group page draws: data for its script, main numbers in words, and static figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError
from bids_labelx.figures.group import (
    Distribution,
    bin_edges,
    plot_cost,
    plot_distance_dependence,
    plot_distributions,
    plot_qcfc,
)
from bids_labelx.figures.panels import plot_values
from bids_labelx.figures.style import Draw, save_figure
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.exclusion import Limits
from bids_labelx.group.mean_matrices import AVERAGED
from bids_labelx.group.rows import motion_words
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs.paths import report_figure
from bids_labelx.outputs.results import ATLAS_ENTITIES, RESULT_ENTITIES
from bids_labelx.pictures.packing import read_script, write_script
from bids_labelx.pictures.run_data import panel_from
from bids_labelx.report.group_tables import numbers, rounded
from bids_labelx.report.pages import FigureFile, Part
from bids_labelx.words import as_text, counted

# Columns that identify a run, whatever atlas and strategy.
RUN = ["participant_id", "session_id", "run"]

# What captions tell in words, or of the atlas.
_TOLD = (*ATLAS_ENTITIES, *RESULT_ENTITIES)


@dataclass(frozen=True)
class Picture:
    """A picture that the page's script draws.

    Attributes
    ----------
    data
        For the script: ``kind``, and what a picture of this kind needs.
    alt
        What a reader who does not see it needs to know.
    caption
        Stands below it.
    files
        Static figures of the same.
    scripts
        Files with more data, within the output dataset.
    """

    data: Mapping[str, Any]
    alt: str
    caption: str
    files: tuple[FigureFile, ...] = ()
    scripts: tuple[Path, ...] = ()


@dataclass(frozen=True)
class GroupPart(Part):
    """A part with pictures below what the others have, perhaps of one atlas."""

    pictures: tuple[Picture, ...] = ()
    atlas: str = ""


def quality_pictures(
    output: Path, quality: pd.DataFrame, limits: Limits, *, static: bool
) -> list[Picture]:
    """Show how motion, minutes kept and coverage are distributed over runs.

    Parameters
    ----------
    output
        The output dataset.
    quality
        As ``group_qc.tsv``.
    limits
        Of exclusion; drawn as lines.
    static
        Whether to draw them into files as well.
    """
    table = quality.reset_index(drop=True).assign(
        mean_fd=numbers(quality, "mean_fd").to_numpy(),
        minutes_kept=numbers(quality, "minutes_kept").to_numpy(),
        min_coverage=numbers(quality, "min_coverage").to_numpy(),
        left=(1 - numbers(quality, "labels_lost") / numbers(quality, "labels")).to_numpy(),
        excluded=numbers(quality, "excluded").to_numpy(),
        everything="",
    )
    rows = (
        ("mean_fd", "everything", "mean FD (mm)", None, limits.max_mean_fd, 0.001),
        ("minutes_kept", "strategy", "minutes kept", None, limits.min_minutes or None, 0.01),
        ("min_coverage", "atlas", "lowest coverage of a label", (0.0, 1.0), None, 0.001),
        (
            *("left", "atlas", "share of labels present", (0.0, 1.0)),
            *(limits.min_coverage_share or None, 0.001),
        ),
    )
    pictures = []
    for column, by, measure, ends, limit, step in rows:
        panels, unknown = _distributions(table, column, by)
        if not panels:
            continue
        edges = bin_edges(panels, ends, limit)
        data = {
            "kind": "distributions",
            "measure": measure,
            "limit": limit,
            "step": step,
            "edges": [float(f"{edge:.9g}") for edge in edges],
            "panels": [
                {
                    "title": one.title,
                    "counts": [np.histogram(v, edges)[0].tolist() for v in one.by_exclusion],
                    "values": rounded(one.values, step),
                    "rows": one.rows.tolist(),
                    "excluded": one.excluded.astype(int).tolist(),
                }
                for one in panels
            ],
        }
        limit_text = "" if limit is None else f"; limit {limit:g}"
        more = f"; {counted(unknown, 'run')} without a value" if unknown else ""
        each = "" if by == "everything" else f", by {by}"
        pictures.append(
            drawn_picture(
                data,
                f"Histograms of {measure} over runs. "
                + "; ".join(_in_numbers(panel) for panel in panels)
                + limit_text,
                f"{measure[0].upper()}{measure[1:]} per run{each}{limit_text}{more}",
                output / "figures" / f"group_{column.replace('_', '')}_hist.svg",
                partial(plot_distributions, panels, edges, measure, limit) if static else None,
            )
        )
    return pictures


def strategy_pictures(
    output: Path, evidence: Sequence[Evidence], *, static: bool
) -> list[Picture]:
    """Show QC-FC and the cost of strategies of the same combination otherwise."""
    entities = all_but_strategy(evidence[0].entities)
    what = f"{atlas_of(entities)}: {where(entities)}"
    lost = ", ".join(f"{one.row['strategy']} {as_text(float(one.lost[1]))}" for one in evidence)
    shown = [
        (
            "qcfc",
            plot_qcfc,
            f"Histograms of QC-FC over edges of {what}. Median |r|: "
            + _values(evidence, "median_abs_qcfc"),
            "QC-FC of all edges: the narrower about 0, the less residual motion",
        ),
        (
            "distance",
            plot_distance_dependence,
            f"QC-FC by distance of the regions of {what}. Spearman's rho: "
            + _values(evidence, "distance_dependence"),
            "QC-FC by distance, in bins of equal numbers of edges: the flatter and nearer to 0, "
            "the less residual motion",
        ),
        (
            "cost",
            plot_cost,
            f"Bars of strategies, {what}. Mean loss of degrees of freedom: {lost}. Modularity of "
            f"positive edges: {_values(evidence, 'modularity')}. Signed modularity: "
            + _values(evidence, "signed_modularity"),
            "Loss of degrees of freedom per run, and modularity of the mean matrix with the "
            "networks of the label table, of positive edges alone and of both signs",
        ),
    ]
    strategies = [_strategy_data(one) for one in evidence]
    common = {"moved": motion_words(evidence[0].row["motion"]), "strategies": strategies}
    return [
        drawn_picture(
            {"kind": suffix, **common},
            alt,
            caption,
            output / "figures" / ("group_" + build_name(entities, suffix, ".svg")),
            partial(plot, evidence) if static else None,
        )
        for suffix, plot, alt, caption in shown
        # Of runs that another program denoised the degrees of freedom are unknown.
        if (
            np.isfinite([one.lost[1] for one in evidence]).all()
            if suffix == "cost"
            else any(one.edges.edges for one in evidence)
        )
    ]


def _strategy_data(one: Evidence) -> dict[str, Any]:
    columns = ("median_abs_qcfc", "distance_dependence", "modularity", "signed_modularity")
    known = {key: one.row[key] for key in columns if pd.notna(one.row[key])}
    return {
        "strategy": one.row["strategy"],
        **known,
        "chance": one.chance if one.edges.edges else None,
        "counts": one.edges.counts.tolist(),
        "distance": rounded(one.edges.distance, 0.1),
        "quartiles": [rounded(values, 0.001) for values in one.edges.quartiles],
        "points": [rounded(point, 0.001) for point in one.edges.points],
        "lost": one.lost if np.isfinite(one.lost[1]) else None,
    }


def missing_picture(
    output: Path, name: str, coverage: pd.DataFrame, tables: Sequence[Path], *, static: bool
) -> Picture:
    """Show how often each label of an atlas is missing, on the whole atlas.

    Parameters
    ----------
    output
        The output dataset.
    name, coverage
        Of ``group_atlas-…_coverage.tsv``.
    tables
        The label tables behind it. The atlas is drawn as the first run has it whose page has a
        picture of it.
    static
        Whether to draw it into a file as well.
    """
    shares = coverage["lost_in_runs"] / coverage["runs"]
    data: dict[str, Any] = {
        "kind": "missing",
        "names": coverage["name"].tolist(),
        "lost": coverage["lost_in_runs"].tolist(),
        "runs": int(coverage["runs"].iloc[0]),
    }
    worst = int(shares.to_numpy().argmax())
    atlas = atlas_of(parse_name(Path(name)).entities)
    alt = (
        f"Share of runs in which each label of {atlas} is missing: {(shares > 0).sum():,} of "
        f"{counted(len(shares), 'label')}, most often {coverage['name'][worst]} with "
        f"{100 * shares[worst]:.0f} % of the runs"
    )
    caption = f"Share of runs in which each label of {atlas} is missing"
    drawn = _whole_atlas(output, tables, coverage["index"].astype(str).tolist())
    if drawn is None:
        return Picture(data, alt, caption)
    path = Path("figures", name.replace("_coverage.tsv", "_lost.png"))
    script = path.with_name(f"{path.stem}_report.js")
    write_script(output / script, drawn)
    data["src"] = script.as_posix()
    caption += "; the whole atlas on the grid of one run"
    plot = partial(
        plot_values,
        [panel_from(panel) for panel in drawn["panels"]],
        shares.to_numpy(),
        measure="share of runs without the label",
        limits=(0, 1),
        cmap="YlOrRd",
    )
    picture = drawn_picture(data, alt, caption, output / path, plot if static else None)
    return replace(picture, scripts=(script,))


def _whole_atlas(
    output: Path, tables: Sequence[Path], ids: Sequence[str]
) -> dict[str, Any] | None:
    """An atlas as the first run has it whose data can be read and drawn; None without any."""
    for table in tables:
        path = output / report_figure(parse_name(table).entities, "report", ".js")
        try:
            data = read_script(path) if path.is_file() else {}
            known = data.get("panels") and list(map(str, data["regions"]["index"])) == ids
        except (BadDataError, KeyError):
            # It is no result, and that of another run does as well.
            continue
        if known:
            # Without the participant's own image; on surfaces it is the light.
            bare = [
                one if one["plane"] is None else {**one, "background": None}
                for one in data["panels"]
            ]
            return {"kind": "atlas", "panels": bare}
    return None


def atlas_of(entities: Mapping[str, str]) -> str:
    """An atlas in words: its name, segmentation and scale."""
    return " ".join(entities[key] for key in ATLAS_ENTITIES if key in entities)


def all_but_strategy(entities: Mapping[str, str]) -> dict[str, str]:
    """The entities that strategies which can be compared have in common."""
    return {key: value for key, value in entities.items() if key != "desc"}


def where(entities: Mapping[str, str]) -> str:
    """A combination in words, without its atlas and strategy."""
    measure = AVERAGED[entities["meas"]].partition(",")[0]
    return ", ".join([*place_of(entities), f"{measure} of {entities['stat']} region signals"])


def place_of(entities: Mapping[str, str]) -> list[str]:
    """The entities of runs, as in file names."""
    return [f"{key}-{value}" for key, value in entities.items() if key not in _TOLD]


def drawn_picture(
    data: Mapping[str, Any],
    alt: str,
    caption: str,
    path: Path,
    plot: Draw | None,
) -> Picture:
    """A picture with its static figure, where there is something to plot it with."""
    if plot is None:
        return Picture(data, alt, caption)
    save_figure(plot(), path)
    return Picture(data, alt, caption, (FigureFile(f"figures/{path.name}", alt, caption),))


def _distributions(quality: pd.DataFrame, column: str, by: str) -> tuple[list[Distribution], int]:
    """A panel for each value of `by`, and the number of runs of the panels without a value."""
    groups = quality.assign(row=quality.index).groupby([by, *RUN], dropna=False, observed=True)
    runs = groups.agg({column: "first", "excluded": "max", "row": "first"})
    known = runs[runs[column].notna()]
    return [
        Distribution(
            str(title),
            own[column].to_numpy(float),
            (own["excluded"] == 1).to_numpy(),
            own["row"].to_numpy(int),
        )
        for title, own in known.groupby(level=0, observed=True)
    ], len(runs) - len(known)


def _in_numbers(panel: Distribution) -> str:
    title = f"{panel.title}: " if panel.title else ""
    return (
        f"{title}{counted(len(panel.values), 'run')}, median "
        f"{as_text(float(np.median(panel.values)))}, from {as_text(float(panel.values.min()))} to "
        f"{as_text(float(panel.values.max()))}, {int(panel.excluded.sum()):,} excluded"
    )


def _values(evidence: Sequence[Evidence], column: str) -> str:
    return ", ".join(
        f"{one.row['strategy']} {'n/a' if pd.isna(one.row[column]) else f'{one.row[column]:.2f}'}"
        for one in evidence
    )
