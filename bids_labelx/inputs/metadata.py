"""Sidecars: JSON files, and what they say of an image by BIDS' inheritance principle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bids_labelx.errors import LabelxError, MissingInputError
from bids_labelx.files import read_json
from bids_labelx.inputs.annex import absence
from bids_labelx.inputs.matching import describe
from bids_labelx.names import Name, parse_name

# The JSON files of a folder.
Listing = Callable[[Path], list[tuple[Path, Name]]]


def list_sidecars(folder: Path) -> list[tuple[Path, Name]]:
    """The JSON files of a folder with their names taken apart."""
    return [(path, parse_name(path)) for path in folder.glob("*.json")]


def read_metadata(path: Path, root: Path, listing: Listing = list_sidecars) -> dict[str, Any]:
    """The sidecars of a file by BIDS' inheritance principle, the nearest winning.

    A JSON file applies where it lies in the file's folder or one above it up to `root`, has its
    suffix, and has no entity that the file does not have with the same value. `listing` gives the
    JSON files of a folder.

    Raises
    ------
    MissingInputError, BadDataError
        Where the content of a sidecar is not there, is not JSON or not an object.
    """
    name = describe(path, root).name
    folders = [path.parent, *path.parent.parents]
    folders = folders[: folders.index(root) + 1]
    metadata: dict[str, Any] = {}
    for folder in reversed(folders):
        fitting = [
            (len(other.entities), sidecar)
            for sidecar, other in listing(folder)
            if other.suffix == name.suffix and other.entities.items() <= name.entities.items()
        ]
        for _, sidecar in sorted(fitting):
            try:
                metadata.update(read_json(sidecar))
            except LabelxError:
                if problem := absence(sidecar, root):
                    raise MissingInputError(problem) from None
                raise
    return metadata
