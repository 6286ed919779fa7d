"""What the table of participants says of the rows of a file of edges.

Nothing is refused here: a participant that is not in the table has no values, and a column that
does not suit the rows is left out; what is missing is said in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bids_labelx.errors import UsageError
from bids_labelx.files import as_numbers
from bids_labelx.group.covariates import Covariates
from bids_labelx.group.edge_rows import Unit

# Participants that a file names; an attribute of HDF5 holds 64 KB.
_MOST_NAMED = 100
# Bytes that a dataset takes beside its values.
_OF_A_DATASET = 2048


@dataclass(frozen=True)
class ParticipantColumns:
    """Columns of a table of participants.

    Attributes
    ----------
    table
        A row per row of edges: float64, or texts as objects; NaN or None where missing.
    names
        What each column is called in a file: without ``/``, and each name once.
    about
        Of which table they are, and who is not in it.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    about: Mapping[str, Any]


def columns_of(covariates: Covariates, units: Sequence[Unit]) -> ParticipantColumns:
    """All columns that a table has for these rows.

    Parameters
    ----------
    covariates
        The table.
    units
        Whose rows they are.
    """
    found: dict[str, pd.Series] = {}
    left_out: list[str] = []
    in_sessions = any(unit.session for unit in units)
    for column in covariates.columns:
        # As `Covariates.of` chooses between two tables that both have it.
        both = column in covariates.participants and column in covariates.sessions
        of_sessions = in_sessions if both else column in covariates.sessions
        has = _has_session if of_sessions else _has_participant
        known = [k for k, unit in enumerate(units) if has(covariates, unit)]
        of = [units[k] for k in known]
        try:
            values = _column(covariates, of, column)
        except UsageError:
            # The sessions of a participant differ in it, and the row is of all of them.
            left_out.append(column)
            continue
        found[column] = values.set_axis(pd.Index(known)).reindex(range(len(units)))
        if found[column].dtype != float:
            found[column] = found[column].astype(object).where(found[column].notna(), None)
    table = pd.DataFrame(found, index=pd.RangeIndex(len(units)))
    there = {*covariates.participants.index, *(key for key, _ in covariates.sessions.index)}
    missing = [f"sub-{unit.participant}" for unit in units if unit.participant not in there]
    about = {
        "Source": covariates.path.name,
        "NumberOfParticipantsMissing": len(missing),
        "ParticipantsMissing": missing[:_MOST_NAMED],
        **({"ColumnsLeftOut": left_out} if left_out else {}),
    }
    plain = [column.replace("/", "_").replace("\0", "") for column in found]
    names = dict(zip(found, distinct(plain), strict=True))
    return ParticipantColumns(table, names, about)


def distinct(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names that differ from each other and from those taken: doubled ones get a number.

    >>> distinct(["a", "b", "a"], ["b"])
    ['a', 'b (2)', 'a (2)']
    """
    used, found = set(taken), []
    # A name that is free is nobody else's, whatever others are numbered to.
    whole = set(names) | used
    for name in names:
        own, count = name, 1
        while own in used or (count > 1 and own in whole):
            count += 1
            own = f"{name} ({count})"
        used.add(own)
        found.append(own)
    return found


def room_of(covariates: Covariates | None, n_rows: int) -> int:
    """Bytes that all columns take at most in a file of so many rows."""
    if covariates is None:
        return 0
    size = _OF_A_DATASET + _MOST_NAMED * 128
    for table in (covariates.participants, covariates.sessions):
        for column in table:
            longest = max((len(str(cell).encode()) for cell in table[column]), default=0)
            size += _OF_A_DATASET + 2 * len(str(column).encode()) + n_rows * max(longest, 8)
    return size


def _has_participant(covariates: Covariates, unit: Unit) -> bool:
    return unit.participant in covariates.participants.index


def _has_session(covariates: Covariates, unit: Unit) -> bool:
    sessions = covariates.sessions.index
    if unit.session:
        return (unit.participant, unit.session) in sessions
    return unit.participant in sessions.get_level_values(0)


def _column(covariates: Covariates, units: Sequence[Unit], column: str) -> pd.Series:
    """Numbers where all values in the table are, else text."""
    tables = (covariates.participants, covariates.sessions)
    cells = [cell for table in tables if column in table for cell in table[column]]
    values = covariates.of(units, [column], text=True)[column]
    if as_numbers(cells).dtype != float:
        return values
    return as_numbers([value or "n/a" for value in values])
