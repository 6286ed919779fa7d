"""Adding to the store of a compact output folder, and keeping the number of its pieces small.

Where eight pieces of one level have come together they become one of the next, as in a
log-structured merge tree: each file is written again a few times, however many jobs there are.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from bids_labelx.locks import lock
from bids_labelx.names import parse_name
from bids_labelx.outputs.pieces import (
    ENTITIES,
    INDEX,
    Row,
    index_of,
    kind_of,
    level_of,
    next_sequence,
    pieces,
    readable,
    schema,
    write_piece,
)

if TYPE_CHECKING:
    import pyarrow as pa

# Pieces of one level that become one of the next.
_MERGED = 8
# Larger ones stay as they are: a merge is done at the end of some job.
_LARGEST_MERGED = 2**32
# Bytes of files that are in memory at once, and so in a row group; with few they stay in the
# processor's cache when they are unpacked.
_AT_ONCE = 2**22


def append(store: Path, root: Path, paths: Iterable[Path], removed: Collection[Path] = ()) -> None:
    """Add files to a store, as one new piece.

    Parameters
    ----------
    store
        Its folder.
    root
        The folder that paths are within.
    paths
        The files to add. One that is not there any more is left out.
    removed
        Files that the store is to have no more.

    Raises
    ------
    CannotWriteError
    """
    sequence = next_sequence(store)
    files = _files_in(root, sorted(paths, key=lambda path: kind_of(path.name)), sequence)
    gone = [_row(path, b"", Row(-1, 0, sequence)) for path in removed]
    write_piece(store, sequence, 0, (_table(rows) for rows in _portions(chain(gone, files))))
    merge(store)


def _files_in(root: Path, paths: Iterable[Path], sequence: int) -> Iterator[dict[str, Any]]:
    for path in paths:
        try:
            modified = (root / path).stat().st_mtime_ns
            content = (root / path).read_bytes()
        except FileNotFoundError:
            continue
        yield _row(path, content, Row(len(content), modified, sequence))


def _portions(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in portions of some size, each of one kind of files."""
    for _, of_kind in groupby(rows, key=lambda row: kind_of(row["path"])):
        portion, size = [], 0
        for row in of_kind:
            portion.append(row)
            size += max(row["size"], 0)
            if size >= _AT_ONCE:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion


def _row(path: Path, content: bytes, about: Row) -> dict[str, Any]:
    name = parse_name(path)
    entities: Mapping[str, str] = name.entities
    if path.parts[0].startswith("sub-"):
        entities = {"sub": path.parts[0].removesuffix(".html").removeprefix("sub-"), **entities}
    return {
        "path": path.as_posix(),
        **{key: entities.get(key) for key in ENTITIES},
        "suffix": name.suffix,
        "extension": name.extension,
        **about._asdict(),
        "crc32": zlib.crc32(content),
        "content": None if about.size < 0 else content,
    }


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema())


def merge(store: Path) -> None:
    """Put pieces of one level together, where there are many of them.

    Where another invocation does that, this one leaves it to it.
    """
    with suppress(Timeout, FileNotFoundError), lock(store / ".lock-merge", 0):
        while True:
            there = pieces(store)
            for piece in there.replaced:
                piece.unlink(missing_ok=True)
            chosen = _to_merge(there.standing)
            if not chosen:
                return
            names = [one.name for one in chosen]
            rows = _rows_of(chosen, index_of(chosen))
            write_piece(store, next_sequence(store), level_of(names[0]) + 1, rows, names)
            for piece in chosen:
                piece.unlink(missing_ok=True)


def _to_merge(there: Sequence[Path]) -> list[Path]:
    levels: dict[int, list[Path]] = {}
    for piece in there:
        levels.setdefault(level_of(piece.name), []).append(piece)
    for _, of_level in sorted(levels.items()):
        first = of_level[:_MERGED]
        size = sum(piece.stat().st_size for piece in first)
        if len(first) == _MERGED and size <= _LARGEST_MERGED:
            return first
    return []


def _rows_of(found: Sequence[Path], index: Mapping[str, Row]) -> Iterator[pa.Table]:
    """The rows of pieces that still count, small groups of rows of one kind together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: dict[int, list[pa.Table]] = {}
    seen: set[str] = set()
    for piece in found:
        with readable(piece), pq.ParquetFile(piece) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                heads = table.select(INDEX).to_pydict()
                of_kind: dict[int, list[int]] = {}
                for number, (path, *about) in enumerate(
                    zip(*(heads[one] for one in INDEX), strict=True)
                ):
                    if index[path] == Row(*about) and path not in seen:
                        of_kind.setdefault(kind_of(path), []).append(number)
                        seen.add(path)
                for kind, numbers in of_kind.items():
                    own = waiting.setdefault(kind, [])
                    own.append(table.take(pa.array(numbers)))
                    if sum(one.nbytes for one in own) >= _AT_ONCE:
                        yield pa.concat_tables(own).combine_chunks()
                        own.clear()
    for own in waiting.values():
        if own:
            yield pa.concat_tables(own).combine_chunks()
