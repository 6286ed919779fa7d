"""The clone of a dataset that a file is in, and git-annex at work in it."""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bids_labelx.annexed import LARGEST_POINTER, Annexed, key_in

_PR_SET_PDEATHSIG = 1

# Seconds that git-annex may take to end after the last file.
_PATIENCE = 60.0

# Seconds between two looks at how much of a file has come.
_LOOK = 0.5


class Clone(NamedTuple):
    """A clone: its work tree, and the folder in which git keeps all else."""

    root: Path
    git: Path


def clone_of(path: Path) -> Clone | None:
    """The clone that a file is in; None where it is in none."""
    for folder in (path, *path.parents):
        place = folder / ".git"
        if place.is_file():
            # Of a subdataset, whose own folder is in that of the dataset above.
            words = place.read_text(encoding="utf-8", errors="surrogateescape").split(":", 1)
            place = folder / words[-1].strip()
        if place.is_dir():
            # Of a further work tree, what it shares with the others.
            shared = place / "commondir"
            common = shared.read_text(encoding="utf-8").strip() if shared.is_file() else ""
            return Clone(folder, (place.resolve() / common).resolve())
    return None


def copy_index(clone: Clone, to: Path) -> None:
    """Copy the index of a clone.

    git-annex writes into the index which unlocked files have their content, and leaves it locked
    for git where it is killed then. Of files that are dropped afterwards nothing need be in it.

    Raises
    ------
    OSError
    """
    words = ("git", "rev-parse", "--git-path", "index")
    told = subprocess.run(words, cwd=clone.root, capture_output=True, check=False).stdout
    shutil.copyfile(clone.root / os.fsdecode(told.rstrip(b"\n")), to)


def content_of(clone: Clone, one: Annexed) -> Path | None:
    """Where git-annex keeps the content of a file; None where it is not there."""
    if one.path.is_symlink():
        return one.path.resolve() if one.path.exists() else None
    words = ("git-annex", "contentlocation", one.key)
    done = subprocess.run(words, cwd=clone.root, capture_output=True, check=False)
    return (clone.root / os.fsdecode(done.stdout.rstrip(b"\n"))) if done.stdout.strip() else None


def drop_key(clone: Clone, key: str) -> str:
    """Drop content that is none of a file any more; why it could not be, or an empty text."""
    words = ("git-annex", "drop", f"--key={key}", "--json", "--json-error-messages")
    done = subprocess.run(
        words, cwd=clone.root, env=_environment(clone), capture_output=True, text=True, check=False
    )
    return _why_not(json.loads(done.stdout)) if done.stdout.strip() else _in_a_line(done.stderr)


class Batch:
    """One ``git annex get`` or ``drop`` for many files, one after the other.

    It ends with this process, killed or not.

    Attributes
    ----------
    patience
        Seconds without data or an answer after which it is killed.
    """

    def __init__(self, clone: Clone, command: str, patience: float, index: Path | None) -> None:
        self.patience = patience
        # What is fetched comes here first, also parts of it.
        self._unfinished = clone.git / "annex" / "tmp"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the object
        # Not as a command of git, which would have it as a child of its own that outlives it.
        words = ("git-annex", command, "--batch", "-z", "--json", "--json-error-messages")
        self._process = subprocess.Popen(
            words,
            cwd=clone.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Nobody reads it meanwhile, and a pipe that is full would stop git-annex.
            stderr=self._errors,
            # Ctrl-C is for this process, which may have something to drop then.
            start_new_session=True,
            env=_environment(clone) | ({} if index is None else {"GIT_INDEX_FILE": str(index)}),
            preexec_fn=_die_with_parent,
        )

    def do(self, path: Path, one: Annexed | None = None) -> str:
        """Fetch or drop a file, by its path in the clone; why it could not, or an empty text.

        `one` is what is fetched.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(os.fsencode(path) + b"\0")
            if not self._wait(one):
                self.end(kill=True)
                return (
                    f"no data came for {self.patience:g} s; see whether the remote can be "
                    "reached, and run again, or wait longer with --remote-timeout"
                )
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:
            # What it answers next would be taken for the answer to another question.
            self.end(kill=True)
            raise
        if not line:
            return self._last_words()
        # An empty line where there is nothing to do.
        return _why_not(json.loads(line)) if line.strip() else ""

    def _wait(self, one: Annexed | None) -> bool:
        """Wait for the answer; False where nothing moves for too long."""
        assert self._process.stdout is not None
        answer = select.poll()
        answer.register(self._process.stdout, select.POLLIN)
        seen, since = -1, time.monotonic()
        while not answer.poll(1000 * _LOOK):
            come = self._come(one)
            if come != seen:
                seen, since = come, time.monotonic()
            elif time.monotonic() - since > self.patience:
                return False
        return True

    def _come(self, one: Annexed | None) -> int:
        """A number that changes as long as something comes, or is checked when all has come.

        That is by all unfinished files, since a file may be taken out of an archive that is
        fetched first.
        """
        sizes: dict[str, int] = {}
        with suppress(OSError):
            for entry in os.scandir(self._unfinished):
                with suppress(OSError):
                    sizes[entry.name] = entry.stat().st_size
        if one is not None and one.size and sizes.get(one.key, 0) >= one.size:
            return time.monotonic_ns()
        return sum(sizes.values())

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing more."""
        return self._process.poll() is not None

    def end(self, *, kill: bool) -> None:
        """Let git-annex end, which writes down then what it did, or kill it."""
        if self.has_ended:
            return
        if kill:
            self._kill()
        try:
            self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.communicate()

    def _kill(self) -> None:
        """Kill git-annex and what it has work for it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        return _in_a_line(said) or "git-annex ended without a word"


class StagedKeys:
    """The keys of unlocked files, as git has them."""

    def __init__(self, clone: Clone) -> None:
        words = ("git", "cat-file", "--batch")
        self._process = subprocess.Popen(
            words,
            cwd=clone.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def key(self, path: Path) -> str | None:
        """The key of a file by its path in the clone; None where it is none of git-annex."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        name = os.fsencode(path)
        if b"\n" in name:
            return None
        try:
            self._process.stdin.write(b":" + name + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        about = self._process.stdout.readline().split()
        if len(about) != 3 or about[1] != b"blob":
            return None
        content = self._process.stdout.read(int(about[2]) + 1)[:-1]
        return key_in(content) if len(content) <= LARGEST_POINTER else None

    def end(self) -> None:
        """End git."""
        self._process.kill()
        self._process.communicate()


def _environment(clone: Clone) -> dict[str, str]:
    """The environment, with a name for commits where git has none: git-annex logs what it does."""
    named: dict[str, str] = {}
    for setting, variables in (
        ("user.name", ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")),
        ("user.email", ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")),
    ):
        command = ("git", "config", "--get", setting)
        if subprocess.run(command, cwd=clone.root, capture_output=True, check=False).returncode:
            named |= dict.fromkeys(variables, "bids_labelx")
    return {**named, **os.environ}


def _why_not(answer: dict[str, object]) -> str:
    """Why git-annex did not do what it was told, in one line; empty where it did."""
    if answer.get("success"):
        return ""
    messages = answer.get("error-messages")
    parts = [str(one) for one in messages] if isinstance(messages, list) else []
    text = _in_a_line("\n".join([*parts, str(answer.get("note", ""))]))
    return text or "git-annex gives no reason"


def _in_a_line(text: str) -> str:
    """The lines of a message as one, without those on what --force would do."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(line for line in lines if line and "--force" not in line)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
