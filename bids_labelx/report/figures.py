"""Figures of the reports. Each is built on ``Figure`` itself, so none of pyplot's state is used.

The colours can be told apart with the common kinds of colour blindness: Okabe and Ito's palette
for labels (https://jfly.uni-koeln.de/color/), a red and blue diverging map for matrices.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
LABEL_OPACITY = 0.6
SLICES_PER_ROW = 5
DPI = 110

MAX_NAMES = 40
# What a figure of the smaller size has room for.
MAX_NAMES_SMALL = 20
MAX_NAME_LENGTH = 26
NO_VALUE = "#bdbdbd"

# Row by row: the axis that is cut, the axes that run across and up, what lies at either side.
_PLANES = (("x", 0, 1, 2, "P", "A"), ("y", 1, 0, 2, "L", "R"), ("z", 2, 0, 1, "L", "R"))


def plot_labels(
    background: NDArray[Any], labels: NDArray[Any], affine: NDArray[np.floating]
) -> Figure:
    """Draw labels over a volume in sagittal, coronal and axial slices, left on the left.

    Parameters
    ----------
    background
        Volume to draw below, such as a run's mean, shape (x, y, z).
    labels
        Integer labels on the same grid, 0 where there is none, shape (x, y, z).
    affine
        Voxel indices to RAS+ millimetres, shape (4, 4). The arrays are flipped and permuted to
        the nearest RAS order; an oblique grid is not resampled, and its slices are named by the
        position of their centre.

    Returns
    -------
    Figure
        Three rows of up to five slices, taken evenly from those that hold labels.

    Raises
    ------
    ValueError
        If the arrays are not three-dimensional and of one shape.
    """
    background, labels = np.asarray(background), np.asarray(labels)
    if labels.ndim != 3 or background.shape != labels.shape:
        raise ValueError(
            "background and labels must be 3D arrays of one shape, "
            f"not {background.shape} and {labels.shape}"
        )
    orientation = io_orientation(affine)
    affine = np.asarray(affine) @ inv_ornt_aff(orientation, labels.shape)
    background = apply_orientation(background, orientation)
    labels = apply_orientation(labels, orientation)

    low, high = _grey_range(background)
    box = _occupied((background > low + 0.2 * (high - low)) | (labels != 0))
    background, labels = background[box], labels[box]
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]

    size = np.array(labels.shape) * voxel_sizes(affine)
    middle = (np.array(labels.shape) - 1) / 2
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    overlay = _colour_labels(labels)

    figure, rows = _slice_grid(size)
    for (letter, axis, across, up, at_left, at_right), row in zip(_PLANES, rows, strict=True):
        extent = tuple(
            float(centre[side] + sign * size[side] / 2)
            for side in (across, up)
            for sign in (-1, 1)
        )
        chosen = _choose_slices(labels, axis)
        for axes, index in zip(row, chosen, strict=False):
            position = affine[axis, :3] @ _at(middle, axis, index) + affine[axis, 3]
            cut = np.take(background, index, axis=axis).T
            colours = np.take(overlay, index, axis=axis).swapaxes(0, 1)
            axes.imshow(
                cut,
                cmap="gray",
                vmin=low,
                vmax=high,
                origin="lower",
                extent=extent,
                interpolation="nearest",
            )
            axes.imshow(colours, origin="lower", extent=extent, interpolation="nearest")
            axes.set_title(
                f"{letter} = {round(position):d} mm".replace("-", "−"),
                color="white",
                fontsize=9,
                pad=3,
            )
            _mark_sides(axes, at_left, at_right)
    return figure


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


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all; the same figure gives the same bytes.

    Parameters
    ----------
    figure
        What to write. In an SVG its text stays text.
    path
        Ends in ``.svg`` or ``.png``. Its folder is made if need be.

    Raises
    ------
    ValueError
        If the suffix is another.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise ValueError(f"a figure is saved as .svg or .png, not as {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    try:
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bids_labelx"}):
            figure.savefig(unfinished, format=kind, metadata=metadata)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _slice_grid(size: NDArray[np.floating]) -> tuple[Figure, NDArray[Any]]:
    """Make a black figure of empty panels, all to one scale; `size` is the volume's in mm."""
    width, title = 2.0, 0.24
    scale = width / max(size[across] for _, _, across, _, _, _ in _PLANES)
    heights = [float(size[up] * scale) for _, _, _, up, _, _ in _PLANES]
    total = sum(heights) + title * len(_PLANES)
    figure = Figure(figsize=(width * SLICES_PER_ROW, total), dpi=DPI, facecolor="black")
    rows = figure.subplots(
        len(_PLANES),
        SLICES_PER_ROW,
        squeeze=False,
        gridspec_kw={
            "height_ratios": heights,
            "left": 0.005,
            "right": 0.995,
            "bottom": 0.01,
            "top": 1 - title / total,
            "wspace": 0.02,
            # In units of the mean panel height.
            "hspace": title / (sum(heights) / len(heights)),
        },
    )
    for axes in rows.flat:
        axes.set_axis_off()
    return figure, rows


def _at(point: NDArray[np.floating], axis: int, index: int) -> NDArray[np.floating]:
    moved = point.copy()
    moved[axis] = index
    return moved


def _mark_sides(axes: Axes, left: str, right: str) -> None:
    for x, text, align in ((0.02, left, "left"), (0.98, right, "right")):
        axes.text(
            x,
            0.98,
            text,
            transform=axes.transAxes,
            color="white",
            fontsize=9,
            fontweight="bold",
            ha=align,
            va="top",
        )


def _choose_slices(labels: NDArray[Any], axis: int) -> NDArray[np.intp]:
    """Take up to five slices evenly from those that hold labels, or from all if none does."""
    others = tuple(other for other in range(3) if other != axis)
    held = np.flatnonzero((labels != 0).any(axis=others))
    if held.size == 0:
        held = np.arange(labels.shape[axis])
    if held.size <= SLICES_PER_ROW:
        return held
    # Not the first and the last, where a region is a few voxels.
    steps = np.linspace(0, held.size - 1, SLICES_PER_ROW + 2)[1:-1]
    return held[np.unique(np.round(steps).astype(int))]


def _occupied(held: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Cut off the empty space around what is held, but for a small margin."""
    box = []
    for axis, length in enumerate(held.shape):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(held.any(axis=others))
        first, last = (inside[0], inside[-1]) if inside.size else (0, length - 1)
        margin = length // 30
        box.append(slice(max(first - margin, 0), min(last + margin + 1, length)))
    return tuple(box)


def _grey_range(volume: NDArray[Any]) -> tuple[float, float]:
    values = volume[np.isfinite(volume) & (volume != 0)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, (1, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _colour_labels(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Give each voxel its label's colour, shape (x, y, z, 4); see-through where there is none.

    Going through the labels in order, each takes the colour of the palette that has the least
    contact with it so far, so that neighbours differ. Ties go to the next colour in turn.
    """
    values, ranks = np.unique(labels, return_inverse=True)
    ranks = ranks.reshape(labels.shape)
    colour = np.full(values.size, -1)
    for rank, (others, weights) in enumerate(_contacts(ranks, values.size)):
        if values[rank] == 0:
            continue
        contact = np.bincount(colour[others] + 1, weights, minlength=len(PALETTE) + 1)[1:]
        in_turn = (rank + np.arange(len(PALETTE))) % len(PALETTE)
        colour[rank] = in_turn[np.argmin(contact[in_turn])]

    rgb = np.array([[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in PALETTE])
    table = np.zeros((values.size, 4), dtype=np.uint8)
    table[values != 0, :3] = rgb[colour[values != 0]]
    table[values != 0, 3] = round(LABEL_OPACITY * 255)
    return table[ranks]


def _contacts(
    ranks: NDArray[np.intp], count: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each rank, the other ranks one or two voxels away and how often.

    Two voxels, because parcels on either side of a thin gap look like neighbours too.
    """
    codes = []
    for axis in range(ranks.ndim):
        moved = np.moveaxis(ranks, axis, 0)
        for distance in (1, 2):
            one, other = moved[:-distance], moved[distance:]
            differ = one != other
            codes += [one[differ] * count + other[differ], other[differ] * count + one[differ]]
    pairs, times = np.unique(np.concatenate(codes), return_counts=True)
    first, second = np.divmod(pairs, count)
    ends = np.searchsorted(first, np.arange(1, count))
    return list(zip(np.split(second, ends), np.split(times, ends), strict=True))


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
