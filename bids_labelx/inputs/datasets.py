"""The datasets of an invocation: the first one, and those beside it by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_labelx.content import is_listed
from bids_labelx.errors import (
    BadDataError,
    Failure,
    LabelxError,
    MissingInputError,
    NoRunsError,
    NotBidsError,
    UsageError,
)
from bids_labelx.files import read_json
from bids_labelx.inputs.index import find_files
from bids_labelx.inputs.listing import list_participants
from bids_labelx.inputs.matching import File, folder_entities, parse_path
from bids_labelx.inputs.metadata import Listing
from bids_labelx.inputs.queries import Queries
from bids_labelx.names import FIRST_DATASET, TableQuery
from bids_labelx.settings import Settings
from bids_labelx.suggestions import labels_not_there

DESCRIPTION = "dataset_description.json"

# How the folders of C-PAC's pipelines begin: before 1.8.5, and since.
_OF_CPAC = ("cpac_", "pipeline_")

# What is read of a raw dataset.
_OF_RAW = ("events", "physio", "stim")


@dataclass(frozen=True)
class Dataset:
    """The files of one dataset.

    Attributes
    ----------
    name, root
        What it is called, and its folder.
    files
        Those of the participants that are done, sorted by path.
    unreadable
        Folders that cannot be listed, with the reason.
    """

    name: str
    root: Path
    files: Sequence[File]
    unreadable: Mapping[Path, str]

    @property
    def unlisted(self) -> list[Failure]:
        """The failure of each folder that cannot be listed."""
        return [
            Failure(
                f"{folder}: the folder cannot be read ({reason}), so runs in it are not done",
                folder_entities(folder / "file", self.root),
            )
            for folder, reason in self.unreadable.items()
        ]


def read_datasets(
    settings: Settings, queries: Queries, tables: Collection[TableQuery], also: Sequence[str]
) -> dict[str, Dataset]:
    """List the files of all datasets, by the dataset's name.

    Parameters
    ----------
    queries, tables
        What is read of each.
    also
        Endings of further files of the dataset with the BOLD images.

    Raises
    ------
    MissingInputError, NotBidsError, BadDataError
        Where one is no dataset.
    UsageError
        Where one is raw and preprocessed files of it are asked for.
    NoRunsError
        Where a participant is not in the dataset with the BOLD images.
    """
    folders, of_images = settings.dataset_folders, queries.bold.dataset
    for name, root in folders.items():
        _check(name, root, queries, tables)
    labels = _check_participants(folders[of_images], settings.participant_label)
    found: dict[str, Dataset] = {}
    for name, root in folders.items():
        endings = [*queries.also, *(also if name == of_images else ())]
        endings += [f"{one.suffix}{one.extension}" for one in tables if one.dataset == name]
        kept = settings.bids_database_dir
        if kept is not None and name != FIRST_DATASET:
            kept /= name
        # Of all participants, the index of all is kept.
        wanted = settings.participant_label if name == of_images else labels
        listed = find_files(root, wanted, kept, list(dict.fromkeys(endings)))
        files = [parse_path(path, root) for path in listed.files]
        found[name] = Dataset(name, root, files, listed.unreadable)
    return found


def _check_participants(root: Path, wanted: Sequence[str]) -> list[str]:
    """The participants to do; all of a dataset where none is asked for.

    Raises
    ------
    NoRunsError
        Where one that is asked for is not there.
    """
    found = list_participants(root)
    if problem := labels_not_there(wanted, found, root):
        raise NoRunsError(problem)
    return list(wanted) or found


def _check(name: str, root: Path, queries: Queries, tables: Collection[TableQuery]) -> None:
    """Refuse a folder that is no dataset, or not of the kind that it is used as."""
    if name == FIRST_DATASET:
        check_dataset(root)
    else:
        try:
            _check_companion(root)
        except LabelxError as error:
            raise type(error)(f"--datasets {name}={error}") from None
    if not _is_raw(root) or name == FIRST_DATASET:
        return
    sections = {"bold": queries.bold, "mask": queries.mask, "confounds": queries.confounds}
    wanted = [
        f"{what} of the filter file" for what, one in sections.items() if one.dataset == name
    ]
    wanted += [
        f"{one} of a strategy"
        for one in tables
        if one.dataset == name and one.suffix not in _OF_RAW
    ]
    if wanted:
        raise UsageError(
            f"--datasets {name}={root}: it is a raw dataset ({DESCRIPTION} has DatasetType raw, "
            f"or nothing of how it was made), of which only {', '.join(_OF_RAW)} and sidecars are "
            f"read, and not {', '.join(wanted)}; give the folder of the derivatives, or set "
            "DatasetType to derivative"
        )


def _is_raw(root: Path) -> bool:
    """Whether a dataset says that it is raw, or says nothing of how it was made."""
    path = root / DESCRIPTION
    if not is_listed(path):
        return False
    content = read_json(path)
    made = {"GeneratedBy", "PipelineDescription", "SourceDatasets"} & content.keys()
    return content.get("DatasetType", "derivative" if made else "raw") == "raw"


def _check_companion(root: Path) -> None:
    """Check a dataset beside the first.

    tedana writes the description beside its files, wherever that is, and calls it after the run.
    """
    try:
        check_dataset(root)
    except NotBidsError:
        if not any(root.glob(f"*_{DESCRIPTION}")) and not any(
            root.glob(f"sub-*/**/*{DESCRIPTION}")
        ):
            raise


def check_dataset(root: Path) -> None:
    """Refuse a folder that is not a BIDS dataset, with a hint to one that is.

    Raises
    ------
    MissingInputError, NotBidsError
        Where there is no such folder, or no description in it.
    BadDataError
        Where the description is not JSON.
    """
    try:
        names = os.listdir(root)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(f"{root}: there is no such folder") from None
    except OSError as error:
        raise MissingInputError(f"{root}: the folder cannot be read ({error.strerror})") from None
    if DESCRIPTION not in names:
        empty = (
            "; the folder is empty, as a DataLad subdataset is that was not installed (`datalad "
            f"get --no-data {root}`)"
        )
        hint = hint_at_datasets(root) or _hint_at_parent(root) or _hint_for_cpac(root)
        raise NotBidsError(
            f"{root}: no {DESCRIPTION} here, so this is not a BIDS dataset"
            + ((hint or _hint_to_describe(root)) if names else empty)
        )
    made = read_json(root / DESCRIPTION).get("GeneratedBy", [])
    if not isinstance(made, list) or not all(isinstance(tool, dict) for tool in made):
        raise BadDataError(
            f"{root / DESCRIPTION}: GeneratedBy is {json.dumps(made)[:60]}; BIDS has a list of "
            'objects there, [{"Name": "fMRIPrep"}]; correct it, or remove it'
        )


def hint_at_datasets(root: Path) -> str:
    """The datasets in folders below."""
    found = sorted(
        path.parent
        for pattern in ("*", "derivatives/*")
        for path in root.glob(f"{pattern}/{DESCRIPTION}")
    )
    return f"\ndid you mean {' or '.join(map(str, found))}?" if found else ""


def _hint_at_parent(root: Path) -> str:
    """The dataset that the folder is a part of, such as one participant's."""
    above = (one for one in root.parents if (one / DESCRIPTION).is_file())
    found = next(above, None)
    if found is None:
        return ""
    inside = root.relative_to(found)
    label = "" if len(inside.parts) > 1 else root.name
    chosen = f", with --participant-label {label.removeprefix('sub-')}"
    return (
        f"\ndid you mean {found}{chosen if label.startswith('sub-') else ''}? "
        f"{inside} is a folder in it"
    )


def _hint_for_cpac(root: Path) -> str:
    """What to do where the folder, or one in it, is an output of C-PAC."""
    if root.name.startswith(_OF_CPAC):
        return f"; C-PAC writes none: {_to_paste('C-PAC')}"
    found = sorted(one for start in _OF_CPAC for one in root.glob(f"{start}*/sub-*/"))
    return f"; of C-PAC's output give {found[0].parent}" if found else ""


def _hint_to_describe(root: Path) -> str:
    """The description to write, where the folder has participants all the same."""
    if not any(root.glob("sub-*/")):
        return "; it has no sub-… folders either: give the folder that these are in"
    return f"; if it has preprocessed images, {_to_paste('fMRIPrep')}"


def _to_paste(program: str) -> str:
    return (
        f"put {DESCRIPTION} into the folder with\n"
        f'{{"Name": "{program}", "BIDSVersion": "1.8.0", "DatasetType": "derivative", '
        f'"GeneratedBy": [{{"Name": "{program}"}}]}}'
    )


# Programs with their version, by the beginning of the names of the files that they made: empty for
# all of a dataset. The nearest folder comes first.
Producers = Sequence[Mapping[str, str]]


def producer_of(path: Path, producers: Producers) -> str:
    """What made a file; empty where no description says it.

    `producers` are those of its folder, see `described_producers`.
    """
    for made in producers:
        # tedana's description has the name of its run.
        own = [start for start in made if path.name.startswith(start)]
        if own:
            return made[max(own, key=len)]
    return ""


def described_producers(
    folder: Path, roots: Collection[Path], described: Callable[[Path], Mapping[str, str]]
) -> Producers:
    """What made the files of a folder, as the descriptions in it and in those above say.

    `roots` are the folders of datasets, `described` is `described_in`.
    """
    found = []
    for one in (folder, *folder.parents):
        made = described(one)
        found += [made] if made else []
        if one in roots:
            break
    return found


def described_in(folder: Path, listing: Listing) -> dict[str, str]:
    """What the descriptions in a folder name, by the beginning of their names."""
    return {
        path.name.removesuffix(DESCRIPTION): producer
        for path, _ in listing(folder)
        if path.name.endswith(DESCRIPTION) and (producer := _producer_in(path))
    }


def _producer_in(description: Path) -> str:
    try:
        return _generated_by(read_json(description))
    except LabelxError:
        # Of the first dataset it is refused before; of others it decides nothing.
        return ""


def _generated_by(content: Mapping[str, Any]) -> str:
    """The program and version that made a dataset; empty where its description says none."""
    made = content.get("GeneratedBy", content.get("PipelineDescription"))
    tools: Iterable[Any] = made if isinstance(made, list) else [made]
    # The first made the dataset, others are what it took part of.
    for tool in tools:
        if isinstance(tool, dict) and isinstance(tool.get("Name"), str):
            version = tool.get("Version")
            return f"{tool['Name']} {version}" if isinstance(version, str) else str(tool["Name"])
    return ""
