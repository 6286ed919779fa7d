"""The figure of strategies' reliability, identifiability, networks and QC-FC, and its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from bids_labelx.group.rows import Row
from bids_labelx.group.trust import RatedStrategies
from bids_labelx.group.trust_columns import CRITERION
from bids_labelx.names import build_name
from bids_labelx.pictures.label_colours import PALETTE
from bids_labelx.report.figures import DPI, default_style
from bids_labelx.report.group_figure_files import (
    Picture,
    all_but_strategy,
    atlas_of,
    drawn_picture,
    where,
)
from bids_labelx.report.group_figures import mark_value, wrapped
from bids_labelx.report.group_tables import rounded
from bids_labelx.words import two_decimals

_BLUE, _VERMILLION = PALETTE[4], PALETTE[5]
_COLUMNS = 3

# Labels of the panels, columns of their values, and what chance gives where it is always the same.
_ICC = (("ICC(2,1), agreement", "icc21"), ("ICC(3,1), consistency", "icc31"))
_SHARES = (
    ("participants identified", "fingerprint", None, "share"),
    ("discriminability", "discriminability", 0.5, "share"),
    ("system segregation", "segregation", None, "(within − between) / within"),
    ("median |QC-FC|", "median_abs_qcfc", None, "over edges"),
)


@dataclass(frozen=True)
class TrustPanel:
    """One measure of all strategies.

    Attributes
    ----------
    label
        Its name.
    values
        Of each strategy; None where there is none.
    spans
        Quartiles of each strategy; empty where there are none.
    chance
        What chance gives; None where that is not known.
    ends
        Of the axis.
    note
        What the values are, in a few words.
    """

    label: str
    values: list[float | None]
    spans: list[tuple[float, float] | None]
    chance: float | None
    ends: tuple[float, float]
    note: str


def trust_panels(rows: Sequence[Row]) -> list[TrustPanel]:
    """The measures that some strategy has a value of, those of one kind on one scale."""
    icc = [
        (label, _values(rows, f"{key}_median"), _spans(rows, key))
        for label, key in _ICC
        if any(one is not None for one in _values(rows, f"{key}_median"))
    ]
    inner = [end for _, _, spans in icc for span in spans if span for end in span]
    ends = _ends(inner)
    note = "median and quartiles of edges"
    shown = [TrustPanel(label, values, spans, None, ends, note) for label, values, spans in icc]
    for label, key, chance, note in _SHARES:
        values = _values(rows, key)
        if key == "fingerprint":
            chance = _values(rows, "fingerprint_chance")[0]
        shown.append(_shares(label, values, chance, note))
    scores = dict.fromkeys(k for row in rows for k in row if k.startswith(CRITERION))
    for key in scores:
        stem, _, score = key.rpartition("_")
        if score in ("r", "auc"):
            words = "r of predicted" if score == "r" else "AUC of"
            label = f"{words} {stem.removeprefix(CRITERION)}"
            chance, values = 0.0 if score == "r" else 0.5, _values(rows, key)
            shown.append(_shares(label, values, chance, "out of fold"))
    return [one for one in shown if any(value is not None for value in one.values)]


def _shares(label: str, values: list[float | None], chance: float | None, note: str) -> TrustPanel:
    """A panel from 0 to 1 at least; its note tells what chance gives."""
    if chance is not None:
        note += f"; by chance {two_decimals(chance)}"
    return TrustPanel(label, values, [], chance, _ends(values, most=1.0), note)


def trust_picture(output: Path, rated: RatedStrategies, *, static: bool) -> Picture | None:
    """Show reliability, identifiability, networks and QC-FC of strategies; None without any.

    Parameters
    ----------
    output
        The output dataset.
    rated
        See `group.trust`.
    static
        Whether to draw it into a file as well.
    """
    panels = trust_panels(rated.rows)
    if not panels:
        return None
    names = [str(row["strategy"]) for row in rated.rows]
    entities = all_but_strategy(rated.entities[0])
    told = "; ".join(f"{one.label}: {_told(names, one)}" for one in panels)
    data = {
        "kind": "trust",
        "strategies": names,
        "panels": [_data(one) for one in panels],
    }
    return drawn_picture(
        data,
        f"Bars of strategies, {atlas_of(entities)}: {where(entities)}. {told}",
        "Reliability of edges (median over edges, line: quartiles), participants identified, "
        "segregation of networks and QC-FC by strategy; red: by chance. Reliable is not valid",
        output / "figures" / ("group_" + build_name(entities, "trust", ".svg")),
        partial(plot_trust, names, panels) if static else None,
    )


def _data(one: TrustPanel) -> Mapping[str, Any]:
    return {
        "label": one.label,
        "values": rounded(_numbers(one.values), 0.001),
        "spans": [span and rounded(span, 0.001) for span in one.spans],
        "chance": one.chance,
        "note": one.note,
        "ends": one.ends,
    }


@default_style()
def plot_trust(names: Sequence[str], panels: Sequence[TrustPanel]) -> Figure:
    """Draw a panel for each measure with a horizontal bar for each strategy.

    Lines on bars span the quartiles over edges, dashed lines are what chance gives.
    """
    columns = min(_COLUMNS, len(panels))
    n_rows = ceil(len(panels) / columns)
    figure = Figure(
        figsize=(1.4 + 2.9 * columns, n_rows * (0.95 + 0.34 * len(names))),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
        facecolor="white",
    )
    axes = figure.subplots(n_rows, columns, squeeze=False, sharey=True).ravel()
    places = np.arange(len(names))
    for own, one in zip(axes, panels, strict=False):
        _draw(own, one, places)
    axes[0].set_yticks(places, [wrapped(name) for name in names], fontsize=9, parse_math=False)
    axes[0].invert_yaxis()
    for own in axes[len(panels) :]:
        own.remove()
    return figure


def _draw(axes: Axes, panel: TrustPanel, places: np.ndarray) -> None:
    axes.barh(places, _numbers(panel.values), height=0.62, color=_BLUE)
    axes.axvline(0, color="black", linewidth=0.6)
    right = [max(value or 0.0, 0.0) for value in panel.values]
    if panel.chance is not None:
        # A value stands clear of the line of chance.
        near = panel.chance - 0.3 * (panel.ends[1] - panel.ends[0])
        right = [panel.chance if near < end < panel.chance else end for end in right]
    for place, span in enumerate(panel.spans):
        if span:
            axes.plot(span, (place, place), color="black", linewidth=1.2, marker="|", markersize=6)
            right[place] = max(right[place], span[1])
    if panel.chance is not None:
        axes.axvline(panel.chance, color=_VERMILLION, linestyle="--", linewidth=1.2)
    for place, value in enumerate(panel.values):
        text = "n/a" if value is None else two_decimals(value)
        mark_value(axes, right[place], place, text)
    low, high = panel.ends
    axes.set_xlim(low, high + 0.22 * (high - low))
    # Beyond the end is room for the values alone.
    axes.set_xticks(
        [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    )
    axes.set_title(panel.label, fontsize=9.5, parse_math=False)
    axes.set_xlabel(panel.note, fontsize=8.5, parse_math=False)
    axes.tick_params(labelsize=9, length=2, width=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _values(rows: Sequence[Row], key: str) -> list[float | None]:
    found = [row.get(key) for row in rows]
    return [None if value is None or pd.isna(value) else float(value) for value in found]


def _spans(rows: Sequence[Row], key: str) -> list[tuple[float, float] | None]:
    ends = zip(_values(rows, f"{key}_q1"), _values(rows, f"{key}_q3"), strict=True)
    return [None if low is None or high is None else (low, high) for low, high in ends]


def _ends(values: Sequence[float | None], most: float = 0.0) -> tuple[float, float]:
    """Of an axis: from 0 or the lowest value to the highest one."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([most, *known])
    return (low, high) if high > low else (low, low + 1.0)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _told(names: Sequence[str], panel: TrustPanel) -> str:
    pairs = zip(names, panel.values, strict=True)
    return ", ".join(f"{n} {'n/a' if v is None else two_decimals(v)}" for n, v in pairs)
