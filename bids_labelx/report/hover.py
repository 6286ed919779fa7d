from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bids_labelx.report.figures import save_figure


def save_with_hover(
    figure: Figure,
    path: Path,
    names: Sequence[str] = (),
    texts: Sequence[str] = (),  # noqa: ARG001
) -> None:
    save_figure(figure, path)
