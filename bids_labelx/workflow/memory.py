"""How much memory the nodes of a run need, in GB, declared before they run.

Every node counts as a process of its own, with the libraries that it loads. The figures were
fitted to measured peaks; a test holds that they are never below one and at most three times it.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bids_labelx.errors import LabelxError

# The share of a limit that processes of ours may take together.
_SHARE = 0.9

# A process with our libraries, and what shrinkage loads beside them.
_PROCESS = 0.22
_LIBRARIES = 0.13

_GB = 1e-9

# A process with our libraries addresses more than it uses.
_LEAST_ADDRESSES = 0.5

_CGROUP = Path("/sys/fs/cgroup")
_PER_PROCESS = "ulimit -v, a process"


def resample_gb(grid_voxels: int, atlas_voxels: int, weights: int = 0) -> float:
    """For one atlas onto one grid; of maps with so many `weights` there."""
    return _PROCESS + _GB * (60 * grid_voxels + 40 * atlas_voxels) + 2 * weights_gb(weights)


def weights_gb(weights: int) -> float:
    """For the `weights` of maps, with copies of them."""
    return _GB * 36 * weights


def reduce_gb(
    grid_voxels: int,
    itemsize: int,
    atlases: int,
    series_numbers: int,
    *,
    smoothed: bool,
    voxels_cleaned: bool,
) -> float:
    """For reading a run, whose voxels take `itemsize` bytes each, for so many `atlases`.

    `series_numbers` are those in all series that come out of it. Volumes may be `smoothed`, and
    voxels cleaned before they are reduced.
    """
    per_voxel = 32 + 8 * itemsize + 24 * atlases + (32 if smoothed else 0)
    tiles = 0.1 if voxels_cleaned else 0.0
    return _PROCESS + tiles + _GB * (per_voxel * grid_voxels + 24 * series_numbers)


def clean_gb(series_numbers: int) -> float:
    """For cleaning series; `series_numbers` are those before and after it."""
    return _PROCESS + _GB * 32 * series_numbers


def connect_gb(
    series_numbers: int, labels: Sequence[int], matrices: int, *, shrunk: bool
) -> float:
    """For so many `matrices` between the labels of each atlas; `labels` are their numbers.

    `shrunk` if some of the matrices come from scikit-learn's shrinkage.
    """
    squares = sum(count * count for count in labels)
    libraries = _LIBRARIES if shrunk else 0.0
    return _PROCESS + libraries + _GB * (16 * series_numbers + 32 * squares * matrices)


def deliver_gb(
    grid_voxels: int, series_numbers: int, labels: Sequence[int], matrices: int
) -> float:
    """For writing files and the data of pages."""
    squares = sum(count * count for count in labels)
    numbers = 60 * grid_voxels + 32 * series_numbers + 16 * squares * matrices
    return _PROCESS + _GB * numbers


def available_gb() -> float:
    """What all processes of this invocation may take together, unless the user says."""
    limits = memory_limits()
    limits.pop(_PER_PROCESS, None)
    return _SHARE * min(limits.values())


def check_address_space() -> None:
    """Refuse a limit of this process in which the libraries cannot even be loaded.

    OpenBLAS would wait in it for memory for ever.

    Raises
    ------
    LabelxError
    """
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and most * _GB < _LEAST_ADDRESSES:
        raise LabelxError(
            f"out of memory: a process may address {most * _GB:.2f} GB (ulimit -v), and needs at "
            f"least {_LEAST_ADDRESSES:.1f} GB; raise the limit"
        )


def memory_limits(
    environ: Mapping[str, str] = os.environ, proc: Path = Path("/proc"), cgroup: Path = _CGROUP
) -> dict[str, float]:
    """The limits of memory that this process has, in GB, by what sets them."""
    limits = {"the machine": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _GB}
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        limits[_PER_PROCESS] = most * _GB
    if found := list(_cgroup_limits(proc, cgroup)):
        limits["cgroup"] = min(found) * _GB
    if (allotted := _slurm_mb(environ)) is not None:
        # Slurm's megabytes have 1024² bytes.
        limits["Slurm"] = allotted * 2**20 * _GB
    # A limit beyond the machine's memory is none.
    return {name: value for name, value in limits.items() if value <= limits["the machine"]}


def limits_in_words(limit_gb: float | None = None) -> str:
    """The limits of memory, and the one for all processes together where it is given."""
    limits = memory_limits()
    if limit_gb is not None:
        limits = {"all processes together, --mem-gb": limit_gb, **limits}
    return "limits are " + ", ".join(f"{value:.2f} GB ({name})" for name, value in limits.items())


def _cgroup_limits(proc: Path, root: Path) -> Iterator[int]:
    """Limits in bytes of the control groups that this process is in, of either version."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            hierarchies, file = (root, root / "unified"), "memory.max"
        elif "memory" in controllers.split(","):
            hierarchies, file = (root / "memory", root / controllers), "memory.limit_in_bytes"
        else:
            continue
        for hierarchy in hierarchies:
            own = hierarchy / name.strip("/")
            # In a container the name may be of the host, and its own group is mounted as the root.
            for folder in {hierarchy, own, *own.parents} - {*hierarchy.parents}:
                try:
                    yield int((folder / file).read_text())
                except (OSError, ValueError):
                    # Not there, or "max".
                    continue


def _slurm_mb(environ: Mapping[str, str]) -> float | None:
    """Memory that Slurm allotted on this node, in MB; None where it did not say."""
    try:
        if per_node := float(environ.get("SLURM_MEM_PER_NODE") or 0):
            return per_node
        per_cpu = float(environ["SLURM_MEM_PER_CPU"])
        return per_cpu * int(environ["SLURM_CPUS_ON_NODE"]) or None
    except (KeyError, ValueError):
        return None
