"""Columns that strategies need and confounds tables lack, over all runs: for messages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bids_labelx.content import missing_reason
from bids_labelx.denoise import (
    Strategy,
    lacking_columns,
    preset_names,
    read_confounds_metadata,
    read_strategies,
)
from bids_labelx.errors import LabelxError
from bids_labelx.files import read_text
from bids_labelx.participant.plan import PlannedRun
from bids_labelx.words import counted, enumerated

# Families of columns by how the text of one that is missing begins.
_FAMILIES = {
    "motion parameters": r"(trans|rot)_[xyz]",
    "white matter and CSF": r"csf|white_matter",
    "global signal": r"global_signal",
    "cosines": r"cosine",
    "CompCor": r"components of CompCor|[atwc]_comp_cor",
    "ICA-AROMA": r"aroma",
    "framewise displacement": r"framewise_displacement",
    "DVARS": r"std_dvars",
}


class _Table(NamedTuple):
    """What decides which columns a strategy lacks in a run."""

    columns: tuple[str, ...]
    n_volumes: int
    t_r: float | None
    described: bool


def lacking_in_words(runs: Sequence[PlannedRun], strategies: Sequence[Strategy]) -> Iterator[str]:
    """A line for each strategy whose columns are missing in tables, and which presets could do.

    Runs without a table, and strategies that take columns from further tables, are left out.
    """
    tables = {one.key: _table_of(one) for one in runs}
    first: dict[_Table, PlannedRun] = {}
    for one in runs:
        if (table := tables[one.key]) is not None:
            first.setdefault(table, one)
    metadata = {table: _metadata_of(one) for table, one in first.items()}
    known = list(tables.values())
    without: set[_Table] = set()
    for strategy in strategies:
        lacking = {one: _lacking(strategy, one, metadata[one]) for one in first}
        counts: dict[str, int] = defaultdict(int)
        for table, columns in lacking.items():
            if columns:
                without.add(table)
                counts[_in_families(columns)] += known.count(table)
        for text, count in counts.items():
            lack = "lacks" if count == 1 else "lack"
            yield (
                f"--denoise {strategy.name}: {counted(count, 'run')} of {len(runs):,} {lack} "
                f"columns in the confounds table: {text}"
            )
    if without:
        able = [
            one.name
            for one in read_strategies(preset_names())
            if not one.images
            and "tables" not in one.confounds
            and not any(_lacking(one, t, metadata[t]) for t in without)
        ]
        yield f"strategies for which no column is missing in these tables: {', '.join(able)}"


def _table_of(run: PlannedRun) -> _Table | None:
    """None where there is no table, or none that can be read by its first line."""
    path = run.source.confounds
    if path is None or path.suffix != ".tsv":
        return None
    try:
        header = read_text(path).partition("\n")[0].rstrip("\r")
    except LabelxError:
        # Its run is told what is wrong with it.
        return None
    described = missing_reason(path.with_suffix(".json")) is None
    return _Table(tuple(header.split("\t")), run.n_volumes, run.source.t_r, described)


def _metadata_of(run: PlannedRun) -> Mapping[str, Any]:
    if run.source.confounds is None:
        return {}
    try:
        return read_confounds_metadata(run.source.confounds)
    except LabelxError:
        return {}


def _lacking(strategy: Strategy, table: _Table, metadata: Mapping[str, Any]) -> list[str]:
    if "tables" in strategy.confounds:
        return []
    try:
        return lacking_columns(
            strategy, table.columns, table.n_volumes, t_r=table.t_r, metadata=metadata
        )
    except ValueError:
        # What the JSON says is wrong, which its run is told.
        return []


def _in_families(columns: Sequence[str]) -> str:
    """Missing columns by family: ``motion parameters (24, such as trans_x), rmsd``."""
    families: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        named = (name for name, start in _FAMILIES.items() if re.match(start, column))
        families[next(named, "")].append(column)
    words = [
        f"{name} ({own[0] if len(own) == 1 else f'{len(own)}, such as {own[0]}'})"
        for name, own in families.items()
        if name
    ]
    return enumerated([*words, *families.get("", [])])
