"""Which results of a run are there already, and recording those that were just written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from bids_labelx.content import display_path
from bids_labelx.errors import LabelxError
from bids_labelx.outputs.failures import read_failures_of
from bids_labelx.outputs.run_records import (
    Invocation,
    RecordedFile,
    RunRecord,
    command_line,
    contradictions,
    read_record,
    recorded_file,
    write_record,
)
from bids_labelx.outputs.sidecars import software_versions
from bids_labelx.participant.contents import content_signature
from bids_labelx.participant.deliver import About, Delivery, planned_paths
from bids_labelx.participant.facts import atlas_facts, done_facts
from bids_labelx.participant.plan import Plan, PlannedRun, confounds_files
from bids_labelx.participant.records import RunResults
from bids_labelx.participant.unchanged import FileState, file_state
from bids_labelx.remote.mirror import place_of, remote_file
from bids_labelx.settings import Settings, plain_options


def this_invocation(settings: Settings, plan: Plan) -> Invocation:
    """What the records of this invocation's runs say of it."""
    strategies = {one.name: {**asdict(one), "label": one.label} for one in plan.strategies}
    # As they are read back from JSON.
    return Invocation(
        command=command_line(),
        options=json.loads(json.dumps(plain_options(settings))),
        strategies=json.loads(json.dumps(strategies)),
        made_with=content_signature(settings, plan),
        versions=software_versions(),
    )


def inputs_digest(planned: PlannedRun) -> str:
    """A digest of all files that a run's results depend on: by path, size, time and inode.

    Files of a store count by URL, size, time and ETag, wherever their mirror is, and those of
    git-annex by their keys. Sidecars and descriptions of datasets count by what was read out of
    them.
    """
    known = [one._replace(path=place_of(Path(one.path))) for one in _files_of(planned)]
    made = {place_of(path): producer for path, producer in planned.run.producers.items()}
    read = [known, dict(planned.run.metadata), planned.source.t_r, planned.warnings, made]
    text = json.dumps(read, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _files_of(planned: PlannedRun) -> list[FileState]:
    """The files that a run's results depend on."""
    others = [path for atlas in planned.atlases for path in (atlas.image, atlas.table_path)]
    others += confounds_files(planned.run)
    return [*planned.files, *(file_state(path) for path in others if path is not None)]


def _etags(planned: PlannedRun) -> dict[str, str]:
    """The ETag of each file that was read from a store, by its URL."""
    files = (remote_file(Path(one.path)) for one in _files_of(planned))
    return {one.url: one.version.etag for one in files if one is not None}


def _annex_keys(planned: PlannedRun) -> dict[str, str]:
    """The key of each file that was read from git-annex, by its path."""
    root = planned.run.root
    keys = {Path(one.path): one.key for one in _files_of(planned) if one.key}
    return {display_path(path, root): key for path, key in keys.items()}


def without_finished(settings: Settings, plan: Plan, invocation: Invocation) -> Plan:
    """The plan without the runs of which everything is there."""
    runs = tuple(
        one
        for one in plan.runs
        if not is_finished(
            Delivery(settings, one, plan.strategies), invocation, inputs_digest(one)
        )
    )
    return replace(plan, runs=runs)


def is_finished(delivery: Delivery, invocation: Invocation, inputs: str) -> bool:
    """Whether all that this invocation would write of a run is there, made of the same inputs.

    It is not where something of the run has failed before, or was made by other versions.
    """
    output, entities = delivery.settings.output_dir, delivery.planned.run.entities
    try:
        record = read_record(output, entities)
    except LabelxError:
        return False
    if record is None or record.inputs != inputs or read_failures_of(output, entities):
        return False
    if any(one.name not in record.done for one in delivery.strategies):
        return False
    kept = {name: int(done["NumberOfVolumesKept"]) for name, done in record.done.items()}
    wanted = {path.as_posix() for path in planned_paths(delivery, kept)}
    if not wanted <= record.files.keys():
        return False
    names = {"", *(one.name for one in delivery.strategies)}
    atlases = {"", *(one.key for one in delivery.planned.atlases)}
    for path, file in record.files.items():
        if file.strategy not in names or file.atlas not in atlases:
            continue
        made = record.invocations[file.invocation]
        if made.versions != invocation.versions or not _is_whole(output / path, file):
            return False
        if contradictions(made, invocation.made_with, file):
            return False
    return True


def _is_whole(path: Path, file: RecordedFile) -> bool:
    try:
        return path.stat().st_size == file.size
    except OSError:
        return False


def remove_contradicting(
    delivery: Delivery, invocation: Invocation, written: Collection[Path]
) -> None:
    """Remove earlier results of a run that contradict those that were just written.

    They are those of other settings that were not replaced: of another strategy with another
    --min-coverage, say, whose label table is not theirs any more.

    Raises
    ------
    CannotWriteError
    """
    output, now = delivery.settings.output_dir, {path.as_posix() for path in written}
    before = _record_before(delivery)
    others = [
        path
        for path, file in before.files.items()
        if path not in now
        and contradictions(before.invocations[file.invocation], invocation.made_with, file)
    ]
    if others:
        for path in others:
            (output / path).unlink(missing_ok=True)
        write_record(output, before.without(others))


def record_run(
    delivery: Delivery,
    invocation: Invocation,
    inputs: str,
    results: RunResults,
    written: Mapping[Path, About],
    seconds: Mapping[str, float | None],
) -> None:
    """Record what was written of a run.

    Raises
    ------
    CannotWriteError
    """
    output = delivery.settings.output_dir
    key = invocation.key
    files = {
        path.as_posix(): recorded_file(output / path, key, *about)
        for path, about in written.items()
    }
    facts = done_facts(delivery, results.denoised)
    record = _record_before(delivery).with_files(
        invocation,
        files,
        done=facts,
        inputs=inputs,
        seconds=seconds,
        atlases=atlas_facts(delivery, results),
        etags=_etags(delivery.planned),
        annex_keys=_annex_keys(delivery.planned),
    )
    write_record(output, record)


def _record_before(delivery: Delivery) -> RunRecord:
    """The record of a run as it is; an empty one where there is none, or a broken one."""
    entities = delivery.planned.run.entities
    try:
        return read_record(delivery.settings.output_dir, entities) or RunRecord(entities)
    except LabelxError:
        return RunRecord(entities)
