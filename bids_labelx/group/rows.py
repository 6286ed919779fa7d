"""Rows of the group level, and the matrix files behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
# What tells rows of the quality table apart, as text; the participant comes first.
RowKey = tuple[str, ...]

# Choices of --qcfc-motion: the column of the quality table, and its name in words.
MOTION = {"fd": ("mean_fd", "mean FD"), "rmsd": ("mean_rmsd", "mean RMSD")}


def motion_words(column: str) -> str:
    """A column of the quality table that is among `MOTION`, in words."""
    return dict(MOTION.values())[column]


def mean_motion(runs: Sequence[Row], motion: str) -> float | None:
    """Motion of a participant in mm: the mean over the runs that have a figure.

    Parameters
    ----------
    runs
        Rows of the quality table.
    motion
        A key of `MOTION`.
    """
    column, _ = MOTION[motion]
    known = [row[column] for row in runs if row[column] is not None]
    return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class MatrixFile:
    """A matrix that a participant wrote, not read yet.

    Attributes
    ----------
    participant
        Label without ``sub-``.
    path
        Within the output dataset.
    row
        The row of the quality table that its run and strategy have.
    """

    participant: str
    path: Path
    row: RowKey
