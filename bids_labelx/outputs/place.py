"""Where an output folder really is: not in the input, and without links that lead out of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bids_labelx.errors import UsageError

# By device and number: what is the same for all names of a folder.
_Identity = tuple[int, int]

# Folders in the output folder that the app writes to, besides those of participants.
_FOLDERS = ("logs", "figures", "report", "store", "derivatives")


def check_place(
    datasets: Mapping[str, Path], output: Path, others: Mapping[str, Path | None]
) -> None:
    """Refuse an output folder that is the input, or in the folder of a participant of it.

    Names may differ: one may be a link to the other, or mounted a second time.

    Parameters
    ----------
    datasets
        The folders of the input, by what they are called in messages: ``BIDS_DIR``.
    output
        The folder of the output.
    others
        Folders by the option they are of, of which none may be the input.

    Raises
    ------
    UsageError
    """
    for called, root in datasets.items():
        own = _identity(root)
        if own is not None:
            _check_beside(f"{called} {root}", root, own, output, others)


def _check_beside(
    dataset: str, root: Path, own: _Identity, output: Path, others: Mapping[str, Path | None]
) -> None:
    for option, folder in {"OUTPUT_DIR": output, **others}.items():
        if folder is not None and _identity(folder) == own:
            another = "" if folder == root else " under another name"
            raise UsageError(
                f"{option} {folder} is {dataset}{another}: choose a folder of its own"
            )
    participants = dict(_participants(root, own))
    real = Path(os.path.realpath(output))
    for folder in (real, *real.parents):
        name = participants.get(_identity(folder))
        if name is not None:
            raise UsageError(
                f"OUTPUT_DIR {output} lies in the folder of {name} in {dataset}, where it would "
                "be taken for input: choose another folder"
            )


def _identity(folder: Path) -> _Identity | None:
    """None where there is no such folder."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _participants(bids_dir: Path, own: _Identity) -> Iterator[tuple[_Identity | None, str]]:
    """Names of the participants' folders by what they are."""
    try:
        entries = list(os.scandir(bids_dir))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("sub-"):
            # What is mounted or linked there has another number than its entry.
            linked = entry.is_symlink() or os.path.ismount(entry.path)
            identity = _identity(Path(entry.path)) if linked else (own[0], entry.inode())
            yield identity, entry.name


def check_links(output: Path, participants: Iterable[str], *, follow: bool) -> None:
    """Refuse links to folders elsewhere in the folders that results are written to.

    Raises
    ------
    UsageError
        Where there are such links, with each, and they are not to be followed.
    """
    if follow:
        return
    names = (*_FOLDERS, *(f"sub-{label}" for label in participants))
    root = os.path.realpath(output)
    found = [path for name in names for path in _links_out(output / name, root)]
    if found:
        shown = [f"{path.relative_to(output)} → {os.path.realpath(path)}" for path in found[:6]]
        more = [f"and {len(found) - 6} more"] if len(found) > 6 else []
        raise UsageError(
            f"OUTPUT_DIR {output} has links that lead out of it, so that results would be "
            "written elsewhere; remove them, or give --follow-links if that is wanted:\n"
            + "\n".join([*shown, *more])
        )


def _links_out(folder: Path, root: str) -> Iterator[Path]:
    """The folder or those below it, if they are links out of `root`; the lock is a file."""
    if folder.is_symlink():
        if (folder.is_dir() or folder.name == ".lock") and not _is_inside(folder, root):
            yield folder
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink() or entry.is_dir(follow_symlinks=False):
            yield from _links_out(Path(entry.path), root)


def _is_inside(path: Path, root: str) -> bool:
    return os.path.commonpath([root, os.path.realpath(path)]) == root
