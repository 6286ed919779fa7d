"""Repeats of participants: sessions, runs, or the halves of a run, the same for all strategies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bids_labelx.errors import Failure, LabelxError
from bids_labelx.group.common_runs import run_name
from bids_labelx.group.edge_rows import EdgeRows, Unit, edges_of_runs, unit_of_run
from bids_labelx.group.edge_stack import EdgeStack, Place
from bids_labelx.group.rows import MatrixFile
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.names import camel, parse_name
from bids_labelx.outputs.results import read_series, series_of

SESSIONS, RUNS, HALVES = "sessions", "runs", "halves of runs"
# Participants with repeats that reliability takes; with fewer, it is of halves. Where there are
# many others, a few with repeats are preferred to halves of all.
FEWEST, ENOUGH = 3, 10


@dataclass(frozen=True)
class Retest:
    """Repeats of participants.

    Attributes
    ----------
    kind
        `SESSIONS`, `RUNS` or `HALVES`.
    participants
        Those that all strategies have repeats of.
    repeats
        How many each of them has, the first ones where there are more.
    stacks
        Of each strategy the edges: a row per participant and repeat, the repeats of a participant
        next to each other.
    broken
        Matrices whose time series could not be read, with what is wrong.
    without
        Participants whose runs have no halves, with the reason.
    """

    kind: str
    participants: tuple[str, ...]
    repeats: int
    stacks: tuple[EdgeStack, ...]
    broken: tuple[tuple[MatrixFile, Failure], ...] = ()
    without: tuple[tuple[str, str], ...] = ()


# Which run a row is of: its unit, and the name of its matrix without the strategy.
_Key = tuple[Unit, str]


def retest_of_runs(
    strategies: Sequence[Sequence[tuple[EdgeRows, Sequence[MatrixFile]]]],
    participants: Sequence[str],
) -> Retest | None:
    """Take the sessions, or else the runs, of participants that all strategies have.

    Parameters
    ----------
    strategies
        Of each strategy edges with a row per run, and the matrix of each row; of several
        combinations where it has sessions.
    participants
        Those that all strategies have.

    Returns
    -------
    Retest or None
        None where too few participants have repeats; see `FEWEST` and `ENOUGH`.
    """
    places = [_places(own) for own in strategies]
    common: dict[str, list[_Key]] = {one: [] for one in participants}
    for key in places[0]:
        if key[0].participant in common and all(key in own for own in places):
            common[key[0].participant].append(key)
    for kind in (SESSIONS, RUNS):
        repeats = {one: _repeats(keys, kind) for one, keys in common.items()}
        repeats = {one: own for one, own in repeats.items() if len(own) > 1}
        if len(repeats) < max(FEWEST, min(ENOUGH, len(participants) / 2)):
            continue
        count = min(map(len, repeats.values()))
        stacks = tuple(
            EdgeStack(
                tuple(one for one, _ in own),
                tuple(
                    tuple(found[key] for key in repeat)
                    for keys in repeats.values()
                    for repeat in keys[:count]
                ),
            )
            for own, found in zip(strategies, places, strict=True)
        )
        return Retest(kind, tuple(repeats), count, stacks)
    return None


def retest_of_halves(
    output: Path,
    strategies: Sequence[Sequence[tuple[EdgeRows, Sequence[Sequence[MatrixFile]]]]],
    participants: Sequence[str],
    scratch: Path,
) -> Retest:
    """Take the first and second half of the volumes kept of each run, averaged over runs.

    The matrices of halves are made of the time series that the participant level wrote, by the
    measure of the combination.

    Parameters
    ----------
    output
        The output dataset.
    strategies
        Of each strategy and combination its edges, and the matrices behind each row.
    participants
        Those that all strategies have.
    scratch
        A folder for the halves' edges.
    """
    wanted = set(participants)
    broken: list[tuple[MatrixFile, Failure]] = []
    without: dict[str, str] = {}
    made: list[tuple[EdgeRows, Mapping[str, tuple[list[Place], list[Place]]]]] = []
    for number, own in enumerate(strategies):
        path = scratch / f"halves-{number}.float32"
        places: dict[str, tuple[list[Place], list[Place]]] = defaultdict(lambda: ([], []))
        with ExitStack() as stack:
            add, files = stack.enter_context(edges_of_runs(path, len(own[0][0].names)))
            for file in (one for _, rows in own for of_row in rows for one in of_row):
                if file.participant not in wanted:
                    continue
                try:
                    for half, values in enumerate(_halves(output, file)):
                        places[file.participant][half].append((0, len(files)))
                        add(file, values)
                except LabelxError as error:
                    about = {"sub": file.participant}
                    broken.append((file, Failure.of(error, entities=about)))
                    wanted.discard(file.participant)
                except ValueError as error:
                    without[file.participant] = str(error)
                    wanted.discard(file.participant)
            units = tuple(map(unit_of_run, files))
        unknown = np.full(len(units), np.nan)
        made.append((replace(own[0][0], units=units, mean_fd=unknown, path=path), places))
    left = tuple(one for one in participants if one in wanted)
    stacks = tuple(
        EdgeStack((rows,), tuple(tuple(half) for one in left for half in places[one]))
        for rows, places in made
    )
    return Retest(HALVES, left, 2, stacks, tuple(broken), tuple(without.items()))


def _places(combinations: Sequence[tuple[EdgeRows, Sequence[MatrixFile]]]) -> dict[_Key, Place]:
    """Where the row of each run is."""
    return {
        (unit, run_name(file)): (source, row)
        for source, (one, files) in enumerate(combinations)
        for row, (unit, file) in enumerate(zip(one.units, files, strict=True))
    }


def _repeats(keys: Sequence[_Key], kind: str) -> list[list[_Key]]:
    """The runs of each repeat of a participant."""
    if kind == RUNS:
        return [[key] for key in keys]
    sessions: dict[str, list[_Key]] = {}
    for key in keys:
        sessions.setdefault(key[0].session, []).append(key)
    return list(sessions.values())


def _halves(output: Path, file: MatrixFile) -> Iterator[np.ndarray]:
    """Matrices of the first and of the second half of the volumes kept."""
    measures = {camel(name): measure for name, (measure, _) in MEASURES.items()}
    measure = measures[parse_name(file.path).entities["meas"]]
    volumes = read_series(output, series_of(file.path)).kept_rows()
    half = len(volumes) // 2
    both = [measure(volumes[:half]), measure(volumes[len(volumes) - half :])]
    yield from both
