"""Static figures of the brain: its panels with regions in colours, or in a value's on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bids_labelx.figures.style import DPI, default_style
from bids_labelx.pictures.label_colours import MISSING, NO_VALUE
from bids_labelx.pictures.panels import Panel

# Of a label over a background, or over itself in the light; colours of a scale are opaque.
OPACITY = 0.75
# How bright a surface without a region is in the light: less than what has no value.
BARE = 0.4

_WIDTH, _GAP, _TITLE, _DIRECTIONS = 10.0, 0.06, 0.24, 0.2
_BAR, _LINE = 0.8, 0.19
_WIDEST = 4.9
# Pixels of a panel with stripes, which would be coarse in a voxel's size.
_FINE, _STRIPE = 400, 9


@default_style()
def plot_labels(
    panels: Sequence[Panel],
    colours: Sequence[str],
    networks: Sequence[Sequence[str]] | None = None,
    *,
    note: str = "",
) -> Figure:
    """Draw regions in their colours, with a legend of networks where there are any.

    Parameters
    ----------
    panels
        See `bids_labelx.pictures.panels.panels_of`; not empty.
    colours, networks
        See `bids_labelx.pictures.label_colours.LabelColours`.
    note
        To stand below, such as what the colours mean.
    """
    table = np.array([to_rgb(colour) for colour in colours]).reshape(-1, 3) * 255
    legend = [Patch(facecolor=colour, label=name) for name, colour in networks or ()]
    pictures = [_picture(panel, table, opaque=False) for panel in panels]
    return _draw(panels, pictures, legend, note)


@default_style()
def plot_values(
    panels: Sequence[Panel],
    values: NDArray[np.floating],
    *,
    measure: str,
    limits: tuple[float, float],
    cmap: str = "cividis",
    lost: NDArray[np.bool_] | None = None,
    note: str = "",
) -> Figure:
    """Draw one value per region, exactly in the colours of a scale.

    Parameters
    ----------
    panels, note
        As for `plot_labels`.
    values
        Of each region, shape (n_regions,); one without a value, or with NaN, is grey.
    measure
        Label of the colour bar, with the unit if there is one.
    limits
        Ends of the colour scale.
    cmap
        Name of a matplotlib colormap.
    lost
        Whether each region is missing, and striped; of the same shape.
    """
    colours = colormaps[cmap].with_extremes(bad=NO_VALUE)
    scale = ScalarMappable(Normalize(*limits, clip=True), colours)
    table = scale.to_rgba(np.ma.masked_invalid(np.asarray(values, float)), bytes=True)[:, :3]
    pictures = [_picture(panel, table, opaque=True) for panel in panels]
    legend = []
    if not np.isfinite(values).all():
        legend.append(Patch(facecolor=NO_VALUE, label="no value"))
    if lost is not None and lost.any():
        pictures = [_striped(*both, lost) for both in zip(panels, pictures, strict=True)]
        legend.append(Patch(facecolor="black", edgecolor=MISSING, hatch="////", label="missing"))
    figure = _draw(panels, pictures, legend, note, bar=_BAR)
    _add_scale(figure, scale, measure)
    return figure


def colours_of(cmap: str | Colormap) -> tuple[str, ...]:
    """The colours of a colormap in hexadecimal digits; ten of a continuous one."""
    chosen = colormaps[cmap] if isinstance(cmap, str) else cmap
    listed = chosen.N if chosen.N <= 64 else 10
    return tuple(to_hex(colour) for colour in chosen(np.linspace(0, 1, listed)))


def _picture(panel: Panel, table: NDArray[Any], *, opaque: bool) -> NDArray[np.uint8]:
    """A panel's regions over its background, or shaded by its light, shape (h, w, 3).

    `table` has the colours of the regions, 0 to 255, shape (n, 3); opaque ones are not changed.
    """
    empty = np.zeros(panel.regions.shape, np.uint8)
    grey = (empty if panel.background is None else panel.background)[..., np.newaxis] / 255
    own = np.vstack([table, (0, 0, 0)])[panel.regions - 1]
    behind = own * grey if panel.plane is None else 255 * grey
    if not opaque and panel.background is not None:
        own = OPACITY * own + (1 - OPACITY) * behind
    bare = (255 * BARE if panel.plane is None else 255) * grey
    return np.rint(np.where(panel.regions[..., np.newaxis] > 0, own, bare)).astype(np.uint8)


def _striped(
    panel: Panel, picture: NDArray[np.uint8], lost: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """A panel's picture with stripes over regions, in finer pixels."""
    times = max(1, round(_FINE / max(panel.regions.shape)))
    under = np.append(lost, False)[panel.regions - 1]
    under, picture = (one.repeat(times, axis=0).repeat(times, axis=1) for one in (under, picture))
    rows, columns = np.indices(under.shape)
    stripe = (rows + columns) % _STRIPE < _STRIPE // 3
    picture[under & stripe] = np.rint(255 * np.array(to_rgb(MISSING)))
    return picture


def _draw(
    panels: Sequence[Panel],
    pictures: Sequence[NDArray[np.uint8]],
    legend: Sequence[Patch],
    note: str,
    *,
    bar: float = 0.0,
) -> Figure:
    """Place panels on black to one scale, above legend and note, with room for a colour bar."""
    last = max(panel.row for panel in panels)
    rows = [[i for i, one in enumerate(panels) if one.row == row] for row in range(last + 1)]
    columns = max(map(len, rows))
    sizes = np.array([_size(panel) for panel in panels])
    cell = min(_WIDTH / columns - _GAP, _WIDEST)
    sizes = sizes * cell / sizes[:, 0].max()
    below = _DIRECTIONS if any(len(panel.marks) > 2 for panel in panels) else 0.04
    heights = [_TITLE + max(sizes[i][1] for i in row) + below for row in rows]
    width = columns * (cell + _GAP) + bar
    longest = max((len(str(one.get_label())) for one in legend), default=0)
    per_line = max(1, int(width / (0.6 + 0.08 * longest)))
    lines = fill(note, int(14 * width))
    foot = _LINE * (-(-len(legend) // per_line) + (len(lines.splitlines()) if note else 0) + 0.5)
    total = sum(heights) + foot
    figure = Figure(figsize=(width, total), dpi=DPI, facecolor="black")
    for k, row in enumerate(rows):
        top = total - sum(heights[:k]) - _TITLE
        for column, i in enumerate(row):
            left = column * (cell + _GAP) + _GAP / 2 + (cell - sizes[i][0]) / 2
            across, up = sizes[i]
            place = (left / width, (top - up) / total, across / width, up / total)
            axes = figure.add_axes(place)
            _show(axes, panels[i], pictures[i])
    if legend:
        figure.legend(
            handles=legend,
            loc="upper left",
            bbox_to_anchor=(0.01, (foot - _LINE * 0.2) / total),
            ncols=per_line,
            fontsize=8,
            labelcolor="white",
            frameon=False,
            borderpad=0,
        )
    if note:
        figure.text(0.01, _LINE / 4 / total, lines, color="white", fontsize=8, va="bottom")
    return figure


def _size(panel: Panel) -> tuple[float, float]:
    """Width and height: of a slice in mm, of a surface in pixels."""
    plane = panel.plane
    if plane is None:
        return panel.regions.shape[1], panel.regions.shape[0]
    return abs(plane.right - plane.left), abs(plane.top - plane.bottom)


def _show(axes: Axes, panel: Panel, picture: NDArray[np.uint8]) -> None:
    plane = panel.plane
    extent = (0.0, 1.0, 0.0, 1.0)
    if plane is not None:
        extent = (plane.left, plane.right, plane.bottom, plane.top)
    axes.imshow(picture, extent=extent, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    axes.set_title(panel.title, color="white", fontsize=9, pad=3)
    # Two letters are in the corners, more words below.
    style: dict[str, Any] = {"color": "white", "va": "top", "transform": axes.transAxes}
    if len(panel.marks) <= 2:
        edge, up, style = 0.02, 0.98, {**style, "fontsize": 9, "fontweight": "bold"}
    else:
        edge, up, style = 0.0, -0.01, {**style, "fontsize": 8}
    for place, word in zip(np.linspace(0, 1, len(panel.marks)), panel.marks, strict=True):
        align = {0.0: "left", 1.0: "right"}.get(place, "center")
        axes.text(edge + (1 - 2 * edge) * place, up, word, ha=align, **style)


def _add_scale(figure: Figure, scale: ScalarMappable, measure: str) -> None:
    """Draw a colour bar at the right, where room is left for it."""
    width = figure.get_figwidth()
    place = (1 - (_BAR - 0.05) / width, 0.2, 0.15 / width, 0.6)
    bar = figure.colorbar(scale, cax=figure.add_axes(place))
    bar.set_label(measure, color="white", fontsize=9, parse_math=False)
    bar.ax.tick_params(colors="white", labelsize=8)
    bar.outline.set_visible(False)
