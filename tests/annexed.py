"""Datasets of DataLad with the content in a store beside them, which can be slow or gone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_datalad = pytest.mark.skipif(
    not (shutil.which("git-annex") and shutil.which("datalad")),
    reason="git-annex or datalad is not installed",
)

# For programs that commit, whoever runs the tests.
_NAMED = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "tests"), ("EMAIL", "tests@localhost"))
}

# The remote: what git-annex runs to store, fetch, look for and remove a key. While the file
# `halt` is there, a file whose key is in it is begun and never ended.
_HOOKS = {
    "store": 'cp "$ANNEX_FILE" "{store}/$ANNEX_KEY"',
    "retrieve": 'echo "$ANNEX_KEY" >>"{store}.asked"; '
    'if grep -qsF "$ANNEX_KEY" "{store}.halt"; then touch "{store}.halted"; sleep 60; fi; '
    'cp "{store}/$ANNEX_KEY" "$ANNEX_FILE"',
    "checkpresent": 'test -d "{store}" || exit 1; '
    'if test -e "{store}/$ANNEX_KEY"; then echo "$ANNEX_KEY"; fi',
    "remove": 'rm -f "{store}/$ANNEX_KEY"',
}


def told(root: Path, *command: str) -> str:
    """What a command says in a folder."""
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **_NAMED},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True)
class Annexed:
    """A dataset whose content is in a store, and not here."""

    root: Path
    store: Path

    @property
    def here(self) -> set[str]:
        """The files whose content is here, as git-annex tells."""
        return set(told(self.root, "git", "annex", "find", "--in", "here").splitlines())

    @property
    def asked(self) -> list[str]:
        """The keys that the store was asked for, one after the other."""
        path = Path(f"{self.store}.asked")
        return path.read_text().splitlines() if path.exists() else []

    @property
    def marks(self) -> list[Path]:
        """What the app has written down as to be dropped."""
        return sorted(self.root.glob(".git/bids_labelx/fetched/*"))

    def key(self, name: str) -> str:
        return told(self.root, "git", "annex", "lookupkey", name).strip()

    def keys(self, names: Iterable[str]) -> set[str]:
        return {self.key(name) for name in names}

    def get(self, *names: str) -> None:
        """Fetch files as a user does; the store forgets that it was asked."""
        told(self.root, "git", "annex", "get", *names)
        Path(f"{self.store}.asked").unlink()

    def unlock(self) -> None:
        """Make all files pointers."""
        told(self.root, "git", "annex", "unlock", "--quiet")
        told(self.root, "git", "commit", "-qam", "unlocked")

    def halt(self, *names: str) -> Path:
        """Have the store never end to give files; the path that is there when it was asked."""
        Path(f"{self.store}.halt").write_text("".join(f"{self.key(name)}\n" for name in names))
        return Path(f"{self.store}.halted")

    def go_on(self) -> None:
        Path(f"{self.store}.halt").unlink()
        Path(f"{self.store}.halted").unlink(missing_ok=True)


def annex(plain: Path, root: Path, store: Path) -> Annexed:
    """A copy of a dataset, all of whose files are in a store alone."""
    shutil.copytree(plain, root)
    store.mkdir(parents=True)
    told(root, "datalad", "-l", "error", "create", "--force", ".")
    told(root, "datalad", "-l", "error", "save", "-m", "all", ".")
    _set_hooks(root, store)
    told(
        *(root, "git", "annex", "initremote", "store", "type=hook", "hooktype=slow"),
        "encryption=none",
    )
    told(root, "git", "annex", "copy", "--quiet", "--to", "store")
    told(root, "git", "annex", "drop", "--quiet")
    return Annexed(root, store)


def annexed_copy(of: Annexed, root: Path, store: Path) -> Annexed:
    """A dataset like another one, with a store of its own."""
    shutil.copytree(of.root, root, symlinks=True)
    shutil.copytree(of.store, store)
    _set_hooks(root, store)
    return Annexed(root, store)


def _set_hooks(root: Path, store: Path) -> None:
    for name, command in _HOOKS.items():
        hook = command.format(store=store)
        told(root, "git", "config", f"annex.slow-{name}-hook", hook)
