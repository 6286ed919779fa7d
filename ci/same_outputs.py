"""Whether two output folders are the same: same_outputs.py [--but-python] [--but-figures] A B.

Every file has to be there in both with the same bytes. Logs and pages are ignored, and of
``dataset_description.json`` what says where it ran: the container and the absolute paths.
``--but-python`` also leaves the version of Python out of the sidecars, ``--but-figures`` the
figures of the pages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHOWN = 10


def compared(folder: Path, ignored: set[str]) -> dict[str, Path]:
    """The files of a folder that are compared, by their path within it."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".html" and ignored.isdisjoint(path.parts)
    }


def without_place(description: dict[str, Any]) -> dict[str, Any]:
    """A dataset's description without the container and the paths."""
    for one in description.get("GeneratedBy", []):
        one.pop("Container", None)
    for one in description.get("SourceDatasets", []):
        one.pop("URL", None)
    return {**description, "DatasetLinks": sorted(description.get("DatasetLinks", {}))}


def content(path: Path, but_python: bool) -> object:
    """What of a file has to be the same."""
    if path.name == "dataset_description.json":
        return without_place(json.loads(path.read_text(encoding="utf-8")))
    if but_python and path.suffix == ".json":
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        sidecar.get("SoftwareVersions", {}).pop("python", None)
        return sidecar
    return path.read_bytes()


def differences(one: Path, other: Path, options: set[str]) -> Iterator[str]:
    """Say which files differ, or are in one folder only."""
    ignored = {"logs", "figures"} if "--but-figures" in options else {"logs"}
    ours, theirs = compared(one, ignored), compared(other, ignored)
    but_python = "--but-python" in options
    if not ours:
        yield f"there is nothing in {one}"
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"only in {one}: {name}"
        elif name not in ours:
            yield f"only in {other}: {name}"
        elif content(ours[name], but_python) != content(theirs[name], but_python):
            yield f"differs: {name}"


def main(arguments: list[str]) -> int:
    """Print what differs; 0 where nothing does and there is something to compare."""
    options = {word for word in arguments if word.startswith("--")}
    one, other = (Path(word) for word in arguments if word not in options)
    found = list(differences(one, other, options))
    print("\n".join(found[:SHOWN]))
    if len(found) > SHOWN:
        print(f"and {len(found) - SHOWN} more")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
