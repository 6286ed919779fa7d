"""Whether the files that a step reads are still those that the run was planned with."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bids_labelx.annexed import annexed
from bids_labelx.content import missing_reason
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.remote.mirror import remote_file


class FileState(NamedTuple):
    """A file as it was found; the numbers are -1 where there was none.

    Attributes
    ----------
    path
        The file.
    size, changed
        Its size in bytes and the time of its last change in nanoseconds.
    inode
        Tells a file that replaced another of the same size and time.
    touched
        The time in nanoseconds of the last change of content or status, which cannot be set back:
        it tells a file that was written to and given its earlier time.
    key
        Of a file in git-annex, which says all of its content, there or not: the times are 0.

    Of a file of a store all is as it was listed; its ETag is in the place of the inode.
    """

    path: str
    size: int
    changed: int
    inode: int
    touched: int
    key: str = ""


def file_state(path: Path) -> FileState:
    """The state of a file as it is now."""
    if remote := remote_file(path):
        version = remote.version
        etag = zlib.crc32(version.etag.encode())
        return FileState(str(path), version.size, version.changed * 10**9, etag, 0)
    if found := annexed(path):
        return FileState(str(path), found.size, 0, 0, 0, found.key)
    try:
        status = path.stat()
    except OSError:
        return FileState(str(path), -1, -1, -1, -1)
    times = status.st_mtime_ns, status.st_ctime_ns
    return FileState(str(path), status.st_size, times[0], status.st_ino, times[1])


def is_absent(path: Path) -> bool:
    """Whether a file is one of git-annex whose content is not there."""
    found = annexed(path)
    return found is not None and found.is_absent


def check_unchanged(states: Iterable[FileState]) -> None:
    """Refuse files that were removed or written to since.

    Inodes are not compared: some network file systems give a file another one at any time.

    Raises
    ------
    MissingInputError, BadDataError
    """
    # Plugins for clusters make plain tuples of named ones.
    for before in (FileState(*one) for one in states):
        path = Path(before.path)
        now = file_state(path)
        if now.size < 0 or is_absent(path):
            raise MissingInputError(
                f"{missing_reason(path) or path}; it was there when the run was planned"
            )
        if (now.size, now.changed, now.key) != (before.size, before.changed, before.key):
            raise BadDataError(
                f"{path}: changed since the run was planned ({before.size} bytes then, {now.size} "
                "now); run again when nothing writes to it"
            )
