"""What this machine lets the app use."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """CPUs that this process may use: fewer than the machine has inside a Slurm job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
