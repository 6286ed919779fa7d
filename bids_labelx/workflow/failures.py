"""What a node that failed says of why, under every plugin."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from traceback import format_exception
from typing import Any

import numpy as np

from bids_labelx.errors import Failure
from bids_labelx.files import disk_full, full_message
from bids_labelx.workflow.memory import limits_in_words

# What a signal that ended a process mostly means.
_MEANING = {
    signal.SIGKILL: "mostly for lack of memory",
    signal.SIGBUS: "a file became shorter while it was read, or a disk is full",
}


class GraphEndedError(BaseException):
    """Why no more nodes can be run.

    No `Exception`, so that nipype does not take it for a node's.
    """


class NodeFailures:
    """A plugin of nipype's that keeps why nodes failed which left no record.

    To be mixed into a plugin.

    Attributes
    ----------
    failures
        By the path of the record that the node would have left.
    """

    procs: Any
    proc_pending: Any
    failures: dict[str, Failure]

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)  # type: ignore[call-arg]
        self.failures = {}

    @property
    def finished(self) -> bool:
        """Whether every node has run, has failed, or needs one that has."""
        done = getattr(self, "proc_done", None)
        return done is not None and bool(np.all(done)) and not np.any(self.proc_pending)

    def end(self) -> None:
        """End the nodes that still run, as they do where the graph was stopped."""

    def _report_crash(self, node: Any, result: dict[str, Any] | None = None) -> Any:
        # Where a job left no result, plugins for clusters give text and nipype expects lines.
        if result is not None and isinstance(result["traceback"], str):
            lines = result["traceback"].splitlines(keepends=True)
            result = {**result, "traceback": lines}
        try:
            return super()._report_crash(node, result)  # type: ignore[misc]
        except OSError as error:
            # The file is for those who look for more; the graph goes on without it.
            return f"no crash file ({error.strerror})"

    def _clean_queue(self, jobid: int, graph: Any, result: dict[str, Any] | None = None) -> Any:
        # nipype calls it while it handles what a node that it ran in this process has raised.
        node, error = self.procs[jobid], sys.exception()
        if result is None:
            result = {"result": None, "traceback": format_exception(error)}
        found = super()._clean_queue(jobid, graph, result)  # type: ignore[misc]
        if record_of(node) is None and isinstance(error, Exception):
            # Of lists of files, mostly: all that needs them says why it cannot be.
            failure = failure_of(error, node.mem_gb, node.output_dir())
            for one in found["dependents"]:
                if (record := record_of(one)) is not None:
                    self.failures.setdefault(record, failure)
        return found

    def _local_hash_check(self, jobid: int, graph: Any) -> bool:
        try:
            self.procs[jobid].is_cached()
        except Exception as error:
            # nipype would warn, ask again and end the graph.
            node = self.procs[jobid]
            if (record := record_of(node)) is not None:
                self.failures[record] = failure_of(error, node.mem_gb, node.output_dir())
            lines = format_exception(error)
            self._clean_queue(jobid, graph, {"result": None, "traceback": lines})
            self.proc_pending[jobid] = False
            return True
        return bool(super()._local_hash_check(jobid, graph))  # type: ignore[misc]


def with_failures(plugin: Any) -> Any:
    """A plugin's class that keeps why its nodes failed."""
    return type("Plugin", (NodeFailures, plugin), {})


def record_of(node: Any) -> str | None:
    """Where the node says why it failed; None for one that does not."""
    inputs: Mapping[str, Any] = node.inputs.trait_get()
    return inputs.get("failed_record")


def failure_of(error: Exception, need_gb: float, folder: str | os.PathLike[str]) -> Failure:
    """The failure of a node that was expected to need so much memory and works in this folder."""
    if isinstance(error, MemoryError):
        return Failure(_out_of_memory(need_gb))
    if isinstance(error, OSError) and disk_full(error):
        return Failure(full_message(error.filename or folder, error))
    return Failure.of(error)


def killed(exitcode: int | None, need_gb: float, limit_gb: float) -> str:
    """Why a process ended that sent no result, as far as its exit code tells."""
    text = f"its process ended with exit code {exitcode} and without a result"
    if exitcode is not None and exitcode < 0:
        number = signal.Signals(-exitcode)
        text = f"its process was killed by {number.name}"
        if meaning := _MEANING.get(number):
            text += f", {meaning}"
    return (
        f"{text}; about {need_gb:.2f} GB were expected to be needed, {limits_in_words(limit_gb)}"
    )


def _out_of_memory(need_gb: float) -> str:
    return f"out of memory: {_need(need_gb)}, {limits_in_words()}"


def _need(need_gb: float) -> str:
    return f"about {need_gb:.2f} GB were expected to be needed"
