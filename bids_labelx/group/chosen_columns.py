"""Columns of participants' tables that QC-FC holds constant, and that edges shall predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError
from bids_labelx.group.covariates import Covariates, check_columns, check_own
from bids_labelx.group.edge_rows import Unit
from bids_labelx.words import counted

# Participants that a prediction needs, and of either level of a column with two.
FEWEST_PREDICTED, FEWEST_OF_LEVEL = 10, 5

_RANK = 1e-9


@dataclass(frozen=True)
class Criterion:
    """A column that edges shall predict.

    Attributes
    ----------
    column
        Its name.
    values
        Of each row, shape (n_rows,); NaN where missing. Of a column with two levels 0 and 1.
    levels
        The two levels as text, sorted; empty for a column of numbers.
    """

    column: str
    values: np.ndarray
    levels: tuple[str, ...]


@dataclass(frozen=True)
class ChosenColumns:
    """Columns of a table that were asked for.

    Attributes
    ----------
    table
        Where they are from; None where none is asked for.
    covariates
        Those that QC-FC holds constant.
    criteria
        Those that edges shall predict.
    """

    table: Covariates | None = None
    covariates: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()

    def design(self, units: Sequence[Unit]) -> np.ndarray:
        """The covariates of QC-FC as columns without a constant, shape (n_units, n_columns).

        Texts are coded as one column for each level but the first; columns that the others
        already contain are left out, and the rest is turned so that it is orthogonal. A row with
        a missing covariate is NaN.
        """
        if self.table is None or not self.covariates:
            return np.empty((len(units), 0))
        frame = self.table.of(units, self.covariates)
        known = frame.notna().all(axis=1).to_numpy()
        coded = pd.get_dummies(frame[known], drop_first=True, dtype=float).to_numpy(float)
        design = coded - coded.mean(axis=0) if len(coded) else coded
        size = np.linalg.norm(design, axis=0)
        design = design[:, size > _RANK] / size[size > _RANK]
        vectors, values, _ = np.linalg.svd(design, full_matrices=False)
        found = np.full((len(units), int((values > _RANK).sum())), np.nan)
        found[known] = vectors[:, values > _RANK]
        return found

    def criterion(self, column: str, units: Sequence[Unit]) -> Criterion:
        """One of the criteria for these rows.

        Raises
        ------
        BadDataError
            Where it has neither numbers nor two levels.
        """
        if self.table is None:
            raise ValueError("there is no table")
        cells = self.table.of(units, (column,))[column]
        known = cells.dropna()
        distinct = sorted(known.unique())
        if len(distinct) == 2:
            values = cells.map({one: float(k) for k, one in enumerate(distinct)}).to_numpy(float)
            return Criterion(column, values, tuple(map(_as_level, distinct)))
        if cells.dtype == object and len(distinct):
            shown = ", ".join(map(str, distinct[:5])) + (", …" if len(distinct) > 5 else "")
            raise BadDataError(
                f"{self.table.path}: --criterion {column} has {len(distinct)} "
                f"value{'s' if len(distinct) > 1 else ''} ({shown}); a column of numbers, or one "
                "of two values is expected"
            )
        return Criterion(column, cells.to_numpy(float), ())

    def check(self, units: Sequence[Unit]) -> None:
        """Refuse columns that cannot be used, before anything is written.

        Parameters
        ----------
        units
            All participants with results, those that have sessions once for each.

        Raises
        ------
        UsageError, BadDataError
            Where a column or a participant is not in the table, a column does not vary, has
            neither numbers nor two levels, or is known of too few participants.
        """
        if self.table is None:
            return
        check_own("--qcfc-covariates", self.covariates, self.table.path)
        check_own("--criterion", self.criteria, self.table.path)
        check_columns((*self.covariates, *self.criteria), self.table.columns, self.table.path)
        for column in self.covariates:
            self._check_varies(
                "--qcfc-covariates", column, self.table.of(units, (column,))[column]
            )
        for column in self.criteria:
            self._check_varies("--criterion", column, self.table.of(units, (column,))[column])
            found = self.criterion(column, units)
            by_participant = pd.Series(found.values).groupby([one.participant for one in units])
            first = by_participant.first()
            self._check_enough(found, first.dropna())

    def _check_varies(self, option: str, column: str, cells: pd.Series) -> None:
        known = cells.dropna()
        if known.nunique() > 1 or self.table is None:
            return
        found = f"{_as_level(known.iloc[0])} for all participants" if len(known) else "no value"
        raise BadDataError(
            f"{self.table.path}: {option} {column} has {found}; a column that differs between "
            "participants is expected"
        )

    def _check_enough(self, found: Criterion, values: pd.Series) -> None:
        path = self.table.path if self.table else None
        if len(values) < FEWEST_PREDICTED:
            raise BadDataError(
                f"{path}: --criterion {found.column} is known of "
                f"{counted(len(values), 'participant')} with results; at least "
                f"{FEWEST_PREDICTED} are needed: omit the option"
            )
        counts = [int((values == k).sum()) for k in range(len(found.levels))]
        if counts and min(counts) < FEWEST_OF_LEVEL:
            told = " and ".join(
                f"{count} of {level}" for level, count in zip(found.levels, counts, strict=True)
            )
            raise BadDataError(
                f"{path}: --criterion {found.column}: {told}; prediction takes {FEWEST_OF_LEVEL} "
                "participants of either at least: leave the option out"
            )


def _as_level(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
