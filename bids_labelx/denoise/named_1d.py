"""Tables of numbers whose columns are named in a comment, as C-PAC writes its regressors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_labelx.errors import BadDataError
from bids_labelx.files import as_numbers, read_text

if TYPE_CHECKING:
    import pandas as pd

# Means of tissues, as C-PAC names them: far from zero, unless they were filtered.
_MEANS = re.compile(r"(GlobalSignal|GreyMatter|WhiteMatter|CerebrospinalFluid)\w*Mean\d+\w*")


def read_named_1d(path: Path) -> pd.DataFrame:
    """A ``.1D`` table, with the names that the last comment before its first row has.

    C-PAC's own names are kept: its ``RotX`` is in degrees, and none of fMRIPrep's columns.

    Parameters
    ----------
    path
        Rows of numbers between tabs or blanks; comments begin with ``#``. Names are between
        tabs, or blanks where there is no tab.

    Raises
    ------
    MissingInputError
        Where it cannot be read.
    BadDataError
        Where there are no rows or no names, a row has not a number for each name, two columns
        have one name, or only the first rows of a column were not filtered.
    """
    import pandas as pd

    lines = [(n, line.strip()) for n, line in enumerate(read_text(path).split("\n"), 1)]
    lines = [(n, line) for n, line in lines if line]
    first = next((i for i, (_, line) in enumerate(lines) if not line.startswith("#")), None)
    if first is None:
        raise BadDataError(f"{path}: has no rows; a table has one per volume")
    rows = [(n, line.split()) for n, line in lines[first:] if not line.startswith("#")]
    names = _names(lines[first - 1][1]) if first else []
    if len(names) != len(rows[0][1]):
        found = f"{len(names)} names" if first else "no comment with names"
        raise BadDataError(
            f"{path}, line {rows[0][0]}: {len(rows[0][1])} columns, {found} in the line before; "
            "a .1D table begins with a comment that names its columns (# X  Y  Z), as that of "
            "C-PAC does, or it is one of motion parameters, with motion_source. C-PAC writes no "
            "names where a regressor set has Bandpass of method AFNI: add the line to a copy in "
            "another dataset (--datasets)"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDataError(f"{path}: the columns {', '.join(twice)} are there twice")
    for number, cells in rows:
        if len(cells) != len(names):
            raise BadDataError(
                f"{path}, line {number}: {len(cells)} fields, but there are {len(names)} columns"
            )
    columns = {name: as_numbers([cells[i] for _, cells in rows]) for i, name in enumerate(names)}
    table = pd.DataFrame(columns)
    _refuse_partly_filtered(path, table)
    return table


def _names(comment: str) -> list[str]:
    text = comment.lstrip("#").strip()
    return [one.strip() for one in text.split("\t")] if "\t" in text else text.split()


def _refuse_partly_filtered(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table that C-PAC 1.8.6 or 1.8.7 took the first two rows of for its header.

    Of a set with ``Bandpass`` C-PAC writes the filtered columns; these two rows it copied. Their
    means of some hundreds would be regressors of these volumes, and hide the others.
    """
    for name in table:
        if len(table) < 4 or not _MEANS.fullmatch(str(name)) or table[name].dtype != float:
            continue
        size = np.abs(table[name].to_numpy())
        if size[:2].min() > 10 * size[2:].max() > 0:
            raise BadDataError(
                f"{path}: the first two rows of {name} are not filtered, as the others are (C-PAC "
                "1.8.6 and 1.8.7 write this for a regressor set with Bandpass); use a set without "
                "Bandpass, or a copy without these rows in another dataset (--datasets), with "
                "first_volume = 2"
            )
