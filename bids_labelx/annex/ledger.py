"""What was fetched into a clone and who works on it: kept in the clone, so that all know it.

In ``bids_labelx/`` of the folder of git lie, by digests of keys,

- ``fetched/KEY.json``, the mark of content that is to be dropped. It is written before the
  content is fetched, so that it is known whatever happens then, and afterwards with the inode and
  the times of the content, by which it is told from what a user fetched since;
- ``used/KEY.HOLDER``, for each process that works on such content;
- ``alive/HOLDER``, which its holder has locked: the system unlocks it where that is killed;
- ``unlocked/PATH.json``, the keys of unlocked files, which have no pointer any more;
- ``indexes/HOLDER``, a copy of git's index, see `bids_labelx.annex.clone.copy_index`;
- ``locks/``, one of which is held while something of this is changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from bids_labelx.annex.clone import Clone
from bids_labelx.annexed import Annexed
from bids_labelx.locks import has_ended, lock

# Seconds to wait for another process to fetch a file.
_PATIENCE = 24 * 3600.0

_FOLDERS = ("fetched", "used", "alive", "unlocked", "indexes", "locks")


class Mark(NamedTuple):
    """Content that is to be dropped: its key, and the file that it was fetched as."""

    key: str
    path: Path


class Ledger(NamedTuple):
    """The ledger of a clone, as one holder sees and writes it.

    Attributes
    ----------
    clone
        The clone.
    holder
        A name that no other process has: ``TOKEN-…`` with the invocation's token.
    """

    clone: Clone
    holder: str

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.clone.git / "bids_labelx"

    @property
    def alive(self) -> Path:
        """What shows that its holder has not ended."""
        return self.folder / "alive" / self.holder

    @property
    def index_copy(self) -> Path:
        """The holder's copy of git's index."""
        return self.folder / "indexes" / self.holder

    def make(self) -> None:
        """Make the folders.

        Raises
        ------
        OSError
        """
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def locked(self, key: str) -> AbstractContextManager[None]:
        """Keep others from changing anything of a key.

        Some keys share a lock: lock files stay, and would be as many as files.
        """
        return lock(self.folder / "locks" / digest_of(key)[:3], _PATIENCE)

    def is_marked(self, key: str) -> bool:
        """Whether the content of a key was fetched to be dropped."""
        return self._mark(key).exists()

    def mark(self, one: Annexed, content: Path | None = None) -> None:
        """Write down that the content of a file is to be dropped, and where it is if it is there.

        Raises
        ------
        OSError
        """
        note: dict[str, object] = {"path": self._inside(one.path), "key": one.key}
        if content is not None:
            note["content"] = os.path.relpath(content, self.clone.git)
            note["state"] = _state(content)
        _write(self._mark(one.key), note)

    def has_fetched(self, key: str) -> bool:
        """Whether the content that is there is what was fetched to be dropped, and no other."""
        note = _read(self._mark(key))
        try:
            return note["state"] == _state(self.clone.git / str(note["content"]))
        except (KeyError, OSError):
            return False

    def unmark(self, key: str) -> None:
        """Write down that the content of a key is not to be dropped, or was."""
        self._mark(key).unlink(missing_ok=True)

    def has_marks(self) -> bool:
        """Whether anything is to be dropped."""
        return next((self.folder / "fetched").glob("*.json"), None) is not None

    def marks(self) -> Iterator[Mark]:
        """All content that is to be dropped."""
        for path in sorted((self.folder / "fetched").glob("*.json")):
            if content := _read(path):
                yield Mark(str(content.get("key")), self.clone.root / str(content.get("path")))

    def use(self, key: str) -> None:
        """Write down that the holder works on the content of a key."""
        self._use(key).touch()

    def leave(self, key: str) -> None:
        """Write down that the holder does not work on it any more."""
        self._use(key).unlink(missing_ok=True)

    def users(self, key: str) -> list[str]:
        """The holders that work on the content of a key; those that were killed are forgotten."""
        found = []
        for path in (self.folder / "used").glob(f"{digest_of(key)}.*"):
            holder = path.name.partition(".")[2]
            alive = self.folder / "alive" / holder
            if alive.exists() and not has_ended(alive):
                found.append(holder)
            else:
                path.unlink(missing_ok=True)
        return found

    def remove_index(self, holder: str) -> None:
        """Remove a holder's copy of git's index, with the lock that a killed git-annex left."""
        for path in (self.folder / "indexes").glob(f"{holder}*"):
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what holders left that were killed, and keys of files that are pointers again."""
        for path in (self.folder / "alive").glob("*"):
            if has_ended(path):
                path.unlink(missing_ok=True)
                self.remove_index(path.name)
        for path in (self.folder / "unlocked").glob("*.json"):
            file = self.clone.root / str(_read(path).get("path"))
            if not file.is_file() or self.unlocked_key(file) is None:
                path.unlink(missing_ok=True)

    def note_unlocked(self, one: Annexed) -> None:
        """Write down the key of an unlocked file, whose content was just fetched."""
        status = one.path.stat()
        content = {
            "path": self._inside(one.path),
            "key": one.key,
            "size": status.st_size,
            "changed": status.st_mtime_ns,
        }
        _write(self._unlocked(one.path), content)

    def unlocked_key(self, path: Path) -> str | None:
        """The key of an unlocked file that was fetched; None where it was written to since."""
        content = _read(self._unlocked(path))
        if not content:
            return None
        status = path.stat()
        same = (status.st_size, status.st_mtime_ns) == (
            content.get("size"),
            content.get("changed"),
        )
        return str(content["key"]) if same else None

    def _mark(self, key: str) -> Path:
        return self.folder / "fetched" / f"{digest_of(key)}.json"

    def _use(self, key: str) -> Path:
        return self.folder / "used" / f"{digest_of(key)}.{self.holder}"

    def _unlocked(self, path: Path) -> Path:
        return self.folder / "unlocked" / f"{digest_of(self._inside(path))}.json"

    def _inside(self, path: Path) -> str:
        return os.path.relpath(path.parent.resolve() / path.name, self.clone.root)


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def digest_of(text: str) -> str:
    """A name for a file, of a key or a path, that has any characters."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Write a note whole; the lock of its key is held."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _read(path: Path) -> dict[str, object]:
    """A note; empty where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
