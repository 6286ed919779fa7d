"""The work folder of an invocation, which no other one on the same runs may share."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bids_labelx.errors import CannotWriteError, UsageError
from bids_labelx.settings import Settings


@contextmanager
def work_folder(settings: Settings) -> Iterator[Path]:
    """A place in the user's work folder, which stays, or a temporary one, which does not.

    Invocations that ask for other runs have places of their own; in one of them works one at a
    time.
    """
    try:
        if settings.work_dir is None:
            temporary = Path(tempfile.mkdtemp(prefix="bids_labelx-"))
        else:
            place = settings.work_dir / _selection(settings)
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = settings.work_dir or tempfile.gettempdir()
        raise CannotWriteError(f"work folder {where}: {error.strerror}") from None
    if settings.work_dir is None:
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return
    lock = FileLock(place / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(
            f"--work-dir {settings.work_dir}: another bids_labelx works on the same runs in "
            f"{place}; wait for it, or choose another folder. If there is none, remove "
            f"{error.lock_file}"
        ) from None
    try:
        for left in place.glob("records-*"):
            # Of an invocation that was killed.
            shutil.rmtree(left, ignore_errors=True)
        yield place
    finally:
        lock.release()


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
