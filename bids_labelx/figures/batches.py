"""The figure of harmonisation: how batches differ, before and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from bids_labelx.figures.style import DPI, default_style
from bids_labelx.group.harmonize import SHARES, Harmonised
from bids_labelx.pictures.label_colours import PALETTE

_BEFORE, _AFTER, _CHANCE = PALETTE[0], PALETTE[4], "#8a949e"


@default_style()
def plot_batches(harmonised: Sequence[Harmonised]) -> Figure:
    """Draw eta squared over edges and the batches' means, a row per strategy."""
    most = max(len(one.batches.counts) for one in harmonised)
    figure = Figure(
        figsize=(8.4, (1.7 + 0.16 * most) * len(harmonised) + 0.7),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
        facecolor="white",
    )
    axes = figure.subplots(len(harmonised), 2, squeeze=False)
    for one, (left, right) in zip(harmonised, axes, strict=True):
        x = 100 * SHARES
        left.plot(x, 100 * one.before.quantiles, color=_BEFORE, label="before")
        left.plot(x, 100 * one.after.quantiles, color=_AFTER, label="after")
        left.plot(x, 100 * one.chance, color=_CHANCE, linestyle="--", label="by chance")
        left.set_title(one.edges.strategy, fontsize=9.5, parse_math=False)
        left.set_ylabel("variance between\nbatches (%)", fontsize=8.5)
        left.set_ylim(bottom=0)
        places = np.arange(len(one.batches.counts))
        before = np.array([one.before.means[label] for label in one.batches.counts])
        after = np.array([one.after.means[label] for label in one.batches.counts])
        right.hlines(places, before, after, color=_CHANCE, linewidth=1)
        right.plot(before, places, "o", color=_BEFORE, markersize=4.5)
        right.plot(after, places, "o", color=_AFTER, markersize=4.5)
        right.set_yticks(
            places,
            [f"{label} ({n:,})" for label, n in one.batches.counts.items()],
            fontsize=8.5,
            parse_math=False,
        )
        right.set_ylim(len(places) - 0.5, -0.5)
        low, high = (end(np.nan_to_num([before, after])) for end in (np.min, np.max))
        # At least 0.1 wide: what differs less looks alike.
        room = max(0.1 * (high - low), 0.05 - (high - low) / 2)
        right.set_xlim(low - room, high + room)
        right.xaxis.set_major_locator(MaxNLocator(5))
        for own in (left, right):
            own.tick_params(labelsize=8.5, length=2, width=0.6)
            own.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("edges, sorted (%)", fontsize=9)
    axes[-1, 1].set_xlabel("mean Fisher z of all edges", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=3, fontsize=8.5, frameon=False
    )
    return figure
