"""The tree that the HCP pipelines write: its participants, and the runs of each by their names.

Below ``SUBJECT/MNINonLinear/Results/RUN/`` (Glasser et al. 2013,
doi:10.1016/j.neuroimage.2013.04.127).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from bids_labelx.errors import Failure
from bids_labelx.names import build_name, is_backup, parse_name, printable

T = TypeVar("T", bound=Hashable)

RESULTS = Path("MNINonLinear", "Results")
MOVEMENT = "Movement_Regressors.txt"
MSMALL = "_MSMAll"

# What comes between a run's name and the end of its dense series, by density.
_DENSE = (("91k", "_Atlas"), ("170k", "_Atlas_1.6mm"))

# How the last part of a run's name gives the direction of phase encoding.
_DIRECTION = re.compile(r"LR|RL|AP|PA|SI|IS")
# The first part, which says no more than that it is one: rfMRI_REST1_LR, tfMRI_WM_RL.
_MODALITY = re.compile(r"[a-z]*fMRI")
# HCP Lifespan has a folder for each visit of a participant.
_VISIT = re.compile(r"([A-Za-z0-9]+)_(V\d+)_MR")
# What a run's name can say where it is made of entities already.
_NAMED = ("ses", "task", "acq", "ce", "rec", "dir", "run")


@dataclass(frozen=True)
class HcpRun:
    """A run of a participant.

    Attributes
    ----------
    folder
        ``…/Results/rfMRI_REST1_LR``; its name is that of the run.
    entities
        BIDS entities of the participant and the run.
    """

    folder: Path
    entities: Mapping[str, str]

    @property
    def volumes(self) -> Path | None:
        """The series on a voxel grid; None where there is none."""
        return _first(self.folder, [f"{self.folder.name}.nii.gz"])

    @property
    def dense(self) -> dict[str, Path]:
        """The dense series by their density, those aligned by MSMAll before others."""
        found = {
            den: _first(
                self.folder, [f"{self.folder.name}{a}{m}.dtseries.nii" for m in (MSMALL, "")]
            )
            for den, a in _DENSE
        }
        return {den: path for den, path in found.items() if path is not None}

    @property
    def masks(self) -> list[Path]:
        """FreeSurfer's brain mask on grids of functional images; the name has the resolution."""
        return sorted(self.folder.glob("brainmask_fs.*.nii.gz"))

    def name(self, suffix: str, extension: str, **entities: str) -> str:
        """The name of a file of the run, from its participant's folder on."""
        folders = [f"{key}-{self.entities[key]}" for key in ("sub", "ses") if key in self.entities]
        name = build_name({**self.entities, **entities}, suffix, extension)
        return "/".join([*folders, "func", name])


class HcpTree(NamedTuple):
    """The runs of a tree, and what of it cannot be taken."""

    runs: list[HcpRun]
    failures: list[Failure]


def find_hcp_runs(root: Path) -> HcpTree:
    """Look up the runs of all participants.

    A folder is a run's if it has an image or the motion parameters of one. Others hold what was
    made of several runs. Participants and runs of which two would have one name are refused.

    Raises
    ------
    OSError
        Where the folder cannot be listed.
    """
    runs: list[HcpRun] = []
    failures: list[Failure] = []
    subjects: dict[Path, tuple[str, str]] = {}
    for folder in _folders(root):
        try:
            if stat.S_ISDIR((folder / RESULTS).stat().st_mode):
                subjects[folder] = subject_label(folder.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failures.append(Failure(f"{folder / RESULTS} cannot be listed ({error.strerror})"))
    failures += _twice(root, subjects, "participant")
    for folder, (sub, ses) in _once(subjects).items():
        own = {"sub": sub, **({"ses": ses} if ses else {})}
        if not sub:
            failures.append(_nameless(folder, {}))
            continue
        results = folder / RESULTS
        try:
            found = [one for one in _folders(results) if _is_run(one)]
        except OSError as error:
            failures.append(Failure(f"{results} cannot be listed ({error.strerror})", own))
            continue
        named = {one: HcpRun(one, {**own, **run_entities(one.name)}) for one in found}
        nameless = [one for one, run in named.items() if not run.entities.get("task")]
        failures += [_nameless(one, named.pop(one).entities) for one in nameless]
        names = {one: run.name("bold", "") for one, run in named.items()}
        failures += _twice(root, names, "run", own)
        runs += [named[one] for one in _once(names)]
    return HcpTree(runs, failures)


def subject_label(folder: str) -> tuple[str, str]:
    """Labels of participant and session, the latter empty for most, from the folder's name.

    >>> subject_label("100307"), subject_label("HCA6002236_V1_MR"), subject_label("sub-a_b")
    (('100307', ''), ('HCA6002236', 'V1'), ('ab', ''))
    """
    visit = _VISIT.fullmatch(folder)
    return (visit[1], visit[2]) if visit else (_label(folder.removeprefix("sub-")), "")


def run_entities(name: str) -> dict[str, str]:
    """Entities from the name of a run, as XCP-D names them; a number at the task's end is the run.

    >>> run_entities("rfMRI_REST1_LR")
    {'task': 'rest', 'dir': 'LR', 'run': '1'}
    >>> run_entities("tfMRI_RETBAR2_7T_PA")
    {'task': 'retbar', 'acq': '7T', 'dir': 'PA', 'run': '2'}
    """
    stated = parse_name(f"{name}_bold").entities
    if "task" in stated:
        return {key: _label(stated[key]) for key in _NAMED if key in stated}
    parts = name.split("_")
    if len(parts) > 1 and _MODALITY.fullmatch(parts[0]):
        del parts[0]
    direction = parts.pop() if len(parts) > 1 and _DIRECTION.fullmatch(parts[-1]) else ""
    task, acquisition = _label(parts[0]), _label("".join(parts[1:]))
    numbered = re.fullmatch(r"([A-Za-z0-9]*[A-Za-z])(\d+)", task)
    task, number = (numbered[1], int(numbered[2])) if numbered else (task, 1)
    found = {"task": task.lower(), "acq": acquisition, "dir": direction, "run": str(number)}
    return {key: value for key, value in found.items() if value}


def _label(text: str) -> str:
    """The letters and digits of a text, which is what a label may have."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _folders(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if not is_backup(one.name) and one.is_dir())


def _is_run(folder: Path) -> bool:
    run = HcpRun(folder, {})
    return bool(run.volumes or run.dense or os.path.lexists(folder / MOVEMENT))


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    # A link whose content was not fetched is there, too: what it stands for is not replaced.
    return next((folder / name for name in names if os.path.lexists(folder / name)), None)


def _nameless(folder: Path, own: Mapping[str, str]) -> Failure:
    return Failure(f"{printable(str(folder))}: no letter or digit to name it by; rename it", own)


def _once(labels: Mapping[Path, T]) -> dict[Path, T]:
    """Folders whose label no other has."""
    given = list(labels.values())
    return {path: label for path, label in labels.items() if given.count(label) == 1}


def _twice(
    root: Path, labels: Mapping[Path, Hashable], what: str, own: Mapping[str, str] | None = None
) -> list[Failure]:
    """A failure for each label that several folders have."""
    by_label: dict[Hashable, list[str]] = {}
    for path, label in labels.items():
        by_label.setdefault(label, []).append(printable(str(path.relative_to(root))))
    return [
        Failure(
            f"{' and '.join(names)} would be one {what}, as labels have letters and digits only; "
            "rename one, or link it under another name",
            own or {},
        )
        for names in by_label.values()
        if len(names) > 1
    ]
