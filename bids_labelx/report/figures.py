"""Figures of the reports: their style, how they are written, and matrices.

Figures are independent of pyplot's state and of the user's matplotlibrc.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bids_labelx.files import write_bytes
from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.pictures.label_colours import NO_VALUE
from bids_labelx.pictures.run_data import network_order, symmetric_limits

DPI = 110

MAX_NAMES = 40
# The names that fit into a figure of the smaller size.
MAX_NAMES_SMALL = 20
MAX_NAME_LENGTH = 26
_TITLE_WIDTH = 46
NO_NETWORK = "no network"

_DARK = "#5b6770"


@contextmanager
def default_style() -> Iterator[None]:
    """Ignore the user's matplotlibrc, in a with statement or as a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def render_figure(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """Render a figure to the bytes of a file; the same figure gives the same bytes.

    Text in an SVG stays text.
    """
    content = BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with default_style(), warnings.catch_warnings():
        # Names may be in any script: in a PNG a box stands for a letter.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "bids_labelx"
        figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all.

    Parameters
    ----------
    figure
        The figure; see `render_figure`.
    path
        Ends in ``.svg`` or ``.png``. Its folder is made if need be.

    Raises
    ------
    ValueError
        If the suffix is another.
    CannotWriteError
        If the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".svg":
        write_bytes(path, render_figure(figure, "svg"))
    elif kind == ".png":
        write_bytes(path, render_figure(figure, "png"))
    else:
        raise ValueError(f"a figure is saved as .svg or .png, not as {path.name}")


@default_style()
def plot_matrix(
    matrix: NDArray[Any],
    names: Sequence[str],
    *,
    networks: Sequence[str] | None = None,
    title: str,
    limits: tuple[float, float] | None = None,
    measure: str = "connectivity",
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
        np.ma.masked_invalid(matrix),
        cmap=matplotlib.colormaps["RdBu_r"].with_extremes(bad=NO_VALUE),
        vmin=low,
        vmax=high,
        interpolation="none",
    )
    axes.set_title(fill(title, _TITLE_WIDTH), fontsize=11, parse_math=False)
    _name_regions(axes, names, networks)

    finite = matrix[np.isfinite(matrix)]
    scale, counts = axes.inset_axes((1.03, 0, 0.03, 1)), axes.inset_axes((1.07, 0, 0.15, 1))
    figure.colorbar(image, cax=scale).outline.set_visible(False)
    scale.set_yticks([])
    _count_values(counts, matrix, (low, high), measure)
    if finite.size < matrix.size:
        figure.legend(
            handles=[Patch(facecolor=NO_VALUE, label="no value (n/a)")],
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


def _name_regions(axes: Axes, names: Sequence[str], networks: Sequence[str] | None) -> None:
    count = len(names)
    blocks = _blocks(networks) if networks is not None else []
    for _, start, _ in blocks[1:]:
        axes.axhline(start - 0.5, color="black", linewidth=0.8)
        axes.axvline(start - 0.5, color="black", linewidth=0.8)

    if count <= MAX_NAMES:
        _set_ticks(axes, range(count), names)
        if blocks:
            _name_networks_above(axes, _legible(blocks, count))
    elif blocks:
        # At the left alone: columns are in the order of rows, and names take much room below.
        _set_ticks(axes, *_legible(blocks, count))
        axes.set_xticks([])
        axes.set_xlabel(f"{count} regions, by network", fontsize=9)
    else:
        step = next(s for s in (5, 10, 20, 50, 100, count) if count / s <= MAX_NAMES_SMALL)
        _set_ticks(axes, range(0, count, step), names[::step])
        axes.set_xlabel(f"{count} regions, one name in {step} shown", fontsize=9)


def name_rows(axes: Axes, networks: Sequence[str]) -> None:
    """Name networks at the left of rows ordered by them, with lines between networks."""
    blocks = _blocks([NO_NETWORK if one in NETWORKLESS else one for one in networks])
    if len(blocks) > MAX_NAMES:
        return
    for _, start, _ in blocks[1:]:
        axes.axhline(start - 0.5, color="#d55e00", linewidth=0.6)
    # A carpet is low: about eight names fit.
    middles, names = _legible(blocks, len(networks), room=8)
    axes.set_yticks(middles, [shorten(name) for name in names], fontsize=7, parse_math=False)


def _blocks(networks: Sequence[str]) -> list[tuple[str, int, int]]:
    """Neighbouring regions of one network: name, first row, and the row after the last."""
    blocks, start = [], 0
    for name, members in groupby(networks):
        stop = start + len(list(members))
        blocks.append((name, start, stop))
        start = stop
    return blocks


def _legible(
    blocks: list[tuple[str, int, int]], count: int, room: int = MAX_NAMES
) -> tuple[list[float], list[str]]:
    """Middle and name of each block, without the smaller ones whose names would overlap."""
    kept: list[tuple[float, str]] = []
    for name, start, stop in sorted(blocks, key=lambda block: block[1] - block[2]):
        middle = (start + stop - 1) / 2
        if all(abs(middle - other) >= count / room for other, _ in kept):
            kept.append((middle, name))
    kept.sort()
    return [middle for middle, _ in kept], [name for _, name in kept]


def _set_ticks(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    short = [shorten(name) for name in names]
    size = 8.5 if len(short) <= MAX_NAMES_SMALL else 6.5
    axes.set_xticks(positions, short, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(positions, short, fontsize=size, parse_math=False)
    axes.tick_params(length=2, width=0.6)


def _name_networks_above(axes: Axes, named: tuple[list[float], list[str]]) -> None:
    positions, names = named
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        positions,
        [shorten(name) for name in names],
        rotation=60,
        rotation_mode="anchor",
        ha="left",
        va="center",
        fontsize=8,
        parse_math=False,
    )
    above.tick_params(length=0)
    above.spines[:].set_visible(False)


def shorten(name: str) -> str:
    """Remove the middle of a long name: regions of an atlas often differ at the end only."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[: MAX_NAME_LENGTH - 1 - half]}…{name[-half:]}"
