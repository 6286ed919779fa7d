"""Jobs of nipype's plugin for Slurm: the resources they request, and how they are cancelled."""

from __future__ import annotations

import math
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bids_labelx.errors import Stopped


@contextmanager
def slurm_arguments(workflow: Any, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the plugin's arguments; where the app is stopped meanwhile, its jobs are cancelled.

    Each job requests the memory and the processors of its node, unless `arguments`, the
    ``plugin_args`` of the plugin file, do.
    """
    given = str(arguments.get("sbatch_args", ""))
    _request_resources(workflow, given)
    # The plugin does not tell the ids of its jobs: a comment identifies them in the queue.
    comment = f"bidslabelx{secrets.token_hex(6)}"
    try:
        yield {**arguments, "sbatch_args": f"{given} --comment={comment}".strip()}
    except Stopped:
        _cancel_jobs(comment)
        raise


def _request_resources(workflow: Any, given: str) -> None:
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        requests = [] if "--mem" in given else [f"--mem={math.ceil(1000 * node.mem_gb)}M"]
        if "--cpus-per-task" not in given and " -c" not in f" {given}":
            requests.append(f"--cpus-per-task={node.n_procs}")
        # The plugin appends them to the plugin file's.
        node.plugin_args = {"sbatch_args": " ".join(requests)} if requests else {}


def _cancel_jobs(comment: str) -> None:
    # Slurm's programs are where the site has put them: on the PATH, as for nipype.
    queue = subprocess.run(
        ["squeue", "--noheader", "--format=%i %k"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    jobs = [line.split()[0] for line in queue.stdout.splitlines() if line.endswith(comment)]
    if jobs:
        subprocess.run(["scancel", *jobs], check=False)  # noqa: S607
