"""The data for a figure's tooltips, in a file beside it.

It is a script, because a page opened from a disk may load scripts but not read data.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from bids_labelx.files import write_text
from bids_labelx.report.figures import MATRIX, REGIONS, default_style, save_figure

CALLBACK = "bids_labelx_hover"


@default_style()
def tooltip_script(figure: Figure, *, names: Sequence[str], texts: Sequence[str]) -> str:
    """Give the places of a figure's regions and the values of its matrices.

    It may be called before or after the figure is written: whichever comes first makes the layout,
    and the other keeps it.

    Parameters
    ----------
    figure
        Its images with the gid `REGIONS` or `MATRIX` are used, see `mark_regions` and
        `plot_matrix`.
    names
        Of the matrices' regions, in the order of the rows; needed for matrices alone.
    texts
        The tooltip of each region, which the cells of `mark_regions` refer to by position; needed
        for such cells alone.

    Returns
    -------
    str
        Content of a ``.js`` file, in ASCII. It calls ``bids_labelx_hover`` with ``names``,
        ``texts`` and ``boxes``. Each box has its place in ``box``: left, top, right and bottom as
        shares of the figure's width and height, from the top left. It has ``rows`` and
        ``columns``, and either ``cells``, positions in ``texts`` or -1 and how often each is
        repeated, row by row; or ``values`` in base64, little-endian float32, row by row,
        without the part below the diagonal where ``symmetric``.

    Raises
    ------
    ValueError
        If there is no text for a cell, or the names are not those of a matrix' rows and columns.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    boxes = []
    for image in _images(figure.axes):
        box = {"box": _place(image, figure)}
        if image.get_gid() == REGIONS:
            boxes.append(box | _pack_cells(_array(image), len(texts)))
        elif image.get_gid() == MATRIX:
            boxes.append(box | _pack_values(_array(image), len(names)))
    content = {"names": list(names), "texts": list(texts), "boxes": boxes}
    # ASCII has no line separators that end a script's string, and no "<" no end of a script.
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"{CALLBACK}({text});\n"


def save_with_tooltips(
    figure: Figure, path: Path, *, names: Sequence[str] = (), texts: Sequence[str] = ()
) -> None:
    """Write a figure, and beside it the data for its tooltips as ``.js`` of the same name.

    Parameters
    ----------
    figure, path
        As for `bids_labelx.report.figures.save_figure`.
    names, texts
        As for `tooltip_script`.

    Raises
    ------
    CannotWriteError
        If a file cannot be written.
    """
    save_figure(figure, path)
    write_text(path.with_suffix(".js"), tooltip_script(figure, names=names, texts=texts))


def _images(several: Sequence[Axes]) -> Iterator[AxesImage]:
    for axes in several:
        yield from axes.images
        yield from _images([child for child in axes.child_axes if isinstance(child, Axes)])


def _place(image: AxesImage, figure: Figure) -> list[float]:
    """Left, top, right and bottom of an image as shares of the figure, from its top left."""
    left, right, bottom, top = image.get_extent()
    corners = image.axes.transData.transform([(left, top), (right, bottom)])
    (x0, y0), (x1, y1) = figure.transFigure.inverted().transform(corners)
    return [round(float(share), 6) for share in (x0, 1 - y0, x1, 1 - y1)]


def _array(image: AxesImage) -> NDArray[Any]:
    array = image.get_array()
    if array is None or array.ndim != 2:
        raise ValueError(f"the image with gid {image.get_gid()!r} has no rows and columns")
    return array


def _pack_cells(cells: NDArray[Any], count: int) -> dict[str, Any]:
    flat = np.ma.filled(cells, -1).ravel().astype(np.int64)
    if flat.max(initial=-1) >= count:
        raise ValueError(f"{count} texts for cells of region {flat.max()}")
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
    runs = np.column_stack((flat[starts], np.diff(starts, append=flat.size)))
    return {"rows": cells.shape[0], "columns": cells.shape[1], "cells": runs.ravel().tolist()}


def _pack_values(matrix: NDArray[Any], count: int) -> dict[str, Any]:
    if matrix.shape != (count, count):
        raise ValueError(f"{count} names for a matrix of shape {matrix.shape}")
    values: NDArray[Any] = np.ma.filled(np.ma.asarray(matrix, dtype="<f4"), np.nan)
    symmetric = np.array_equal(values, values.T, equal_nan=True)
    kept = values[np.triu_indices(count)] if symmetric else values
    packed = base64.b64encode(kept.tobytes()).decode("ascii")
    return {"rows": count, "columns": count, "symmetric": symmetric, "values": packed}
