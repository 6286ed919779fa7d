"""Which batch each row of edges is of, and what is preserved: read, checked, and refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError
from bids_labelx.group.covariates import MOTION, Covariates, check_own
from bids_labelx.group.edge_rows import Unit
from bids_labelx.statistics.combat import check_batches

# Participants of a batch; with two a batch's variance is a difference of two numbers.
FEWEST = 3
_MOST_NAMED = 10


@dataclass(frozen=True)
class Batches:
    """Batches and preserved covariates of the rows that are harmonised.

    Attributes
    ----------
    column
        The covariate whose values they are.
    labels
        Of each row that is kept.
    preserved
        The covariates whose effects are preserved.
    names, design
        Columns of these: a number as it is, a category as indicators of all levels but the first;
        shape (n_kept, n_columns).
    kept
        Positions of the rows.
    dropped
        Participants (and sessions) that have no value of a preserved covariate, and which.
    """

    column: str
    labels: tuple[str, ...]
    preserved: tuple[str, ...]
    names: tuple[str, ...]
    design: np.ndarray
    kept: np.ndarray
    dropped: Mapping[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each batch, sorted."""
        return dict(sorted(Counter(self.labels).items()))


def batches_of(
    covariates: Covariates,
    units: Sequence[Unit],
    column: str,
    preserved: Sequence[str] = (),
    mean_fd: np.ndarray | None = None,
) -> Batches:
    """Read batches and preserved covariates of rows of edges, and check them.

    Parameters
    ----------
    covariates
        The table of participants.
    units
        Whose rows they are.
    column
        Of the batches, whose values are names also where they are numbers.
    preserved
        Covariates; ``mean_fd`` is that of the rows.
    mean_fd
        Motion of each row, mm, NaN where it is not known; needed if it is preserved.

    Raises
    ------
    UsageError, BadDataError
        Where a column or a participant is not in the table, a participant has no batch, there is
        one batch only, one has fewer than `FEWEST` participants, or the effect of a preserved
        covariate cannot be told from that of the batches.
    """
    path = covariates.path
    check_own("--batch", [column], path)
    check_own("--preserve", [one for one in preserved if one != MOTION], path)
    table = covariates.of(units, [one for one in preserved if one != MOTION])
    if MOTION in preserved:
        table[MOTION] = np.full(len(units), np.nan) if mean_fd is None else mean_fd
        table = table[list(preserved)]
    labels = labels_of(covariates, units, column)
    missing = table.isna()
    kept = np.flatnonzero(~missing.any(axis=1))
    dropped = {
        _name(units[int(k)]): "no " + ", ".join(table.columns[missing.iloc[k]])
        for k in np.flatnonzero(missing.any(axis=1))
    }
    names, design = coded(table.iloc[kept])
    own = tuple(labels[k] for k in kept)
    found = Batches(column, own, tuple(preserved), names, design, kept, dropped)
    without = f" ({len(dropped)} without a preserved covariate are dropped)" if dropped else ""
    if not own:
        raise BadDataError(f"{path}: no participant has all of {', '.join(preserved)}")
    few = {label: _participants(units, found, label) for label in found.counts}
    if len(few) > 1 and (few := {label: n for label, n in few.items() if n < FEWEST}):
        told = ", ".join(f"{label} has {n}" for label, n in few.items())
        raise BadDataError(
            f"{path}: {column}: {told}{without}; at least {FEWEST} participants of a batch are "
            "needed; leave these out with --participant-label, or join them with an alike batch"
        )
    try:
        check_batches(own, design, names)
    except BadDataError as error:
        raise BadDataError(f"{path}: {column}: {error}{without}") from None
    return found


def labels_of(covariates: Covariates, units: Sequence[Unit], column: str) -> list[str]:
    """The batch of each row.

    Raises
    ------
    UsageError, BadDataError
        Where the column or a participant is not in the table, or a participant has no batch.
    """
    labels = covariates.of(units, [column], text=True)[column].tolist()
    if none := [_name(unit) for unit, label in zip(units, labels, strict=True) if not label]:
        raise BadDataError(
            f"{covariates.path}: no {column} for {_listed(none)}, so that it is not known which "
            "batch they are of; fill it in, or choose participants with --participant-label"
        )
    return labels


def _participants(units: Sequence[Unit], found: Batches, label: str) -> int:
    own = (k for k, of in zip(found.kept, found.labels, strict=True) if of == label)
    return len({units[int(k)].participant for k in own})


def coded(table: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns of covariates and their names: numbers, and indicators of levels but the first."""
    columns: dict[str, np.ndarray] = {}
    for name, values in table.items():
        if values.dtype == np.float64:
            columns[str(name)] = values.to_numpy()
            continue
        levels = sorted(values.unique())
        if len(levels) < 2:
            # Refused as what is constant.
            columns[str(name)] = np.ones(len(values))
        for level in levels[1:]:
            columns[f"{name}[{level}]"] = (values == level).to_numpy(float)
    design = np.column_stack([np.empty((len(table), 0)), *columns.values()])
    return tuple(columns), design


def _name(unit: Unit) -> str:
    return f"sub-{unit.participant}" + (f" ses-{unit.session}" if unit.session else "")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
