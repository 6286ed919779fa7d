"""The work folder of an invocation, which no other one on the same runs may share."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from bids_labelx.errors import CannotWriteError, UsageError
from bids_labelx.files import disk_full, full_message
from bids_labelx.locks import has_ended, lock, locks_work, running_kernel, shown_alive
from bids_labelx.settings import Settings

LOGGER = logging.getLogger("bids_labelx")

_PREFIX, _ALIVE = "bids_labelx-", ".alive"
_WEEK = 7 * 86400.0

# Bits of a mode that let others than the owner write.
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def work_folder(settings: Settings) -> Iterator[Path]:
    """A place in the user's work folder, which stays, or a temporary one, which does not.

    Invocations that ask for other runs have places of their own; in one of them works one at a
    time.

    Raises
    ------
    CannotWriteError
        Where it cannot be made.
    UsageError
        Where another invocation works there, or others than this user may have written to it:
        what is in it is loaded as pickles are, which can run any code.
    """
    where = settings.work_dir or Path(tempfile.gettempdir())
    if "[" in str(where):
        raise UsageError(
            f"temporary folder {where}: nipype, which works there, takes [ in a path for a "
            "pattern; set TMPDIR to a folder without it, or give one with --work-dir"
        )
    with ExitStack() as stack:
        try:
            if settings.work_dir is None:
                place = stack.enter_context(temporary_folder(where))
            else:
                place = settings.work_dir / _selection(settings)
                _make_private(place)
                stack.enter_context(_locked(place, settings.work_dir))
        except OSError as error:
            if disk_full(error):
                raise CannotWriteError(full_message(error.filename or where, error)) from None
            raise CannotWriteError(f"work folder {where}: {error.strerror}") from None
        yield place


@contextmanager
def temporary_folder(where: Path) -> Iterator[Path]:
    """A folder below `where`, removed at the end, or by a later invocation if this is killed."""
    for left in where.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{running_kernel()}-", dir=where))
    try:
        with shown_alive(folder / _ALIVE):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a temporary folder of this user's whose invocation was killed."""
    with suppress(OSError):
        about = folder.lstat()
        if about.st_uid != os.geteuid() or not stat.S_ISDIR(about.st_mode):
            return
        if not (folder / _ALIVE).is_file():
            # A user's own, called like ours.
            return
        # Under another kernel, before a restart or on another machine, locks may not be seen.
        here = folder.name.startswith(f"{_PREFIX}{running_kernel()}-")
        if (here and has_ended(folder / _ALIVE)) or time.time() - about.st_mtime > _WEEK:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(place: Path, work_dir: Path) -> Iterator[None]:
    path = place / ".lock"
    if not locks_work(path):
        LOGGER.warning("%s: the file system knows no locks; a lock file is used", work_dir)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(path, 0))
        except Timeout as error:
            raise UsageError(
                f"--work-dir {work_dir}: another bids_labelx works on the same runs in {place}; "
                f"wait for it, or choose another folder. If there is none, remove "
                f"{error.lock_file}"
            ) from None
        for left in place.glob("records-*"):
            # Of an invocation that was killed.
            shutil.rmtree(left, ignore_errors=True)
        yield


def _make_private(place: Path) -> None:
    """Make a folder that nobody else can write to; refuse one where somebody else may have.

    Raises
    ------
    OSError, UsageError
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    # How the file system shows what is ours: some squash owners, or know no modes.
    descriptor, name = tempfile.mkstemp(prefix=".own-", dir=place)
    try:
        own = os.fstat(descriptor)
    finally:
        os.close(descriptor)
        Path(name).unlink()
    if own.st_mode & _OTHERS_WRITE:
        LOGGER.warning("%s: the file system keeps no modes; others may write there", place)
    # Behind a closed door, modes do not matter.
    closed = not place.stat().st_mode & 0o077
    found = [(place, place.lstat()), (place, place.stat())]
    for path, about in (*found, *((path, path.lstat()) for path in _below(place))):
        shared = about.st_mode & _OTHERS_WRITE & ~own.st_mode and not stat.S_ISLNK(about.st_mode)
        if about.st_uid == own.st_uid and (closed or not shared):
            continue
        whose = "others can write to" if about.st_uid == own.st_uid else "another user owns"
        raise UsageError(
            f"work folder {place}: {whose} {path}; what is in a work folder can run code, so it "
            "has to be yours alone: remove it, or choose another --work-dir"
        )
    place.chmod(0o700)


def _below(place: Path) -> Iterator[Path]:
    """Everything in a folder, itself left out; links are not followed."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(place, onerror=fail):
        yield from (Path(folder, name) for name in (*folders, *files))


def _selection(settings: Settings) -> str:
    """A name for the runs that are asked for: the same for the same command."""
    chosen = {
        name: getattr(settings, name)
        for name in ("session_label", "task_id", "run_id", "space", "res", "bids_filter_file")
    }
    participants = "_".join(f"sub-{label}" for label in settings.participant_label) or "all"
    if len(participants) <= 40 and not any(chosen.values()):
        return participants
    digest = hashlib.sha256(repr((participants, chosen)).encode()).hexdigest()[:12]
    return f"{participants[:40]}-{digest}"
