"""The report of a fitted masker: a picture and a table of its regions, in one HTML file.

Unlike the pages of the app, it contains its scripts and data, so that a notebook can show it and
it can be sent as one file.
"""

from __future__ import annotations

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
from bids_labelx.pictures.label_colours import LABELS, label_colours
from bids_labelx.pictures.panels import panels_of, region_geometry
from bids_labelx.pictures.run_data import panel_data
from bids_labelx.report.assets import read_asset, scripts
from bids_labelx.report.pages import Table, render_template
from bids_labelx.words import as_text, counted

FRAME_HEIGHT = 720
_SCRIPTS = ("core", "heat", "tables", "brain", "masker")


@dataclass(frozen=True)
class MaskerReport:
    """A page about a masker; a notebook displays it.

    Attributes
    ----------
    html
        The whole page. It is self-contained; its scripts draw the regions, sort and filter the
        table, and show a region that is chosen in one of the two in the other.
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
        across = f"{width}px" if isinstance(width, int) else width
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="Report of the masker" '
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
    grid: VolumeGrid | None,
    coded: NDArray[np.integer] | None,
    background: NDArray[Any] | None,
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
        Columns ``name`` and ``missing``, which is "yes" or empty, and any others; regions are
        coloured by ``network``.
    grid
        The voxels; None where nothing is drawn.
    coded
        The row of each voxel's region, from 1, and 0 where there is none, shape (n_voxels,).
    background
        Value of each voxel to draw below, such as the mean image, shape (n_voxels,). Without it
        the regions are drawn on black.
    warnings
        Shown first.
    note
        Why picture and table are missing: not fitted yet, or no reports wanted.
    version
        Of bids_labelx.
    cmap
        Colormap of the regions, in place of the palette and of networks' colours.
    """
    contents = None
    if regions is not None and grid is not None and coded is not None:
        contents = _contents(regions, grid, coded, background, cmap)
    names = [] if regions is None else regions["name"].tolist()
    missing = [] if regions is None else np.flatnonzero(regions["missing"] == "yes").tolist()
    page = render_template(
        "masker.html",
        title=title,
        note=note,
        warnings=warnings,
        contents=contents,
        on_image=background is not None,
        table=None if regions is None else _table(regions),
        missing=[(row, str(names[row])) for row in missing],
        parameters=parameters,
        version=version,
        style=read_asset("page.css"),
        scripts=scripts(*_SCRIPTS),
    )
    return MaskerReport(page)


def _table(regions: pd.DataFrame) -> Table:
    """The regions as a page's table; numbers have three significant digits."""
    rows = (tuple(map(as_text, row)) for row in regions.itertuples(index=False, name=None))
    return Table(tuple(regions.columns), tuple(rows), counted(len(regions), "region"))


def _contents(
    regions: pd.DataFrame,
    grid: VolumeGrid,
    coded: NDArray[np.integer],
    background: NDArray[Any] | None,
    cmap: Any,
) -> dict[str, Any]:
    """What the picture is drawn from; its parts are those of `run_data.atlas_data`."""
    ids = range(1, len(regions) + 1)
    panels = panels_of(coded, grid, (), background, ids)
    networks: list[str] | None = None
    palette: Sequence[str] = LABELS[:7]
    if "network" in regions and cmap is None:
        networks = regions["network"].fillna("").astype(str).tolist()
    if cmap is not None:
        # Not before it is needed: the import takes longer than all the rest.
        from bids_labelx.figures.panels import colours_of

        palette = colours_of(cmap)
    coloured = label_colours(panels, len(regions), networks, palette)
    centres = region_geometry(coded, grid, ids, {}).centres
    return {
        "lost": (regions["missing"] == "yes").astype(int).tolist(),
        "centres": [None if np.isnan(one).any() else one.round(1).tolist() for one in centres],
        "panels": [panel_data(one) for one in panels],
        **coloured._asdict(),
    }
