"""Datasets of DataLad: fetching what an invocation reads of them, and dropping it again."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bids_labelx.annex.clone import clone_of
from bids_labelx.annex.fetching import Fetcher, Kept, fetching
from bids_labelx.errors import MissingInputError, UsageError
from bids_labelx.participant.fetched import how_to_fetch
from bids_labelx.settings import Settings
from bids_labelx.words import counted

LOGGER = logging.getLogger("bids_labelx")

# How git lists a subdataset.
_SUBDATASET = "160000"


@contextmanager
def content_fetched(
    settings: Settings, console: Console, *, of_participants: bool = True
) -> Iterator[Fetcher | None]:
    """Fetch what is read meanwhile, where that is asked for; drop it at the end, if that is.

    Parameters
    ----------
    settings
        With the datasets, and how their content is fetched.
    console
        Where it is told what could not be dropped.
    of_participants
        Whether the subdatasets of participants are installed, too.

    Raises
    ------
    UsageError
        Where git-annex is not there.
    MissingInputError
        Where a subdataset cannot be installed.
    """
    how = how_to_fetch(settings)
    if how is None:
        yield None
        return
    if not shutil.which("git-annex") or not shutil.which("git"):
        raise UsageError(
            f"--datalad {settings.datalad}: git-annex is not on the PATH; install it (`apt-get "
            "install git-annex`, or `conda install -c conda-forge git-annex`), or fetch the files "
            "before and leave the option out"
        )
    roots = [*settings.dataset_folders.values()]
    roots += [one for one in (settings.atlas_dataset, settings.results) if one]
    for root in roots:
        _install_subdatasets(root, settings.participant_label if of_participants else None)
    fetcher = None
    try:
        with fetching(how, drop_all=True) as fetcher:
            assert fetcher is not None
            for root in roots:
                fetcher.meet(root)
            yield fetcher
    finally:
        if fetcher is not None and fetcher.kept:
            console.print(f"warning: {_kept_in_words(fetcher.kept)}", markup=False, style="yellow")


def _kept_in_words(kept: Sequence[Kept]) -> str:
    first = kept[0]
    return (
        f"{counted(len(kept), 'file')} could not be dropped, and the same command tries again; of "
        f"{first.path}: {first.reason}"
    )


def _install_subdatasets(root: Path, participants: Sequence[str] | None) -> None:
    """Install a dataset that is a subdataset, and those of participants, as far as they are not.

    Parameters
    ----------
    root
        The dataset.
    participants
        Labels of those wanted; all if there are none, and no participant's with None.

    Raises
    ------
    MissingInputError
    """
    empty = [root] if _is_empty(root) else []
    if not empty and participants is not None and clone_of(root) is not None:
        wanted = {f"sub-{label}" for label in participants}
        of_participants = [root / path for path in _subdatasets(root)]
        empty = [
            path
            for path in of_participants
            if _is_empty(path)
            and path.relative_to(root).parts[0].startswith("sub-")
            and (not wanted or path.relative_to(root).parts[0] in wanted)
        ]
    for path in empty:
        above = clone_of(path.parent)
        if above is None or not _subdatasets(path):
            continue
        program = shutil.which("datalad")
        command = ["git", "submodule", "update", "--init", "--", str(path)]
        if program:
            command = [program, "get", "--no-data", str(path)]
        done = subprocess.run(command, cwd=above.root, capture_output=True, text=True, check=False)
        if done.returncode or _is_empty(path):
            said = " ".join((done.stderr or done.stdout).split())
            raise MissingInputError(
                f"{path}: the subdataset is not installed, and cannot be: {said[-300:]}"
            )
        LOGGER.info("%s: installed", path)


def _subdatasets(folder: Path) -> list[str]:
    """The subdatasets in a folder, or the one that it is, by path within it."""
    where = folder if not _is_empty(folder) else folder.parent
    which = "." if where == folder else folder.name
    command = ("git", "ls-files", "--stage", "-z", "--", which)
    listed = subprocess.run(command, cwd=where, capture_output=True, check=False)
    entries = [os.fsdecode(one) for one in listed.stdout.split(b"\0")]
    return [one.partition("\t")[2] for one in entries if one.startswith(_SUBDATASET)]


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
