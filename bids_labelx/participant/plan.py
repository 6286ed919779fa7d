"""What an invocation will do, worked out and checked before anything runs."""

from __future__ import annotations

import logging
import re
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from bids_labelx.annex.fetching import while_there
from bids_labelx.areas import check_meshes, find_areas
from bids_labelx.atlases.atlas import Atlas
from bids_labelx.atlases.choice import AtlasChoice, choose_atlases
from bids_labelx.content import missing_reason
from bids_labelx.denoise import (
    Strategy,
    earlier_regression,
    override,
    read_strategies,
    table_queries,
    with_datasets,
)
from bids_labelx.errors import BadDataError, Failure
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.images import read_data
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.repetition_time import repetition_time
from bids_labelx.inputs.run import Run
from bids_labelx.names import digest, grouping_entities
from bids_labelx.outputs.paths import output_path
from bids_labelx.outputs.states import STATES
from bids_labelx.participant.fitting import (
    check_surfaces,
    check_volumes,
    vertices_by_hemisphere,
    why_unfit,
)
from bids_labelx.participant.opening import read_headers
from bids_labelx.participant.records import RunSource
from bids_labelx.participant.unchanged import FileState, file_state
from bids_labelx.participant.unread import (
    Foretold,
    Promise,
    SeriesNeededError,
    Surfaces,
    foretell,
    surfaces_of,
)
from bids_labelx.settings import Settings

LOGGER = logging.getLogger("bids_labelx")


@dataclass(frozen=True)
class PlannedRun:
    """A run with what its header says, and what it is to be reduced to.

    Attributes
    ----------
    run
        The run.
    source
        What its steps read.
    grid
        The voxel grid or grayordinates; the first like its own, which all runs on it share.
    n_volumes, itemsize
        Volumes of the image, and bytes of a voxel as it is stored.
    atlases
        Those of its space, then its own.
    files
        The image, its mask and its confounds table as they were before they were looked into.
    warnings
        What is odd about it beside the other runs of its participant.
    unfit
        Of each atlas in its space that is on another mesh, the failure.
    promise
        What it was planned with where its series is fetched when it is read; None where it is
        there.
    """

    run: Run
    source: RunSource
    grid: Space
    n_volumes: int
    itemsize: int
    atlases: tuple[Atlas, ...]
    files: tuple[FileState, ...] = ()
    warnings: tuple[str, ...] = ()
    unfit: tuple[Failure, ...] = ()
    promise: Promise | None = None

    @property
    def key(self) -> str:
        """A name for nodes and records, unique among the runs, whatever is in their names."""
        entities = self.run.entities.items()
        words = re.findall("[A-Za-z0-9]+", " ".join(map(" ".join, entities)))
        return "_".join(["_".join(words)[:60], digest(*entities)])


@dataclass(frozen=True)
class Plan:
    """All runs with their atlases.

    Attributes
    ----------
    runs
        Those that can be tried.
    atlas_names
        By space, the names of the atlases of its runs.
    label_counts
        By an atlas' name, how many labels it has.
    strategies
        The denoising strategies, for every run.
    failures
        Those of runs that cannot even be tried.
    skipped
        Runs in a space that no atlas is in, where the user did not ask for that space.
    unread
        Runs of which nothing can be said before their series are fetched, which --dry-run does
        not do.
    """

    runs: tuple[PlannedRun, ...]
    atlas_names: Mapping[str, tuple[str, ...]]
    label_counts: Mapping[str, int]
    strategies: tuple[Strategy, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Run, ...]
    unread: tuple[Run, ...] = ()

    @property
    def participants(self) -> set[str]:
        """Labels of the participants whose runs can be tried."""
        return {planned.run.entities["sub"] for planned in self.runs}

    @property
    def all_atlas_names(self) -> list[str]:
        """All atlases by name, sorted."""
        return sorted({name for names in self.atlas_names.values() for name in names})

    @property
    def strategy_names(self) -> tuple[str, ...]:
        """The names of the denoising strategies."""
        return tuple(strategy.name for strategy in self.strategies)

    @property
    def atlases(self) -> list[Atlas]:
        """All atlases of all runs, each once."""
        found = {(one.key, one.image): one for planned in self.runs for one in planned.atlases}
        return list(found.values())


def make_plan(settings: Settings) -> Plan:
    """Find runs and atlases, and refuse those that do not match.

    Raises
    ------
    LabelxError
        For what concerns every run. What concerns one run is among the plan's failures.
    """
    overridden = override(
        read_strategies(settings.denoise),
        fd_threshold=settings.fd_threshold,
        std_dvars_threshold=settings.std_dvars_threshold,
        dummy_scans=settings.dummy_scans,
        clean=settings.clean,
    )
    strategies = tuple(with_datasets(overridden, settings.dataset_folders))
    if isinstance(settings.mask, Path):
        read_data(settings.mask)
    check_meshes(settings.surface_mesh)
    found, unlisted = find_runs(settings, table_queries(strategies))
    choice = choose_atlases(settings, found)
    chosen = [run for run in found if run.space in choice.names]
    skipped = tuple(run for run in found if run.space not in choice.names)
    runs, doubled = _without_doubled(chosen)
    if settings.concatenate:
        _check_concatenation(settings.concatenate, runs)
    planned: list[PlannedRun] = []
    names = tuple(strategy.name for strategy in strategies)
    failures = [
        Failure(text, run.entities, names, choice.names[run.space]) for run, text in doubled
    ]
    atlases = tuple(dict.fromkeys(name for own in choice.names.values() for name in own))
    failures += [replace(one, strategies=names, atlases=atlases) for one in unlisted]
    unread = []
    met = _Met({}, {})
    for run in runs:
        try:
            planned.append(_plan_run(run, choice, met, settings, strategies))
        except SeriesNeededError:
            unread.append(run)
        # Whatever is odd about one run concerns no other.
        except Exception as error:
            about = {"entities": run.entities, "strategies": names}
            failures.append(Failure.of(error, **about, atlases=choice.names[run.space]))
            LOGGER.info("%s: cannot be planned\n%s", run.name, traceback.format_exc())
    return Plan(
        tuple(_with_warnings(planned)),
        choice.names,
        choice.labels,
        strategies,
        tuple(failures),
        skipped,
        tuple(unread),
    )


class _Met(NamedTuple):
    """What is known by runs that were planned before.

    Attributes
    ----------
    grids
        Of each grid, why atlases on surfaces do not fit it.
    headers
        Of runs on surfaces.
    """

    grids: dict[Space, dict[str, str]]
    headers: dict[Surfaces, Foretold]


def _with_warnings(runs: Sequence[PlannedRun]) -> Iterator[PlannedRun]:
    """The runs; those of a participant's task that differ in repetition time say so."""
    known: dict[tuple[str, str], set[float]] = defaultdict(set)
    for one in runs:
        if one.source.t_r is not None:
            known[_task(one)].add(round(one.source.t_r, 3))
    for one in runs:
        others = known[_task(one)] - {round(one.source.t_r or 0, 3)}
        if one.source.t_r is None or not others:
            yield one
            continue
        listed = ", ".join(f"{t_r:g}" for t_r in sorted(others))
        text = (
            f"the repetition time is {one.source.t_r:g} s, that of other runs of this "
            f"participant's task {_task(one)[1] or 'without a name'} is {listed} s"
        )
        yield replace(one, warnings=(text,))


def _task(run: PlannedRun) -> tuple[str, str]:
    return run.run.entities["sub"], run.run.entities.get("task", "")


def _without_doubled(runs: Sequence[Run]) -> tuple[list[Run], list[tuple[Run, str]]]:
    """The runs whose outputs have a name of their own, and the others, each once, with the reason.

    Raises
    ------
    BadDataError
        Where different images would have one name, which is for the filters to mend.
    """
    by_name: dict[Path, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[output_path(run.entities, "bold", "")].append(run)
    doubled = [same for same in by_name.values() if len(same) > 1]
    texts = [
        "these runs would be written under the same name; move one of them away\n"
        + "\n".join(run.name for run in same)
        for same in doubled
    ]
    for same, text in zip(doubled, texts, strict=True):
        # An image that is there packed and unpacked concerns its own run alone.
        if len({run.name.removesuffix(".gz") for run in same}) > 1:
            raise BadDataError(text)
    single = [same[0] for same in by_name.values() if len(same) == 1]
    return single, [(same[0], text) for same, text in zip(doubled, texts, strict=True)]


def _check_concatenation(level: str, runs: Sequence[Run]) -> None:
    """Refuse runs of which one has the name of their concatenated matrix."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[tuple(grouping_entities(run.entities, level).items())].append(run)
    for common, members in groups.items():
        if len(members) > 1 and any(dict(run.entities) == dict(common) for run in members):
            raise BadDataError(
                f"--concatenate {level}: the concatenated matrix of these runs would have the "
                "name of one of them; choose the others with --run-id, or name it apart\n"
                + "\n".join(run.name for run in members)
            )


def _plan_run(
    run: Run,
    choice: AtlasChoice,
    met: _Met,
    settings: Settings,
    strategies: tuple[Strategy, ...],
) -> PlannedRun:
    """Look into a run, whose series is fetched for it where nothing else says what it is.

    Raises
    ------
    SeriesNeededError
        Where it would have to be, and this is a dry run.
    """
    foretold = foretell(run, settings, met.headers)
    with while_there(() if foretold else run.images):
        return _look_into(run, choice, met, settings, strategies, foretold)


def _look_into(
    run: Run,
    choice: AtlasChoice,
    met: _Met,
    settings: Settings,
    strategies: tuple[Strategy, ...],
    foretold: Foretold | None,
) -> PlannedRun:
    """Look into a run, `foretold` where its series is not there."""
    names = tuple(strategy.name for strategy in strategies)
    queries = table_queries(strategies)
    mask = None if run.on_surfaces else settings.mask
    needed = ("metadata", "bold", "mask") if mask == "brain" else ("metadata", "bold")
    for what in needed:
        if what in run.missing:
            reason = run.missing[what]
            raise BadDataError(reason if reason.startswith(run.name) else f"{run.name}: {reason}")
    if run.bold in choice.problems:
        raise BadDataError(choice.problems[run.bold])
    own = run.mask if mask == "brain" else mask if isinstance(mask, Path) else None
    used = [path for path in (*run.images, own, *confounds_files(run)) if path is not None]
    files = tuple(map(file_state, used))
    header = foretold.header if foretold else read_headers(run)
    if run.on_surfaces and not foretold:
        met.headers.setdefault(surfaces_of(run), Foretold(header, run.name))
    areas = {}
    if settings.element_weights == "area" and isinstance(header.space, Grayordinates):
        areas = find_areas(vertices_by_hemisphere(run, header.space), settings.surface_mesh)
        files += tuple(map(file_state, areas.values()))
    atlases = choice.of_run[run.bold]
    # The first grid like it stands for all: labels are resampled once for each.
    known = next((other for other in met.grids if header.space.same(other)), None)
    if known is None:
        met.grids[header.space] = {}
        known = header.space
    unfit: list[Failure] = []
    if isinstance(known, VolumeGrid):
        # Where the series is not there, its mask stands for it.
        image = run.mask if foretold and run.mask else run.bold
        check_volumes(run, known, atlases, mask, image)
    else:
        check_surfaces(run, settings)
        reasons = met.grids[known]
        for atlas in atlases:
            if atlas.key not in reasons:
                reasons[atlas.key] = why_unfit(atlas, known, settings.background_label)
        unfit = [
            Failure(f"{run.name}: {reasons[atlas.key]}", run.entities, names, (atlas.key,))
            for atlas in atlases
            if reasons[atlas.key]
        ]
        atlases = tuple(atlas for atlas in atlases if not reasons[atlas.key])
        if not atlases:
            raise BadDataError("\n".join(one.message for one in unfit))
    source = RunSource(
        run.bold,
        own,
        isinstance(mask, Path),
        run.confounds,
        run.missing.get("confounds", ""),
        repetition_time(run, header.t_r, settings.repetition_time),
        run.desc,
        run.beside,
        areas,
        run.tables,
        {one: run.missing[str(one)] for one in queries if str(one) in run.missing},
        run.producers.get(run.bold, ""),
        earlier_regression(run.entities, run.metadata),
    )
    return PlannedRun(
        *(run, source, known, header.n_volumes, header.itemsize, atlases, files),
        unfit=tuple(unfit),
        promise=foretold
        and Promise(run, atlases, known, foretold.by, mask, settings.repetition_time),
    )


def confounds_files(run: Run) -> list[Path]:
    """The confounds table of a run, its other tables, and the JSON beside each, where it is there.

    The JSON says how much variance a component explains, and of which mask it is.
    """
    tables = [*([run.confounds] if run.confounds else []), *run.tables.values()]
    beside = [path.with_suffix(".json") for path in tables]
    return [*tables, *(path for path in dict.fromkeys(beside) if not missing_reason(path))]


def record_paths(folder: Path, run: PlannedRun) -> dict[str, Path]:
    """Where the nodes of a run say how it ended: a file for each state."""
    return {state: folder / f"{run.key}.{state.replace(' ', '-')}.pkl" for state in STATES}
