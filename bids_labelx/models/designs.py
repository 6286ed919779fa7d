"""Designs of group models: which rows are in, what the columns are, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, LabelxError, UsageError
from bids_labelx.files import NO_VALUE, as_numbers, read_tsv
from bids_labelx.group.covariates import (
    OF_ROWS,
    Covariates,
    check_columns,
    check_tabs,
    lost_zeros,
)
from bids_labelx.group.edge_rows import Unit
from bids_labelx.models.absorbed import absorb, constant_within, demeaned
from bids_labelx.models.formulas import (
    Columns,
    dependent,
    formula_columns,
    variables,
)
from bids_labelx.models.remarks import remarks_of_design
from bids_labelx.models.rows import ModelRows, unit_words
from bids_labelx.words import counted

MOTION, PARTICIPANT = "mean_fd", "participant_id"
# Covariates that results have by themselves, beside their motion.
OF_UNITS = {PARTICIPANT: "participant", "session": "session", "run": "run"}
# Before columns of a design in a file, which may be called like covariates.
_COLUMN = "column "
_MOST_NAMED = 10


class DesignError(UsageError):
    """A model cannot be made of the rows of one combination."""


@dataclass(frozen=True)
class Design:
    """A model of the edges of one combination.

    Attributes
    ----------
    name, source
        What it is called, and its formula or file as typed.
    columns
        Of the rows that are in.
    rows
        Which of the rows of the combination these are, shape (n_rows,).
    units
        Whose they are.
    dropped
        Of rows that are not in, whose they are and why.
    participants
        Label of each row where each participant has an intercept, which is absorbed; else None.
    blocks
        Label of each row's block of exchangeability; None where there is one block.
    motion
        Whether the mean framewise displacement is a covariate.
    table
        The name of the table that covariates are of; empty where none was read.
    remarks
        What has to be known of it.
    absorbed
        Columns of a formula that the participants' intercepts have already: they do not differ
        within participants, or are those of a reference level that another column is against.
    shadowed
        Covariates of the rows themselves that the table has a column of the same name of.
    """

    name: str
    source: str
    columns: Columns
    rows: np.ndarray
    units: tuple[Unit, ...]
    dropped: tuple[tuple[str, str], ...]
    participants: np.ndarray | None
    blocks: np.ndarray | None
    motion: bool
    table: str
    remarks: tuple[str, ...] = ()
    absorbed: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()

    @property
    def n_participants(self) -> int:
        """How many participants the rows are of."""
        return len({unit.participant for unit in self.units})


def make_design(
    name: str,
    source: str,
    rows: ModelRows,
    covariates: Callable[[], Covariates],
    blocks: str | None = None,
) -> Design:
    """The design of a model, or why there is none.

    Parameters
    ----------
    name, source
        Of the model: a formula, or the path of a table of its columns.
    rows
        Of the combination.
    covariates
        Reads the table of covariates, if one is needed.
    blocks
        The covariate whose values are blocks of exchangeability.

    Raises
    ------
    UsageError, BadDataError, MissingInputError
        Where tables lack a covariate or a participant, or a formula cannot be read.
    DesignError
        Where the rows of this combination do not allow the model.
    """
    if source.lower().endswith((".csv", ".txt", ".xlsx")):
        raise UsageError(
            f"--model {source!r}: a table of regressors has tabs between cells and a name that "
            "ends in .tsv; save it so"
        )
    from_file = source.lower().endswith(".tsv")
    names: list[str] = []
    categories: set[str] = set()
    own = pd.DataFrame()
    if from_file:
        own = _design_table(Path(source), rows)
    else:
        names, categories = variables(source)
    wanted = dict.fromkeys([*names, *([blocks] if blocks else [])])
    text = categories | ({blocks} - set(names) if blocks else set())
    data = _data(rows, list(wanted), text, covariates)
    data = pd.concat([own.add_prefix(_COLUMN), data], axis=1)
    keep, dropped = _known_rows(rows.units, data)
    several = max(Counter(rows.units[i].participant for i in keep).values(), default=0) > 1
    within = PARTICIPANT in names or (from_file and several)
    if several and not within:
        raise DesignError(
            f"model {name}: participants have several rows, which are not independent; add the "
            f"term {PARTICIPANT} to the formula, or let a row be a participant"
        )
    if within:
        keep, single = _with_several(rows.units, keep)
        dropped += single
    if not keep:
        raise DesignError(
            f"model {name}: no row is left; {_told(dropped)}{_of_rows(wanted, rows, covariates)}"
        )
    keep = sorted(keep, key=lambda i: rows.units[i])
    units = tuple(rows.units[i] for i in keep)
    used = data.iloc[keep].reset_index(drop=True)
    if from_file:
        given = tuple(map(str, own))
        matrix = used[[_COLUMN + one for one in given]].to_numpy(float)
        columns = Columns(matrix, given, {column: (j,) for j, column in enumerate(given)})
    else:
        columns = _of_formula(name, source, used[names], within)
    labels = np.array([unit.participant for unit in units]) if within else None
    absorbed: tuple[str, ...] = ()
    if labels is not None and not from_file:
        columns, absorbed = absorb(columns, labels)
    _check(name, columns, labels, dropped)
    numbers = {
        one: used[one].to_numpy()
        for one in names
        if one not in categories and one != MOTION and used[one].dtype == float
    }
    return Design(
        name=name,
        source=source,
        columns=columns,
        rows=np.array(keep),
        units=units,
        dropped=tuple(dropped),
        participants=labels,
        blocks=None if blocks is None else used[blocks].astype(str).to_numpy(str),
        motion=MOTION in (own if from_file else names),
        table=covariates().path.name if {*wanted} - {MOTION, *OF_UNITS} else "",
        remarks=remarks_of_design(columns, numbers, within=within),
        absorbed=absorbed,
        shadowed=_shadowed(wanted, covariates),
    )


def _shadowed(names: Iterable[str], covariates: Callable[[], Covariates]) -> tuple[str, ...]:
    """Covariates that rows have by themselves, and that a column of the table is called like."""
    own = [name for name in names if name in OF_ROWS]
    try:
        columns = covariates().columns if own else ()
    except LabelxError:
        # The table is read for this alone, and is not needed.
        return ()
    return tuple(name for name in own if name in columns)


def _of_rows(names: Iterable[str], rows: ModelRows, covariates: Callable[[], Covariates]) -> str:
    """Why a covariate that the table has is missing in all rows: it is that of the rows."""
    units, own = rows.units, _shadowed(names, covariates)
    without = [name for name in own if name != MOTION and not any(getattr(u, name) for u in units)]
    if not without:
        return ""
    return (
        f"; {' and '.join(without)} is that of the rows, which have none, and not the column of "
        f"{covariates().path.name}: give that another name"
    )


def _data(
    rows: ModelRows, names: Sequence[str], text: set[str], covariates: Callable[[], Covariates]
) -> pd.DataFrame:
    """Covariates of all rows: numbers, or text as objects."""
    own = {
        name: pd.Series(
            [getattr(unit, OF_UNITS[name]) or None for unit in rows.units], dtype=object
        )
        for name in names
        if name in OF_UNITS
    }
    if MOTION in names:
        own[MOTION] = pd.Series(rows.mean_fd, dtype=float)
    others = [name for name in names if name not in own]
    if others:
        table = covariates()
        check_columns(others, table.columns, table.path, [MOTION, *OF_UNITS])
        for some, as_text in (([n for n in others if n not in text], False), (text, True)):
            asked = [name for name in others if name in some]
            found = table.of(rows.units, asked, text=as_text)
            own |= {name: found[name] for name in asked}
    return pd.DataFrame({name: own[name] for name in names}, index=range(len(rows.units)))


def _design_table(path: Path, rows: ModelRows) -> pd.DataFrame:
    """The columns of a design that somebody made, for all rows of a combination."""
    table = read_tsv(path).apply(lambda column: column.str.strip())
    # What tells the rows apart: position in a unit, column, and what its labels may begin with.
    ids = [(0, PARTICIPANT, "sub-")]
    if len({unit.participant for unit in rows.units}) < len(rows.units):
        ids += (
            [(1, "session_id", "ses-")] if len({unit.session for unit in rows.units}) > 1 else []
        )
        ids += [(2, "run", "run-")] if any(unit.run for unit in rows.units) else []
    if missing := [column for _, column, _ in ids if column not in table]:
        check_tabs(path, table)
        raise BadDataError(
            f"{path}: it has no column {' or '.join(missing)}, by which rows are told apart, but "
            f"{', '.join(table)}; name it so"
        )
    labels = [
        ["" if cell in NO_VALUE else cell.removeprefix(key) for cell in table[column]]
        for _, column, key in ids
    ]
    keys = list(zip(*labels, strict=True))
    if doubled := [key for key, count in Counter(keys).items() if count > 1]:
        raise BadDataError(f"{path}: several rows of {' '.join(doubled[0])}; one is expected")
    at = {key: i for i, key in enumerate(keys)}
    wanted = [tuple(unit[k] for k, _, _ in ids) for unit in rows.units]
    if absent := [
        unit_words(u) for u, key in zip(rows.units, wanted, strict=True) if key not in at
    ]:
        raise BadDataError(
            f"{path}: {_listed(absent)} not in it; add a row for each, with n/a to exclude it, "
            "or choose participants with --participant-label"
            + lost_zeros([u.participant for u in rows.units], {key[0] for key in at})
        )
    found = {}
    for column in table:
        if column in (PARTICIPANT, "session_id", "run"):
            continue
        values = as_numbers(table[column].tolist())
        if values.dtype != float or np.isinf(values).any():
            raise BadDataError(
                f"{path}: column {column} has other values than numbers and n/a; a design has "
                "numbers, a formula takes categories"
            )
        found[str(column)] = values
    if not found:
        raise BadDataError(f"{path}: it has no column but those of ids; add the regressors")
    return pd.DataFrame(found).iloc[[at[key] for key in wanted]].reset_index(drop=True)


def _known_rows(
    units: Sequence[Unit], data: pd.DataFrame
) -> tuple[list[int], list[tuple[str, str]]]:
    """The rows without missing values, and of the others what they lack."""
    missing = data.isna()
    keep = [i for i in range(len(units)) if not missing.iloc[i].any()]
    dropped = []
    for i in sorted(set(range(len(units))) - set(keep)):
        lacks = [str(one).removeprefix(_COLUMN) for one in data.columns[missing.iloc[i]]]
        dropped.append((unit_words(units[i]), f"{', '.join(lacks)} n/a"))
    return keep, dropped


def _with_several(
    units: Sequence[Unit], keep: Sequence[int]
) -> tuple[list[int], list[tuple[str, str]]]:
    """The rows of participants that have several, and the others."""
    counts = Counter(units[i].participant for i in keep)
    single = [i for i in keep if counts[units[i].participant] == 1]
    why = "the only row of the participant, and differences within participants need two"
    return [i for i in keep if i not in set(single)], [(unit_words(units[i]), why) for i in single]


def _of_formula(name: str, formula: str, data: pd.DataFrame, within: bool) -> Columns:
    """The columns of a formula, without those of participants, which are absorbed."""
    prepared: dict[str, Any] = {}
    for column in data.columns:
        own = data[column]
        if own.nunique() == 1 and not (within and column == PARTICIPANT):
            kind = "two groups are" if own.dtype == object else "a covariate that varies is"
            raise DesignError(
                f"model {name}: {column} is {_plain(own.iloc[0])} in every row (of {len(own):,}); "
                f"{kind} needed"
            )
        prepared[column] = own if own.dtype == float else pd.Categorical(own, _levels(own))
    table = pd.DataFrame(prepared, index=data.index)
    return formula_columns(formula, table, PARTICIPANT if within else "")


def _levels(values: pd.Series) -> list[str]:
    """The levels of a factor in R's order: numbers by size, text by characters."""
    found = sorted(values.unique())
    numbers = as_numbers(found)
    return (
        [found[i] for i in np.argsort(numbers, kind="stable")] if numbers.dtype == float else found
    )


def _check(
    name: str,
    columns: Columns,
    participants: np.ndarray | None,
    dropped: Sequence[tuple[str, str]],
) -> None:
    """Refuse designs that cannot be fitted, with what is wrong."""
    left = columns
    intercepts = 0 if participants is None else len(set(participants))
    if intercepts:
        flat = constant_within(columns.matrix, participants)
        if flat.all():
            named = ", ".join(columns.names)
            raise DesignError(f"model {name}: no column differs within participants ({named})")
        # Columns of participants, or of the mean in a table, are absorbed.
        kept = np.flatnonzero(~flat)
        names = tuple(columns.names[j] for j in kept)
        terms = {
            term: tuple(np.flatnonzero(np.isin(kept, at)).tolist())
            for term, at in columns.terms.items()
        }
        left = Columns(demeaned(columns.matrix, participants)[:, kept], names, terms)
    n_rows = len(left.matrix)
    if n_rows <= len(left.names) + intercepts:
        kinds = ", ".join(left.names) + f" and {intercepts} participants" * bool(intercepts)
        raise DesignError(
            f"model {name}: {counted(n_rows, 'row')} (participants or their runs) for "
            f"{counted(len(left.names) + intercepts, 'column')} ({kinds}); there must be more "
            f"rows than columns{_told(dropped, '; ')}"
        )
    found = dependent(left)
    if found is not None:
        column, others = found
        made = f"a combination of {' and '.join(others)}" if others else "0 in all rows"
        raise DesignError(f"model {name}: {column} is {made} (collinear); leave one out")


def _told(dropped: Sequence[tuple[str, str]], before: str = "") -> str:
    """Why rows are not in."""
    if not dropped:
        return ""
    return f"{before}{len(dropped):,} dropped: {_listed([f'{w} ({why})' for w, why in dropped])}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
