"""Coverage is the share of a label's volume in the atlas that has data.

The judges are closed forms for boxes in millimetres, and a loop over voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.participant.extract import reduce_run, resample_atlas
from bids_labelx.participant.records import AtlasOnGrid, RunSource
from bids_labelx.settings import ExtractionOptions, LabelOptions

WriteImage = Callable[..., Path]


@pytest.fixture
def coverage_of(tmp_path: Path, write_image: WriteImage) -> Callable[..., pd.DataFrame]:
    """The label table of a run, by index, from arrays and affines alone."""

    def of(
        labels: np.ndarray,
        atlas_affine: np.ndarray,
        data: np.ndarray,
        affine: np.ndarray,
        mask: np.ndarray | None = None,
        **options: float,
    ) -> pd.DataFrame:
        image = write_image(tmp_path / "atlas.nii.gz", labels, atlas_affine)
        bold = write_image(tmp_path / "bold.nii.gz", data, affine)
        path = None if mask is None else write_image(tmp_path / "mask.nii.gz", mask, affine)
        to = AtlasOnGrid(tmp_path / "l.npy", tmp_path / "l.tsv")
        atlas = Atlas({"atlas": "x"}, None, image, None, tmp_path)
        resample_atlas(atlas, VolumeGrid.of(data.shape, affine), LabelOptions(), to)
        extracted = reduce_run(RunSource(bold, path), [to], ExtractionOptions(**options))
        return extracted.tables[0].set_index("index")

    return of


def scaled(size: float, *origin: float) -> np.ndarray:
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = origin or (0.0, 0.0, 0.0)
    return affine


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (*shape, 6)).astype(np.float32)


def test_of_a_label_that_sticks_out_of_the_grid_only_what_is_in_view_counts(coverage_of) -> None:
    labels = np.zeros((4, 1, 669), np.int16)
    labels[:2, :, :667], labels[2:, :, 665:] = 1, 2
    table = coverage_of(labels, np.eye(4), noise((4, 1, 4)), scaled(1.0, 0, 0, 665))
    assert table["voxels_atlas"].to_dict() == {1: 1334, 2: 8}
    assert table["voxels_grid"].to_dict() == table["voxels_covered"].to_dict() == {1: 4, 2: 8}
    assert table["coverage"].to_dict() == {1: 4 / 1334, 2: 1.0}
    assert table["status"].to_dict() == {1: "low-coverage", 2: "ok"}


@pytest.mark.parametrize("size", [1.5, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("seen", [0.25, 0.5, 1.0])
def test_coverage_is_the_share_of_the_volume_in_view_whatever_the_run_s_voxel_size(
    coverage_of, size: float, seen: float
) -> None:
    # Label 1 is a box of 24 mm in a field of 48 mm, whose lower part the run's field ends in.
    labels = np.zeros((24, 24, 24), np.int16)
    labels[6:18, 6:18, 6:18] = 1
    labels[18:, 18:, 18:] = 2
    start = 36 - 24 * seen
    planes = round((48 - start) / size)
    per_axis = round(48 / size)
    # The first outer face of the atlas lies at -1 mm.
    affine = scaled(size, size / 2 - 1, size / 2 - 1, start + size / 2 - 1)
    table = coverage_of(labels, scaled(2.0), noise((per_axis, per_axis, planes)), affine)
    assert table["coverage"].to_dict() == {1: pytest.approx(seen), 2: 1.0}


def test_a_label_that_is_covered_wholly_has_coverage_1_though_resampling_changes_its_size(
    coverage_of,
) -> None:
    rng = np.random.default_rng(3)
    labels = np.zeros((20, 20, 20), np.int16)
    for index in range(1, 60):
        x, y, z = rng.integers(0, 16, 3)
        a, b, c = rng.integers(1, 4, 3)
        labels[x : x + a, y : y + b, z : z + c] = index
    table = coverage_of(labels, scaled(2.0), noise((13, 13, 13)), scaled(3.3, -1.5, -1.5, -1.5))
    left = table[table["voxels_grid"] > 0]
    by_volume = left["voxels_grid"] * 3.3**3 / (left["voxels_atlas"] * 8)
    assert by_volume.min() < 0.8
    assert by_volume.max() > 1.3
    assert (left["coverage"] == 1).all()
    assert set(left["status"]) == {"ok"}
    lost = table[table["voxels_grid"] == 0]
    assert len(lost)
    assert (lost["coverage"] == 0).all()
    assert set(lost["status"]) == {"lost-in-resampling"}


def test_on_an_oblique_grid_coverage_is_that_of_a_loop_over_voxels(coverage_of) -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.repeat(rng.integers(0, 5, (5, 5, 5)), 3, 0), 3, 1).astype(np.int16)
    angle = 0.4
    affine = scaled(2.5, 3.0, 1.0, 0.5)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    affine[:3, :3] = np.array(turn) @ affine[:3, :3]
    data = noise((9, 8, 3))
    data[:2] = 0
    mask = (rng.random(data.shape[:3]) < 0.8).astype(np.uint8)
    table = coverage_of(labels, scaled(2.0), data, affine, mask, min_coverage=0.3)

    atlas, seen, grid, covered = (dict.fromkeys(range(1, 5), 0) for _ in range(4))
    for place in itertools.product(*map(range, labels.shape)):
        if index := int(labels[place]):
            atlas[index] += 1
            x, y, z, _ = np.linalg.inv(affine) @ [*(2.0 * np.array(place)), 1]
            seen[index] += -0.5 <= x <= 8.5 and -0.5 <= y <= 7.5 and -0.5 <= z <= 2.5
    for place in itertools.product(*map(range, data.shape[:3])):
        centre = (affine @ [*place, 1])[:3] / 2
        inside = (centre >= 0).all() and (centre <= np.array(labels.shape) - 1).all()
        if inside and (index := labels[tuple(np.rint(centre).astype(int))]):
            grid[index] += 1
            covered[index] += bool(mask[place] and data[place].any())
    expected = {i: seen[i] / atlas[i] * covered[i] / grid[i] for i in atlas}
    assert table["coverage"].to_dict() == pytest.approx(expected)
    assert 0 < min(expected.values()) < 0.3 < max(expected.values())
    assert table["status"].to_dict() == {
        i: "ok" if share >= 0.3 else "low-coverage" for i, share in expected.items()
    }
