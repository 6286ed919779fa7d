"""Atlases of spheres: a table of their seeds, in mm."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from bids_labelx.atlases.tables import checked_rows
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_tsv

# In mm, of a seed without one: spheres of 10 mm across, as Power et al. (2011,
# doi:10.1016/j.neuron.2011.09.006) have them.
RADIUS = 5.0

_NO_BACKGROUND = -1
_PLACE = ("x", "y", "z")


def read_seeds(path: Path) -> pd.DataFrame:
    """Read the seeds of spheres from a TSV with the columns x, y and z.

    Returns
    -------
    pandas.DataFrame
        A row per sphere: ``index`` (that of the table, else from 1), ``name`` (that of the table,
        else ``sphere1``, …), its other columns as text, and ``x``, ``y``, ``z`` and ``radius`` in
        mm as numbers.

    Raises
    ------
    MissingInputError
        Where there is no such file.
    BadDataError
        Where a column is missing, a value is no number, a radius is negative, or an index or name
        is not unique.
    """
    table = read_tsv(path)
    # Whatever their case: x, X.
    lower = {str(column).strip().lower(): column for column in table}
    missing = [column for column in _PLACE if column not in lower]
    if missing or table.empty:
        raise BadDataError(
            f"{path}: a table of spheres has the columns x, y, z (in mm), and perhaps radius, "
            f"index and name, and a row for each; found {', '.join(map(str, table))} and "
            f"{len(table)} rows"
        )
    known = [one for one in (*_PLACE, "radius", "index", "name") if one in lower]
    table = table.rename(columns={lower[one]: one for one in known})
    numbers = range(1, len(table) + 1)
    if "index" not in table:
        table["index"] = [str(number) for number in numbers]
    if "name" not in table:
        table["name"] = [f"sphere{number}" for number in numbers]
    rows = [
        (f"line {number + 1}", {str(column): str(cell) for column, cell in cells.items()})
        for number, cells in zip(numbers, table.to_dict("records"), strict=True)
    ]
    checked = checked_rows(path, rows, _NO_BACKGROUND)
    if (checked["index"] == 0).any():
        raise BadDataError(
            f"{path}: the index 0 is for what is outside of all spheres; count from 1"
        )
    for column in _PLACE:
        checked[column] = [_number(path, where, column, cells[column]) for where, cells in rows]
    given = [cells.get("radius", "n/a") for _, cells in rows]
    checked["radius"] = [
        RADIUS if text.strip() in ("", "n/a") else _number(path, where, "radius", text)
        for (where, _), text in zip(rows, given, strict=True)
    ]
    for where, radius in zip((where for where, _ in rows), checked["radius"], strict=True):
        if radius < 0:
            raise BadDataError(f"{path}, {where}: a radius is a length in mm, found {radius:g}")
    return checked


def _number(path: Path, where: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadDataError(f"{path}, {where}: {column} is a number in mm, found {text!r}")
    return value
