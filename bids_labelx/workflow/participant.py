"""The participant level: plan, run the graph, report, and say what became of every run."""

from __future__ import annotations

import gc
import json
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bids_labelx.dataset import Run
from bids_labelx.errors import CannotWriteError
from bids_labelx.failures import Failure, remember_failure
from bids_labelx.names import build_name
from bids_labelx.settings import Settings, to_toml
from bids_labelx.workflow.plan import Plan, PlannedRun, make_plan, record_paths

LOGGER = logging.getLogger("bids_labelx")

# nipype looks for finished nodes this often, in seconds; its own default costs 1 s a node.
_POLL = 0.05

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
    with _remembered() as planning:
        plan = make_plan(settings)
    if settings.dry_run:
        from bids_labelx.workflow.listing import plan_lines

        _repeat(console, planning)
        print("\n".join(plan_lines(settings, plan)))
        return 1 if plan.failures else 0
    from bids_labelx.workflow.output_folder import locked, prepare_output

    with _remembered() as preparing:
        logs = prepare_output(settings, plan, _methods(settings, plan))
    planning += preparing
    with _logging(logs, settings.verbose), _work_folder(settings.work_dir) as work:
        _announce(console, settings, plan)
        _repeat(console, planning)
        started = time.monotonic()
        outcomes = _run_graph(settings, plan, work=work, logs=logs, console=console)
        outcomes += [_failure(plan, run, _of_all(plan, problem)) for run, problem in plan.failures]
        for outcome in outcomes:
            remember_failure(
                settings.output_dir, outcome, [strategy.name for strategy in plan.strategies]
            )
        problems = []
        if settings.concatenate:
            from bids_labelx.workflow.concatenation import concatenate_runs

            problems = concatenate_runs(settings, plan)
        # A report is of all that is there of a participant, whichever start wrote it.
        with locked(settings.output_dir):
            reports = _write_reports(settings, plan, outcomes)
        failed = [(build_name(o.entities, "bold", ""), o.problem) for o in outcomes if o.problems]
        failed += [(f"--concatenate {settings.concatenate}", problem) for problem in problems]
        _say(
            console,
            f"{sum(not one.problems for one in outcomes)} runs done, "
            f"{sum(bool(one.problems) for one in outcomes)} failed, "
            f"{time.monotonic() - started:.0f} s",
        )
        return _conclude(console, settings, failed, reports)


def _methods(settings: Settings, plan: Plan) -> str:
    from bids_labelx.report.methods import MethodsStrategy, methods_text

    return methods_text(
        atlases=plan.all_atlas_names,
        strategies=[
            MethodsStrategy(one.name, one.description, {**one.confounds, **one.volumes}, one.clean)
            for one in plan.strategies
        ],
        statistics=settings.statistic,
        measures=settings.measures,
        min_coverage=settings.min_coverage,
        smoothing_fwhm=settings.smoothing_fwhm,
        clean_level=settings.clean_level,
        standardize_voxels=settings.standardize_voxels,
        mask=settings.mask.name if isinstance(settings.mask, Path) else settings.mask,
        labels=settings.labels,
        concatenate=settings.concatenate,
        exact_volumes=settings.exact_volumes,
    )


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
def _work_folder(chosen: Path | None) -> Iterator[Path]:
    """The user's work folder, which stays, or a temporary one, which does not."""
    try:
        if chosen is not None:
            chosen.mkdir(parents=True, exist_ok=True)
            yield chosen
            return
        temporary = Path(tempfile.mkdtemp(prefix="bids_labelx-"))
    except OSError as error:
        raise CannotWriteError(f"work folder {chosen or ''}: {error.strerror}") from None
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _announce(console: Console, settings: Settings, plan: Plan) -> None:
    runs = len(plan.runs) + len(plan.failures)
    people = {planned.run.entities["sub"] for planned in plan.runs}
    people |= {run.entities["sub"] for run, _ in plan.failures}
    _say(
        console,
        f"{runs} runs of {len(people)} participants · atlas {', '.join(plan.all_atlas_names)} · "
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


def _run_graph(
    settings: Settings, plan: Plan, *, work: Path, logs: Path, console: Console
) -> list[Failure]:
    """Run every node that can run, and read what each run left word of."""
    if not plan.runs:
        return []
    from bids_labelx.workflow.graph import init_bids_labelx_wf

    # A folder of its own for each start: another one may share the work folder.
    records = Path(tempfile.mkdtemp(prefix="records-", dir=work))
    (records / "atlases").mkdir()
    workflow = init_bids_labelx_wf(settings, plan, work_dir=work, records=records)
    workflow.config["execution"] = {
        "crashdump_dir": str(logs),
        "crashfile_format": "txt",
        "poll_sleep_duration": _POLL,
        "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
        "check_version": "false",
    }
    processes = min(settings.nprocs, len(plan.runs))
    plugin = "MultiProc" if processes > 1 else "Linear"
    with _progress(console, len(plan.runs), records) as update:
        arguments: dict[str, Any] = {"status_callback": update, "raise_insufficient": False}
        if processes > 1:
            arguments["n_procs"] = processes
        # nipype collects garbage at every poll; what is there already need not be gone through.
        gc.freeze()
        try:
            workflow.run(plugin=plugin, plugin_args=arguments)
        except Exception as error:
            # nipype raises the first node's error again; every run's own is in its record.
            LOGGER.info("the graph ended with %s: %s", type(error).__name__, error)
        finally:
            gc.unfreeze()
    outcomes = [_failure(plan, one.run, _problems(plan, records, one)) for one in plan.runs]
    for planned in plan.runs:
        for note in _notes(records, planned):
            _say(console, f"{planned.run.name}: {note}")
    shutil.rmtree(records, ignore_errors=True)
    return outcomes


def _notes(records: Path, planned: PlannedRun) -> list[str]:
    """What a run that is done has to tell."""
    done, _ = record_paths(records, planned)
    if not done.is_file():
        return []
    return list(json.loads(done.read_text(encoding="utf-8"))["notes"])


@contextmanager
def _progress(console: Console, total: int, records: Path) -> Iterator[Callable[..., None]]:
    """A bar of the runs that have ended. It counts records, so it is true under every plugin."""
    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeRemainingColumn(),
    )
    # No thread of its own: workers are forked while it shows.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("runs", total=total, failed="")

        def update(*_: Any) -> None:
            failed = len(list(records.glob("*.failed.json")))
            done = len(list(records.glob("*.done.json")))
            text = f"{failed} failed" if failed else ""
            bar.update(task, completed=done + failed, failed=text, refresh=True)

        yield update


def _failure(plan: Plan, run: Run, problems: Mapping[str, str]) -> Failure:
    return Failure(run.entities, plan.atlas_names[run.space], problems)


def _of_all(plan: Plan, problem: str) -> dict[str, str]:
    """A run's problem as that of each strategy."""
    return {strategy.name: problem for strategy in plan.strategies}


def _problems(plan: Plan, records: Path, planned: PlannedRun) -> dict[str, str]:
    """By strategy why a run is not done, out of the records."""
    from bids_labelx.workflow.graph import atlas_records

    done, failed = record_paths(records, planned)
    if failed.is_file():
        record = json.loads(failed.read_text(encoding="utf-8"))
        LOGGER.error("%s\n%s", record["message"], record["traceback"])
        return _of_all(plan, record["message"])
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8"))["problems"])
    of_atlases = [
        json.loads(path.read_text(encoding="utf-8"))["message"]
        for path in atlas_records(records, planned)
        if path.is_file()
    ]
    if of_atlases:
        text = "the atlas could not be brought onto the grid: " + "; ".join(of_atlases)
    else:
        text = (
            "it did not run to its end: a process was killed or the start was stopped; see logs/"
        )
    return _of_all(plan, text)


def _write_reports(settings: Settings, plan: Plan, outcomes: Sequence[Failure]) -> list[Path]:
    from bids_labelx.report.participant import write_participant_report

    methods = _methods(settings, plan)
    return [
        write_participant_report(settings.output_dir, participant, methods=methods)
        for participant in sorted({outcome.entities["sub"] for outcome in outcomes})
    ]


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
    shown = str(reports[0]) if len(reports) == 1 else f"{settings.output_dir}/sub-*.html"
    _say(console, f"reports: {shown}")
    return 1 if failed else 0
