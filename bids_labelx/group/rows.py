"""Rows of the group level, and the matrix files behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
# What tells rows of the quality table apart, as text; the participant comes first.
RowKey = tuple[str, ...]


def mean_fd(runs: Sequence[Row]) -> float | None:
    """Mean framewise displacement of a participant, in mm: mean over the runs that have one."""
    known = [row["mean_fd"] for row in runs if row["mean_fd"] is not None]
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
