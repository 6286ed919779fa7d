"""Columns of a design beside an intercept for each participant, which is absorbed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bids_labelx.models.formulas import Columns
from bids_labelx.statistics.linear import demean

# Of what deviations from the participants' means leave of a column, that is rounding alone.
_ROUNDING = 1e-7


def absorb(columns: Columns, participants: np.ndarray) -> tuple[Columns, tuple[str, ...]]:
    """The columns without those that an interaction has twice within participants.

    ``session:group`` without ``group`` has a column for each session, which add up to the group:
    within participants one is minus the others. The first one, of the reference level, is dropped,
    so that the others are differences from it (R drops the last). What does not differ within
    participants stays, without effect, and is named.
    """
    left = demeaned(columns.matrix, participants)
    flat = constant_within(columns.matrix, participants)
    twice: list[int] = []
    for at in columns.terms.values():
        kept: list[int] = []
        for j in reversed([j for j in at if not flat[j]]):
            if kept and _is_combination(left[:, j], left[:, kept]):
                twice.append(j)
            else:
                kept.append(j)
    stay = [j for j in range(len(columns.names)) if j not in twice]
    terms = {
        term: tuple(stay.index(j) for j in at if j in stay) for term, at in columns.terms.items()
    }
    names = tuple(columns.names[j] for j in stay)
    absorbed = tuple(name for j, name in enumerate(columns.names) if j in twice or flat[j])
    return replace(columns, matrix=columns.matrix[:, stay], names=names, terms=terms), absorbed


def _is_combination(column: np.ndarray, others: np.ndarray) -> bool:
    weights = np.linalg.lstsq(others, column, rcond=None)[0]
    rest = np.linalg.norm(column - others @ weights)
    return bool(rest <= _ROUNDING * np.linalg.norm(column))


def demeaned(matrix: np.ndarray, participants: np.ndarray | None) -> np.ndarray:
    """Columns as deviations from the means of participants, if there are such labels."""
    if participants is None:
        return matrix
    return demean(matrix, np.unique(participants, return_inverse=True)[1])


def constant_within(matrix: np.ndarray, participants: np.ndarray | None) -> np.ndarray:
    """Which columns do not differ within participants; none without labels of these."""
    if participants is None:
        return np.zeros(matrix.shape[1], bool)
    left = np.linalg.norm(demeaned(matrix, participants), axis=0)
    return np.asarray(left <= _ROUNDING * np.linalg.norm(matrix, axis=0))
