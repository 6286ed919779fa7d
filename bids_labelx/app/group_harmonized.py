"""Harmonisation and tables for other programs, a combination at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_labelx.app.group_means import Made
from bids_labelx.content import is_listed
from bids_labelx.errors import BadDataError, LabelxError
from bids_labelx.group.batches import Batches, batches_of, labels_of
from bids_labelx.group.collect import Collected
from bids_labelx.group.covariates import (
    OF_ROWS,
    Covariates,
    check_columns,
    check_own,
    read_covariates,
)
from bids_labelx.group.edge_rows import Unit, motion_of
from bids_labelx.group.harmonize import Harmonised, harmonize
from bids_labelx.group.mean_matrices import edges_name
from bids_labelx.group.parquet import write_edges_parquet
from bids_labelx.group.region_table import write_region_table
from bids_labelx.group.rows import MatrixFile
from bids_labelx.group.write import record_files
from bids_labelx.outputs.arrow import check_pyarrow
from bids_labelx.settings import Settings
from bids_labelx.suggestions import listed
from bids_labelx.words import enumerated


def participants_table(
    settings: Settings, collected: Collected
) -> tuple[Covariates | None, list[str]]:
    """The table of participants, if there is one, and what a user has to know of it.

    That is why it is not read, or which participants with matrices it lacks.

    Raises
    ------
    MissingInputError, BadDataError
        Where an option needs it, and it is not there or broken.
    """
    needed = settings.covariates or settings.harmonize
    if not needed and not is_listed(settings.bids_dir / "participants.tsv"):
        return None, []
    try:
        covariates = read_covariates(settings.bids_dir, settings.covariates)
    except LabelxError as error:
        if needed:
            raise
        return None, [f"{error}; its columns are not in the tables of edges"]
    averaged = {file.participant for one in collected.combinations.values() for file in one.files}
    known = {*covariates.participants.index, *(key for key, _ in covariates.sessions.index)}
    if not (lacking := [f"sub-{one}" for one in sorted(averaged - known)]):
        return covariates, []
    return covariates, [
        f"{covariates.path}: no row for {listed(lacking)}; their columns of participants are "
        "empty in the tables of edges, so exclude them before a classification"
    ]


def check_before(settings: Settings, collected: Collected, covariates: Covariates | None) -> None:
    """Refuse what can be refused before anything is written.

    Raises
    ------
    UsageError, BadDataError
        Where pyarrow is not installed, a column or a participant is not in the table, a
        participant has no batch, or no combination can be harmonised; see `batches.batches_of`.
    """
    if settings.parquet:
        check_pyarrow("--parquet")
    if settings.harmonize:
        _plan(settings, covariates, dict(_units(collected)))


def harmonize_all(
    output: Path, made: Made, settings: Settings, covariates: Covariates | None
) -> list[Harmonised]:
    """Harmonise each combination, as `settings` say; what cannot be is noted.

    Raises
    ------
    UsageError, BadDataError, CannotWriteError
        See `check_before` and `harmonize.harmonize`.
    """
    if not settings.harmonize:
        return []
    rows_of = {edges_name(rows.entities): rows for rows in made.participants}
    batches, notes = _plan(
        settings, covariates, {k: (rows.units, rows.mean_fd) for k, rows in rows_of.items()}
    )
    made.notes += notes
    found = []
    for name, of in batches.items():
        try:
            found.append(harmonize(output, rows_of[name], of, covariates))
        except BadDataError as error:
            if name == list(batches)[-1] and not found:
                raise BadDataError(f"{output / name}: {error}") from None
            made.notes.append(_not_done([name], error))
            continue
        record_files(output, found[-1].files)
    return found


def _not_done(names: Sequence[str], why: object) -> str:
    """Which combinations are not harmonised, and why."""
    plain = enumerated(name.removesuffix("_edges.h5") for name in names)
    return f"neither harmonised nor modelled: {plain}: {why}"


def _plan(
    settings: Settings,
    covariates: Covariates | None,
    units: Mapping[str, tuple[Sequence[Unit], np.ndarray]],
) -> tuple[dict[str, Batches], list[str]]:
    """Batches of each combination by the name of its edges, and which have none, and why.

    Raises
    ------
    UsageError, BadDataError
        See `check_before`.
    """
    # As `validate` and `participants_table` see to.
    assert covariates is not None
    assert settings.batch is not None
    found: dict[str, Batches] = {}
    failed: dict[str, list[str]] = {}
    errors: list[tuple[int, BadDataError]] = []
    check_own("--batch", [settings.batch], covariates.path)
    for own, _ in units.values():
        labels_of(covariates, own, settings.batch)
        check_columns(settings.preserve, covariates.columns, covariates.path, OF_ROWS)
    for name, (own, mean_fd) in units.items():
        try:
            found[name] = batches_of(covariates, own, settings.batch, settings.preserve, mean_fd)
        except BadDataError as error:
            errors.append((len(own), error))
            failed.setdefault(str(error), []).append(name)
    if errors and not found:
        raise max(errors, key=lambda one: one[0])[1]
    return found, [_not_done(names, why) for why, names in failed.items()]


def write_parquets(
    output: Path,
    made: Made,
    harmonised: list[Harmonised],
    collected: Collected,
    settings: Settings,
) -> list[Path]:
    """Write all edges and the regions' signals as Parquet, if that is wanted.

    Returns
    -------
    list of pathlib.Path
        Within the output dataset.

    Raises
    ------
    CannotWriteError
    """
    if not settings.parquet:
        return []
    files = []
    for rows in [*made.participants, *(one.edges for one in harmonised)]:
        files.append(write_edges_parquet(output, rows))
        record_files(output, files)
    files.append(write_region_table(output, collected))
    record_files(output, files)
    return files


def _units(collected: Collected) -> Iterator[tuple[str, tuple[tuple[Unit, ...], np.ndarray]]]:
    """Whose edges each combination has, as far as its files can be read, and their motion.

    By the name of its edges.
    """
    for one in collected.combinations.values():
        files = [file for file in one.files if not collected.rows[file.row].get("excluded")]
        session = one.entities.get("ses", "")
        of: dict[str, list[MatrixFile]] = {}
        for file in files:
            of.setdefault(file.participant, []).append(file)
        if files and len(one.labels.names) > 1:
            units = tuple(Unit(participant, session) for participant in of)
            yield edges_name(one.entities), (units, motion_of(list(of.values()), collected.rows))
