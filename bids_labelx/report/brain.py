"""Labels drawn over a volume, in slices through three planes.

Labels have Okabe and Ito's colours, which can be told apart with the common kinds of colour
blindness (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from bids_labelx.report.figures import DPI, NO_VALUE, default_style, mark_regions

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
LABEL_OPACITY = 0.6
SLICES_PER_ROW = 5

# Row by row: the axis of the slices, the axes across and up, the letters at either side.
_PLANES = (("x", 0, 1, 2, "P", "A"), ("y", 1, 0, 2, "L", "R"), ("z", 2, 0, 1, "L", "R"))


@default_style()
def plot_labels(
    background: NDArray[Any] | None,
    labels: NDArray[Any],
    affine: NDArray[np.floating],
    *,
    cmap: str | Colormap | None = None,
) -> Figure:
    """Draw labels over a volume in sagittal, coronal and axial slices; left is on the left.

    Parameters
    ----------
    background
        Volume to draw below, such as a run's mean, shape (x, y, z). Without it the labels are
        opaque on black.
    labels
        Integer labels on the same grid, 0 where there is none, shape (x, y, z).
    affine
        Voxel indices to RAS+ millimetres, shape (4, 4). The arrays are flipped and permuted to
        the nearest RAS order; an oblique grid is not resampled, and its slices are named by the
        position of their centre.
    cmap
        A matplotlib colormap to take the labels' colours from, in place of the palette.

    Returns
    -------
    Figure
        Three rows of up to five slices, evenly spaced over those with labels. Tooltips refer to
        labels by their position among the sorted labels (see
        `bids_labelx.report.figures.mark_regions`).

    Raises
    ------
    ValueError
        If the arrays are not three-dimensional and of one shape.
    """
    return _draw(
        background,
        labels,
        affine,
        lambda ranks: _tell_apart(ranks, _palette(cmap)),
        opacity=1.0 if background is None else LABEL_OPACITY,
    )


@default_style()
def plot_label_values(
    background: NDArray[Any] | None,
    labels: NDArray[Any],
    affine: NDArray[np.floating],
    values: Mapping[int, float],
    *,
    measure: str,
    limits: tuple[float, float],
    cmap: str = "cividis",
) -> Figure:
    """Draw one value per label in the brain, as `plot_labels` draws labels.

    Parameters
    ----------
    background, labels, affine
        As for `plot_labels`; the labels are opaque, so that colours are those of the scale.
    values
        By label; one without a value, or with NaN, is grey.
    measure
        Label of the colour bar, with the unit if there is one.
    limits
        Ends of the colour scale.
    cmap
        Name of a matplotlib colormap.
    """
    scale = ScalarMappable(
        Normalize(*limits, clip=True), colormaps[cmap].with_extremes(bad=NO_VALUE)
    )
    present = [int(label) for label in np.unique(labels) if label != 0]
    of_labels = np.array([values.get(label, np.nan) for label in present], dtype=float)
    table = scale.to_rgba(np.ma.masked_invalid(of_labels), bytes=True)[:, :3]
    return _draw(
        background, labels, affine, lambda _: table, opacity=1.0, scale=scale, measure=measure
    )


def _draw(
    background: NDArray[Any] | None,
    labels: NDArray[Any],
    affine: NDArray[np.floating],
    colour: Callable[[NDArray[np.intp]], NDArray[np.uint8]],
    *,
    opacity: float,
    scale: ScalarMappable | None = None,
    measure: str = "",
) -> Figure:
    """Draw slices with the labels in the colours that `colour` gives, shape (n_labels, 3).

    Its argument is the position of each voxel's label among the sorted labels, -1 for none.
    """
    labels = np.asarray(labels)
    background = np.zeros(labels.shape) if background is None else np.asarray(background)
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
    ranks = _ranks(labels)
    overlay = _with_opacity(colour(ranks), opacity)[ranks]

    figure, rows = _slice_grid(size, bar_width=0.0 if scale is None else 0.8)
    for (letter, axis, across, up, at_left, at_right), row in zip(_PLANES, rows, strict=True):
        left, right, bottom, top = (
            float(centre[side] + sign * size[side] / 2)
            for side in (across, up)
            for sign in (-1, 1)
        )
        extent = (left, right, bottom, top)
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
            mark_regions(axes, np.take(ranks, index, axis=axis).T[::-1], extent)
            axes.set_title(
                f"{letter} = {round(position):d} mm".replace("-", "−"),
                color="white",
                fontsize=9,
                pad=3,
            )
            _mark_sides(axes, at_left, at_right)
    if scale is not None:
        _add_scale(figure, scale, measure)
    return figure


def _add_scale(figure: Figure, scale: ScalarMappable, measure: str) -> None:
    """Draw a colour bar at the right, where `_slice_grid` has left room."""
    width = figure.get_figwidth()
    bar = figure.colorbar(scale, cax=figure.add_axes((1 - 0.75 / width, 0.2, 0.15 / width, 0.6)))
    bar.set_label(measure, color="white", fontsize=9, parse_math=False)
    bar.ax.tick_params(colors="white", labelsize=8)
    bar.outline.set_visible(False)


def _slice_grid(size: NDArray[np.floating], *, bar_width: float) -> tuple[Figure, NDArray[Any]]:
    """Make a black figure of empty panels, all to one scale, with room for a colour bar.

    `size` is the volume's in mm, `bar_width` the bar's in inches.
    """
    width, title = 2.0, 0.24
    scale = width / max(size[across] for _, _, across, _, _, _ in _PLANES)
    heights = [float(size[up] * scale) for _, _, _, up, _, _ in _PLANES]
    total = sum(heights) + title * len(_PLANES)
    whole = width * SLICES_PER_ROW + bar_width
    figure = Figure(figsize=(whole, total), dpi=DPI, facecolor="black")
    rows = figure.subplots(
        len(_PLANES),
        SLICES_PER_ROW,
        squeeze=False,
        gridspec_kw={
            "height_ratios": heights,
            "left": 0.005,
            "right": 0.995 - bar_width / whole,
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
    """Choose up to five evenly spaced slices with labels, or of all slices if none has any."""
    others = tuple(other for other in range(3) if other != axis)
    held = np.flatnonzero((labels != 0).any(axis=others))
    if held.size == 0:
        held = np.arange(labels.shape[axis])
    if held.size <= SLICES_PER_ROW:
        return held
    # Without the first and the last, where a region is a few voxels.
    steps = np.linspace(0, held.size - 1, SLICES_PER_ROW + 2)[1:-1]
    return held[np.unique(np.round(steps).astype(int))]


def _occupied(held: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box of the True voxels, with a small margin."""
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


def _palette(cmap: str | Colormap | None) -> NDArray[np.uint8]:
    """Colours to choose from, shape (n, 3); ten of a continuous colormap."""
    if cmap is None:
        colours = np.array([to_rgb(name) for name in PALETTE])
    else:
        chosen = colormaps[cmap] if isinstance(cmap, str) else cmap
        listed = chosen.N if chosen.N <= 64 else 10
        colours = chosen(np.linspace(0, 1, listed))[:, :3]
    return np.rint(255 * colours).astype(np.uint8)


def _ranks(labels: NDArray[Any]) -> NDArray[np.intp]:
    """The position of each voxel's label among the sorted labels, -1 where there is none."""
    values, ranks = np.unique(labels, return_inverse=True)
    order = np.cumsum(values != 0) - 1
    return np.where(values == 0, -1, order)[ranks.reshape(labels.shape)]


def _with_opacity(colours: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
    """Colours of the labels with their opacity, (n_labels + 1, 4); the last is see-through."""
    table = np.zeros((len(colours) + 1, 4), dtype=np.uint8)
    table[:-1, :3], table[:-1, 3] = colours, round(opacity * 255)
    return table


def _tell_apart(ranks: NDArray[np.intp], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
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
    """For each rank, the other ranks one or two voxels away and how often.

    Two voxels, because parcels on either side of a thin gap look like neighbours too.
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
