"""Pictures of a group model: the matrix of t, edges on the brain, its design and permutations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.report.figures import plot_matrix, save_figure
from bids_labelx.report.group_figure_files import Picture
from bids_labelx.report.group_tables import rounded
from bids_labelx.report.model_figures import plot_glass, plot_permutations
from bids_labelx.report.packing import MOST_ROWS, pack_integers, pack_matrix, write_script
from bids_labelx.report.pages import FigureFile
from bids_labelx.report.run_data import network_order
from bids_labelx.report.text import counted
from bids_labelx.statistics.inference import Inference

# More lines than this are one blot on the brain.
MOST_EDGES = 300
_BARS = 40
_STEP = 0.01
ALPHA = 0.05


@dataclass(frozen=True)
class ModelView:
    """One contrast over the edges of one combination, as the page shows it.

    Attributes
    ----------
    strategy
        Of the combination.
    names, networks, points
        Of the regions; points are centroids in mm, shape (n_regions, 3), NaN where unknown.
    inference
        The tests, over the edges above the diagonal, row by row.
    file
        The name of the matrix of t, which its data script is named after.
    """

    strategy: str
    names: Sequence[str]
    networks: Sequence[str] | None
    points: NDArray[np.floating]
    inference: Inference
    file: str


@dataclass(frozen=True)
class Surviving:
    """Edges that are left, and by what.

    Attributes
    ----------
    edges
        Which of all edges, shape (n_edges,).
    criterion
        In words.
    p
        Of each edge by this criterion; None where it is of components and not of edges.
    """

    edges: NDArray[np.bool_]
    criterion: str
    p: NDArray[np.floating] | None


def surviving(inference: Inference) -> Surviving:
    """The edges that are left by the family-wise error, by the FDR without permutations.

    Where no edge is left by itself, those of significant components are.
    """
    tested = inference.permuted
    if tested is None:
        found = np.nan_to_num(inference.p_fdr, nan=1.0) < ALPHA
        return Surviving(found, "false discovery rate q < 0.05", inference.p_fdr)
    found = np.nan_to_num(tested.p_fwe, nan=1.0) < ALPHA
    sizes = tested.components
    members = np.zeros(len(found), dtype=bool)
    for number, p in enumerate(sizes.p, 1):
        if p < ALPHA:
            members |= sizes.of_edge == number
    if not found.any() and members.any():
        return Surviving(members, "in a component with p < 0.05", None)
    return Surviving(found, "family-wise p < 0.05", tested.p_fwe)


def model_pictures(
    output: Path,
    views: Sequence[ModelView],
    design: Mapping[str, Any],
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
    views
        One per strategy, of the same regions.
    design
        ``columns``, ``rows`` and ``values`` of the design matrix.
    what
        The contrast and model in words.
    stem
        What the names of figures of all strategies begin with.
    static
        Whether to draw them into files as well.
    """
    kept = [surviving(one.inference) for one in views]
    pictures = [_matrices(output, views, kept, what, static=static), _glass(views, kept, what)]
    shape = f"{counted(len(design['rows']), 'row')} × {counted(len(design['columns']), 'column')}"
    pictures.append(
        Picture(
            {"kind": "design", **design},
            f"Design matrix: {shape}: {', '.join(design['columns'])}",
            f"Design matrix: {shape}",
        )
    )
    if any(one.inference.permuted for one in views):
        pictures.append(_permutations(views, what))
    if not static:
        return pictures
    plots = {"glass": plot_glass, "permutations": plot_permutations}
    return [
        replace(one, files=(_static(output, one, plots[one.data["kind"]], stem),))
        if one.data["kind"] in plots
        else one
        for one in pictures
    ]


def _static(
    output: Path, one: Picture, plot: Callable[[Mapping[str, Any]], Figure], stem: str
) -> FigureFile:
    path = Path("figures", f"{stem}_{one.data['kind']}.svg")
    save_figure(plot(one.data), output / path)
    return FigureFile(path.as_posix(), one.alt, one.caption)


def _limit(views: Sequence[ModelView]) -> float:
    sizes = (np.nanmax(np.abs(one.inference.fit.t), initial=0.0) for one in views)
    return math.ceil(max(*sizes, 1.0) * 10) / 10


def _matrices(
    output: Path,
    views: Sequence[ModelView],
    kept: Sequence[Surviving],
    what: str,
    *,
    static: bool,
) -> Picture:
    limit, shown, scripts = _limit(views), [], []
    files: list[FigureFile] = []
    for one, left in zip(views, kept, strict=True):
        path = Path("figures", one.file)
        scripts.append(path.with_name(path.stem.replace("_relmat", "_report.js")))
        write_script(output / scripts[-1], _matrix_data(one, left, limit))
        src = scripts[-1].as_posix()
        links = [one.file]
        if static:
            files.append(_static_matrix(output, one, left, limit, what))
            links.append(files[-1].src)
        shown.append({"strategy": one.strategy, "src": src, "files": links})
    n = len(views[0].names)
    caption = f"t of {what}; above the diagonal the edges that survive ({kept[0].criterion})"
    if n > MOST_ROWS:
        block = -(-n // MOST_ROWS)
        caption += f"; of {n:,} regions, cells are means of {block} × {block} pairs"
    alt = f"Matrices of t between regions by strategy, {what}. " + "; ".join(
        f"{one.strategy}: {_survivors(left)}" for one, left in zip(views, kept, strict=True)
    )
    data = {"kind": "matrices", "measure": "t", "matrices": shown}
    return Picture(data, alt, caption, tuple(files), tuple(scripts))


def _static_matrix(
    output: Path, one: ModelView, left: Surviving, limit: float, what: str
) -> FigureFile:
    path = Path("figures", one.file).with_suffix(".svg")
    figure = plot_matrix(
        square(one.inference.fit.t, len(one.names)),
        one.names,
        networks=one.networks,
        title=f"t of {what}; {one.strategy}",
        measure="t",
        limits=(-limit, limit),
    )
    save_figure(figure, output / path)
    text = f"t of {what}, {one.strategy}; {_survivors(left)}"
    return FigureFile(path.as_posix(), f"Matrix between regions: {text}", text)


def _matrix_data(one: ModelView, left: Surviving, limit: float) -> dict[str, Any]:
    n = len(one.names)
    order = network_order(one.networks, n)
    t = square(one.inference.fit.t, n)
    marks = square(left.edges.astype(float), n)
    packed = pack_matrix(t, order, step=_STEP)
    upper = np.triu_indices(packed["size"])
    block = packed["block"]
    # A cell of several pairs is shown where one of them survives.
    ordered = np.nan_to_num(marks[np.ix_(order, order)])
    starts = np.arange(0, n, block)
    most = np.maximum.reduceat(np.maximum.reduceat(ordered, starts, axis=0), starts, axis=1)
    return {
        "kind": "t",
        "names": list(one.names),
        "networks": None if one.networks is None else list(one.networks),
        **packed,
        "survive": pack_integers((most[upper] > 0).astype(np.uint8)),
        "limits": [-limit, limit],
        "n": _survivors(left),
    }


def square(edges: NDArray[np.floating], n_regions: int) -> NDArray[np.floating]:
    """A symmetric matrix of edges above the diagonal, row by row; NaN on the diagonal."""
    matrix = np.full((n_regions, n_regions), np.nan)
    upper = np.triu_indices(n_regions, k=1)
    matrix[upper] = matrix[upper[::-1]] = edges
    return matrix


def _survivors(left: Surviving) -> str:
    count = int(left.edges.sum())
    return f"{counted(count, 'edge')} of {len(left.edges):,} with {left.criterion}"


def _glass(views: Sequence[ModelView], kept: Sequence[Surviving], what: str) -> Picture:
    strategies = []
    for one, left in zip(views, kept, strict=True):
        t = one.inference.fit.t
        first, second = np.triu_indices(len(one.names), k=1)
        placed = np.isfinite(one.points).all(axis=1)
        drawn = np.flatnonzero(left.edges & placed[first] & placed[second])
        drawn = drawn[np.argsort(-np.abs(t[drawn]), kind="stable")]
        note = _survivors(left)
        lost = int(left.edges.sum()) - len(drawn)
        if lost:
            note += f", {lost:,} of which have no place"
        if len(drawn) > MOST_EDGES:
            note += f"; the {MOST_EDGES} with the largest |t| are drawn"
            drawn = drawn[:MOST_EDGES]
        edges = [
            [
                int(first[k]),
                int(second[k]),
                round(float(t[k]), 2),
                left.criterion if left.p is None else f"{_kind(left)} {left.p[k]:.3g}",
            ]
            for k in drawn
        ]
        strategies.append({"strategy": one.strategy, "note": note, "edges": edges})
    points = views[0].points
    data = {
        "kind": "glass",
        "names": list(views[0].names),
        "points": [rounded(point, 0.1) if np.isfinite(point).all() else None for point in points],
        "limit": _limit(views),
        "measure": "t",
        "strategies": strategies,
    }
    text = "; ".join(f"{one['strategy']}: {one['note']}" for one in strategies)
    return Picture(
        data,
        f"Edges that survive, drawn between the centroids of their regions, {what}. {text}",
        f"Edges that survive, {what}, seen through the brain; lines between centroids",
    )


def _kind(left: Surviving) -> str:
    return "q" if left.criterion.startswith("false") else "family-wise p"


def _bins(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Edges of bars; numbers of edges have whole ones between them."""
    if (values == np.rint(values)).all():
        width = max(1, math.ceil((np.ptp(values) + 1) / _BARS))
        return np.arange(values.min() - 0.5, values.max() + 0.5 + width, width)
    return np.histogram_bin_edges(values, _BARS)


def _permutations(views: Sequence[ModelView], what: str) -> Picture:
    strategies = []
    for one in views:
        if one.inference.permuted is None:
            continue
        tested = one.inference.permuted
        for label, values in (
            ("largest |t| of an edge", tested.largest_t),
            ("edges of the largest component", tested.largest_component.astype(float)),
        ):
            edges = _bins(values)
            strategies.append(
                {
                    "strategy": one.strategy,
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
        "Distribution over permutations, that of the data among them: what chance alone gives",
    )
