"""BIDS' inheritance principle: the sidecars and tables in folders above that hold for a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_labelx.content import display_path
from bids_labelx.errors import BadDataError
from bids_labelx.files import read_json
from bids_labelx.inputs.matching import parse_path
from bids_labelx.names import Name, is_backup, parse_name

# The files of a folder that may hold for others.
Listing = Callable[[Path], list[tuple[Path, Name]]]

# The entities that are compared; one of None has to be absent.
View = Callable[[Name], Mapping[str, str | None]]


def list_files(folder: Path, extension: str = ".json") -> list[tuple[Path, Name]]:
    """The files of a folder with an extension, and their parsed names."""
    found = [path for path in folder.glob(f"*{extension}") if not is_backup(path.name)]
    return [(path, parse_name(path)) for path in found]


def _inherited(
    path: Path, root: Path, name: Name, listing: Listing, view: View
) -> Iterator[list[tuple[int, Path]]]:
    """The files that hold for another, a list per folder, the nearest folder first.

    They lie in its folder or one above it up to `root`, have its suffix, and no entity that it
    does not have with the same value. `view` gives the entities that are compared. Each comes
    with their number, in rising order.
    """
    own = view(name).items()
    for folder in [path.parent, *path.parent.parents]:
        files = [(view(n), file) for file, n in listing(folder) if n.suffix == name.suffix]
        yield sorted((len(theirs), file) for theirs, file in files if theirs.items() <= own)
        if folder == root:
            return


def inherited_table(path: Path, root: Path, name: Name, view: View) -> Path | None:
    """The nearest ``.tsv`` that holds for a file, in one folder that with the most entities.

    Raises
    ------
    BadDataError
        Where several of one folder have as many entities.
    """
    listing = functools.partial(list_files, extension=".tsv")
    found = next(filter(None, _inherited(path, root, name, listing, view)), [])
    best = [table for count, table in found if count == found[-1][0]]
    return only_table(path, best, root) if best else None


def only_table(path: Path, tables: Sequence[Path], root: Path) -> Path:
    """The only one of the tables that a file may have.

    Raises
    ------
    BadDataError
        Where there are several, which are listed.
    """
    if len(tables) > 1:
        listed = "\n".join(display_path(table, root) for table in tables)
        raise BadDataError(f"{path}: several tables fit equally, say which\n{listed}")
    return tables[0]


def sidecars_of(path: Path, root: Path, listing: Listing = list_files) -> list[Path]:
    """The sidecars that hold for a file, the nearest last, whose content wins.

    `listing` gives the JSON files of a folder.
    """
    name = parse_path(path, root).name
    folders = list(_inherited(path, root, name, listing, lambda one: one.entities))
    return [sidecar for folder in reversed(folders) for _, sidecar in folder]


def read_metadata(path: Path, root: Path, listing: Listing = list_files) -> dict[str, Any]:
    """The content of all sidecars that hold for a file; see `sidecars_of`.

    Raises
    ------
    MissingInputError, BadDataError
        Where the content of a sidecar is missing, is not JSON or not an object.
    """
    return merged(sidecars_of(path, root, listing))


def merged(sidecars: Iterable[Path]) -> dict[str, Any]:
    """The content of sidecars, of which the last wins; see `read_metadata` for the errors."""
    metadata: dict[str, Any] = {}
    for sidecar in sidecars:
        metadata.update(read_json(sidecar))
    return metadata
