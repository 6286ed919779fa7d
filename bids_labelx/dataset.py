"""What is in a derivatives dataset: pybids finds the files, a `Run` record keeps together what
belongs together.

Entities come from file names alone. pybids reads some of them (subject, session, datatype) from
the whole absolute path, so a dataset under ``/data/sub-99/`` would get wrong ones.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_labelx.errors import (
    BadDataError,
    LabelxError,
    MissingInputError,
    NoRunsError,
    NotBidsError,
)
from bids_labelx.index import find_files, list_participants
from bids_labelx.names import Name, parse_name, sort_entities
from bids_labelx.settings import Settings

NATIVE = "native"

# A confounds table holds for every space, resolution and echo of its run.
_NOT_OF_CONFOUNDS = ("space", "res", "den", "echo", "part", "desc")

# Files by their entities and suffix.
_Index = dict[tuple[frozenset[tuple[str, str]], str], list[Path]]

# The JSON files of a folder.
_Listing = Callable[[Path], list[tuple[Path, Name]]]


@dataclass(frozen=True)
class Run:
    """One preprocessed BOLD image with all that belongs to it.

    Attributes
    ----------
    bold
        The 4D image.
    root
        The dataset's folder.
    entities
        Those of the file name without ``desc``, short keys, in BIDS order.
    metadata
        The sidecars' content with BIDS inheritance.
    mask, confounds
        The brain mask on the BOLD's grid and the confounds table; None where `missing` says why.
    missing
        By what cannot be had (``mask``, ``confounds``, ``metadata``): what was looked for and
        what was found instead.
    """

    bold: Path
    root: Path
    entities: Mapping[str, str]
    metadata: Mapping[str, Any]
    mask: Path | None
    confounds: Path | None
    missing: Mapping[str, str]

    @property
    def name(self) -> str:
        """The BOLD file's path within the dataset, for messages and sources."""
        return self.bold.relative_to(self.root).as_posix()

    @property
    def space(self) -> str:
        """The ``space-`` entity, or ``native`` where the name has none."""
        return self.entities.get("space", NATIVE)


def find_runs(settings: Settings) -> list[Run]:
    """Query the dataset for the runs that the settings ask for, sorted by name.

    Raises
    ------
    NotBidsError
        Where the folder is no BIDS dataset.
    NoRunsError
        Where a participant does not exist or the filters leave nothing, saying which one did it.
    """
    root = settings.bids_dir
    check_dataset(root)
    _check_participants(root, settings.participant_label)
    paths = find_files(root, settings.participant_label, settings.bids_database_dir)
    files = [(path, parse_name(path)) for path in paths]
    bold = [
        (path, name)
        for path, name in files
        if name.suffix == "bold" and name.extension in (".nii", ".nii.gz")
    ]
    if not any(name.entities.get("desc") == "preproc" for _, name in bold):
        raise NoRunsError(_no_bold(root, len(bold)))
    kept = [(path, name) for path, name in bold if name.entities.get("desc") == "preproc"]
    for option, key, wanted in (
        ("--session-label", "ses", settings.session_label),
        ("--task-id", "task", settings.task_id),
        ("--run-id", "run", settings.run_id),
        ("--space", "space", settings.space),
        ("--res", "res", settings.res),
    ):
        before, kept = kept, [item for item in kept if _matches(item[1], key, wanted)]
        if not kept:
            there = sorted({_value(name, key) or "(none)" for _, name in before})
            raise NoRunsError(
                f"{option} {' '.join(wanted)} leaves no run of {root}: "
                f"those before this filter have {', '.join(there)}"
            )
    index: _Index = defaultdict(list)
    for path, name in files:
        index[_key(name.entities, name.suffix)].append(path)
    # Sorted runs share their folders with the ones before: each is listed once, not once a run.
    listing = functools.lru_cache(maxsize=8)(_list_sidecars)
    return [_make_run(root, path, name, index, listing) for path, name in kept]


def check_dataset(root: Path) -> None:
    """Refuse a folder that is not a BIDS dataset, with a hint to one that is.

    Raises
    ------
    MissingInputError, NotBidsError
    """
    if not root.is_dir():
        raise MissingInputError(f"{root}: there is no such folder")
    if not (root / "dataset_description.json").is_file():
        raise NotBidsError(
            f"{root}: no dataset_description.json here, so this is not a BIDS dataset"
            + _hint(root)
        )


def _hint(root: Path) -> str:
    """The folders below that look like what was meant."""
    there = sorted(
        path.parent
        for pattern in ("*", "derivatives/*")
        for path in root.glob(f"{pattern}/dataset_description.json")
    )
    return f"\ndid you mean {' or '.join(map(str, there))}?" if there else ""


def _no_bold(root: Path, others: int) -> str:
    found = f"{others} BOLD files, none of them with desc-preproc" if others else "no BOLD file"
    return (
        f"{root}: {found} for these participants. The input is the folder of preprocessed "
        f"derivatives (…_desc-preproc_bold.nii.gz), not the raw dataset{_hint(root)}"
    )


def _check_participants(root: Path, wanted: Sequence[str]) -> None:
    there = list_participants(root)
    unknown = [label for label in wanted if label not in there]
    if unknown:
        raise NoRunsError(
            f"--participant-label: {', '.join(unknown)} not in {root}; "
            f"there are {', '.join(there) or 'none'}"
        )


def _value(name: Name, key: str) -> str | None:
    return name.entities.get(key, NATIVE if key == "space" else None)


def _matches(name: Name, key: str, wanted: Sequence[str]) -> bool:
    value = _value(name, key)
    if not wanted or value in wanted:
        return True
    # Indices are numbers: `--run-id 1` means run-01 too.
    return (
        key == "run"
        and value is not None
        and value.isdigit()
        and int(value) in {int(label) for label in wanted if label.isdigit()}
    )


def _make_run(root: Path, bold: Path, name: Name, index: _Index, listing: _Listing) -> Run:
    entities = {key: value for key, value in name.entities.items() if key != "desc"}
    shared = {key: value for key, value in entities.items() if key not in _NOT_OF_CONFOUNDS}
    masks = index[_key({**entities, "desc": "brain"}, "mask")]
    # A dataset may hold the same image compressed and not: the mask is then that of its kind.
    masks = [path for path in masks if parse_name(path).extension == name.extension] or masks
    table = {**shared, "desc": "confounds"}
    tables = index[_key(table, "timeseries")] + index[_key(table, "regressors")]
    missing = {}
    if len(masks) != 1:
        missing["mask"] = _not_one("brain mask", "…_desc-brain_mask.nii.gz", root, entities, masks)
    if len(tables) != 1:
        missing["confounds"] = _not_one(
            "confounds table", "…_desc-confounds_timeseries.tsv", root, shared, tables
        )
    elif not tables[0].is_file():
        missing["confounds"] = (
            f"{tables[0].relative_to(root)} is a link to {tables[0].readlink()}, which is not "
            "there; fetch it first"
        )
    metadata: dict[str, Any] = {}
    try:
        metadata = read_metadata(bold, root, listing)
    except LabelxError as error:
        missing["metadata"] = str(error)
    return Run(
        bold=bold,
        root=root,
        entities=sort_entities(entities),
        metadata=metadata,
        mask=None if "mask" in missing else masks[0],
        confounds=None if "confounds" in missing else tables[0],
        missing=missing,
    )


def _key(entities: Mapping[str, str], suffix: str) -> tuple[frozenset[tuple[str, str]], str]:
    return frozenset(entities.items()), suffix


def _not_one(
    what: str, pattern: str, root: Path, entities: Mapping[str, str], found: Sequence[Path]
) -> str:
    wanted = "_".join(f"{key}-{value}" for key, value in sort_entities(entities).items())
    if not found:
        return f"no {what} ({pattern}) with the entities {wanted} in {root}"
    listed = "\n".join(path.relative_to(root).as_posix() for path in found)
    return f"{len(found)} files could be the {what} of {wanted}, one is expected:\n{listed}"


def _list_sidecars(folder: Path) -> list[tuple[Path, Name]]:
    return [(path, parse_name(path)) for path in folder.glob("*.json")]


def read_metadata(path: Path, root: Path, listing: _Listing = _list_sidecars) -> dict[str, Any]:
    """The sidecars of a file by BIDS' inheritance principle, the nearest winning.

    A JSON file applies where it lies in the file's folder or one above it up to `root`, has its
    suffix, and has no entity that the file does not have with the same value. `listing` gives the
    JSON files of a folder.

    Raises
    ------
    BadDataError
        Where a sidecar is not JSON or not an object.
    """
    name = parse_name(path)
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
            metadata.update(read_json(sidecar))
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


def repetition_time(run: Run, header: Any) -> float | None:
    """Seconds from volume to volume: the sidecar's, else the header's with its unit.

    Returns None where neither says it.

    Raises
    ------
    BadDataError
        Where both say it and differ by more than 1 ms, or the sidecar's is not a positive number.
    """
    stated = run.metadata.get("RepetitionTime")
    if stated is not None and (not isinstance(stated, (int, float)) or not stated > 0):
        raise BadDataError(
            f"{run.name}: RepetitionTime in the sidecar is {stated!r}, a positive number of "
            "seconds is expected"
        )
    zooms = header.get_zooms()
    unit = header.get_xyzt_units()[1] if hasattr(header, "get_xyzt_units") else "unknown"
    scale = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(unit)
    read = float(zooms[3]) * scale if scale is not None and len(zooms) > 3 else 0.0
    if stated is None:
        return read if read > 0 else None
    if read > 0 and abs(read - stated) > 1e-3:
        raise BadDataError(
            f"{run.name}: the sidecar says RepetitionTime {stated} s, the image's header "
            f"{read:g} s; correct the one that is wrong"
        )
    return float(stated)
