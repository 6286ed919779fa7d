"""QC-FC on the participants and runs that all strategies have, with covariates held constant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.edge_stack import EdgeStack, as_matrix
from bids_labelx.group.qcfc import FEWEST
from bids_labelx.group.rows import MatrixFile, Row, RowKey, mean_motion
from bids_labelx.statistics.partial import partial_correlation_of_edges


@dataclass(frozen=True)
class CommonQcFc:
    """QC-FC of one strategy over participants that all strategies have.

    Attributes
    ----------
    r, n
        Shape (n_regions, n_regions); see `partial_correlation_of_edges`.
    participants
        How many it is over.
    own
        How many participants of the strategy have a known motion.
    without_covariates
        How many of those that all strategies have lack a covariate, and are left out.
    covariates
        Those held constant.
    columns
        How many columns these are.
    runs
        How many runs QC-FC is over, the same for all strategies.
    """

    r: np.ndarray
    n: np.ndarray
    participants: int
    own: int
    without_covariates: int
    covariates: tuple[str, ...]
    columns: int
    runs: int

    @property
    def figures(self) -> Row:
        """What the strategy's row says of it, beside its figures."""
        return {
            "participants_of_strategy": self.own,
            "runs": self.runs,
            "covariates": ", ".join(self.covariates) or None,
            "participants_without_covariates": self.without_covariates,
        }


def common_qcfc(
    strategies: Sequence[EdgeRows],
    sources: Sequence[Sequence[Sequence[MatrixFile]]],
    rows: Mapping[RowKey, Row],
    motion: str,
    chosen: ChosenColumns,
    without: Collection[Unit] = (),
    *,
    runs_differ: bool = False,
) -> list[CommonQcFc] | None:
    """QC-FC of strategies over the same participants, those whose motion all strategies know.

    Parameters
    ----------
    strategies
        Edges of combinations that differ in the strategy alone, a row per participant.
    sources
        Of each strategy and row the matrices behind it.
    rows
        Those of the quality table.
    motion
        A key of `rows.MOTION`.
    chosen
        With the covariates.
    without
        Rows that are left out, as the strategies have no run of theirs in common.
    runs_differ
        Whether strategies have other runs of the same participants; `strategies` and `sources`
        are of those in common.

    Returns
    -------
    list of CommonQcFc or None
        None where all strategies have the same participants and runs, and no covariate is asked
        for: then it is what the sums over each strategy's participants are.
    """
    moved = [
        {
            unit: value
            for unit, files in zip(one.units, own, strict=True)
            if (value := mean_motion([rows[file.row] for file in files], motion)) is not None
        }
        for one, own in zip(strategies, sources, strict=True)
    ]
    alike = not runs_differ and len({frozenset(one) for one in moved}) == 1
    if alike and not chosen.covariates:
        return None
    common = [
        unit
        for unit in strategies[0].units
        if unit not in without and all(unit in one for one in moved)
    ]
    design = chosen.design(common)
    known = np.isfinite(design).all(axis=1)
    kept = [unit for unit, has in zip(common, known, strict=True) if has]
    found = []
    for one, own, files in zip(strategies, moved, sources, strict=True):
        places = {unit: row for row, unit in enumerate(one.units)}
        stack = EdgeStack((one,), tuple(((0, places[unit]),) for unit in kept))
        r, n = qcfc_of(stack, np.array([own[unit] for unit in kept]), design[known])
        size = len(one.names)
        counts = np.nan_to_num(as_matrix(n, size)).astype(np.int64)
        missing = len(common) - len(kept)
        what = len(kept), len(own), missing, chosen.covariates, design.shape[1]
        behind = dict(zip(one.units, files, strict=True))
        runs = sum(len(behind[unit]) for unit in kept)
        found.append(CommonQcFc(as_matrix(r, size), counts, *what, runs))
    return found


def qcfc_of(
    stack: EdgeStack, motion: np.ndarray, design: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """QC-FC of each edge and the number of participants behind it, each of shape (n_edges,).

    Parameters
    ----------
    stack
        A row per participant.
    motion, design
        In mm, shape (n_rows,); covariates, shape (n_rows, n_columns).
    """
    if not stack.cells:
        return np.full(stack.n_edges, np.nan), np.zeros(stack.n_edges, np.int64)
    parts = [partial_correlation_of_edges(z, motion, design, FEWEST) for z in stack.blocks()]
    return np.concatenate([r for r, _ in parts]), np.concatenate([n for _, n in parts])
