"""Figures of the group's page: quality over runs, and QC-FC by strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bids_labelx.figures.style import DPI, default_style
from bids_labelx.group.evidence import HISTOGRAM, EdgeSummary, Evidence
from bids_labelx.group.rows import motion_words
from bids_labelx.pictures.label_colours import PALETTE
from bids_labelx.words import two_decimals

PANELS_PER_ROW = 4

_ORANGE, _BLUE, _VERMILLION = PALETTE[0], PALETTE[4], PALETTE[5]
_PALE = "#d9dde1"
_FEWEST_BARS, _MOST_BARS = 20, 40
_LINE = 34
_MODULARITIES = (
    ("modularity", "modularity, positive edges"),
    ("signed_modularity", "signed modularity"),
)


@dataclass(frozen=True)
class Distribution:
    """Values of runs, for one panel of a figure.

    Attributes
    ----------
    title
        Of the panel.
    values
        Of the runs, without NaN.
    excluded
        Which of them are excluded from the group matrices.
    rows
        A row of the quality table of each.
    """

    title: str
    values: NDArray[np.floating]
    excluded: NDArray[np.bool_]
    rows: NDArray[np.integer]

    @property
    def by_exclusion(self) -> list[NDArray[np.floating]]:
        """Values of the runs that are included, and of those that are excluded."""
        return [self.values[~self.excluded], self.values[self.excluded]]


def bin_edges(
    panels: Sequence[Distribution], ends: tuple[float, float] | None, limit: float | None
) -> list[float]:
    """Edges of bins of equal width for all panels; no bin extends across the limit.

    Parameters
    ----------
    panels
        At least one.
    ends
        The first and last edge. By default from 0 to the highest value or `limit`; beyond these
        where bins have to end at the limit.
    limit
        None where there is none.
    """
    values = np.concatenate([panel.values for panel in panels])
    most = max(len(panel.values) for panel in panels)
    low, high = ends or (0.0, max(*values, limit or 0.0, 0.0) if values.size else 1.0)
    high = high if high > low else low + 1.0
    width = (high - low) / int(np.clip(2 * np.sqrt(most), _FEWEST_BARS, _MOST_BARS))
    start = low if limit is None else limit - ceil((limit - low) / width - 1e-9) * width
    count = ceil((high - start) / width - 1e-9)
    edges = [start + width * k for k in range(count + 1)]
    # By a rounding error a value at the end may be beyond the last edge.
    return [min(edges[0], low), *edges[1:-1], max(edges[-1], high)]


@default_style()
def plot_distributions(
    panels: Sequence[Distribution],
    edges: Sequence[float],
    measure: str,
    limit: float | None = None,
) -> Figure:
    """Draw stacked histograms over runs with common axes; excluded runs are hatched.

    Parameters
    ----------
    panels, edges
        See `bin_edges`.
    measure
        Label of the axis, with unit.
    limit
        Of exclusion, drawn as a line. None draws none.
    """
    any_excluded = any(panel.excluded.any() for panel in panels)
    figure, axes = _grid(len(panels), (4.2, 2.9) if len(panels) == 1 else (3.0, 2.5))
    for panel, own in zip(panels, axes, strict=True):
        own.hist(
            panel.by_exclusion,
            bins=edges,
            stacked=True,
            color=[_BLUE, _ORANGE],
            edgecolor="white",
            linewidth=0.4,
            label=["included", "excluded" if any_excluded else "_none"],
        )
        for bar in own.containers[1]:
            bar.set(hatch="////", edgecolor="black")
        if limit is not None:
            own.axvline(limit, color="black", linestyle="--", linewidth=1.2, label="limit")
        own.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        room = 0.02 * (edges[-1] - edges[0])
        own.set_xlim(edges[0] - room, edges[-1] + room)
        _name(own, panel.title, len(panels))
    figure.supxlabel(measure, fontsize=9, parse_math=False)
    figure.supylabel("runs", fontsize=9)
    _legend(figure, axes[0])
    return figure


@default_style()
def plot_qcfc(evidence: Sequence[Evidence]) -> Figure:
    """Draw histograms of QC-FC over edges, a panel per strategy with the same axes.

    Lines mark plus and minus the median of ``|r|``. The grey band would contain half of the edges
    if they were unrelated to motion; see `Evidence.chance`.
    """
    figure, axes = _grid(len(evidence), (3.0, 2.6))
    highest = 0.0
    for one, own in zip(evidence, axes, strict=True):
        own.set_xlim(-1, 1)
        if one.edges.edges:
            chance = one.chance
            share = 100 * one.edges.counts / one.edges.edges
            highest = max(highest, float(share.max()))
            median = one.row["median_abs_qcfc"]
            own.axvspan(
                -chance, chance, color=_PALE, zorder=0, label="half of the edges if unrelated"
            )
            own.stairs(share, HISTOGRAM, fill=True, color=_BLUE, label="edges")
            for at, label in ((median, "± median |r|"), (-median, None)):
                own.axvline(at, color=_VERMILLION, linestyle="--", linewidth=1.4, label=label)
            note = f"median |r| {median:.2f}, {one.edges.edges:,} edges"
        else:
            note = "no QC-FC"
        _name(own, one.row["strategy"], len(evidence), note)
    axes[0].set_ylim(0, 1.05 * highest if highest else 1)
    moved = motion_words(evidence[0].row["motion"])
    figure.supxlabel(f"QC-FC: r of an edge and {moved}, over participants", fontsize=9)
    figure.supylabel("% of edges", fontsize=9)
    _legend(figure, next((own for own in axes if own.patches), axes[0]))
    return figure


@default_style()
def plot_distance_dependence(evidence: Sequence[Evidence]) -> Figure:
    """Draw QC-FC by the distance of two regions, a panel per strategy with the same axes.

    Median and quartiles of bins with equal numbers of edges; if there are few, every edge as well.
    """
    figure, axes = _grid(len(evidence), (3.0, 2.6))
    shown = [mm for one in evidence for mm in (one.edges.distance, one.edges.points[:, 0])]
    farthest = max(float(mm.max(initial=0)) for mm in shown)
    for one, own in zip(evidence, axes, strict=True):
        _draw_distance(own, one.edges)
        rho = one.row["distance_dependence"]
        known = rho is not None and np.isfinite(rho)
        note = f"rho {two_decimals(rho)}" if known else "rho n/a"
        own.set_xlim(0, 1.04 * farthest if farthest else 1)
        own.set_ylim(-1.04, 1.04)
        own.set_yticks([-1, -0.5, 0, 0.5, 1])
        _name(own, one.row["strategy"], len(evidence), note)
    figure.supxlabel("distance between the regions' centroids (mm)", fontsize=9)
    figure.supylabel("QC-FC (r)", fontsize=9)
    _legend(figure, next((own for own in axes if own.collections), axes[0]))
    return figure


def _draw_distance(axes: Axes, edges: EdgeSummary) -> None:
    axes.axhline(0, color="black", linewidth=0.6)
    if len(edges.points):
        mm, r = edges.points.T
        axes.scatter(mm, r, s=6, color="#8a949e", linewidths=0, label="edges")
    if len(edges.distance):
        low, middle, high = edges.quartiles
        axes.fill_between(
            edges.distance, low, high, color=_BLUE, alpha=0.3, linewidth=0, label="quartiles"
        )
        axes.plot(
            edges.distance, middle, color=_BLUE, marker="o", markersize=3, label="median of a bin"
        )


@default_style()
def plot_cost(evidence: Sequence[Evidence]) -> Figure:
    """Draw the loss of degrees of freedom and the modularities of strategies as horizontal bars.

    The bar of degrees of freedom is the mean over runs, its line spans least to most. Without any
    modularity there are no panels for it.
    """
    columns = [([one.row[name] for one in evidence], label) for name, label in _MODULARITIES]
    shown = [(values, label) for values, label in columns if values.count(None) < len(values)]
    n_panels = 1 + len(shown)
    figure = Figure(
        figsize=(1.2 + (4.0 if n_panels < 3 else 3.1) * n_panels, 1.3 + 0.34 * len(evidence)),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
        facecolor="white",
    )
    axes = figure.subplots(1, n_panels, squeeze=False, sharey=True)[0]
    places = np.arange(len(evidence))
    means = np.array([one.lost[1] for one in evidence])
    ends = np.array([(one.lost[0], one.lost[2]) for one in evidence], dtype=float)
    axes[0].barh(
        places,
        means,
        height=0.62,
        color=_BLUE,
        # By a rounding error a mean may be below the least value.
        xerr=np.maximum(np.abs(ends.T - means), 0),
        error_kw={"elinewidth": 1.2, "capsize": 3, "ecolor": "black"},
    )
    for place, one in enumerate(evidence):
        mark_value(axes[0], float(one.lost[2]), place, f"{one.lost[1]:.4g}")
    axes[0].set_xlim(0, 1.2 * float(ends.max(initial=0)) or 1)
    axes[0].set_xlabel("loss of degrees of freedom (mean, range)", fontsize=9)
    axes[0].set_yticks(
        places, [wrapped(one.row["strategy"]) for one in evidence], fontsize=9, parse_math=False
    )
    axes[0].invert_yaxis()
    # On one scale: one beside the other shows what negative edges make of it.
    every = [value for values, _ in shown for value in values if value is not None]
    low, high = min([0.0, *every]), max([0.0, *every])
    room = 0.25 * (high - low) or 1.0
    for own, (values, label) in zip(axes[1:], shown, strict=True):
        known = np.array([np.nan if value is None else value for value in values])
        own.barh(places, known, height=0.62, color=_BLUE)
        own.axvline(0, color="black", linewidth=0.6)
        for place, value in enumerate(known):
            text = "n/a" if np.isnan(value) else two_decimals(value)
            mark_value(own, max(float(np.nan_to_num(value)), 0), place, text)
        own.set_xlim(low - (0.1 * room if low else 0), high + room)
        own.set_xlabel(label, fontsize=9)
    for own in axes:
        own.tick_params(labelsize=9, length=2, width=0.6)
        own.spines[["top", "right"]].set_visible(False)
    return figure


def mark_value(axes: Axes, x: float, y: float, text: str) -> None:
    """Write a value beside the end of its bar."""
    axes.annotate(
        text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.5
    )


def _grid(count: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels with the same axes, each of `size` inches."""
    columns = min(count, PANELS_PER_ROW)
    rows = ceil(count / columns)
    figure = Figure(
        figsize=(columns * size[0] + 0.4, rows * size[1] + 0.6),
        dpi=DPI,
        # Room at the edges: an SVG's text is wider where another font than this one is found.
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08),
        facecolor="white",
    )
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for place, own in enumerate(axes):
        own.tick_params(labelsize=8, length=2, width=0.6)
        own.spines[["top", "right"]].set_visible(False)
        if place + columns >= count:
            own.tick_params(labelbottom=True)
    for own in axes[count:]:
        own.remove()
    return figure, list(axes[:count])


def _name(axes: Axes, title: str, panels: int, note: str = "") -> None:
    lines = [title if panels == 1 else wrapped(title), note]
    axes.set_title("\n".join(filter(None, lines)), fontsize=9.5, parse_math=False)


def wrapped(text: str) -> str:
    """A name in whole, in lines as wide as a panel; it may have no blank to break at."""
    return fill(text, _LINE)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside upper center", ncols=4, fontsize=8.5, frameon=False
        )
