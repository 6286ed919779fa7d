"""Static figures of runs, as files for papers: drawn from the data of the pages' scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.panels import plot_labels, plot_values
from bids_labelx.figures.runs import (
    Cleaned,
    plot_carpet,
    plot_coverage,
    plot_design,
    plot_spectrum,
)
from bids_labelx.figures.style import Draw, save_figure
from bids_labelx.measures.quality import OK
from bids_labelx.outputs.paths import figure_path
from bids_labelx.pictures.packing import read_script, unpack, unpack_matrix
from bids_labelx.pictures.run_data import panel_from
from bids_labelx.words import counted, region_signals


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
    drawn = []
    for path, draw in _drawings(output, contents):
        save_figure(draw(), output / path)
        drawn.append(path)
    return drawn


def draw_concatenated(output: Path, contents: Sequence[Mapping[str, Any]]) -> None:
    """Draw the matrices over several runs; see `draw_figures`."""
    for one in contents:
        result = read_script(output / one["src"])
        what = region_signals(one["statistic"], one["strategy"])
        for matrix in result["matrices"]:
            path = figure_path(Path(matrix["file"]), ".svg")
            figure = _matrix(result["regions"], matrix, f"{what}, {counted(one['runs'], 'run')}")
            save_figure(figure, output / path)


def _drawings(output: Path, contents: Mapping[str, Any]) -> Iterator[tuple[Path, Draw]]:
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


def _of_strategy(src: str, name: str, data: Mapping[str, Any]) -> Iterator[tuple[Path, Draw]]:
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


def _of_atlas(src: str, data: Mapping[str, Any]) -> Iterator[tuple[Path, Draw]]:
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
) -> Figure:
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


def _spectrum(signals: Mapping[str, Any], result: Mapping[str, Any]) -> Figure:
    low, high = result["band"]
    what = region_signals(result["statistic"], result["strategy"])
    return plot_spectrum(
        np.array(signals["spectrum"]["frequencies"]),
        10 ** unpack(signals["spectrum"]["power"]),
        10 ** unpack(result["spectrum"]["power"]),
        band=(low, high),
        title=f"Power spectrum, {what}",
    )


def _matrix(regions: Mapping[str, Any], matrix: Mapping[str, Any], what: str) -> Figure:
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
