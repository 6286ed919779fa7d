"""A dataset of a store as a tree of folders on a disk, in which most files are pointers.

A mirror is a folder ``mirror-<digest of the URL>`` with ``about.json``, which says the URL; a
folder for each first folder of the dataset, in ``listing/``, with what the store said of its
files; and the tree, whose name is the last one of the URL. There each file is either a short text,
the pointer, or its content, which is fetched where it is first opened. A series is never fetched:
whoever reads it opens a stream, which the path is enough for, in any process.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bids_labelx.remote.store import Access, Store, Version
from bids_labelx.remote.stream import RemoteFile
from bids_labelx.remote.urls import url_in

POINTER = b"bids_labelx: this file is read from "

_NAME = re.compile(r"mirror-[0-9a-f]{12}")
_ABOUT, _LISTING = "about.json", "listing"
# The listing of the files beside the folders of a dataset.
_TOP = "files"

# What is read as a stream: images of a series.
_SERIES = re.compile(r"_bold\.(nii(\.gz)?|dtseries\.nii|func\.gii(\.gz)?)$")

Listed = Mapping[str, Version]


class Mirror(NamedTuple):
    """A mirror.

    Attributes
    ----------
    folder
        Of the mirror.
    url
        Of the dataset.
    access
        How its store is asked.
    """

    folder: Path
    url: str
    access: Access

    @property
    def root(self) -> Path:
        """The dataset's tree."""
        return self.folder / (self.url.rstrip("/").rpartition("/")[2] or "dataset")

    def listing(self, first: str) -> Path:
        """What the store said of the files in one of the first folders; of none those beside."""
        return self.folder / _LISTING / f"{first or _TOP}.json"


def make_mirror(place: Path, url: str, access: Access) -> Mirror:
    """The mirror of a dataset below a folder, which is kept if it is there.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    mirror = Mirror(place / f"mirror-{digest}", url, access)
    place.mkdir(parents=True, exist_ok=True)
    # What needs credentials is for this user alone.
    mirror.folder.mkdir(mode=0o700, exist_ok=True)
    mirror.root.mkdir(exist_ok=True)
    (mirror.folder / _LISTING).mkdir(exist_ok=True)
    about = {"url": url, **access._asdict()}
    write_whole(mirror.folder / _ABOUT, json.dumps(about).encode())
    return mirror


def mirror_of(path: Path) -> Mirror | None:
    """The mirror that a path is in; None of other paths."""
    for folder in path.parents:
        if _NAME.fullmatch(folder.name):
            try:
                about = json.loads((folder / _ABOUT).read_bytes())
                return Mirror(folder, about.pop("url"), Access(**about))
            except (OSError, ValueError, LookupError, TypeError):
                return None
    return None


def url_of(path: Path) -> str | None:
    """The URL of what a path in a mirror stands for; None of other paths."""
    mirror = mirror_of(path)
    if mirror is None or not path.is_relative_to(mirror.root):
        return None
    return url_in(mirror.url, path.relative_to(mirror.root).as_posix())


def uri_of(path: Path) -> str:
    """The URL of a folder or file: of one in a mirror where it really is."""
    return url_of(path) or path.as_uri()


def place_of(path: Path) -> str:
    """Where a folder or file really is: the URL of what a mirror has, else the path."""
    return url_of(path) or str(path)


def remote_file(path: Path) -> RemoteFile | None:
    """The file of the store that a path in a mirror stands for; None of other paths."""
    mirror = mirror_of(path)
    if mirror is None or not path.is_relative_to(mirror.root):
        return None
    inside = path.relative_to(mirror.root)
    first = inside.parts[0] if len(inside.parts) > 1 else ""
    version = read_listing(mirror, first).get(inside.as_posix())
    if version is None:
        return None
    return RemoteFile(url_in(mirror.url, inside.as_posix()), version, mirror.access)


def is_series(path: Path) -> bool:
    """Whether a file is a series by its name, which is read where it is and never fetched here."""
    return _SERIES.search(path.name) is not None


def remote_series(path: Path) -> RemoteFile | None:
    """The series that is to be read as a stream; None of a file on a disk."""
    return remote_file(path) if is_series(path) else None


def fetch(path: Path, store: Store | None = None) -> None:
    """Have the content of a file of a mirror in the place of its pointer.

    A series stays a pointer, and what is no pointer stays as it is.

    Raises
    ------
    OSError
        Where it cannot be read, or has not the size that was listed.
    """
    if is_series(path) or not (file := remote_file(path)) or not is_pointer(path):
        return
    try:
        content = (store or Store(file.url, file.access)).read(file.url)
    except OSError as error:
        error.filename = file.url
        raise
    if file.size >= 0 and len(content) != file.size:
        raise OSError(
            errno.EIO,
            f"{len(content)} bytes came of {file.size} that were listed; run again when nothing "
            "writes to it",
            file.url,
        )
    place(path, content, file.version)


def is_pointer(path: Path) -> bool:
    """Whether a file is one that stands for a file of a store."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(POINTER)) == POINTER
    except OSError:
        return False


def place(path: Path, content: bytes, version: Version) -> None:
    """Write a file of a mirror, whole, with the time of the version of its file in the store."""
    write_whole(path, content)
    os.utime(path, (version.changed, version.changed))


def read_listing(mirror: Mirror, first: str) -> dict[str, Version]:
    """What the store said of files, by path in the dataset; nothing where there is no listing."""
    try:
        content = json.loads(mirror.listing(first).read_bytes())
        return {name: Version(*about) for name, about in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def kept_folders(mirror: Mirror) -> list[str]:
    """The first folders that are in the tree."""
    return [path.name for path in mirror.root.iterdir() if path.is_dir()]


def remove_folder(mirror: Mirror, first: str) -> None:
    """Remove one of the first folders, which the dataset has no more."""
    mirror.listing(first).unlink(missing_ok=True)
    shutil.rmtree(mirror.root / first, ignore_errors=True)


def keep_listing(mirror: Mirror, first: str, now: Listed) -> None:
    """Make pointers of files that are new or changed, remove those gone, and keep the listing.

    Raises
    ------
    OSError
        Where something cannot be written.
    """
    before = read_listing(mirror, first)
    for name in before.keys() - now.keys():
        (mirror.root / name).unlink(missing_ok=True)
    for name, version in now.items():
        path = mirror.root / name
        if before.get(name) != version or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            place(path, POINTER + f"{url_in(mirror.url, name)}\n".encode(), version)
    if before != now:
        write_whole(mirror.listing(first), json.dumps(now, indent=0).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; not in its folder, so that no other one is seen there."""
    folder = next(one for one in path.parents if _NAME.fullmatch(one.name))
    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
