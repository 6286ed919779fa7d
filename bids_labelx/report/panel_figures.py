"""Colours of labels in static figures, and the parts that figures on black share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.report.figures import NO_VALUE
from bids_labelx.report.label_colours import PALETTE


def palette_of(cmap: str | Colormap | None) -> NDArray[np.uint8]:
    """Colours to choose from, shape (n, 3); ten of a continuous colormap."""
    if cmap is None:
        colours = np.array([to_rgb(name) for name in PALETTE])
    else:
        chosen = colormaps[cmap] if isinstance(cmap, str) else cmap
        listed = chosen.N if chosen.N <= 64 else 10
        colours = chosen(np.linspace(0, 1, listed))[:, :3]
    return np.rint(255 * colours).astype(np.uint8)


def ranks_of(labels: NDArray[Any]) -> NDArray[np.intp]:
    """The position of each element's label among the sorted labels, -1 where there is none."""
    values, ranks = np.unique(labels, return_inverse=True)
    order = np.cumsum(values != 0) - 1
    return np.where(values == 0, -1, order)[ranks.reshape(labels.shape)]


def value_colours(
    labels: NDArray[Any], values: Mapping[int, float], limits: tuple[float, float], cmap: str
) -> tuple[NDArray[np.uint8], ScalarMappable]:
    """Colours of the sorted labels by their values, shape (n_labels, 3), and their scale.

    A label without a value, or with NaN, is grey.
    """
    scale = ScalarMappable(
        Normalize(*limits, clip=True), colormaps[cmap].with_extremes(bad=NO_VALUE)
    )
    present = [int(label) for label in np.unique(labels) if label != 0]
    of_labels = np.array([values.get(label, np.nan) for label in present], dtype=float)
    return scale.to_rgba(np.ma.masked_invalid(of_labels), bytes=True)[:, :3], scale


def tell_apart(ranks: NDArray[np.intp], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each label a colour, shape (n_labels, 3).

    Labels are coloured in order, each with the colour of the palette that has the least contact
    with it so far, so that neighbours differ. Of equal ones, the next in turn is used.
    """
    count = int(ranks.max(initial=-1)) + 1
    colour = np.full(count, -1)
    if not count:
        return palette[colour]
    for rank, (others, weights) in enumerate(_contacts(ranks, count)):
        contact = np.bincount(colour[others] + 1, weights, minlength=len(palette) + 1)[1:]
        in_turn = (rank + np.arange(len(palette))) % len(palette)
        colour[rank] = in_turn[np.argmin(contact[in_turn])]
    return palette[colour]


def _contacts(
    ranks: NDArray[np.intp], count: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each rank, the other ranks one or two cells away and how often.

    Two cells, because parcels on either side of a thin gap look like neighbours too.
    """
    codes = []
    for axis in range(ranks.ndim):
        moved = np.moveaxis(ranks, axis, 0)
        for distance in (1, 2):
            one, other = moved[:-distance], moved[distance:]
            differ = (one != other) & (one >= 0) & (other >= 0)
            codes += [one[differ] * count + other[differ], other[differ] * count + one[differ]]
    pairs, times = np.unique(np.concatenate(codes), return_counts=True)
    first, second = np.divmod(pairs, count)
    ends = np.searchsorted(first, np.arange(1, count))
    return list(zip(np.split(second, ends), np.split(times, ends), strict=True))


def mark_sides(axes: Axes, left: str, right: str) -> None:
    """Write letters in the upper corners of a panel."""
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


def add_scale(figure: Figure, scale: ScalarMappable, measure: str) -> None:
    """Draw a colour bar at the right, where 0.8 inches are left for it."""
    width = figure.get_figwidth()
    bar = figure.colorbar(scale, cax=figure.add_axes((1 - 0.75 / width, 0.2, 0.15 / width, 0.6)))
    bar.set_label(measure, color="white", fontsize=9, parse_math=False)
    bar.ax.tick_params(colors="white", labelsize=8)
    bar.outline.set_visible(False)
