"""Running the graph: under which plugin, how far it is, and how it is stopped."""

from __future__ import annotations

import gc
import getpass
import json
import logging
import math
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bids_labelx.errors import BadDataError, MissingInputError, Stopped, UsageError
from bids_labelx.settings import Settings
from bids_labelx.workflow.plan import Plan, PlannedRun, record_paths

LOGGER = logging.getLogger("bids_labelx")

# nipype looks for finished nodes this often, in seconds; its own default costs 1 s a node.
_POLL = 0.05

# Between looks at the queue of a cluster, and between lines where there is no terminal.
_QUEUE_POLL = 5.0
_LINE_EVERY = 30.0

_LOCAL = ("Linear", "MultiProc")
_SLURM = ("SLURM", "SLURMGraph")


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `Stopped`."""
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's, and whoever runs this in another one has their own way.
        yield
        return

    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(number: int, _: object) -> None:
        # A second signal is not to cut short what the first one brings about.
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def read_plugin(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The nipype plugin to run with, and its arguments.

    Raises
    ------
    MissingInputError, BadDataError, UsageError
        Where the plugin file cannot be read, does not say a plugin, or one that needs a work
        folder that all machines see does not get one.
    """
    path = settings.nipype_plugin_file
    if path is None:
        arguments: dict[str, Any] = {"raise_insufficient": False}
        if settings.nprocs > 1:
            arguments["n_procs"] = settings.nprocs
        if settings.mem_gb is not None:
            arguments["memory_gb"] = settings.mem_gb
        return ("MultiProc" if settings.nprocs > 1 else "Linear"), arguments
    try:
        text = path.read_text(encoding="utf-8")
        content = _parse(path, text)
    except OSError as error:
        raise MissingInputError(
            f"--nipype-plugin-file {path}: cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise BadDataError(f"--nipype-plugin-file {path}: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise BadDataError(
            f"--nipype-plugin-file {path}: a plugin's name under the key plugin is expected, and "
            "its arguments under plugin_args, as in fMRIPrep's plugin files"
        )
    unknown = set(content) - {"plugin", "plugin_args"}
    arguments = content.get("plugin_args") or {}
    if unknown or not isinstance(arguments, dict):
        raise BadDataError(
            f"--nipype-plugin-file {path}: found {', '.join(sorted(unknown)) or 'plugin_args'}; "
            "the keys are plugin (text) and plugin_args (a table)"
        )
    from bids_labelx.workflow.processes import plugin_named

    try:
        plugin_named(content["plugin"], dict(arguments))
    except ValueError as error:
        raise BadDataError(f"--nipype-plugin-file {path}: {error}") from None
    if content["plugin"] not in _LOCAL and settings.work_dir is None:
        raise UsageError(
            f"--nipype-plugin-file: {content['plugin']} needs --work-dir, a folder that all "
            "machines see"
        )
    return content["plugin"], dict(arguments)


def _parse(path: Path, text: str) -> Any:
    if path.suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML ({error})") from None


def run_graph(
    settings: Settings, plan: Plan, *, work: Path, logs: Path, console: Console
) -> dict[str, dict[str, Any]]:
    """Run every node that can run.

    Returns
    -------
    dict
        By the key of each run what it left word of: ``problems`` by strategy, ``notes``, by step
        the ``seconds`` it took, and the ``trace`` of an error where there is one.
    """
    if not plan.runs:
        return {}
    from bids_labelx.workflow.graph import init_bids_labelx_wf
    from bids_labelx.workflow.processes import ProcessPerNode, plugin_named

    plugin, arguments = read_plugin(settings)
    if settings.nipype_plugin_file is None and len(plan.runs) == 1:
        # The nodes of one run wait for each other.
        plugin = "Linear"
    # A folder of its own for each start: another one may share the work folder.
    records = Path(tempfile.mkdtemp(prefix="records-", dir=work))
    (records / "atlases").mkdir()
    workflow = init_bids_labelx_wf(settings, plan, work_dir=work, records=records)
    workflow.config["execution"] = {
        "crashdump_dir": str(logs),
        "crashfile_format": "txt",
        "poll_sleep_duration": _POLL if plugin in _LOCAL else _QUEUE_POLL,
        "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
        "check_version": "false",
    }
    if plugin in _SLURM:
        _ask_slurm_for_memory(workflow, str(arguments.get("sbatch_args", "")))
    # nipype's plugin for Slurm names its jobs by it.
    os.environ.setdefault("LOGNAME", _user())
    try:
        with _progress(console, len(plan.runs), records) as update:
            if plugin != "SLURMGraph":
                arguments["status_callback"] = update
            token = f"bidslabelx{secrets.token_hex(6)}"
            if plugin in _SLURM:
                arguments = _slurm_arguments(plugin, arguments, token)
            # nipype collects garbage at every poll; what is there need not be gone through.
            gc.freeze()
            runner = plugin_named(plugin, arguments)
            try:
                workflow.run(plugin=runner)
                if plugin == "SLURMGraph":
                    _wait_for_jobs(token, update)
            except Stopped:
                if plugin in _SLURM:
                    _cancel_jobs(token)
                raise
            except Exception as error:
                # nipype raises the first node's error again; every run's own is in its record.
                LOGGER.info("the graph ended with %s: %s", type(error).__name__, error)
            finally:
                gc.unfreeze()
                if isinstance(runner, ProcessPerNode):
                    runner.end()
        return {one.key: _word_of(plan, records, one) for one in plan.runs}
    finally:
        shutil.rmtree(records, ignore_errors=True)


def _ask_slurm_for_memory(workflow: Any, given: str) -> None:
    """Have each job ask for what its node declares, unless the plugin file says how much."""
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        asked = [] if "--mem" in given else [f"--mem={math.ceil(1000 * node.mem_gb)}M"]
        if "--cpus-per-task" not in given and " -c" not in f" {given}":
            asked.append(f"--cpus-per-task={node.n_procs}")
        # They are put behind the plugin file's as they are.
        node.plugin_args = {"sbatch_args": f" {' '.join(asked)}"} if asked else {}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def _slurm_arguments(plugin: str, given: dict[str, Any], token: str) -> dict[str, Any]:
    """Have our jobs carry a comment, as the plugins do not say which ones are ours.

    SLURMGraph would submit what is done again, and leave jobs whose dependency has failed in the
    queue for ever.
    """
    own = f"{given.get('sbatch_args', '')} --comment={token}".strip()
    if plugin != "SLURMGraph":
        return {**given, "sbatch_args": own}
    asked = f"{own} --kill-on-invalid-dep=yes"
    return {"dont_resubmit_completed_jobs": True, **given, "sbatch_args": asked}


def _cancel_jobs(token: str) -> None:
    """Take our jobs out of the queue."""
    queue = subprocess.run(
        ["squeue", "--noheader", "--format=%i %k"], capture_output=True, text=True, check=False
    )
    jobs = [line.split()[0] for line in queue.stdout.splitlines() if line.endswith(token)]
    if jobs:
        subprocess.run(["scancel", *jobs], check=False)


def _wait_for_jobs(token: str, update: Callable[..., None]) -> None:
    """Wait until no job with our comment is in the queue, which SLURMGraph does not do itself."""
    while True:
        queue = subprocess.run(
            ["squeue", "--noheader", "--format=%k"], capture_output=True, text=True, check=False
        )
        update()
        # A queue that does not answer now is asked again.
        if queue.returncode == 0 and token not in queue.stdout.split():
            return
        time.sleep(_QUEUE_POLL)


@contextmanager
def _progress(console: Console, total: int, records: Path) -> Iterator[Callable[..., None]]:
    """Show how many runs have ended. It counts records, so it is true under every plugin."""

    def counts() -> tuple[int, int]:
        return len(list(records.glob("*.done.json"))), len(list(records.glob("*.failed.json")))

    if not console.is_terminal:
        yield _lines(console, total, counts)
        done, failed = counts()
        console.print(f"runs: {done} done, {failed} failed, {total} in all", markup=False)
        return
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
            done, failed = counts()
            text = f"{failed} failed" if failed else ""
            bar.update(task, completed=done + failed, failed=text, refresh=True)

        yield update


def _lines(
    console: Console, total: int, counts: Callable[[], tuple[int, int]]
) -> Callable[..., None]:
    """A line now and then, for logs of schedulers."""
    started = last = time.monotonic()
    shown = (0, 0)

    def update(*_: Any) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if now - last < _LINE_EVERY:
            return
        found = counts()
        if found == shown:
            return
        last, shown = now, found
        ended = sum(found)
        left = (now - started) / ended * (total - ended) if ended else 0
        console.print(
            f"runs: {found[0]} done, {found[1]} failed, {total - ended} left, "
            f"about {left / 60:.0f} min to go",
            markup=False,
        )

    return update


def _word_of(plan: Plan, records: Path, planned: PlannedRun) -> dict[str, Any]:
    """What a run left word of."""
    from bids_labelx.workflow.graph import atlas_records

    done, failed = record_paths(records, planned)
    if failed.is_file():
        record = _read(failed)
        LOGGER.error("%s\n%s", record["message"], record["traceback"])
        return {**_failed(plan, record["message"]), "trace": record["traceback"]}
    if done.is_file():
        return _read(done)
    texts = [_read(path)["message"] for path in atlas_records(records, planned) if path.is_file()]
    if texts:
        text = "the atlas could not be brought onto the grid: " + "; ".join(texts)
    else:
        text = (
            "it did not run to its end: a process or job was killed or ran out of memory, or the "
            "start was stopped; see logs/"
        )
    return _failed(plan, text)


def _failed(plan: Plan, problem: str) -> dict[str, Any]:
    return {"problems": plan.of_all(problem), "notes": [], "seconds": {}}


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
