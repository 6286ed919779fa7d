"""Compact output folders: the files of participants in a store, worked on as plain files.

Whatever reads or writes results does so in a *view*: a private folder with the files of the
participants in question as plain files, and with links to those that lie in the output folder
itself. What is new in a view goes into the store; see `bids_labelx.outputs.pieces`. In an output
folder that is no view, these functions do nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bids_labelx.errors import NoRunsError
from bids_labelx.files import whole_file, write_text
from bids_labelx.names import parse_name
from bids_labelx.outputs.pieces import (
    Row,
    attempted,
    index_of,
    is_store,
    kind_of,
    pieces,
    places,
    store_lock,
    store_of,
)
from bids_labelx.outputs.store import append
from bids_labelx.outputs.unpacking import StoredFiles, reserve, unpack
from bids_labelx.suggestions import labels_not_there

# What a view keeps of itself.
_ABOUT, _UNPACKED, _SEEN, _LINKED = ".view", "unpacked.json", "seen.json", "linked.json"
_SUMS = "sums.json"
_LOGS = "logs"
# Folders of an output folder, besides those of participants, that hold files of ours.
_FOLDERS = (_LOGS, "figures", "report")
# Locks of participants' pages: one for each participant would be as many files.
_LOCKS = 32


def is_compact(output: Path) -> bool:
    """Whether the files of participants in an output folder are in a store."""
    return is_store(store_of(output))


def is_stored(path: Path) -> bool:
    """Whether a file of an output folder, by its path within it, is kept in the store."""
    if path.parts[0] == _LOGS:
        # What all invocations share, and add to, lies beside the logs of each.
        return len(path.parts) > 2 or path.name.startswith(("bids_labelx_", "crash-"))
    return path.parts[0].startswith("sub-")


def make_view(
    output: Path, view: Path, participants: Collection[str] | None, *, whole: bool
) -> StoredFiles:
    """Fill an empty folder with what an output folder has, so that it reads as one of files.

    Parameters
    ----------
    output
        The compact output folder.
    view
        The folder to fill.
    participants
        Labels of those whose files are wanted; all by default. Of others there are empty folders.
    whole
        Whether it is for the participant level. Else there are no figures of participants and no
        data of their pages, which the group level does not read, but for the pictures of atlases;
        and large tables are there by name and size alone.

    Returns
    -------
    StoredFiles
        What such tables are read with; see `unpacking.read_from`.
    """
    about = view / _ABOUT
    about.mkdir()
    store = store_of(output)
    (about / "output").symlink_to(output.absolute())
    _link_plain(output, view)

    def fill() -> StoredFiles:
        found = pieces(store).standing
        known = index_of(found)
        for label in {_label(path) for path, row in known.items() if row.size >= 0} - {""}:
            (view / f"sub-{label}").mkdir(exist_ok=True)
        wanted = {
            path: row
            for path, row in known.items()
            if row.size >= 0
            and _label(path)
            and (participants is None or _label(path) in participants)
            and (whole or _is_of_group_level(Path(path)))
        }
        where = places(found, wanted)
        later = {} if whole else {path: row for path, row in wanted.items() if kind_of(path)}
        reserve(later, view)
        unpack({path: one for path, one in where.items() if path not in later}, wanted, view)
        _note(view, _SUMS, {path: one.crc32 for path, one in where.items()})
        _note(view, _UNPACKED, sorted(wanted))
        _note(view, _SEEN, [one.name for one in found])
        return StoredFiles(output, view, later, {path: where[path] for path in later})

    made: StoredFiles = attempted(fill)
    return made


def _is_of_group_level(path: Path) -> bool:
    """Whether the group level may read a file of a participant."""
    if "figures" not in path.parts:
        return True
    entities = parse_name(path).entities
    return path.suffix == ".js" and "atlas" in entities and "stat" not in entities


def _label(path: str) -> str:
    """The participant that a file in a store is of; none of a log."""
    name = path.split("/")[0]
    if not name.startswith("sub-"):
        name = path.rpartition("/")[2].partition("_")[0]
    return name.removesuffix(".html").removeprefix("sub-") if name.startswith("sub-") else ""


def _note(view: Path, name: str, values: Sequence[str] | Mapping[str, int]) -> None:
    write_text(view / _ABOUT / name, json.dumps(values))


def _noted(view: Path, name: str) -> list[str]:
    found: list[str] = json.loads((view / _ABOUT / name).read_text(encoding="utf-8"))
    return found


def checksums(output: Path) -> dict[str, int]:
    """The CRC-32 of the files of a view as they came into the store; of other folders none.

    What is read out of a store is compared with the sums of its pages, so that a file of a view
    which nobody has changed need not be read for its own.
    """
    if output_of(output) is None:
        return {}
    found: dict[str, int] = json.loads((output / _ABOUT / _SUMS).read_text(encoding="utf-8"))
    return found


def _link_plain(output: Path, view: Path) -> None:
    """Have links in a view to the files of the output folder that are in no store."""
    linked = [path for path in _files(output) if not is_stored(path)]
    for path in linked:
        link = view / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(output.absolute() / path)
    _note(view, _LINKED, [path.as_posix() for path in linked])


def _files(folder: Path) -> Iterator[Path]:
    """Files of ours in an output folder, within it, but those of participants, and locks."""
    for place in (folder, *(folder / name for name in _FOLDERS)):
        for found, folders, names in os.walk(place):
            if place == folder:
                folders.clear()
            within = Path(found).relative_to(folder)
            yield from (within / name for name in names if name[0] != "." or name == ".bidsignore")


def _files_of(view: Path, participant: str) -> list[Path]:
    """Files of a participant in a view, within it; logs where it is empty."""
    if not participant:
        return [path for path in _files(view) if is_stored(path) and not _label(path.as_posix())]
    found = [view / f"sub-{participant}.html", *(view / f"sub-{participant}").rglob("*")]
    found += view.glob(f"{_LOGS}/*/sub-{participant}_*")
    there = (path for path in found if path.is_file() and path.name[0] != ".")
    return [path.relative_to(view) for path in there]


def write_plain(output: Path, target: Path, participants: Sequence[str] | None) -> int:
    """Write a compact output folder as one of plain files; give the number of files.

    Parameters
    ----------
    output
        The compact output folder.
    target
        The folder to be written.
    participants
        Labels of those wanted, and of them alone, without the group's files; all by default.

    Raises
    ------
    NoRunsError
        Where one of them is not in the store.
    BadDataError
    """

    def write() -> int:
        found = pieces(store_of(output)).standing
        known = {path: row for path, row in index_of(found).items() if row.size >= 0}
        labels = {_label(path) for path in known} - {""}
        if problem := labels_not_there(participants or (), labels, output):
            raise NoRunsError(problem)
        chosen = known
        if participants is not None:
            chosen = {path: row for path, row in known.items() if _label(path) in participants}
        unpack(places(found, chosen), chosen, target, verify=True)
        for path in _files(output):
            if not is_stored(path) and (participants is None or not _is_of_group(path)):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(output / path, target / path)
        return sum(path.is_file() for path in target.rglob("*"))

    written: int = attempted(write)
    return written


def _is_of_group(path: Path) -> bool:
    return path.parts[0] == "figures" or path.name.startswith(("group", "CITATION_group"))


def output_of(view: Path) -> Path | None:
    """The output folder that a view is of; None for one that is no view."""
    link = view / _ABOUT / "output"
    return Path(os.readlink(link)) if link.is_symlink() else None  # noqa: PTH115


@contextmanager
def shared_files(
    view: Path, lock: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[None]:
    """Read and write what all invocations share, and let no other one do so meanwhile.

    `lock` holds the lock of an output folder.
    """
    output = output_of(view)
    if output is None:
        yield
        return
    with lock(output):
        _link_plain(output, view)
        try:
            yield
        finally:
            publish(view)


def publish(view: Path) -> None:
    """Move the files of a view that are kept in no store into its output folder.

    Where a link to a file of the output folder is gone, the file goes.
    """
    output = output_of(view)
    assert output is not None
    for path in sorted(_files(view), key=lambda one: one.name == "group.html"):
        source = view / path
        if is_stored(path) or source.is_symlink():
            continue
        with whole_file(output / path) as temporary:
            shutil.move(source, temporary)
        source.symlink_to(output / path)
    for linked in _noted(view, _LINKED):
        if not (view / linked).is_symlink():
            (output / linked).unlink(missing_ok=True)


def commit(view: Path, participant: str, paths: Sequence[Path] | None = None) -> None:
    """Put what is new of a participant in a view into the store, and take out what is gone.

    Parameters
    ----------
    view
        The view, or an output folder that is none.
    participant
        Label without ``sub-``; empty for logs.
    paths
        The files, where it is known which are new.

    Raises
    ------
    CannotWriteError
    """
    output = output_of(view)
    if output is None:
        return
    store = store_of(output)
    before = [path for path in _noted(view, _UNPACKED) if _label(path) == participant]
    gone = [path for path in before if not (view / path).exists()]
    if paths is None:
        known: dict[str, Row] = attempted(lambda: index_of(pieces(store).standing, {participant}))
        own = _files_of(view, participant)
        paths = [path for path in own if not _is_known(view / path, known.get(path.as_posix()))]
        gone = [path for path in gone if path in known and known[path].size >= 0]
    if paths or gone:
        append(store, view, paths, [Path(path) for path in gone])


def exchange(view: Path, participant: str) -> None:
    """Put what is new of a participant into the store, and take over what is new there."""
    with whole_participant(view, participant):
        pass


def _is_known(path: Path, row: Row | None) -> bool:
    about = path.stat()
    return row is not None and (row.size, row.modified) == (about.st_size, about.st_mtime_ns)


@contextmanager
def whole_participant(view: Path, participant: str) -> Iterator[None]:
    """Have all that is there of a participant in a view, and let nobody else add to it meanwhile.

    What other invocations have put into the store since comes into the view, and what was written
    goes into the store, at the beginning and at the end.
    """
    output = output_of(view)
    if output is None:
        yield
        return
    store = store_of(output)
    with store_lock(store, f"-{zlib.crc32(participant.encode()) % _LOCKS}"):
        commit(view, participant)
        attempted(lambda: _refresh(view, store, participant))
        yield
        commit(view, participant)


def _refresh(view: Path, store: Path, participant: str) -> None:
    """Take over what others have put into a store of a participant."""
    found = pieces(store).standing
    seen = set(_noted(view, _SEEN))
    if not index_of([one for one in found if one.name not in seen], {participant}):
        return
    known = index_of(found, {participant})
    new = {
        path: row
        for path, row in known.items()
        if row.size >= 0 and not ((view / path).exists() and _is_known(view / path, row))
    }
    unpack(places(found, new), new, view)
    for path, row in known.items():
        if row.size < 0:
            (view / path).unlink(missing_ok=True)
    _note(view, _UNPACKED, sorted({*_noted(view, _UNPACKED), *new}))
