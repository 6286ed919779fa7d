"""Files of the group level: writing them, and removing those of an earlier invocation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import LabelxError
from bids_labelx.files import read_json, write_json, write_tsv
from bids_labelx.group.columns import (
    COVERAGE_COLUMNS,
    ENTITY,
    QUALITY_COLUMNS,
    STRATEGY_COLUMNS,
)
from bids_labelx.group.coverage_sums import CoverageSums, coverage_name
from bids_labelx.group.mean_matrices import MeanMatrix, matrix_name, matrix_sidecar
from bids_labelx.group.rows import Row
from bids_labelx.names import sort_entities
from bids_labelx.outputs.columns import Columns, describe_columns

# Which files the group level has written, so that it removes those and no others.
_RECORD = Path("logs", "group.json")


def write_quality(output: Path, table: pd.DataFrame) -> Path:
    """Write ``group_qc.tsv`` with its JSON; the path is within the output dataset."""
    return _write_described(output, "group_qc.tsv", table, QUALITY_COLUMNS, "Quality of each run")


def write_coverage(output: Path, atlases: Mapping[str, CoverageSums]) -> list[Path]:
    """Write a table per atlas; the paths are within the output dataset."""
    what = "Coverage of the labels of an atlas over runs"
    return [
        _write_described(output, name, sums.table(), COVERAGE_COLUMNS, what)
        for name, sums in atlases.items()
    ]


def write_mean_matrix(
    output: Path,
    combination: Mapping[str, str],
    names: Sequence[str],
    mean: MeanMatrix,
    qcfc: np.ndarray,
    motion: str = "fd",
) -> list[Path]:
    """Write mean, standard deviation, number of participants and QC-FC, each with its JSON.

    `motion` is what QC-FC is with, a key of `rows.MOTION`.

    Returns
    -------
    list of pathlib.Path
        The four tables, within the output dataset.
    """
    written = []
    tables = {"mean": mean.mean, "std": mean.std, "n": mean.n, "qcfc": qcfc}
    for statistic, values in tables.items():
        path = output / f"{matrix_name(combination, statistic)}.tsv"
        sidecar = matrix_sidecar(combination, statistic, mean, names, motion)
        write_json(path.with_suffix(".json"), sidecar)
        write_matrix(path, values, names)
        written.append(path.relative_to(output))
    return written


def write_strategies(output: Path, rows: Iterable[tuple[Mapping[str, str], Row]]) -> list[Path]:
    """Write a table per atlas, a row per combination; the paths are within the output dataset."""
    by_name: dict[str, list[tuple[Mapping[str, str], Row]]] = defaultdict(list)
    for entities, row in rows:
        by_name[coverage_name(entities).replace("_coverage.", "_qcfc.")].append((entities, row))
    for name, own in by_name.items():
        table = pd.DataFrame([row for _, row in own])
        # Those that the first row lacks would come last.
        keys = sort_entities({key: "" for entities, _ in own for key in entities})
        first = [key for key in keys if key in table]
        table = table[[*first, *table.columns.drop(first)]]
        what = "QC-FC, loss of degrees of freedom and modularity by denoising strategy"
        _write_described(output, name, table, STRATEGY_COLUMNS, what, ENTITY)
    return [Path(name) for name in by_name]


def write_matrix(path: Path, values: np.ndarray, names: Sequence[str]) -> None:
    """Write a matrix between regions, shape (n_regions, n_regions)."""
    write_tsv(path, _table(values, names), index=True)


def _table(values: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(names, name="name"), columns=list(names))


def _write_described(
    output: Path,
    name: str,
    table: pd.DataFrame,
    known: Columns,
    what: str,
    *other: tuple[str, str],
) -> Path:
    """Write a table and what its columns are; the path is within the output dataset."""
    path = output / name
    columns = describe_columns(table.columns, known, *other)
    write_json(path.with_suffix(".json"), {"Description": what, **columns})
    write_tsv(path, table)
    return Path(name)


def record_files(output: Path, files: Iterable[Path]) -> None:
    """Record files as written by the group level, beside those recorded before.

    Parameters
    ----------
    output
        The output dataset.
    files
        Within the output dataset; the JSON beside a table counts, too.

    Raises
    ------
    CannotWriteError
    """
    _write_record(output, _recorded(output) | _with_sidecars(files))


def remove_others(output: Path, files: Iterable[Path]) -> None:
    """Remove what an earlier group level recorded as written, and is not among `files`.

    Parameters as of `record_files`.

    Raises
    ------
    CannotWriteError
    """
    written = _with_sidecars(files)
    for path in _recorded(output) - written:
        (output / path).unlink(missing_ok=True)
    _write_record(output, written)


def _with_sidecars(files: Iterable[Path]) -> set[Path]:
    own = set(files)
    return own | {path.with_suffix(".json") for path in own if path.suffix == ".tsv"}


def _write_record(output: Path, files: Iterable[Path]) -> None:
    write_json(output / _RECORD, {"files": sorted(path.as_posix() for path in files)})


def _recorded(output: Path) -> set[Path]:
    """Files in the record; none where there is no record, or something else wrote it."""
    try:
        paths = [Path(one) for one in read_json(output / _RECORD)["files"]]
    except (LabelxError, KeyError, TypeError):
        return set()
    # No other file, should somebody have edited it.
    own = {path for path in paths if path.name.startswith("group")}
    return {path for path in own if path.parent in (Path(), Path("figures"))}
