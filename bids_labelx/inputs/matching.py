"""Which files belong to a BOLD image, by the entities in their names.

A file belongs to an image where it has no entity that the image lacks or has otherwise; of those
the one that shares most entities is the nearest. Candidates stand in groups by subject, session,
task and run, so that the time it takes grows with the number of files and not with its square.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_labelx.inputs.annex import shown
from bids_labelx.names import Name, parse_name, sort_entities

# BIDS calls these indices: numbers, whose zeros in front mean nothing.
INDICES = frozenset({"run", "echo", "flip", "inv", "split", "chunk"})

# What images of one run may differ in: its confounds hold for all of them.
NOT_OF_RUN = frozenset({"space", "cohort", "res", "den", "echo", "part", "desc", "hemi"})

# A file that says no resolution may still be on the grid of one that does.
_LOOSE = frozenset({"res", "den"})

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
        Its name taken apart, with the subject and session of its folders where it lacks them.
    entities
        As they are compared: without ``desc``, indices as numbers, a cohort joined to its space
        (``MNIInfant+1``). For a segmentation only what has to be the image's.
    """

    path: Path
    name: Name
    entities: Mapping[str, str]

    @property
    def is_image(self) -> bool:
        """Whether it is a NIfTI image."""
        return self.name.extension in (".nii", ".nii.gz")


# Files that may belong to an image, by subject, session, task and run.
Pool = Mapping[tuple[str | None, ...], Sequence[File]]


def describe(path: Path, root: Path) -> File:
    """Take the path of a file below the dataset's root apart. What is above never counts."""
    name = parse_name(path)
    above = folder_entities(path, root)
    if not above.keys() <= name.entities.keys():
        name = Name({**above, **name.entities}, name.suffix, name.extension)
    return File(path, name, comparable(name.entities))


def folder_entities(path: Path, root: Path) -> dict[str, str]:
    """Subject and session that the folders ``sub-…/ses-…`` below the root stand for."""
    folders = path.relative_to(root).parts[:-1]
    pairs = zip(("sub", "ses"), folders, strict=False)
    return {key: part[4:] for key, part in pairs if part.startswith(f"{key}-") and part[4:]}


def comparable(entities: Mapping[str, str]) -> dict[str, str]:
    """Entities in the form in which they are compared."""
    found = {key: plain(key, value) for key, value in entities.items() if key != "desc"}
    if "space" in found and "cohort" in found:
        found["space"] += f"+{found.pop('cohort')}"
    return found


def plain(key: str, value: str) -> str:
    """A value without the zeros in front that mean nothing: `run-01` is `run-1`."""
    return str(int(value)) if key in INDICES and value.isdecimal() else value


def make_pool(files: Iterable[File]) -> Pool:
    """Group files by what they have of subject, session, task and run."""
    pool: dict[tuple[str | None, ...], list[File]] = defaultdict(list)
    for file in files:
        pool[tuple(file.entities.get(key) for key in _GROUPED_BY)].append(file)
    return dict(pool)


def near(pool: Pool, image: File) -> list[File]:
    """Files that have the image's subject, session, task and run or say none, sorted."""
    values = [(image.entities.get(key), None) for key in _GROUPED_BY]
    groups = dict.fromkeys(itertools.product(*values))
    found = [file for group in groups for file in pool.get(group, ())]
    return sorted(found, key=lambda file: str(file.path))


def fitting(pool: Pool, image: File, *, same_grid: bool = True) -> list[File]:
    """Files without an entity that the image lacks or has otherwise.

    With `same_grid`, the space must be the same, said or not, and a resolution or density counts
    where both say one.
    """
    return [file for file in near(pool, image) if _fits(file.entities, image.entities, same_grid)]


def _fits(theirs: Mapping[str, str], own: Mapping[str, str], same_grid: bool) -> bool:
    if same_grid and theirs.get("space") != own.get("space"):
        return False
    loose = _LOOSE if same_grid else frozenset()
    return all(own.get(k) == v or (k in loose and k not in own) for k, v in theirs.items())


def nearest(files: Sequence[File], image: File) -> list[File]:
    """Of files that fit, the one that shares most entities, or those that tie."""

    def rank(file: File) -> tuple[int, int]:
        extra = file.entities.keys() - image.entities.keys()
        return len(file.entities) - len(extra), -len(extra)

    highest = max(map(rank, files), default=None)
    best = [file for file in files if rank(file) == highest]
    if len({file.path.with_name(_stem(file)) for file in best}) == 1:
        # The same image compressed and not: that of the BOLD image's kind.
        best = [file for file in best if file.name.extension == image.name.extension] or best
    return best


def _stem(file: File) -> str:
    return file.path.name.removesuffix(file.name.extension)


def identity(entities: Mapping[str, str]) -> Identity:
    """What tells a run from all others, whatever the space, resolution or echo of an image."""
    return frozenset(item for item in entities.items() if item[0] not in NOT_OF_RUN)


def run_label(image: File) -> str:
    """A run's name in messages: ``sub-01_task-rest_run-1``."""
    return label({k: v for k, v in image.name.entities.items() if k not in NOT_OF_RUN})


def label(entities: Mapping[str, str]) -> str:
    """Entities as they stand in a name."""
    return "_".join(f"{key}-{value}" for key, value in sort_entities(entities).items())


def find_owners(pool: Pool, images: Iterable[File]) -> dict[Path, dict[Identity, str]]:
    """By confounds table, the runs that it could belong to.

    One where a run has the table's very entities, or no other run fits. With more than one,
    nobody can know whose it is.

    Parameters
    ----------
    pool
        The tables.
    images
        All BOLD images that there are, chosen or not.

    Returns
    -------
    dict
        By path, the runs' names by their identity.
    """
    owners: dict[Path, dict[Identity, str]] = {}
    exact: dict[Path, dict[Identity, str]] = {}
    for image in images:
        own = identity(image.entities)
        for table in fitting(pool, image, same_grid=False):
            owners.setdefault(table.path, {}).setdefault(own, run_label(image))
            if identity(table.entities) == own:
                exact.setdefault(table.path, {}).setdefault(own, run_label(image))
    return {**owners, **exact}


def listing(files: Sequence[File], root: Path, most: int = 6) -> str:
    """Files for a message, a line each."""
    lines = [shown(file.path, root) for file in files[:most]]
    return "\n".join([*lines, *[f"and {len(files) - most} more"] * (len(files) > most)])
