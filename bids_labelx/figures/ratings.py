"""The figure of strategies' reliability, identifiability, networks and QC-FC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bids_labelx.figures.group import mark_value, wrapped
from bids_labelx.figures.style import DPI, default_style
from bids_labelx.pictures.label_colours import PALETTE
from bids_labelx.words import two_decimals

_BLUE, _VERMILLION = PALETTE[4], PALETTE[5]
_COLUMNS = 3


@dataclass(frozen=True)
class RatingPanel:
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

    @property
    def numbers(self) -> NDArray[np.floating]:
        """The values, NaN where there is none."""
        return np.array([np.nan if one is None else one for one in self.values], dtype=float)


@default_style()
def plot_ratings(names: Sequence[str], panels: Sequence[RatingPanel]) -> Figure:
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


def _draw(axes: Axes, panel: RatingPanel, places: np.ndarray) -> None:
    axes.barh(places, panel.numbers, height=0.62, color=_BLUE)
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
