"""Running the graph with a nipype plugin, and stopping it."""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bids_labelx.errors import Failure
from bids_labelx.files import cannot_write, disk_full, full_message
from bids_labelx.outputs.run_records import Invocation
from bids_labelx.outputs.states import FAILED
from bids_labelx.participant.plan import Plan, PlannedRun, record_paths
from bids_labelx.participant.records import Outcome, load_record
from bids_labelx.settings import Settings
from bids_labelx.workflow.failures import GraphEndedError
from bids_labelx.workflow.kept import remove_broken
from bids_labelx.workflow.plugins import LOCAL, plugin_class, read_plugin
from bids_labelx.workflow.progress import show_progress

LOGGER = logging.getLogger("bids_labelx")

# nipype looks for finished nodes this often, in seconds; here, it is told when one ends.
_POLL, _POLL_CLUSTER = 0.0, 5.0

# Of a run without a record, where the plugin does not know more.
_WHY = "it did not finish: its job was killed or ran out of memory; see logs/"


def run_graph(
    settings: Settings,
    plan: Plan,
    invocation: Invocation,
    *,
    work: Path,
    logs: Path,
    console: Console,
) -> dict[str, Outcome]:
    """Run every node that can run; give the outcome of each run by its key."""
    if not plan.runs:
        return {}
    from bids_labelx.workflow.graph import init_bids_labelx_wf

    plugin, arguments = read_plugin(settings)
    remove_broken(work)
    try:
        # A folder of its own for each invocation: another one may share the work folder.
        records = Path(tempfile.mkdtemp(prefix="records-", dir=work))
        (records / "atlases").mkdir()
    except OSError as error:
        raise cannot_write(work, error) from None
    workflow = init_bids_labelx_wf(settings, plan, invocation, work_dir=work, records=records)
    workflow.config["execution"] = {
        "crashdump_dir": str(logs),
        "crashfile_format": "txt",
        "create_report": "false",
        "poll_sleep_duration": _POLL if plugin in LOCAL else _POLL_CLUSTER,
        "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
        "check_version": "false",
    }
    try:
        with show_progress(console, len(plan.runs), records) as update:
            # nipype collects garbage at every poll; what exists by now need not be traversed.
            gc.freeze()
            runner = plugin_class(plugin)(plugin_args={**arguments, "status_callback": update})
            why = _WHY
            try:
                workflow.run(plugin=runner)
            except (Exception, GraphEndedError) as error:
                # nipype raises the first node's error again; every run's own is in its record.
                LOGGER.info("the graph ended with %s: %s", type(error).__name__, error)
                if not runner.finished:
                    why = _why_ended(error, work, stop=settings.stop_on_first_crash)
            finally:
                gc.unfreeze()
                runner.end()
        found = _Found(records, runner.failures, why)
        return {one.key: _outcome_of(plan, found, one) for one in plan.runs}
    finally:
        shutil.rmtree(records, ignore_errors=True)


def _why_ended(error: Exception | GraphEndedError, work: Path, *, stop: bool) -> str:
    """Why the graph ended before its nodes had."""
    if isinstance(error, GraphEndedError):
        return f"the workflow ended early: {error}"
    if stop:
        return "it was not done, as --stop-on-first-crash ended the workflow at a failure"
    if isinstance(error, OSError) and disk_full(error):
        return full_message(error.filename or work, error)
    return f"the workflow ended early: {Failure.of(error).message}"


@dataclass(frozen=True)
class _Found:
    """How the graph ended: records of nodes, failures of those without, why others did not run."""

    records: Path
    failures: Mapping[str, Failure]
    why: str


def _outcome_of(plan: Plan, found: _Found, planned: PlannedRun) -> Outcome:
    """Recorded outcome of a run, its failures with what they concern."""
    paths = record_paths(found.records, planned)
    left = [path for path in paths.values() if path.is_file()]
    if str(paths[FAILED]) in found.failures:
        outcome = Outcome((found.failures[str(paths[FAILED])],))
    elif left:
        outcome = load_record(left[-1], Outcome)
    else:
        outcome = Outcome((Failure(_why_unrecorded(found, planned)),))
    for one in outcome.failures:
        LOGGER.error("%s\n%s", one.message, one.trace)
    run, names = planned.run, plan.strategy_names
    failures = [
        replace(
            one,
            entities=run.entities,
            strategies=one.strategies or names,
            atlases=plan.atlas_names[run.space],
        )
        for one in outcome.failures
    ]
    return replace(outcome, failures=tuple(failures))


def _why_unrecorded(found: _Found, planned: PlannedRun) -> str:
    """Why a run has no record of its own."""
    from bids_labelx.workflow.graph import atlas_records

    texts: list[str] = []
    for path in atlas_records(found.records, planned):
        if str(path) in found.failures:
            texts.append(found.failures[str(path)].message)
        elif path.is_file():
            texts += [one.message for one in load_record(path, Outcome).failures]
    return f"resampling the atlas failed: {'; '.join(texts)}" if texts else found.why
