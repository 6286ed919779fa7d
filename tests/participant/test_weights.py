"""Maps and spheres on the grid of a run, and their signals beside those of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.outputs.probseg import write_maps
from bids_labelx.participant import extract
from bids_labelx.participant.extract import read_grid_table, reduce_run, resample_atlas
from bids_labelx.participant.records import AtlasOnGrid, RunSource, SignalKey
from bids_labelx.participant.weights import read_labels, read_weights
from bids_labelx.settings import ExtractionOptions, LabelOptions

GRID = VolumeGrid.of(SHAPE, AFFINE)
WriteImage = Callable[..., Path]


def soft(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Two maps with noise, each 0 in a part."""
    maps = np.random.default_rng(5).random((*shape, 2)).astype(np.float32)
    maps[-1:, ..., 0] = maps[:1, ..., 1] = 0
    return maps


@pytest.fixture
def maps(tmp_path: Path, write_image: WriteImage) -> Atlas:
    image = write_image(tmp_path / "a_probseg.nii.gz", soft())
    return Atlas({"atlas": "a"}, None, image, None, tmp_path, kind="maps")


def seeds(folder: Path, text: str) -> Atlas:
    path = folder / "seeds.tsv"
    path.write_text(text)
    return Atlas({"atlas": "s"}, None, path, None, folder, kind="spheres")


def on(grid: VolumeGrid, atlas: Atlas, folder: Path, **options: Any) -> AtlasOnGrid:
    to = AtlasOnGrid(folder / f"{atlas.key}.npz", folder / f"{atlas.key}.tsv")
    resample_atlas(atlas, grid, LabelOptions(**options), to)
    return to


def test_labels_maps_and_spheres_are_reduced_in_one_reading(
    tmp_path: Path,
    write_image: WriteImage,
    on_grid: AtlasOnGrid,
    data: np.ndarray,
    maps: Atlas,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bold = write_image(tmp_path / "bold.nii.gz", data)
    spheres = seeds(tmp_path, "x\ty\tz\n0\t0\t0\n")
    atlases = [on(GRID, maps, tmp_path), on_grid, on(GRID, spheres, tmp_path)]
    begun = []
    opened = extract.open_source

    def counted(source: RunSource) -> RunData:
        run = opened(source)

        def read_blocks(size: int) -> Blocks:
            begun.append(run.name)
            yield from run.blocks(size)

        return run.with_blocks(read_blocks)

    monkeypatch.setattr(extract, "open_source", counted)
    found = reduce_run(RunSource(bold), atlases, ExtractionOptions())
    assert len(begun) == 1
    assert [found.signals[SignalKey(i, "mean")].shape[1] for i in range(3)] == [2, 4, 1]
    for i, atlas in enumerate(atlases):
        alone = reduce_run(RunSource(bold), [atlas], ExtractionOptions())
        np.testing.assert_array_equal(
            found.signals[SignalKey(i, "mean")], alone.signals[SignalKey(0, "mean")]
        )


def test_the_fit_leaves_out_voxels_without_data_and_coverage_is_the_share_of_the_weight(
    tmp_path: Path, write_image: WriteImage, data: np.ndarray, maps: Atlas
) -> None:
    data[1, 1] = 0
    data[2, 2, 2, 5] = np.nan
    bold = write_image(tmp_path / "bold.nii.gz", data)
    found = reduce_run(RunSource(bold), [on(GRID, maps, tmp_path)], ExtractionOptions())
    used = np.ones(SHAPE, bool)
    used[1, 1] = used[2, 2, 2] = False
    design = soft()[used].astype(float)
    expected = np.linalg.lstsq(design, data[used].astype(float), rcond=None)[0].T
    np.testing.assert_allclose(found.signals[SignalKey(0, "mean")], expected, rtol=1e-8)
    share = soft()[used].sum(axis=0, dtype=float) / soft().sum(axis=(0, 1, 2), dtype=float)
    np.testing.assert_allclose(found.tables[0]["coverage"], share, rtol=1e-6)


def test_maps_are_resampled_linearly_and_what_the_grid_cuts_off_is_not_covered(
    tmp_path: Path, write_image: WriteImage
) -> None:
    maps = np.zeros((8, 6, 6, 1), np.float32)
    maps[2:8] = np.arange(2, 8)[:, None, None, None]
    image = write_image(tmp_path / "a_probseg.nii", maps, np.eye(4))
    # The target has the first five voxels in steps of a half.
    affine = np.diag([0.5, 1, 1, 1])
    grid = VolumeGrid.of((9, 6, 6), affine)
    atlas = Atlas({"atlas": "a"}, None, image, None, tmp_path, kind="maps")
    to = on(grid, atlas, tmp_path)
    table = read_grid_table(to.table)
    assert table["name"].tolist() == ["map1"]
    assert table["voxels_atlas"].tolist() == [6 * 36]
    assert float(table["weight_in_view"][0]) == pytest.approx((2 + 3 + 4) / 27)
    weights = read_weights(to.labels)
    assert weights is not None
    dense = np.zeros(grid.n_elements)
    dense[weights.maps.elements] = weights.maps.weights.toarray()[:, 0]
    along = grid.to_volume(dense)[:, 2, 2]
    np.testing.assert_allclose(along, [0, 0, 0, 1, 2, 2.5, 3, 3.5, 4])
    bold = write_image(
        tmp_path / "bold.nii", np.random.default_rng(0).random((9, 6, 6, 4)) + 1, affine
    )
    found = reduce_run(RunSource(bold), [to], ExtractionOptions(min_coverage=0.3))
    assert found.tables[0]["coverage"][0] == pytest.approx(9 / 27)
    assert found.tables[0]["status"][0] == "ok"


def test_the_picture_of_maps_has_the_largest_one_in_each_voxel(
    tmp_path: Path, maps: Atlas
) -> None:
    labels = GRID.to_volume(read_labels(on(GRID, maps, tmp_path).labels))
    np.testing.assert_array_equal(labels, soft().argmax(axis=-1) + 1)


def test_a_sphere_that_the_grid_cuts_has_the_share_of_its_voxels_there(
    tmp_path: Path, write_image: WriteImage, data: np.ndarray
) -> None:
    edge = nib.affines.apply_affine(AFFINE, (0, 2, 2))
    place = "\t".join(map(str, edge.tolist()))
    atlas = seeds(tmp_path, f"x\ty\tz\tradius\n{place}\t3.1\n")
    bold = write_image(tmp_path / "bold.nii.gz", data)
    found = reduce_run(RunSource(bold), [on(GRID, atlas, tmp_path)], ExtractionOptions())
    table = found.tables[0]
    # The seed's voxel and its six neighbours, of which one is beyond the grid.
    assert table[["voxels_atlas", "voxels_grid", "voxels_covered"]].to_numpy().tolist() == [
        [7, 6, 6]
    ]
    assert table["coverage"][0] == 6 / 7
    own = [data[i, j, k] for i, j, k in [(0, 2, 2), (1, 2, 2), (0, 1, 2), (0, 3, 2)]]
    own += [data[0, 2, 1], data[0, 2, 3]]
    np.testing.assert_allclose(
        found.signals[SignalKey(0, "mean")][:, 0], np.mean(own, axis=0), rtol=1e-6
    )


def test_spheres_have_all_statistics_and_a_voxel_of_two_counts_in_both(
    tmp_path: Path, write_image: WriteImage, data: np.ndarray
) -> None:
    atlas = seeds(tmp_path, "x\ty\tz\tradius\n0\t0\t0\t4\n-3\t0\t0\t4\n")
    bold = write_image(tmp_path / "bold.nii.gz", data)
    options = ExtractionOptions(statistic=("median", "maximum"))
    found = reduce_run(RunSource(bold), [on(GRID, atlas, tmp_path)], options)
    places = nib.affines.apply_affine(AFFINE, np.argwhere(np.ones(SHAPE)))
    flat = data.reshape(-1, N_VOLUMES)
    for column, seed in enumerate(((0, 0, 0), (-3, 0, 0))):
        own = flat[np.linalg.norm(places - seed, axis=1) <= 4]
        for name, by_numpy in (("median", np.median), ("maximum", np.max)):
            np.testing.assert_allclose(
                found.signals[SignalKey(0, name)][:, column], by_numpy(own, axis=0), rtol=1e-6
            )


def test_smoothed_runs_are_fitted_over_voxels_with_data_before(
    tmp_path: Path, write_image: WriteImage, data: np.ndarray, maps: Atlas
) -> None:
    from nilearn.image import smooth_img

    data[1, 1] = 0
    bold = write_image(tmp_path / "bold.nii.gz", data)
    options = ExtractionOptions(smoothing_fwhm=6)
    found = reduce_run(RunSource(bold), [on(GRID, maps, tmp_path)], options)
    smooth = smooth_img(nib.Nifti1Image(data.astype(float), AFFINE), 6).get_fdata()
    used = np.ones(SHAPE, bool)
    used[1, 1] = False
    expected = np.linalg.lstsq(soft()[used].astype(float), smooth[used], rcond=None)[0].T
    np.testing.assert_allclose(found.signals[SignalKey(0, "mean")], expected, rtol=1e-5)


def test_a_written_map_image_is_read_back_and_has_the_same_bytes_again(
    tmp_path: Path, maps: Atlas
) -> None:
    weights = read_weights(on(GRID, maps, tmp_path).labels)
    assert weights is not None
    paths = [tmp_path / "one.nii.gz", tmp_path / "two.nii.gz"]
    for path in paths:
        write_maps(path, weights.maps, np.array([1, 0]), GRID)
    image = nib.load(paths[0])
    np.testing.assert_array_equal(image.get_fdata(), soft()[..., [1, 0]])
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_written_table_of_spheres_has_the_seeds(tmp_path: Path) -> None:
    atlas = seeds(tmp_path, "name\tx\ty\tz\nb\t1.5\t0\t0\na\t0\t0\t3\n")
    table = read_grid_table(on(GRID, atlas, tmp_path, labels=("a",)).table)
    assert isinstance(table, pd.DataFrame)
    row = table.iloc[0]
    assert (row["index"], row["name"], row["radius"]) == (2, "a", "5.0")
    assert row[["centroid_x", "centroid_y", "centroid_z"]].tolist() == [0, 0, 3]


@pytest.mark.parametrize("fwhm", [None, 5.0])
def test_a_map_below_the_least_coverage_takes_no_part_in_the_fit(
    tmp_path: Path, write_image: WriteImage, data: np.ndarray, mask: np.ndarray, fwhm: float | None
) -> None:
    maps = np.zeros((*SHAPE, 3), np.float32)
    maps[..., 0] = soft()[..., 0]
    # Both lie outside of the mask but for one voxel, in which they are collinear.
    maps[5, ..., 1] = soft()[5, ..., 1]
    maps[5, ..., 2] = 1
    maps[3, 2, 2, 1:] = 0.1
    image = write_image(tmp_path / "a_probseg.nii.gz", maps)
    atlas = Atlas({"atlas": "a"}, None, image, None, tmp_path, kind="maps")
    bold = write_image(tmp_path / "bold.nii.gz", data)
    source = RunSource(bold, write_image(tmp_path / "mask.nii.gz", mask))
    to = on(GRID, atlas, tmp_path)
    found = reduce_run(source, [to], ExtractionOptions(smoothing_fwhm=fwhm))
    assert found.tables[0]["status"].tolist() == ["ok", "low-coverage", "low-coverage"]
    signals = found.signals[SignalKey(0, "mean")]
    assert np.isnan(signals[:, 1:]).all()
    if fwhm is None:
        used = mask.astype(bool)
        column = maps[used][:, :1].astype(float)
        expected = np.linalg.lstsq(column, data[used].astype(float), rcond=None)[0][0]
        np.testing.assert_allclose(signals[:, 0], expected, rtol=1e-8)
    with pytest.raises(BadDataError, match=r"collinear inside the mask of this run.*map2, map3"):
        reduce_run(source, [to], ExtractionOptions(smoothing_fwhm=fwhm, min_coverage=0))
