"""Confounds for a masker, in every form that is accepted, with the names of their columns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import LabelxError
from bids_labelx.files import NO_VALUE, TableRow, read_text, split_table, table_columns


@dataclass(frozen=True)
class Confounds:
    """Columns to regress out of a run.

    Attributes
    ----------
    values : float64 array of shape (n_volumes, n_confounds)
    names
        What to call each column in messages.
    where
        What to call all of them: the file, or ``confounds``.
    """

    values: np.ndarray
    names: tuple[str, ...]
    where: str

    def checked(self, n_volumes: int, keep: np.ndarray | None) -> np.ndarray:
        """The values, if they fit a run.

        Parameters
        ----------
        n_volumes
            Length of the run.
        keep : bool array of shape (n_volumes,), or None
            The volumes that are kept.

        Raises
        ------
        ValueError
            Where they have another length, or a kept volume has a value that is not finite.
        """
        if len(self.values) != n_volumes:
            raise ValueError(
                f"{self.where}: Confound signal has an incorrect length: {len(self.values)} rows, "
                f"where the run has {n_volumes} volumes. There is one row for each volume, "
                "including those that sample_mask excludes"
            )
        lacking = ~np.isfinite(self.values)
        if keep is not None:
            lacking[~keep] = False
        if not lacking.any():
            return self.values
        columns = [name for name, bad in zip(self.names, lacking.any(axis=0), strict=True) if bad]
        rows = np.flatnonzero(lacking.any(axis=1))
        first = _listed([str(row) for row in rows], 5)
        raise ValueError(
            f"{self.where}: confounds are finite numbers in every kept volume; there is n/a, NaN "
            f"or infinity in {_listed(columns, 20)} (in {len(rows)} of {n_volumes} volumes: "
            f"number {first}, from 0). Give only the columns that are wanted, fill them, as the "
            "first row of derivatives and framewise displacement with 0, or exclude these "
            "volumes with sample_mask"
        )


def load_confounds(confounds: Any) -> Confounds | None:
    """Read confounds from a path, a table, an array, or a list of these.

    The columns of a list are joined. A file is a table with tabs, commas, semicolons or blanks,
    with or without a header, such as SPM's ``rp_*.txt`` and FSL's ``.par``. Lines that begin with
    ``#`` and columns without a heading, mostly row numbers, are not read.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        Where there is no such file, they are not numbers, a row of a file has more or fewer
        fields than the first, or the parts of a list differ in length.
    """
    if confounds is None:
        return None
    if isinstance(confounds, (list, tuple)) and any(
        isinstance(one, (str, os.PathLike, pd.DataFrame, np.ndarray)) for one in confounds
    ):
        parts = [_read_table(one) for one in confounds]
        lengths = {len(part.values) for part in parts}
        if len(lengths) > 1:
            rows = [f"{part.where} ({part.names[0]}, …) has {len(part.values)}" for part in parts]
            raise ValueError(
                "a list of confounds with different lengths, each with a row for each volume: "
                + ", ".join(rows)
            )
        values = np.column_stack([part.values for part in parts])
        names = tuple(name for part in parts for name in part.names)
        return Confounds(values, names, ", ".join(dict.fromkeys(part.where for part in parts)))
    return _read_table(confounds)


def _listed(words: list[str], most: int) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _read_table(confounds: Any) -> Confounds:
    where, names = "confounds", None
    if isinstance(confounds, (str, os.PathLike)):
        where = os.fspath(confounds)
        confounds, names = _read_confounds_file(Path(where))
    elif isinstance(confounds, pd.DataFrame):
        names = [str(name) for name in confounds.columns]
    try:
        values = np.asarray(confounds, dtype=np.float64)
    except (TypeError, ValueError) as error:
        found = _no_number(confounds, names) or str(error)
        raise ValueError(f"{where}: confounds are numbers ({found})") from error
    if not values.ndim:
        raise TypeError(f"{where}: confounds are a table or a file, got {confounds!r}")
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2:
        raise ValueError(
            f"{where}: confounds have the shape (volumes, confounds), found {values.shape}"
        )
    if names is None:
        names = [f"column {k}" for k in range(values.shape[1])]
    return Confounds(values, tuple(names), where)


def _no_number(confounds: Any, names: list[str] | None) -> str:
    """The columns of a table that hold something else, with its first value; empty if unknown."""
    try:
        cells = np.asarray(confounds, dtype=object)
    except ValueError:
        return ""
    if cells.ndim != 2:
        return ""
    found: dict[str, str] = {}
    for row, column in np.ndindex(cells.shape):
        name = names[column] if names else f"{column}"
        if name not in found and not _converts(cells[row, column]):
            found[name] = f"column {name} has {cells[row, column]!r:.40} in row {row}, from 0"
    if not found:
        return ""
    first, *others = found
    return found[first] + (f"; {_listed(others, 20)} also" if others else "")


def _converts(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _read_confounds_file(path: Path) -> tuple[list[list[str]], list[str] | None]:
    """The cells of a file, ``nan`` for what has no value, and its header."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file of confounds")
    header = None
    try:
        lines = read_text(path).split("\n")
        # As blank lines, so that the others keep their number.
        text = "\n".join("" if line.lstrip().startswith("#") else line for line in lines)
        rows = split_table(text, _delimiter(path, text))
        if not rows:
            raise ValueError("an empty file; a row per volume is expected")
        columns = [(at, "") for at in range(len(rows[0][1]))]
        if _is_header(rows):
            columns, rows = table_columns(rows), rows[1:]
            header = [heading for _, heading in columns]
    except LabelxError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"{path}: confounds cannot be read as a table ({error})") from None
    cells = [[row[at].strip() for at, _ in columns] for _, row in rows]
    return [["nan" if cell in NO_VALUE else cell for cell in row] for row in cells], header


def _is_header(rows: list[TableRow]) -> bool:
    """Whether the first row has headings, which may be numbers behind an empty one."""
    first = rows[0][1]
    numbered = len(rows) > 1 and not first[0].strip() and rows[1][1][0].strip() != ""
    return numbered or not any(_is_number(cell) for cell in first)


def _delimiter(path: Path, text: str) -> str:
    """What is between the cells: what its first line has, blanks where it has nothing else."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for line in text.split("\n") if line.strip()), "")
    return next((one for one in "\t;," if one in first.strip()), " ")


def _is_number(text: str) -> bool:
    """Whether a cell is a number or says that there is none, and so no heading."""
    try:
        float(text)
    except ValueError:
        return text.strip() in NO_VALUE - {""}
    return True
