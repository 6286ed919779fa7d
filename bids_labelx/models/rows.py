"""Rows of group models: whose edges they are, from one file of edges or from several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.errors import BadDataError
from bids_labelx.group.collect import Combination
from bids_labelx.group.edge_rows import EdgeRows, Unit, motion_of, unit_of_run
from bids_labelx.group.mean_matrices import group_name
from bids_labelx.group.rows import MatrixFile, Row, RowKey
from bids_labelx.names import build_name, sort_entities

# By a choice of --model-rows the entities in which the rows of one model differ, beside sub.
_DIFFERING = {"participant": (), "session": ("ses",), "run": ("ses", "run")}


@dataclass(frozen=True)
class ModelRows:
    """The rows of the models of one combination.

    Attributes
    ----------
    entities, strategy, names, networks, points
        As of `EdgeRows`; without the entities in which rows differ.
    units, mean_fd
        Of each row.
    parts
        Where the edges of the rows are, one after the other.
    """

    entities: Mapping[str, str]
    strategy: str
    names: tuple[str, ...]
    networks: tuple[str, ...] | None
    points: np.ndarray
    units: tuple[Unit, ...]
    mean_fd: np.ndarray
    parts: tuple[EdgeRows, ...] = ()

    @property
    def title(self) -> str:
        """The combination, for messages."""
        return group_name(self.entities, "").rstrip("_")

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Fisher z of these rows, shape (n_rows, n_edges), float32: see `EdgeRows.read`."""
        if len(self.parts) == 1 and np.array_equal(rows, np.arange(len(self.units))):
            return self.parts[0].read()
        start = 0
        made = np.empty((len(rows), self.parts[0].n_edges), np.float32)
        for one in self.parts:
            own = (rows >= start) & (rows < start + len(one.units))
            made[own] = one.read()[rows[own] - start]
            start += len(one.units)
        return made


def merge_rows(edges: Iterable[EdgeRows], by: str) -> list[ModelRows]:
    """Rows of models out of files of edges.

    Parameters
    ----------
    edges
        Of participants; of single runs for ``run``.
    by
        What a row is, a choice of ``--model-rows``.

    Raises
    ------
    BadDataError
        Where the regions of what goes into one model differ.
    """
    found: dict[tuple[object, ...], list[EdgeRows]] = {}
    for one in edges:
        entities = model_entities(one.entities, by)
        found.setdefault((tuple(entities.items()), one.strategy), []).append(one)
    return [_merged(parts, by) for parts in found.values()]


def planned_rows(
    combinations: Iterable[Combination],
    rows: Mapping[RowKey, Row],
    by: str,
) -> list[ModelRows]:
    """The rows that models would have if all matrices could be read, without their edges.

    Parameters
    ----------
    combinations, rows
        What is in the output dataset, and the rows of the quality table.
    by
        What a row is, a choice of ``--model-rows``.
    """
    planned = []
    for one in combinations:
        files = [file for file in one.files if not rows[file.row].get("excluded")]
        if not files or len(one.labels.names) == 1:
            continue
        if by == "run":
            groups = [[file] for file in files]
            units = [unit_of_run(file) for file in files]
        else:
            of: dict[str, list[MatrixFile]] = {}
            for file in files:
                of.setdefault(file.participant, []).append(file)
            groups = list(of.values())
            units = [Unit(label, one.entities.get("ses", "")) for label in of]
        networks = one.labels.networks
        planned.append(
            EdgeRows(
                one.entities,
                str(rows[files[0].row]["strategy"]),
                tuple(one.labels.names),
                None if networks is None else tuple(networks),
                np.full((len(one.labels.names), 3), np.nan),
                tuple(units),
                motion_of(groups, rows),
                files[0].path,
            )
        )
    return merge_rows(planned, by)


def model_entities(entities: Mapping[str, str], by: str) -> dict[str, str]:
    """Of the entities of a combination those that the rows of a model have in common."""
    kept = {key: value for key, value in entities.items() if key not in _DIFFERING[by]}
    return sort_entities(kept) if by != "participant" else dict(entities)


def unit_words(unit: Unit) -> str:
    """Whose row it is, in words."""
    keys = zip(("sub", "ses", "run"), unit, strict=True)
    return " ".join(f"{key}-{label}" for key, label in keys if label)


def _merged(parts: Sequence[EdgeRows], by: str) -> ModelRows:
    first = parts[0]
    for other in parts[1:]:
        if other.names != first.names:
            raise BadDataError(
                f"--model-rows {by}: the regions of {build_name(other.entities, 'relmat', '')} "
                f"and {build_name(first.entities, 'relmat', '')} differ; model them apart, with "
                "--model-rows participant"
            )
    points = np.stack([one.points for one in parts])
    known = np.isfinite(points).sum(axis=0)
    sums = np.nansum(points, axis=0)
    mean = np.divide(sums, known, out=np.full(sums.shape, np.nan), where=known > 0)
    return ModelRows(
        entities=model_entities(first.entities, by),
        strategy=first.strategy,
        names=first.names,
        networks=first.networks,
        points=first.points if len(parts) == 1 else mean,
        units=tuple(unit for one in parts for unit in one.units),
        mean_fd=np.concatenate([one.mean_fd for one in parts]),
        parts=tuple(parts),
    )
