"""Static figures of runs that are there: their names, and what they show in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_labelx.names import SPATIAL, parse_name
from bids_labelx.outputs.paths import figure_path
from bids_labelx.report.pages import FigureFile

_ENDINGS = (".png", ".svg")
# By suffix: what a figure shows.
_SHOWN = {
    "dseg": "Labels of {atlas}",
    "coveragemap": "Coverage of the labels of {atlas}: share of a label's volume in the atlas "
    "that is in view, inside the mask, and has data",
    "coverage": "Coverage of the labels of {atlas} in order",
    "carpet": "Motion by volume, and {stat} region signals of {atlas}, z-scored, before and after "
    "each strategy; censored volumes are grey",
    "relmat": "{measure} between regions of {atlas}, {stat} region signals, {desc}",
    "spectrum": "Power spectrum, mean over regions of {atlas}, {stat} region signals, {desc}",
    "design": "Regressors of {desc}, z-scored; censored volumes are grey",
    "confounds": "Correlations between the regressors of {desc} (without cosines), the global "
    "signal, framewise displacement and DVARS",
}


def existing_figures(output: Path, run: Mapping[str, str]) -> tuple[FigureFile, ...]:
    """The static figures of a run that are there, sorted by name."""
    return tuple(_described(path.relative_to(output)) for path in _figures_of(output, run))


def figures_of_matrices(output: Path, matrices: Sequence[Path]) -> tuple[FigureFile, ...]:
    """The static figures of matrices that are there."""
    paths = (figure_path(matrix, ".svg") for matrix in matrices)
    return tuple(_described(path) for path in paths if (output / path).is_file())


def remove_figures(output: Path, run: Mapping[str, str]) -> None:
    """Remove the static figures of a run, as the data behind them have changed."""
    for path in _figures_of(output, run):
        path.unlink(missing_ok=True)


def measure_of(path: Path) -> str:
    """The measure in a matrix' name, in words: ``meas-partialCorrelation``."""
    label = parse_name(path).entities.get("meas", "connectivity")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()


def _figures_of(output: Path, run: Mapping[str, str]) -> list[Path]:
    """Figures with all entities of a run but those of space."""
    wanted = {key: value for key, value in run.items() if key not in SPATIAL}
    folder = output / f"sub-{run['sub']}" / "figures"
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.suffix in _ENDINGS and wanted.items() <= parse_name(path).entities.items()
    )


def _described(path: Path) -> FigureFile:
    name = parse_name(path)
    atlas = " ".join(name.entities[k] for k in ("atlas", "seg", "scale") if k in name.entities)
    words = {
        "atlas": atlas,
        "stat": name.entities.get("stat", ""),
        "desc": name.entities.get("desc", ""),
        "measure": measure_of(path).capitalize(),
    }
    caption = _SHOWN.get(name.suffix, name.suffix).format(**words)
    return FigureFile(path.as_posix(), caption, caption)
