"""Files that a dataset has a name for and whose content is somewhere else.

Datasets out of DataLad keep large files as links into ``.git/annex/objects`` or, where they are
unlocked or the file system has no links, as small text files that name the key. What was not
fetched leads nowhere.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

# git-annex itself takes no file that is larger for a pointer.
_LARGEST_POINTER = 32 * 1024
_POINTER = re.compile(rb"(?:(?:\.\./)*\.git)?/annex/objects/\S")


def shown(path: Path, root: Path) -> str:
    """A path as messages show it: within the dataset where it is there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def absence(path: Path, root: Path) -> str | None:
    """Why a file's content is not there and what to do; None where it is there.

    No more is read than the size of a file, and the beginning of a small one.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= _LARGEST_POINTER:
            return None
        with path.open("rb") as stream:
            start = stream.read(200)
    except OSError as error:
        name = shown(path, root)
        if not path.is_symlink() or error.errno != errno.ENOENT:
            return f"{name} cannot be read ({error.strerror})"
        target = os.readlink(path)  # noqa: PTH115
        cure = _fetch(name) if "annex/objects" in target else "mend the link or fetch the file"
        return f"{name} is a link to {target}, which is not there; {cure}"
    if _POINTER.match(start):
        name = shown(path, root)
        return f"{name} is a git-annex pointer, its content was not fetched; {_fetch(name)}"
    return None


def _fetch(name: str) -> str:
    return f"fetch it with `git annex get {name}` or `datalad get {name}`"
