"""Runs whose series is not there when they are planned, as it is fetched when it is read.

What its header would say is taken from the small files that belong to it, or from the header of
another run on the same surfaces. Whether that is so is found out when the series is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.files import read_text
from bids_labelx.images import open_image
from bids_labelx.inputs.matching import GIFTI
from bids_labelx.inputs.repetition_time import repetition_time
from bids_labelx.inputs.run import NATIVE, Run
from bids_labelx.participant.fitting import check_volumes
from bids_labelx.participant.opening import Header, read_headers
from bids_labelx.participant.unchanged import is_absent
from bids_labelx.settings import Settings

# Bytes of a stored value where nothing says them: float32, the most that preprocessing writes.
_ITEMSIZE = 4

# Spaces in which each participant has surfaces of their own.
_OWN = (NATIVE, "fsnative")

# The ending of the file and the entities of runs that are on the same surfaces.
Surfaces = tuple[Path, bool, int, str, str | None, str | None]


class SeriesNeededError(Exception):
    """Nothing but the series says what a plan needs to know of a run."""


class Foretold(NamedTuple):
    """A header that was not read from its series.

    Attributes
    ----------
    header
        What it is expected to say.
    by
        What that is from: a path within the dataset.
    """

    header: Header
    by: str


@dataclass(frozen=True)
class Promise:
    """What a run was planned with before its series was there.

    Attributes
    ----------
    run, atlases
        The run, with the atlases that it is reduced to.
    grid
        The elements that it should have.
    by
        What these are from.
    mask, repetition_time
        The options.
    """

    run: Run
    atlases: tuple[Atlas, ...]
    grid: Space
    by: str
    mask: str | Path | None
    repetition_time: float | None

    def check(self) -> None:
        """Look into the series, now that it is there.

        Raises
        ------
        BadDataError, SpaceError
            Where a plan that had read it would have refused it, or been another one.
        """
        header = read_headers(self.run)
        if not self.grid.same(header.space):
            raise BadDataError(
                f"{self.run.name}: {header.space}\nbut it was planned as {self.by} says: "
                f"{self.grid}; fetch the run before (`datalad get`), so that its own header is "
                "read, or correct the file that is wrong"
            )
        if isinstance(header.space, VolumeGrid):
            check_volumes(self.run, header.space, self.atlases, self.mask, self.run.bold)
        repetition_time(self.run, header.t_r, self.repetition_time)


def foretell(run: Run, settings: Settings, seen: Mapping[Surfaces, Foretold]) -> Foretold | None:
    """The header of a run whose series is not there; None where it is, or has to be fetched.

    `seen` are headers of runs on surfaces, which have no masks.

    Raises
    ------
    SeriesNeededError
        Where it has to be, and this is a dry run.
    """
    if not any(map(is_absent, run.images)):
        return None
    found = _from_others(run, settings, seen)
    if found is None and settings.dry_run:
        raise SeriesNeededError(run.name)
    return found


def _from_others(
    run: Run, settings: Settings, seen: Mapping[Surfaces, Foretold]
) -> Foretold | None:
    n_volumes = _rows(run.confounds)
    timed = {"RepetitionTime", "VolumeTiming"} & run.metadata.keys()
    if n_volumes == 0 or not (timed or settings.repetition_time is not None):
        return None
    if run.on_surfaces:
        known = seen.get(surfaces_of(run))
        if known is None or run.space in _OWN:
            return None
        return known._replace(header=known.header._replace(n_volumes=n_volumes, t_r=None))
    if run.mask is None:
        return None
    image = open_image(run.mask)
    grid = VolumeGrid.of(image.shape, image.affine)
    by = run.mask.relative_to(run.root) if run.mask.is_relative_to(run.root) else run.mask
    return Foretold(Header(grid, n_volumes, _ITEMSIZE, None), by.as_posix())


def surfaces_of(run: Run) -> Surfaces:
    """What runs on the same surfaces have in common."""
    is_gifti = run.bold.name.endswith(GIFTI)
    entities = run.entities
    return (
        *(run.root, is_gifti, len(run.images), run.space),
        *(entities.get("den"), entities.get("hemi")),
    )


def _rows(table: Path | None) -> int:
    """The rows of a confounds table, which are volumes; 0 of none, or none of BIDS."""
    if table is None or table.suffix != ".tsv":
        return 0
    return max(0, len(read_text(table).splitlines()) - 1)
