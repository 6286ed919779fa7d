"""The pybids index of a dataset, limited to the participants and files that the app reads.

pybids' own indexer looks at every file of a dataset several times and tries more than forty
patterns on each name. Here, folders are listed once, and pybids gets the files of interest.

With a folder to keep it in, an index is reused as long as the dataset does not change. Each set
of participants has a folder there (``all``, ``sub-01``) with the database, which pybids can open,
and ``index.json``, which says what it was made from. SQLite works on local copies: it is not safe
on the network file systems of clusters, and reading never changes an index.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from bids_labelx.content import read_content
from bids_labelx.errors import CannotWriteError, LabelxError
from bids_labelx.files import read_json, write_bytes, write_json
from bids_labelx.inputs.listing import (
    Folders,
    folder_time,
    index_filters,
    name_pattern,
    participants_at_root,
    scan_folders,
)
from bids_labelx.names import is_utf8

LOGGER = logging.getLogger("bids_labelx")

# Raise it with every change of what is indexed: an index of another version is not used.
INDEX_VERSION = 6
DATABASE = "layout_index.sqlite"  # the name that pybids looks for
RECORD = "index.json"


class Found(NamedTuple):
    """The files of participants.

    Attributes
    ----------
    files
        Sorted as text, so that the order of the runs is the same on every machine.
    unreadable
        Folders that could not be listed, with the reason.
    """

    files: list[Path]
    unreadable: Mapping[Path, str]


class _NotUsableError(Exception):
    """Why a kept index cannot be used."""


def find_files(
    root: Path,
    wanted: Sequence[str] = (),
    database_dir: Path | None = None,
    also: Sequence[str] = (),
) -> Found:
    """The BOLD images, masks and confounds tables of participants, from a pybids index.

    Parameters
    ----------
    wanted
        Participants, without ``sub-``; all of them by default.
    database_dir
        Where indices are kept; nothing is written without it. In a read-only folder, an index
        that exists is used, else the dataset is indexed for this invocation only, with a warning.
    also
        Endings of names of further files, such as `SEGMENTATIONS` or ``mixing.tsv``; ``.nii``
        stands for ``.nii.gz``, too.

    Raises
    ------
    CannotWriteError
        Where `database_dir` does not exist and cannot be created.
    """
    folders, at_root = participants_at_root(root)
    # Of datasets beside the first, all participants are asked for by name.
    chosen = frozenset(wanted or folders.keys() | at_root)
    participants = {one: folders[one] for one in sorted(chosen & folders.keys())}
    # Listed anew each time: the time of this folder changes with every participant that is added.
    pattern = name_pattern(index_filters(also))
    at_hand = (Path(path) for label in chosen & at_root.keys() for path in at_root[label])
    beside = [path for path in at_hand if pattern.search(path.name)]
    found = _find_below(root, participants, sorted(wanted), database_dir, also)
    return Found(sorted([*found.files, *beside], key=str), found.unreadable)


def _find_below(
    root: Path,
    participants: Folders,
    wanted: Sequence[str],
    database_dir: Path | None,
    also: Sequence[str],
) -> Found:
    """The files in the folders of participants; `wanted` are none where all are."""
    if database_dir is None:
        files, _, unreadable = scan_folders(root, participants, also)
        return Found(_query_new(_make_layout(root, files), also, files), unreadable)
    place = database_dir / _set_name(wanted)
    problems = {}
    for kept in dict.fromkeys((place, database_dir / _set_name(()))):
        try:
            # With a folder that could not be listed, an index counts as changed.
            return Found(_find_in_kept(kept, root, participants, also), {})
        except _NotUsableError as problem:
            problems[kept.name] = str(problem)
    reasons = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    LOGGER.info("indexing %s, as no index in %s can be used: %s", root, database_dir, reasons)
    return _index_and_keep(place, root, participants, also)


def _set_name(wanted: Sequence[str]) -> str:
    """The folder of the index of some participants; need not be unique, see the record."""
    name = "_".join(f"sub-{label}" for label in sorted(wanted)) or "all"
    if len(name) <= 40:
        return name
    return f"{len(wanted)}-participants-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _make_layout(root: Path, files: Sequence[str]) -> Any:
    """A pybids layout of these files, in memory."""
    from bids import BIDSLayout
    from bids.layout import BIDSFile, Tag
    from sqlalchemy import insert

    # Only the entities that are queried. The subject is that of the folder below the root; pybids
    # would find one in the folders above, too.
    patterns = {
        "subject": rf"^{re.escape(root.as_posix().rstrip('/'))}/sub-([^/]+?)(?:_ses-[^/]*)?/",
        "suffix": r"_([^_/.]+)\.[^/]+$",
        "extension": r"[^./](\.[^/]+)$",
        "desc": r"_desc-([^_/.]+)_[^/]*$",
    }

    known = [file for file in files if is_utf8(file)]

    def index(layout: BIDSLayout) -> None:
        # As rows: pybids' objects take most of the time of an index.
        tags = [
            {"file_path": path, "entity_name": name, "_value": found[1], "_dtype": "str"}
            for name, pattern in patterns.items()
            for path in known
            if (found := re.search(pattern, path))
        ]
        layout.session.bulk_save_objects(map(BIDSFile, known))
        if tags:
            layout.session.execute(insert(Tag), tags)
        layout.session.commit()

    entities = [{"name": name, "pattern": pattern} for name, pattern in patterns.items()]
    config = [{"name": "bids_labelx", "entities": entities}]
    with warnings.catch_warnings(action="ignore"):
        # Of the descriptions of old datasets.
        return BIDSLayout(root, validate=False, config=config, indexer=index)


def _query_layout(layout: Any, also: Sequence[str], **entities: list[str]) -> list[Path]:
    queries = ({**one, **entities} for one in index_filters(also))
    found = {path for one in queries for path in layout.get(return_type="filename", **one)}
    return [Path(path) for path in sorted(found)]


def _query_new(layout: Any, also: Sequence[str], files: Sequence[str]) -> list[Path]:
    """Query an index just made; files whose paths it cannot hold, no UTF-8, are added."""
    odd = [Path(file) for file in files if not is_utf8(file)]
    return sorted([*_query_layout(layout, also), *odd], key=str)


def _made_of(root: Path) -> dict[str, Any]:
    """What an index depends on besides the files."""
    return {"index_version": INDEX_VERSION, "pybids": version("pybids"), "root": str(root)}


def _difference(
    record: dict[str, Any], root: Path, participants: Folders, also: Sequence[str]
) -> str | None:
    """What changed since the index was made; None if nothing, so that it can be used."""
    for key, value in _made_of(root).items():
        if record[key] != value:
            return f"{key} is {value}, not {record[key]}"
    lacking = set(also) - set(record["also"])
    if lacking:
        return f"{', '.join(sorted(lacking))} is not in it"
    for label, names in participants.items():
        if lacking := set(names).difference(dict(record["folders"]).get(label, ())):
            return f"{min(lacking)} is not in it"
        for folder, changed in record["folders"][label].items():
            if changed is None or folder_time(root / folder) != changed:
                return f"{folder} has changed"
    return None


def _find_in_kept(
    place: Path, root: Path, participants: Folders, also: Sequence[str]
) -> list[Path]:
    """Query a kept index.

    Raises
    ------
    _NotUsableError
        Where there is none, it is damaged or out of date.
    """
    from bids import BIDSLayout
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not (place / RECORD).exists():
            raise _NotUsableError("there is none")
        record = read_json(place / RECORD)
        if problem := _difference(record, root, participants, also):
            raise _NotUsableError(problem)
        database = read_content(place / DATABASE)
        # The two files are not replaced at once: another process may be between them now.
        if hashlib.sha256(database).hexdigest() != record["sha256"]:
            raise _NotUsableError(f"{DATABASE} is damaged or being replaced")
        temporary = tempfile.TemporaryDirectory(prefix="bids_labelx-", ignore_cleanup_errors=True)
        with temporary as local, warnings.catch_warnings(action="ignore"):
            (Path(local) / DATABASE).write_bytes(database)
            layout = BIDSLayout(database_path=local, validate=False)
            return _query_layout(layout, also, subject=list(participants))
    # The record may be any JSON.
    except (
        *(LabelxError, OSError, ValueError, LookupError, TypeError, AttributeError),
        SQLAlchemyError,
    ) as error:
        raise _NotUsableError(f"cannot be read ({type(error).__name__}: {error})") from None


def _index_and_keep(place: Path, root: Path, participants: Folders, also: Sequence[str]) -> Found:
    """Make an index, keep it at `place` and query it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"--bids-database-dir {place.parent}: cannot be created ({error.strerror})"
        ) from None
    files, folders, unreadable = scan_folders(root, participants, also)
    layout = _make_layout(root, files)
    # What a database cannot hold would be missing from a kept index.
    odd = {Path(file).relative_to(root).parts[0] for file in files if not is_utf8(file)}
    folders = {
        label: times
        for label, times in folders.items()
        if odd.isdisjoint(times) and all(map(is_utf8, times))
    }
    made_of = {**_made_of(root), "also": sorted(also)}
    try:
        with tempfile.TemporaryDirectory(
            prefix="bids_labelx-", ignore_cleanup_errors=True
        ) as local:
            layout.save(local, replace_connection=False)
            database = (Path(local) / DATABASE).read_bytes()
        checksum = hashlib.sha256(database).hexdigest()
        # The record last: without it the database is not used.
        write_bytes(place / DATABASE, database)
        write_json(place / RECORD, {**made_of, "sha256": checksum, "folders": folders})
    except (OSError, sqlite3.Error, CannotWriteError) as error:
        LOGGER.warning("the index is not kept: %s", error)
    return Found(_query_new(layout, also, files), unreadable)
