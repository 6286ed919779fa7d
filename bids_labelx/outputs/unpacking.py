"""Files of a store as plain files, and large ones that are read without being made plain."""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bids_labelx.content import ELSEWHERE
from bids_labelx.errors import BadDataError
from bids_labelx.outputs.pieces import (
    Place,
    Row,
    attempted,
    contents_of,
    kind_of,
    open_piece,
    pieces,
    places,
    store_of,
)

# Pieces that are open at once.
_MOST_OPEN = 32
# Row groups that are read ahead.
_AHEAD = 2

if TYPE_CHECKING:
    import pyarrow as pa

_Group = tuple[Path, int]


def unpack(
    where: Mapping[str, Place], wanted: Mapping[str, Row], folder: Path, *, verify: bool = False
) -> None:
    """Write files of a store as plain files, byte for byte, with their times.

    Parameters
    ----------
    where
        Where they are in the store, by path.
    wanted
        Their rows, by path.
    folder
        Where they go.
    verify
        Whether to compare checksums.

    Raises
    ------
    BadDataError
    """
    _make_folders(where, folder)
    by_piece: dict[Path, dict[int, list[str]]] = {}
    for path, place in where.items():
        by_piece.setdefault(place.piece, {}).setdefault(place.group, []).append(path)

    def write(piece: Path) -> None:
        with open_piece(piece) as file:
            for group, paths in by_piece[piece].items():
                contents = contents_of(piece, file, group)
                for path in paths:
                    content = memoryview(contents[where[path].row].as_buffer())
                    if verify and zlib.crc32(content) != where[path].crc32:
                        raise BadDataError(
                            f"{piece}: {path} in it is not as it was written; fetch the file "
                            "again from a copy, or remove it and run the participant level again"
                        )
                    (folder / path).write_bytes(content)
                    _set_time(folder / path, wanted[path])

    # Largest first, so that no thread is left alone with it.
    largest_first = sorted(by_piece, key=lambda one: one.stat().st_size, reverse=True)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(write, largest_first))


def reserve(wanted: Mapping[str, Row], folder: Path) -> None:
    """Have files of a store in a folder by name, size and time alone, which takes no space."""
    _make_folders(wanted, folder)
    for path, row in wanted.items():
        with (folder / path).open("wb") as stream:
            stream.truncate(row.size)
        _set_time(folder / path, row)


def _make_folders(paths: Mapping[str, object], folder: Path) -> None:
    for parent in {os.path.dirname(path) for path in paths}:  # noqa: PTH120
        (folder / parent).mkdir(parents=True, exist_ok=True)


def _set_time(path: Path, row: Row) -> None:
    os.utime(path, ns=(row.modified, row.modified))


class StoredFiles:
    """Files that are in a folder by name, size and time alone, and are read out of the store.

    Parameters
    ----------
    output
        The compact output folder.
    folder
        The folder that has the names.
    wanted
        The rows of these files, by path.
    where
        Where they are in the store; found out again where others have merged what they were in.
    """

    def __init__(
        self, output: Path, folder: Path, wanted: Mapping[str, Row], where: Mapping[str, Place]
    ) -> None:
        self._store = store_of(output)
        self._folder = f"{folder}{os.sep}"
        self._wanted = wanted
        self._where = where
        self._opened = functools.lru_cache(maxsize=_MOST_OPEN)(open_piece)
        self._after = _after(where)
        self._loading: dict[_Group, Future[list[pa.LargeBinaryScalar]]] = {}
        # Reads ahead while what was read before is worked on.
        self._thread = ThreadPoolExecutor(1)

    def content(self, path: Path) -> bytes | None:
        """The bytes of such a file; None of any other.

        Raises
        ------
        BadDataError
            Where it cannot be read, or was written again since.
        """
        name = str(path).removeprefix(self._folder)
        if name not in self._wanted:
            return None
        found: bytes = attempted(lambda: self._read(path, name))
        return found

    def _read(self, path: Path, name: str) -> bytes:
        place = self._where.get(name)
        if place is None:
            raise BadDataError(
                f"{path}: was written again while it was to be read; run the group level when "
                "the participant level has ended"
            )
        try:
            group = self._group((place.piece, place.group))
        except FileNotFoundError:
            self._where = places(pieces(self._store).standing, self._wanted)
            self._after = _after(self._where)
            raise
        content: bytes = group[place.row].as_buffer().to_pybytes()
        return content

    def _group(self, wanted: _Group) -> list[pa.LargeBinaryScalar]:
        """The files of a row group; those after it are read meanwhile."""
        groups: list[_Group] = []
        one: _Group | None = wanted
        while one is not None and len(groups) <= _AHEAD:
            groups.append(one)
            one = self._after.get(one)
        self._loading = {
            one: self._loading.get(one) or self._thread.submit(self._load, *one) for one in groups
        }
        return self._loading[wanted].result()

    def _load(self, piece: Path, group: int) -> list[pa.LargeBinaryScalar]:
        return contents_of(piece, self._opened(piece), group)

    def close(self) -> None:
        """Close the pieces."""
        self._thread.shutdown(cancel_futures=True)
        self._loading.clear()
        self._opened.cache_clear()


def _after(where: Mapping[str, Place]) -> dict[_Group, _Group]:
    """Which row group comes after one with files of some kind."""
    kinds = {(kind_of(path), place.piece, place.group): None for path, place in where.items()}
    groups = [(piece, group) for _, piece, group in sorted(kinds)]
    return dict(pairwise(groups))


@contextmanager
def read_from(files: StoredFiles) -> Iterator[None]:
    """Have what reads these files get their bytes out of the store meanwhile."""
    token = ELSEWHERE.set(files)
    try:
        yield
    finally:
        ELSEWHERE.reset(token)
        files.close()
