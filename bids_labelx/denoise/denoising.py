"""From a strategy and one run's confounds to regressors and a sample mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from bids_labelx.denoise.columns import (
    columns_by_entry,
    motion_parameters,
    non_steady_state,
    removed_components,
    split_motion,
    wanted_columns,
)
from bids_labelx.denoise.confounds import FirstRow, column_values, fill_first_row
from bids_labelx.denoise.images import check_regressors
from bids_labelx.denoise.motion import (
    expand,
    filter_motion,
    framewise_displacement,
    short_segments,
)
from bids_labelx.denoise.strategies import Strategy
from bids_labelx.denoise.tables import Joined
from bids_labelx.errors import BadDataError

FdSource = Literal["table", "computed"]

_FD, _DVARS = "framewise_displacement", "std_dvars"
_MIN_SEGMENT = 5


@dataclass(frozen=True)
class Denoising:
    """What a strategy takes from one run's confounds.

    Attributes
    ----------
    columns
        Names of the regressors.
    regressors
        Shape (n_volumes, n_columns), in the table's units.
    removed
        The components that were taken out of the image before, shape (n_volumes, n_components),
        as far as the table has them.
    kept
        The sample mask, shape (n_volumes,), True for the volumes that stay.
    rules
        Why the others do not: for ``dummy`` (non-steady-state volumes), ``fd``, ``dvars``,
        ``short_segment`` and ``marked`` (by a table) a bool array of shape (n_volumes,). A volume
        may fall under several.
    framewise_displacement
        In mm, shape (n_volumes,), NaN first; None where it cannot be known. The same for every
        strategy: a motion filter does not change it.
    fd_source
        Where it is from: the ``table``, or ``computed`` from motion parameters.
    filtered_fd
        Framewise displacement of the filtered motion parameters, by which a strategy with a motion
        filter censors; the same shape and unit. None for other strategies.
    std_dvars
        Standardised DVARS of the table, shape (n_volumes,), NaN first; None where it has none.
    by_entry
        The columns that each entry of the strategy's list of columns took.
    """

    columns: tuple[str, ...]
    regressors: np.ndarray
    removed: np.ndarray
    kept: np.ndarray
    rules: Mapping[str, np.ndarray] = field(default_factory=dict)
    framewise_displacement: np.ndarray | None = None
    fd_source: FdSource | None = None
    filtered_fd: np.ndarray | None = None
    std_dvars: np.ndarray | None = None
    by_entry: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def n_dummies(self) -> int:
        """How many volumes at the start are dummies: no part of the run for any later step."""
        return int(np.argmin(np.append(self.rules["dummy"], False)))


class _Motion(NamedTuple):
    fd: np.ndarray | None
    fd_source: FdSource | None
    filtered_fd: np.ndarray | None
    std_dvars: np.ndarray | None


def select(
    strategy: Strategy,
    table: pd.DataFrame | None,
    n_volumes: int,
    *,
    source: str,
    t_r: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    image_desc: str = "preproc",
    producer: str = "",
    joined: Joined | None = None,
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
    metadata
        What the JSON beside the table says, by column; CompCor needs it.
    image_desc, producer
        The ``desc-`` of the BOLD image, and the program that made it.
    joined
        The confounds with what other tables have, in place of `table`, for a strategy that takes
        columns from these.

    Raises
    ------
    BadDataError
        Where columns are missing (all are named), rows do not match the volumes, a value that is
        used is not a number, no volume is left, or the strategy is for another image.
    """
    joined = joined or Joined(table)
    table = _usable_table(strategy, joined.table, n_volumes, source)
    try:
        wanted = wanted_columns(
            strategy.confounds,
            list(table.columns),
            n_volumes=n_volumes,
            t_r=t_r,
            metadata=_joined_metadata(metadata or {}, joined),
        )
    except ValueError as error:
        raise BadDataError(f"{source}: --denoise {strategy.name}: {error}") from None
    scrub = strategy.volumes.get("scrub")
    columns = list(dict.fromkeys([*wanted.columns, *joined.wanted.columns]))
    check_regressors(strategy, image_desc, producer, columns)
    lacking = wanted.lacking + joined.wanted.lacking
    lacking += _lacking_for_scrub(scrub, list(table.columns), joined)
    if lacking:
        raise BadDataError(
            f"{source}: --denoise {strategy.name} needs columns that are missing: "
            f"{', '.join(lacking)}; choose a strategy without them (--list-denoise) or add them"
        )
    first_row = strategy.confounds.get("first_row", "next")
    values = _Values(table, source, joined.file_of, joined.first_volumes)
    regressors = values(columns, first_row)
    components = removed_components(strategy.confounds, list(table.columns))
    removed = values(components)
    try:
        if "motion_filter" in strategy.confounds:
            options = strategy.confounds["motion_filter"]
            columns = _filter_regressors(columns, regressors, values, t_r, options, first_row)
        motion = _motion(values, scrub, t_r, joined)
    except ValueError as error:
        raise BadDataError(f"{source}: --denoise {strategy.name}: {error}") from None
    rules = _rules(values, strategy.volumes, motion, joined.start)
    if joined.marked is not None:
        rules["marked"] = joined.marked
    kept = ~np.any(list(rules.values()), axis=0)
    if not kept.any():
        raise BadDataError(_nothing_left(strategy, rules, source))
    by_entry = {**columns_by_entry(strategy.confounds, list(table.columns)), **joined.by_entry}
    return Denoising(tuple(columns), regressors, removed, kept, rules, *motion, by_entry)


def lacking_columns(
    strategy: Strategy,
    available: Sequence[str],
    n_volumes: int,
    *,
    t_r: float | None,
    metadata: Mapping[str, Any],
) -> list[str]:
    """What a strategy needs and a confounds table with these columns lacks; see `select`.

    Only of strategies that take no columns from other tables.

    Raises
    ------
    ValueError
        As from `wanted_columns`.
    """
    wanted = wanted_columns(
        strategy.confounds, available, n_volumes=n_volumes, t_r=t_r, metadata=metadata
    )
    scrub = strategy.volumes.get("scrub")
    return wanted.lacking + _lacking_for_scrub(scrub, list(available), Joined(None))


def _joined_metadata(metadata: Mapping[str, Any], joined: Joined) -> dict[str, Any]:
    """What is said of each column by the JSON beside the table that it is in."""
    own = {one: said for one, said in joined.metadata.items() if one in joined.file_of}
    return {**joined.metadata, **metadata, **own}


class _Values(NamedTuple):
    """Numbers out of the joined table; see `column_values`."""

    table: pd.DataFrame
    source: str
    file_of: Mapping[str, Path]
    first_volumes: Mapping[str, int]

    @property
    def available(self) -> list[str]:
        return list(self.table.columns)

    def __call__(self, columns: Sequence[str], first_row: FirstRow = "next") -> np.ndarray:
        return column_values(
            self.table,
            columns,
            self.source,
            first_row=first_row,
            file_of=self.file_of,
            first_volumes=self.first_volumes,
        )

    def start(self, columns: Sequence[str]) -> int:
        """The first volume at which all of the columns have a row."""
        return max((self.first_volumes.get(column, 0) for column in columns), default=0)


def _usable_table(
    strategy: Strategy, table: pd.DataFrame | None, n_volumes: int, source: str
) -> pd.DataFrame:
    """The table, or one without columns for a strategy that can do without."""
    if table is not None and len(table) == n_volumes:
        return table
    if not strategy.needs_table:
        return pd.DataFrame(index=range(n_volumes))
    if table is None:
        raise BadDataError(f"--denoise {strategy.name} needs a confounds table: {source}")
    raise BadDataError(
        f"{source}: --denoise {strategy.name}: {len(table)} rows, but the BOLD image has "
        f"{n_volumes} volumes; one row per volume is expected"
    )


def _lacking_for_scrub(
    scrub: Mapping[str, Any] | None, available: list[str], joined: Joined
) -> list[str]:
    lacking: list[str] = []
    if scrub and "fd_threshold" in scrub:
        parameters = motion_parameters(available).lacking
        if "motion_filter" in scrub:
            lacking += parameters
        elif _FD not in available and joined.positions is not None:
            lacking.append(f"{_FD} (between volumes that the image lacks, it cannot be computed)")
        elif _FD not in available and parameters:
            lacking.append(f"{_FD} (or, to compute it, {', '.join(parameters)})")
    if scrub and "std_dvars_threshold" in scrub and _DVARS not in available:
        lacking.append(_DVARS)
    return lacking


def _filter_regressors(
    columns: list[str],
    regressors: np.ndarray,
    values: _Values,
    t_r: float | None,
    options: Mapping[str, Any],
    first_row: FirstRow,
) -> list[str]:
    """Put filtered motion and its expansions in place of what the table has; gives the names."""
    parameters = motion_parameters(values.available).columns
    start, filtered = values.start(parameters), _filtered_motion(values, parameters, t_r, options)
    names = []
    for i, column in enumerate(columns):
        motion = split_motion(column)
        names.append(column if motion is None else f"{column}_filtered")
        if motion is not None:
            series = filtered[start:, [parameters.index(motion[0])]]
            regressors[start:, [i]] = fill_first_row(expand(series, motion[1]), first_row)
    return names


def _filtered_motion(
    values: _Values, parameters: list[str], t_r: float | None, options: Mapping[str, Any]
) -> np.ndarray:
    """Filtered motion parameters, NaN before their table starts."""
    if t_r is None:
        raise ValueError("motion_filter needs the repetition time, which nothing says")
    whole = values(parameters)
    start = values.start(parameters)
    whole[start:] = filter_motion(whole[start:], t_r, options)
    whole[:start] = np.nan
    return whole


def _motion(
    values: _Values, scrub: Mapping[str, Any] | None, t_r: float | None, joined: Joined
) -> _Motion:
    """Framewise displacement and DVARS, checked where volumes are censored by them."""
    scrub = scrub or {}
    available = values.available
    parameters, lacking = motion_parameters(available)
    by_fd, by_dvars = "fd_threshold" in scrub, "std_dvars_threshold" in scrub
    fd: np.ndarray | None = None
    fd_source: FdSource | None = None
    filtered: np.ndarray | None = None
    if by_fd and "motion_filter" in scrub:
        options = scrub["motion_filter"]
        filtered = framewise_displacement(_filtered_motion(values, parameters, t_r, options))
        by_fd = False  # the unfiltered one is only reported
    if _FD in available:
        fd, fd_source = _series(values, [_FD], used=by_fd)[:, 0], "table"
    elif not lacking and joined.positions is None:
        fd = framewise_displacement(_series(values, parameters, used=by_fd))
        fd_source = "computed"
    dvars = _series(values, [_DVARS], used=by_dvars)[:, 0] if _DVARS in available else None
    return _Motion(fd, fd_source, filtered, dvars)


def _series(values: _Values, columns: list[str], *, used: bool) -> np.ndarray:
    """Columns as numbers; what only goes into reports may have gaps."""
    if used:
        return values(columns, "keep")
    return values.table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)


def _rules(
    values: _Values, volumes: Mapping[str, Any], motion: _Motion, start: int
) -> dict[str, np.ndarray]:
    """Which volumes each rule censors; before `start`, some table has no row."""
    scrub = volumes.get("scrub", {})
    nothing = np.zeros(len(values.table), bool)
    by = motion.fd if motion.filtered_fd is None else motion.filtered_fd
    fd = _over(by, scrub.get("fd_threshold"), nothing)
    dvars = _over(motion.std_dvars, scrub.get("std_dvars_threshold"), nothing)
    # Volumes out for another reason count as kept here, as they do for nilearn.
    short = short_segments(fd | dvars, scrub.get("min_segment", _MIN_SEGMENT))
    return {
        "dummy": _dummy(values, volumes.get("non_steady_state"))
        | (np.arange(len(nothing)) < start),
        "fd": fd,
        "dvars": dvars,
        "short_segment": short,
    }


def _over(values: np.ndarray | None, threshold: float | None, nothing: np.ndarray) -> np.ndarray:
    # The first volume has NaN, which is over no threshold.
    return nothing if values is None or threshold is None else values > threshold


def _dummy(values: _Values, option: bool | int | None) -> np.ndarray:
    """The first volumes, as many as a number says, or those that the table marks."""
    if option is True:
        flags = values(non_steady_state(values.available))
        return np.asarray(flags.any(axis=1))
    return np.arange(len(values.table)) < (option or 0)


def _nothing_left(strategy: Strategy, rules: Mapping[str, np.ndarray], source: str) -> str:
    scrub = strategy.volumes.get("scrub", {})
    reasons = {
        "dummy": "non-steady-state or dummy volumes",
        "fd": f"with framewise displacement over {scrub.get('fd_threshold')} mm",
        "dvars": f"with standardised DVARS over {scrub.get('std_dvars_threshold')}",
        "marked": "marked by a table",
        "short_segment": f"in segments shorter than {scrub.get('min_segment', _MIN_SEGMENT)}",
    }
    counts = {name: int(rule.sum()) for name, rule in rules.items()}
    told = [f"{counts[name]} {words}" for name, words in reasons.items() if counts.get(name)]
    found = ", ".join(told)
    return (
        f"{source}: --denoise {strategy.name} leaves no volume of {len(rules['dummy'])}: {found}; "
        "leave this run out, or raise --fd-threshold and --std-dvars-threshold or lower "
        "--dummy-scans"
    )
