"""nipype's plugin for Slurm: what jobs request, a queue that does not answer, and cancelling."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

from nipype.pipeline.plugins import SLURMPlugin

from bids_labelx.errors import Failure
from bids_labelx.workflow.failures import GraphEndedError, NodeFailures, record_of

LOGGER = logging.getLogger("bids_labelx")

# Seconds that a command of Slurm's may take, and the one that cancels where the app was stopped.
_ANSWER, _CANCEL = 60.0, 10.0

# Seconds without an answer of the queue after which the graph ends, and between two questions.
_PATIENCE, _POLL = 900.0, 2.0


class Slurm(NodeFailures, SLURMPlugin):
    """nipype's SLURM, with the same arguments.

    Each job requests the memory and the processors of its node, unless the plugin file does. A
    refused job fails its node, or ends the graph where none was accepted before. The jobs of a
    graph that ends early are cancelled.
    """

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        # The id of a job is not known before sbatch returns: a comment identifies all of ours.
        self._comment = f"bidslabelx{secrets.token_hex(6)}"
        self._accepted = 0
        self._refused: dict[int, str] = {}
        self._queue: set[str] = set()
        self._asked = -math.inf
        self._answered = time.monotonic()

    def end(self) -> None:
        """Cancel the jobs of a graph that ended early."""
        if not self.finished:
            _cancel_jobs(self._comment)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            taskid = super()._submit_job(node, updatehash=updatehash)
        except _RefusedError as error:
            reason = f"Slurm refused the job: {error}"
            if not self._accepted:
                raise GraphEndedError(reason) from None
            taskid = -1 - len(self._refused)
            self._refused[taskid] = reason
            if (record := record_of(node)) is not None:
                self.failures[record] = Failure(reason)
        else:
            self._accepted += 1
        return int(taskid)

    def _submit_batchtask(self, scriptfile: str, node: Any) -> int:
        given = os.path.expandvars(self._sbatch_args or "")
        log = str(Path(scriptfile).with_name("slurm-%j.out"))
        arguments = [
            *shlex.split(given),
            *_requests(given, node),
            *(() if "-o" in given else ("-o", log)),
            *(() if "-e" in given else ("-e", log)),
            f"--comment={self._comment}",
            f"--job-name={_job_name(node)}",
            scriptfile,
        ]
        for attempt in range(self._max_tries + 1):
            if attempt:
                time.sleep(self._retry_timeout)
            try:
                done = _run("sbatch", *arguments, timeout=_ANSWER)
            except subprocess.TimeoutExpired as error:
                # Whether the job is in the queue is not known: another one might be one too many.
                raise GraphEndedError(f"{error.cmd[0]} does not answer") from None
            if done.returncode == 0:
                break
        else:
            raise _RefusedError(_last_words(done))
        found = re.search(self._jobid_re, done.stdout)
        if found is None:
            raise GraphEndedError(f"sbatch says no job's id, but {done.stdout.strip()!r}")
        taskid = int(found[1])
        self._pending[taskid] = node.output_dir()
        self._queue.add(str(taskid))
        return taskid

    def _get_result(self, taskid: int) -> Any:
        if taskid in self._refused:
            return {"result": None, "traceback": [f"{self._refused[taskid]}\n"]}
        return super()._get_result(taskid)

    def _clear_task(self, taskid: int) -> None:
        if taskid not in self._refused:
            super()._clear_task(taskid)

    def _is_pending(self, taskid: int) -> bool:
        if time.monotonic() - self._asked >= _POLL:
            self._ask()
        return str(taskid) in self._queue

    def _ask(self) -> None:
        """Ask which jobs are in the queue; where there is no answer, those that were."""
        command = ("squeue", "--noheader", f"--user={os.getuid()}", "--format=%A")
        try:
            done = _run(*command, timeout=_ANSWER)
            reason = "" if done.returncode == 0 else _last_words(done)
        except subprocess.TimeoutExpired:
            reason = f"no answer in {_ANSWER:.0f} s"
        self._asked = time.monotonic()
        if not reason:
            self._queue, self._answered = set(done.stdout.split()), self._asked
            return
        LOGGER.warning("squeue: %s", reason)
        if self._asked - self._answered > _PATIENCE:
            raise GraphEndedError(
                f"Slurm's queue has not answered for {_PATIENCE / 60:.0f} min (squeue: {reason})"
            )


def _job_name(node: Any) -> str:
    """The name in the queue, as nipype has it: the step, its run, and whose it is."""
    names = reversed(str(node.fullname).split("."))
    return ".".join([*names, os.environ.get("LOGNAME", "")])


class _RefusedError(Exception):
    """What sbatch said when it refused a job."""


def _requests(given: str, node: Any) -> list[str]:
    """The options for sbatch that request what a node declares, unless others are `given`."""
    requests = [] if "--mem" in given else [f"--mem={math.ceil(1000 * node.mem_gb)}M"]
    if "--cpus-per-task" not in given and " -c" not in f" {given}":
        requests.append(f"--cpus-per-task={node.n_procs}")
    return requests


def _run(*command: str, timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout
        )
    except OSError as error:
        raise GraphEndedError(f"{command[0]} cannot be run ({error.strerror})") from None


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed said, in one line."""
    said = " ".join((done.stderr or done.stdout).split())
    return said or f"{done.args[0]} ended with exit code {done.returncode}"


def _cancel_jobs(comment: str) -> None:
    """Cancel the jobs with a comment; a queue that does not answer is not waited for."""
    command = ("squeue", "--noheader", f"--user={os.getuid()}", "--format=%A %k")
    try:
        queue = _run(*command, timeout=_CANCEL)
        jobs = [line.split()[0] for line in queue.stdout.splitlines() if line.endswith(comment)]
        if jobs:
            _run("scancel", *jobs, timeout=_CANCEL)
    except (subprocess.TimeoutExpired, GraphEndedError):
        LOGGER.warning("Slurm does not answer: jobs with the comment %s may still run", comment)
