"""Trees of empty files, for what looks at names only, and what is in an output folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


def make_tree(root: Path, names: Iterable[str]) -> Path:
    """A derivatives dataset of empty files.

    A name without folders goes to ``sub-…/[ses-…/]func``.
    """
    root.mkdir(parents=True, exist_ok=True)
    description = {"Name": "names", "BIDSVersion": "1.8.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    for name in names:
        path = root / (name if "/" in name else f"{_folder(name)}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _folder(name: str) -> str:
    folders = [part for part in name.split("_") if part.startswith(("sub-", "ses-"))]
    return "/".join([*folders, "func"])


def files_of(out: Path) -> dict[str, bytes]:
    """All files of an output folder but logs, pages, and what says where the input is."""
    inside = {path.relative_to(out): path for path in out.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in inside.items()
        if name.parts[0] != "logs" and name.suffix != ".html"
        and name.name != "dataset_description.json"
    }  # fmt: skip
