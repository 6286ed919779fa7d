"""Locks between invocations, and which invocations have ended.

A lock of the system (flock) goes with its process, killed or not, and is the same for all
containers on a machine, whatever they are called and however their processes are numbered. Some
file systems know none.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from bids_labelx.errors import CannotWriteError
from bids_labelx.files import cannot_write

# What flock says where there are no locks, or none to be had.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

# Seconds: long enough for a thousand invocations that hold a lock for a tenth of one each.
_PATIENCE = 300.0

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def new_token() -> str:
    """A name for an invocation, ``KERNEL.RANDOM``, that nobody else has or can guess."""
    return f"{running_kernel()}.{secrets.token_hex(8)}"


def running_kernel() -> str:
    """What tells this running system from others; containers on one machine share it."""
    try:
        return _BOOT.read_text(encoding="ascii").replace("-", "")[:12]
    except OSError:
        return f"{uuid.getnode():012x}"


def locks_work(path: Path) -> bool:
    """Whether the file system of this lock file, which is made, knows locks.

    Raises
    ------
    OSError
        Where the file cannot be made.
    """
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _NO_LOCKS
    return True


@contextmanager
def lock(path: Path, patience: float) -> Iterator[None]:
    """Hold a lock; where the file system knows none, by a file that is there or not.

    Parameters
    ----------
    path
        The lock file. It stays, since another process may be about to lock it.
    patience
        How long to wait for others, in seconds.

    Raises
    ------
    filelock.Timeout
        Where another process holds it for longer.
    OSError
        Where the file cannot be made.
    """
    held = FileLock(path) if locks_work(path) else SoftFileLock(f"{path}.soft")
    held.acquire(timeout=patience)
    try:
        yield
    finally:
        held.release()


@contextmanager
def waited_lock(path: Path) -> Iterator[None]:
    """Hold a lock, for which other invocations are waited for, minutes at most; see `lock`.

    Raises
    ------
    CannotWriteError
        Where another invocation holds it for longer, or its file or folder cannot be made.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock(path, _PATIENCE))
        except Timeout as error:
            raise CannotWriteError(
                f"{error.lock_file}: another invocation holds this lock for {_PATIENCE:.0f} s; "
                "if there is none, remove the file"
            ) from None
        except OSError as error:
            raise cannot_write(path, error) from None
        yield


@contextmanager
def shown_alive(path: Path) -> Iterator[None]:
    """Hold a lock that shows others that this process, or one forked from it, has not ended.

    Raises
    ------
    OSError
        Where the file cannot be made.
    """
    # Locked before it has its name: another process would take it for that of one that has ended.
    unseen = path.with_name(f"{path.name}.new")
    with unseen.open("ab") as stream:
        with suppress(OSError):
            # Without locks, nobody can tell: see `has_ended`.
            fcntl.flock(stream, fcntl.LOCK_EX)
        unseen.replace(path)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def has_ended(path: Path) -> bool:
    """Whether the process that showed itself alive by this file has certainly been killed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
