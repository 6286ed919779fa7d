"""What an invocation would do, in plain lines: ``--dry-run``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bids_labelx.atlases.surface_labels import is_surface_atlas
from bids_labelx.inputs.dataset import Run
from bids_labelx.outputs.failures import subject_of
from bids_labelx.participant.deliver import Delivery, planned_paths
from bids_labelx.participant.plan import Plan
from bids_labelx.report.text import counted
from bids_labelx.settings import Settings


def plan_lines(settings: Settings, plan: Plan) -> Iterator[str]:
    """Each run with what it is read from and what would be written of it, then what would not."""
    count = 0
    for planned in plan.runs:
        run = planned.run
        yield " and ".join(_name(run, image) for image in run.images)
        mask = planned.source.mask
        everything = "vertices and voxels" if run.on_surfaces else "voxels"
        yield _line("mask", _name(run, mask) if mask else f"none: all {everything} count")
        missing = f"none: {run.missing.get('confounds', '')}"
        yield _line("confounds", _name(run, run.confounds) if run.confounds else missing)
        for atlas in planned.atlases:
            table = ", its own label table" if is_surface_atlas(atlas.image) else ", no table"
            if atlas.table_path:
                table = f" with {_name(run, atlas.table_path)}"
            images = [atlas.image] if atlas.other is None else [atlas.image, atlas.other]
            which = f"#{atlas.which}" if atlas.which else ""
            shown = " and ".join(_name(run, image) for image in images)
            yield _line("atlas", f"{atlas.key}: {shown}{which}{table}")
        for failure in planned.unfit:
            yield _line("not done", failure.message)
        paths = planned_paths(Delivery(settings, planned, plan.strategies), {})
        count += len(paths)
        for path in paths:
            yield _line("writes", path.as_posix())
    for failure in plan.failures:
        yield f"{subject_of(failure)}\n    cannot be done: {failure.message}"
    for run in plan.skipped:
        yield f"{run.name}\n    excluded: no atlas is in its space ({run.space})"
    yield (
        f"{counted(len(plan.runs), 'run')} of {counted(len(plan.participants), 'participant')} "
        f"would be done, {count} tables and images written to {settings.output_dir}; "
        f"{counted(len(plan.failures), 'run')} cannot be done"
    )


def _line(what: str, text: str) -> str:
    return f"    {what:<10} {text}"


def _name(run: Run, path: Path) -> str:
    """A path within the input dataset where it lies there."""
    return path.relative_to(run.root).as_posix() if path.is_relative_to(run.root) else str(path)
