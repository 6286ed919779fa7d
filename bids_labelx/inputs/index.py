"""The pybids index of a dataset: of the participants asked for, and of what the app reads only.

pybids' own indexer looks at every file of a dataset several times and tries more than forty
patterns on each name. Here, folders are listed once, and pybids is given what is wanted.

With a folder to keep it in, an index is used again as long as the dataset is as it was. A set of
participants has a folder of its own there (``all``, ``sub-01``) with the database, which pybids
can open, and ``index.json``, which says what it was made from. SQLite works on local copies: it
is not safe on the network file systems of clusters, and nobody's index is changed by a reader.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bids_labelx.errors import CannotWriteError

LOGGER = logging.getLogger("bids_labelx")

# To be raised with every change of what is indexed: an index of another version is not used.
INDEX_VERSION = 2
DATABASE = "layout_index.sqlite"  # the name that pybids looks for
RECORD = "index.json"

# Folders below a participant that hold nothing of what the app reads, and the files that it reads.
# Masks of the anatomy and of other modalities have names that would do for a BOLD image.
_IGNORED = {"dwi", "figures", "fmap", "log", "logs", "perf", "pet", "surf", "xfm"}
_ANATOMY = "anat"
_WANTED = r"_(bold|mask)\.nii(\.gz)?$|_desc-confounds_(.*_)?(timeseries|regressors)\.tsv$"

# What can be asked for beside that: segmentations, which lie with the anatomy, too.
SEGMENTATIONS = "dseg.nii"

# Where the clock of a file system ticks in seconds, the times of its folders are whole ones.
_SECOND = 1_000_000_000
_COARSE_TICK, _FINE_TICK = 2 * _SECOND, _SECOND // 50

# By participant: the folders looked into, within the dataset, with the time of their last change
# in nanoseconds; None where a change may not show in it.
_Times = dict[str, dict[str, int | None]]


class _NotUsableError(Exception):
    """A kept index that does not hold what is asked for, and why."""


def list_participants(root: Path) -> list[str]:
    """Labels of the participants that have a folder in the dataset, sorted."""
    with os.scandir(root) as entries:
        return sorted(e.name[4:] for e in entries if e.name.startswith("sub-") and _is_folder(e))


def find_files(
    root: Path,
    wanted: Sequence[str] = (),
    database_dir: Path | None = None,
    also: Sequence[str] = (),
) -> list[Path]:
    """Query a pybids index for the BOLD images, masks and confounds tables of participants.

    Parameters
    ----------
    root
        The dataset.
    wanted
        Participants, without ``sub-``; all of them by default.
    database_dir
        Where indices are kept. Without it nothing is written anywhere. In a folder that is there
        and cannot be written to, an index that is there already is used, else the dataset is
        indexed for this start only, with a warning.
    also
        Endings of names, such as `SEGMENTATIONS` or ``mixing.tsv``, of files that are wanted
        beside those; ``.nii`` stands for ``.nii.gz``, too.

    Returns
    -------
    list of Path
        Sorted as text, so that every machine does the runs in the same order.

    Raises
    ------
    CannotWriteError
        Where `database_dir` is not there and cannot be made.
    """
    participants = list(wanted) or list_participants(root)
    if database_dir is None:
        files, _ = _scan(root, participants, also)
        return _query(_layout(root, files), also)
    place = database_dir / _set_name(wanted)
    problems = {}
    for kept in dict.fromkeys((place, database_dir / _set_name(()))):
        try:
            return _find_in_kept(kept, root, participants, also)
        except _NotUsableError as problem:
            problems[kept.name] = str(problem)
    reasons = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    LOGGER.info("indexing %s, as no index in %s can be used: %s", root, database_dir, reasons)
    return _index_and_keep(place, root, participants, also)


def _set_name(wanted: Sequence[str]) -> str:
    """The folder of a set's index. It need not be unique: the record says what is in it."""
    name = "_".join(f"sub-{label}" for label in sorted(wanted)) or "all"
    if len(name) <= 40:
        return name
    return f"{len(wanted)}-participants-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _pattern(also: Sequence[str], *, usual: bool = True) -> re.Pattern[str]:
    """What the names of files that are wanted have in common."""
    ends = [re.escape(ending) + r"(\.gz)?" * ending.endswith(".nii") for ending in also]
    return re.compile("|".join([*[_WANTED] * usual, *[f"_{end}$" for end in ends]]))


def _scan(
    root: Path, participants: Sequence[str], also: Sequence[str] = ()
) -> tuple[list[str], _Times]:
    """List the participants' files that are to be indexed, and when their folders changed."""
    ignored = _IGNORED if SEGMENTATIONS in also else {*_IGNORED, _ANATOMY}
    names, of_anatomy = _pattern(also), _pattern((SEGMENTATIONS,), usual=False)
    files: list[str] = []
    times: _Times = {}
    for label in participants:
        waiting, times[label] = [root / f"sub-{label}"], {}
        while waiting:
            folder = waiting.pop()
            where = folder.relative_to(root).as_posix()
            pattern = of_anatomy if _ANATOMY in folder.parts[len(root.parts) :] else names
            # The time before the list: what changes in between is seen at the next start.
            times[label][where] = _settled_time(folder)
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                LOGGER.warning("%s: left out, cannot be read (%s)", folder, error.strerror)
                times[label][where] = None
                continue
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if not _is_folder(entry):
                    files += [entry.path] if pattern.search(entry.name) else []
                elif entry.name not in ignored:
                    waiting.append(folder / entry.name)
    return files, times


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one or a link to one. Only for a link the disk is asked again."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _time(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _settled_time(folder: Path) -> int | None:
    """When a folder changed; None where that is so recent that the clock cannot tell it from a
    change that is still to come.
    """
    now, changed = time.time_ns(), _time(folder)
    if changed is None:
        return None
    tick = _FINE_TICK if changed % _SECOND else _COARSE_TICK
    return changed if changed < now - tick else None


def _layout(root: Path, files: Sequence[str]) -> Any:
    """A pybids layout of these files, in memory."""
    from bids import BIDSLayout
    from bids.layout import BIDSFile, Tag

    # What is queried, and nothing else. The subject is the folder's, right below the root, as
    # pybids would find one in the names of the folders above, too.
    patterns = {
        "subject": rf"^{re.escape(root.as_posix().rstrip('/'))}/sub-([^/]+)/",
        "suffix": r"_([^_/.]+)\.[^/]+$",
        "extension": r"[^./](\.[^/]+)$",
    }
    entities = [{"name": name, "pattern": pattern} for name, pattern in patterns.items()]

    def index(layout: BIDSLayout) -> None:
        records = [BIDSFile(path) for path in files]
        tags = [
            Tag(record, entity, value, "str")
            for entity in layout.get_entities().values()
            for record in records
            if (value := entity.match_file(record)) is not None
        ]
        layout.session.bulk_save_objects([*records, *tags])
        layout.session.commit()

    config = [{"name": "bids_labelx", "entities": entities}]
    return BIDSLayout(root, validate=False, config=config, indexer=index)


def _query(layout: Any, also: Sequence[str], **entities: list[str]) -> list[Path]:
    suffixes = [ending.partition(".")[0] for ending in also]
    found = layout.get(
        suffix=["bold", "mask", "timeseries", "regressors", *suffixes],
        extension=[".nii", ".nii.gz", ".tsv"],
        return_type="filename",
        **entities,
    )
    # An index that is kept may hold more than is asked for now.
    names = _pattern(also)
    return [Path(path) for path in sorted(found) if names.search(path.rpartition("/")[2])]


def _made_of(root: Path) -> dict[str, Any]:
    """What an index depends on beside the files."""
    return {"index_version": INDEX_VERSION, "pybids": version("pybids"), "root": str(root)}


def _difference(
    record: dict[str, Any], root: Path, participants: Sequence[str], also: Sequence[str]
) -> str | None:
    """What is not as it was when the index was made; None where it can be used."""
    for key, value in _made_of(root).items():
        if record[key] != value:
            return f"{key} is {value}, not {record[key]}"
    lacking = set(also) - set(record["also"])
    if lacking:
        return f"{', '.join(sorted(lacking))} is not in it"
    for label in participants:
        if label not in record["folders"]:
            return f"sub-{label} is not in it"
        for folder, changed in record["folders"][label].items():
            if changed is None or _time(root / folder) != changed:
                return f"{folder} has changed"
    return None


def _find_in_kept(
    place: Path, root: Path, participants: Sequence[str], also: Sequence[str]
) -> list[Path]:
    """Query a kept index.

    Raises
    ------
    _NotUsableError
        Where there is none, it is damaged or is not what would be made now.
    """
    from bids import BIDSLayout
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not (place / RECORD).exists():
            raise _NotUsableError("there is none")
        record = json.loads((place / RECORD).read_text(encoding="utf-8"))
        if problem := _difference(record, root, participants, also):
            raise _NotUsableError(problem)
        database = (place / DATABASE).read_bytes()
        # The two files are not replaced at once: another start may be between them now.
        if hashlib.sha256(database).hexdigest() != record["sha256"]:
            raise _NotUsableError(f"{DATABASE} is damaged or being replaced")
        others = record["folders"].keys() - set(participants)
        with tempfile.TemporaryDirectory(
            prefix="bids_labelx-", ignore_cleanup_errors=True
        ) as local:
            (Path(local) / DATABASE).write_bytes(database)
            layout = BIDSLayout(database_path=local, validate=False)
            return _query(layout, also, **({"subject": list(participants)} if others else {}))
    # The record can be any JSON, and then anything can go wrong with it.
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SQLAlchemyError) as error:
        raise _NotUsableError(f"cannot be read ({type(error).__name__}: {error})") from None


def _index_and_keep(
    place: Path, root: Path, participants: Sequence[str], also: Sequence[str]
) -> list[Path]:
    """Make an index, keep it at `place` and query it."""
    from bids_labelx.files import write_bytes, write_json

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"--bids-database-dir {place.parent}: cannot be created ({error.strerror})"
        ) from None
    files, folders = _scan(root, participants, also)
    layout = _layout(root, files)
    made_of = {**_made_of(root), "also": sorted(also)}
    try:
        with tempfile.TemporaryDirectory(
            prefix="bids_labelx-", ignore_cleanup_errors=True
        ) as local:
            layout.save(local, replace_connection=False)
            database = (Path(local) / DATABASE).read_bytes()
        checksum = hashlib.sha256(database).hexdigest()
        # The record last: until it is there, the database does not count.
        write_bytes(place / DATABASE, database)
        write_json(place / RECORD, {**made_of, "sha256": checksum, "folders": folders})
    except (OSError, sqlite3.Error, CannotWriteError) as error:
        LOGGER.warning("the index is not kept: %s", error)
    return _query(layout, also)
