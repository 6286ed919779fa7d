"""nipype's plugins, so that a node that is killed ends its own run and nothing else.

For several processes there is one for each node. nipype's own keeps a pool: a worker that is
killed, for want of memory most of all, takes the pool and the running nodes of other runs with it,
and the graph never ends.
"""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nipype.pipeline import plugins
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.settings import Settings

_PR_SET_PDEATHSIG = 1

# What figures need takes longer to load than all else, and is loaded before processes fork.
_FOR_FIGURES = (
    "bids_labelx.report.hover",
    "bids_labelx.report.run_figures",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
_STOPS = (signal.SIGTERM, signal.SIGINT)


class ProcessPerNode(MultiProcPlugin):
    """As nipype's MultiProc, with the same arguments; a node that is killed fails alone."""

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        for name in _FOR_FIGURES:
            importlib.import_module(name)
        self._context = multiprocessing.get_context("fork")
        self._running: dict[int, tuple[Any, Connection]] = {}

    def end(self) -> None:
        """Kill what still runs: there is something where the graph was stopped."""
        for process, _ in self._running.values():
            process.kill()
            process.join()

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        receiver, sender = self._context.Pipe(duplex=False)
        arguments = (node, updatehash, sender, os.getpid())
        process = self._context.Process(target=_run_node, args=arguments, name=node.fullname)
        # A stop in between would leave a process that nobody knows of.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            process.start()
            self._running[self._taskid] = (process, receiver)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        sender.close()
        return int(self._taskid)

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        process, receiver = self._running[taskid]
        # In this order: of one that has ended, all that it said is there to be read. And read it
        # is before the process is waited for, which a long message keeps from ending.
        alive, said = process.is_alive(), None
        if receiver.poll():
            # One that was killed has closed its end and said nothing.
            with suppress(EOFError):
                said = receiver.recv()
        elif alive:
            return None
        process.join()
        if said is None:
            # Lines, as nipype adds more of them.
            said = [f"the process ended with exit code {process.exitcode} and said nothing\n"]
        return {"result": None, "traceback": said}

    def _clear_task(self, taskid: int) -> None:
        process, receiver = self._running.pop(taskid)
        receiver.close()
        process.close()


def _run_node(node: Any, updatehash: bool, sender: Connection, parent: int) -> None:
    """Run a node in a process of its own; send its traceback, or nothing where all went well."""
    # The parent kills its children where it is stopped itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    _end_with(parent)
    try:
        node.run(updatehash=updatehash)
        sender.send([])
    except Exception:
        sender.send(traceback.format_exc().splitlines(keepends=True))


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone, killed perhaps."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def plugin_named(name: str, plugin_args: dict[str, Any]) -> Any:
    """A plugin of nipype's by its name, made to outlive a job that is killed.

    Where a job left no result, nipype stumbles over its own report of it: it expects lines where
    the plugins for clusters give text.

    Raises
    ------
    ValueError
        Where there is none of this name, with those that there are.
    """
    if name == "MultiProc":
        return ProcessPerNode(plugin_args)
    kind = getattr(plugins, f"{name}Plugin", None)
    if kind is None:
        known = sorted(one.removesuffix("Plugin") for one in dir(plugins) if "Plugin" in one)
        raise ValueError(f"{name} is no plugin of nipype's; there are {', '.join(known)}")

    class Lasting(kind):  # type: ignore[valid-type,misc]
        def _report_crash(self, node: Any, result: dict[str, Any] | None = None) -> Any:
            if result is not None and isinstance(result["traceback"], str):
                lines = result["traceback"].splitlines(keepends=True)
                result = {**result, "traceback": lines}
            return super()._report_crash(node, result)

    return Lasting(plugin_args=plugin_args)


_LOCAL = ("Linear", "MultiProc")


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
    from bids_labelx.workflow.plugins import plugin_named

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
