"""Correlation matrices that participants wrote, read back and checked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.files import read_text

# As far as text and rounding may take a correlation beyond 1, or from its mirror image.
_TOLERANCE = 1e-6


def read_matrix(path: Path, names: Sequence[str]) -> np.ndarray:
    """A matrix of correlations, checked.

    Parameters
    ----------
    path
        A table with a row and a column per region, named in header and first column.
    names
        The regions that are expected, in their order.

    Returns
    -------
    numpy.ndarray
        Shape (n_regions, n_regions), float64; NaN for ``n/a``.

    Raises
    ------
    BadDataError
        Where the file is cut off, has other regions or another shape, or a value is no
        correlation.
    """
    try:
        text = read_text(path)
    except LabelxError as error:
        raise BadDataError(str(error)) from None
    if not text.endswith("\n"):
        raise _broken(path, "cut off: its last line has no end" if text else "an empty file")
    header, *lines = text.removesuffix("\n").split("\n")
    _check_names(path, "header", _cells([header])[0][1:], names)
    parted = [line.partition("\t") for line in lines]
    _check_names(path, "first column", [row[0] for row in _cells([p[0] for p in parted])], names)
    for row, (_, _, values) in enumerate(parted, 1):
        found = values.count("\t") + 1 if values.strip() else 0
        if found != len(names):
            raise _broken(path, f"{found} values in row {row}, {len(names)} are expected")
    try:
        matrix = np.loadtxt(
            [values.replace("n/a", "nan") for _, _, values in parted],
            delimiter="\t",
            comments=None,
            ndmin=2,
        )
    except ValueError as error:
        raise _broken(path, f"not all values are numbers or n/a ({error})") from None
    _check_values(path, matrix, names)
    return matrix


def _cells(lines: Sequence[str]) -> list[list[str]]:
    """Cells of lines; a name with a quote in it was written in quotes."""
    return [cells or [""] for cells in csv.reader(lines, delimiter="\t")]


def _check_names(path: Path, where: str, found: Sequence[str], expected: Sequence[str]) -> None:
    if len(found) != len(expected):
        raise _broken(
            path, f"{len(found)} regions in the {where}, the label table has {len(expected)}"
        )
    for i, (mine, theirs) in enumerate(zip(found, expected, strict=True), 1):
        if mine != theirs:
            raise _broken(
                path, f"region {i} is {mine!r} in the {where}, and {theirs!r} in the label table"
            )


def _check_values(path: Path, matrix: np.ndarray, names: Sequence[str]) -> None:
    beyond = np.abs(matrix) > 1 + _TOLERANCE
    if beyond.any():
        row, column = np.unravel_index(beyond.argmax(), matrix.shape)
        raise _broken(
            path,
            f"{matrix[row, column]:g} between {names[row]} and {names[column]} is no correlation",
        )
    if not np.allclose(matrix, matrix.T, rtol=0, atol=_TOLERANCE, equal_nan=True):
        raise _broken(path, "not symmetric")
    diagonal = np.diag(matrix)
    other = np.abs(diagonal - 1) > _TOLERANCE
    if other.any():
        raise _broken(
            path,
            f"{diagonal[other.argmax()]:g} on the diagonal for {names[other.argmax()]}, 1 or n/a "
            "is expected",
        )


def check_missing(
    path: Path, matrix: np.ndarray, missing: np.ndarray, names: Sequence[str]
) -> None:
    """Refuse a matrix of other settings than its label table, as of another --min-coverage."""
    valued = missing & np.isfinite(matrix).any(axis=1)
    if valued.any():
        raise _broken(
            path,
            f"has values of {names[valued.argmax()]}, which has no signal by the label table "
            f"beside it ({int(valued.sum())} such regions): they are of different settings",
        )


def _broken(path: Path, found: str) -> BadDataError:
    return BadDataError(f"{path}: {found}; run the participant level again")
