"""Results of nodes that a work folder keeps: whole, or made anew."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path

LOGGER = logging.getLogger("bids_labelx")


def _sizes_of(folder: Path) -> Path:
    """Where the sizes of a node's files are: beside its folder, in which nipype tidies up."""
    return folder.with_name(f"{folder.name}.sizes.json")


def settle(folder: Path, files: Iterable[Path]) -> None:
    """Have the files of a node on the disk before anything says that it is done."""
    sizes = {}
    for path in files:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            sizes[path.name] = path.stat().st_size
    _sizes_of(folder).write_text(json.dumps(sizes), encoding="utf-8")


def remove_broken(work: Path) -> None:
    """Remove the results of nodes that are not whole, after a power failure for instance.

    nipype would take the node as done, and each one that needs it would fail.
    """
    for result in list(work.rglob("result_*.pklz")):
        if not _is_whole(result):
            LOGGER.info("%s: made anew", result.parent)
            shutil.rmtree(result.parent, ignore_errors=True)


def _is_whole(result: Path) -> bool:
    """Whether nipype's file can be unpacked and the node's own files have their sizes."""
    try:
        with gzip.open(result) as stream:
            if not stream.read():
                return False
        # Lists of files, which are nipype's own nodes, have none: they are soon made.
        sizes = json.loads(_sizes_of(result.parent).read_text(encoding="utf-8"))
        return all((result.parent / name).stat().st_size == n for name, n in sizes.items())
    except (OSError, EOFError, zlib.error, ValueError, AttributeError):
        return False
