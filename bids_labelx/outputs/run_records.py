"""Run records: which files hold the results of a run, and which invocation made each of them.

A record lies in ``logs/runs/``; reports, the methods text and the group level use it and no other
account. What differs between invocations is in there and not in the sidecars: the same input
gives the same bytes in these.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.content import read_content
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_json, write_json
from bids_labelx.names import build_name

_FOLDER = Path("logs", "runs")
_TEXTS = (".tsv", ".json")

# The parts of what results are made with, and what one of their entries is called.
SECTIONS = {"settings": "", "strategies": "strategy", "atlases": "atlas"}


class RecordedFile(NamedTuple):
    """A file that was written of a run.

    Attributes
    ----------
    size
        In bytes.
    invocation
        The key of the invocation that wrote it last.
    atlas, strategy
        Names of what it is of; empty where it is of all of them.
    crc32
        Checksum of a table or JSON; -1 of other files.
    """

    size: int
    invocation: str
    atlas: str = ""
    strategy: str = ""
    crc32: int = -1


@dataclass(frozen=True)
class Invocation:
    """What made results: a command, and all that decided what it wrote.

    Attributes
    ----------
    command
        The command line.
    options
        As `bids_labelx.settings.plain_options` gives them.
    strategies
        The fields of each denoising strategy, by its name.
    made_with
        What decides what stands in files of given names; see
        `bids_labelx.participant.contents.content_signature`.
    versions
        Of the libraries that the numbers depend on.
    finished
        When a run was last finished by it, in UTC.
    """

    command: str
    options: Mapping[str, Any] = field(default_factory=dict)
    strategies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    finished: str = ""

    @property
    def key(self) -> str:
        """The same for all runs of one invocation, and for the same command again."""
        content = {name: value for name, value in asdict(self).items() if name != "finished"}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RunRecord:
    """All that is recorded of a run.

    Attributes
    ----------
    entities
        Of the run.
    files
        What was written, figures as well, by path within the output dataset with ``/``.
    invocations
        Those that wrote them, by key.
    done
        What each strategy did where it might have done otherwise, by the strategy's name.
    inputs
        A digest of the files that were read last, as they were then.
    seconds
        What each step took in the last invocation; None for one that was not.
    atlases
        Of each atlas by name: labels, how many of them are missing, their mean coverage, and who
        made it as far as that is known.
    etags
        Of files that were read last from a store, by URL.
    annex_keys
        Of files that were read last from git-annex, by path.
    """

    entities: Mapping[str, str]
    files: Mapping[str, RecordedFile] = field(default_factory=dict)
    invocations: Mapping[str, Invocation] = field(default_factory=dict)
    done: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: str = ""
    seconds: Mapping[str, float | None] = field(default_factory=dict)
    atlases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    etags: Mapping[str, str] = field(default_factory=dict)
    annex_keys: Mapping[str, str] = field(default_factory=dict)

    def without(self, paths: Iterable[str]) -> RunRecord:
        """The record without these files, and without what nothing is left of."""
        gone = set(paths)
        files = {path: one for path, one in self.files.items() if path not in gone}
        used = {one.invocation for one in files.values()}
        strategies = {one.strategy for one in files.values()}
        atlases = {one.atlas for one in files.values()}
        return replace(
            self,
            files=files,
            invocations={k: one for k, one in self.invocations.items() if k in used},
            done={name: one for name, one in self.done.items() if name in strategies},
            atlases={name: one for name, one in self.atlases.items() if name in atlases},
        )

    def with_files(
        self,
        invocation: Invocation,
        files: Mapping[str, RecordedFile],
        *,
        done: Mapping[str, Mapping[str, Any]],
        inputs: str,
        seconds: Mapping[str, float | None],
        atlases: Mapping[str, Mapping[str, Any]] | None = None,
        etags: Mapping[str, str] | None = None,
        annex_keys: Mapping[str, str] | None = None,
    ) -> RunRecord:
        """The record after an invocation that has just written these files."""
        kept = self.without(files)
        finished = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return RunRecord(
            self.entities,
            {**kept.files, **files},
            {**kept.invocations, invocation.key: replace(invocation, finished=finished)},
            {**kept.done, **done},
            inputs,
            seconds,
            {**kept.atlases, **(atlases or {})},
            etags or {},
            annex_keys or {},
        )


def strategies_as_typed(invocations: Iterable[Invocation], there: Iterable[str]) -> list[str]:
    """Strategies that are there as they were typed, those of the latest invocation first.

    Those that no invocation has come last, in the order of `there`.
    """
    latest_first = sorted(invocations, key=lambda one: one.finished, reverse=True)
    typed = dict.fromkeys(name for one in latest_first for name in one.strategies)
    known = dict.fromkeys(there)
    return [name for name in typed if name in known] + [n for n in known if n not in typed]


def contradictions(
    made: Invocation, now: Mapping[str, Any], file: RecordedFile | None = None
) -> list[str]:
    """In what the settings behind a result differ from others; only what both know of counts.

    Parameters
    ----------
    made
        The invocation that wrote it.
    now
        What results are made with now, as `Invocation.made_with`.
    file
        The result, of which only its own strategy and atlas count; None for any.
    """
    found = []
    for section, word in SECTIONS.items():
        known, other = made.made_with.get(section, {}), now.get(section, {})
        for name in known.keys() & other.keys():
            if known[name] == other[name] or not _concerns(section, name, made, file):
                continue
            found += _differing(f"{word} {name}".strip(), known[name], other[name])
    return sorted(found)


def _concerns(section: str, name: str, made: Invocation, file: RecordedFile | None) -> bool:
    if file is None or section == "settings":
        return True
    if section == "strategies":
        return bool(file.strategy) and made.strategies[file.strategy]["label"] == name
    # Named by space and atlas.
    return bool(file.atlas) and name.partition(", ")[2] == file.atlas


def _differing(what: str, one: Any, other: Any) -> list[str]:
    if not isinstance(one, dict):
        return [f"{what} was {_shown(one)}, is {_shown(other)}"]
    parts = [
        f"{key} was {_shown(one.get(key))}, is {_shown(other.get(key))}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]
    return [f"{what}: {'; '.join(parts)}"]


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def recorded_file(path: Path, invocation: str, atlas: str, strategy: str) -> RecordedFile:
    """What a record says of a file that was just written."""
    crc32 = zlib.crc32(path.read_bytes()) if path.suffix in _TEXTS else -1
    return RecordedFile(path.stat().st_size, invocation, atlas, strategy, crc32)


def is_as_written(path: Path, file: RecordedFile, crc32: int | None = None) -> bool:
    """Whether the content of a file of the recorded size is what was written.

    `crc32` is that of its content, where it is known without reading it.

    Raises
    ------
    MissingInputError, BadDataError
    """
    if file.crc32 < 0:
        return True
    return (zlib.crc32(read_content(path)) if crc32 is None else crc32) == file.crc32


def is_figure(path: str) -> bool:
    """Whether a file in a record is a figure of the report or belongs to one."""
    return "figures" in Path(path).parts


def command_line() -> str:
    """The command of this process, as one types it."""
    program = Path(sys.argv[0]).name
    return shlex.join(["bids_labelx" if program == "__main__.py" else program, *sys.argv[1:]])


def record_path(entities: Mapping[str, str]) -> Path:
    """Where the record of a run is, within the output dataset."""
    return _FOLDER / build_name(entities, "bold", ".json")


def write_record(output: Path, record: RunRecord) -> None:
    """Write the record of a run in place of an earlier one.

    Raises
    ------
    CannotWriteError
    """
    content = {
        "entities": dict(record.entities),
        "inputs": record.inputs,
        "seconds": dict(record.seconds),
        "done": {name: dict(one) for name, one in record.done.items()},
        "atlases": {name: dict(one) for name, one in record.atlases.items()},
        "invocations": {key: asdict(one) for key, one in record.invocations.items()},
        **({"etags": dict(sorted(record.etags.items()))} if record.etags else {}),
        **({"annex": dict(sorted(record.annex_keys.items()))} if record.annex_keys else {}),
        "files": dict(sorted(record.files.items())),
    }
    write_json(output / record_path(record.entities), content)


def read_record(output: Path, entities: Mapping[str, str]) -> RunRecord | None:
    """The record of a run; None where there is none.

    Raises
    ------
    BadDataError
        Where there is one and it is broken.
    """
    path = output / record_path(entities)
    return _read(path) if path.is_file() else None


def record_paths_of(output: Path, participant: str | None = None) -> list[Path]:
    """The records in an output dataset, or of a participant (label without ``sub-``), sorted."""
    pattern = "sub-*_bold.json" if participant is None else f"sub-{participant}_*bold.json"
    return sorted((output / _FOLDER).glob(pattern))


def read_records(output: Path, participant: str | None = None) -> list[RunRecord]:
    """All records in an output dataset, or those of a participant, sorted by file.

    Raises
    ------
    BadDataError
        Where one is broken.
    """
    return [_read(path) for path in record_paths_of(output, participant)]


def _read(path: Path) -> RunRecord:
    content = read_json(path)
    try:
        files = {name: RecordedFile(*one) for name, one in content["files"].items()}
        invocations = {key: Invocation(**one) for key, one in content["invocations"].items()}
        for name, file in files.items():
            if not isinstance(file.size, int) or file.invocation not in invocations:
                raise ValueError(f"{name}: {file}")
        return RunRecord(
            entities=dict(content["entities"]),
            files=files,
            invocations=invocations,
            done={name: dict(one) for name, one in content["done"].items()},
            inputs=str(content["inputs"]),
            seconds=dict(content["seconds"]),
            # Records of earlier versions have none.
            atlases={name: dict(one) for name, one in content.get("atlases", {}).items()},
            etags=dict(content.get("etags", {})),
            annex_keys=dict(content.get("annex", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadDataError(
            f"{path}: not the record of a run as this version writes it ({error!r}); run the "
            "participant level again"
        ) from None
