"""Confounds out of the motion parameters that the HCP pipelines write, in fMRIPrep's names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.denoise.motion import expand, framewise_displacement
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_text

# In the order of the file: mm, then degrees; after them a backward difference of each.
_PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_N_COLUMNS = 2 * len(_PARAMETERS)
_COLUMNS = "3 translations in mm, 3 rotations in degrees, and the difference of each"
_ROTATIONS = [3, 4, 5, 9, 10, 11]

_EXPANSIONS = {
    "": "",
    "_derivative1": ", difference from the volume before",
    "_power2": ", squared",
    "_derivative1_power2": ", squared difference from the volume before",
}


def hcp_confounds(folder: Path) -> pd.DataFrame:
    """The confounds table of a run.

    HCP's differences have a 0 in the first volume, which nothing precedes, and fMRIPrep's n/a:
    they are computed from the parameters. What HCP has detrended is taken as it is, but in
    radians.

    Parameters
    ----------
    folder
        That of the run, with ``Movement_Regressors.txt`` and perhaps
        ``Movement_Regressors_dt.txt`` and ``Movement_RelativeRMS.txt``.

    Returns
    -------
    table
        A row per volume; translations in mm, rotations in radians. The first row of differences,
        framewise displacement and ``rmsd`` is NaN.

    Raises
    ------
    MissingInputError, BadDataError
        Where a file cannot be read, or has other columns or rows than expected.
    """
    path = folder / "Movement_Regressors.txt"
    movement = _in_radians(_read_numbers(path, _N_COLUMNS, _COLUMNS))
    parameters = movement[:, : len(_PARAMETERS)]
    columns = {
        f"{name}{tail}": expand(series[:, np.newaxis], tail)[:, 0]
        for name, series in zip(_PARAMETERS, parameters.T, strict=True)
        for tail in _EXPANSIONS
    }
    columns["framewise_displacement"] = framewise_displacement(parameters)

    path = folder / "Movement_RelativeRMS.txt"
    if os.path.lexists(path):
        displacement = _read_numbers(path, 1, "the displacement in mm", n_rows=len(movement))[:, 0]
        # HCP writes 0 for the first volume, which nothing precedes.
        columns["rmsd"] = np.concatenate([[np.nan], displacement[1:]])

    path = folder / "Movement_Regressors_dt.txt"
    if os.path.lexists(path):
        detrended = _in_radians(_read_numbers(path, _N_COLUMNS, _COLUMNS, n_rows=len(movement)))
        names = [f"{n}{tail}_detrended" for tail in ("", "_derivative1") for n in _PARAMETERS]
        columns |= dict(zip(names, detrended.T, strict=True))
    return pd.DataFrame(columns)


def describe_hcp_confounds() -> Mapping[str, tuple[str, str]]:
    """Description and unit of each column that `hcp_confounds` can give."""
    found: dict[str, tuple[str, str]] = {}
    for name in _PARAMETERS:
        kind, axis = name.split("_")
        what = f"{'Translation along' if kind == 'trans' else 'Rotation about'} {axis}"
        unit = "mm" if kind == "trans" else "rad"
        for tail, words in _EXPANSIONS.items():
            found[f"{name}{tail}"] = what + words, unit + ("^2" if "power2" in tail else "")
        for tail, words in (("", ""), ("_derivative1", _EXPANSIONS["_derivative1"])):
            found[f"{name}{tail}_detrended"] = (
                f"{what}{words}, without mean and linear trend (Movement_Regressors_dt.txt)"
                + (". HCP counts the difference of the first volume as 0" if tail else ""),
                unit,
            )
    return {
        **found,
        "framewise_displacement": (
            "Framewise displacement (Power et al., 2012) with rotations on a sphere of 50 mm",
            "mm",
        ),
        "rmsd": (
            "Root mean square displacement from the volume before (Jenkinson et al., 2002; "
            "Movement_RelativeRMS.txt)",
            "mm",
        ),
    }


def _in_radians(movement: np.ndarray) -> np.ndarray:
    converted = movement.copy()
    converted[:, _ROTATIONS] = np.deg2rad(movement[:, _ROTATIONS])
    return converted


def _read_numbers(path: Path, n_columns: int, what: str, n_rows: int | None = None) -> np.ndarray:
    """The numbers of a text file without a header, shape (n_rows, n_columns)."""
    lines = [(n, line.split()) for n, line in enumerate(read_text(path).split("\n"), 1)]
    rows = []
    for number, cells in lines:
        if not cells:
            continue
        if len(cells) != n_columns:
            raise BadDataError(
                f"{path}, line {number}: {_count(len(cells), 'column')}, where {n_columns} are "
                f"expected ({what})"
            )
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            raise BadDataError(f"{path}, line {number}: {error}; a number is expected") from None
    found = np.array(rows, dtype=np.float64).reshape(-1, n_columns)
    if not len(found):
        raise BadDataError(f"{path}: an empty file; a row for each volume is expected")
    if not np.isfinite(found).all():
        row = np.flatnonzero(~np.isfinite(found).all(axis=1))[0]
        raise BadDataError(f"{path}, row {row + 1}: a value that is no finite number")
    if n_rows is not None and len(found) != n_rows:
        raise BadDataError(
            f"{path}: {_count(len(found), 'row')}, Movement_Regressors.txt has {n_rows}; the same "
            "number is expected, a row for each volume"
        )
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
