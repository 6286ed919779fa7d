"""Figures of the reports: what they have in common, and the matrices.

Each is built on ``Figure`` itself, so none of pyplot's state is used, and in matplotlib's own
style, so the user's settings change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bids_labelx.outputs import write_bytes

DPI = 110

MAX_NAMES = 40
# What a figure of the smaller size has room for.
MAX_NAMES_SMALL = 20
MAX_NAME_LENGTH = 26
NO_VALUE = "#bdbdbd"


@contextmanager
def default_style() -> Iterator[None]:
    """Make and write figures as if there were no matplotlibrc; also stands above a function."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def render_figure(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """Turn a figure into a file's content; the same figure gives the same bytes.

    In an SVG its text stays text.
    """
    content = BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with default_style():
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "bids_labelx"
        figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all.

    Parameters
    ----------
    figure
        What to write; see `render_figure`.
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
    """Draw a region by region matrix in the order of the label table.

    Up to 40 regions are all named. Of more, the networks are named if there are any, else every
    n-th region, and the axis says so.

    Parameters
    ----------
    matrix
        Values, shape (n, n); NaN where there is none.
    names
        The n region names, in the order of the rows.
    networks
        The network of each of the n regions. Borders are drawn wherever it changes from one
        region to the next; nothing is reordered. Left out if it changes more than 40 times.
    title
        Stands above the matrix.
    limits
        Ends of the colour scale, symmetric about zero. By default the 99th percentile of the
        absolute values off the diagonal.
    measure
        What the values are, with their unit if they have one; stands at the colour bar.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the shapes do not agree or the limits are not symmetric about zero.
    """
    matrix = np.asarray(matrix, dtype=float)
    count = len(names)
    if count == 0 or matrix.shape != (count, count):
        raise ValueError(f"{count} names for a matrix of shape {matrix.shape}")
    if networks is not None and len(networks) != count:
        raise ValueError(f"{len(networks)} networks for {count} regions")
    low, high = limits or _symmetric_limits(matrix)
    if not (high > 0 and low == -high):
        raise ValueError(f"limits must be symmetric about zero, not ({low}, {high})")

    # Larger where many regions are named, and where a row would else get less than a pixel of
    # the screen; the others fit two side by side on a page.
    large = (MAX_NAMES_SMALL // (2 if networks else 1)) < count <= MAX_NAMES or count > 200
    figure = Figure(
        figsize=(8.0, 7.2) if large else (6.0, 5.5),
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
    axes.set_title(title, fontsize=11, parse_math=False)
    _name_regions(axes, names, networks)

    finite = matrix[np.isfinite(matrix)]
    ends = {(True, True): "both", (True, False): "min", (False, True): "max"}
    beyond = (bool((finite < low).any()), bool((finite > high).any()))
    bar = figure.colorbar(
        image, ax=axes, shrink=0.8, aspect=28, extend=ends.get(beyond, "neither")
    )
    bar.set_label(measure, parse_math=False)
    bar.outline.set_visible(False)
    if finite.size < matrix.size:
        figure.legend(
            handles=[Patch(facecolor=NO_VALUE, label="no value (n/a)")],
            loc="outside lower right",
            fontsize=8,
            frameon=False,
        )
    return figure


def _symmetric_limits(matrix: NDArray[np.floating]) -> tuple[float, float]:
    values = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    values = values[np.isfinite(values)]
    high = float(np.percentile(values, 99)) if values.size else 0.0
    return (-high, high) if high > 0 else (-1.0, 1.0)


def _name_regions(axes: Axes, names: Sequence[str], networks: Sequence[str] | None) -> None:
    count = len(names)
    blocks = _blocks(networks) if networks is not None else []
    if len(blocks) > MAX_NAMES:
        blocks = []
    for _, start, _ in blocks[1:]:
        axes.axhline(start - 0.5, color="black", linewidth=0.8)
        axes.axvline(start - 0.5, color="black", linewidth=0.8)

    if count <= MAX_NAMES:
        _set_ticks(axes, range(count), names)
        if blocks:
            _name_networks_above(axes, _legible(blocks, count))
    elif blocks:
        _set_ticks(axes, *_legible(blocks, count))
        axes.set_xlabel(f"{count} regions, by network", fontsize=9)
    else:
        step = next(s for s in (5, 10, 20, 50, 100, count) if count / s <= MAX_NAMES_SMALL)
        _set_ticks(axes, range(0, count, step), names[::step])
        axes.set_xlabel(f"{count} regions, one name in {step} shown", fontsize=9)


def _blocks(networks: Sequence[str]) -> list[tuple[str, int, int]]:
    """Neighbouring regions of one network: name, first row, and the row after the last."""
    blocks, start = [], 0
    for name, members in groupby(networks):
        stop = start + len(list(members))
        blocks.append((name, start, stop))
        start = stop
    return blocks


def _legible(blocks: list[tuple[str, int, int]], count: int) -> tuple[list[float], list[str]]:
    """Middle and name of each block, without the smaller ones whose names would overlap."""
    kept: list[tuple[float, str]] = []
    for name, start, stop in sorted(blocks, key=lambda block: block[1] - block[2]):
        middle = (start + stop - 1) / 2
        if all(abs(middle - other) >= count / MAX_NAMES for other, _ in kept):
            kept.append((middle, name))
    kept.sort()
    return [middle for middle, _ in kept], [name for _, name in kept]


def _set_ticks(axes: Axes, positions: Sequence[float], names: Sequence[str]) -> None:
    short = [_shorten(name) for name in names]
    size = 8.5 if len(short) <= MAX_NAMES_SMALL else 6.5
    axes.set_xticks(positions, short, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(positions, short, fontsize=size, parse_math=False)
    axes.tick_params(length=2, width=0.6)


def _name_networks_above(axes: Axes, named: tuple[list[float], list[str]]) -> None:
    positions, names = named
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        positions,
        [_shorten(name) for name in names],
        rotation=60,
        rotation_mode="anchor",
        ha="left",
        va="center",
        fontsize=8,
        parse_math=False,
    )
    above.tick_params(length=0)
    above.spines[:].set_visible(False)


def _shorten(name: str) -> str:
    """Cut the middle out of a long name: atlases tell regions apart at the end."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[: MAX_NAME_LENGTH - 1 - half]}…{name[-half:]}"
