"""Bringing the mirror of a dataset up to date: what is listed, and what is fetched at once."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

from bids_labelx.remote.mirror import Mirror, fetch, keep_listing, kept_folders, remove_folder
from bids_labelx.remote.store import Store, Version

T = TypeVar("T")

# Questions that are asked at once.
_AT_ONCE = 16

# Tables, sidecars and masks.
_SMALL = r"\.(json|tsv)$|_mask\.nii(\.gz)?$"
# Of pages, transforms and surfaces, which are not read.
_NOT_READ = (".html", ".svg", ".png", ".jpg", ".gif", ".h5", ".x5", ".lta", ".mat", ".surf.gii")


@dataclass(frozen=True)
class Wanted:
    """What is asked for of a dataset.

    Attributes
    ----------
    participants
        Labels; all where there are none.
    starts
        How the names of its folders begin that are listed.
    without
        Names of folders that are not looked into.
    entities
        By key, the labels that are asked for: files with others are not fetched at once.
    at_once
        A pattern of the paths of files that are fetched before anything runs.
    """

    participants: tuple[str, ...] = ()
    starts: tuple[str, ...] = ("sub-",)
    without: Collection[str] = ()
    entities: Mapping[str, Collection[str]] = field(default_factory=dict)
    at_once: str = _SMALL

    def folder(self, name: str) -> bool:
        """Whether one of the first folders is listed."""
        if not self.participants or not name.startswith("sub-"):
            return name.startswith(self.starts)
        return name[4:].partition("_ses-")[0] in self.participants

    def file(self, name: str) -> bool:
        """Whether a file, given by its path in the dataset, is in the mirror."""
        path = PurePosixPath(name)
        parts = name.split("/")
        plain = not any(part in ("", ".", "..") or part.startswith("mirror-") for part in parts)
        inside = not set(self.without) & set(path.parts[1:-1])
        return plain and inside and not path.name.lower().endswith(_NOT_READ)

    def now(self, name: str) -> bool:
        """Whether a file is fetched before anything runs."""
        if not re.search(self.at_once, name):
            return False
        last = name.rpartition("/")[2]
        own = dict(part.partition("-")[::2] for part in last.split("_"))
        return all(own.get(key) in (None, *labels) for key, labels in self.entities.items())


def update_mirror(mirror: Mirror, wanted: Wanted) -> None:
    """List what is asked for of a dataset, and fetch its tables, sidecars and masks.

    What has not changed since it was listed before is not fetched again.

    Raises
    ------
    OSError
        Where the dataset cannot be listed, a file not be fetched, or the mirror not be written.
    """
    store = Store(mirror.url, mirror.access)
    folders, top = store.names(mirror.url)
    if not folders and not top:
        raise FileNotFoundError(
            errno.ENOENT,
            "nothing is listed there; give the folder of a dataset, which a web server has to "
            "list the files of",
            mirror.url,
        )
    with _threads() as threads:
        found: dict[str, dict[str, Version]] = {
            "": _versions(store, [name for name in top if wanted.file(name)], threads.map)
        }
        listed = [name for name in folders if wanted.folder(name)]
        if store.lists_below:
            below = threads.map(lambda name: store.files_below(f"{mirror.url}/{name}"), listed)
            for name, files in zip(listed, below, strict=True):
                inside = {f"{name}/{one}": version for one, version in files.items()}
                found[name] = {one: v for one, v in inside.items() if wanted.file(one)}
        else:
            below_each = threads.map(lambda name: list(_walk(store, name, wanted)), listed)
            names = dict(zip(listed, below_each, strict=True))
            of_all = _versions(store, [one for own in names.values() for one in own], threads.map)
            found |= {name: {one: of_all[one] for one in own} for name, own in names.items()}
        for name in set(kept_folders(mirror)) - set(folders):
            remove_folder(mirror, name)
        for name in folders:
            if name.startswith(wanted.starts):
                # Of a participant who is not asked for the folder alone.
                (mirror.root / name).mkdir(exist_ok=True)
        for name, files in found.items():
            keep_listing(mirror, name, files)
        small = (one for files in found.values() for one in files if wanted.now(one))
        _all_of(threads.map(lambda name: fetch(mirror.root / name, store), small))


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that ask; at an error nothing more is asked."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _versions(
    store: Store, names: Iterable[str], each: Callable[..., Iterator[Version]]
) -> dict[str, Version]:
    """The version of each file, given by its path in the dataset."""
    known = list(names)
    return dict(
        zip(known, each(lambda name: store.version(store.file_url(name)), known), strict=True)
    )


def _walk(store: Store, first: str, wanted: Wanted) -> Iterator[str]:
    """The paths of all files in one of the first folders, a question a folder."""
    waiting = [first]
    while waiting:
        folder = waiting.pop()
        folders, files = store.names(store.file_url(folder))
        yield from (path for name in files if wanted.file(path := f"{folder}/{name}"))
        waiting += [f"{folder}/{name}" for name in folders if wanted.file(f"{folder}/{name}/x")]


def _all_of(outcomes: Iterator[None]) -> None:
    """Wait for all; the first error is raised."""
    for _ in outcomes:
        pass
