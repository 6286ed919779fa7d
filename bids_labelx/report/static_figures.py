"""Static figures of runs, as files for papers: drawn from the data of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.measures.quality import OK
from bids_labelx.names import SPATIAL, parse_name
from bids_labelx.outputs.paths import figure_path
from bids_labelx.pictures.packing import read_script, unpack, unpack_matrix
from bids_labelx.pictures.run_data import panel_from
from bids_labelx.report.pages import FigureFile
from bids_labelx.words import counted, region_signals

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


def draw_figures(output: Path, contents: Mapping[str, Any]) -> list[Path]:
    """Draw all static figures of a run, or of matrices over several.

    Parameters
    ----------
    output
        The output dataset.
    contents
        See `bids_labelx.report.page_contents`.

    Returns
    -------
    list of pathlib.Path
        Their paths within the output dataset.

    Raises
    ------
    BadDataError, CannotWriteError
        Where data of the page are broken or gone, or a figure cannot be written.
    """
    # matplotlib is loaded where figures are asked for alone.
    from bids_labelx.report.figures import save_figure

    drawn = []
    for path, draw in _drawings(output, contents):
        save_figure(draw(), output / path)
        drawn.append(path)
    return drawn


def draw_concatenated(output: Path, contents: Sequence[Mapping[str, Any]]) -> None:
    """Draw the matrices over several runs; see `draw_figures`."""
    from bids_labelx.report.figures import save_figure

    for one in contents:
        result = read_script(output / one["src"])
        what = region_signals(one["statistic"], one["strategy"])
        for matrix in result["matrices"]:
            path = figure_path(Path(matrix["file"]), ".svg")
            figure = _matrix(result["regions"], matrix, f"{what}, {counted(one['runs'], 'run')}")
            save_figure(figure, output / path)


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


def _drawings(output: Path, contents: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Path within the output dataset of each figure, and what draws it."""
    strategies = {
        name: read_script(output / src) for name, src in contents.get("strategies", {}).items()
    }
    for name, src in contents.get("strategies", {}).items():
        yield from _of_strategy(src, name, strategies[name])
    for one in contents["atlases"]:
        if not one["src"]:
            continue
        atlas = read_script(output / one["src"])
        yield from _of_atlas(one["src"], atlas)
        for statistic, scripts in one["statistics"].items():
            results = {name: read_script(output / src) for name, src in scripts["results"].items()}
            if scripts["signals"]:
                signals = read_script(output / scripts["signals"])
                draw = partial(_carpet, atlas, signals, results, strategies)
                yield _beside(scripts["signals"], "carpet.png"), draw
                for name, result in results.items():
                    if result["spectrum"] and signals["spectrum"] and name != "none":
                        path = _beside(scripts["results"][name], "spectrum.svg")
                        yield path, partial(_spectrum, signals, result)
            for result in results.values():
                for matrix in result["matrices"]:
                    what = region_signals(statistic, result["strategy"])
                    yield (
                        figure_path(Path(matrix["file"]), ".svg"),
                        partial(_matrix, atlas["regions"], matrix, what),
                    )


def _beside(src: str, ending: str) -> Path:
    return Path(src.removesuffix("report.js") + ending)


def _of_strategy(src: str, name: str, data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    from bids_labelx.report.figures import plot_matrix
    from bids_labelx.report.run_figures import plot_design

    kept = unpack(data["kept"]).astype(bool)
    if data["names"]:
        yield (
            _beside(src, "design.svg"),
            partial(
                plot_design,
                unpack(data["regressors"]).T,
                data["names"],
                kept,
                title=f"Regressors of {name}",
            ),
        )
    if data["confounds"]:
        names = data["confounds"]["names"]
        matrix = unpack_matrix({"size": len(names), "values": data["confounds"]["values"]})
        yield (
            _beside(src, "confounds.svg"),
            partial(
                plot_matrix,
                matrix,
                names,
                title=f"Correlations between confounds of {name}",
                limits=(-1, 1),
                measure="correlation",
            ),
        )


def _of_atlas(src: str, data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    from bids_labelx.report.panel_figures import plot_labels, plot_values
    from bids_labelx.report.run_figures import plot_coverage

    regions = data["regions"]
    missing = np.array([status != OK for status in regions["status"]])
    coverage = np.array([np.nan if x is None else x for x in regions["coverage"]], dtype=float)
    panels = [panel_from(one) for one in data["panels"]]
    if panels:
        yield (
            _beside(src, "dseg.png"),
            partial(
                plot_labels,
                panels,
                data["colours"],
                data["networks"],
                note=f"{data['meaning']} {data['note']}".strip(),
            ),
        )
        yield (
            _beside(src, "coveragemap.png"),
            partial(
                plot_values,
                panels,
                coverage,
                measure="coverage",
                limits=(0, 1),
                lost=missing,
                note=data["note"],
            ),
        )
    yield (
        _beside(src, "coverage.svg"),
        partial(plot_coverage, coverage, regions["name"], missing, threshold=data["threshold"]),
    )


def _carpet(
    atlas: Mapping[str, Any],
    signals: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    strategies: Mapping[str, Mapping[str, Any]],
) -> Any:
    from bids_labelx.report.run_figures import Cleaned, plot_carpet

    cleaned = []
    motion: dict[str, np.ndarray] = {}
    thresholds: dict[str, float] = {}
    for name, result in results.items():
        if name not in strategies:
            continue
        data = strategies[name]
        for curve in data["motion"]:
            motion.setdefault(curve["name"], unpack(curve["values"]))
            if curve["threshold"] is not None:
                lowest = thresholds.get(curve["name"], curve["threshold"])
                thresholds[curve["name"]] = min(lowest, curve["threshold"])
        if name != "none":
            kept = unpack(data["kept"]).astype(bool)
            cleaned.append(Cleaned(name, kept, unpack(result["series"]).T))
    t_r = next((one["t_r"] for one in strategies.values()), None)
    return plot_carpet(
        unpack(signals["series"]).T,
        cleaned,
        networks=atlas["regions"]["network"],
        motion=motion,
        thresholds=thresholds,
        t_r=t_r,
    )


def _spectrum(signals: Mapping[str, Any], result: Mapping[str, Any]) -> Any:
    from bids_labelx.report.run_figures import plot_spectrum

    low, high = result["band"]
    what = region_signals(result["statistic"], result["strategy"])
    return plot_spectrum(
        np.array(signals["spectrum"]["frequencies"]),
        10 ** unpack(signals["spectrum"]["power"]),
        10 ** unpack(result["spectrum"]["power"]),
        band=(low, high),
        title=f"Power spectrum, {what}",
    )


def _matrix(regions: Mapping[str, Any], matrix: Mapping[str, Any], what: str) -> Any:
    from bids_labelx.report.figures import plot_matrix

    # Of a row over several regions the first one.
    first = matrix["order"][:: matrix["block"]]
    networks = regions["network"]
    low, high = matrix["limits"]
    return plot_matrix(
        unpack_matrix(matrix),
        [regions["name"][i] for i in first],
        networks=None if networks is None else [networks[i] for i in first],
        title=f"{matrix['words'][0].upper()}{matrix['words'][1:]} of {what}",
        limits=(low, high),
        measure=matrix["words"],
    )
