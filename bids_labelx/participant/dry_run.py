"""What an invocation would do, in plain lines: ``--dry-run``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bids_labelx.atlases.surface_labels import is_surface_atlas
from bids_labelx.denoise import Strategy
from bids_labelx.errors import LabelxError
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.failures import subject_of
from bids_labelx.participant.confounds import choose_confounds, read_confounds
from bids_labelx.participant.deliver import Delivery, dataset_of, planned_paths
from bids_labelx.participant.plan import Plan, PlannedRun
from bids_labelx.report.text import counted
from bids_labelx.settings import Settings


def plan_lines(settings: Settings, plan: Plan) -> Iterator[str]:
    """Each run with what it is read from and what would be written of it, then what would not."""
    count = 0
    datasets = settings.dataset_folders

    def name(path: Path) -> str:
        return _name(path, datasets)

    def with_sidecar(table: Path) -> str:
        sidecar = table.with_suffix(".json")
        return name(table) + (f" and {sidecar.name}" if sidecar.is_file() else "")

    for planned in plan.runs:
        run = planned.run
        yield " and ".join(name(image) for image in run.images)
        mask = planned.source.mask
        everything = "vertices and voxels" if run.on_surfaces else "voxels"
        yield _line("mask", name(mask) if mask else f"none: all {everything} count")
        for path in run.sidecars:
            yield _line("sidecar", name(path))
        missing = f"none: {run.missing.get('confounds', '')}"
        yield _line("confounds", with_sidecar(run.confounds) if run.confounds else missing)
        for query, path in run.tables.items():
            yield _line("table", f"{query}: {with_sidecar(path)}")
        for query, reason in planned.source.missing_tables.items():
            yield _line("table", f"{query}: none: {reason}")
        for atlas in planned.atlases:
            table = ", its own label table" if is_surface_atlas(atlas.image) else ", no table"
            if atlas.table_path:
                table = f" with {name(atlas.table_path)}"
            images = [atlas.image] if atlas.other is None else [atlas.image, atlas.other]
            which = f"#{atlas.which}" if atlas.which else ""
            shown = " and ".join(name(image) for image in images)
            yield _line("atlas", f"{atlas.key}: {shown}{which}{table}")
        allowed, refused = _allowed(planned, plan.strategies)
        yield _line("denoise", ", ".join(one.name for one in allowed) or "nothing")
        for text in refused:
            yield _line("not done", text)
        for failure in planned.unfit:
            yield _line("not done", failure.message)
        delivery = Delivery(settings, planned, tuple(allowed))
        paths = planned_paths(delivery, {}) if allowed else []
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


def _name(path: Path, datasets: Mapping[str, Path]) -> str:
    """A path within a dataset where it lies in one, which is named unless it is the first."""
    dataset = dataset_of(path, datasets)
    if dataset is None:
        return str(path)
    within = path.relative_to(datasets[dataset]).as_posix()
    return within if dataset == FIRST_DATASET else f"{within} (dataset {dataset})"


def _allowed(
    planned: PlannedRun, strategies: Sequence[Strategy]
) -> tuple[list[Strategy], list[str]]:
    """The strategies that the tables of a run allow, and why not the others."""
    confounds = read_confounds(planned.source)
    allowed: list[Strategy] = []
    refused = []
    for strategy in strategies:
        try:
            choose_confounds(strategy, confounds, planned.source, planned.n_volumes)
        except LabelxError as error:
            refused.append(str(error))
        else:
            allowed.append(strategy)
    return allowed, refused
