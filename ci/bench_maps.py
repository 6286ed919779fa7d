"""The rows of `ci/bench` on maps and spheres, beside nilearn, and their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_data import AFFINE, T_R, write_labels, write_run
from bench_measure import Bar, Row, faster, memory, snippet
from isal import igzip
from nibabel import Nifti1Header
from scipy.spatial import cKDTree

_Shape = tuple[int, int, int]

N_SEEDS = 264
RADIUS = 5.0
# How many maps have a weight in a voxel of the brain: of DiFuMo, it is about as many.
MAPS_OF_A_VOXEL = 5

CLEANING = f"standardize=None, detrend=True, low_pass=0.1, high_pass=0.01, t_r={T_R}"
WARM = (
    "clean(np.random.default_rng(0).normal(size=(90, 2)), detrend=True, {}low_pass=0.1, t_r=2.0)"
)
OURS = f"""
import numpy as np
from bids_labelx import NiftiMapsMasker, NiftiSpheresMasker
from bids_labelx.extraction.clean import clean
{WARM.format("filter='butterworth', ")}
"""
NILEARN = f"""
import numpy as np
from nilearn.maskers import NiftiMapsMasker, NiftiSpheresMasker
from nilearn.signal import clean
{WARM.format("")}
"""


def make_map_data(folder: Path, shape: _Shape, n_volumes: int, n_maps: Sequence[int]) -> None:
    """Maps on the run's grid, and maps, mask and run on one of half its resolution."""
    coarse = folder / "coarse"
    coarse.mkdir()
    x, y, z = (-(-n // 2) for n in shape)
    write_run(coarse / "int16.nii.gz", (x, y, z), n_volumes, "<i2")
    write_labels(coarse / "labels.nii.gz", (x, y, z), 10)
    for count in n_maps:
        write_maps(folder / f"maps{count}.nii.gz", shape, count)
    write_maps(coarse / f"maps{max(n_maps)}.nii.gz", (x, y, z), max(n_maps))
    np.save(folder / "seeds.npy", seeds_of(shape))


def write_maps(path: Path, shape: _Shape, n_maps: int) -> None:
    """Maps of float32: a voxel of the brain has a weight in those of the nearest centres."""
    rng = np.random.default_rng(n_maps)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = np.flatnonzero((sum(axis**2 for axis in axes) < 0.75).ravel(order="F"))
    points = np.column_stack(np.unravel_index(inside, shape, order="F")).astype(float)
    centres = points[rng.choice(len(points), n_maps, replace=False)]
    apart, nearest = cKDTree(centres).query(points, k=MAPS_OF_A_VOXEL)
    weights = np.exp(-((apart / np.median(apart)) ** 2)).astype("<f4")
    header = Nifti1Header()
    header.set_data_dtype("<f4")
    header.set_data_shape((*shape, n_maps))
    header.set_sform(AFFINE, code=4)
    header["vox_offset"] = 352
    with igzip.open(path, "wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        for number in range(n_maps):
            volume = np.zeros(np.prod(shape), "<f4")
            rows, columns = np.nonzero(nearest == number)
            volume[inside[rows]] = weights[rows, columns]
            stream.write(volume.tobytes())


def seeds_of(shape: _Shape) -> np.ndarray:
    """Seeds within the brain, in mm."""
    rng = np.random.default_rng(264)
    directions = rng.standard_normal((N_SEEDS, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, np.newaxis]
    places = 0.75 * rng.random((N_SEEDS, 1)) ** (1 / 3) * directions
    voxels = (places + 1) / 2 * (np.array(shape) - 1)
    return np.asarray(voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3])


def _row(folder: Path, what: str, made: str, run: str, bars: Sequence[Bar], peer: bool) -> Row:
    """The same masker call by us and by nilearn."""
    body = (
        f"table = np.load({str(folder / 'confounds.npy')!r})\n"
        f"masker = {made}, {CLEANING})\n"
        f"masker.fit_transform({run!r}, confounds=table)"
    )
    theirs = snippet(NILEARN, body) if peer else None
    return Row(what, snippet(OURS, body), theirs, bars=tuple(bars))


def map_rows(folder: Path, size: Mapping[str, Any]) -> list[Row]:
    """Many maps, which are more than nilearn has memory for; fewer; on a coarser grid; spheres."""
    most, fewer = max(size["n_maps"]), min(size["n_maps"])
    run, mask = str(folder / "int16.nii.gz"), str(folder / "mask.nii.gz")
    coarse = folder / "coarse"

    def maps(folder: Path, count: int, mask: str) -> str:
        return f"NiftiMapsMasker({str(folder / f'maps{count}.nii.gz')!r}, {mask!r}"

    seeds = f"np.load({str(folder / 'seeds.npy')!r}).tolist()"
    spheres = f"NiftiSpheresMasker({seeds}, {RADIUS}, {mask!r}, allow_overlap=True"
    small, inside = str(coarse / "int16.nii.gz"), str(coarse / "mask.nii.gz")
    few = [faster(5), memory(700)]
    return [
        _row(folder, f"{most:,} maps", maps(folder, most, mask), run, [memory(700)], peer=False),
        _row(folder, f"{fewer:,} maps", maps(folder, fewer, mask), run, few, peer=True),
        _row(
            folder,
            f"{most:,} maps on every second voxel",
            maps(coarse, most, inside),
            small,
            few,
            peer=True,
        ),
        _row(folder, f"{N_SEEDS} spheres of {RADIUS:g} mm", spheres, run, few, peer=True),
    ]
