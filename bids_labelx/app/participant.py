"""The participant level: plan, run the graph, report, and say what became of every run."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from bids_labelx.errors import CannotWriteError, MissingInputError, NoRunsError, UsageError
from bids_labelx.inputs.dataset import Run, check_dataset
from bids_labelx.names import build_name
from bids_labelx.outputs.failures import Failure, read_failures, remember_failure
from bids_labelx.outputs.provenance import remember_run
from bids_labelx.outputs.results import participants_of
from bids_labelx.participant.plan import Plan, make_plan
from bids_labelx.settings import Settings, to_toml
from bids_labelx.workflow.plugins import read_plugin
from bids_labelx.workflow.run import run_graph, stoppable

LOGGER = logging.getLogger("bids_labelx")

_NIPYPE_LOGGERS = ("nipype.workflow", "nipype.interface", "nipype.utils")


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
        Where nothing could be started.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if settings.reports_only:
        check_dataset(settings.bids_dir)
        return _rebuild_reports(settings, console)
    with stoppable():
        with _remembered() as planning:
            read_plugin(settings)
            plan = make_plan(settings)
        if settings.dry_run:
            from bids_labelx.participant.dry_run import plan_lines

            _repeat(console, planning)
            print("\n".join(plan_lines(settings, plan)))
            return 1 if plan.failures else 0
        from bids_labelx.participant.contents import whole_files_only

        with whole_files_only(settings.output_dir, plan):
            return _carry_out(settings, plan, console, planning)


def _carry_out(
    settings: Settings, plan: Plan, console: Console, planning: list[logging.LogRecord]
) -> int:
    """Do what was planned; `planning` is what was logged on the way to it."""
    from bids_labelx.participant.contents import prepare_output
    from bids_labelx.report.methods import methods_text

    with _remembered() as preparing:
        methods = methods_text(settings, plan.all_atlas_names, plan.strategies)
        logs = prepare_output(settings, plan, methods)
    planning += preparing
    with _logging(logs, settings.verbose), _work_folder(settings) as work:
        _announce(console, settings, plan)
        _repeat(console, planning)
        started = time.monotonic()
        words = run_graph(settings, plan, work=work, logs=logs, console=console)
        outcomes = []
        for planned in plan.runs:
            word = words[planned.key]
            outcomes.append(_failure(plan, planned.run, word["problems"], word.get("trace", "")))
            if word["seconds"]:
                remember_run(settings.output_dir, planned.run.entities, word["seconds"])
            for note in word["notes"]:
                _say(console, f"{planned.run.name}: {note}")
        outcomes += [_failure(plan, run, plan.of_all(problem)) for run, problem in plan.failures]
        tried = [strategy.name for strategy in plan.strategies]
        for outcome in outcomes:
            remember_failure(
                settings.output_dir, outcome.within(settings.bids_dir, settings.output_dir), tried
            )
        problems = []
        if settings.concatenate:
            from bids_labelx.participant.concatenation import concatenate_runs

            problems = concatenate_runs(settings, plan)
        people = sorted({outcome.entities["sub"] for outcome in outcomes})
        reports = _write_reports(settings, people)
        failed = [(build_name(o.entities, "bold", ""), o.problem) for o in outcomes if o.problems]
        failed += [(f"--concatenate {settings.concatenate}", problem) for problem in problems]
        _say(
            console,
            f"{sum(not one.problems for one in outcomes)} runs done, "
            f"{sum(bool(one.problems) for one in outcomes)} failed, "
            f"{time.monotonic() - started:.0f} s",
        )
        return _conclude(console, settings, failed, reports)


@contextmanager
def _remembered() -> Iterator[list[logging.LogRecord]]:
    """What is logged before there is a plan, and so a folder for the log."""
    handler = MemoryHandler(sys.maxsize, flushLevel=sys.maxsize)
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


def _repeat(console: Console, records: Sequence[logging.LogRecord]) -> None:
    """Log what was remembered; warnings are for whoever started the app, too."""
    for record in records:
        LOGGER.handle(record)
        if record.levelno >= logging.WARNING:
            console.print(f"warning: {record.getMessage()}", markup=False, style="yellow")


@contextmanager
def _logging(folder: Path, verbose: int) -> Iterator[None]:
    """Our log and nipype's into one file per start; on the terminal only with ``-v``."""
    # Before nipype is first imported: it asks a server for its newest version otherwise.
    os.environ.setdefault("NO_ET", "1")
    import nipype

    nipype.config.update_config({"logging": {"log_to_file": False}})
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    # Starts of one second may be on several machines.
    who = f"{re.sub('[^A-Za-z0-9]', '-', platform.node())}_{os.getpid()}"
    handlers: list[logging.Handler] = [
        logging.FileHandler(folder / f"bids_labelx_{stamp}_{who}.log", encoding="utf-8")
    ]
    if verbose:
        handlers.append(logging.StreamHandler())
    loggers = [logging.getLogger(name) for name in ("bids_labelx", *_NIPYPE_LOGGERS)]
    before = [(list(one.handlers), one.level, one.propagate) for one in loggers]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    for one in loggers:
        one.handlers, one.propagate = handlers, False
        one.setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    try:
        yield
    finally:
        for one, (old, level, propagate) in zip(loggers, before, strict=True):
            one.handlers, one.propagate = old, propagate
            one.setLevel(level)
        for handler in handlers:
            handler.close()


@contextmanager
def _work_folder(settings: Settings) -> Iterator[Path]:
    """A place in the user's work folder, which stays, or a temporary one, which does not.

    Starts that ask for other runs have places of their own; in one of them works one at a time.
    """
    try:
        if settings.work_dir is None:
            temporary = Path(tempfile.mkdtemp(prefix="bids_labelx-"))
        else:
            place = settings.work_dir / _selection(settings)
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = settings.work_dir or tempfile.gettempdir()
        raise CannotWriteError(f"work folder {where}: {error.strerror}") from None
    if settings.work_dir is None:
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return
    lock = FileLock(place / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(
            f"--work-dir {settings.work_dir}: another start works on the same runs in {place}; "
            f"wait for it, or choose another folder. If there is none, remove {error.lock_file}"
        ) from None
    try:
        for left in place.glob("records-*"):
            # Of a start that was killed.
            shutil.rmtree(left, ignore_errors=True)
        yield place
    finally:
        lock.release()


def _selection(settings: Settings) -> str:
    """A name for the runs that are asked for: the same for the same command."""
    chosen = {
        name: getattr(settings, name)
        for name in ("session_label", "task_id", "run_id", "space", "res", "bids_filter_file")
    }
    people = "_".join(f"sub-{label}" for label in settings.participant_label) or "all"
    if len(people) <= 40 and not any(chosen.values()):
        return people
    digest = hashlib.sha256(repr((people, chosen)).encode()).hexdigest()[:12]
    return f"{people[:40]}-{digest}"


def _announce(console: Console, settings: Settings, plan: Plan) -> None:
    from bids_labelx.report.text import counted

    runs = len(plan.runs) + len(plan.failures)
    people = plan.participants | {run.entities["sub"] for run, _ in plan.failures}
    _say(
        console,
        f"{counted(runs, 'run')} of {counted(len(people), 'participant')} · "
        f"atlas {', '.join(plan.all_atlas_names)} · "
        f"denoise {', '.join(strategy.name for strategy in plan.strategies)}",
    )
    if plan.skipped:
        spaces = ", ".join(sorted({run.space for run in plan.skipped}))
        _say(
            console,
            f"{len(plan.skipped)} runs left out: no atlas is in their space ({spaces}); "
            "--space chooses spaces",
        )
    for key in sorted({atlas.key for atlas in plan.atlases if atlas.table_path is None}):
        _say(console, f"no table beside the image of {key}: its labels are named label1, …")
    LOGGER.info("settings\n%s", to_toml(settings))


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False)
    LOGGER.info(text)


def _failure(plan: Plan, run: Run, problems: Mapping[str, str], trace: str = "") -> Failure:
    return Failure(run.entities, plan.atlas_names[run.space], problems, trace)


def _write_reports(settings: Settings, participants: Iterable[str]) -> list[Path]:
    from bids_labelx.participant.contents import locked
    from bids_labelx.report.participant import write_participant_report

    # A report is of all that is there of a participant, whichever start wrote it.
    with locked(settings.output_dir):
        return [write_participant_report(settings.output_dir, one) for one in participants]


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
    console.print(f"{len(reports)} reports: {_shown(settings, reports)}", markup=False)
    return 0


def _shown(settings: Settings, reports: Sequence[Path]) -> str:
    return str(reports[0]) if len(reports) == 1 else f"{settings.output_dir}/sub-*.html"


def _conclude(
    console: Console,
    settings: Settings,
    failed: Sequence[tuple[str, str]],
    reports: Sequence[Path],
) -> int:
    """Say what failed and where to look; give the exit code."""
    for name, problem in failed:
        LOGGER.error("failed: %s\n%s", name, problem)
        indented = problem.replace("\n", "\n    ")
        console.print(f"failed: {name}\n    {indented}", markup=False, style="red")
    _say(console, f"reports: {_shown(settings, reports)}")
    return 1 if failed else 0
