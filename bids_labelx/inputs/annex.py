"""Files of DataLad datasets whose content was not fetched.

git-annex keeps large files as links into ``.git/annex/objects`` or, where they are unlocked or
the file system has no links, as small text files with the key.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

# git-annex takes no larger file for a pointer.
_LARGEST_POINTER = 32 * 1024
_POINTER = re.compile(rb"(?:(?:\.\./)*\.git)?/annex/objects/\S")


def display_path(path: Path, root: Path) -> str:
    """A path for messages, relative to the dataset if it is in it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def missing_reason(path: Path, root: Path) -> str | None:
    """Why the content of a file is missing and what to do; None if it is there.

    Only the size of a file is read, and the beginning of a small one.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= _LARGEST_POINTER:
            return None
        with path.open("rb") as stream:
            start = stream.read(200)
    except OSError as error:
        name = display_path(path, root)
        if not path.is_symlink() or error.errno != errno.ENOENT:
            return f"{name} cannot be read ({error.strerror})"
        target = os.readlink(path)  # noqa: PTH115
        advice = _fetch(name) if "annex/objects" in target else "mend the link or fetch the file"
        return f"{name} is a link to {target}, which is not there; {advice}"
    if _POINTER.match(start):
        name = display_path(path, root)
        return f"{name} is a git-annex pointer, its content was not fetched; {_fetch(name)}"
    return None


def _fetch(name: str) -> str:
    return f"fetch it with `git annex get {name}` or `datalad get {name}`"
