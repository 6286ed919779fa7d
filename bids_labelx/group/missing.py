"""Participants of the input without outputs, as where a job never started."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bids_labelx.outputs.results import participants_of


def participants_without_output(dataset: Path, known: Collection[str]) -> list[str]:
    """Participants with a BOLD image in the input and neither results nor failures, sorted.

    The user may have excluded them on purpose. Only names of files are looked at.

    Parameters
    ----------
    dataset
        The input dataset.
    known
        Participants with results or failures, labels without ``sub-``.
    """
    # C-PAC before 1.8.5 has one folder for a session of a participant, sub-01_ses-1.
    others = {one: one.partition("_ses-")[0] for one in participants_of(dataset)}
    found = {
        label
        for folder, label in others.items()
        if label not in known and _has_bold(dataset / f"sub-{folder}")
    }
    return sorted(found)


def _has_bold(folder: Path) -> bool:
    patterns = ("func/*_bold.nii*", "ses-*/func/*_bold.nii*")
    return any(True for pattern in patterns for _ in folder.glob(pattern))
