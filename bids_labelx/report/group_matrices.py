"""The group's mean matrices as the page and static figures show them, on one scale per atlas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.style import save_figure
from bids_labelx.group.mean_matrices import AVERAGED, matrix_name
from bids_labelx.outputs.results import ATLAS_ENTITIES
from bids_labelx.pictures.packing import MOST_ROWS, pack_matrix, write_script
from bids_labelx.pictures.run_data import network_order, symmetric_limits
from bids_labelx.report.group_figure_files import (
    Picture,
    all_but_strategy,
    atlas_of,
    place_of,
    where,
)
from bids_labelx.report.pages import FigureFile
from bids_labelx.words import counted, region_signals

# Mean Fisher z is stored and shown to this.
_STEP = 0.01


@dataclass(frozen=True)
class GroupMatrix:
    """A mean matrix of a combination.

    Attributes
    ----------
    entities, strategy
        Of the combination; see `averaging.combination_of`.
    names, networks
        Of the regions.
    mean
        Mean Fisher z, shape (n_regions, n_regions).
    participants, runs
        How many there are.
    """

    entities: Mapping[str, str]
    strategy: str
    names: Sequence[str]
    networks: Sequence[str] | None
    mean: NDArray[np.floating]
    participants: int
    runs: int


def matrix_pictures(
    output: Path, matrices: Sequence[GroupMatrix], *, static: bool
) -> list[tuple[str, Picture]]:
    """Write mean matrices for the page's script, and draw them.

    Matrices of one atlas, statistic and measure have one scale.

    Parameters
    ----------
    output
        The output dataset.
    matrices
        Those that differ in the strategy only next to each other.
    static
        Whether to draw them into files as well.

    Returns
    -------
    list
        Atlas, and the picture of the matrices that differ in the strategy only.
    """
    limits: dict[tuple[str | None, ...], float] = {}
    for one in matrices:
        own = math.ceil(symmetric_limits(one.mean)[1] / _STEP) * _STEP
        limits[_scale(one)] = max(limits.get(_scale(one), 0.0), round(own, 2))
    pictures = []
    for entities, alike in groupby(matrices, key=lambda one: all_but_strategy(one.entities)):
        group, shown, scripts = list(alike), [], []
        for one in group:
            path = Path("figures", f"{matrix_name(one.entities, 'mean')}.tsv")
            scripts.append(path.with_name(path.stem.replace("_relmat", "_report.js")))
            write_script(output / scripts[-1], _data(one, limits[_scale(one)]))
            links = [path.name, *([path.with_suffix(".svg").as_posix()] if static else [])]
            src = scripts[-1].as_posix()
            shown.append({"strategy": one.strategy, "src": src, "files": links})
        most = counted(max(one.participants for one in group), "participant")
        caption = f"{_measure(entities)}: {where(entities)}; mean of {most}"
        count = len(group[0].names)
        if count > MOST_ROWS:
            block = -(-count // MOST_ROWS)
            caption += f"; of {count:,} regions, cells are means of {block} × {block} pairs"
        alt = f"Matrices between regions of {atlas_of(entities)} by strategy"
        files = [_static(output, one, limits[_scale(one)]) for one in group] if static else []
        data = {"kind": "matrices", "measure": "mean Fisher z", "matrices": shown}
        picture = Picture(data, alt, caption, tuple(files), tuple(scripts))
        pictures.append((atlas_of(entities), picture))
    return pictures


def _scale(one: GroupMatrix) -> tuple[str | None, ...]:
    return tuple(one.entities.get(key) for key in (*ATLAS_ENTITIES, "stat", "meas"))


def _measure(entities: Mapping[str, str]) -> str:
    return f"Mean Fisher z of the {AVERAGED[entities['meas']].partition(',')[0]}"


def _data(one: GroupMatrix, limit: float) -> dict[str, Any]:
    order = network_order(one.networks, len(one.names))
    return {
        "kind": "mean",
        "names": list(one.names),
        "networks": None if one.networks is None else list(one.networks),
        **pack_matrix(one.mean, order, step=_STEP),
        "limits": [-limit, limit],
        "n": f"{counted(one.runs, 'run')} of {counted(one.participants, 'participant')}",
    }


def _static(output: Path, one: GroupMatrix, limit: float) -> FigureFile:
    what = region_signals(one.entities["stat"], one.strategy)
    what = f"{AVERAGED[one.entities['meas']].partition(',')[0]} of {what}"
    people = counted(one.participants, "participant")
    figure = plot_matrix(
        one.mean,
        one.names,
        networks=one.networks,
        title=f"{what[0].upper()}{what[1:]}; mean of {people}",
        measure=_measure(one.entities)[0].lower() + _measure(one.entities)[1:],
        limits=(-limit, limit),
    )
    path = Path("figures", f"{matrix_name(one.entities, 'mean')}.svg")
    save_figure(figure, output / path)
    values = one.mean[np.triu_indices(len(one.names), k=1)]
    values = values[np.isfinite(values)]
    spread = (
        f"{counted(len(values), 'pair')}, median {np.median(values):.2f}, from "
        f"{values.min():.2f} to {values.max():.2f}"
        if values.size
        else "no pair has a value"
    )
    alt = f"Matrix of the mean Fisher z between regions of {atlas_of(one.entities)}: {what}; "
    place = " ".join(place_of(one.entities))
    caption = f"{what[0].upper()}{what[1:]}; {place}; {counted(one.runs, 'run')} of {people}"
    return FigureFile(path.as_posix(), alt + spread, caption)
