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
from bids_labelx.group.common_qcfc import CommonQcFc
from bids_labelx.group.coverage_sums import CoverageSums, coverage_name
from bids_labelx.group.mean_matrices import (
    MeanMatrix,
    matrix_name,
    matrix_sidecar,
    relationship,
)
from bids_labelx.group.rating_columns import rating_columns
from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.rows import MOTION, Row
from bids_labelx.names import sort_entities
from bids_labelx.outputs.columns import PLAIN, Columns, describe_columns, describe_matrix

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


def write_common_qcfc(
    output: Path,
    combination: Mapping[str, str],
    names: Sequence[str],
    found: CommonQcFc,
    motion: str,
) -> None:
    """Write QC-FC over the participants that all strategies have, in place of that over all."""
    path = output / f"{matrix_name(combination, 'qcfc')}.tsv"
    z, moved = relationship(combination), MOTION[motion][1]
    what = f"Pearson correlation over participants of the {z} and {moved} (QC-FC)"
    if found.covariates:
        given = ", ".join(found.covariates)
        what = (
            f"Partial correlation over participants of the {z} and {moved}, given {given} (QC-FC)"
        )
    added = {
        "RelationshipMeasure": what,
        "NumberOfParticipantsOfQcFc": found.participants,
        "ParticipantsOfQcFc": "those that all strategies have, of known motion and covariates",
        "ParticipantsWithoutCovariates": found.without_covariates,
        "Covariates": list(found.covariates),
    }
    write_json(path.with_suffix(".json"), read_json(path.with_suffix(".json")) | added)
    write_tsv(path, _table(found.r, names), index=True)


def write_strategies(output: Path, rows: Iterable[tuple[Mapping[str, str], Row]]) -> list[Path]:
    """Write a table per atlas, a row per combination; the paths are within the output dataset."""
    what = "QC-FC, loss of degrees of freedom and modularity by denoising strategy"
    return _write_by_atlas(output, rows, "qcfc", STRATEGY_COLUMNS, what)


def write_ratings(output: Path, rated: Sequence[RatedStrategies]) -> list[Path]:
    """Write what is known of strategies: a table per atlas, and ICC(2,1) of the edges of each.

    Returns
    -------
    list of pathlib.Path
        The tables, within the output dataset.
    """
    rows = [pair for one in rated for pair in zip(one.entities, one.rows, strict=True)]
    what = "Reliability, identifiability, separation of networks and QC-FC by denoising strategy"
    columns = rating_columns({key for _, row in rows for key in row})
    written = _write_by_atlas(output, rows, "strategies", columns, what)
    for one in rated:
        for entities, row, icc in zip(one.entities, one.rows, one.icc21, strict=False):
            path = output / f"{matrix_name(entities, 'icc21')}.tsv"
            sidecar = {
                "RelationshipMeasure": f"ICC(2,1) over {row['retest']} of the "
                f"{relationship(entities)}",
                "Weighted": True,
                "Directed": False,
                "ValidDiagonal": False,
                "StorageFormat": "Full",
                "NumberOfParticipants": row["participants_retest"],
                "NumberOfRepeats": row["repeats"],
                "SourceEntities": dict(entities),
                **describe_matrix(PLAIN),
            }
            write_json(path.with_suffix(".json"), sidecar)
            write_tsv(path, _table(icc, one.names), index=True)
            written.append(path.relative_to(output))
    return written


def _write_by_atlas(
    output: Path,
    rows: Iterable[tuple[Mapping[str, str], Row]],
    suffix: str,
    columns: Columns,
    what: str,
) -> list[Path]:
    by_name: dict[str, list[tuple[Mapping[str, str], Row]]] = defaultdict(list)
    for entities, row in rows:
        name = coverage_name(entities).replace("_coverage.", f"_{suffix}.")
        by_name[name].append((entities, row))
    for name, own in by_name.items():
        table = pd.DataFrame([row for _, row in own])
        # Those that the first row lacks would come last.
        keys = sort_entities({key: "" for entities, _ in own for key in entities})
        first = [key for key in keys if key in table]
        table = table[[*first, *table.columns.drop(first)]]
        _write_described(output, name, table, columns, what, ENTITY)
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
