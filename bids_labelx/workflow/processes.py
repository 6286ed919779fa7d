"""A process for each node: one that is killed fails its own run and no other.

nipype's MultiProc keeps a pool of processes: a worker that is killed, mostly for lack of memory,
breaks the pool, with it the running nodes of other runs, and the graph never ends. Its Linear
runs nodes in the app's own process, and swallows what stops that.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bids_labelx.errors import Failure
from bids_labelx.workflow.failures import NodeFailures, failure_of, killed, record_of

LOGGER = logging.getLogger("bids_labelx")

_PR_SET_PDEATHSIG = 1

_STOPS = (signal.SIGTERM, signal.SIGINT)

# Seconds between looks at the nodes where none of them ends.
_POLL = 0.25

# For so many seconds it is tried again to start a process, where none runs and none can be.
_PATIENCE = 30.0

# What a process sends at its end: its traceback, none on success; why; whether it may work later.
_Ended = tuple[list[str], Failure | None, bool]


@dataclass
class _Task:
    """A node with the process that runs it; none where it could not be started, or not yet."""

    node: Any
    updatehash: bool
    process: Any = None
    receiver: Connection | None = None


class ProcessPerNode(NodeFailures, MultiProcPlugin):
    """nipype's MultiProc, with the same arguments, and a process for each node."""

    processors: int

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        # The number of processes is what limits jobs.
        self.max_jobs = math.inf
        self._most = self.processors
        self._context = multiprocessing.get_context("fork")
        self._tasks: dict[int, _Task] = {}
        self._last_end = time.monotonic()

    def end(self) -> None:
        """Kill the nodes that still run, as they do where the graph was stopped."""
        for task in self._tasks.values():
            if task.process is not None:
                task.process.kill()
                task.process.join()

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        ended = self._ended()
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        if self._tasks and ended == self._ended():
            # Nothing can be done until a process ends. nipype itself sleeps no more.
            running = [one.receiver for one in self._tasks.values() if one.receiver is not None]
            wait(running, timeout=_POLL)

    def _ended(self) -> int:
        return int((self.proc_done & ~self.proc_pending).sum())

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        self._tasks[self._taskid] = task = _Task(node, updatehash)
        self._start(task)
        return int(self._taskid)

    def _start(self, task: _Task) -> str | None:
        """Start the process of a task; a reason where it cannot be and there is no hope."""
        try:
            receiver, sender = self._context.Pipe(duplex=False)
        except OSError as error:
            return self._refused(error)
        arguments = (task.node, task.updatehash, sender, os.getpid())
        process = self._context.Process(target=_run_node, args=arguments, name=task.node.fullname)
        # A signal in between would leave a process that `end` does not know.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            process.start()
            task.process, task.receiver = process, receiver
        except OSError as error:
            receiver.close()
            return self._refused(error)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
            sender.close()
        self.processors = min(self._most, self.processors + 1)
        return None

    def _refused(self, error: Exception | Failure) -> str | None:
        """Make do with fewer processes; a reason where that has not helped for long enough."""
        text = error.message if isinstance(error, Failure) else f"{error}"
        running = sum(one.process is not None for one in self._tasks.values())
        if self.processors > max(1, running):
            LOGGER.warning("%s: going on with fewer processes than %d", text, self.processors)
        self.processors = max(1, running)
        if running or time.monotonic() - self._last_end < _PATIENCE:
            return None
        return (
            f"no process or thread can be started ({text}) for {_PATIENCE:.0f} s; the limit of "
            "processes (ulimit -u, or of the container) is reached: end others, or raise it"
        )

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        task = self._tasks[taskid]
        if task.process is None:
            reason = self._start(task)
            return None if reason is None else self._failed(task, Failure(reason), [])
        assert task.receiver is not None
        # In this order: all that a process which has ended sent can be received. It is received
        # before the process is joined, which a long message keeps from ending.
        alive, sent = task.process.is_alive(), None
        if task.receiver.poll():
            # A process that was killed has closed its end and sent nothing.
            with suppress(EOFError):
                sent = task.receiver.recv()
        elif alive:
            return None
        task.process.join()
        exitcode = task.process.exitcode
        task.receiver.close()
        task.process.close()
        task.process = task.receiver = None
        if sent is None:
            self._last_end = time.monotonic()
            return self._failed(
                task, Failure(killed(exitcode, task.node.mem_gb, self.memory_gb)), []
            )
        lines, failure, momentary = sent
        if momentary:
            reason = self._refused(failure)
            if reason is None:
                if (record := record_of(task.node)) is not None:
                    Path(record).unlink(missing_ok=True)
                return None
            failure = Failure(reason, trace=failure.trace)
        else:
            self._last_end = time.monotonic()
        if failure is not None:
            return self._failed(task, failure, lines)
        return {"result": None, "traceback": lines}

    def _failed(self, task: _Task, failure: Failure, lines: list[str]) -> dict[str, Any]:
        """What nipype is told of a task that failed; why is kept."""
        if (record := record_of(task.node)) is not None:
            self.failures[record] = failure
        # Lines, as nipype adds more of them.
        return {"result": None, "traceback": lines or [f"{failure.message}\n"]}

    def _clear_task(self, taskid: int) -> None:
        del self._tasks[taskid]


def _run_node(node: Any, updatehash: bool, sender: Connection, parent: int) -> None:
    """Run a node in a process of its own; send how it ended, see `_Ended`."""
    # The parent kills its children when it is stopped itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    _die_with(parent)
    ended: _Ended = ([], None, False)
    try:
        node.run(updatehash=updatehash)
    except Exception as error:
        lines = traceback.format_exc().splitlines(keepends=True)
        # nipype raises an error of its own instead of that of the interface, which keeps it.
        known = getattr(node.interface, "failed", None)
        first, failure = known or (error, failure_of(error, node.mem_gb, node.output_dir()))
        ended = (lines, failure, _momentary(first))
    sender.send(ended)


def _momentary(error: BaseException) -> bool:
    """Whether a process or a thread could not be started, which passes as others end."""
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, killed or not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
