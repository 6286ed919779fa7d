"""What tables say of participants and sessions: age, sex, site and whatever else they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.files import NO_VALUE, as_numbers, read_tsv
from bids_labelx.group.edge_rows import Unit
from bids_labelx.suggestions import did_you_mean

_PARTICIPANT, _SESSION = "participant_id", "session_id"
# What rows of edges have without a table: it means the same wherever a covariate is named.
MOTION = "mean_fd"
OF_ROWS = (MOTION, "session", "run")
# Names that a message lists at most.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Covariates:
    """A table of participants, and one of their sessions if there is one.

    Attributes
    ----------
    path
        The table of participants, or the one table of both.
    participants
        Text by participant label without ``sub-``; a column per covariate.
    sessions
        Text by participant and session label, both without their keys; no columns where there is
        no such table.
    """

    path: Path
    participants: pd.DataFrame
    sessions: pd.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """The covariates, without the columns of ids."""
        return tuple(dict.fromkeys([*self.participants, *self.sessions]))

    def of(
        self, units: Sequence[Unit], columns: Sequence[str], *, text: bool = False
    ) -> pd.DataFrame:
        """Covariates of these rows.

        A column of the table of sessions has the value of the row's own session; a row without a
        session, as one averaged over sessions, has the value in which all of the participant's
        sessions agree.

        Parameters
        ----------
        units
            Whose rows they are.
        columns
            Which covariates.
        text
            Whether columns of numbers stay text as in the table, as names of sites do. Unless
            they do, a column is one of numbers (float64) if all its values in the table are.

        Returns
        -------
        pandas.DataFrame
            Shape (n_units, n_columns): float64, or text as objects; NaN or None where missing.

        Raises
        ------
        UsageError
            Where there is no such column, or a row's sessions differ in it.
        BadDataError
            Where a participant or session is not in the table, or a number cannot be read.
        """
        check_columns(columns, self.columns, self.path)
        found = {}
        for column in columns:
            texts = self._texts(units, column)
            if not text and self._is_number(column):
                found[column] = as_numbers([one or "" for one in texts]).astype(float)
            else:
                found[column] = pd.Series(texts, dtype=object)
        return pd.DataFrame(found, index=pd.RangeIndex(len(units)))

    def _texts(self, units: Sequence[Unit], column: str) -> list[str | None]:
        """The cells of these rows, None where they are n/a."""
        by_session = column in self.sessions
        if by_session and column in self.participants:
            # The more specific table is for rows of a session, the other one for those of several.
            by_session = any(unit.session for unit in units)
        if by_session:
            return [_known(one) for one in self._of_sessions(units, column)]
        self._check_known(units, self.participants.index)
        labels = [one.participant for one in units]
        return [_known(one) for one in self.participants[column].reindex(labels)]

    def _of_sessions(self, units: Sequence[Unit], column: str) -> list[str]:
        all_of: dict[str, dict[str, str]] = {}
        cells = zip(self.sessions.index.tolist(), self.sessions[column], strict=True)
        for (participant, session), cell in cells:
            all_of.setdefault(participant, {})[session] = cell
        self._check_known(units, all_of)
        missing = [
            f"sub-{one.participant} ses-{one.session}"
            for one in units
            if one.session and one.session not in all_of[one.participant]
        ]
        if missing:
            raise BadDataError(
                f"{self.path}: {_listed(dict.fromkeys(missing))} not in it or in sessions.tsv, "
                f"for {column}; add a row for each, with n/a where a value is missing"
            )
        return [
            all_of[one.participant][one.session]
            if one.session
            else self._agreed(one, column, all_of[one.participant])
            for one in units
        ]

    def _agreed(self, unit: Unit, column: str, cells: dict[str, str]) -> str:
        """The value that a participant has in all sessions."""
        known = {session: cell for session, cell in cells.items() if _known(cell) is not None}
        values = set(known.values())
        if len(values) > 1:
            told = _listed(f"{cell} in ses-{session}" for session, cell in known.items())
            raise UsageError(
                f"{self.path}: {column} of sub-{unit.participant} is {told}, and one value is "
                "needed for a row over all of its sessions; keep sessions apart (--average-over "
                "run, --model-rows session), or give a table with one row per participant by "
                "--covariates"
            )
        return values.pop() if values else "n/a"

    def _check_known(self, units: Sequence[Unit], known: Iterable[str]) -> None:
        """Refuse participants that the table lacks, by name."""
        there = set(known)
        missing = dict.fromkeys(
            f"sub-{u.participant}" for u in units if u.participant not in there
        )
        if missing:
            raise BadDataError(
                f"{self.path}: {_listed(missing)} not in it, which has {len(there):,} participants"
                f"{_example(there)}; add a row for each, with n/a where a value is missing, or "
                "choose participants with --participant-label"
                + lost_zeros([u.participant for u in units], there)
            )

    def _is_number(self, column: str) -> bool:
        """Whether all values are numbers; where nearly all are, the others are refused."""
        tables = [one for one in (self.participants, self.sessions) if column in one]
        cells = {
            _whose(key): text
            for table in tables
            for key, cell in table[column].items()
            if (text := _known(cell)) is not None
        }
        finite = {whose: _finite(text) for whose, text in cells.items()}
        if all(finite.values()):
            return True
        wrong = [whose for whose, number in finite.items() if not number]
        commas = sum(_finite(cells[whose].replace(",", ".", 1)) for whose in wrong)
        if 2 * (len(cells) - len(wrong) + commas) <= len(cells):
            return False
        first = wrong[0]
        raise BadDataError(
            f"{self.path}: column {column} has {cells[first]!r} for {first} and numbers for "
            "others; write numbers with a point, and n/a where a value is missing; if it is one "
            f"of names such as sites', write C({column}) in a model"
        )


def read_covariates(bids_dir: Path, file: Path | None = None) -> Covariates:
    """Read ``participants.tsv`` and ``sub-XX/sub-XX_sessions.tsv``, or one table in their place.

    Parameters
    ----------
    bids_dir
        The dataset.
    file
        A table with ``participant_id`` and perhaps ``session_id``, which is read alone.

    Raises
    ------
    MissingInputError
        Where there is none.
    BadDataError
        Where one cannot be read, lacks its column of ids, or has two rows of one id.
    """
    path = file or bids_dir / "participants.tsv"
    if not path.exists() and not path.is_symlink():
        hint = "" if file else "; give a table with participant_id and covariates by --covariates"
        raise MissingInputError(f"{path}: there is no such file{hint}")
    table = _read(path, _PARTICIPANT)
    none = pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []]))
    if _SESSION in table:
        by_session = _by_id(table, path, (_PARTICIPANT, _SESSION))
        return Covariates(path, pd.DataFrame(index=pd.Index([])), by_session)
    participants = _by_id(table, path, (_PARTICIPANT,))
    if file:
        return Covariates(path, participants, none)
    sessions = []
    for own in sorted(bids_dir.glob("sub-*/sub-*_sessions.tsv")):
        label = own.parent.name.removeprefix("sub-")
        one = _read(own, _SESSION)
        sessions.append(_by_id(one.assign(participant_id=label), own, (_PARTICIPANT, _SESSION)))
    joined = pd.concat(sessions) if sessions else none
    return Covariates(path, participants, joined)


def check_own(option: str, columns: Iterable[str], path: Path) -> None:
    """Refuse names that are those of rows of edges where a column of a table is asked for.

    Raises
    ------
    UsageError
    """
    for column in columns:
        if column in OF_ROWS:
            what = "the motion of the runs" if column == MOTION else f"the {column} of a row"
            raise UsageError(
                f"{option} {column}: {column} is {what}, whatever {path.name} has in a column of "
                "that name, and cannot be used here; if the column is meant, give it another name"
            )


def check_columns(
    wanted: Iterable[str], known: Iterable[str], path: Path, of_results: Iterable[str] = ()
) -> None:
    """Refuse columns that a table lacks; the message lists those that it has.

    Parameters
    ----------
    wanted
        The columns that are asked for.
    known
        Those of the table.
    path
        The table.
    of_results
        Columns that need not be in it, as results have them.

    Raises
    ------
    UsageError
    """
    known = list(dict.fromkeys(known))
    further = [one for one in dict.fromkeys(of_results) if one not in known]
    for column in wanted:
        if column not in (*known, *further):
            meant = did_you_mean(column, [*known, *further])
            there = ", ".join(known) or "no columns beside those of ids"
            more = f"; results have {', '.join(further)}, too" if further else ""
            raise UsageError(f"{path}: there is no column {column}{meant}; it has {there}{more}")


def _read(path: Path, ids: str) -> pd.DataFrame:
    """A table as text, without blanks around it."""
    table = read_tsv(path).apply(lambda column: column.str.strip())
    if ids not in table:
        check_tabs(path, table)
        raise BadDataError(
            f"{path}: it has no column {ids}, but {', '.join(table) or 'no columns'}; name the "
            f"column of ids {ids}"
        )
    return table


def check_tabs(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table whose cells are not separated by tabs.

    Raises
    ------
    BadDataError
    """
    separators = {",": "commas", ";": "semicolons"}
    for mark, called in separators.items():
        if len(table.columns) == 1 and mark in str(table.columns[0]):
            raise BadDataError(
                f"{path}: its cells are separated by {called}; save it with tabs between them, as "
                ".tsv files have them"
            )


def lost_zeros(wanted: Iterable[str], there: Collection[str]) -> str:
    """Say that labels of a table lack the zeros that they begin with, if they do.

    >>> lost_zeros(["01", "02"], {"1", "02"})
    '; sub-1 is perhaps sub-01, whose zeros a spreadsheet has removed: write sub-01'
    """
    for label in sorted(set(wanted) - set(there)):
        if (bare := label.lstrip("0") or "0") in there:
            return (
                f"; sub-{bare} is perhaps sub-{label}, whose zeros a spreadsheet has removed: "
                f"write sub-{label}"
            )
    return ""


def _by_id(table: pd.DataFrame, path: Path, ids: tuple[str, ...]) -> pd.DataFrame:
    """The table by labels, each once."""
    labels = [
        [_label(cell, key) for cell in table[column]]
        for column, key in zip(ids, ("sub-", "ses-"), strict=False)
    ]
    for line, label in enumerate(labels[0], 2):
        if not label:
            raise BadDataError(
                f"{path}: row {line - 1} has no {ids[0]}; give it one, or remove it"
            )
    keys = list(zip(*labels, strict=True))
    if doubled := [(key, count) for key, count in Counter(keys).items() if count > 1]:
        key, count = doubled[0]
        raise BadDataError(
            f"{path}: {count} rows of {_whose(key)}; one is expected"
            + ("" if len(ids) > 1 else ", or a column session_id that tells them apart")
        )
    index = pd.MultiIndex.from_arrays(labels) if len(ids) > 1 else pd.Index(labels[0])
    return table.drop(columns=list({_PARTICIPANT, _SESSION} & set(ids))).set_index(index)


def _label(cell: str, key: str) -> str:
    return "" if cell in NO_VALUE else cell.removeprefix(key)


def _known(cell: object) -> str | None:
    return None if not isinstance(cell, str) or cell in NO_VALUE else cell


def _finite(text: str) -> bool:
    value = as_numbers([text])
    return value.dtype == float and bool(np.isfinite(value[0]))


def _whose(key: object) -> str:
    """A row in words."""
    participant, *session = key if isinstance(key, tuple) else (key,)
    return f"sub-{participant}" + "".join(f" ses-{one}" for one in session if one)


def _listed(words: Iterable[str]) -> str:
    """Words with commas, the last ones as a count where there are many."""
    found = list(words)
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _example(labels: Iterable[str]) -> str:
    first = min(labels, default="")
    return f", such as sub-{first}" if first else ""
