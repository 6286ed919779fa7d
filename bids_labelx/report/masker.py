"""The report of a fitted masker: its regions in a picture and a table, in one HTML file.

Unlike the pages of the app, this one holds its picture itself: a notebook shows it as it is, and
it can be sent as one file.
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

from bids_labelx.files import write_text
from bids_labelx.report.brain import plot_labels
from bids_labelx.report.figures import render_figure
from bids_labelx.report.pages import render_template
from bids_labelx.report.regions import table_of

FRAME_HEIGHT = 720


@dataclass(frozen=True)
class MaskerReport:
    """A page about a masker. In a notebook it shows itself.

    Attributes
    ----------
    html
        The whole page. It asks nothing of the network; its script sorts and filters the table.
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
            Where to. By default a new temporary file, which stays: the browser reads it when it
            gets to it.
        """
        if path is None:
            handle, path = tempfile.mkstemp(prefix="bids_labelx-", suffix=".html")
            os.close(handle)
        self.save_as_html(path)
        webbrowser.open(Path(path).resolve().as_uri())

    def _repr_html_(self) -> str:
        """Put the page into a frame of its own, which keeps its style out of the notebook."""
        # Without a base of its own, a link to a section would load the notebook into the frame.
        page = self.html.replace("<head>", '<head>\n<base href="about:srcdoc">', 1)
        return (
            f'<iframe srcdoc="{html.escape(page)}" title="Report of the masker" '
            f'style="width: 100%; height: {FRAME_HEIGHT}px; border: 0"></iframe>'
        )

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
    """Write the report of a masker, of whatever is known of it so far.

    Parameters
    ----------
    title
        Heading, such as the name of the class.
    parameters
        Name and value, in this order.
    regions
        Shown as it is: the columns of `region_table`, and any others.
    background
        Volume to draw below the regions, such as the mean image, shape (x, y, z). Without it the
        regions are drawn on black.
    labels
        Integer labels on the same grid, 0 where there is none, shape (x, y, z).
    affine
        Voxel indices to RAS+ millimetres, shape (4, 4); goes with `labels`.
    warnings
        Stand above all else.
    note
        Why there is less to see than there could be: not fitted yet, or no reports wanted.
    version
        Of bids_labelx.
    cmap
        Colormap of the regions, see `bids_labelx.report.brain.plot_labels`.

    Raises
    ------
    ValueError
        If labels come without an affine, or are not of the shape of the background.
    """
    count = 0 if regions is None else len(regions)
    page = render_template(
        "masker.html",
        title=title,
        note=note,
        warnings=warnings,
        picture=None if labels is None else _picture(background, labels, affine, cmap),
        on_image=background is not None,
        table=None
        if regions is None
        else table_of(regions, f"{count} region{'' if count == 1 else 's'}"),
        lost=[] if regions is None else _lost(regions),
        parameters=parameters,
        version=version,
    )
    return MaskerReport(page)


def _picture(
    background: NDArray[Any] | None,
    labels: NDArray[np.integer],
    affine: NDArray[np.floating] | None,
    cmap: Any,
) -> str:
    """The regions in three planes, as a PNG in base64."""
    if affine is None:
        raise ValueError("labels need an affine to be drawn")
    png = render_figure(plot_labels(background, labels, affine, cmap=cmap), "png")
    return base64.b64encode(png).decode("ascii")


def _lost(regions: pd.DataFrame) -> list[tuple[int, str]]:
    """Row and name of each region that is lost."""
    pairs = zip(regions["name"], regions["lost"], strict=True)
    return [(row, str(name)) for row, (name, lost) in enumerate(pairs) if lost == "yes"]
