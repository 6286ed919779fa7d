"""The participant level: plan, run the graph, report, and print the outcome of every run."""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment
from rich.console import Console

from bids_labelx.app.annexed_datasets import content_fetched
from bids_labelx.app.compact import check_kind, plain_view
from bids_labelx.app.invocation import environment, invocation_variables
from bids_labelx.app.logs import (
    LOGGER,
    kept_records,
    log_again,
    log_file,
    nibabel_logged,
    print_warnings,
    say,
)
from bids_labelx.app.work_folder import work_folder
from bids_labelx.atlases.sources import table_name
from bids_labelx.atlases.surface_labels import is_surface_atlas
from bids_labelx.errors import Failure, MissingInputError, NoRunsError, exit_code
from bids_labelx.inputs.datasets import check_dataset
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.compact import exchange, shared_files, whole_participant
from bids_labelx.outputs.description import check_output_folder
from bids_labelx.outputs.failures import (
    failures_by_kind,
    read_failures,
    record_failures,
    subject_of,
)
from bids_labelx.outputs.place import check_links, check_place
from bids_labelx.outputs.results import participants_with_results
from bids_labelx.outputs.run_records import Invocation
from bids_labelx.outputs.states import DONE, FAILED, states_in_words
from bids_labelx.participant.contents import (
    locked,
    prepare_output,
    whole_files_only,
    write_methods,
)
from bids_labelx.participant.finished import this_invocation, without_finished
from bids_labelx.participant.lacking import lacking_in_words
from bids_labelx.participant.plan import Plan, make_plan
from bids_labelx.participant.records import Outcome
from bids_labelx.remote.mirror import url_of
from bids_labelx.report.assets import write_assets
from bids_labelx.report.pages import read_templates
from bids_labelx.settings import Settings, options_to_toml
from bids_labelx.suggestions import labels_not_there
from bids_labelx.words import counted


def run_participants(settings: Settings) -> int:
    """Do the participant level.

    Returns
    -------
    int
        0 where every run is done, 1 where some run failed, wholly or in part; with ``--dry-run``
        where the files that it reads already tell that it would.

    Raises
    ------
    LabelxError
        Where no run could be tried.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    kept = settings.bids_database_dir
    folders = settings.dataset_folders
    first = folders.pop(FIRST_DATASET)
    check_place(
        {"BIDS_DIR": first, **{f"--datasets {name}": root for name, root in folders.items()}},
        settings.output_dir,
        {
            "--work-dir": settings.work_dir,
            "--bids-database-dir": kept,
            **{f"the index of {name}": kept and kept / name for name in folders},
        },
    )
    check_output_folder(settings.output_dir)
    check_kind(settings.output_dir, compact=settings.compact)
    if settings.reports_only:
        check_dataset(settings.bids_dir)
        wanted = settings.participant_label or None
        with plain_view(settings, wanted, whole=True) as inside:
            return _rebuild_reports(inside, console)
    with environment(invocation_variables()), nibabel_logged():
        # It imports nipype, which looks at the environment.
        from bids_labelx.workflow.plugins import read_plugin

        read_plugin(settings)
        with content_fetched(settings, console) as fetcher:
            with kept_records() as planning:
                plan = make_plan(settings)
            if fetcher is not None:
                # Of the small files all are there; nodes have git-annex work for themselves.
                fetcher.end()
            check_links(settings.output_dir, plan.participants, follow=settings.follow_links)
            if settings.dry_run:
                from bids_labelx.participant.dry_run import dry_run

                print_warnings(console, planning)
                told = dry_run(settings, plan, {} if fetcher is None else fetcher.fetched)
                print("\n".join(told.lines))
                return exit_code(told.failures)
            with whole_files_only(settings.output_dir, plan):
                invocation = this_invocation(settings, plan)
                with plain_view(settings, _participants(plan), whole=True) as inside:
                    return _carry_out(inside, plan, console, planning, invocation)


def _participants(plan: Plan) -> set[str]:
    """Labels of the participants of a plan, those among them that nothing can be done of."""
    return plan.participants | {one.entities["sub"] for one in plan.failures}


def _carry_out(
    settings: Settings,
    plan: Plan,
    console: Console,
    planning: list[logging.LogRecord],
    invocation: Invocation,
) -> int:
    """Do what was planned; `planning` is what was logged on the way to it."""
    from bids_labelx.workflow.run import run_graph

    with kept_records() as preparing, shared_files(settings.output_dir, locked):
        logs = prepare_output(settings, plan, invocation)
    with log_file(logs, settings.verbose), work_folder(settings) as work:
        _announce(console, plan, invocation)
        log_again(console, planning + preparing)
        started = time.monotonic()
        rest = plan if settings.overwrite else without_finished(settings, plan, invocation)
        if len(rest.runs) < len(plan.runs):
            finished = counted(len(plan.runs) - len(rest.runs), "run")
            say(console, f"{finished} finished before; --overwrite does them again")
        outcomes = run_graph(settings, rest, invocation, work=work, logs=logs, console=console)
        for one in rest.runs:
            outcome = outcomes[one.key]
            outcomes[one.key] = replace(outcome, failures=(*one.unfit, *outcome.failures))
        failures = _record(settings, rest, outcomes)
        _clear_listed(settings, plan)
        counts = Counter(one.state for one in outcomes.values())
        counts[DONE] += len(plan.runs) - len(rest.runs)
        counts[FAILED] += len(plan.failures)
        if settings.concatenate:
            failures += _concatenate(settings, plan, console)
        templates = read_templates()
        with shared_files(settings.output_dir, locked):
            write_methods(settings.output_dir, plan, templates)
        seconds = time.monotonic() - started
        say(console, f"{states_in_words(counts)}, {seconds:.0f} s")
        notes = [
            Failure(text, one.run.entities)
            for one in rest.runs
            for text in outcomes[one.key].notes
        ]
        _tell(console, "note", notes)
        _tell(console, "failed", failures)
        if failures:
            for text in lacking_in_words(rest.runs, plan.strategies):
                say(console, text)
        reports, unwritten = _write_reports(settings, sorted(_participants(plan)), templates)
        say(console, f"reports: {_shown(settings, reports)}")
        _tell(console, "failed", unwritten)
        return exit_code([*failures, *unwritten])


_MOST_NAMED = 3


def _tell(console: Console, kind: str, told: Sequence[Failure]) -> None:
    """Log each failure or note, and print those that differ in nothing but the run once."""
    for one in told:
        LOGGER.warning("%s: %s\n%s", kind, subject_of(one), one.message)
    for subjects, text in failures_by_kind(told):
        what = subjects[0]
        if len(subjects) > 1:
            shown = ", ".join(subjects[:_MOST_NAMED])
            more = ", …" if len(subjects) > _MOST_NAMED else ""
            what = f"{len(subjects):,} times ({shown}{more}); of the first:"
        indented = text.replace("\n", "\n    ")
        style = "red" if kind == "failed" else "yellow"
        console.print(f"{kind}: {what}\n    {indented}", markup=False, style=style)


def _concatenate(settings: Settings, plan: Plan, console: Console) -> list[Failure]:
    """Write the matrices over several runs; print what is warned of, and give the failures."""
    from bids_labelx.participant.concatenation import concatenate_runs

    for label in plan.participants:
        exchange(settings.output_dir, label)
    with kept_records() as said:
        failures = concatenate_runs(settings, plan)
    print_warnings(console, said)
    option = f"--concatenate {settings.concatenate}"
    return [replace(one, message=f"{option}: {one.message}") for one in failures]


def _record(settings: Settings, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Failure]:
    """Record in the output dataset what failed of each run, and give the failures."""
    output = settings.output_dir
    of_runs = []
    for planned in plan.runs:
        of_runs.append((planned.run.entities, outcomes[planned.key].failures))
    of_runs += [(one.entities, (one,)) for one in plan.failures]
    for entities, failures in of_runs:
        inside = [_with_urls(settings, one.within(settings.bids_dir, output)) for one in failures]
        record_failures(
            output, entities, inside, strategies=plan.strategy_names, atlases=plan.all_atlas_names
        )
    return [one for _, failures in of_runs for one in failures]


def _with_urls(settings: Settings, failure: Failure) -> Failure:
    """A failure with the URLs of datasets in the place of their mirrors."""
    message = failure.message
    for root in (settings.atlas_dataset, *settings.dataset_folders.values()):
        if root is not None and (url := url_of(root)):
            message = message.replace(str(root), url)
    return replace(failure, message=message)


def _clear_listed(settings: Settings, plan: Plan) -> None:
    """Take back that a participant's folder could not be listed, where it now can be."""
    still = [one.entities for one in plan.failures]
    tried = {"strategies": plan.strategy_names, "atlases": plan.all_atlas_names}
    for participant in plan.participants:
        for one in read_failures(settings.output_dir, participant):
            # Of no run: every run has a task.
            if "task" not in one.entities and one.entities not in still:
                record_failures(settings.output_dir, one.entities, [], **tried)


def _announce(console: Console, plan: Plan, invocation: Invocation) -> None:
    say(
        console,
        f"{counted(len(plan.runs) + len(plan.failures), 'run')} of "
        f"{counted(len(_participants(plan)), 'participant')} · "
        f"atlas {', '.join(plan.all_atlas_names)} · denoise {', '.join(plan.strategy_names)}",
    )
    if plan.skipped:
        spaces = ", ".join(sorted({run.space for run in plan.skipped}))
        say(
            console,
            f"{counted(len(plan.skipped), 'run')} excluded, as no atlas is in their space "
            f"({spaces}); --space chooses spaces",
        )
    for key, kind, table in sorted(
        {
            (atlas.key, atlas.kind.removesuffix("s"), table_name(atlas.image))
            for atlas in plan.atlases
            if atlas.table_path is None
            and atlas.kind != "spheres"
            and not is_surface_atlas(atlas.image)
        }
    ):
        say(
            console,
            f"no table {table} beside the image of {key}: its {kind}s are named {kind}1, …; a "
            "table of another name is given as --atlas IMAGE,TABLE",
        )
    LOGGER.info("settings\n%s", options_to_toml(invocation.options))


def _write_reports(
    settings: Settings, participants: Iterable[str], templates: Environment
) -> tuple[list[Path], list[Failure]]:
    """Write a report per participant; what is broken of one keeps none of the others."""
    from bids_labelx.report.participant_page import draw_participant, write_participant_report

    reports: list[Path] = []
    failures: list[Failure] = []
    with shared_files(settings.output_dir, locked):
        write_assets(settings.output_dir)
    for participant in participants:
        # A report is of all that is there of a participant, whichever invocation wrote it.
        with (
            _kept_on(failures, participant, "no report"),
            locked(settings.output_dir, f"sub-{participant}"),
            whole_participant(settings.output_dir, participant),
        ):
            if settings.report_figures == "all":
                with _kept_on(failures, participant, "static figures are missing"):
                    draw_participant(settings.output_dir, participant)
            page = write_participant_report(settings.output_dir, participant, templates)
            reports.append(page)
    return reports, failures


@contextmanager
def _kept_on(failures: list[Failure], participant: str, what: str) -> Iterator[None]:
    """Go on where something of a participant cannot be made, and add that to the failures."""
    try:
        yield
    except Exception as error:
        trace = traceback.format_exc()
        LOGGER.info("sub-%s: %s\n%s", participant, what, trace)
        failure = Failure.of(error, entities={"sub": participant}, trace=trace)
        failures.append(replace(failure, message=f"{what}: {failure.message}"))


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
    failed = {one.entities["sub"] for one in read_failures(output)}
    known = {*participants_with_results(output), *failed}
    wanted = sorted(set(settings.participant_label) or known)
    problem = labels_not_there(wanted, known, output)
    if problem or not wanted:
        raise NoRunsError(
            f"{problem or f'{output}: nothing of any participant in it'}; run the participant "
            "level without --reports-only"
        )
    check_links(output, wanted, follow=settings.follow_links)
    reports, failures = _write_reports(settings, wanted, read_templates())
    console.print(f"{counted(len(reports), 'report')}: {_shown(settings, reports)}", markup=False)
    _tell(console, "failed", failures)
    return exit_code(failures)


def _shown(settings: Settings, reports: Sequence[Path]) -> str:
    if not reports:
        return "none"
    return str(reports[0]) if len(reports) == 1 else f"{settings.output_dir}/sub-*.html"
