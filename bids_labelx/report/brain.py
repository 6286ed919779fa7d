"""Labels drawn over a volume, in slices through three planes.

Labels have Okabe and Ito's colours, which can be told apart with the common kinds of colour
blindness (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from bids_labelx.report.figures import DPI, default_style

PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
LABEL_OPACITY = 0.6
SLICES_PER_ROW = 5

# Row by row: the axis that is cut, the axes that run across and up, what lies at either side.
_PLANES = (("x", 0, 1, 2, "P", "A"), ("y", 1, 0, 2, "L", "R"), ("z", 2, 0, 1, "L", "R"))


@default_style()
def plot_labels(
    background: NDArray[Any] | None,
    labels: NDArray[Any],
    affine: NDArray[np.floating],
    *,
    cmap: str | Colormap | None = None,
) -> Figure:
    """Draw labels over a volume in sagittal, coronal and axial slices, left on the left.

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
        Three rows of up to five slices, taken evenly from those that hold labels.

    Raises
    ------
    ValueError
        If the arrays are not three-dimensional and of one shape.
    """
    labels = np.asarray(labels)
    opacity = 1.0 if background is None else LABEL_OPACITY
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
    overlay = _colour_labels(labels, opacity, _palette(cmap))

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


def _palette(cmap: str | Colormap | None) -> NDArray[np.uint8]:
    """Colours to choose from, shape (n, 3); of a continuous colormap ten."""
    if cmap is None:
        colours = np.array([to_rgb(name) for name in PALETTE])
    else:
        chosen = colormaps[cmap] if isinstance(cmap, str) else cmap
        listed = chosen.N if chosen.N <= 64 else 10
        colours = chosen(np.linspace(0, 1, listed))[:, :3]
    return np.rint(255 * colours).astype(np.uint8)


def _colour_labels(
    labels: NDArray[Any], opacity: float, palette: NDArray[np.uint8]
) -> NDArray[np.uint8]:
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
        contact = np.bincount(colour[others] + 1, weights, minlength=len(palette) + 1)[1:]
        in_turn = (rank + np.arange(len(palette))) % len(palette)
        colour[rank] = in_turn[np.argmin(contact[in_turn])]

    table = np.zeros((values.size, 4), dtype=np.uint8)
    table[values != 0, :3] = palette[colour[values != 0]]
    table[values != 0, 3] = round(opacity * 255)
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
