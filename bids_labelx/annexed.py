"""Which files are kept by git-annex, and under which key.

A locked file is a link into ``.git/annex/objects``. An unlocked one is a short text with its key,
the pointer, until its content is fetched, which takes the pointer's place.

What opens a file can have its content fetched, without being told who does it and whether: the
context variable holds the `bids_labelx.annex.fetching.Fetcher` at work, as long as it is.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple, Protocol

# git-annex takes no larger file for a pointer.
LARGEST_POINTER = 32 * 1024

_OBJECTS = "annex/objects/"
_POINTER = re.compile(rb"(?:(?:\.\./)*\.git)?/annex/objects/(\S+)")
_SIZE = re.compile(r"^[^-]+(?:-[a-zA-Z]\d+)*?-s(\d+)(?:-|$)")

# Links to links, as of a dataset that was imported.
_MOST_LINKS = 16


class Annexed(NamedTuple):
    """A file of git-annex.

    Attributes
    ----------
    path
        The link or the pointer itself, whichever links lead to it.
    key
        What git-annex calls the content.
    """

    path: Path
    key: str

    @property
    def size(self) -> int:
        """The bytes of the content; 0 where the key does not say them, as of some URLs."""
        found = _SIZE.match(self.key.partition("--")[0])
        return int(found[1]) if found else 0

    @property
    def is_absent(self) -> bool:
        """Whether the content is not there."""
        return not self.path.exists() or pointer_key(self.path) is not None


def annexed_link(path: Path) -> Annexed | None:
    """The file of git-annex that a path leads to; None of others, unlocked ones with content too.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            break
        target = os.readlink(path)  # noqa: PTH115
        if _OBJECTS in target:
            return Annexed(path, target.rpartition("/")[2])
        path = path.parent / target
    key = pointer_key(path)
    return None if key is None else Annexed(path, key)


def pointer_key(path: Path) -> str | None:
    """The key in a pointer; None of any other file.

    Raises
    ------
    OSError
        Where there is a file that cannot be read.
    """
    if not path.is_file() or not 0 < path.stat().st_size <= LARGEST_POINTER:
        return None
    with path.open("rb") as stream:
        return key_in(stream.read(1024))


def key_in(start: bytes) -> str | None:
    """The key in a file that starts so, where it is a pointer; else None."""
    found = _POINTER.match(start)
    return found[1].rpartition(b"/")[2].decode(errors="backslashreplace") if found else None


class Provider(Protocol):
    """What fetches files."""

    def find(self, path: Path) -> Annexed | None:
        """The file of git-annex that a path leads to."""

    def provide(self, path: Path) -> bool:
        """Fetch a small file; whether it is a series, which whoever reads it fetches."""


AT_WORK: ContextVar[Provider | None] = ContextVar("at_work", default=None)


def annexed(path: Path) -> Annexed | None:
    """The file of git-annex that a path leads to.

    Of unlocked files with content, only those that were fetched by the app are known, and only
    while it fetches.
    """
    at_work = AT_WORK.get()
    if at_work is not None:
        return at_work.find(path)
    try:
        return annexed_link(path)
    except OSError:
        # Who reads it finds out and says so.
        return None


def provide(path: Path) -> bool:
    """Fetch a small file where that is asked for; see `Provider.provide`.

    Raises
    ------
    MissingInputError
        Where it cannot be fetched.
    """
    at_work = AT_WORK.get()
    return at_work is not None and at_work.provide(path)
