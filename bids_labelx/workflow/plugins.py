"""nipype's plugins, made so that a killed node fails its own run and no other.

nipype's MultiProc keeps a pool of processes: a worker that is killed, mostly for lack of memory,
breaks the pool, with it the running nodes of other runs, and the graph never ends.
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

from bids_labelx.errors import BadDataError, LabelxError, UsageError
from bids_labelx.files import parse_toml, read_text
from bids_labelx.settings import Settings

# They run nodes on this machine, so that any temporary folder does as the work folder.
IN_PROCESS = ("Linear", "MultiProc")

_PR_SET_PDEATHSIG = 1

# More processes, or GB, than any machine has.
_MOST = 2**20

# Modules for figures are the slowest to load: they are loaded once, before processes fork.
_FOR_FIGURES = (
    "bids_labelx.report.tooltips",
    "bids_labelx.report.run_figures",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
_STOPS = (signal.SIGTERM, signal.SIGINT)


class ProcessPerNode(MultiProcPlugin):
    """nipype's MultiProc, with the same arguments, and a process for each node."""

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        for name in _FOR_FIGURES:
            importlib.import_module(name)
        self._context = multiprocessing.get_context("fork")
        self._running: dict[int, tuple[Any, Connection]] = {}

    def end(self) -> None:
        """Kill the nodes that still run, as they do where the graph was stopped."""
        for process, _ in self._running.values():
            process.kill()
            process.join()

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        receiver, sender = self._context.Pipe(duplex=False)
        arguments = (node, updatehash, sender, os.getpid())
        process = self._context.Process(target=_run_node, args=arguments, name=node.fullname)
        # A signal in between would leave a process that `end` does not know.
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
        # In this order: all that a process which has ended sent can be received. It is received
        # before the process is joined, which a long message keeps from ending.
        alive, sent = process.is_alive(), None
        if receiver.poll():
            # A process that was killed has closed its end and sent nothing.
            with suppress(EOFError):
                sent = receiver.recv()
        elif alive:
            return None
        process.join()
        if sent is None:
            # Lines, as nipype adds more of them.
            sent = [f"the process ended with exit code {process.exitcode} and sent no result\n"]
        return {"result": None, "traceback": sent}

    def _clear_task(self, taskid: int) -> None:
        process, receiver = self._running.pop(taskid)
        receiver.close()
        process.close()


def _run_node(node: Any, updatehash: bool, sender: Connection, parent: int) -> None:
    """Run a node in a process of its own; send the lines of its traceback, none on success."""
    # The parent kills its children when it is stopped itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    _die_with(parent)
    try:
        node.run(updatehash=updatehash)
        sender.send([])
    except Exception:
        sender.send(traceback.format_exc().splitlines(keepends=True))


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, killed or not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def plugin_class(name: str) -> Any:
    """The class of the nipype plugin of this name; see `read_plugin` for the names."""
    if name == "MultiProc":
        return ProcessPerNode
    known = {one.removesuffix("Plugin") for one in dir(plugins) if one.endswith("Plugin")}
    # Those return when they have submitted their jobs, not when the jobs have ended.
    unsupported = {one for one in known if one.endswith("Graph")}
    if name in unsupported:
        raise ValueError(
            f"{name} is not supported; use {name.removesuffix('Graph')}, or a job array with a "
            "participant per task, as in the README"
        )
    if name not in known:
        names = ", ".join(sorted(known - unsupported))
        raise ValueError(f"{name} is no plugin of nipype's; there are {names}")
    plugin: Any = getattr(plugins, f"{name}Plugin")

    class Plugin(plugin):
        def _report_crash(self, node: Any, result: dict[str, Any] | None = None) -> Any:
            # Where a job left no result, plugins for clusters give text and nipype expects lines.
            if result is not None and isinstance(result["traceback"], str):
                lines = result["traceback"].splitlines(keepends=True)
                result = {**result, "traceback": lines}
            return super()._report_crash(node, result)

    return Plugin


def read_plugin(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The name of the nipype plugin to run with, and its arguments.

    Raises
    ------
    MissingInputError, BadDataError, UsageError
        If the plugin file cannot be read or names no supported plugin, or if the plugin needs a
        shared work folder and there is none.
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
        plugin, arguments = _check_content(_parse(path))
        plugin_class(plugin)
    except LabelxError as error:
        raise type(error)(f"--nipype-plugin-file {error}") from None
    except ValueError as error:
        raise BadDataError(f"--nipype-plugin-file {path}: {error}") from None
    if plugin not in IN_PROCESS and settings.work_dir is None:
        raise UsageError(
            f"--nipype-plugin-file: {plugin} needs --work-dir, a folder that all machines see"
        )
    return plugin, arguments


def _parse(path: Path) -> Any:
    text = read_text(path)
    if path.suffix == ".toml":
        return parse_toml(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML ({error})") from None
    except RecursionError:
        raise ValueError("not YAML (its brackets are nested too deep)") from None


def _check_content(content: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise ValueError(
            "a plugin's name under the key plugin is expected, and its arguments under "
            "plugin_args, as in fMRIPrep's plugin files"
        )
    unknown = set(content) - {"plugin", "plugin_args"}
    arguments = content.get("plugin_args") or {}
    if unknown or not isinstance(arguments, dict):
        raise ValueError(
            f"found {', '.join(sorted(map(str, unknown))) or 'plugin_args'}; "
            "the keys are plugin (text) and plugin_args (a table)"
        )
    for key, kinds, words in (
        ("n_procs", int, "a whole number of processes, 1 or more"),
        ("memory_gb", (int, float), "a number of GB above 0"),
    ):
        value = arguments.get(key, 1)
        # True is an integer in Python; nipype fails on any of these long after.
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < _MOST:
            found = repr(value) if isinstance(value, (int, float)) else type(value).__name__
            raise ValueError(f"plugin_args: {key} is {found:.40}, {words} is expected")
    return content["plugin"], dict(arguments)
