"""Means over participants, a combination at a time; the edges stay on disk for statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bids_labelx.group.averaging import averaging
from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.collect import Collected, Combination
from bids_labelx.group.common_qcfc import common_qcfc
from bids_labelx.group.common_runs import OfRuns, on_common_runs
from bids_labelx.group.covariates import Covariates
from bids_labelx.group.edge_rows import EdgeRows, Unit, edges_of_runs, motion_of, unit_of_run
from bids_labelx.group.edges import edges_file
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.mean_matrices import (
    MeanMatrix,
    SubjectMatrix,
    edges_name,
    mean_matrix,
    perfect_pairs,
)
from bids_labelx.group.qcfc import distances_between, mean_points
from bids_labelx.group.quality_rows import add_failure
from bids_labelx.group.rows import MatrixFile, Row, RowKey
from bids_labelx.group.strategy_rows import StrategySums, with_common
from bids_labelx.group.write import (
    record_files,
    write_common_qcfc,
    write_mean_matrix,
    write_strategies,
)
from bids_labelx.names import build_name
from bids_labelx.report.group_figure_files import all_but_strategy
from bids_labelx.report.group_matrices import GroupMatrix
from bids_labelx.settings import Settings
from bids_labelx.words import counted


@dataclass
class Made:
    """What was written of the combinations, and is to be shown."""

    files: list[Path] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    matrices: list[GroupMatrix] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # As the files call them, each once.
    weights: dict[str, None] = field(default_factory=dict)
    # Edges of each combination, by participant and, where they were kept, by run.
    participants: list[EdgeRows] = field(default_factory=list)
    runs: list[EdgeRows] = field(default_factory=list)
    # The same with the matrices behind them; and those averaged over the runs that all strategies
    # have, with the matrices behind each row, and the rows that have no such run.
    of_runs: list[OfRuns] = field(default_factory=list)
    common: list[tuple[EdgeRows, Sequence[tuple[MatrixFile, ...]]]] = field(default_factory=list)
    without_common: set[Unit] = field(default_factory=set)


def write_matrices(
    output: Path,
    collected: Collected,
    settings: Settings,
    strategies: Sequence[str],
    runs_folder: Path | None = None,
    covariates: Covariates | None = None,
    chosen: ChosenColumns | None = None,
) -> Made:
    """Write the means, one after the other; what is broken goes to the problems.

    Parameters
    ----------
    output, collected, settings
        The output dataset and what is in it.
    strategies
        In the order in which they were typed.
    runs_folder
        Where the edges of single runs are kept as well, if they are.
    covariates
        What is known of the participants, for the files of edges.
    chosen
        With the covariates of QC-FC, if there are any.
    """
    made = Made()
    for combination in _in_order(collected, strategies):
        entities, names = combination.entities, combination.labels.names
        networks = combination.labels.networks
        if len(names) == 1:
            continue  # One region is connected with nothing.
        files = [one for one in combination.files if not collected.rows[one.row].get("excluded")]
        if not files:
            continue
        sums = StrategySums(collected.rows, len(names), settings.qcfc_motion)
        count = len({one.participant for one in files})
        how = averaging(files, collected.rows, settings.averaged_over, settings.run_weights)
        averaged: list[tuple[str, tuple[MatrixFile, ...]]] = []
        runs: list[MatrixFile] = []
        path = runs_folder / f"{len(made.runs)}.float32" if runs_folder else None
        with ExitStack() as stack:
            to_file = edges_file(
                output, entities, names, collected.rows, count, how, networks, covariates
            )
            watchers = [sums.add, stack.enter_context(to_file), _files_into(averaged)]
            run_watchers = []
            if path:
                add_run, runs = stack.enter_context(edges_of_runs(path, len(names)))
                run_watchers = [add_run]
            mean, broken = mean_matrix(
                *(collected.root, files, names, watchers, how, combination.missing),
                run_watchers,
            )
        for file, failure in broken:
            collected.problems.append(failure)
            add_failure(collected.rows[file.row], failure)
        if mean is None:
            (output / edges_name(entities)).unlink(missing_ok=True)
        else:
            r = sums.correlations.r()
            made.files += write_mean_matrix(output, entities, names, mean, r, settings.qcfc_motion)
            made.files.append(Path(edges_name(entities)))
            points = mean_points(combination.centroids[file.path] for file in files)
            distances = distances_between(points)
            evidence = sums.evidence(entities, mean, networks, distances)
            made.evidence.append(evidence)
            made.notes += _notes(mean, names) + _mixed_times(files, collected.rows)
            made.weights[how.weights_in_words] = None
            strategy = evidence.row["strategy"]
            # Of all means, until they can be drawn on one scale.
            values = mean.mean.astype(np.float32)
            counts = mean.participants, mean.runs
            made.matrices.append(GroupMatrix(entities, strategy, names, networks, values, *counts))
            record_files(output, made.files)
            session = entities.get("ses", "")
            of_networks = None if networks is None else tuple(networks)
            what = entities, strategy, tuple(names), of_networks, points
            units = tuple(Unit(participant, session) for participant, _ in averaged)
            fd = motion_of([used for _, used in averaged], collected.rows)
            own = EdgeRows(*what, units, fd, output / edges_name(entities))
            made.participants.append(own)
            of_runs = OfRuns(own, [used for _, used in averaged], averaging=how)
            if path:
                units = tuple(unit_of_run(file) for file in runs)
                fd = motion_of([[file] for file in runs], collected.rows)
                made.runs.append(replace(own, units=units, mean_fd=fd, path=path))
                of_runs = replace(of_runs, runs=made.runs[-1], run_files=runs)
            made.of_runs.append(of_runs)
    made.common = [(one.rows, one.sources) for one in made.of_runs]
    tables = collected.rows, chosen or ChosenColumns()
    _compare_on_common(output, made, settings.qcfc_motion, *tables, runs_folder)
    rows = [(one.entities, one.row) for one in made.evidence]
    made.files = [*write_strategies(output, rows), *made.files]
    return made


def _compare_on_common(
    output: Path,
    made: Made,
    motion: str,
    rows: Mapping[RowKey, Row],
    chosen: ChosenColumns,
    scratch: Path | None,
) -> None:
    """Have QC-FC over the participants and runs that all strategies have, where these differ.

    So it has with covariates, which the sums over participants do not know.
    """
    keys = [build_name(all_but_strategy(one.entities), "", "") for one in made.participants]
    for key in dict.fromkeys(keys):
        group = [place for place, own in enumerate(keys) if own == key]
        common = on_common_runs([made.of_runs[i] for i in group], scratch)
        made.without_common |= common.without
        for place, pair in zip(group, zip(common.rows, common.sources, strict=True), strict=True):
            made.common[place] = pair
        what = common.rows, common.sources, rows, motion, chosen, common.without
        found = common_qcfc(*what, runs_differ=common.differ)
        for place, one in zip(group, found or (), strict=found is not None):
            own = made.participants[place]
            distances = distances_between(own.points)
            made.evidence[place] = with_common(made.evidence[place], one, distances)
            write_common_qcfc(output, own.entities, own.names, one, motion)


def _files_into(
    found: list[tuple[str, tuple[MatrixFile, ...]]],
) -> Callable[[SubjectMatrix], None]:
    """Note whose matrices were averaged, without these."""

    def note(subject: SubjectMatrix) -> None:
        found.append((subject.participant, subject.files))

    return note


def _notes(mean: MeanMatrix, names: Sequence[str]) -> list[str]:
    """What a user has to know of a mean."""
    notes = [mean.averaging.note] if mean.averaging.note else []
    pairs = perfect_pairs(mean.perfect, names)
    if pairs:
        first = " and ".join(pairs[0])
        notes.append(
            f"{counted(int(np.triu(mean.perfect).sum()), 'correlation')} of ±1 in "
            f"{counted(len(pairs), 'pair')} of regions, such as {first}, n/a in the means: are "
            "regions identical?"
        )
    return notes


def _mixed_times(files: Sequence[MatrixFile], rows: Mapping[RowKey, Row]) -> list[str]:
    """Say that the runs behind a mean differ in their repetition times."""
    runs = {one.row[:3]: rows[one.row].get("repetition_time") for one in files}
    counts = Counter(round(t_r, 3) for t_r in runs.values() if t_r is not None)
    if len(counts) < 2:
        return []
    listed = ", ".join(f"{t_r:g} s ({counted(n, 'run')})" for t_r, n in sorted(counts.items()))
    return [
        f"the repetition times of the runs in one mean matrix differ: {listed}; filters and "
        "degrees of freedom of these runs are not alike"
    ]


def _in_order(collected: Collected, strategies: Sequence[str]) -> list[Combination]:
    """Those that differ in the strategy alone next to each other."""

    def key(one: Combination) -> tuple[str, int]:
        strategy = collected.rows[one.files[0].row]["strategy"]
        return build_name(all_but_strategy(one.entities), "", ""), strategies.index(strategy)

    return sorted(collected.combinations.values(), key=key)
