"""The picture of strategies' reliability, identifiability, networks and QC-FC: its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bids_labelx.figures.ratings import RatingPanel, plot_ratings
from bids_labelx.group.rating_columns import CRITERION
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.rows import Row
from bids_labelx.names import build_name
from bids_labelx.report.group_figure_files import (
    Picture,
    all_but_strategy,
    atlas_of,
    drawn_picture,
    where,
)
from bids_labelx.report.group_tables import rounded
from bids_labelx.words import two_decimals

# Labels of the panels, columns of their values, and what chance gives where it is always the same.
_ICC = (("ICC(2,1), agreement", "icc21"), ("ICC(3,1), consistency", "icc31"))
_SHARES = (
    ("participants identified", "fingerprint", None, "share"),
    ("discriminability", "discriminability", 0.5, "share"),
    ("system segregation", "segregation", None, "(within − between) / within"),
    ("median |QC-FC|", "median_abs_qcfc", None, "over edges"),
)


def rating_panels(rows: Sequence[Row]) -> list[RatingPanel]:
    """The measures that some strategy has a value of, those of one kind on one scale."""
    icc = [
        (label, _values(rows, f"{key}_median"), _spans(rows, key))
        for label, key in _ICC
        if any(one is not None for one in _values(rows, f"{key}_median"))
    ]
    inner = [end for _, _, spans in icc for span in spans if span for end in span]
    ends = _ends(inner)
    note = "median and quartiles of edges"
    shown = [RatingPanel(label, values, spans, None, ends, note) for label, values, spans in icc]
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


def _shares(
    label: str, values: list[float | None], chance: float | None, note: str
) -> RatingPanel:
    """A panel from 0 to 1 at least; its note tells what chance gives."""
    if chance is not None:
        note += f"; by chance {two_decimals(chance)}"
    return RatingPanel(label, values, [], chance, _ends(values, most=1.0), note)


def rating_picture(output: Path, rated: RatedStrategies, *, static: bool) -> Picture | None:
    """Show reliability, identifiability, networks and QC-FC of strategies; None without any.

    Parameters
    ----------
    output
        The output dataset.
    rated
        See `group.ratings`.
    static
        Whether to draw it into a file as well.
    """
    panels = rating_panels(rated.rows)
    if not panels:
        return None
    names = [str(row["strategy"]) for row in rated.rows]
    entities = all_but_strategy(rated.entities[0])
    told = "; ".join(f"{one.label}: {_told(names, one)}" for one in panels)
    data = {
        "kind": "ratings",
        "strategies": names,
        "panels": [_data(one) for one in panels],
    }
    return drawn_picture(
        data,
        f"Bars of strategies, {atlas_of(entities)}: {where(entities)}. {told}",
        "Reliability of edges (median over edges, line: quartiles), participants identified, "
        "segregation of networks and QC-FC by strategy; red: by chance. Reliable is not valid",
        output / "figures" / ("group_" + build_name(entities, "ratings", ".svg")),
        partial(plot_ratings, names, panels) if static else None,
    )


def _data(one: RatingPanel) -> Mapping[str, Any]:
    return {
        "label": one.label,
        "values": rounded(one.numbers, 0.001),
        "spans": [span and rounded(span, 0.001) for span in one.spans],
        "chance": one.chance,
        "note": one.note,
        "ends": one.ends,
    }


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


def _told(names: Sequence[str], panel: RatingPanel) -> str:
    pairs = zip(names, panel.values, strict=True)
    return ", ".join(f"{n} {'n/a' if v is None else two_decimals(v)}" for n, v in pairs)
