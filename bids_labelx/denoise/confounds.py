"""Confounds tables of fMRIPrep and the JSON beside them, whatever the version."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bids_labelx.denoise.columns import Entry, matches
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_json, read_tsv

# fMRIPrep 1.0 and 1.1 wrote names in CamelCase; these have an equivalent from 1.2 on.
_OLD_NAMES = {
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "stdDVARS": "std_dvars",
    "non-stdDVARS": "dvars",
    "FramewiseDisplacement": "framewise_displacement",
    "X": "trans_x",
    "Y": "trans_y",
    "Z": "trans_z",
    "RotX": "rot_x",
    "RotY": "rot_y",
    "RotZ": "rot_z",
}
_OLD_NUMBERED = {
    "Cosine": "cosine",
    "aCompCor": "a_comp_cor_",
    "tCompCor": "t_comp_cor_",
    "AROMAAggrComp": "aroma_motion_",
    "NonSteadyStateOutlier": "non_steady_state_outlier",
}


def read_confounds_table(path: Path, entries: Sequence[Entry] = ()) -> pd.DataFrame:
    """A confounds table, with NaN for ``n/a`` and today's names for those of fMRIPrep 1.0 and 1.1.

    A column that one of the entries of a list takes as it stands keeps its name: ``X`` may be
    something else in a table of one's own.

    Raises
    ------
    MissingInputError, BadDataError
    """
    table = read_tsv(path, numbers=True)
    if len(table.columns) == 1 and (found := re.search("[;,]", str(table.columns[0]))):
        raise BadDataError(
            f"{path}: one column, called {table.columns[0]:.60}; between columns are tabs, not "
            f"{found[0]}"
        )
    available = set(table.columns)
    kept = {column for one in entries for column in matches(one, list(table.columns))}
    names = {old: _new_name(str(old)) for old in table.columns if old not in kept}
    return table.rename(columns={o: new for o, new in names.items() if new not in available})


def _new_name(name: str) -> str:
    numbered = re.fullmatch(r"([A-Za-z]+?)(\d+)", name)
    if numbered and numbered[1] in _OLD_NUMBERED:
        return _OLD_NUMBERED[numbered[1]] + numbered[2]
    return _OLD_NAMES.get(name, name)


def read_confounds_metadata(path: Path) -> dict[str, Any]:
    """What the JSON beside a confounds table says, by column; empty where there is none.

    Raises
    ------
    MissingInputError, BadDataError
        Where there is one that cannot be read.
    """
    sidecar = path.with_suffix(".json")
    return read_json(sidecar) if os.path.lexists(sidecar) else {}


# Columns with a value at every volume: where the first is missing, the row was cut.
_COMPLETE = re.compile(
    r"((trans|rot)_[xyz]|csf|white_matter|csf_wm|global_signal)(_power2)?"
    r"|(cosine|[actw]_comp_cor_|aroma_(orth_)?motion_|non_steady_state_outlier|motion_outlier)\d+"
)

FirstRow = Literal["next", "zero", "keep"]


def column_values(
    table: pd.DataFrame,
    columns: Sequence[str],
    source: str,
    *,
    first_row: FirstRow = "next",
    file_of: Mapping[str, Path] | None = None,
    first_volumes: Mapping[str, int] | None = None,
) -> np.ndarray:
    """Columns as numbers; `source` is the table's path, for messages, `file_of` another column's.

    A backward difference has no value at the first volume; `fill_first_row` says what it gets. A
    series that has one at every volume, such as ``trans_x``, must have one there. Of a column that
    starts at a later volume, by `first_volumes`, that is its first; before it there are zeros, or
    NaN with ``keep``.

    Returns
    -------
    float64 array of shape (n_volumes, n_columns)

    Raises
    ------
    BadDataError
        Where a value is missing in another row, or is no finite number; it is named.
    """
    raw = table[list(columns)]
    starts = dict(first_volumes or {})
    numbers = raw.apply(pd.to_numeric, errors="coerce").to_numpy(float, copy=True)
    bad = ~np.isfinite(numbers)
    absent = raw.isna().to_numpy(bool)
    for i, column in enumerate(columns):
        start = starts.get(column, 0)
        bad[:start, i] = False
        if len(numbers) > start + 1 and not _COMPLETE.fullmatch(column):
            bad[start, i] &= ~absent[start, i]
    if bad.any():
        row, i = np.argwhere(bad)[0]
        value = raw.iloc[row, i]
        found = "n/a" if pd.isna(value) else repr(value) if isinstance(value, str) else value
        column, start = columns[i], starts.get(columns[i], 0)
        raise BadDataError(
            f"{(file_of or {}).get(column, source)}: column {column}, row {row - start + 1} (of "
            f"{len(table) - start}) is {found}, a number is expected"
        )
    for start in {starts.get(column, 0) for column in columns}:
        own = [i for i, column in enumerate(columns) if starts.get(column, 0) == start]
        rest = numbers[start:, own]
        numbers[start:, own] = fill_first_row(rest, first_row) if len(rest) > 1 else rest
        numbers[:start, own] = np.nan if first_row == "keep" else 0.0
    return numbers


def fill_first_row(numbers: np.ndarray, first_row: FirstRow) -> np.ndarray:
    """Give what is NaN in the first row a value, in place.

    ``next`` is that of the second row, as nilearn has it, ``zero`` is 0, as XCP-D has it; ``keep``
    leaves NaN.
    """
    if first_row != "keep":
        unknown = np.isnan(numbers[0])
        numbers[0, unknown] = numbers[1, unknown] if first_row == "next" else 0.0
    return numbers
