"""What a start will do, worked out and checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.spatialimages import SpatialImage

from bids_labelx.atlas import Atlas, find_atlases
from bids_labelx.dataset import Run, find_runs, repetition_time
from bids_labelx.denoise import Strategy, override, read_strategies
from bids_labelx.errors import BadDataError, LabelxError, SpaceError
from bids_labelx.extraction.resample import bounding_box, boxes_overlap, same_grid
from bids_labelx.images import open_image
from bids_labelx.outputs import first_twice, output_path
from bids_labelx.settings import Settings


@dataclass(frozen=True)
class Grid:
    """A voxel grid: shape (x, y, z) and the affine as four rows, voxel indices to mm."""

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]

    def same(self, other: Grid) -> bool:
        """Equal shapes, and affines within 1e-3 mm."""
        return same_grid(self.shape, np.array(self.affine), other.shape, np.array(other.affine))


@dataclass(frozen=True)
class PlannedRun:
    """A run with what its header says; ``grid`` is the first one like it, which all share."""

    run: Run
    grid: Grid
    n_volumes: int
    t_r: float | None

    @property
    def key(self) -> str:
        """A name for nodes and records, unique among the runs."""
        text = "_".join(f"{key}_{value}" for key, value in self.run.entities.items())
        return text.replace("+", "_plus_")


@dataclass(frozen=True)
class Plan:
    """All runs with the atlases of their space.

    Attributes
    ----------
    runs
        Those that can be tried.
    atlases
        By space.
    strategies
        The denoising strategies, for every run.
    failures
        Runs that cannot even be tried, each with the reason.
    skipped
        Runs in a space that no atlas is in, where the user did not ask for that space.
    """

    runs: tuple[PlannedRun, ...]
    atlases: dict[str, list[Atlas]]
    strategies: tuple[Strategy, ...]
    failures: tuple[tuple[Run, str], ...]
    skipped: tuple[Run, ...]


def make_plan(settings: Settings) -> Plan:
    """Find runs and atlases, and refuse what cannot go together.

    Raises
    ------
    LabelxError
        For what concerns every run. What concerns one run is among the plan's failures.
    """
    strategies = tuple(
        override(
            read_strategies(settings.denoise),
            fd_threshold=settings.fd_threshold,
            std_dvars_threshold=settings.std_dvars_threshold,
            dummy_scans=settings.dummy_scans,
            clean=settings.clean,
        )
    )
    runs = find_runs(settings)
    atlases, skipped = _atlases_by_space(settings, runs)
    runs = [run for run in runs if run.space in atlases]
    twice = first_twice(output_path(run.entities, "bold", "") for run in runs)
    if twice is not None:
        same = [r.name for r in runs if output_path(r.entities, "bold", "") == twice]
        raise BadDataError(
            "these runs would be written under the same name; move one of them away\n"
            + "\n".join(same)
        )
    planned: list[PlannedRun] = []
    failures: list[tuple[Run, str]] = []
    grids: list[Grid] = []
    for run in runs:
        try:
            planned.append(_plan_run(run, atlases[run.space], grids))
        except LabelxError as error:
            failures.append((run, str(error)))
    return Plan(tuple(planned), atlases, strategies, tuple(failures), tuple(skipped))


def _atlases_by_space(
    settings: Settings, runs: Sequence[Run]
) -> tuple[dict[str, list[Atlas]], list[Run]]:
    """Atlases for each space of the runs, and the runs in spaces without any.

    A dataset often has its runs in several spaces. Where the user did not ask for one with
    ``--space``, those that no atlas fits are left out; where none is left, it is an error.
    """
    found: dict[str, list[Atlas]] = {}
    errors: list[SpaceError] = []
    for space in sorted({run.space for run in runs}):
        try:
            found[space] = find_atlases(
                settings.atlas,
                settings.atlas_dataset,
                space,
                atlas_space=settings.atlas_space,
            )
        except SpaceError as error:
            if settings.space:
                raise
            errors.append(error)
    if not found:
        raise errors[0] if len(errors) == 1 else SpaceError("\n".join(map(str, errors)))
    return found, [run for run in runs if run.space not in found]


def _plan_run(run: Run, atlases: Sequence[Atlas], grids: list[Grid]) -> PlannedRun:
    for what in ("metadata", "mask"):
        if what in run.missing:
            raise BadDataError(f"{run.name}: {run.missing[what]}")
    assert run.mask is not None
    open_image(run.mask)
    image = _open_bold(run)
    # More dimensions than four are fine where all but one have length 1, as SPM writes them.
    n_volumes = int(np.prod(image.shape[3:]))
    rows = tuple(tuple(float(value) for value in row) for row in image.affine)
    grid = Grid((image.shape[0], image.shape[1], image.shape[2]), rows)
    for atlas in atlases:
        _check_overlap(run, grid, atlas)
    # The first grid like it stands for all: labels are resampled once for each.
    known = next((other for other in grids if grid.same(other)), None)
    if known is None:
        grids.append(grid)
        known = grid
    return PlannedRun(run, known, n_volumes, repetition_time(run, image.header))


def _open_bold(run: Run) -> SpatialImage:
    image = open_image(run.bold)
    if len(image.shape) < 4 or sum(length > 1 for length in image.shape[3:]) > 1:
        raise BadDataError(
            f"{run.name}: a BOLD run has 4 dimensions, this image has shape {image.shape}"
        )
    return image


def _check_overlap(run: Run, grid: Grid, atlas: Atlas) -> None:
    image = open_image(atlas.image)
    shape, affine = image.shape[:3], image.affine
    if not boxes_overlap(shape, affine, grid.shape, np.array(grid.affine)):
        theirs = _box(shape, affine)
        raise BadDataError(
            f"{run.name}: the atlas {atlas.image} lies wholly outside the image; it covers "
            f"{theirs}, the run {_box(grid.shape, np.array(grid.affine))}"
        )


def _box(shape: tuple[int, ...], affine: np.ndarray) -> str:
    low, high = bounding_box(shape, affine)
    return " × ".join(
        f"{axis} {a:.0f} to {b:.0f} mm" for axis, a, b in zip("xyz", low, high, strict=True)
    )


def record_paths(folder: Path, run: PlannedRun) -> tuple[Path, Path]:
    """Where the nodes of a run say that it is done, and why it is not."""
    return folder / f"{run.key}.done.json", folder / f"{run.key}.failed.json"
