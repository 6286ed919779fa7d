"""Rating of strategies at the group level: what is compared with what, and where it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bids_labelx.app.group_means import Made
from bids_labelx.app.work_folder import temporary_folder
from bids_labelx.errors import CannotWriteError
from bids_labelx.files import disk_full, full_message
from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.collect import Collected
from bids_labelx.group.covariates import read_covariates
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.quality_rows import add_failure
from bids_labelx.group.ratings import HowRated, RatedStrategies, StrategyEdges, rate_strategies
from bids_labelx.group.write import record_files, write_ratings
from bids_labelx.names import build_name
from bids_labelx.settings import Settings


def chosen_columns(collected: Collected, settings: Settings) -> ChosenColumns:
    """Read the columns that QC-FC holds constant and that edges shall predict, and check them.

    Raises
    ------
    LabelxError
        Where they cannot be used; see `ChosenColumns.check`.
    """
    wanted = settings.qcfc_covariates, settings.criterion
    if not any(wanted):
        return ChosenColumns()
    chosen = ChosenColumns(read_covariates(settings.bids_dir, settings.covariates), *wanted)
    of_sets: dict[str, set[Unit]] = {}
    for one in collected.combinations.values():
        session = one.entities.get("ses", "")
        own = {Unit(file.participant, session) for file in one.files}
        of_sets.setdefault(_key(one.entities), set()).update(own)
    units = set().union(*of_sets.values())
    # What is predicted is of a participant, whatever the sessions.
    for own in of_sets.values():
        if len({one.session for one in own}) > 1:
            units |= {Unit(one.participant) for one in own}
    chosen.check(sorted(units))
    return chosen


def keeps_runs(collected: Collected, settings: Settings) -> bool:
    """Whether edges of single runs are needed.

    They are where some participant has several matrices of one strategy, of runs or of sessions,
    and where models have a row for each.
    """
    if settings.model and settings.model_rows == "run":
        return True
    counts: Counter[tuple[str, ...]] = Counter()
    for one in collected.combinations.values():
        counts.update((_key(one.entities), one.entities["desc"], f.participant) for f in one.files)
    return any(count > 1 for count in counts.values())


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """A temporary folder in the work folder, or else in the output folder, removed at the end.

    Where an invocation was killed, the next one removes it.

    Raises
    ------
    CannotWriteError
        Where it cannot be made.
    """
    where = settings.work_dir or settings.output_dir
    with ExitStack() as stack:
        try:
            where.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(temporary_folder(where))
        except OSError as error:
            if disk_full(error):
                raise CannotWriteError(full_message(error.filename or where, error)) from None
            raise CannotWriteError(f"temporary folder in {where}: {error.strerror}") from None
        yield folder


def rate_all(
    output: Path,
    made: Made,
    collected: Collected,
    settings: Settings,
    chosen: ChosenColumns,
    scratch: Path,
) -> tuple[list[RatedStrategies], list[Path]]:
    """Rate all strategies, and write what is found; what is broken goes to the problems.

    Returns
    -------
    rated
        Those of each atlas, measure and so on; sessions are together.
    files
        What was written, within the output dataset.
    """
    how = HowRated(
        collected.root,
        collected.rows,
        scratch,
        settings.qcfc_motion,
        chosen,
        settings.permutations,
        settings.seed,
    )
    sets: dict[str, dict[str, list[int]]] = {}
    for place, one in enumerate(made.participants):
        own = sets.setdefault(_key(one.entities), {})
        own.setdefault(one.entities["desc"], []).append(place)
    rated = []
    for by_strategy in sets.values():
        found = rate_strategies([_edges(made, own) for own in by_strategy.values()], how)
        for file, failure in found.broken:
            collected.problems.append(failure)
            add_failure(collected.rows[file.row], failure)
        rated.append(found)
    files = write_ratings(output, rated)
    record_files(output, files)
    return rated, files


def _key(entities: Mapping[str, str]) -> str:
    """What strategies that are rated together have in common."""
    return build_name({k: v for k, v in entities.items() if k not in ("desc", "ses")}, "", "")


def _edges(made: Made, places: list[int]) -> StrategyEdges:
    participants, sources = zip(*(made.common[i] for i in places), strict=True)
    common = dict(participants[0].entities)
    for one in participants[1:]:
        common = {k: v for k, v in common.items() if one.entities.get(k) == v}
    of_runs = [made.of_runs[i] for i in places]
    return StrategyEdges(
        common,
        participants,
        sources,
        tuple(one.runs for one in of_runs if one.runs is not None),
        tuple(one.run_files for one in of_runs if one.runs is not None),
        frozenset(made.without_common),
        {
            unit: len(files)
            for one in of_runs
            for unit, files in zip(one.rows.units, one.sources, strict=True)
        },
    )
