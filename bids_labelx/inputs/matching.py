"""Matching files to a BOLD image by the entities in their names.

A file matches an image if it has no entity that the image lacks or has with another value; the
one that shares most entities is the best match. Files are grouped by subject, session, task and
run, so that the time grows with their number and not with its square.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.content import display_path
from bids_labelx.names import Name, parse_name, sort_entities, space_name

# BIDS calls these indices: numbers, whose zeros in front mean nothing.
INDICES = frozenset({"run", "echo", "flip", "inv", "split", "chunk"})

# What C-PAC tells apart images by that were regressed, or whose motion was filtered, differently.
CPAC_ENTITIES = ("reg", "filt")

# Entities in which images of one run may differ; they share its confounds.
VARIES_WITHIN_RUN = frozenset(
    {"space", "cohort", "res", "den", "echo", "part", "desc", "hemi", *CPAC_ENTITIES}
)

# An image without a resolution may have the grid of a mask with one.
_OPTIONAL = frozenset({"res", "den"})

# The extension of a series on the surface of one hemisphere.
GIFTI = ".func.gii"

_GROUPED_BY = ("sub", "ses", "task", "run")

Identity = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class File:
    """A file of a dataset.

    Attributes
    ----------
    path
        Where it is.
    name
        Its parsed name, with the subject and session of its folders where it lacks them.
    entities
        As they are compared: without ``desc``, indices as numbers, a cohort joined to its space
        (``MNIInfant+1``). Of a segmentation, those that have to match the image's.
    beside
        Of a run on surfaces, the file of the right hemisphere beside that of the left one.
    problem
        Why it cannot be used, where its name or the files beside it tell.
    """

    path: Path
    name: Name
    entities: Mapping[str, str]
    beside: Path | None = None
    problem: str = ""

    @property
    def is_image(self) -> bool:
        """Whether it is a NIfTI image."""
        return self.name.extension in (".nii", ".nii.gz")

    @property
    def is_surface(self) -> bool:
        """Whether it is a series on surfaces or grayordinates."""
        return self.name.extension in (".dtseries.nii", GIFTI)


# Files by subject, session, task and run.
FileGroups = Mapping[tuple[str | None, ...], Sequence[File]]


def parse_path(path: Path, root: Path) -> File:
    """Parse the path of a file below the dataset's root; folders above it never count."""
    name = parse_name(path)
    above = folder_entities(path, root)
    if not above.keys() <= name.entities.keys():
        name = Name({**above, **name.entities}, name.suffix, name.extension)
    return File(path, name, comparable(name.entities))


def folder_entities(path: Path, root: Path) -> dict[str, str]:
    """Subject and session of the folders ``sub-…/ses-…``, or ``sub-…_ses-…``, below the root."""
    first, *others = path.relative_to(root).parts
    # C-PAC before 1.8.5 has one folder for both.
    participant, joined, session = first.partition("_ses-") if others else ("", "", "")
    folders = [participant, *[f"ses-{session}"] * bool(joined), *others[:-1]]
    pairs = zip(("sub", "ses"), folders, strict=False)
    return {key: part[4:] for key, part in pairs if part.startswith(f"{key}-") and part[4:]}


def misplaced(file: File, root: Path, shown_from: Path | None) -> str:
    """Why a file is in no folder of its own; empty where its folders say what its name says.

    The path is told from `shown_from`, see `bids_labelx.content.display_path`.
    """
    folders = folder_entities(file.path, root)
    if folders.items() <= file.name.entities.items():
        return ""
    return (
        f"{display_path(file.path, shown_from)} lies in the folder of {join_entities(folders)}, "
        "and its name says otherwise; move or rename it"
    )


def comparable(entities: Mapping[str, str]) -> dict[str, str]:
    """Entities without ``desc``, indices as numbers, a space with its mesh or its cohort."""
    found = {key: normalize_value(key, value) for key, value in entities.items() if key != "desc"}
    if "space" in found:
        found["space"] = space_name(found["space"], found.get("den", ""))
    if "space" in found and "cohort" in found:
        found["space"] += f"+{found.pop('cohort')}"
    return found


def normalize_value(key: str, value: str) -> str:
    """A value without the leading zeros of an index: `run-01` is `run-1`."""
    return str(int(value)) if key in INDICES and value.isdecimal() else value


def group_files(files: Iterable[File]) -> FileGroups:
    """Group files by subject, session, task and run."""
    groups: dict[tuple[str | None, ...], list[File]] = defaultdict(list)
    for file in files:
        groups[tuple(file.entities.get(key) for key in _GROUPED_BY)].append(file)
    return dict(groups)


def candidates(groups: FileGroups, image: File) -> list[File]:
    """Files with the image's subject, session, task and run, or without them, sorted."""
    values = [(image.entities.get(key), None) for key in _GROUPED_BY]
    keys = dict.fromkeys(itertools.product(*values))
    found = [file for key in keys for file in groups.get(key, ())]
    return sorted(found, key=lambda file: str(file.path))


def matching_files(groups: FileGroups, image: File, *, same_grid: bool = True) -> list[File]:
    """Candidates without an entity that the image lacks or has with another value.

    With `same_grid`, the space has to be the same or missing in both, and resolution and density
    are compared where both have them.
    """
    own = image.entities
    return [file for file in candidates(groups, image) if _fits(file.entities, own, same_grid)]


def _fits(theirs: Mapping[str, str], own: Mapping[str, str], same_grid: bool) -> bool:
    if same_grid and theirs.get("space") != own.get("space"):
        return False
    optional = _OPTIONAL if same_grid else frozenset()
    return all(own.get(k) == v or (k in optional and k not in own) for k, v in theirs.items())


def best_matches(files: Sequence[File], image: File) -> list[File]:
    """Of matching files, the one that shares most entities, or those that tie."""

    def rank(file: File) -> tuple[int, int]:
        extra = file.entities.keys() - image.entities.keys()
        return len(file.entities) - len(extra), -len(extra)

    highest = max(map(rank, files), default=None)
    best = [file for file in files if rank(file) == highest]
    if len({str(file.path).removesuffix(file.name.extension) for file in best}) == 1:
        # The same image, compressed and not: take the one with the BOLD image's extension.
        best = [file for file in best if file.name.extension == image.name.extension] or best
    return best


def run_identity(entities: Mapping[str, str]) -> Identity:
    """The entities of a run that do not vary between its images."""
    return frozenset(item for item in entities.items() if item[0] not in VARIES_WITHIN_RUN)


def run_label(image: File) -> str:
    """A run's name in messages: ``sub-01_task-rest_run-1``."""
    entities = image.name.entities.items()
    return join_entities({k: v for k, v in entities if k not in VARIES_WITHIN_RUN})


def join_entities(entities: Mapping[str, str]) -> str:
    """Entities in BIDS order as in a file name."""
    return "_".join(f"{key}-{value}" for key, value in sort_entities(entities).items())


def possible_runs(groups: FileGroups, images: Iterable[File]) -> dict[Path, dict[Identity, str]]:
    """By path, the runs that each confounds table could belong to: their labels by identity.

    A run with exactly the table's entities goes before all others. `images` are all BOLD images
    of the dataset, chosen or not.
    """
    possible: dict[Path, dict[Identity, str]] = {}
    exact: dict[Path, dict[Identity, str]] = {}
    for image in images:
        own = run_identity(image.entities)
        for table in matching_files(groups, image, same_grid=False):
            possible.setdefault(table.path, {}).setdefault(own, run_label(image))
            if run_identity(table.entities) == own:
                exact.setdefault(table.path, {}).setdefault(own, run_label(image))
    return {**possible, **exact}


def list_paths(files: Sequence[File], root: Path | None, most: int = 6) -> str:
    """The paths of files for a message, a line each."""
    lines = [display_path(file.path, root) for file in files[:most]]
    return "\n".join([*lines, *[f"and {len(files) - most} more"] * (len(files) > most)])
