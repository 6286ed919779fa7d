"""The folders of a dataset: its participants, their files of interest, and when these change."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_labelx.inputs.queries import read_defaults
from bids_labelx.names import is_backup

# Folders below a participant without any file that the app reads. Masks of the anatomy and of
# other modalities have names that would match a BOLD image.
IGNORED = {"dwi", "figures", "fmap", "log", "logs", "perf", "pet", "surf", "xfm"}
ANATOMY = "anat"

# The ending of segmentations, which are not indexed by default and may be in anat/, too.
SEGMENTATIONS = "dseg.nii"

# Where the clock of a file system ticks in seconds, the times of its folders are whole ones.
_SECOND = 1_000_000_000
_COARSE_TICK, _FINE_TICK = 2 * _SECOND, _SECOND // 50

# By participant: the listed folders, relative to the dataset, with the time of their last change
# in nanoseconds; None where a change may not show in it.
Times = dict[str, dict[str, int | None]]
# By participant: the names of its folders, one unless each session has its own.
Folders = Mapping[str, Sequence[str]]


def list_participants(root: Path) -> list[str]:
    """Labels of the participants that have a folder, or files, in the dataset, sorted."""
    folders, files = participants_at_root(root)
    return sorted({*folders, *files})


def participants_at_root(root: Path) -> tuple[Folders, dict[str, list[str]]]:
    """By participant the names of the folders in the dataset, and the files beside them.

    tedana writes all files into one folder, C-PAC before 1.8.5 has folders ``sub-01_ses-1``.
    """
    folders, files = defaultdict(list), defaultdict(list)
    with os.scandir(root) as entries:
        for entry in entries:
            if not entry.name.startswith("sub-") or is_backup(entry.name):
                continue
            if _is_folder(entry):
                folders[entry.name[4:].partition("_ses-")[0]].append(entry.name)
            elif found := re.match(r"sub-([^_/.]+)_", entry.name):
                files[found[1]].append(entry.path)
    return folders, files


def index_filters(also: Sequence[str]) -> list[dict[str, list[str]]]:
    """The pybids filters of the files to index: the default ones, then one for each ending."""
    defaults = [{key: one[key] for key in one["index_by"]} for one in read_defaults().values()]
    extensions = {".nii": [".nii", ".nii.gz"]}
    pairs = [(ending.partition(".")[0], f".{ending.partition('.')[2]}") for ending in also]
    return [*defaults, *({"suffix": [s], "extension": extensions.get(e, [e])} for s, e in pairs)]


def name_pattern(filters: Sequence[Mapping[str, Sequence[str]]]) -> re.Pattern[str]:
    """The pattern of the names of files that pass one of the filters."""
    ends = []
    for one in filters:
        words = {key: f"({'|'.join(map(re.escape, values))})" for key, values in one.items()}
        desc = f"desc-{words['desc']}_(.*_)?" if "desc" in words else ""
        ends.append(f"_{desc}{words['suffix']}{words['extension']}$")
    return re.compile("|".join(ends))


def scan_folders(
    root: Path, participants: Folders, also: Sequence[str]
) -> tuple[list[str], Times, dict[Path, str]]:
    """The participants' files to index, when their folders changed, and which are unreadable."""
    ignored = IGNORED if SEGMENTATIONS in also else {*IGNORED, ANATOMY}
    names, in_anatomy = map(
        name_pattern, (index_filters(also), index_filters((SEGMENTATIONS,))[-1:])
    )
    files: list[str] = []
    times: Times = {}
    unreadable: dict[Path, str] = {}
    # Links may lead back up, or to a folder that was listed before.
    above = {_identity(folder) for folder in (root, *root.parents)}
    for label, names_at_root in participants.items():
        waiting, listed, times[label] = [root / name for name in names_at_root], set(above), {}
        linked: list[Path] = []
        while waiting or linked:
            # Links last, so that files are found where they really are.
            folder = waiting.pop() if waiting else linked.pop(0)
            if (identity := _identity(folder)) in listed:
                continue
            listed.add(identity)
            where = folder.relative_to(root).as_posix()
            pattern = in_anatomy if ANATOMY in folder.parts[len(root.parts) :] else names
            # The time before the listing, so that the next invocation sees a change in between.
            times[label][where] = settled_time(folder)
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                unreadable[folder] = error.strerror or str(error)
                times[label][where] = None
                continue
            for entry in found:
                if is_backup(entry.name):
                    continue
                if not _is_folder(entry):
                    files += [entry.path] if pattern.search(entry.name) else []
                elif entry.name not in ignored:
                    (linked if entry.is_symlink() else waiting).append(folder / entry.name)
    return files, times, unreadable


def _identity(folder: Path) -> tuple[int, int] | Path:
    """What is the same for all names of a folder."""
    try:
        found = folder.stat()
    except OSError:
        return folder
    return found.st_dev, found.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def folder_time(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def settled_time(folder: Path) -> int | None:
    """When a folder changed; None if so recently that another change could have that time."""
    now, changed = time.time_ns(), folder_time(folder)
    if changed is None:
        return None
    tick = _FINE_TICK if changed % _SECOND else _COARSE_TICK
    return changed if changed < now - tick else None
