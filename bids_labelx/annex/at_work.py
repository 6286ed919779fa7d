"""What opens a file can have it fetched, without being told who does it and whether.

The context variable holds the `bids_labelx.annex.fetching.Fetcher` at work, as long as it is.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from bids_labelx.annex.links import Annexed, annexed_link


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
