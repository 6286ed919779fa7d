"""The picture of harmonisation: data on how batches differ, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.figures.batches import plot_batches
from bids_labelx.group.harmonize import Harmonised
from bids_labelx.names import build_name
from bids_labelx.report.group_figure_files import Picture, atlas_of, drawn_picture, where
from bids_labelx.report.group_tables import rounded


def harmonisation_picture(
    output: Path, entities: Mapping[str, str], harmonised: Sequence[Harmonised], *, static: bool
) -> Picture:
    """Show eta squared over edges and the batches' means, before and after.

    Parameters
    ----------
    output
        The output dataset.
    entities
        What the combinations have in common.
    harmonised
        Those that differ in the strategy only.
    static
        Whether to draw it into a file as well.
    """
    data = {"kind": "batches", "strategies": [_data(one) for one in harmonised]}
    medians = "; ".join(
        f"{one.edges.strategy} {100 * one.before.median_eta_squared:.1f} % and "
        f"{100 * one.after.median_eta_squared:.1f} %"
        for one in harmonised
    )
    column = harmonised[0].batches.column
    return drawn_picture(
        data,
        f"Differences between batches ({column}) of {atlas_of(entities)}: {where(entities)}. "
        f"Median share of variance between batches before and after: {medians}",
        "Share of each edge's variance that is between batches, edges sorted by it, and the mean "
        "over all edges of each batch, before and after harmonisation",
        output / "figures" / ("group_" + build_name(entities, "harmonisation", ".svg")),
        partial(plot_batches, harmonised) if static else None,
    )


def _data(one: Harmonised) -> dict[str, Any]:
    return {
        "strategy": one.edges.strategy,
        "edges": one.before.edges,
        "before": rounded(100 * one.before.quantiles, 0.01),
        "after": rounded(100 * one.after.quantiles, 0.01),
        "chance": rounded(100 * one.chance, 0.01),
        "batches": [
            [label, count, *_means(one, label)] for label, count in one.batches.counts.items()
        ],
    }


def _means(one: Harmonised, label: str) -> list[float | None]:
    means = [one.before.means[label], one.after.means[label]]
    return [None if np.isnan(mean) else round(mean, 4) for mean in means]
