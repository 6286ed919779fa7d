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
    others = (one for one in participants_of(dataset) if one not in known)
    return [one for one in others if _has_bold(dataset / f"sub-{one}")]


def _has_bold(folder: Path) -> bool:
    patterns = ("func/*_bold.nii*", "ses-*/func/*_bold.nii*")
    return any(True for pattern in patterns for _ in folder.glob(pattern))
