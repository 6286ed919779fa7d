"""Edges averaged over the runs that all strategies have, so that these can be compared.

A limit such as ``--min-minutes`` can exclude a run with one strategy alone: without this, that
strategy would be rated on averages of fewer runs than the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bids_labelx.files import cannot_write
from bids_labelx.group.averaging import Averaging
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.edge_stack import EdgeStack
from bids_labelx.group.rows import MatrixFile
from bids_labelx.names import build_name, parse_name


@dataclass(frozen=True)
class OfRuns:
    """The edges of a combination and the runs behind them.

    Attributes
    ----------
    rows
        Of participants.
    sources
        Of each row the matrices that it is the average of.
    runs
        Of single runs; None where these were not kept.
    run_files
        The matrix of each of them.
    averaging
        With the weights of runs.
    """

    rows: EdgeRows
    sources: Sequence[tuple[MatrixFile, ...]]
    runs: EdgeRows | None = None
    run_files: Sequence[MatrixFile] = ()
    averaging: Averaging = field(default_factory=Averaging)


@dataclass(frozen=True)
class CommonRuns:
    """Combinations that differ in the strategy alone, over the runs that all of them have.

    Attributes
    ----------
    rows, sources
        Of each combination; those that were given, where runs do not differ.
    without
        Rows of which the strategies have no run in common.
    differ
        Whether the runs of any row differ between the strategies that have it.
    """

    rows: list[EdgeRows]
    sources: list[Sequence[tuple[MatrixFile, ...]]]
    without: frozenset[Unit]
    differ: bool


def run_name(file: MatrixFile) -> str:
    """The matrix of a run, whatever the strategy."""
    entities = parse_name(file.path).entities
    return build_name({key: value for key, value in entities.items() if key != "desc"}, "", "")


def on_common_runs(strategies: Sequence[OfRuns], scratch: Path | None) -> CommonRuns:
    """Average the runs of each participant that all strategies have.

    Rows that some strategy lacks altogether stay as they are.

    Parameters
    ----------
    strategies
        Combinations that differ in the strategy alone.
    scratch
        A folder for averages; None where single runs were not kept, as no participant has several.

    Raises
    ------
    CannotWriteError
    """
    runs_of = [
        {
            unit: {run_name(file): file for file in files}
            for unit, files in zip(one.rows.units, one.sources, strict=True)
        }
        for one in strategies
    ]
    common = {
        unit: [name for name in own if all(name in other[unit] for other in runs_of)]
        for unit, own in runs_of[0].items()
        if all(unit in other for other in runs_of)
    }
    rows, sources = [one.rows for one in strategies], [one.sources for one in strategies]
    differ = {
        unit for unit, names in common.items() if any(len(o[unit]) > len(names) for o in runs_of)
    }
    without = frozenset(unit for unit in differ if not common[unit])
    for k, (one, own) in enumerate(zip(strategies, runs_of, strict=True)):
        changed = {
            unit: tuple(own[unit][name] for name in common[unit])
            for unit in differ - without
            if len(own[unit]) > len(common[unit])
        }
        if changed and one.runs is not None and scratch is not None:
            path = scratch / f"common-{one.runs.path.name}"
            rows[k] = _averaged(one, changed, path)
            pairs = zip(one.rows.units, one.sources, strict=True)
            sources[k] = [changed.get(unit, tuple(files)) for unit, files in pairs]
    return CommonRuns(rows, sources, without, bool(differ))


def _averaged(one: OfRuns, changed: dict[Unit, tuple[MatrixFile, ...]], path: Path) -> EdgeRows:
    """The same rows on disk, some of them averaged anew, with the weights that runs have."""
    assert one.runs is not None
    places = {file.path: place for place, file in enumerate(one.run_files)}
    cells, weights = [], []
    for row, unit in enumerate(one.rows.units):
        files = changed.get(unit, ())
        cells.append(tuple((1, places[file.path]) for file in files) or ((0, row),))
        weights.append(tuple(one.averaging.weight(file) for file in files) or (1.0,))
    stack = EdgeStack((one.rows, one.runs), tuple(cells), tuple(weights))
    try:
        made = np.memmap(path, np.float32, "w+", shape=(len(cells), stack.n_edges))
        start = 0
        for block in stack.blocks():
            made[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        made.flush()
    except OSError as error:
        raise cannot_write(path, error) from error
    return replace(one.rows, path=path)
