"""What is recorded of a participant, reconciled with what is there: gaps, and what failed.

Of a file that is recorded its size is looked at, and its checksum where it is read anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_labelx.content import read_content
from bids_labelx.errors import BadDataError, Failure, LabelxError
from bids_labelx.names import camel, parse_name
from bids_labelx.outputs.results import Series
from bids_labelx.outputs.run_records import (
    Invocation,
    RecordedFile,
    RunRecord,
    contradictions,
    is_as_written,
    is_figure,
    read_record,
    record_paths_of,
)
from bids_labelx.words import counted

_AGAIN = "run the participant level again"
# The ends of the files that the group level reads.
_READ = (".json", "_dseg.tsv", "_relmat.tsv")
# Gaps of one run that are named one by one.
_MOST_NAMED = 10

# A run, an atlas and a strategy: what a row of the quality table is of.
_About = tuple[frozenset[tuple[str, str]], str, str]


@dataclass(frozen=True)
class Gap:
    """A recorded result that is not there, not whole, or not of the settings of the others.

    Attributes
    ----------
    path
        Of the file, within the output dataset.
    found
        What is wrong with it.
    entities
        Of its run.
    atlases, strategies
        Names of those that it is of.
    """

    path: Path
    found: str
    entities: Mapping[str, str]
    atlases: tuple[str, ...]
    strategies: tuple[str, ...]

    def failure(self, output: Path) -> Failure:
        """The gap as a failure, with what it concerns."""
        text = f"{output / self.path}: {self.found}; {_AGAIN}"
        return Failure(text, self.entities, self.strategies, self.atlases)


@dataclass(frozen=True)
class Account:
    """What is recorded of one participant.

    Attributes
    ----------
    gaps
        In the order of runs and files.
    problems
        What to tell of these gaps and of records that are broken.
    recorded
        All files in the records, by path within the output dataset.
    invocations
        Those that wrote them.
    """

    gaps: Sequence[Gap] = ()
    problems: Sequence[Failure] = ()
    recorded: Mapping[Path, RecordedFile] = field(default_factory=dict)
    invocations: Sequence[Invocation] = ()
    _refused: frozenset[Path] = frozenset()
    _failed: frozenset[_About] = frozenset()
    _unmade: Mapping[_About, set[str]] = field(default_factory=dict)

    def refuses(self, *paths: Path) -> bool:
        """Whether one of these tables or the JSON beside it is a gap."""
        return any(
            one in self._refused or one.with_suffix(".json") in self._refused for one in paths
        )

    def failed(self, one: Series) -> bool:
        """Whether the run failed with this atlas and strategy after the series was written.

        Where the record of its failures is broken, it may have.
        """
        about = _about(one)
        return about in self._failed or (about[0], "", "") in self._failed

    def unmade(self, one: Series) -> set[str]:
        """Measures, as ``meas-`` calls them, whose matrices of a series could not be made."""
        return self._unmade.get(_about(one), set())


def record_names(output: Path) -> dict[str, list[Path]]:
    """The records of all runs, by participant, label without ``sub-``."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in record_paths_of(output):
        found[parse_name(path).entities["sub"]].append(path)
    return found


def account_of(
    output: Path,
    participant: str,
    records: Iterable[Path],
    failures: Iterable[Failure],
    sums: Mapping[str, int] | None = None,
) -> Account:
    """Reconcile the records of a participant with the files.

    Parameters
    ----------
    output
        The output dataset.
    participant
        Label without ``sub-``.
    records
        Its records; see `record_names`.
    failures
        What the participant level could not do of it.
    sums
        The CRC-32 of files, by their paths, that are known without reading them.
    """
    gaps: list[Gap] = []
    problems: list[Failure] = []
    recorded: dict[Path, RecordedFile] = {}
    invocations: list[Invocation] = []
    folder = output / f"sub-{participant}"
    for path in records:
        try:
            record = read_record(output, parse_name(path).entities)
        except LabelxError as error:
            problems.append(Failure.of(error, entities={"sub": participant}))
            continue
        if record is None:
            continue
        own = list(_gaps(output, record, sums or {}))
        gaps += own
        recorded |= {Path(name): one for name, one in record.files.items()}
        invocations += record.invocations.values()
        if folder.is_dir():
            problems += [Failure(line, {"sub": participant}) for line in _told(output, own)]
    if gaps and not folder.is_dir():
        text = f"{folder}: is not there, with {counted(len(gaps), 'recorded file')}; {_AGAIN}"
        problems.append(Failure(text, {"sub": participant}))
    failed: set[_About] = set()
    unmade: dict[_About, set[str]] = defaultdict(set)
    for failure in failures:
        if not failure.strategies:
            failed.add((frozenset(failure.entities.items()), "", ""))
        for atlas in failure.atlases:
            for strategy in failure.strategies:
                about = frozenset(failure.entities.items()), atlas, strategy
                if failure.measures:
                    unmade[about].update(map(camel, failure.measures))
                else:
                    failed.add(about)
    refused = frozenset(gap.path for gap in gaps)
    return Account(gaps, problems, recorded, invocations, refused, frozenset(failed), unmade)


def _about(one: Series) -> _About:
    atlas, strategy = (str(one.sidecar.get(key)) for key in ("Atlas", "DenoisingStrategy"))
    return frozenset(one.run.items()), atlas, strategy


def _told(output: Path, gaps: Sequence[Gap]) -> list[str]:
    """The gaps of one run, a line each, and how many more there are."""
    lines = [f"{output / gap.path}: {gap.found}; {_AGAIN}" for gap in gaps[:_MOST_NAMED]]
    more = len(gaps) - len(lines)
    if more:
        lines[-1] += f"; and {more:,} more of this run"
    return lines


def _gaps(output: Path, record: RunRecord, sums: Mapping[str, int]) -> Iterator[Gap]:
    """Recorded results of a run that are not there, cut, or not of the present label table."""
    atlases = sorted({one.atlas for one in record.files.values() if one.atlas})
    strategies = sorted({one.strategy for one in record.files.values() if one.strategy})
    labels = {
        one.atlas: (Path(name), one)
        for name, one in record.files.items()
        if name.endswith("_dseg.tsv")
    }
    for name, one in record.files.items():
        if is_figure(name):
            continue
        path = Path(name)
        found = _differing(output / path, one, sums.get(name))
        if not found and one.strategy and one.atlas in labels:
            table, of_labels = labels[one.atlas]
            made, now = (record.invocations[of.invocation] for of in (one, of_labels))
            other = made != now and contradictions(made, now.made_with, of_labels)
            if other:
                found = f"made with other settings than {table.name}: {'; '.join(other)}"
        if found:
            yield Gap(
                path,
                found,
                record.entities,
                (one.atlas,) if one.atlas else tuple(atlases),
                (one.strategy,) if one.strategy else tuple(strategies),
            )


def _differing(path: Path, file: RecordedFile, crc32: int | None) -> str:
    """How a file differs from what was written, in words.

    Of what the group level reads the content counts, of the rest the size. `crc32` is that of its
    content, where it is known.
    """
    try:
        there = path.stat().st_size
        if there != file.size:
            return f"{there:,} bytes, {file.size:,} were written"
        if path.name.endswith(_READ) and not is_as_written(path, file, crc32):
            return "changed since it was written"
    except LabelxError as error:
        return f"cannot be checked: {error}"
    except OSError:
        if path.is_symlink():
            return "a link to what is not there; fetch it, with `datalad get` for DataLad"
        return "recorded as written, and is not there"
    return ""


def check_rows(one: Series) -> None:
    """Check that the table of a series that is in no record is whole, by its lines.

    Raises
    ------
    MissingInputError, BadDataError
    """
    path = one.output / one.path
    try:
        content = read_content(path)
    except LabelxError as error:
        raise type(error)(f"{error}; {_AGAIN}") from None
    lines = content.count(b"\n")
    expected = [one.sidecar[key] for key in ("NumberOfVolumesKept", "NumberOfVolumes")]
    if not content.endswith(b"\n") or lines - 1 not in expected:
        kept = f"{expected[0]} rows (or {expected[1]} with censored ones)"
        raise BadDataError(
            f"{path}: cut off or changed: {max(lines - 1, 0)} whole rows, {kept} are expected; "
            f"{_AGAIN}"
        )
