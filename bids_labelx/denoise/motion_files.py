"""Motion parameters out of the text files of FSL, SPM and AFNI, which have no header."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bids_labelx.denoise.motion import expand
from bids_labelx.denoise.schema import EXPANSIONS
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_text

if TYPE_CHECKING:
    import pandas as pd

# By hundreds of these no head in a scanner moves; a number beyond is one of another unit.
_FARTHEST = 1000.0  # mm


class _Convention(NamedTuple):
    """What a program writes."""

    files: str
    columns: tuple[str, ...]
    per_turn: float  # a full rotation in the unit of its rotations
    unit: str


_RADIANS = (2 * math.pi, "radians")
_DEGREES = (360.0, "degrees")
_TRANSLATIONS, _ROTATIONS = ("trans_x", "trans_y", "trans_z"), ("rot_x", "rot_y", "rot_z")

# AFNI names rotations by what a head does: roll turns about the axis from feet to head, pitch
# about the one from right to left, yaw about the one from back to front. Directions differ
# between the programs and are left as they are: neither displacement nor what a regression
# removes hangs on a sign.
_CONVENTIONS = {
    "fsl": _Convention("MCFLIRT's .par", (*_ROTATIONS, *_TRANSLATIONS), *_RADIANS),
    "spm": _Convention("SPM's rp_*.txt", (*_TRANSLATIONS, *_ROTATIONS), *_RADIANS),
    "afni": _Convention(
        "3dvolreg's -1Dfile",
        ("rot_z", "rot_x", "rot_y", "trans_z", "trans_x", "trans_y"),
        *_DEGREES,
    ),
}
MOTION_SOURCES = tuple(_CONVENTIONS)


def read_motion_file(path: Path, source: str) -> pd.DataFrame:
    """The six motion parameters of a text file, with their expansions, as fMRIPrep names them.

    Parameters
    ----------
    path
        A row per volume and six numbers in each, between them blanks, tabs or commas. Lines that
        begin with ``#`` are skipped.
    source
        Whose order and units it has: ``fsl`` rotations in radians, then translations in mm;
        ``spm`` translations in mm, then rotations in radians; ``afni`` roll, pitch and yaw in
        degrees, then displacements to superior, left and posterior in mm.

    Returns
    -------
    DataFrame
        ``trans_x`` to ``rot_z`` in mm and radians, each followed by its backward difference
        (NaN in the first row) and the squares of both.

    Raises
    ------
    MissingInputError
        Where it cannot be read.
    BadDataError
        Where it has no rows, a header, another number of columns, something that is no finite
        number, or numbers that cannot be of that unit.
    """
    import pandas as pd

    convention = _CONVENTIONS[source]
    lines = enumerate(read_text(path).split("\n"), 1)
    rows = [
        (number, re.split(r"\s*,\s*|\s+", line.strip()))
        for number, line in lines
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        raise BadDataError(f"{path}: has no rows; motion parameters have one per volume")
    _refuse_header(path, source, rows[0])
    parameters = np.array([_numbers(path, source, row) for row in rows])
    _refuse_other_units(path, source, parameters, [number for number, _ in rows])
    scale = 2 * math.pi / convention.per_turn
    columns = {}
    for name in (*_TRANSLATIONS, *_ROTATIONS):
        series = parameters[:, [convention.columns.index(name)]]
        series = series * scale if name in _ROTATIONS else series
        for expansion in EXPANSIONS["full"]:
            columns[f"{name}{expansion}"] = expand(series, expansion)[:, 0]
    return pd.DataFrame(columns)


def _refuse_header(path: Path, source: str, first: tuple[int, list[str]]) -> None:
    number, cells = first
    words = [cell for cell in cells if re.search(r"[A-Za-z]{2}", cell) and _number(cell) is None]
    # A missing value is none of a header's words.
    if any(word.lower() not in ("n/a", "na", "none", "null") for word in words):
        raise BadDataError(
            f"{path}, line {number}: has a header ({' '.join(cells):.60}); motion_source = "
            f'"{source}" is for text files of numbers alone, {_CONVENTIONS[source].files}. A '
            ".tsv with a header needs no motion_source"
        )


def _numbers(path: Path, source: str, row: tuple[int, list[str]]) -> list[float]:
    number, cells = row
    convention = _CONVENTIONS[source]
    if len(cells) != len(convention.columns):
        hint = ""
        if source == "afni" and len(cells) == 9:
            hint = "; this may be the file of -dfile, give the one of -1Dfile"
        raise BadDataError(
            f"{path}, line {number}: {len(cells)} columns, {convention.files} has "
            f"{len(convention.columns)}: {', '.join(convention.columns)}{hint}"
        )
    values = []
    for position, cell in enumerate(cells, 1):
        value = _number(cell)
        if value is None or not math.isfinite(value):
            raise BadDataError(
                f"{path}, line {number}: column {position} is {cell!r:.40}, a number is expected"
            )
        values.append(value)
    return values


def _number(cell: str) -> float | None:
    try:
        # Python takes 1_0 and digits of other scripts for numbers, a table does not.
        return float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        return None


def _refuse_other_units(
    path: Path, source: str, parameters: np.ndarray, numbers: list[int]
) -> None:
    """Refuse what cannot be: more than a turn of the head, or more than a metre."""
    convention = _CONVENTIONS[source]
    turns = [name in _ROTATIONS for name in convention.columns]
    most = np.where(turns, convention.per_turn, _FARTHEST)
    wrong = np.argwhere(np.abs(parameters) > most)
    if not len(wrong):
        return
    row, column = wrong[0]
    name, value = convention.columns[column], parameters[row, column]
    if turns[column]:
        expected = f"a rotation in {convention.unit}, at most {convention.per_turn:.4g}"
        perhaps = (
            "the numbers are in degrees, or in the order of another program"
            if source != "afni"
            else "the columns are in the order of another program"
        )
    else:
        expected, perhaps = f"a translation in mm, at most {_FARTHEST:g}", "of another unit"
    raise BadDataError(
        f"{path}, line {numbers[row]}: column {column + 1}, {name} by motion_source = "
        f'"{source}" ({convention.files}), is {value:g}; expected is {expected}. Perhaps '
        f"{perhaps}; motion_source is one of {', '.join(MOTION_SOURCES)}"
    )
