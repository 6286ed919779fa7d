"""Fetching the content of files in git-annex for as long as somebody works on it.

Each process has a `Fetcher` of its own: the app's, for the small files that planning reads, and
that of each node, for its run.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import Timeout

from bids_labelx.annex.clone import (
    Batch,
    Clone,
    StagedKeys,
    clone_of,
    content_of,
    copy_index,
    drop_key,
)
from bids_labelx.annex.ledger import Ledger
from bids_labelx.annexed import AT_WORK, Annexed, annexed_link
from bids_labelx.errors import MissingInputError, Stopped
from bids_labelx.locks import shown_alive
from bids_labelx.remote.mirror import is_series

# Seconds to wait for nodes on other machines to end, where the invocation does.
_PATIENCE = 10.0


class Fetching(NamedTuple):
    """How an invocation fetches files.

    Attributes
    ----------
    drop
        Whether what was fetched is dropped when nobody works on it any more.
    token
        Of the invocation.
    patience
        Seconds without data after which a remote is given up.
    """

    drop: bool
    token: str
    patience: float


class Kept(NamedTuple):
    """A file that could not be dropped, and why."""

    clone: Clone
    path: Path
    reason: str


class Fetcher:
    """Fetches files, and drops what was fetched where that is asked for.

    Attributes
    ----------
    how
        What it was told to do.
    kept
        What could not be dropped.
    fetched
        The bytes of what was fetched, by key.
    """

    def __init__(self, how: Fetching) -> None:
        self.kept: list[Kept] = []
        self.fetched: dict[str, int] = {}
        self.how = how
        self._holder = f"{how.token}-{os.getpid()}-{secrets.token_hex(3)}"
        self._clones: dict[Path, Clone | None] = {}
        self._ledgers: dict[Path, Ledger] = {}
        self._batches: dict[tuple[Path, str], Batch] = {}
        # By clone and key, the file.
        self._held: dict[tuple[Path, str], Path] = {}
        self._alive: dict[Path, ExitStack] = {}
        self._staged: dict[Path, StagedKeys] = {}
        # Why a file could not be fetched: nobody waits for it twice.
        self._problems: dict[tuple[Path, str], str] = {}
        # Of clones whose remotes do not answer when files are to be dropped, the reason.
        self._given_up: dict[Path, str] = {}

    def find(self, path: Path) -> Annexed | None:
        """The file of git-annex that a path leads to, whether its content is there or not."""
        try:
            linked = annexed_link(path)
            one = path if linked is None else linked.path
            ledger = self._ledger(one.parent)
            if linked is not None or ledger is None:
                return linked
            key = ledger.unlocked_key(one) or self._key_of_populated(ledger, one)
        except OSError:
            # Who reads it finds out and says so.
            return None
        return None if key is None else Annexed(one, key)

    def meet(self, folder: Path) -> None:
        """Count a folder's clone among those in which something may be left to drop."""
        self._ledger(folder)

    def provide(self, path: Path) -> bool:
        """Fetch a small file; whether it is a series, which whoever reads it fetches.

        Raises
        ------
        MissingInputError
        """
        found = self.find(path)
        if found is None:
            return False
        if is_series(path) and found.is_absent:
            return True
        self._acquire(found)
        return False

    def acquire(self, paths: Iterable[Path]) -> None:
        """Fetch files, and keep others from dropping them.

        Raises
        ------
        MissingInputError
            Where one cannot be fetched.
        """
        for path in paths:
            if found := self.find(path):
                self._acquire(found)

    def release(self, *, drop_all: bool) -> None:
        """Let others drop what was acquired, and drop what nobody works on.

        Parameters
        ----------
        drop_all
            Whether that is all which any invocation left in the clones that were met, and not only
            what was acquired.
        """
        for (git, key), path in list(self._held.items()):
            ledger = self._ledgers[git]
            with ledger.locked(key):
                ledger.leave(key)
                if self.how.drop and not drop_all:
                    self._drop(ledger, key, path)
            del self._held[git, key]
        if self.how.drop and drop_all:
            for ledger in self._ledgers.values():
                if ledger.folder.is_dir():
                    self._drop_all(ledger)

    def end(self, *, kill: bool = False) -> None:
        """End git-annex wherever it works for this."""
        for key, batch in list(self._batches.items()):
            batch.end(kill=kill)
            del self._batches[key]
        while self._staged:
            self._staged.popitem()[1].end()

    def close(self) -> None:
        """Show others that this has ended."""
        for git, stack in self._alive.items():
            self._ledgers[git].remove_index(self._holder)
            stack.close()
        self._alive.clear()

    def _ledger(self, folder: Path) -> Ledger | None:
        """The ledger of the clone that a folder is in."""
        if folder not in self._clones:
            self._clones[folder] = clone_of(folder.resolve())
        clone = self._clones[folder]
        if clone is None:
            return None
        return self._ledgers.setdefault(clone.git, Ledger(clone, self._holder))

    def _key_of_populated(self, ledger: Ledger, path: Path) -> str | None:
        """The key of an unlocked file that has its content from another one with the same key."""
        git = ledger.clone.git
        if not ledger.has_marks():
            return None
        if git not in self._staged:
            self._staged[git] = StagedKeys(ledger.clone)
        key = self._staged[git].key(_inside(ledger.clone, path))
        if key is None or not ledger.is_marked(key):
            return None
        one = Annexed(path, key)
        if one.size != path.stat().st_size:
            return None
        ledger.note_unlocked(one)
        return key

    def _acquire(self, one: Annexed) -> None:
        ledger = self._ledger(one.path.parent)
        if ledger is None or (ledger.clone.git, one.key) in self._held:
            return
        # Looked at twice, as another process may be about to drop it.
        if not one.is_absent and not ledger.is_marked(one.key) and not one.is_absent:
            # It was there before, and stays.
            return
        known = ledger.clone.git, one.key
        try:
            if not (problem := self._problems.get(known, "")):
                self._show_alive(ledger)
                with ledger.locked(one.key):
                    problem = self._fetch(ledger, one)
                self._problems[known] = problem
        except Timeout as error:
            problem = f"another process has been fetching it for a day; see {error.lock_file}"
        except OSError as error:
            problem = (
                f"{error.filename or ledger.folder}: {error.strerror}; fetching writes into the "
                "clone, so use one of your own"
            )
        if problem:
            raise MissingInputError(
                f"{one.path}: its content is not there and cannot be fetched: {problem}"
            )

    def _fetch(self, ledger: Ledger, one: Annexed) -> str:
        """Fetch a file, the lock of whose key is held; why it cannot be, or an empty text."""
        if not one.is_absent:
            if self.how.drop and ledger.has_fetched(one.key):
                self._hold(ledger, one)
            else:
                ledger.unmark(one.key)
            return ""
        if self.how.drop:
            ledger.mark(one)
        self._hold(ledger, one)
        was_pointer = not one.path.is_symlink()
        try:
            problem = self._tell(ledger.clone, "get", one.path, one)
        finally:
            # Also where this was stopped, as git-annex may have been done by then.
            content = content_of(ledger.clone, one)
            if content is None:
                ledger.leave(one.key)
                del self._held[ledger.clone.git, one.key]
                ledger.unmark(one.key)
            elif self.how.drop:
                ledger.mark(one, content)
        if content is None or one.is_absent:
            return problem or "git-annex found nothing to fetch"
        self.fetched[one.key] = content.stat().st_size
        if was_pointer:
            ledger.note_unlocked(one)
        return ""

    def _hold(self, ledger: Ledger, one: Annexed) -> None:
        ledger.use(one.key)
        self._held[ledger.clone.git, one.key] = one.path

    def _show_alive(self, ledger: Ledger) -> None:
        git = ledger.clone.git
        if git not in self._alive:
            ledger.make()
            stack = ExitStack()
            stack.enter_context(shown_alive(ledger.alive))
            self._alive[git] = stack

    def _tell(self, clone: Clone, command: str, path: Path, one: Annexed | None = None) -> str:
        """Have git-annex get or drop a file; why it did not, or an empty text.

        `one` is what is fetched.
        """
        if command == "drop" and clone.git in self._given_up:
            return self._given_up[clone.git]
        key = clone.git, command
        other = clone.git, "drop" if command == "get" else "get"
        if other in self._batches:
            # Each keeps to itself for a while which unlocked files it has given their content.
            self._batches.pop(other).end(kill=False)
        if key not in self._batches:
            self._batches[key] = Batch(clone, command, self.how.patience, self._index(clone))
        try:
            problem = self._batches[key].do(_inside(clone, path), one)
            if self._batches[key].has_ended:
                del self._batches[key]
                if command == "drop":
                    self._given_up[clone.git] = problem
            return problem
        except BaseException:
            self._batches.pop(key).end(kill=True)
            raise

    def _index(self, clone: Clone) -> Path | None:
        """A copy of the index for git-annex to write to; None where that is to last."""
        if not self.how.drop:
            return None
        ledger = self._ledgers[clone.git]
        self._show_alive(ledger)
        copy_index(clone, ledger.index_copy)
        return ledger.index_copy

    def _drop(self, ledger: Ledger, key: str, path: Path) -> bool:
        """Drop content, the lock of whose key is held; whether others still work on it."""
        if not ledger.is_marked(key):
            return False
        if ledger.users(key):
            return True
        if not ledger.has_fetched(key):
            # Whoever was about to fetch it was killed. If it is there, somebody else did it.
            ledger.unmark(key)
            return False
        found = self.find(path)
        if found is not None and found.key == key:
            problem = self._tell(ledger.clone, "drop", path)
        else:
            # Another branch is checked out, or somebody wrote to the file.
            problem = drop_key(ledger.clone, key)
        if problem:
            self.kept.append(Kept(ledger.clone, path, problem))
        else:
            ledger.unmark(key)
        return False

    def _drop_all(self, ledger: Ledger) -> None:
        """Drop what nobody works on, when the nodes of this invocation have ended."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            ours = False
            self.kept = [
                one for one in self.kept if not one.path.is_relative_to(ledger.clone.root)
            ]
            for key, path in ledger.marks():
                with ledger.locked(key):
                    if self._drop(ledger, key, path):
                        ours |= any(one.startswith(self.how.token) for one in ledger.users(key))
            if not ours or time.monotonic() > deadline:
                break
            time.sleep(0.25)
        ledger.tidy()


def _inside(clone: Clone, path: Path) -> Path:
    """The path of a file in its clone, by its folder's real path, as that of the clone is."""
    return (path.parent.resolve() / path.name).relative_to(clone.root)


@contextmanager
def fetching(how: Fetching | None, *, drop_all: bool = False) -> Iterator[Fetcher | None]:
    """Fetch what is opened meanwhile; see `Fetcher.release` for what is dropped at the end."""
    if how is None:
        yield None
        return
    fetcher = Fetcher(how)
    token = AT_WORK.set(fetcher)
    try:
        yield fetcher
    finally:
        AT_WORK.reset(token)
        try:
            _end(fetcher, drop_all=drop_all)
        except Stopped:
            # In the middle of it, which is no reason to leave anything.
            fetcher.end(kill=True)
            _end(fetcher, drop_all=drop_all)
            raise


def _end(fetcher: Fetcher, *, drop_all: bool) -> None:
    try:
        fetcher.release(drop_all=drop_all)
    finally:
        fetcher.end()
    fetcher.close()


@contextmanager
def while_there(paths: Sequence[Path]) -> Iterator[None]:
    """Have the content of files for a moment, of series too, where anything is fetched."""
    at_work = AT_WORK.get()
    if not isinstance(at_work, Fetcher):
        yield
        return
    with fetching(at_work.how) as own:
        assert own is not None
        own.acquire(paths)
        yield
