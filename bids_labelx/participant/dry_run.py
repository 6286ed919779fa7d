"""What an invocation would do, in plain lines: ``--dry-run``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bids_labelx.annexed import annexed
from bids_labelx.atlases.surface_labels import is_surface_atlas
from bids_labelx.content import missing_reason
from bids_labelx.denoise import Strategy
from bids_labelx.errors import Failure, LabelxError
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.failures import subject_of
from bids_labelx.participant.deliver import Delivery, dataset_of, planned_paths
from bids_labelx.participant.denoise_run import Prepared, prepare_strategies
from bids_labelx.participant.extract import read_mask
from bids_labelx.participant.lacking import lacking_in_words
from bids_labelx.participant.plan import Plan, PlannedRun
from bids_labelx.settings import DenoisingOptions, Settings
from bids_labelx.words import counted


class DryRun(NamedTuple):
    """What would be done, in lines, and what would not."""

    lines: list[str]
    failures: list[Failure]


def dry_run(settings: Settings, plan: Plan, fetched: Mapping[str, int]) -> DryRun:
    """Each run with what it is read from and what would be written of it, then what would not.

    `fetched` has the bytes of the files of git-annex that were fetched to find it out.
    """
    options = settings.part(DenoisingOptions)
    prepared = [_prepare(one, plan.strategies, options) for one in plan.runs]
    failures = list(plan.failures)
    for one, done in zip(plan.runs, prepared, strict=True):
        of_run = [replace(failure, entities=one.run.entities) for failure in done.failures]
        failures += [*one.unfit, *of_run]
    return DryRun(list(_lines(settings, plan, prepared, fetched)), failures)


def _prepare(
    planned: PlannedRun, strategies: Sequence[Strategy], options: DenoisingOptions
) -> Prepared:
    """What a run reads before its image: the mask, and the tables of each strategy."""
    source = planned.source
    if not source.resample_mask:  # that of all runs is looked into before
        try:
            read_mask(source.mask, planned.grid)
        except LabelxError as error:
            return Prepared({}, {}, (Failure.of(error),))
    return prepare_strategies(source, strategies, planned.n_volumes, options)


def _lines(
    settings: Settings, plan: Plan, prepared: Sequence[Prepared], fetched: Mapping[str, int]
) -> Iterator[str]:
    n_done, n_files, datasets = 0, 0, settings.dataset_folders

    def name(path: Path) -> str:
        return _name(path, datasets)

    def with_sidecar(table: Path) -> str:
        sidecar = table.with_suffix(".json")
        return name(table) + (f" and {sidecar.name}" if not missing_reason(sidecar) else "")

    for planned, done in zip(plan.runs, prepared, strict=True):
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
            if atlas.kind == "spheres":
                table = ", seeds of spheres"
            if atlas.table_path:
                table = f" with {name(atlas.table_path)}"
            images = [atlas.image] if atlas.other is None else [atlas.image, atlas.other]
            which = f"#{atlas.which}" if atlas.which else ""
            shown = " and ".join(name(image) for image in images)
            yield _line("atlas", f"{atlas.key}: {shown}{which}{table}")
        allowed = tuple(one for one in plan.strategies if one.name in done.applied)
        yield _line("denoise", ", ".join(one.name for one in allowed) or "nothing")
        for failure in (*done.failures, *planned.unfit):
            yield _line("not done", failure.message)
        kept = {strategy: applied.n_kept for strategy, applied in done.applied.items()}
        paths = planned_paths(Delivery(settings, planned, allowed), kept) if allowed else []
        n_done, n_files = n_done + bool(allowed), n_files + len(paths)
        for path in paths:
            yield _line("writes", path.as_posix())
    for failure in plan.failures:
        yield f"{subject_of(failure)}\n    cannot be done: {failure.message}"
    for run in plan.skipped:
        yield f"{run.name}\n    excluded: no atlas is in its space ({run.space})"
    for run in plan.unread:
        yield f"{run.name}\n    not known before its series is fetched, as --dry-run fetches none"
    yield from lacking_in_words(plan.runs, plan.strategies)
    if settings.datalad:
        yield _to_fetch(plan, fetched)
    not_done = len(plan.runs) - n_done + len(plan.failures)
    yield (
        f"{counted(n_done, 'run')} of {counted(len(plan.participants), 'participant')} would be "
        f"done, {counted(n_files, 'table or image', 'tables and images')} written to "
        f"{settings.output_dir}; "
        f"{counted(not_done, 'run')} cannot be done"
    )


def _to_fetch(plan: Plan, fetched: Mapping[str, int]) -> str:
    """How much the runs that would be done need, `fetched` being what their plan needed."""
    runs = [*(one.run for one in plan.runs), *plan.unread]
    found = [annexed(image) for run in runs for image in run.images]
    # Runs have one content where they are copies of each other.
    series = {one.key: one.size for one in found if one is not None and one.is_absent}
    sizes = {**series, **fetched}
    text = (
        f"{counted(len(sizes), 'file')} would be fetched, {sum(sizes.values()):,} bytes: "
        f"{counted(len(series), 'series', 'series')} of {sum(series.values()):,} bytes; and "
        f"{counted(len(fetched), 'small file')}, which this dry run has fetched and drops"
    )
    n_unknown = sum(not size for size in series.values())
    return text + (f"; the size of {n_unknown} series is not known before" if n_unknown else "")


def _line(what: str, text: str) -> str:
    return f"    {what:<10} {text}"


def _name(path: Path, datasets: Mapping[str, Path]) -> str:
    """A path within a dataset where it lies in one, which is named unless it is the first."""
    dataset = dataset_of(path, datasets)
    if dataset is None:
        return str(path)
    within = path.relative_to(datasets[dataset]).as_posix()
    return within if dataset == FIRST_DATASET else f"{within} (dataset {dataset})"
