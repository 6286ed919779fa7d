"""A run: one preprocessed BOLD image with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_labelx.inputs.matching import GIFTI, comparable
from bids_labelx.names import TableQuery

NATIVE = "native"


@dataclass(frozen=True)
class Run:
    """One preprocessed BOLD image with its associated files and metadata.

    Attributes
    ----------
    bold
        The 4D image, the dense series, or the file of the left hemisphere.
    root
        The folder of the dataset that the image is in.
    entities
        Those of the file name without ``desc``, short keys, in BIDS order.
    metadata
        The sidecars' content with BIDS inheritance.
    mask, confounds
        The brain mask on the BOLD's grid and the confounds table; None where `missing` says why.
    missing
        Why ``bold``, ``mask``, ``confounds``, ``metadata``, a segmentation (by its ``--atlas``
        argument) or another table (by its query as text) is missing: what was expected and what
        was found instead.
    desc
        The ``desc-`` entity of the image, empty where it has none.
    segmentations
        Segmentations in the run's own space, by the argument of ``--atlas`` that asks for them.
    beside
        The file of the right hemisphere, where there is one for each.
    tables
        The tables that strategies take columns from, beside the confounds.
    producers
        By file, the program and version that made it, where something says so.
    sidecars
        Those that `metadata` is from, the nearest last.
    times_elsewhere
        Where its own sidecar has no RepetitionTime, those of other images of the run.
    """

    bold: Path
    root: Path
    entities: Mapping[str, str]
    metadata: Mapping[str, Any]
    mask: Path | None
    confounds: Path | None
    missing: Mapping[str, str]
    desc: str = ""
    segmentations: Mapping[str, Path] = field(default_factory=dict)
    beside: Path | None = None
    tables: Mapping[TableQuery, Path] = field(default_factory=dict)
    producers: Mapping[Path, str] = field(default_factory=dict)
    sidecars: tuple[Path, ...] = ()
    times_elsewhere: Mapping[Path, Any] = field(default_factory=dict)

    @property
    def on_surfaces(self) -> bool:
        """Whether it is a series on surfaces or grayordinates, and not on a voxel grid."""
        return self.bold.name.endswith((".dtseries.nii", GIFTI))

    @property
    def images(self) -> list[Path]:
        """The files of the series."""
        return [self.bold] if self.beside is None else [self.bold, self.beside]

    @property
    def name(self) -> str:
        """The BOLD file's path within the dataset, for messages and sources."""
        return self.bold.relative_to(self.root).as_posix()

    @property
    def space(self) -> str:
        """The ``space-`` entity, with a cohort as ``MNIInfant+1``; ``native`` without one."""
        return comparable(self.entities).get("space", NATIVE)
