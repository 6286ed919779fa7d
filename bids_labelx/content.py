"""Whether the content of a file is there, and reading it: regular files, fetched, of some size.

DataLad's git-annex keeps large files as links into ``.git/annex/objects`` or, where they are
unlocked or the file system has no links, as small text files with the key. Git LFS keeps small
text files in their place, too, and so do we for files of a store, see `bids_labelx.remote.mirror`.
Large tables of a compact output folder are there by name and size alone, see
`bids_labelx.outputs.unpacking`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, Protocol

from bids_labelx.annexed import LARGEST_POINTER, key_in, provide
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.remote.mirror import fetch

_LFS_POINTER = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v")

# Far above any table or sidecar, and below what a machine cannot hold.
LARGEST_FILE = 2**30

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda _: True, "a device"),
)


class Elsewhere(Protocol):
    """What has the bytes of some files that are in a folder by name alone."""

    def content(self, path: Path) -> bytes | None:
        """The bytes of such a file; None of any other."""


# What has the bytes of files that are read meanwhile, if anything has.
ELSEWHERE: ContextVar[Elsewhere | None] = ContextVar("elsewhere", default=None)


class _NotRegularError(OSError):
    """A folder, pipe, socket or device stands where a file is expected."""


def display_path(path: Path, root: Path | None) -> str:
    """A path for messages, relative to the dataset at `root` if it is in it."""
    inside = root is not None and path.is_relative_to(root)
    return path.relative_to(root).as_posix() if inside and root else str(path)


def is_listed(path: Path) -> bool:
    """Whether there is such a file; one whose content was not fetched, a link to nothing, too."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def missing_reason(path: Path, root: Path | None = None) -> str | None:
    """Why the content of a file is missing and what to do; None if it is there.

    Only the size of a file is read, and the beginning of a small one. A file of a store that is
    no series is fetched, and one of git-annex where that is asked for; a series that its reader
    will fetch counts as being there. `root` is the dataset that the message has the path relative
    to.
    """
    name = display_path(path, root)
    try:
        fetch(path)
        if provide(path):
            return None
        with _open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(200) if 0 < size <= LARGEST_POINTER else b""
    except MissingInputError as error:
        return str(error)
    except OSError as error:
        return _why_unreadable(path, name, error)
    return _why_pointer(start, name)


def read_content(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a file.

    Raises
    ------
    MissingInputError
        Where it cannot be read or its content was not fetched.
    BadDataError
        Where it is no regular file, or has more than `largest` bytes.
    """
    elsewhere = ELSEWHERE.get()
    if elsewhere is not None and (found := elsewhere.content(path)) is not None:
        return found
    try:
        fetch(path)
        provide(path)
        with _open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > largest:
                raise BadDataError(
                    f"{path}: {size / 1e6:.0f} MB; at most {largest / 1e6:.0f} MB are expected of "
                    "such a file"
                )
            content = stream.read()
    except _NotRegularError as error:
        raise BadDataError(_why_unreadable(path, str(path), error)) from None
    except OSError as error:
        raise MissingInputError(_why_unreadable(path, str(path), error)) from None
    if len(content) <= LARGEST_POINTER and (problem := _why_pointer(content, str(path))):
        raise MissingInputError(problem)
    return content


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file; anything else, which might be without end, is an `OSError`."""
    # A pipe that nobody writes to would keep waiting.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = next(words for holds, words in _KINDS if holds(mode))
        raise _NotRegularError(errno.EINVAL, f"it is {kind}, a regular file is expected")
    return os.fdopen(handle, "rb")


def _why_unreadable(path: Path, name: str, error: OSError) -> str:
    if not path.is_symlink() or error.errno != errno.ENOENT:
        return f"{name} cannot be read ({error.strerror})"
    target = os.readlink(path)  # noqa: PTH115
    advice = _fetch(name) if "annex/objects" in target else "mend the link or fetch the file"
    return f"{name} is a link to {target}, which is not there; {advice}"


def _why_pointer(start: bytes, name: str) -> str | None:
    if key_in(start) is not None:
        return f"{name} is a git-annex pointer, its content was not fetched; {_fetch(name)}"
    if _LFS_POINTER.match(start):
        return (
            f"{name} is a git-lfs pointer, its content was not fetched; fetch it with "
            "`git lfs pull`"
        )
    return None


def _fetch(name: str) -> str:
    return f"fetch it with `git annex get {name}` or `datalad get {name}`, or give --datalad get"
