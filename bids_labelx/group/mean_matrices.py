"""Fisher z over participants of the correlation matrices that they wrote: mean, spread, n."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.group.averaging import Averaging
from bids_labelx.group.matrix_files import check_missing, read_matrix
from bids_labelx.group.moments import Moments
from bids_labelx.group.rows import MOTION, MatrixFile
from bids_labelx.measures.connectivity import MEASURES, mean_fisher_z, perfect_correlations
from bids_labelx.names import build_name, camel
from bids_labelx.outputs.columns import PLAIN, describe_matrix

# Fisher's z is for correlations: there is none of a covariance or a precision.
AVERAGED = {
    camel(measure): text
    for measure, (_, text) in MEASURES.items()
    if measure in ("correlation", "partial-correlation")
}

# Pairs of regions that a sidecar names.
_MOST_PAIRS = 20

_PERFECT = (
    "a correlation of 1 or -1 (|r| >= 1 - 1e-6), as identical or duplicated regions have, has no "
    "finite Fisher z: it is n/a in its run, and is excluded from means"
)


@dataclass(frozen=True)
class SubjectMatrix:
    """The runs of one participant and combination, averaged.

    Attributes
    ----------
    participant
        Label without ``sub-``.
    files
        Those that could be read.
    z
        Mean Fisher z over these runs, shape (n_regions, n_regions); NaN on the diagonal and where
        no run has the edge.
    """

    participant: str
    files: tuple[MatrixFile, ...]
    z: np.ndarray


@dataclass(frozen=True)
class MeanMatrix:
    """What participants have in common and how they differ, in one combination.

    Attributes
    ----------
    mean
        Mean Fisher z over participants, shape (n_regions, n_regions); NaN on the diagonal and
        where `n` is 0.
    std
        Standard deviation of Fisher z over participants (n - 1); the same shape, NaN where `n` is
        below 2.
    n
        The number of participants behind each edge; the same shape, whole numbers.
    runs, participants
        How many there are, whichever regions they lack.
    perfect
        The number of runs in which an edge has a correlation of 1 or -1, and so no z; the same
        shape. See `measures.connectivity.perfect_correlations`.
    averaging
        How the runs of a participant were averaged.
    """

    mean: np.ndarray
    std: np.ndarray
    n: np.ndarray
    runs: int
    participants: int
    perfect: np.ndarray
    averaging: Averaging = field(default_factory=Averaging)


def matrix_name(combination: Mapping[str, str], statistic: str) -> str:
    """The name of a group matrix, without extension.

    ``stat-`` is the group's own statistic here, and stands last: the files of a strategy are
    neighbours. What regions were reduced with goes into ``desc-`` unless it is the mean.

    Parameters
    ----------
    combination
        See `averaging.combination_of`.
    statistic
        ``mean``, ``std``, ``n`` or ``qcfc``.
    """
    return group_name(combination, f"stat-{statistic}_relmat")


def edges_name(combination: Mapping[str, str]) -> str:
    """The name of the table of all participants' edges; see `matrix_name`."""
    return group_name(combination, "edges") + ".h5"


def group_name(combination: Mapping[str, str], end: str) -> str:
    """The name of a file of a combination, with what stands at its end; see `matrix_name`."""
    entities = {key: value for key, value in combination.items() if key != "stat"}
    reduced = combination.get("stat", "mean")
    if reduced != "mean":
        entities["desc"] = entities.get("desc", "") + reduced[0].upper() + reduced[1:]
    return "group_" + build_name(entities, end, "")


def relationship(combination: Mapping[str, str]) -> str:
    """The measure of an edge, as text."""
    measure, _, how = AVERAGED[combination["meas"]].partition(", ")
    return f"Fisher z of the {measure}{f' ({how})' if how else ''}"


def mean_matrix(
    output: Path,
    files: Sequence[MatrixFile],
    names: Sequence[str],
    watchers: Sequence[Callable[[SubjectMatrix], None]] = (),
    averaging: Averaging | None = None,
    missing: Mapping[Path, np.ndarray] | None = None,
    run_watchers: Sequence[Callable[[MatrixFile, np.ndarray], None]] = (),
) -> tuple[MeanMatrix | None, list[tuple[MatrixFile, Failure]]]:
    """The mean and spread over participants, and the matrices that are broken.

    The runs of a participant are averaged first, in Fisher z: one with many runs counts as much
    as any other. One matrix is read at a time.

    Parameters
    ----------
    output
        The output dataset.
    files
        The matrices, those of a participant next to each other, in the order in which they are
        summed up.
    names
        The regions that all of them have to have.
    watchers
        Called with each participant's average, in order: what else is made of one reading.
    averaging
        How the runs of a participant are averaged; by default equally.
    missing
        Which regions have no signal by the label table of each file's run, by its path; shape
        (n_regions,). A matrix that has values of them is broken.
    run_watchers
        Called with each matrix that could be read, correlations as they are in the file.

    Returns
    -------
    mean
        None where no matrix can be read.
    broken
        With what is wrong with each.
    """
    broken: list[tuple[MatrixFile, Failure]] = []
    averaging = averaging or Averaging()
    moments = Moments(len(names))
    perfect = np.zeros((len(names), len(names)), dtype=np.int64)
    runs = participants = 0
    readable = _watched(_readable(output, files, names, broken, missing or {}), run_watchers)
    for subject in _subjects(readable, averaging, perfect):
        moments.add(subject.z)
        for watch in watchers:
            watch(subject)
        runs += len(subject.files)
        participants += 1
    if not participants:
        return None, broken
    mean = MeanMatrix(moments.mean, moments.std, moments.n, runs, participants, perfect, averaging)
    return mean, broken


def _watched(
    readable: Iterable[tuple[MatrixFile, np.ndarray]],
    watchers: Sequence[Callable[[MatrixFile, np.ndarray], None]],
) -> Iterator[tuple[MatrixFile, np.ndarray]]:
    for file, values in readable:
        for watch in watchers:
            watch(file, values)
        yield file, values


def _subjects(
    readable: Iterable[tuple[MatrixFile, np.ndarray]], averaging: Averaging, perfect: np.ndarray
) -> Iterator[SubjectMatrix]:
    """The participants' averages; what is perfect is counted in `perfect`."""
    for participant, own in groupby(readable, key=lambda pair: pair[0].participant):
        used: list[MatrixFile] = []
        z, _ = mean_fisher_z(_weighted(own, averaging, perfect, used))
        yield SubjectMatrix(participant, tuple(used), z)


def _weighted(
    own: Iterable[tuple[MatrixFile, np.ndarray]],
    averaging: Averaging,
    perfect: np.ndarray,
    used: list[MatrixFile],
) -> Iterator[tuple[np.ndarray, float]]:
    """The matrices of a participant with their weights; their files go to `used`."""
    for file, values in own:
        used.append(file)
        perfect += perfect_correlations(values)
        yield values, averaging.weight(file)


def _readable(
    output: Path,
    files: Iterable[MatrixFile],
    names: Sequence[str],
    broken: list[tuple[MatrixFile, Failure]],
    missing: Mapping[Path, np.ndarray],
) -> Iterator[tuple[MatrixFile, np.ndarray]]:
    """The matrices that can be read; the others go to `broken`."""
    for file in files:
        try:
            values = read_matrix(output / file.path, names)
            if file.path in missing:
                check_missing(output / file.path, values, missing[file.path], names)
        except BadDataError as error:
            broken.append((file, Failure.of(error, entities={"sub": file.participant})))
            continue
        yield file, values


def matrix_sidecar(
    combination: Mapping[str, str],
    statistic: str,
    mean: MeanMatrix,
    names: Sequence[str],
    motion: str = "fd",
) -> dict[str, Any]:
    """The JSON beside a group matrix; it names its sources by their common entities.

    Parameters
    ----------
    combination, statistic
        Those of its name; see `matrix_name`.
    mean
        What it is of.
    names
        Of the regions.
    motion
        What QC-FC is with: a key of `rows.MOTION`.
    """
    column, moved = MOTION[motion]
    z = relationship(combination)
    what = {
        "mean": f"{z}, mean over participants",
        "std": f"{z}, standard deviation over participants (n - 1)",
        "qcfc": f"Pearson correlation over participants of the {z} and {moved} (QC-FC)",
        "n": f"Number of participants behind each edge of the mean {z}",
    }
    return {
        "RelationshipMeasure": what[statistic],
        "Weighted": True,
        "Directed": False,
        "ValidDiagonal": False,
        "StorageFormat": "Full",
        "RunsOfAParticipant": "averaged first, in Fisher z",
        **mean.averaging.sidecar(),
        "NumberOfRuns": mean.runs,
        "NumberOfParticipants": mean.participants,
        **({"MotionMeasure": f"{column} of group_qc.tsv"} if statistic == "qcfc" else {}),
        "PerfectCorrelations": _PERFECT,
        "NumberOfPerfectCorrelations": int(np.triu(mean.perfect).sum()),
        "PairsWithPerfectCorrelations": perfect_pairs(mean.perfect, names)[:_MOST_PAIRS],
        "SourceEntities": dict(combination),
        **describe_matrix("participants" if statistic == "n" else PLAIN),
    }


def perfect_pairs(perfect: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    """The two regions of each edge that is perfect in a run, those of most runs first.

    Parameters
    ----------
    perfect
        Of a `MeanMatrix`.
    names
        Of the regions.
    """
    first, second = np.nonzero(np.triu(perfect))
    order = np.argsort(-perfect[first, second], kind="stable")
    return [[names[first[k]], names[second[k]]] for k in order]
