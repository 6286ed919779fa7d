"""The style of static figures, and how they are written.

Figures are independent of pyplot's state and of the user's matplotlibrc.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias

import matplotlib
from matplotlib.figure import Figure

from bids_labelx.files import write_bytes

# Of a function that draws a figure, with all that it draws.
Draw: TypeAlias = Callable[[], Figure]

DPI = 110


@contextmanager
def default_style() -> Iterator[None]:
    """Ignore the user's matplotlibrc, in a with statement or as a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def render_figure(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """Render a figure to the bytes of a file; the same figure gives the same bytes.

    Text in an SVG stays text.
    """
    content = BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with default_style(), warnings.catch_warnings():
        # Names may be in any script: in a PNG a box stands for a letter.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "bids_labelx"
        figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG, whole or not at all.

    Parameters
    ----------
    figure
        The figure; see `render_figure`.
    path
        Ends in ``.svg`` or ``.png``. Its folder is made if need be.

    Raises
    ------
    ValueError
        If the suffix is another.
    CannotWriteError
        If the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".svg":
        write_bytes(path, render_figure(figure, "svg"))
    elif kind == ".png":
        write_bytes(path, render_figure(figure, "png"))
    else:
        raise ValueError(f"a figure is saved as .svg or .png, not as {path.name}")
