"""Voxels without data are the same, whether a run is stored as floats or as scaled integers.

The judge is a loop over the values before they were stored, in which no data are zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.extraction.coverage import reduce_smoothed, watch
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import STATISTICS, Regions, find_regions
from bids_labelx.extraction.run_data import RunData

SHAPE = (6, 7, 8)
N_VOLUMES = 9
# Slope and intercept of an fMRIPrep output: its zeros are stored as -26727 and read as -0.046.
FMRIPREP = (0.15922772884368896, 4255.62890625)

Save = Callable[..., RunData]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Values as a run in a file, as float32 or as integers of a slope and an intercept."""

    def saved(
        values: np.ndarray,
        scaling: tuple[float, float] | None = None,
        *,
        dtype: str = "i2",
        name: str = "run.nii.gz",
    ) -> RunData:
        if scaling is None:
            image = nib.Nifti1Image(values.astype(np.float32), np.eye(4))
        else:
            stored = np.round((values - scaling[1]) / scaling[0]).astype(dtype)
            image = nib.Nifti1Image(stored, np.eye(4), dtype=dtype)
            image.header.set_slope_inter(*scaling)
        nib.save(image, tmp_path / name)
        return open_run_data(tmp_path / name)

    return saved


def some_run() -> np.ndarray:
    """A run of which a corner has no data, and some other voxels lack some volumes."""
    data = np.random.default_rng(0).normal(900, 40, (*SHAPE, N_VOLUMES))
    data[:2, :4] = 0
    data[4, 0, :, :3] = 0
    data[5, 5, :, -2:] = 0
    return data


def some_regions() -> tuple[np.ndarray, Regions]:
    labels = np.random.default_rng(1).integers(1, 5, SHAPE)
    labels[:2, :2] = 9
    return labels, find_regions(labels.ravel("F"), np.array([1, 2, 3, 4, 9]))


@pytest.mark.parametrize("statistics", [["mean", "sum"], ["median"], list(STATISTICS)])
@pytest.mark.parametrize("size", [1, 4, None])
def test_scaled_integers_give_the_covered_voxels_and_values_of_the_floats(
    save: Save, statistics: list[str], size: int | None
) -> None:
    data = some_run()
    labels, regions = some_regions()
    has_data = (data != 0).any(axis=3)
    for scaling, step in ((None, 1e-4), (FMRIPREP, FMRIPREP[0])):
        run = save(data, scaling)
        read = nib.load(run.name).get_fdata()
        found = reduce_volumes(run, [regions], statistics, uncovered="exclude", block=size)
        for column, label in enumerate([1, 2, 3, 4, 9]):
            inside = (labels == label) & has_data
            assert found.elements_covered[0][column] == inside.sum()
            for name in statistics:
                series = found.signals[0][name][:, column]
                if label == 9:
                    assert np.isnan(series).all()
                elif name in ("mean", "sum", "median"):
                    np.testing.assert_allclose(
                        series, getattr(np, name)(read[inside], axis=0), rtol=1e-12
                    )
                    voxels = inside.sum() if name == "sum" else 1
                    expected = getattr(np, name)(data[inside], axis=0)
                    np.testing.assert_allclose(series, expected, rtol=0, atol=step * voxels)


def test_smoothed_runs_and_watched_voxels_go_by_the_same_coverage(save: Save) -> None:
    data = some_run()
    labels, regions = some_regions()
    has_data = (data != 0).any(axis=3)
    expected = [int(((labels == label) & has_data).sum()) for label in (1, 2, 3, 4, 9)]
    for scaling in (None, FMRIPREP):
        run = save(data, scaling)
        assert reduce_smoothed(run, 4.0, [regions], ["mean"]).elements_covered[0].tolist() == (
            expected
        )
        for size in (1, 4, None):
            watched, seen = watch(run, np.arange(run.n_elements))
            for _ in watched.blocks(size):
                pass
            np.testing.assert_array_equal(seen.covered, has_data.ravel("F"))


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2", "i4"])
def test_zeros_of_any_scaling_are_no_data_and_constants_a_step_away_are(
    save: Save, dtype: str
) -> None:
    rng = np.random.default_rng(2)
    info = np.iinfo(dtype)
    for _ in range(40):
        low, high = -rng.random() * 10 ** rng.uniform(-2, 4), 10 ** rng.uniform(-2, 4)
        slope = np.float32((high - low) / min(int(info.max) - int(info.min), 2**16))
        inter = np.float32(low - max(int(info.min), -(2**15)) * float(slope))
        # As a writer does that has float64 for what the header has float32 for.
        exact = (float(slope) * (1 + 2e-8), float(inter) * (1 + 2e-8))
        data = np.zeros((4, 1, 1, 5))
        data[1], data[2] = 1.02 * slope, -1.02 * slope
        data[3] = rng.uniform(max(low, 0), high, 5)
        run = save(data, exact, dtype=dtype, name="run.nii")
        watched, seen = watch(run, np.arange(4))
        for _ in watched.blocks():
            pass
        assert seen.covered[:3].tolist() == [False, True, True], exact


def test_a_series_that_changes_between_two_levels_around_zero_has_data(save: Save) -> None:
    data = np.zeros((3, 1, 1, 4))
    data[1, ..., 2], data[2] = 1.0, 5.0
    # Both levels are half a step from zero.
    run = save(data - 0.5, (1.0, -0.5), name="run.nii")
    watched, seen = watch(run, np.arange(3))
    for _ in watched.blocks():
        pass
    assert seen.covered.tolist() == [False, True, True]


def test_the_real_runs_have_the_same_coverage_as_floats_with_zeros(
    shared_data: Path, save: Save
) -> None:
    pattern = "real-fmriprep-like/sub-*/func/*_space-*_desc-preproc_bold.nii.gz"
    for path in sorted(shared_data.glob(pattern)):
        image = nib.load(path)
        data = np.asarray(image.dataobj[..., :20], dtype=np.float64)
        outside = ~(data != 0).any(axis=3)
        assert outside.any()
        assert not outside.all()
        # Slabs of which some lie outside the field of view in part.
        slabs = np.indices(outside.shape)[2] // 8 + 1
        regions = find_regions(slabs.ravel("F"), np.arange(1, 7))
        found = {}
        slope = np.float32((data.max() - data.min()) / 60_000)
        inter = np.float32(data.min() + 32_000.3 * float(slope))
        for kind, scaling in (("float", None), ("int16", (float(slope), float(inter)))):
            run = save(data, scaling)
            found[kind] = reduce_volumes(run, [regions], ["mean"], uncovered="exclude")
        scaled, floats = found["int16"], found["float"]
        assert 0.1 < float(inter) / float(slope) % 1 < 0.9  # Zero is not a level.
        counts = floats.elements_covered[0]
        assert counts.sum() == (~outside).sum()
        np.testing.assert_array_equal(scaled.elements_covered[0], counts)
        np.testing.assert_allclose(
            scaled.signals[0]["mean"], floats.signals[0]["mean"], rtol=0, atol=float(slope) / 2
        )
