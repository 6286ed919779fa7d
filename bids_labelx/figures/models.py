"""Static figures of a group model, from the data that the page draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.figures.style import DPI, default_style
from bids_labelx.pictures.label_colours import PALETTE

# Title, axes across and up, and what is on the right.
VIEWS = (
    ("left and right", 1, 2, "front →"),
    ("from behind", 0, 2, "right →"),
    ("from above", 0, 1, "right →"),
)
_BLUE, _VERMILLION, _PALE = PALETTE[4], PALETTE[5], "#8a949e"
MOST_NAMED = 40  # rows of a design
_AROUND = 14.0  # mm from the outer centroids to the outside of the brain


@default_style()
def plot_glass(data: Mapping[str, Any]) -> Figure:
    """Draw edges between centroids from three sides, a row per strategy.

    Parameters
    ----------
    data
        Of the page's picture of the kind ``glass``.
    """
    points = np.array([[np.nan] * 3 if p is None else p for p in data["points"]], dtype=float)
    known = points[np.isfinite(points).all(axis=1)]
    strategies = data["strategies"]
    figure = Figure(
        figsize=(9.5, 3.1 * len(strategies) + 0.4),
        dpi=DPI,
        layout="constrained",
        facecolor="white",
    )
    grid = figure.subplots(len(strategies), 3, squeeze=False)
    colours = colormaps["RdBu_r"]
    scale = Normalize(-data["limit"], data["limit"])
    for own, strategy in zip(grid, strategies, strict=True):
        for axes, (title, across, up, right) in zip(own, VIEWS, strict=True):
            axes.fill(*_outline(known[:, [across, up]]), facecolor="#e7eaec", edgecolor=_PALE)
            axes.plot(known[:, across], known[:, up], ".", color=_PALE, markersize=3)
            for i, j, t, _ in strategy["edges"]:
                ends = points[[i, j]]
                axes.plot(ends[:, across], ends[:, up], color=colours(scale(t)), linewidth=1.6)
            axes.set_title(title, fontsize=8.5)
            axes.set_xlabel(right, fontsize=8, loc="right")
            axes.set_aspect("equal")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        label = f"{strategy['strategy']}\n{strategy['note']}"
        own[0].set_ylabel(label, fontsize=8.5, parse_math=False, wrap=True)
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=grid, location="bottom", shrink=0.3, aspect=30
    )
    bar.set_label(data["measure"], fontsize=9)
    return figure


def _outline(points: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The hull of points, moved outwards; no point without three that span a plane."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        return np.empty(0), np.empty(0)
    away = hull - hull.mean(axis=0)
    moved = hull + _AROUND * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    return moved[:, 0], moved[:, 1]


@default_style()
def plot_permutations(data: Mapping[str, Any]) -> Figure:
    """Draw what the permutations give, with the data and the 5 % limit.

    Parameters
    ----------
    data
        Of the page's picture of the kind ``permutations``.
    """
    strategies = data["strategies"]
    rows = -(-len(strategies) // 2)
    size = 8.5, 2.3 * rows + 0.4
    figure = Figure(figsize=size, dpi=DPI, layout="constrained", facecolor="white")
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, one in zip(panels, strategies, strict=False):
        axes.stairs(one["counts"], one["edges"], fill=True, color=_PALE)
        axes.axvline(one["critical"], color=_BLUE, linestyle="--", label="5 % are beyond")
        axes.axvline(one["observed"], color=_VERMILLION, label="the data")
        axes.set_title(one["strategy"], fontsize=9, parse_math=False)
        axes.set_xlabel(one["label"], fontsize=8.5)
        axes.set_ylabel("permutations", fontsize=8.5)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(strategies) :]:
        axes.remove()
    panels[0].legend(fontsize=8, frameon=False)
    return figure


@default_style()
def plot_design(data: Mapping[str, Any]) -> Figure:
    """Draw the rows and columns of a design, each column from its lowest to its highest value.

    Parameters
    ----------
    data
        Of the page's picture of the kind ``design``.
    """
    values = np.array(data["values"], dtype=float)
    low, size = values.min(axis=0), np.ptp(values, axis=0)
    scaled = np.where(size > 0, (values - low) / np.where(size > 0, size, 1), 0.5)
    n_rows, n_columns = values.shape
    figure = Figure(
        figsize=(2.5 + min(0.7 * n_columns, 8), 1.6 + min(max(0.16 * n_rows, 1.2), 7)),
        dpi=DPI,
        layout="constrained",
        facecolor="white",
    )
    axes = figure.subplots()
    image = axes.imshow(
        scaled, aspect="auto", cmap=colormaps["cividis"], vmin=0, vmax=1, interpolation="none"
    )
    # As many names as there is room for.
    step = -(-n_rows // MOST_NAMED)
    axes.set_yticks(range(0, n_rows, step), data["rows"][::step], fontsize=7, parse_math=False)
    axes.set_xticks(
        range(n_columns), data["columns"], fontsize=8, rotation=30, ha="right", parse_math=False
    )
    bar = figure.colorbar(image, ax=axes, ticks=[0, 1])
    bar.set_ticklabels(["lowest", "highest"])
    bar.set_label("value of the column", fontsize=8)
    return figure
