"""Running the graph with a nipype plugin, and stopping it."""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bids_labelx.errors import Failure
from bids_labelx.outputs.run_records import Invocation
from bids_labelx.participant.plan import Plan, PlannedRun, record_paths
from bids_labelx.participant.records import Outcome, load_record
from bids_labelx.settings import Settings
from bids_labelx.workflow.plugins import (
    IN_PROCESS,
    ProcessPerNode,
    plugin_class,
    read_plugin,
)
from bids_labelx.workflow.progress import show_progress
from bids_labelx.workflow.slurm import slurm_arguments

LOGGER = logging.getLogger("bids_labelx")

# nipype looks for finished nodes this often, in seconds; its own default costs 1 s a node.
_POLL, _POLL_CLUSTER = 0.05, 5.0


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
    if settings.nipype_plugin_file is None and len(plan.runs) == 1:
        # The nodes of one run wait for each other.
        plugin = "Linear"
    # A folder of its own for each invocation: another one may share the work folder.
    records = Path(tempfile.mkdtemp(prefix="records-", dir=work))
    (records / "atlases").mkdir()
    workflow = init_bids_labelx_wf(settings, plan, invocation, work_dir=work, records=records)
    workflow.config["execution"] = {
        "crashdump_dir": str(logs),
        "crashfile_format": "txt",
        "poll_sleep_duration": _POLL if plugin in IN_PROCESS else _POLL_CLUSTER,
        "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
        "check_version": "false",
    }
    try:
        with (
            show_progress(console, len(plan.runs), records) as update,
            (
                slurm_arguments(workflow, arguments)
                if plugin == "SLURM"
                else nullcontext(arguments)
            ) as given,
        ):
            # nipype collects garbage at every poll; what exists by now need not be traversed.
            gc.freeze()
            runner = plugin_class(plugin)(plugin_args={**given, "status_callback": update})
            try:
                workflow.run(plugin=runner)
            except Exception as error:
                # nipype raises the first node's error again; every run's own is in its record.
                LOGGER.info("the graph ended with %s: %s", type(error).__name__, error)
            finally:
                gc.unfreeze()
                if isinstance(runner, ProcessPerNode):
                    runner.end()
        return {one.key: _outcome_of(plan, records, one) for one in plan.runs}
    finally:
        shutil.rmtree(records, ignore_errors=True)


def _outcome_of(plan: Plan, records: Path, planned: PlannedRun) -> Outcome:
    """Recorded outcome of a run, its failures with what they concern."""
    left = [path for path in record_paths(records, planned).values() if path.is_file()]
    if left:
        outcome = load_record(left[-1], Outcome)
        for one in outcome.failures:
            LOGGER.error("%s\n%s", one.message, one.trace)
    else:
        outcome = Outcome((Failure(_why_unrecorded(records, planned)),))
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


def _why_unrecorded(records: Path, planned: PlannedRun) -> str:
    """Why a run has no record of its own."""
    from bids_labelx.workflow.graph import atlas_records

    paths = [path for path in atlas_records(records, planned) if path.is_file()]
    if paths:
        atlases = [load_record(path, Outcome) for path in paths]
        texts = "; ".join(one.message for outcome in atlases for one in outcome.failures)
        return f"resampling the atlas failed: {texts}"
    return (
        "it did not finish: a process or job was killed or ran out of memory, or the app was "
        "stopped; see logs/"
    )
