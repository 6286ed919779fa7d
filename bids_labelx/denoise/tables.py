"""The tables that a strategy takes columns from, joined to a run's confounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.denoise.columns import (
    Entry,
    Wanted,
    entry_text,
    listed_columns,
    matches,
    of_dataset,
)
from bids_labelx.denoise.confounds import (
    column_values,
    read_confounds_metadata,
    read_confounds_table,
)
from bids_labelx.denoise.motion_files import read_motion_file
from bids_labelx.denoise.named_1d import read_named_1d
from bids_labelx.denoise.strategies import Strategy
from bids_labelx.denoise.tedana import read_tedana
from bids_labelx.errors import BadDataError, LabelxError, MissingInputError, UsageError
from bids_labelx.names import FIRST_DATASET, TableQuery


@dataclass(frozen=True)
class Joined:
    """The confounds of a run with the columns that a strategy takes from other tables.

    Attributes
    ----------
    table
        A row per volume; None where nothing is there.
    files
        The files of the other tables.
    file_of
        By column of these, its file.
    first_volumes
        By column, the volume that its table starts at, where that is not the first.
    wanted
        The columns to be regressed out beside those of the strategy's groups.
    by_entry
        The columns that each entry of the tables' lists took.
    metadata
        What the JSON beside the tables says, by column.
    remarks
        What is to be told of them.
    marked
        The volumes that a table says are censored, bool of shape (n_volumes,).
    positions
        Of an image that lacks these volumes, where its volumes were among all, shape (n_volumes,).
    n_all
        How many volumes it had with them.
    start
        The first volume at which all tables have a row; those before are dummies.
    """

    table: pd.DataFrame | None
    files: tuple[Path, ...] = ()
    file_of: Mapping[str, Path] = field(default_factory=dict)
    first_volumes: Mapping[str, int] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=lambda: Wanted([], []))
    by_entry: Mapping[str, list[str]] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    marked: np.ndarray | None = None
    positions: np.ndarray | None = None
    n_all: int = 0
    start: int = 0


# How the programs call their files of motion parameters.
_MOTION_EXTENSIONS = {"fsl": ".par", "spm": ".txt", "afni": ".1D"}


def table_query(entry: Mapping[str, Any]) -> TableQuery:
    """Which table an entry of ``confounds.tables`` means."""
    dataset, of_tedana = entry.get("dataset", FIRST_DATASET), "tedana" in entry
    return TableQuery(
        dataset,
        entry.get("suffix", "mixing" if of_tedana else ""),
        entry.get("desc", "ICA" if of_tedana else ""),
        entry.get("extension", _MOTION_EXTENSIONS.get(entry.get("motion_source", ""), ".tsv")),
        tuple(sorted(entry.get("entities", {}).items())),
    )


def table_queries(strategies: Sequence[Strategy]) -> list[TableQuery]:
    """All tables that strategies take columns from, each once."""
    found: dict[TableQuery, None] = {}
    for strategy in strategies:
        for entry in strategy.confounds.get("tables", ()):
            query = table_query(entry)
            found[query] = None
            if "tedana" in entry:
                found[_metrics_of(query)] = None
    return list(found)


def _metrics_of(mixing: TableQuery) -> TableQuery:
    """The table that says what tedana made of the components of a mixing matrix."""
    return TableQuery(mixing.dataset, "metrics", "tedana", entities=mixing.entities)


def with_datasets(strategies: Sequence[Strategy], names: Collection[str]) -> list[Strategy]:
    """The strategies as the datasets of these names allow them.

    Columns of a table that need not be there are looked for in the confounds table where its
    dataset is not among them.

    Raises
    ------
    UsageError
        Where another dataset is not among them.
    """
    problems: dict[str, None] = {}
    changed = []
    for strategy in strategies:
        entries = strategy.confounds.get("tables", ())
        absent = [e for e in entries if e.get("dataset", FIRST_DATASET) not in names]
        for entry in absent:
            if entry.get("required", True):
                name = entry["dataset"]
                problems[
                    f"--denoise {strategy.name} takes columns from the dataset {name}: say where "
                    f"it is with --datasets {name}=DIR"
                ] = None
        if not absent:
            changed.append(strategy)
            continue
        columns = [*strategy.confounds.get("columns", ())]
        columns += [
            of_dataset(column, entry["dataset"])
            for entry in absent
            for column in entry.get("columns", ())
        ]
        rest = [entry for entry in entries if entry not in absent]
        confounds = {k: v for k, v in strategy.confounds.items() if k not in ("tables", "columns")}
        confounds |= {"columns": columns} if columns else {}
        confounds |= {"tables": rest} if rest else {}
        changed.append(replace(strategy, confounds=confounds))
    if problems:
        raise UsageError("\n".join(problems))
    return changed


def join_tables(
    strategy: Strategy,
    confounds: pd.DataFrame | None,
    n_volumes: int,
    *,
    source: str,
    tables: Mapping[TableQuery, Path],
    missing: Mapping[TableQuery, str],
) -> Joined:
    """Join the columns that a strategy takes from other tables to the confounds, row by row.

    Parameters
    ----------
    strategy
        The strategy.
    confounds
        The confounds table, where there is one.
    n_volumes
        Volumes of the BOLD image.
    source
        The path of the confounds table, for messages.
    tables, missing
        The files of the run's tables, or why one is missing.

    Raises
    ------
    MissingInputError, BadDataError
        Where a table is missing, cannot be read or has not a row for each volume, or two tables
        have a column of the same name.
    """
    entries = strategy.confounds.get("tables", ())
    found: dict[TableQuery, Path] = {}
    for query in table_queries([strategy]):
        if query not in tables:
            raise MissingInputError(f"--denoise {strategy.name}: {missing.get(query, query)}")
        found[query] = tables[query]
    joined = Joined(None)
    for entry in entries:
        if "censored" in entry:
            joined = _marked(entry, found[table_query(entry)], n_volumes, strategy.name)
            _refuse_gaps(strategy, joined)
    if confounds is not None:
        confounds = _of_image(confounds, joined)
        if len(confounds) != n_volumes and not strategy.needs_table:
            confounds = None
    joined = replace(joined, table=confounds)
    for entry in entries:
        if "censored" not in entry:
            query = table_query(entry)
            files = [found[query], *([found[_metrics_of(query)]] if "tedana" in entry else [])]
            joined = _with_table(joined, entry, files, n_volumes, strategy.name, source)
    return joined


def _marked(entry: Mapping[str, Any], path: Path, n_volumes: int, name: str) -> Joined:
    """The volumes that a table marks as censored, whether the image has them or not."""
    column = entry["censored"]
    table = read_confounds_table(path, [{"name": column}])
    if column not in table:
        raise BadDataError(
            f"{path}: --denoise {name}: there is no column {column}; there are "
            f"{', '.join(map(str, table.columns))}"
        )
    marked = column_values(table, [column], str(path), first_row="keep")[:, 0]
    if not np.isin(marked, (0, 1)).all():
        wrong = int(np.argmax(~np.isin(marked, (0, 1))))
        raise BadDataError(
            f"{path}: --denoise {name}: column {column}, row {wrong + 1} is {marked[wrong]:g}; 1 "
            "for a censored volume and 0 for the others are expected"
        )
    kept = np.flatnonzero(marked == 0)
    if len(table) == n_volumes:
        return Joined(None, (path,), marked=marked == 1)
    if len(kept) == n_volumes:
        remark = (
            f"the image has the {n_volumes} volumes of {len(table)} that {path.name} does not mark"
        )
        return Joined(None, (path,), remarks=(remark,), positions=kept, n_all=len(table))
    raise BadDataError(
        f"{path}: --denoise {name}: {len(table)} rows, {len(kept)} of which are not censored, but "
        f"the BOLD image has {n_volumes} volumes; it should have as many as either"
    )


def _refuse_gaps(strategy: Strategy, joined: Joined) -> None:
    """Refuse what takes volumes for equally spaced, where an image lacks some in between."""
    if joined.positions is None or np.diff(joined.positions).max(initial=1) == 1:
        return
    clean = strategy.clean
    parts = ("confounds", strategy.confounds), ("volumes.scrub", strategy.volumes.get("scrub", {}))
    wrong = [f"clean.{key}" for key in ("filter", "detrend") if clean.get(key)]
    wrong += [f"{name}.motion_filter" for name, part in parts if "motion_filter" in part]
    if wrong:
        raise BadDataError(
            f"{joined.files[0]}: --denoise {strategy.name}: the image lacks "
            f"{joined.n_all - len(joined.positions)} censored volumes of {joined.n_all}, and "
            f"{' and '.join(wrong)} would take those around a gap for neighbours; leave it out, "
            "or take an image with all volumes"
        )


def _of_image(table: pd.DataFrame, joined: Joined) -> pd.DataFrame:
    """The rows of the volumes that an image has, where it lacks censored ones."""
    if joined.positions is None or len(table) != joined.n_all:
        return table
    return table.iloc[joined.positions].reset_index(drop=True)


def _with_table(
    joined: Joined,
    entry: Mapping[str, Any],
    files: Sequence[Path],
    n_volumes: int,
    name: str,
    source: str,
) -> Joined:
    path = files[0]
    table, metadata, remarks = _read(entry, files)
    table = _of_image(table, joined)
    first = entry.get("first_volume", 0)
    if len(table) + first != n_volumes:
        start = f", starting at volume {first}," if first else ""
        advice = "" if first else "; a table that starts later says so with first_volume"
        raise BadDataError(
            f"{path}: --denoise {name}: {len(table)} rows{start} do not fit the BOLD image, which "
            f"has {n_volumes} volumes; one row per volume is expected{advice}"
        )
    available = list(table.columns)
    entries: Sequence[Entry] = entry.get("columns", ())
    wanted = listed_columns(entries, available)
    if "tedana" in entry and not entries:
        wanted = Wanted(available, [])
    wanted = Wanted(list(dict.fromkeys(wanted.columns)), wanted.lacking)
    taken = wanted.columns if entries else available
    for column in taken:
        if joined.table is not None and column in joined.table:
            other = joined.file_of.get(column, source)
            what = "given twice" if str(other) == str(path) else f"in {other} as well"
            advice = "take each column from one table, with columns = [...]"
            if str(path) == source:
                advice = "of the run's confounds table, confounds.columns takes columns"
            raise BadDataError(
                f"{path}: --denoise {name}: the column {column} is {what}; {advice}"
            )
    table = table[taken]
    table.index = pd.RangeIndex(first, n_volumes)
    before = pd.DataFrame(index=range(n_volumes)) if joined.table is None else joined.table
    if len(before) != n_volumes:
        raise BadDataError(
            f"{source}: --denoise {name}: {len(before)} rows, but the BOLD image has {n_volumes} "
            "volumes; one row per volume is expected"
        )
    place = f"{entry.get('dataset', FIRST_DATASET)}, {path.name}"
    lacking = [f"{text} (in {path})" for text in wanted.lacking]
    by_entry = {f"{entry_text(one)} ({place})": matches(one, available) for one in entries}
    return replace(
        joined,
        table=before.join(table.reindex(range(n_volumes))),
        files=tuple(dict.fromkeys((*joined.files, *files))),
        file_of={**joined.file_of, **dict.fromkeys(taken, path)},
        first_volumes={**joined.first_volumes, **(dict.fromkeys(taken, first) if first else {})},
        wanted=Wanted(
            [*joined.wanted.columns, *wanted.columns], [*joined.wanted.lacking, *lacking]
        ),
        by_entry={**joined.by_entry, **by_entry},
        metadata={**joined.metadata, **metadata},
        remarks=tuple(dict.fromkeys((*joined.remarks, *remarks))),
        start=max(joined.start, first),
    )


def _read(
    entry: Mapping[str, Any], files: Sequence[Path]
) -> tuple[pd.DataFrame, dict[str, Any], tuple[str, ...]]:
    """A table, what the JSON beside it says, and what is to be told of it."""
    if "motion_source" in entry:
        return read_motion_file(files[0], entry["motion_source"]), {}, ()
    if "tedana" in entry:
        found = read_tedana(files[0], files[1], entry["tedana"])
        return found.table, {}, found.remarks
    if files[0].suffix == ".1D":
        return read_named_1d(files[0]), {}, ()
    table = read_confounds_table(files[0], entry.get("columns", ()))
    try:
        return table, read_confounds_metadata(files[0]), ()
    except LabelxError as error:
        # What needs no JSON is done without it.
        return table, {}, (str(error),)
