"""Denoising strategies: from a preset and a confounds table to regressors and a sample mask.

A strategy is data (``data/denoise/*.toml``), not code: groups of confounds with their options, and
which volumes to leave out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.names import camel

# A series expands into itself, its backward difference, and the squares of both
# (Satterthwaite et al. 2013, doi:10.1016/j.neuroimage.2012.08.052).
_EXPANSION = {
    "basic": ("",),
    "power2": ("", "_power2"),
    "derivatives": ("", "_derivative1"),
    "full": ("", "_derivative1", "_power2", "_derivative1_power2"),
}
_SERIES = {
    "motion": ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    "wm_csf": ("csf", "white_matter"),
}
_COSINE = re.compile(r"cosine\d+")
_NON_STEADY_STATE = re.compile(r"non_steady_state_outlier\d+")

# fMRIPrep's cosines make a high-pass filter with this cut-off, in seconds: a run of N volumes has
# floor(2 N TR / cut-off) of them, none when it is shorter than half the cut-off.
_COSINE_CUTOFF = 128.0


@dataclass(frozen=True)
class Strategy:
    """A denoising strategy: its name as users know it, and what it takes."""

    name: str
    description: str
    confounds: Mapping[str, Any]
    volumes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The ``desc-`` label of its outputs: ``raw`` for ``none``, else camelCase."""
        return "raw" if self.name == "none" else camel(self.name)

    @property
    def needs_table(self) -> bool:
        """Whether it takes anything from the confounds table."""
        return bool(self.confounds or self.volumes)


@dataclass(frozen=True)
class Denoising:
    """What a strategy takes from one run's confounds.

    Attributes
    ----------
    columns
        Names of the regressors.
    regressors
        Shape (n_volumes, n_columns), in the table's units.
    kept
        The sample mask, shape (n_volumes,), True for the volumes that stay.
    dummy
        True for the non-steady-state volumes at the start, shape (n_volumes,).
    """

    columns: tuple[str, ...]
    regressors: np.ndarray
    kept: np.ndarray
    dummy: np.ndarray


def preset_names() -> list[str]:
    """The strategies that come with the app, sorted."""
    folder = files("bids_labelx") / "data" / "denoise"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_strategies(names: Sequence[str]) -> list[Strategy]:
    """The presets of these names.

    Raises
    ------
    UsageError
        Where there is no preset of a name; all such names are listed.
    """
    there = preset_names()
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(f"--denoise {' '.join(unknown)}: choose from {', '.join(there)}")
    return [_read_preset(name) for name in names]


def _read_preset(name: str) -> Strategy:
    text = (files("bids_labelx") / "data" / "denoise" / f"{name}.toml").read_text("utf-8")
    content = tomllib.loads(text)
    return Strategy(
        name, content["description"], content.get("confounds", {}), content.get("volumes", {})
    )


def describe_presets() -> str:
    """A line per preset, for ``--list-denoise``."""
    presets = [_read_preset(name) for name in preset_names()]
    width = max(len(preset.name) for preset in presets)
    return "\n".join(f"{preset.name:<{width}}  {preset.description}" for preset in presets)


def read_confounds(path: Path) -> pd.DataFrame:
    """A confounds table; ``n/a`` becomes NaN.

    Raises
    ------
    MissingInputError, BadDataError
    """
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"], encoding="utf-8")
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadDataError(f"{path}: cannot be read as a table ({error})") from None


def select(
    strategy: Strategy,
    table: pd.DataFrame | None,
    n_volumes: int,
    *,
    source: str,
    t_r: float | None = None,
) -> Denoising:
    """Take from a run's confounds what a strategy asks for.

    Parameters
    ----------
    strategy
        The strategy.
    table
        The confounds, one row per volume; None only for a strategy that needs no table.
    n_volumes
        Volumes of the BOLD image.
    source
        The table's path, for messages.
    t_r
        Repetition time in seconds, where it is known.

    Raises
    ------
    BadDataError
        Where columns are missing (all are named), rows do not match the volumes, a value that is
        used is not a number, or no volume is left.
    """
    if not strategy.needs_table:
        everything = np.ones(n_volumes, bool)
        return Denoising((), np.empty((n_volumes, 0)), everything, ~everything)
    if table is None:
        raise BadDataError(f"--denoise {strategy.name} has no confounds table: {source}")
    if len(table) != n_volumes:
        raise BadDataError(
            f"{source}: {len(table)} rows, but the BOLD image has {n_volumes} volumes; "
            "one row per volume is expected"
        )
    columns = _columns(strategy, list(table.columns), n_volumes, source, t_r)
    dummy = np.zeros(n_volumes, bool)
    if strategy.volumes.get("non_steady_state"):
        flags = [c for c in table.columns if _NON_STEADY_STATE.fullmatch(c)]
        dummy = np.asarray(table[flags].to_numpy(float).any(axis=1))
    if dummy.all():
        raise BadDataError(
            f"{source}: --denoise {strategy.name} leaves no volume, all {n_volumes} are marked "
            "non-steady-state"
        )
    return Denoising(tuple(columns), _values(table, columns, source), ~dummy, dummy)


def _columns(
    strategy: Strategy, there: list[str], n_volumes: int, source: str, t_r: float | None
) -> list[str]:
    wanted: list[str] = []
    lacking: list[str] = []
    for group, option in strategy.confounds.items():
        if group == "high_pass":
            cosines = [column for column in there if _COSINE.fullmatch(column)]
            too_short = t_r is not None and 2 * n_volumes * t_r < _COSINE_CUTOFF
            wanted += cosines
            lacking += [] if cosines or too_short else ["cosine00"]
        else:
            columns = [s + tail for s in _SERIES[group] for tail in _EXPANSION[option]]
            wanted += columns
            lacking += [column for column in columns if column not in there]
    if lacking:
        raise BadDataError(
            f"{source}: --denoise {strategy.name} needs columns that are missing: "
            f"{', '.join(lacking)}; choose a strategy without them (--list-denoise) or add them"
        )
    return wanted


def _values(table: pd.DataFrame, columns: Sequence[str], source: str) -> np.ndarray:
    """The columns as numbers; a first row without values repeats the second.

    A backward difference has no value at the first volume. Repeating the second row is what
    nilearn does too, so that results compare.
    """
    read = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    numbers = read.to_numpy(float, copy=True)
    if len(numbers) > 1:
        first = np.isnan(numbers[0])
        numbers[0, first] = numbers[1, first]
    rows, bad = np.nonzero(~np.isfinite(numbers))
    if rows.size:
        column, row = columns[bad[0]], rows[0]
        raise BadDataError(
            f"{source}: column {column}, row {row + 1} (of {len(table)}) is "
            f"{table[column].iloc[row]!r}, a number is expected"
        )
    return numbers
