from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.participant.extract import read_grid_table, reduce_run, resample_atlas
from bids_labelx.participant.records import AtlasOnGrid, RunSource, SignalKey
from bids_labelx.settings import ExtractionOptions, LabelOptions

WriteImage = Callable[..., Path]


def laid(to: AtlasOnGrid, shape: tuple[int, ...]) -> np.ndarray:
    """The labels on a grid, as a volume."""
    return np.load(to.labels).reshape(shape, order="F")


def test_an_atlas_on_the_grid_counts_its_voxels_before_and_after(
    on_grid: AtlasOnGrid, labels: np.ndarray
) -> None:
    table = read_grid_table(on_grid.table)
    assert table["name"].tolist() == ["nine", "two", "ghost", "five"]
    counts = [int((labels == i).sum()) for i in (9, 2, 4, 5)]
    assert table["voxels_atlas"].tolist() == counts
    assert table["voxels_grid"].tolist() == counts
    assert (np.load(on_grid.labels) == labels.ravel(order="F")).all()


def test_on_a_coarser_grid_every_voxel_has_the_label_at_its_centre(
    tmp_path: Path, write_image: WriteImage
) -> None:
    fine = np.random.default_rng(1).integers(0, 5, (9, 9, 9)).astype(np.int16)
    image = write_image(tmp_path / "a.nii", fine, np.eye(4))
    coarse = np.diag([3.0, 3, 3, 1])
    coarse[:3, 3] = 1
    to = AtlasOnGrid(tmp_path / "l.npy", tmp_path / "l.tsv")
    atlas = Atlas({"atlas": "a"}, None, image, None, tmp_path)
    resample_atlas(atlas, VolumeGrid.of((3, 3, 3), coarse), LabelOptions(), to)
    found = laid(to, (3, 3, 3))
    assert (found == fine[1::3, 1::3, 1::3]).all()
    table = read_grid_table(tmp_path / "l.tsv")
    assert table["voxels_grid"].tolist() == [int((found == i).sum()) for i in table["index"]]


def test_by_majority_a_voxel_has_the_label_of_most_of_it(
    tmp_path: Path, write_image: WriteImage
) -> None:
    fine = np.zeros((6, 6, 6), np.int16)
    fine[:3], fine[3:] = 1, 2
    fine[2, 2:4, 2:4] = 2
    image = write_image(tmp_path / "a.nii", fine, np.eye(4))
    coarse = np.diag([2.0, 2, 2, 1])
    coarse[:3, 3] = 0.5
    to = AtlasOnGrid(tmp_path / "l.npy", tmp_path / "l.tsv")
    options = LabelOptions(label_resampling="majority")
    atlas = Atlas({"atlas": "a"}, None, image, None, tmp_path)
    resample_atlas(atlas, VolumeGrid.of((3, 3, 3), coarse), options, to)
    assert laid(to, (3, 3, 3))[1, 1, 1] == 2
    assert read_grid_table(tmp_path / "l.tsv")["voxels_grid"].sum() == 27
    resample_atlas(atlas, VolumeGrid.of(fine.shape, np.eye(4)), options, to)
    np.testing.assert_array_equal(laid(to, fine.shape), fine)


def test_a_run_becomes_means_over_covered_voxels_in_the_tables_order(
    tmp_path: Path,
    write_image: WriteImage,
    on_grid: AtlasOnGrid,
    data: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
) -> None:
    data[2, 0, 0] = 0
    data[3, 0, 0, 7] = np.nan
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", mask)
    extracted = reduce_run(RunSource(bold, inside), [on_grid], ExtractionOptions())
    (table,) = extracted.tables
    signals = extracted.signals[SignalKey(0, "mean")]
    assert signals.shape == (N_VOLUMES, 4)
    usable = (mask > 0) & np.isfinite(data).all(axis=3) & (data != 0).any(axis=3)
    for column, label in enumerate([9, 2, 4, 5]):
        chosen = usable & (labels == label)
        if label == 4:
            assert np.isnan(signals[:, column]).all()
            continue
        expected = data[chosen].astype(float).mean(axis=0)
        np.testing.assert_allclose(signals[:, column], expected, rtol=1e-12)
        assert table["voxels_covered"][column] == chosen.sum()
    assert table["status"].tolist() == ["ok", "ok", "absent-from-image", "ok"]
    assert table["coverage"][1] == 0.5


def test_a_label_below_the_threshold_is_nan_and_says_so(
    tmp_path: Path,
    write_image: WriteImage,
    on_grid: AtlasOnGrid,
    data: np.ndarray,
    mask: np.ndarray,
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", mask)
    extracted = reduce_run(RunSource(bold, inside), [on_grid], ExtractionOptions(min_coverage=0.6))
    (table,) = extracted.tables
    assert table["status"].tolist() == ["ok", "low-coverage", "absent-from-image", "ok"]
    assert np.isnan(extracted.signals[SignalKey(0, "mean")]).all(axis=0).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_a_run_without_a_surviving_label_is_refused(
    tmp_path: Path, write_image: WriteImage, on_grid: AtlasOnGrid, data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    only_outside = np.zeros(SHAPE, np.uint8)
    only_outside[5] = 1
    inside = write_image(tmp_path / "m.nii.gz", only_outside)
    with pytest.raises(BadDataError, match=r"no label of the atlas survives \(3 outside-mask"):
        reduce_run(RunSource(bold, inside), [on_grid], ExtractionOptions())


def test_a_mask_on_another_grid_or_without_voxels_is_refused(
    tmp_path: Path, write_image: WriteImage, on_grid: AtlasOnGrid, data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    other = AFFINE.copy()
    other[0, 3] += 1
    moved = write_image(tmp_path / "m.nii.gz", np.ones(SHAPE, np.uint8), other)
    with pytest.raises(BadDataError, match="another grid"):
        reduce_run(RunSource(bold, moved), [on_grid], ExtractionOptions())
    empty = write_image(tmp_path / "e.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(BadDataError, match="the mask is empty"):
        reduce_run(RunSource(bold, empty), [on_grid], ExtractionOptions())


def test_a_truncated_run_is_refused_by_name(
    tmp_path: Path, write_image: WriteImage, on_grid: AtlasOnGrid, data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", np.ones(SHAPE, np.uint8))
    bold.write_bytes(bold.read_bytes()[:-5000])
    with pytest.raises(BadDataError, match=r"b\.nii\.gz.*truncated"):
        reduce_run(RunSource(bold, inside), [on_grid], ExtractionOptions())
