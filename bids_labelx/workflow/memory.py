"""How much memory the nodes of a run need, in GB, declared before they run.

Every node counts as a process of its own, with the libraries that it loads. The figures were
fitted to measured peaks; a test holds that they are never below one and at most three times it.
"""

from __future__ import annotations

from collections.abc import Sequence

# A process with our libraries, and what drawing and shrinkage load beside them.
_PROCESS = 0.22
_LIBRARIES = 0.13

_GB = 1e-9


def resample_gb(grid_voxels: int, atlas_voxels: int) -> float:
    """For one atlas onto one grid."""
    return _PROCESS + _GB * (60 * grid_voxels + 40 * atlas_voxels)


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
    """For writing and drawing."""
    squares = sum(count * count for count in labels)
    most = max(labels, default=0) ** 2
    numbers = 60 * grid_voxels + 32 * series_numbers + 16 * squares * matrices + 400 * most
    return _PROCESS + _LIBRARIES + _GB * numbers
