"""What nipype's plugins for Slurm need beside their arguments."""

from __future__ import annotations

import getpass
import math
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

# Between looks at the queue of a cluster, and between lines where there is no terminal.
_QUEUE_POLL = 5.0


_SLURM = ("SLURM", "SLURMGraph")


def _ask_slurm_for_memory(workflow: Any, given: str) -> None:
    """Have each job ask for what its node declares, unless the plugin file says how much."""
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        asked = [] if "--mem" in given else [f"--mem={math.ceil(1000 * node.mem_gb)}M"]
        if "--cpus-per-task" not in given and " -c" not in f" {given}":
            asked.append(f"--cpus-per-task={node.n_procs}")
        # They are put behind the plugin file's as they are.
        node.plugin_args = {"sbatch_args": f" {' '.join(asked)}"} if asked else {}


def user_name() -> str:
    """Who runs this, as Slurm lists jobs."""
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
