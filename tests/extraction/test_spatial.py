"""RunData smoothed and resampled as they are read: nilearn's numbers, in bounded memory."""

from __future__ import annotations

import dataclasses
import tracemalloc
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img, smooth_img

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.spatial import resample_volumes, smooth_volumes

RUNS = Path(__file__).resolve().parents[3] / "shared" / "data" / "real-fmriprep-like"
BOLDS = sorted(RUNS.glob("sub-0*/func/*_desc-preproc_bold.nii.gz"))
needs_runs = pytest.mark.skipif(
    not BOLDS, reason="shared/data/real-fmriprep-like is not beside the repository"
)


def collect(volumes: RunData, size: int = 3) -> np.ndarray:
    """All values, as (n_volumes, voxels)."""
    return np.concatenate([volumes.scale(raw) for _, raw in volumes.blocks(size)])


def flat(image: nib.spatialimages.SpatialImage) -> np.ndarray:
    """The same of an image, by way of nibabel."""
    values = np.asarray(image.dataobj, dtype=np.float64)
    return values.reshape(-1, max(1, *values.shape[3:], 1), order="F").T


def smoothed_by_nilearn(image, fwhm):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return flat(smooth_img(image, fwhm))


def resampled_by_nilearn(image, shape, affine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resampled = resample_img(image, affine, shape, copy_header=True)
    return flat(resampled)


def assert_close(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    """Equal to a fraction of the largest value, NaN and infinity in the same places."""
    scale = np.max(np.abs(theirs), initial=1.0, where=np.isfinite(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def affine_of(sizes, angles, shift, order=(0, 1, 2)) -> np.ndarray:
    """Affine from signed voxel sizes, three rotations, a shift and an order of the axes."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[[i, i, j, j], [i, j, i, j]] = np.cos([angle, 0, 0, angle])
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    affine = np.eye(4)
    affine[:3, :3] = (matrix @ np.diag(sizes))[:, order]
    affine[:3, 3] = shift
    return affine


@st.composite
def affines(draw, shape):
    """Affine of a grid around the origin, oblique or with axes along those of the world."""
    size = st.sampled_from([-4.0, -3.0, -2.0, -1.5, 1.0, 2.0, 2.5, 3.0, 3.3])
    sizes = draw(st.tuples(size, size, size))
    if draw(st.booleans()):
        angles = draw(st.tuples(*[st.floats(-0.6, 0.6)] * 3))
        order = draw(st.permutations([0, 1, 2]))
    else:
        angles, order = (0, 0, 0), [0, 1, 2]
    affine = affine_of(sizes, angles, (0, 0, 0), order)
    shift = draw(st.tuples(*[st.integers(-8, 8).map(lambda n: n / 2)] * 3))
    affine[:3, 3] = shift - affine[:3, :3] @ (np.array(shape) // 2)
    return affine


@st.composite
def runs(draw):
    """A run of float64 volumes, with NaN and infinity in some."""
    shape = draw(st.tuples(*[st.integers(3, 9)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    values = rng.normal(size=(*shape, 2)) * 40 + draw(st.sampled_from([0, 200, -200]))
    share = draw(st.sampled_from([0.0, 0.0, 0.02, 0.6]))
    values[rng.random(values.shape) < share] = np.nan
    values[..., 1][rng.random(shape) < share / 2] = -np.inf
    return nib.Nifti1Image(values, draw(affines(shape)))


@settings(max_examples=60, deadline=None)
@given(
    image=runs(),
    fwhm=st.floats(0.5, 12)
    | st.tuples(*[st.sampled_from([0, None, 2.0, 5, 9.5])] * 3).filter(any),
)
def test_smoothing_gives_the_numbers_of_nilearn(image, fwhm):
    volumes = smooth_volumes(open_run_data(image), fwhm)
    assert_close(collect(volumes), smoothed_by_nilearn(image, fwhm), 1e-12)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", ">f4", ">i2"])
def test_smoothing_stored_values_of_any_type_agrees_with_nilearn_to_its_float32(dtype):
    values = (np.random.default_rng(0).normal(size=(9, 8, 7, 3)) * 20 + 100).astype(dtype)
    image = nib.Nifti1Image(values, affine_of((2, 3, -2), (0.1, 0, 0.3), (0, 0, 0)))
    volumes = smooth_volumes(open_run_data(image), 6)
    assert (volumes.dtype, volumes.slope, volumes.inter) == (np.float64, 1.0, 0.0)
    assert_close(collect(volumes), smoothed_by_nilearn(image, 6), 1e-6)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1, 0.5)])
def test_a_point_is_smoothed_to_half_its_peak_at_half_the_fwhm_in_mm(sizes):
    values = np.zeros((41, 41, 41))
    values[20, 20, 20] = 1
    affine = affine_of(sizes, (0.2, -0.4, 0.3), (5, 6, 7))
    volumes = smooth_volumes(open_run_data(nib.Nifti1Image(values, affine)), 8)
    smoothed = collect(volumes)[0].reshape(values.shape, order="F")
    for axis, size in enumerate(sizes):
        index = [20, 20, 20]
        index[axis] += int(4 / size)
        assert smoothed[tuple(index)] / smoothed[20, 20, 20] == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("fwhm", [None, 0, 0.0, (0, None, 0)])
def test_without_a_width_the_volumes_stay_the_very_same(fwhm):
    volumes = open_run_data(nib.Nifti1Image(np.full((3, 3, 3, 2), np.nan), np.eye(4)))
    assert smooth_volumes(volumes, fwhm) is volumes


@pytest.mark.parametrize("fwhm", [-1, np.nan, np.inf, "fast", (1, 2), (1, 2, 3, 4), [[1], 2]])
def test_a_width_that_is_none_is_refused(fwhm):
    volumes = open_run_data(nib.Nifti1Image(np.zeros((3, 3, 3)), np.eye(4)))
    with pytest.raises(ValueError, match="fwhm is a width in mm"):
        smooth_volumes(volumes, fwhm)


def test_a_grid_without_voxel_sizes_is_not_smoothed():
    volumes = open_run_data(nib.Nifti1Image(np.zeros((3, 3, 3)), np.eye(4)))
    volumes = dataclasses.replace(volumes, space=VolumeGrid.of((3, 3, 3), np.diag([2.0, 0, 2, 1])))
    with pytest.raises(ValueError, match="no voxel sizes"):
        smooth_volumes(volumes, 4)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), image=runs(), shape=st.tuples(*[st.integers(2, 11)] * 3))
def test_resampling_gives_the_numbers_of_nilearn(data, image, shape):
    affine = data.draw(affines(shape))
    try:
        expected = resampled_by_nilearn(image, shape, affine)
    except ValueError as error:
        assert "field of view" in str(error)  # noqa: PT017
        expected = np.zeros((2, np.prod(shape)))
    try:
        volumes = resample_volumes(open_run_data(image), VolumeGrid.of(shape, affine))
    except ValueError as error:
        # Where nothing overlaps, nilearn refuses on one side of the grid, zeros on the other.
        assert "no part of it" in str(error)  # noqa: PT017
        np.testing.assert_array_equal(expected, 0)
        return
    assert (volumes.space.shape, volumes.n_volumes) == (shape, 2)
    assert_close(collect(volumes), expected, 1e-11)


@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_some_voxels_alone_have_the_values_that_they_have_among_all(angle):
    values = np.random.default_rng(0).normal(size=(9, 8, 7, 3))
    values[4, 4, 4, 1] = np.nan
    volumes = open_run_data(nib.Nifti1Image(values, np.eye(4)))
    affine = affine_of((1.5, 1, 1.2), (angle, 0, 0), (-1, 0, 0))
    every = collect(resample_volumes(volumes, VolumeGrid.of((8, 9, 10), affine)))
    voxels = np.array([5, 77, 250, 251, 719])
    some = collect(resample_volumes(volumes, VolumeGrid.of((8, 9, 10), affine), voxels))
    assert np.count_nonzero(every[:, voxels]) >= 6
    assert some[:, voxels].tobytes() == every[:, voxels].tobytes()


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", ">f4", ">i2", "i8"])
@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_resampling_stored_values_agrees_with_nilearn_to_its_float32(dtype, angle):
    values = (np.random.default_rng(0).normal(size=(9, 8, 7, 3)) * 20 + 100).astype(dtype)
    image = nib.Nifti1Image(values, affine_of((2, 2, 2), (0, 0, 0), (0, 0, 0)), dtype=values.dtype)
    affine = affine_of((3, 1.5, 2.2), (angle, 0, 0), (-1, 2, 1))
    volumes = resample_volumes(open_run_data(image), VolumeGrid.of((8, 9, 10), affine))
    assert (volumes.dtype, volumes.slope, volumes.inter) == (np.float64, 1.0, 0.0)
    expected = resampled_by_nilearn(image, (8, 9, 10), affine)
    assert_close(collect(volumes), expected, 1e-6)


def test_unsigned_values_are_not_rounded_where_nilearn_rounds_them():
    values = (np.random.default_rng(0).normal(size=(9, 8, 7, 3)) * 20 + 100).astype("u2")
    affine = affine_of((3, 1.5, 2.2), (0.1, 0, 0), (-1, 2, 1))
    unsigned = nib.Nifti1Image(values, np.eye(4))
    floating = nib.Nifti1Image(values.astype("f8"), np.eye(4))
    ours = collect(resample_volumes(open_run_data(unsigned), VolumeGrid.of((4, 5, 4), affine)))
    assert_close(ours, resampled_by_nilearn(floating, (4, 5, 4), affine), 1e-11)
    assert np.abs(ours - resampled_by_nilearn(unsigned, (4, 5, 4), affine)).max() <= 0.5


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_overshoot_is_clipped_to_the_range_of_the_whole_scaled_run(tmp_path, slope):
    values = np.zeros((10, 10, 10, 3), "i2")
    values[4:, :, :, 0], values[4:, :, :, 1], values[4:, :, :, 2] = 100, -300, 60
    image = nib.Nifti1Image(values, np.eye(4))
    image.header.set_slope_inter(slope, 3.0)
    nib.save(image, tmp_path / "run.nii.gz")
    image = nib.load(tmp_path / "run.nii.gz")
    affine = affine_of((0.7, 0.7, 0.7), (0, 0, 0), (0.1, 0.2, 0.3))
    ours = collect(resample_volumes(open_run_data(image), VolumeGrid.of((12, 12, 12), affine)))
    assert_close(ours, resampled_by_nilearn(image, (12, 12, 12), affine), 1e-6)
    ends = np.sort(np.array([-300, 100]) * slope + 3)
    assert (ours.min(), ours.max()) == tuple(ends)


def test_volumes_on_the_grid_already_stay_the_very_same():
    affine = affine_of((2, 2, 2), (0, 0, 0), (1, 2, 3))
    volumes = open_run_data(nib.Nifti1Image(np.full((3, 4, 5, 2), np.nan), affine))
    assert resample_volumes(volumes, VolumeGrid.of((3, 4, 5), affine + 1e-4)) is volumes
    assert resample_volumes(volumes, VolumeGrid.of((3, 4, 6), affine)) is not volumes


def test_a_target_apart_from_the_volumes_or_without_inverse_is_refused():
    volumes = open_run_data(nib.Nifti1Image(np.ones((3, 4, 5, 2)), np.eye(4)))
    apart = np.eye(4)
    apart[0, 3] = 100
    with pytest.raises(ValueError, match="in-memory image: no part of it"):
        resample_volumes(volumes, VolumeGrid.of((3, 4, 5), apart))
    with pytest.raises(ValueError, match="inverted"):
        resample_volumes(volumes, VolumeGrid.of((3, 4, 5), np.diag([1.0, 1, 0, 1])))


def changed(volumes: RunData) -> dict[str, RunData]:
    """The run in all the ways of this module."""
    straight = affine_of((3, 3, 3), (0, 0, 0), (1, 1, 1))
    oblique = affine_of((3, 3, 3), (0.2, 0.1, 0), (1, 1, 1))
    return {
        "smoothed": smooth_volumes(volumes, 5),
        "straight": resample_volumes(volumes, VolumeGrid.of((6, 7, 8), straight)),
        "oblique": resample_volumes(volumes, VolumeGrid.of((6, 7, 8), oblique)),
        "both": smooth_volumes(
            resample_volumes(volumes, VolumeGrid.of((6, 7, 8), straight)), (4, 0, 6)
        ),
    }


@pytest.mark.parametrize("way", ["smoothed", "straight", "oblique", "both"])
def test_blocks_of_every_size_give_the_same_bytes_again_and_again(tmp_path, way):
    values = np.random.default_rng(0).normal(size=(9, 10, 11, 7)).astype("f4")
    values[:3, :3, :3, 2:5] = np.nan
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1])), tmp_path / "run.nii.gz")
    volumes = changed(open_run_data(tmp_path / "run.nii.gz"))[way]
    expected = collect(volumes, 1).tobytes()
    for size in (1, 2, 3, 7, 50):
        assert collect(volumes, size).tobytes() == expected
        assert [first for first, _ in volumes.blocks(size)] == list(range(0, 7, size))
    with pytest.raises(ValueError, match="size of 0"):
        volumes.blocks(0)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_the_image_in_memory_is_not_touched(dtype):
    values = np.asfortranarray(np.random.default_rng(0).normal(size=(9, 10, 11, 3)) * 50)
    values = values.astype(dtype)
    if values.dtype.kind == "f":
        values[2, 2, 2] = np.nan
    before = values.tobytes()
    image = nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1]))
    for volumes in changed(open_run_data(image)).values():
        collect(volumes)
    assert values.tobytes() == before


@pytest.mark.parametrize("way", ["smoothed", "straight", "oblique"])
def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path, way):
    peaks = []
    for n_volumes in (8, 48):
        path = tmp_path / f"run{n_volumes}.nii.gz"
        nib.save(nib.Nifti1Image(np.ones((24, 24, 20, n_volumes), "i2"), np.eye(4)), path)
        volumes = changed(open_run_data(path))[way]
        for _ in volumes.blocks(4):
            pass
        tracemalloc.start()
        for _ in volumes.blocks(4):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The thread that reads ahead may hold one more block of 4 at the peak, and little besides;
    # 40 volumes more would be ten.
    assert peaks[1] < peaks[0] + 8 * 24 * 24 * 20 * 2


@needs_runs
@pytest.mark.parametrize("path", BOLDS, ids=lambda path: path.name.split("_desc")[0])
def test_real_runs_are_smoothed_and_resampled_as_by_nilearn(path):
    run = nib.load(path)
    image = nib.Nifti1Image(np.asarray(run.dataobj[..., 10:13]), run.affine)
    volumes = open_run_data(image)
    assert_close(collect(smooth_volumes(volumes, 6)), smoothed_by_nilearn(image, 6), 1e-6)
    down, up = (40, 48, 40), (64, 76, 64)
    affine = affine_of((5, 5, 5), (0, 0, 0), (-96.5, -132.5, -78.5))
    oblique = affine_of((-3, 3, 3), (0.1, 0.05, -0.1), (90, -120, -70))
    for shape, target in ((down, affine), (up, oblique)):
        ours = collect(resample_volumes(volumes, VolumeGrid.of(shape, target)))
        assert np.count_nonzero(ours) > 10000
        assert_close(ours, resampled_by_nilearn(image, shape, target), 1e-6)
