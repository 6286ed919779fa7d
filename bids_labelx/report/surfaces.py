"""Labels drawn on the surfaces of the hemispheres, or on their spheres unrolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.meshes import HEMISPHERES, Mesh
from bids_labelx.report.figures import DPI, default_style, mark_regions
from bids_labelx.report.panel_figures import (
    add_scale,
    mark_sides,
    palette_of,
    ranks_of,
    tell_apart,
    value_colours,
)
from bids_labelx.report.surface_views import COARSER, View, look_at, unroll

# Vertices without a label. With values they are darker than any grey that a colormap such as
# cividis has in its middle, and than labels without a value.
BARE, BARE_BESIDE_VALUES = (135, 135, 135), (70, 70, 70)

# Of a panel, in inches.
_WIDTH = 4.9
_FLAT_NOTE = (
    "flat map: the sphere of each hemisphere, unrolled with areas kept "
    "(Mollweide projection), as no surface was found to draw on"
)


@default_style()
def plot_surface_labels(
    meshes: Mapping[str, Mesh],
    labels: Mapping[str, NDArray[Any]],
    cmap: str | Colormap | None = None,
) -> Figure:
    """Draw labels on both sides of the hemispheres, or on their spheres unrolled.

    Parameters
    ----------
    meshes
        By hemisphere, ``L`` or ``R`` or both. If they are spheres, they are unrolled in
        Mollweide's projection, which keeps areas, with the lateral side in the middle.
    labels
        Integer labels by hemisphere, 0 where there is none, shape (n_vertices,).
    cmap
        A matplotlib colormap to take the labels' colours from, in place of the palette.

    Returns
    -------
    Figure
        A column for each hemisphere, the left one first, above its lateral and below its medial
        side; the sides of one hemisphere alone are next to each other. Tooltips refer to labels
        by their position among the sorted labels of all hemispheres drawn (see
        `bids_labelx.report.figures.mark_regions`).

    Raises
    ------
    ValueError
        If there is no mesh, labels are not of as many vertices as their mesh, a mesh is flat, or
        one is a sphere and the other is not.
    """
    return _draw(
        meshes, labels, lambda ranks: tell_apart(ranks, palette_of(cmap)), bare=BARE, shade=0.35
    )


@default_style()
def plot_surface_values(
    meshes: Mapping[str, Mesh],
    labels: Mapping[str, NDArray[Any]],
    values: Mapping[int, float],
    *,
    measure: str,
    limits: tuple[float, float],
    cmap: str = "cividis",
) -> Figure:
    """Draw one value per label on the surfaces, as `plot_surface_labels` draws labels.

    Parameters
    ----------
    meshes, labels
        As for `plot_surface_labels`; labels are not shaded, so that colours are those of the
        scale.
    values
        By label; one without a value, or with NaN, is grey.
    measure
        Label of the colour bar, with the unit if there is one.
    limits
        Ends of the colour scale.
    cmap
        Name of a matplotlib colormap.
    """
    every = np.concatenate([np.asarray(labels[side]) for side in meshes])
    table, scale = value_colours(every, values, limits, cmap)
    return _draw(
        meshes,
        labels,
        lambda _: table,
        bare=BARE_BESIDE_VALUES,
        shade=0.0,
        scale=scale,
        measure=measure,
    )


def _draw(
    meshes: Mapping[str, Mesh],
    labels: Mapping[str, NDArray[Any]],
    colour: Callable[[NDArray[np.intp]], NDArray[np.uint8]],
    *,
    bare: tuple[int, int, int],
    shade: float,
    scale: ScalarMappable | None = None,
    measure: str = "",
) -> Figure:
    """Draw the labels in the colours that `colour` gives, shape (n_labels, 3).

    Its argument is the position of each cell's label among the sorted labels, -1 for none. `shade`
    is the share of its brightness that a label loses where it faces away from the light.
    """
    sides = [side for side in HEMISPHERES if side in meshes]
    for side in sides:
        if np.shape(labels[side]) != (len(meshes[side].coordinates),):
            raise ValueError(
                f"labels of hemisphere {side} have the shape {np.shape(labels[side])}, its mesh "
                f"has {len(meshes[side].coordinates)} vertices"
            )
    kinds = {meshes[side].kind for side in sides}
    flat = kinds == {"sphere"}
    if not kinds or "flat" in kinds or ("sphere" in kinds and not flat):
        raise ValueError(f"labels cannot be drawn on meshes of the kinds {sorted(kinds)}")
    views = unroll(meshes, sides, 720) if flat else look_at(meshes, sides, 720)
    every = ranks_of(np.concatenate([np.asarray(labels[side]) for side in sides]))
    ends = np.cumsum([len(labels[side]) for side in sides])[:-1]
    ranks = dict(zip(sides, np.split(every, ends), strict=True))
    seen = [
        np.where(view.vertices < 0, -1, ranks[view.hemisphere][view.vertices]) for view in views
    ]
    table = colour(np.concatenate(seen, axis=1))
    table = np.concatenate([table, [bare]])

    figure, panels = _panels(views, bar_width=0.0 if scale is None else 0.8, note=flat)
    for view, cells, axes in zip(views, seen, panels, strict=True):
        lost = np.where(cells < 0, 0.5, shade) * (1 - view.light)
        picture = table[cells] * (1 - lost)[..., None] * (view.vertices >= 0)[..., None]
        axes.imshow(np.rint(picture).astype(np.uint8), origin="lower", extent=view.extent)
        middles = slice(COARSER // 2, None, COARSER)
        mark_regions(axes, cells[middles, middles][::-1], view.extent)
        axes.set_title(view.title, color="white", fontsize=9, pad=3)
        if flat:
            _name_directions(axes, view.marks)
        else:
            mark_sides(axes, *view.marks)
    if flat:
        note = fill(_FLAT_NOTE, 80 * len(views))
        figure.text(0.5, 0.02, note, color="white", fontsize=8, ha="center", va="bottom")
    if scale is not None:
        add_scale(figure, scale, measure)
    return figure


def _panels(views: Sequence[View], *, bar_width: float, note: bool) -> tuple[Figure, list[Axes]]:
    """Make a black figure with an empty panel for each view, in two columns.

    There is room for a colour bar of `bar_width` inches, and for a note.
    """
    columns = min(len(views), 2)
    rows = len(views) // columns
    height = _WIDTH * views[0].vertices.shape[0] / views[0].vertices.shape[1]
    # Above each panel is its title, and below a flat one the words for directions.
    above, below = 0.24, 0.2 if note else 0.04
    foot = 0.6 / columns if note else 0.04
    width = columns * (_WIDTH + 0.1) + bar_width
    total = rows * (above + height + below) + foot
    figure = Figure(figsize=(width, total), dpi=DPI, facecolor="black")
    axes = []
    for i in range(len(views)):
        row, column = divmod(i, columns)
        left = column * (_WIDTH + 0.1) + 0.05
        bottom = total - (row + 1) * (above + height) - row * below
        axes.append(
            figure.add_axes((left / width, bottom / total, _WIDTH / width, height / total))
        )
        axes[-1].set_axis_off()
    return figure, axes


def _name_directions(axes: Axes, words: Sequence[str]) -> None:
    """Write words in equal distances below a panel."""
    for i, word in enumerate(words):
        place = i / (len(words) - 1)
        align = "left" if i == 0 else "right" if place == 1 else "center"
        axes.text(
            place,
            -0.01,
            word,
            transform=axes.transAxes,
            color="white",
            fontsize=8,
            ha=align,
            va="top",
        )
