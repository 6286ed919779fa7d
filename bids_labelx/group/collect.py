"""One walk over the participants: rows of figures, sums of coverage, and where the matrices are.

Of a series nothing is kept but its row and its paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bids_labelx.errors import Failure, LabelxError
from bids_labelx.group.account import Account, account_of, check_rows, record_names
from bids_labelx.group.averaging import combination_of
from bids_labelx.group.coverage_sums import (
    CoverageSums,
    Layout,
    checked_centroids,
    checked_coverage,
    coverage_name,
    layout_of,
    other_labels,
)
from bids_labelx.group.mean_matrices import AVERAGED, matrix_name
from bids_labelx.group.quality_rows import (
    add_earlier,
    add_failure,
    add_failures,
    add_series,
    check_figures,
)
from bids_labelx.group.rows import MatrixFile, Row, RowKey
from bids_labelx.measures.quality import OK
from bids_labelx.names import parse_name
from bids_labelx.outputs.compact import checksums
from bids_labelx.outputs.failures import by_participant
from bids_labelx.outputs.results import (
    labels_path,
    read_series,
    result_paths,
    run_of,
    series_of,
    series_paths,
)
from bids_labelx.outputs.run_records import Invocation


@dataclass(frozen=True)
class Combination:
    """Matrices that go into one mean.

    Attributes
    ----------
    entities
        What they have in common; see `averaging.combination_of`.
    labels
        The label tables behind them.
    files
        In the order of participants and paths.
    centroids
        Of the labels of each file's run, by its path; shape (n_regions, 3), mm.
    missing
        Which of these labels have no signal, by the same; shape (n_regions,).
    """

    entities: Mapping[str, str]
    labels: CoverageSums
    files: list[MatrixFile]
    centroids: dict[Path, np.ndarray] = field(default_factory=dict)
    missing: dict[Path, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Collected:
    """What is in an output dataset.

    Attributes
    ----------
    root
        The dataset that it was read in, which the paths below are within.
    rows
        Those of the quality table; also of runs that could not be done.
    atlases
        Sums over the label tables, by the name of their file.
    combinations
        Matrices to average, by the name of the mean; see `mean_matrices.matrix_name`.
    not_averaged
        Measures that were met and have no Fisher z, as ``meas-`` calls them.
    failures
        What the participant level could not do.
    problems
        What of its files is missing or broken.
    invocations
        Those that wrote the results, by key, as they finished last.
    series
        Time series that can be read and have the label table of their atlas, within the output
        dataset, with their rows.
    """

    root: Path = Path()
    rows: dict[RowKey, Row] = field(default_factory=dict)
    atlases: dict[str, CoverageSums] = field(default_factory=dict)
    combinations: dict[str, Combination] = field(default_factory=dict)
    not_averaged: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    problems: list[Failure] = field(default_factory=list)
    invocations: dict[str, Invocation] = field(default_factory=dict)
    series: dict[Path, RowKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _ReadSeries:
    """A series that could be read."""

    participant: str
    path: Path
    row: RowKey
    labels: Path
    atlas: str
    sums: CoverageSums
    matrices: tuple[Path, ...]
    centroids: np.ndarray
    missing: np.ndarray


# By atlas: tables with the same rows are summed up together.
_Sums = dict[str, dict[Layout, CoverageSums]]


def collect(
    output: Path,
    participants: Sequence[str],
    failures: Sequence[Failure],
    over: Sequence[str] = ("run",),
) -> Collected:
    """Go through the participants once.

    Parameters
    ----------
    output
        The output dataset.
    participants
        Labels without ``sub-``, in the order in which all is summed up.
    failures
        What the participant level could not do.
    over
        What a participant's matrices are averaged over: keys of `averaging.AVERAGE_OVER`.
    """
    collected = Collected(output)
    sums: _Sums = {}
    read: list[_ReadSeries] = []
    known: dict[bytes, np.ndarray] = {}
    records, failed = record_names(output), by_participant(failures)
    crc32 = checksums(output)
    for participant in participants:
        own = failed.get(participant, [])
        account = account_of(output, participant, records.get(participant, ()), own, crc32)
        if not (own or account.recorded or series_paths(output, participant)):
            collected.problems.append(Failure("no time series", {"sub": participant}))
        read += _read_participant(output, participant, account, collected, sums, known)
        collected.failures.extend(own)
        collected.problems.extend(account.problems)
        for made in account.invocations:
            known_as = collected.invocations.setdefault(made.key, made)
            if known_as.finished < made.finished:
                collected.invocations[made.key] = made
        add_failures(collected.rows, own)
        add_failures(collected.rows, [gap.failure(output) for gap in account.gaps])
    # An atlas has one label table. Should there be others, most runs say which it is.
    for atlas, by_layout in sorted(sums.items()):
        collected.atlases[atlas] = max(by_layout.values(), key=lambda one: one.runs)
    refused: set[Path] = set()
    for one in read:
        labels = collected.atlases[one.atlas]
        if one.sums is labels:
            collected.series[one.path] = one.row
            _add_matrices(one, output, collected, over)
            continue
        text = other_labels(output / one.labels, one.sums, labels)
        failure = Failure(text, {"sub": one.participant})
        add_failure(collected.rows[one.row], failure)
        if one.labels not in refused:
            collected.problems.append(failure)
        refused.add(one.labels)
    return collected


def _read_participant(
    output: Path,
    participant: str,
    account: Account,
    collected: Collected,
    sums: _Sums,
    known: dict[bytes, np.ndarray],
) -> Iterator[_ReadSeries]:
    """The series that can be read and go into sums and means; what is broken is a problem."""
    paths = series_paths(output, participant)
    matrices = _matrix_paths(output, participant)
    # The strategies and statistics of a run share one label table.
    summed: dict[Path, CoverageSums] = {}
    for path in paths:
        if account.refuses(path, labels_path(path)):
            continue
        try:
            one = read_series(output, path)
            if account.failed(one):
                add_earlier(collected.rows, one)
                continue
            check_figures(one)
            if path not in account.recorded:
                check_rows(one)
            coverage = checked_coverage(one.labels, output / one.labels_path)
            points = checked_centroids(one.labels, output / one.labels_path)
            row = add_series(collected.rows, one)
        except LabelxError as error:
            collected.problems.append(Failure.of(error, entities={"sub": participant}))
            if (file := account.recorded.get(path)) is not None:
                about = run_of(parse_name(path).entities), (file.strategy,), (file.atlas,)
                add_failures(collected.rows, [Failure(str(error), *about)])
            continue
        atlas, labels = coverage_name(one.entities), one.labels_path
        if labels not in summed:
            layouts = sums.setdefault(atlas, {})
            layout = layout_of(one.labels)
            if layout not in layouts:
                layouts[layout] = CoverageSums(one.labels)
            layouts[layout].add(one.labels, coverage, labels)
            summed[labels] = layouts[layout]
        unmade = account.unmade(one)
        found = tuple(
            one
            for one in matrices.get(path, ())
            if not account.refuses(one) and parse_name(one).entities["meas"] not in unmade
        )
        # The runs of an atlas in a template share one array, and mostly one of missing labels.
        missing = (one.labels["status"] != OK).to_numpy()
        shared = [known.setdefault(array.tobytes(), array) for array in (points, missing)]
        yield _ReadSeries(participant, path, row, labels, atlas, summed[labels], found, *shared)


def _matrix_paths(output: Path, participant: str) -> dict[Path, list[Path]]:
    """A participant's matrices by the time series of the same name, both within `output`.

    What has no such series is of several runs together, or of the first volumes of one; it would
    count these twice.
    """
    found: dict[Path, list[Path]] = {}
    for path in result_paths(output, participant, "relmat"):
        found.setdefault(series_of(path), []).append(path)
    return found


def _add_matrices(
    one: _ReadSeries, output: Path, collected: Collected, over: Sequence[str]
) -> None:
    for path in one.matrices:
        entities = combination_of(parse_name(path).entities, over)
        if entities["meas"] not in AVERAGED:
            collected.not_averaged.add(entities["meas"])
            continue
        name = matrix_name(entities, "mean")
        combination = collected.combinations.setdefault(name, Combination(entities, one.sums, []))
        if combination.entities == entities:
            combination.files.append(MatrixFile(one.participant, path, one.row))
            combination.centroids[path] = one.centroids
            combination.missing[path] = one.missing
            continue
        # simple of the median, and another strategy of the name simpleMedian.
        text = f"{output / path}: {name} is the mean of others already; rename its strategy"
        collected.problems.append(Failure(text, {"sub": one.participant}))
