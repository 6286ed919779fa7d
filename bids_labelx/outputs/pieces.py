"""The store of a compact output folder: files as rows of a few Parquet files.

A piece is a Parquet file in ``OUTPUT_DIR/store`` with a row for each file, which holds its bytes.
Pieces are written whole under a new name and never changed, so that any number of invocations on
any number of machines add to a store at once. A file that is written again has a second row, and
one that is removed has a row without content: of all rows of a path the one with the highest
sequence counts. Where eight pieces of one level have come together they become one of the next.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bids_labelx.errors import BadDataError, CannotWriteError
from bids_labelx.files import disk_full, whole_file
from bids_labelx.locks import waited_lock

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

STORE = "store"
_SEQUENCE = ".sequence"

# How often a reader starts anew, where others merge what it reads.
_ATTEMPTS = 20

_NAME = re.compile(r"part-(\d+)-level(\d+)-[0-9a-f]+\.parquet")
_REPLACES = b"Replaces"
ENTITIES = (
    *("sub", "ses", "task", "acq", "dir", "run", "echo", "hemi", "space", "res", "den"),
    *("atlas", "seg", "scale", "stat", "meas", "desc"),
)
INDEX = ["path", "size", "modified", "sequence"]

# Ends of the names of large tables, which the group level reads one at a time. Those of one kind
# are in row groups of their own.
LARGE = ("_relmat.tsv", "_timeseries.tsv")


class Row(NamedTuple):
    """The last that a store knows of a file.

    Attributes
    ----------
    size
        In bytes; -1 where it was removed.
    modified
        When it was last changed, in nanoseconds.
    sequence
        The higher, the later it came into the store.
    """

    size: int
    modified: int
    sequence: int


class Place(NamedTuple):
    """Where the bytes of a file are in a store.

    Attributes
    ----------
    piece
        The piece.
    group, row
        The row group of the piece, and the row in it.
    crc32
        The CRC-32 of the bytes.
    """

    piece: Path
    group: int
    row: int
    crc32: int


def is_store(store: Path) -> bool:
    """Whether a folder is a store: one that was begun, or has pieces."""
    return (store / _SEQUENCE).is_file() or bool(_names(store))


def store_of(output: Path) -> Path:
    """Where the store of an output folder is, or would be."""
    return output / STORE


def schema() -> pa.Schema:
    """The columns of a piece."""
    import pyarrow as pa

    texts = ["path", *ENTITIES, "suffix", "extension"]
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *((name, pa.int64()) for name in ("size", "modified", "sequence", "crc32")),
            ("content", pa.large_binary()),
        ]
    )


def next_sequence(store: Path) -> int:
    """A number that is higher than any before, for a piece and its rows; begins a store."""
    counter = store / _SEQUENCE
    with store_lock(store):
        known = [int(found[1]) for found in map(_NAME.fullmatch, _names(store)) if found]
        with suppress(OSError, ValueError):
            known.append(int(counter.read_text(encoding="ascii")))
        number = max(known, default=0) + 1
        with whole_file(counter) as temporary:
            temporary.write_text(str(number), encoding="ascii")
    return number


def store_lock(store: Path, part: str = "") -> AbstractContextManager[None]:
    """Hold the lock of a store, or of a part of what is in it.

    Raises
    ------
    CannotWriteError
    """
    return waited_lock(store / f".lock{part}")


def write_piece(
    store: Path,
    sequence: int,
    level: int,
    tables: Iterable[pa.Table],
    replaces: Sequence[str] = (),
) -> None:
    """Write a piece, which is seen whole or not at all; each table is a row group."""
    import pyarrow.parquet as pq

    path = store / f"part-{sequence:08d}-level{level}-{secrets.token_hex(4)}.parquet"
    columns, texts = schema(), [*ENTITIES, "suffix", "extension"]
    with whole_file(path) as temporary:
        try:
            with pq.ParquetWriter(
                temporary,
                columns,
                compression="zstd",
                compression_level=1,
                use_dictionary=texts,
                write_statistics=texts,
                write_page_checksum=True,
            ) as writer:
                for table in tables:
                    writer.write_table(table)
                writer.add_key_value_metadata({_REPLACES.decode(): json.dumps(list(replaces))})
            with temporary.open("rb") as stream:
                # What it replaces goes, and the folder that it was made of.
                os.fsync(stream.fileno())
        except OSError as error:
            if disk_full(error):
                raise
            raise CannotWriteError(f"{path}: cannot be written ({error})") from error


def _names(store: Path) -> list[str]:
    """Pieces in a store, as two listings in a row have them.

    A single listing that goes on while a merge does may have neither what is new nor all that it
    is made of.
    """
    before: list[str] | None = None
    while True:
        # A file may stand where the output folder is to be, which is told when that is made.
        with suppress(FileNotFoundError, NotADirectoryError):
            found = sorted(one for one in os.listdir(store) if _NAME.fullmatch(one))  # noqa: PTH208
            if found == before:
                return found
            before = found
            continue
        return []


class Pieces(NamedTuple):
    """What is in a store.

    Attributes
    ----------
    standing
        The pieces that count.
    replaced
        Those that a merge has replaced and not yet removed.
    """

    standing: list[Path]
    replaced: list[Path]


def pieces(store: Path) -> Pieces:
    """The pieces of a store, the oldest first.

    Raises
    ------
    BadDataError
        Where one is broken.
    FileNotFoundError
        Where one has just been merged.
    """
    import pyarrow.parquet as pq

    names = _names(store)
    gone: set[str] = set()
    for name in names:
        if level_of(name):
            with readable(store / name):
                about = pq.read_metadata(store / name).metadata
                gone.update(json.loads(about[_REPLACES]))
    return Pieces(
        [store / name for name in names if name not in gone],
        [store / name for name in names if name in gone],
    )


def kind_of(path: str) -> int:
    """Which row groups a file is in: 0 for those of small ones, else of a kind of large ones."""
    return next((n for n, end in enumerate(LARGE, 1) if path.endswith(end)), 0)


def level_of(name: str) -> int:
    found = _NAME.fullmatch(name)
    assert found
    return int(found[2])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a broken piece raises into one message."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ESTALE:
            # As network file systems say of a file that is open, and was removed elsewhere.
            raise FileNotFoundError(errno.ENOENT, error.strerror, str(path)) from error
        raise _unreadable(path, error) from error
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> BadDataError:
    return BadDataError(
        f"{path}: cannot be read as a part of the store ({error}); fetch it again from a copy, or "
        "remove it and run the participant level again"
    )


def attempted(read: Callable[[], Any]) -> Any:
    """What reading a store gives; started anew where others have merged what it was to read."""
    for _ in range(_ATTEMPTS):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


def index_of(found: Sequence[Path], participants: Collection[str] | None = None) -> dict[str, Row]:
    """The last row of each path in some pieces, removed files among them.

    Parameters
    ----------
    found
        The pieces.
    participants
        Labels; files of others are left out, and those of none.
    """
    import pyarrow.parquet as pq

    index: dict[str, Row] = {}
    for piece in found:
        with readable(piece), pq.ParquetFile(piece) as file:
            # Without threads, which a process that is forked from this one would not have.
            table = file.read(columns=["sub", *INDEX], use_threads=False)
        columns = (table.column(name).to_pylist() for name in ("sub", *INDEX))
        for sub, path, *about in zip(*columns, strict=True):
            if participants is not None and sub not in participants:
                continue
            row = Row(*about)
            if path not in index or index[path].sequence <= row.sequence:
                index[path] = row
    return index


def places(found: Sequence[Path], wanted: Mapping[str, Row]) -> dict[str, Place]:
    """Where in some pieces the files are that are wanted, by their last row.

    Files that are not there any more, as they were written again and merged, have none.

    Parameters
    ----------
    found
        The pieces.
    wanted
        The files by path; see `index_of`.
    """
    import pyarrow.parquet as pq

    there: dict[str, Place] = {}
    for piece in found:
        with readable(piece), pq.ParquetFile(piece) as file:
            table = file.read(columns=["crc32", *INDEX], use_threads=False)
            sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        at = ((group, row) for group, size in enumerate(sizes) for row in range(size))
        columns = (table.column(name).to_pylist() for name in ("crc32", *INDEX))
        for (group, row), crc32, path, *about in zip(at, *columns, strict=True):
            if about[0] >= 0 and wanted.get(path) == Row(*about):
                there[path] = Place(piece, group, row, crc32)
    return there


def open_piece(piece: Path) -> pq.ParquetFile:
    """Open a piece; what is read of it is compared with the checksums of its pages.

    Raises
    ------
    BadDataError, FileNotFoundError
    """
    import pyarrow.parquet as pq

    with readable(piece):
        return pq.ParquetFile(piece, page_checksum_verification=True)


def contents_of(piece: Path, file: pq.ParquetFile, group: int) -> list[pa.LargeBinaryScalar]:
    """The bytes of the files in a row group of a piece that is open.

    Raises
    ------
    BadDataError, FileNotFoundError
    """
    with readable(piece):
        table = file.read_row_group(group, columns=["content"], use_threads=False)
        return list(table.column("content"))
