"""Harmonisation and tables for other programs, a combination at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bids_labelx.app.group_means import Made
from bids_labelx.errors import LabelxError, UsageError
from bids_labelx.group.batches import Batches, batches_of
from bids_labelx.group.collect import Collected
from bids_labelx.group.covariates import Covariates, read_covariates
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.harmonize import Harmonised, harmonize
from bids_labelx.group.mean_matrices import edges_name
from bids_labelx.group.parquet import check_pyarrow, write_edges_parquet
from bids_labelx.group.region_table import write_region_table
from bids_labelx.group.write import record_files
from bids_labelx.settings import Settings

# Regions with which there are two edges, which ComBat needs.
_FEWEST_REGIONS = 3


def participants_table(settings: Settings) -> tuple[Covariates | None, list[str]]:
    """The table of participants, if there is one, and what a user has to know of it.

    Raises
    ------
    MissingInputError, BadDataError
        Where an option needs it, and it is not there or broken.
    """
    needed = settings.covariates or settings.harmonize
    if not needed and not (settings.bids_dir / "participants.tsv").is_file():
        return None, []
    try:
        return read_covariates(settings.bids_dir, settings.covariates), []
    except LabelxError as error:
        if needed:
            raise
        return None, [f"{error}; its columns are not in the tables of edges"]


def check_before(settings: Settings, collected: Collected, covariates: Covariates | None) -> None:
    """Refuse what can be refused before anything is written.

    Raises
    ------
    UsageError, BadDataError
        See `batches.batches_of`; or where pyarrow is not installed.
    """
    if settings.parquet:
        check_pyarrow()
    if not settings.harmonize:
        return
    known: set[tuple[Unit, ...]] = set()
    for units in _units(collected):
        if units not in known:
            _batches(settings, covariates, units)
        known.add(units)


def harmonize_all(
    output: Path, made: Made, settings: Settings, covariates: Covariates | None
) -> list[Harmonised]:
    """Harmonise each combination, as `settings` say.

    Raises
    ------
    UsageError, BadDataError, CannotWriteError
        See `harmonize.harmonize`.
    """
    if not settings.harmonize:
        return []
    found = []
    for rows in made.participants:
        if len(rows.names) < _FEWEST_REGIONS:
            made.notes.append(
                f"{edges_name(rows.entities)}: not harmonised, as it has one edge and ComBat "
                "pools over edges"
            )
            continue
        batches = _batches(settings, covariates, rows.units)
        found.append(harmonize(output, rows, batches, covariates))
        record_files(output, found[-1].files)
    return found


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


def _units(collected: Collected) -> Iterator[tuple[Unit, ...]]:
    """Whose edges each combination has, as far as its files can be read."""
    for one in collected.combinations.values():
        files = [file for file in one.files if not collected.rows[file.row].get("excluded")]
        session = one.entities.get("ses", "")
        participants = dict.fromkeys(file.participant for file in files)
        if files and len(one.labels.names) >= _FEWEST_REGIONS:
            yield tuple(Unit(participant, session) for participant in participants)


def _batches(
    settings: Settings, covariates: Covariates | None, units: tuple[Unit, ...]
) -> Batches:
    if covariates is None or settings.batch is None:
        raise UsageError("--harmonize: give a table of covariates, and --batch")
    return batches_of(covariates, units, settings.batch, settings.preserve)
