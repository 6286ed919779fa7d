from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE, confounds_table

from bids_labelx.denoise import read_strategies
from bids_labelx.errors import BadDataError
from bids_labelx.workflow.steps import (
    clean_run,
    connect_run,
    load_arrays,
    read_grid_table,
    reduce_run,
    resample_atlas,
    save_arrays,
)

WriteImage = Callable[..., Path]


@pytest.fixture
def on_grid(tmp_path: Path, write_image: WriteImage, labels: np.ndarray) -> tuple[Path, Path]:
    """The atlas of slabs with a row that has no voxels, on the small grid."""
    table = tmp_path / "atlas.tsv"
    table.write_text("index\tname\tnetwork\n9\tnine\tb\n2\ttwo\ta\n4\tghost\ta\n5\tfive\ta\n")
    image = write_image(tmp_path / "atlas.nii.gz", labels)
    resample_atlas(image, table, SHAPE, AFFINE, tmp_path / "l.nii", tmp_path / "l.tsv")
    return tmp_path / "l.nii", tmp_path / "l.tsv"


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, (*SHAPE, N_VOLUMES)).astype(np.float32)


@pytest.fixture
def mask() -> np.ndarray:
    """Inside is all but half of the slab of label 2 and the slab of no label."""
    inside = np.ones(SHAPE, np.uint8)
    inside[0], inside[5] = 0, 0
    return inside


def test_an_atlas_on_the_grid_counts_its_voxels_before_and_after(
    on_grid: tuple[Path, Path], labels: np.ndarray
) -> None:
    table = read_grid_table(on_grid[1])
    assert table["name"].tolist() == ["nine", "two", "ghost", "five"]
    counts = [int((labels == i).sum()) for i in (9, 2, 4, 5)]
    assert table["voxels_atlas"].tolist() == counts
    assert table["voxels_grid"].tolist() == counts
    assert (np.asarray(nib.load(on_grid[0]).dataobj) == labels).all()


def test_on_a_coarser_grid_every_voxel_has_the_label_at_its_centre(
    tmp_path: Path, write_image: WriteImage
) -> None:
    fine = np.random.default_rng(1).integers(0, 5, (9, 9, 9)).astype(np.int16)
    image = write_image(tmp_path / "a.nii", fine, np.eye(4))
    coarse = np.diag([3.0, 3, 3, 1])
    coarse[:3, 3] = 1
    resample_atlas(image, None, (3, 3, 3), coarse, tmp_path / "l.nii", tmp_path / "l.tsv")
    found = np.asarray(nib.load(tmp_path / "l.nii").dataobj)
    assert (found == fine[1::3, 1::3, 1::3]).all()
    table = read_grid_table(tmp_path / "l.tsv")
    assert table["voxels_grid"].tolist() == [int((found == i).sum()) for i in table["index"]]


def test_a_run_becomes_means_over_covered_voxels_in_the_tables_order(
    tmp_path: Path,
    write_image: WriteImage,
    on_grid: tuple[Path, Path],
    data: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
) -> None:
    data[2, 0, 0] = 0
    data[3, 0, 0, 7] = np.nan
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", mask)
    arrays, (table,) = reduce_run(bold, inside, [on_grid[0]], [on_grid[1]], ["mean"], 0.5)
    signals = arrays["0/mean"]
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
    on_grid: tuple[Path, Path],
    data: np.ndarray,
    mask: np.ndarray,
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", mask)
    arrays, (table,) = reduce_run(bold, inside, [on_grid[0]], [on_grid[1]], ["mean"], 0.6)
    assert table["status"].tolist() == ["ok", "low-coverage", "absent-from-image", "ok"]
    assert np.isnan(arrays["0/mean"]).all(axis=0).tolist() == [False, True, True, False]


def test_a_run_without_a_surviving_label_is_refused(
    tmp_path: Path, write_image: WriteImage, on_grid: tuple[Path, Path], data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    only_outside = np.zeros(SHAPE, np.uint8)
    only_outside[5] = 1
    inside = write_image(tmp_path / "m.nii.gz", only_outside)
    with pytest.raises(BadDataError, match=r"no label of the atlas survives \(3 outside-mask"):
        reduce_run(bold, inside, [on_grid[0]], [on_grid[1]], ["mean"], 0.5)


def test_a_mask_on_another_grid_or_without_voxels_is_refused(
    tmp_path: Path, write_image: WriteImage, on_grid: tuple[Path, Path], data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    other = AFFINE.copy()
    other[0, 3] += 1
    moved = write_image(tmp_path / "m.nii.gz", np.ones(SHAPE, np.uint8), other)
    with pytest.raises(BadDataError, match="another grid"):
        reduce_run(bold, moved, [on_grid[0]], [on_grid[1]], ["mean"], 0.5)
    empty = write_image(tmp_path / "e.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(BadDataError, match="the mask is empty"):
        reduce_run(bold, empty, [on_grid[0]], [on_grid[1]], ["mean"], 0.5)


def test_a_truncated_run_is_refused_by_name(
    tmp_path: Path, write_image: WriteImage, on_grid: tuple[Path, Path], data: np.ndarray
) -> None:
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", np.ones(SHAPE, np.uint8))
    bold.write_bytes(bold.read_bytes()[:-5000])
    with pytest.raises(BadDataError, match=r"b\.nii\.gz.*truncated"):
        reduce_run(bold, inside, [on_grid[0]], [on_grid[1]], ["mean"], 0.5)


def test_cleaning_leaves_residuals_that_do_not_correlate_with_any_confound(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    table = confounds_table(rng)
    path = tmp_path / "c.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    series = rng.standard_normal((N_VOLUMES, 3)) + 50
    series[:, 1] = np.nan
    (simple,) = read_strategies(["simple"])
    cleaned, report = clean_run(
        {"0/mean": series, "mean_image": np.zeros(SHAPE)},
        strategies=[simple],
        confounds=path,
        missing="",
        t_r=2.0,
    )
    out = cleaned["0/mean/simple"]
    assert out.shape == (N_VOLUMES - 1, 3)
    assert np.isnan(out[:, 1]).all()
    # Brute force: least squares on centred regressors, over the kept volumes.
    filled = table[report["simple"]["columns"]].bfill().to_numpy()[1:]
    design = filled - filled.mean(axis=0)
    for column in (0, 2):
        kept = series[1:, column]
        weights, *_ = np.linalg.lstsq(design, kept - kept.mean(), rcond=1e-10)
        np.testing.assert_allclose(out[:, column], kept - design @ weights, atol=1e-8)
    rank = np.linalg.matrix_rank(design, tol=1e-8)
    assert report["simple"]["degrees_of_freedom"] == N_VOLUMES - 1 - rank
    outliers = pd.DataFrame(report["simple"]["outliers"])
    assert outliers["kept"].tolist() == [0] + [1] * (N_VOLUMES - 1)
    assert outliers["dummy"].tolist() == [1] + [0] * (N_VOLUMES - 1)


def test_a_strategy_that_cannot_be_done_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    pd.DataFrame({"csf": np.zeros(10)}).to_csv(path, sep="\t", index=False)
    cleaned, report = clean_run(
        {"0/mean": np.random.default_rng(0).standard_normal((10, 2))},
        strategies=read_strategies(["none", "simple"]),
        confounds=path,
        missing="",
        t_r=2.0,
    )
    assert list(cleaned) == ["0/mean/none"]
    assert "white_matter" in report["simple"]["problem"]
    assert str(path) in report["simple"]["problem"]


def test_a_broken_confounds_table_stops_only_what_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("")
    _, report = clean_run(
        {"0/mean": np.ones((10, 2))},
        strategies=read_strategies(["none", "simple"]),
        confounds=path,
        missing="",
        t_r=2.0,
    )
    assert "problem" not in report["none"]
    assert "c.tsv: cannot be read" in report["simple"]["problem"]


def test_a_strategy_that_leaves_no_degree_of_freedom_is_refused(tmp_path: Path) -> None:
    table = confounds_table(np.random.default_rng(0))
    noise = np.random.default_rng(1).standard_normal(table.shape)
    path = tmp_path / "c.tsv"
    (table.fillna(0) + noise).drop(columns="non_steady_state_outlier00").head(20).to_csv(
        path, sep="\t", index=False
    )
    with pytest.raises(BadDataError, match="no degree of freedom: 20 volumes kept"):
        clean_run(
            {"0/mean": np.ones((20, 2))},
            strategies=read_strategies(["simple"]),
            confounds=path,
            missing="",
            t_r=2.0,
        )


def test_matrices_are_made_of_every_cleaned_series_and_survive_the_disk(tmp_path: Path) -> None:
    series = np.random.default_rng(0).standard_normal((30, 4))
    matrices = connect_run({"0/mean/none": series, "1/sum/simple": series}, ["correlation"])
    save_arrays(tmp_path / "m.npz", matrices)
    back = load_arrays(tmp_path / "m.npz")
    assert set(back) == {"0/mean/none/correlation", "1/sum/simple/correlation"}
    np.testing.assert_allclose(back["0/mean/none/correlation"], np.corrcoef(series.T))


def test_too_few_volumes_for_a_matrix_are_an_error_that_names_the_strategy() -> None:
    with pytest.raises(BadDataError, match=r"correlation after simple: .*at least 3"):
        connect_run({"0/mean/simple": np.ones((2, 4))}, ["correlation"])
