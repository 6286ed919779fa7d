"""Sidecars: JSON files, and what they say of an image by BIDS' inheritance principle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bids_labelx.errors import BadDataError, LabelxError, MissingInputError
from bids_labelx.links import absence
from bids_labelx.matching import describe
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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file.

    Raises
    ------
    MissingInputError, BadDataError
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadDataError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadDataError(f"{path}: a JSON object is expected, found {type(content).__name__}")
    return content
