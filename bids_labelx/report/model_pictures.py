"""Pictures of a group model: the matrix of t, edges on the brain, its design and permutations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.models import plot_design, plot_glass, plot_permutations
from bids_labelx.figures.style import Draw, save_figure
from bids_labelx.models.results import ModelResult
from bids_labelx.models.rows import unit_words
from bids_labelx.pictures.packing import MOST_ROWS, pack_integers, pack_matrix, write_script
from bids_labelx.pictures.run_data import network_order
from bids_labelx.report.group_figure_files import Picture
from bids_labelx.report.group_tables import rounded
from bids_labelx.report.pages import FigureFile
from bids_labelx.words import counted

# More lines than this are one blot on the brain.
MOST_EDGES = 300
_BARS = 40
_STEP = 0.01
ALPHA = 0.05


# Of `ModelResult.surviving`, in words.
_CRITERIA = {
    "fwe": "family-wise p < 0.05",
    "fdr": "false discovery rate q < 0.05",
}


def model_pictures(
    output: Path,
    results: Sequence[ModelResult],
    files: Sequence[str],
    what: str,
    stem: str,
    *,
    static: bool,
) -> list[Picture]:
    """Show one contrast of one model over combinations that differ in the strategy.

    Parameters
    ----------
    output
        The output dataset.
    results
        One per strategy, of the same regions.
    files
        The matrix of t of each.
    what
        The contrast and model in words.
    stem
        What the names of figures of all strategies begin with.
    static
        Whether to draw them into files as well.
    """
    pictures = [_matrices(output, results, files, what, static=static), _glass(results, what)]
    pictures.append(_design(results[0]))
    if any(one.edges.permuted for one in results):
        pictures.append(_permutations(results, what))
    if not static:
        return pictures
    plots = {"glass": plot_glass, "permutations": plot_permutations, "design": plot_design}
    return [
        replace(
            one, files=(_static(output, one, partial(plots[one.data["kind"]], one.data), stem),)
        )
        if one.data["kind"] in plots
        else one
        for one in pictures
    ]


def _static(output: Path, one: Picture, plot: Draw, stem: str) -> FigureFile:
    path = Path("figures", f"{stem}_{one.data['kind']}.svg")
    save_figure(plot(), output / path)
    return FigureFile(path.as_posix(), one.alt, one.caption)


def surviving_in_words(one: ModelResult) -> str:
    """How many edges survive the planned correction, and how many the false discovery rate."""
    correction, found = one.surviving()
    count = f"{len(found):,}" if len(found) else "none"
    text = f"{count} of {counted(len(one.edges.fit.t), 'edge')} with {_CRITERIA[correction]}"
    if correction == "fdr":
        return text
    return f"{text} ({int((one.edges.p_fdr < ALPHA).sum()):,} with {_CRITERIA['fdr']})"


def _limit(results: Sequence[ModelResult]) -> float:
    sizes = (np.nanmax(np.abs(one.edges.fit.t), initial=0.0) for one in results)
    return math.ceil(max(*sizes, 1.0) * 10) / 10


def _matrices(
    output: Path,
    results: Sequence[ModelResult],
    files: Sequence[str],
    what: str,
    *,
    static: bool,
) -> Picture:
    limit, shown, scripts = _limit(results), [], []
    drawn: list[FigureFile] = []
    for one, file in zip(results, files, strict=True):
        path = Path("figures", file)
        scripts.append(path.with_name(path.stem.replace("_relmat", "_report.js")))
        write_script(output / scripts[-1], _matrix_data(one, limit))
        links = [file]
        if static:
            drawn.append(_static_matrix(output, one, file, limit, what))
            links.append(drawn[-1].src)
        src = scripts[-1].as_posix()
        shown.append({"strategy": one.rows.strategy, "src": src, "files": links})
    n = len(results[0].rows.names)
    caption = f"t of {what}; above the diagonal the edges that survive"
    if n > MOST_ROWS:
        block = -(-n // MOST_ROWS)
        caption += f"; of {n:,} regions, cells are means of {block} × {block} pairs"
    alt = f"Matrices of t between regions by strategy, {what}. " + _by_strategy(results)
    data = {"kind": "matrices", "measure": "t", "matrices": shown}
    return Picture(data, alt, caption, tuple(drawn), tuple(scripts))


def _by_strategy(results: Sequence[ModelResult]) -> str:
    return "; ".join(f"{one.rows.strategy}: {surviving_in_words(one)}" for one in results)


def _static_matrix(
    output: Path, one: ModelResult, file: str, limit: float, what: str
) -> FigureFile:
    path = Path("figures", file).with_suffix(".svg")
    figure = plot_matrix(
        one.matrix(one.edges.fit.t),
        one.rows.names,
        networks=one.rows.networks,
        title=f"t of {what}; {one.rows.strategy}",
        measure="t",
        limits=(-limit, limit),
        survive=_marks(one) > 0,
    )
    save_figure(figure, output / path)
    text = (
        f"t of {what}, {one.rows.strategy}; above the diagonal the edges that survive: "
        f"{surviving_in_words(one)}"
    )
    return FigureFile(path.as_posix(), f"Matrix between regions: {text}", text)


def _marks(one: ModelResult) -> NDArray[np.floating]:
    """1 for the edges that survive, else 0, as a matrix."""
    marks = np.zeros(len(one.edges.fit.t))
    marks[one.surviving()[1]] = 1
    return np.nan_to_num(one.matrix(marks))


def _matrix_data(one: ModelResult, limit: float) -> dict[str, Any]:
    names, networks = one.rows.names, one.rows.networks
    order = network_order(networks, len(names))
    packed = pack_matrix(one.matrix(one.edges.fit.t), order, step=_STEP)
    # A cell of several pairs is shown where one of them survives.
    ordered = _marks(one)[np.ix_(order, order)]
    starts = np.arange(0, len(names), packed["block"])
    most = np.maximum.reduceat(np.maximum.reduceat(ordered, starts, axis=0), starts, axis=1)
    survive = most[np.triu_indices(packed["size"])] > 0
    return {
        "kind": "t",
        "names": list(names),
        "networks": None if networks is None else list(networks),
        **packed,
        "survive": pack_integers(survive.astype(np.uint8)),
        "limits": [-limit, limit],
        "n": surviving_in_words(one),
    }


def _glass(results: Sequence[ModelResult], what: str) -> Picture:
    points = results[0].rows.points
    placed = np.isfinite(points).all(axis=1)
    data = {
        "kind": "glass",
        "names": list(results[0].rows.names),
        "points": [
            rounded(point, 0.1) if known else None
            for point, known in zip(points, placed, strict=True)
        ],
        "limit": _limit(results),
        "measure": "t",
        "strategies": [_lines(one, placed) for one in results],
    }
    return Picture(
        data,
        f"Edges that survive, drawn between the centroids of their regions, {what}. "
        + _by_strategy(results),
        f"Edges that survive, {what}, seen through the brain; lines between centroids",
    )


def _lines(one: ModelResult, placed: NDArray[np.bool_]) -> dict[str, Any]:
    """The edges of one strategy that are drawn: two regions, t and what is said of it."""
    t = one.edges.fit.t
    correction, found = one.surviving()
    first, second = np.triu_indices(len(placed), k=1)
    drawn = found[placed[first[found]] & placed[second[found]]]
    drawn = drawn[np.argsort(-np.abs(t[drawn]), kind="stable")]
    note = surviving_in_words(one)
    if lost := len(found) - len(drawn):
        note += f", {lost:,} of which have no place"
    if len(drawn) > MOST_EDGES:
        note += f"; the {MOST_EDGES} with the largest |t| are drawn"
    p, text = one.edges.p_fdr, "q {:.3g}"
    if correction == "fwe" and one.edges.permuted:
        p, text = one.edges.permuted.p_fwe, "family-wise p {:.3g}"
    edges = [
        [
            *(int(first[k]), int(second[k]), round(float(t[k]), 2)),
            text.format(p[k]),
        ]
        for k in drawn[:MOST_EDGES]
    ]
    return {"strategy": one.rows.strategy, "note": note, "edges": edges}


def _design(one: ModelResult) -> Picture:
    design = one.design
    columns, rows = list(design.columns.names), [unit_words(unit) for unit in design.units]
    shape = f"{counted(len(rows), 'row')} × {counted(len(columns), 'column')}"
    if design.participants is not None:
        shape += f", and an intercept for each of {counted(design.n_participants, 'participant')}"
    data = {
        "kind": "design",
        "columns": columns,
        "rows": rows,
        "values": [rounded(row, 0.0001) for row in design.columns.matrix],
    }
    return Picture(
        data,
        f"Design matrix: {shape}: {', '.join(columns)}",
        f"Design matrix of {one.rows.strategy}: {shape}",
    )


def _bins(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Edges of bars; numbers of edges have whole ones between them."""
    if (values == np.rint(values)).all():
        width = max(1, math.ceil((np.ptp(values) + 1) / _BARS))
        return np.arange(values.min() - 0.5, values.max() + 0.5 + width, width)
    return np.histogram_bin_edges(values, _BARS)


def _permutations(results: Sequence[ModelResult], what: str) -> Picture:
    strategies = []
    for one in results:
        permuted = one.edges.permuted
        if permuted is None:
            continue
        for label, values in (
            ("largest |t| of an edge", permuted.largest_t),
            ("edges of the largest component", permuted.largest_component.astype(float)),
        ):
            edges = _bins(values)
            strategies.append(
                {
                    "strategy": one.rows.strategy,
                    "label": label,
                    "counts": np.histogram(values, edges)[0].tolist(),
                    "edges": [float(f"{edge:.6g}") for edge in edges],
                    "observed": float(values[0]),
                    "critical": float(np.quantile(values, 1 - ALPHA, method="higher")),
                }
            )
    text = "; ".join(
        f"{one['strategy']}, {one['label']}: data {one['observed']:.3g}, 5 % of the permutations "
        f"beyond {one['critical']:.3g}"
        for one in strategies
    )
    return Picture(
        {"kind": "permutations", "strategies": strategies},
        f"Histograms over permutations, {what}. {text}",
        "Distribution over permutations, that of the data among them: expected by chance alone",
    )
