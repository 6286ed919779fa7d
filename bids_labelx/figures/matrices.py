"""Figures of matrices between regions."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bids_labelx.figures.axis_names import MAX_NAMES, MAX_NAMES_SMALL, NO_NETWORK, name_regions
from bids_labelx.figures.style import DPI, default_style
from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.pictures.label_colours import NO_VALUE
from bids_labelx.pictures.run_data import network_order, symmetric_limits

_TITLE_WIDTH = 46
_DARK = "#5b6770"


@default_style()
def plot_matrix(
    matrix: NDArray[Any],
    names: Sequence[str],
    *,
    networks: Sequence[str] | None = None,
    title: str,
    limits: tuple[float, float] | None = None,
    measure: str = "connectivity",
    survive: NDArray[np.bool_] | None = None,
) -> Figure:
    """Draw a region by region matrix, ordered by network, with a histogram at its colour scale.

    Up to 40 regions are all named. Of more, the networks are named if there are any, else every
    n-th region, and the axis says so.

    Parameters
    ----------
    matrix
        Values, shape (n, n); NaN where there is none.
    names
        The n region names, in the order of the rows.
    networks
        The network of each of the n regions; see `network_order` for how they are drawn. More
        than 40 networks are not shown, and the order is kept.
    title
        Title of the figure; a long one is wrapped.
    limits
        Ends of the colour scale, symmetric about zero. By default the 99th percentile of the
        absolute values off the diagonal.
    measure
        Label of the colour bar, with the unit if there is one.
    survive
        Symmetric, of the shape of the matrix: above the diagonal these cells alone are drawn.

    Returns
    -------
    Figure
        The matrix, its colour bar, and a histogram over pairs of regions; values beyond the limits
        are in the last bars.

    Raises
    ------
    ValueError
        If the shapes do not agree or the limits are not symmetric about zero.
    """
    matrix = np.asarray(matrix, dtype=float)
    count = len(names)
    if count == 0 or matrix.shape != (count, count):
        raise ValueError(f"{count} names for a matrix of shape {matrix.shape}")
    if networks is not None and len(set(networks)) > MAX_NAMES:
        networks = None
    order = network_order(networks, count)
    matrix = matrix[np.ix_(order, order)]
    drawn, empty = matrix, "no value (n/a)"
    if survive is not None:
        blank = np.triu(~np.asarray(survive)[np.ix_(order, order)], k=1)
        drawn, empty = np.where(blank, np.nan, matrix), f"{empty}; above the diagonal, no survivor"
    names = [names[i] for i in order]
    if networks is not None:
        networks = [NO_NETWORK if networks[i] in NETWORKLESS else networks[i] for i in order]
    low, high = limits or symmetric_limits(matrix)
    if not (high > 0 and low == -high):
        raise ValueError(f"limits must be symmetric about zero, not ({low}, {high})")

    # Larger where many regions are named, and where a row would else get less than a pixel of
    # the screen; the others fit two side by side on a page.
    large = (MAX_NAMES_SMALL // (2 if networks else 1)) < count <= MAX_NAMES or count > 200
    width, height = (8.6, 7.2) if large else (6.6, 5.5)
    if networks and count > MAX_NAMES:
        height -= 1.0  # Networks are named at the left alone.
    figure = Figure(
        figsize=(width, height),
        dpi=DPI,
        # Room at the edges: an SVG's text is wider where another font than this one is found.
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
        facecolor="white",
    )
    axes = figure.add_subplot()
    # "none" keeps one pixel per value in an SVG, where a resampled image would drop rows.
    image = axes.imshow(
        np.ma.masked_invalid(drawn),
        cmap=colormaps["RdBu_r"].with_extremes(bad=NO_VALUE),
        vmin=low,
        vmax=high,
        interpolation="none",
    )
    axes.set_title(fill(title, _TITLE_WIDTH), fontsize=11, parse_math=False)
    name_regions(axes, names, networks)

    finite = drawn[np.isfinite(drawn)]
    scale, counts = axes.inset_axes((1.03, 0, 0.03, 1)), axes.inset_axes((1.07, 0, 0.15, 1))
    figure.colorbar(image, cax=scale).outline.set_visible(False)
    scale.set_yticks([])
    _count_values(counts, matrix, (low, high), measure)
    if finite.size < matrix.size:
        figure.legend(
            handles=[Patch(facecolor=NO_VALUE, label=empty)],
            loc="outside lower right",
            fontsize=8,
            frameon=False,
        )
    return figure


def _count_values(
    axes: Axes, matrix: NDArray[np.floating], limits: tuple[float, float], measure: str
) -> None:
    """Draw a histogram over pairs of regions, beside the colour bar."""
    pairs = matrix[np.triu_indices(len(matrix), k=1)]
    pairs = np.clip(pairs[np.isfinite(pairs)], *limits)
    axes.hist(pairs, bins=40, range=limits, orientation="horizontal", color=_DARK)
    axes.set_ylim(limits)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.yaxis.set_ticks_position("right")
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(measure, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(1, integer=True))
    axes.set_xlabel("pairs", fontsize=8)
    axes.tick_params(labelsize=8, length=2, width=0.6)
    axes.spines[["top", "left"]].set_visible(False)
