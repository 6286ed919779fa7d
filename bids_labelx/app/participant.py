"""The participant level: plan, run the graph, report, and print the outcome of every run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bids_labelx.app.invocation import environment, invocation_variables
from bids_labelx.app.logs import LOGGER, kept_records, log_again, log_file, say
from bids_labelx.app.work_folder import work_folder
from bids_labelx.errors import Failure, MissingInputError, NoRunsError, exit_code
from bids_labelx.inputs.dataset import check_dataset
from bids_labelx.outputs.description import check_output_folder
from bids_labelx.outputs.failures import by_subject, messages, read_failures, record_failures
from bids_labelx.outputs.provenance import write_provenance
from bids_labelx.outputs.results import participants_of
from bids_labelx.participant.contents import (
    locked,
    prepare_output,
    whole_files_only,
)
from bids_labelx.participant.plan import Plan, make_plan
from bids_labelx.participant.records import Outcome
from bids_labelx.report.methods import methods_text
from bids_labelx.report.text import counted
from bids_labelx.settings import Settings, to_toml


def run_participants(settings: Settings) -> int:
    """Do the participant level.

    Returns
    -------
    int
        0 where every run is done, 1 where some run failed, wholly or in part; with ``--dry-run``
        where some run cannot even be tried.

    Raises
    ------
    LabelxError
        Where no run could be tried.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    check_output_folder(settings.output_dir)
    if settings.reports_only:
        check_dataset(settings.bids_dir)
        return _rebuild_reports(settings, console)
    with environment(invocation_variables()):
        # It imports nipype, which looks at the environment.
        from bids_labelx.workflow.plugins import read_plugin

        with kept_records() as planning:
            read_plugin(settings)
            plan = make_plan(settings)
        if settings.dry_run:
            from bids_labelx.participant.dry_run import plan_lines

            log_again(console, planning)
            print("\n".join(plan_lines(settings, plan)))
            return exit_code(plan.failures)
        with whole_files_only(settings.output_dir, plan):
            return _carry_out(settings, plan, console, planning)


def _carry_out(
    settings: Settings, plan: Plan, console: Console, planning: list[logging.LogRecord]
) -> int:
    """Do what was planned; `planning` is what was logged on the way to it."""
    from bids_labelx.workflow.run import run_graph

    with kept_records() as preparing:
        methods = methods_text(settings, plan.all_atlas_names, plan.strategies)
        logs = prepare_output(settings, plan, methods)
    with log_file(logs, settings.verbose), work_folder(settings) as work:
        _announce(console, settings, plan)
        log_again(console, planning + preparing)
        started = time.monotonic()
        outcomes = run_graph(settings, plan, work=work, logs=logs, console=console)
        failures = _record(settings, plan, outcomes, console)
        runs = len(plan.runs) + len(plan.failures)
        failed = len(by_subject(failures))
        if settings.concatenate:
            from bids_labelx.participant.concatenation import concatenate_runs

            option = f"--concatenate {settings.concatenate}"
            failures += [
                replace(one, message=f"{option}: {one.message}")
                for one in concatenate_runs(settings, plan)
            ]
        participants = plan.participants | {one.entities["sub"] for one in plan.failures}
        reports = _write_reports(settings, sorted(participants))
        seconds = time.monotonic() - started
        say(console, f"{counted(runs - failed, 'run')} done, {failed} failed, {seconds:.0f} s")
        for what, own in by_subject(failures).items():
            text = messages(own)
            LOGGER.error("failed: %s\n%s", what, text)
            indented = text.replace("\n", "\n    ")
            console.print(f"failed: {what}\n    {indented}", markup=False, style="red")
        say(console, f"reports: {_shown(settings, reports)}")
        return exit_code(failures)


def _record(
    settings: Settings, plan: Plan, outcomes: Mapping[str, Outcome], console: Console
) -> list[Failure]:
    """Record in the output dataset how each run ended, and give the failures."""
    output = settings.output_dir
    of_runs = []
    for planned in plan.runs:
        outcome = outcomes[planned.key]
        if outcome.seconds:
            write_provenance(output, planned.run.entities, outcome.seconds)
        for note in outcome.notes:
            say(console, f"{planned.run.name}: {note}")
        of_runs.append((planned.run.entities, outcome.failures))
    of_runs += [(one.entities, (one,)) for one in plan.failures]
    for entities, failures in of_runs:
        inside = [one.within(settings.bids_dir, output) for one in failures]
        record_failures(output, entities, inside, plan.strategy_names)
    return [one for _, failures in of_runs for one in failures]


def _announce(console: Console, settings: Settings, plan: Plan) -> None:
    participants = plan.participants | {one.entities["sub"] for one in plan.failures}
    say(
        console,
        f"{counted(len(plan.runs) + len(plan.failures), 'run')} of "
        f"{counted(len(participants), 'participant')} · atlas {', '.join(plan.all_atlas_names)} · "
        f"denoise {', '.join(plan.strategy_names)}",
    )
    if plan.skipped:
        spaces = ", ".join(sorted({run.space for run in plan.skipped}))
        say(
            console,
            f"{counted(len(plan.skipped), 'run')} excluded, as no atlas is in their space "
            f"({spaces}); --space chooses spaces",
        )
    for key in sorted({atlas.key for atlas in plan.atlases if atlas.table_path is None}):
        say(console, f"no table beside the image of {key}: its labels are named label1, …")
    LOGGER.info("settings\n%s", to_toml(settings))


def _write_reports(settings: Settings, participants: Iterable[str]) -> list[Path]:
    from bids_labelx.report.participant_page import write_participant_report

    # A report is of all that is there of a participant, whichever invocation wrote it.
    reports = []
    for participant in participants:
        with locked(settings.output_dir, f"sub-{participant}"):
            reports.append(write_participant_report(settings.output_dir, participant))
    return reports


def _rebuild_reports(settings: Settings, console: Console) -> int:
    """Write the participants' reports again from what is in the output folder.

    Raises
    ------
    MissingInputError, NoRunsError
        Where there is no output, or nothing of the participants asked for.
    """
    output = settings.output_dir
    if not output.is_dir():
        raise MissingInputError(f"{output}: there is no such folder; run without --reports-only")
    known = {*participants_of(output), *(one.entities["sub"] for one in read_failures(output))}
    wanted = sorted(set(settings.participant_label) or known)
    absent = [f"sub-{label}" for label in wanted if label not in known]
    if absent or not wanted:
        raise NoRunsError(
            f"{output}: nothing of {', '.join(absent) or 'any participant'} in it; run the "
            "participant level without --reports-only"
        )
    reports = _write_reports(settings, wanted)
    console.print(f"{counted(len(reports), 'report')}: {_shown(settings, reports)}", markup=False)
    return 0


def _shown(settings: Settings, reports: Sequence[Path]) -> str:
    return str(reports[0]) if len(reports) == 1 else f"{settings.output_dir}/sub-*.html"
