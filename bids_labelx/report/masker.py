"""The report of a fitted masker: a figure and a table of its regions, in one HTML file.

Unlike the pages of the app, it contains its figure, so that a notebook can show it and it can be
sent as one file.
"""

from __future__ import annotations

import base64
import html
import os
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.files import write_text
from bids_labelx.report.figures import render_figure
from bids_labelx.report.label_colours import PALETTE, label_colours
from bids_labelx.report.pages import render_template
from bids_labelx.report.panel_figures import colours_of, plot_labels
from bids_labelx.report.panels import panels_of
from bids_labelx.report.regions import table_of
from bids_labelx.report.text import counted

FRAME_HEIGHT = 720


@dataclass(frozen=True)
class MaskerReport:
    """A page about a masker; a notebook displays it.

    Attributes
    ----------
    html
        The whole page. It is self-contained; its script sorts and filters the table.
    """

    html: str = field(repr=False)

    def save_as_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page as UTF-8, whole or not at all; its folder is made if need be.

        Raises
        ------
        CannotWriteError
            If it cannot be written.
        """
        write_text(Path(path), self.html)

    def open_in_browser(self, path: str | os.PathLike[str] | None = None) -> None:
        """Write the page and open it in the user's browser.

        Parameters
        ----------
        path
            Path of the page. By default a new temporary file, which is kept: the browser may read
            it later.
        """
        if path is None:
            handle, path = tempfile.mkstemp(prefix="bids_labelx-", suffix=".html")
            os.close(handle)
        self.save_as_html(path)
        webbrowser.open(Path(path).resolve().as_uri())

    def get_iframe(self, width: int | str = "100%", height: int = FRAME_HEIGHT) -> str:
        """The page in a frame, for another page; width and height are in pixels."""
        # Without a base of its own, a link to a section would load that page into the frame.
        page = self.html.replace("<head>", '<head>\n<base href="about:srcdoc">', 1)
        across = f"{width}px" if isinstance(width, int) else width
        return (
            f'<iframe srcdoc="{html.escape(page)}" title="Report of the masker" '
            f'style="width: {across}; height: {height}px; border: 0"></iframe>'
        )

    @property
    def body(self) -> str:
        """The page without its head."""
        return self.html.partition("<body>")[2].rpartition("</body>")[0]

    def get_standalone(self) -> str:
        """The whole page."""
        return self.html

    def _repr_html_(self) -> str:
        """Put the page into a frame, which keeps its style out of the notebook."""
        return self.get_iframe()

    def __str__(self) -> str:
        return self.html


def masker_report(
    *,
    title: str,
    parameters: Sequence[tuple[str, str]],
    regions: pd.DataFrame | None,
    background: NDArray[Any] | None,
    labels: NDArray[np.integer] | None,
    affine: NDArray[np.floating] | None,
    warnings: Sequence[str],
    note: str | None,
    version: str,
    cmap: Any = None,
) -> MaskerReport:
    """Write the report of a masker, fitted or not.

    Parameters
    ----------
    title
        Heading, such as the name of the class.
    parameters
        Name and value, in this order.
    regions
        The columns of `region_table`, and any others.
    background
        Volume to draw below the regions, such as the mean image, shape (x, y, z). Without it the
        regions are drawn on black.
    labels
        Integer labels on the same grid, 0 where there is none, shape (x, y, z).
    affine
        Voxel indices to RAS+ millimetres, shape (4, 4); goes with `labels`.
    warnings
        Shown first.
    note
        Why figure and table are missing: not fitted yet, or no reports wanted.
    version
        Of bids_labelx.
    cmap
        Colormap of the regions, in place of the palette.

    Raises
    ------
    ValueError
        If labels come without an affine, or are not of the shape of the background.
    """
    page = render_template(
        "masker.html",
        title=title,
        note=note,
        warnings=warnings,
        figure=None if labels is None else _draw(background, labels, affine, cmap),
        on_image=background is not None,
        table=None if regions is None else table_of(regions, counted(len(regions), "region")),
        missing=[] if regions is None else _missing(regions),
        parameters=parameters,
        version=version,
    )
    return MaskerReport(page)


def _draw(
    background: NDArray[Any] | None,
    labels: NDArray[np.integer],
    affine: NDArray[np.floating] | None,
    cmap: Any,
) -> str:
    """Draw the regions in three planes, as a PNG in base64."""
    if affine is None:
        raise ValueError("labels need an affine to be drawn")
    grid, count = VolumeGrid.of(labels.shape, affine), int(labels.max(initial=0))
    below = None if background is None else background.ravel(order="F")
    panels = panels_of(labels.ravel(order="F"), grid, (), below, range(1, count + 1))
    palette = PALETTE if cmap is None else colours_of(cmap)
    coloured = label_colours(panels, count, palette=palette)
    png = render_figure(plot_labels(panels, coloured.colours), "png")
    return base64.b64encode(png).decode("ascii")


def _missing(regions: pd.DataFrame) -> list[tuple[int, str]]:
    """Row and name of each region that is missing."""
    pairs = zip(regions["name"], regions["missing"], strict=True)
    return [(row, str(name)) for row, (name, missing) in enumerate(pairs) if missing == "yes"]
