"""Labels drawn over a volume, in slices through three planes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from bids_labelx.report.figures import DPI, default_style, mark_regions
from bids_labelx.report.panel_figures import (
    add_scale,
    mark_sides,
    palette_of,
    ranks_of,
    tell_apart,
    value_colours,
)

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
        lambda ranks: tell_apart(ranks, palette_of(cmap)),
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
    table, scale = value_colours(labels, values, limits, cmap)
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
    ranks = ranks_of(labels)
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
            mark_sides(axes, at_left, at_right)
    if scale is not None:
        add_scale(figure, scale, measure)
    return figure


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


def _with_opacity(colours: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
    """Colours of the labels with their opacity, (n_labels + 1, 4); the last is see-through."""
    table = np.zeros((len(colours) + 1, 4), dtype=np.uint8)
    table[:-1, :3], table[:-1, 3] = colours, round(opacity * 255)
    return table
