"""Cleaning voxels before they become labels: as `clean` on the whole matrix, in little memory."""

from __future__ import annotations

import dataclasses
import errno
import subprocess
import sys
import tracemalloc
import warnings
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import signal

from bids_labelx.extraction import elements as module
from bids_labelx.extraction.clean import clean, prepare_cleaner
from bids_labelx.extraction.coverage import reduce_covered, watch
from bids_labelx.extraction.elements import ElementSeries, clean_elements, gather_elements
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import Regions, find_regions
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import VolumeGrid

SHAPE = (5, 6, 7)
N_VOXELS = 5 * 6 * 7
N_VOLUMES = 60
IDS = np.array([3, 1, 2])
BAND = {"t_r": 2.0, "filter": "butterworth", "low_pass": 0.1, "high_pass": 0.01}


@pytest.fixture(autouse=True)
def narrow_tiles(monkeypatch):
    """Several tiles, the last of them not full, for a few voxels."""
    monkeypatch.setattr(module, "_TILE_NUMBERS", 1)


def image_of(values: np.ndarray) -> RunData:
    return open_run_data(nib.Nifti1Image(values, np.eye(4), dtype=values.dtype))


def regions_of(labels: np.ndarray, ids: np.ndarray, mask: np.ndarray | None = None) -> Regions:
    """Regions of labels and mask of shape (x, y, z)."""
    return find_regions(labels.ravel("F"), ids, None if mask is None else mask.ravel("F"))


def flat(data: np.ndarray) -> np.ndarray:
    """Of (x, y, z, t), the matrix (t, voxels in Fortran order)."""
    return np.array([data[..., t].ravel(order="F") for t in range(data.shape[3])], np.float64)


def collect(volumes: RunData, size: int = 8) -> np.ndarray:
    return np.concatenate([volumes.scale(raw) for _, raw in volumes.blocks(size)])


def some_run(seed: int = 0, n_volumes: int = N_VOLUMES) -> np.ndarray:
    """Noise about a large mean, with drifts."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(*SHAPE, n_volumes)).cumsum(axis=3)
    return 1000 + 100 * rng.random((*SHAPE, 1)) + steps + 5 * rng.normal(size=steps.shape)


def some_labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, SHAPE)


def some_confounds(n_volumes: int = N_VOLUMES) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(n_volumes, 4)).cumsum(axis=0)


def censored(*indices: int) -> np.ndarray:
    keep = np.ones(N_VOLUMES, bool)
    keep[list(indices)] = False
    return keep


def gathered(volumes: RunData, voxels: np.ndarray, file: Path, **how) -> ElementSeries:
    return gather_elements(*watch(volumes, voxels), file, **how)


def cleaned_run(tmp_path: Path, data: np.ndarray, regions: list[Regions], **options):
    """The series of the regions' voxels and the volumes of what is left of them."""
    union = np.unique(np.concatenate([one.elements for one in regions]))
    series = gathered(image_of(data), union, tmp_path / "raw")
    return series, clean_elements(
        series, prepare_cleaner(data.shape[3], **options), tmp_path / "cleaned"
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "slope", "inter"),
    [("i2", None, None), ("i2", 0.5, -3.0), ("u1", None, None), ("f4", None, None), ("f8", 2, 1)],
)
def test_series_of_every_kind_of_file_come_back_as_nibabel_reads_them(
    tmp_path, suffix, order, dtype, slope, inter
):
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
    image = nib.Nifti1Image((some_run() / 8).astype(dtype), np.eye(4), header)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, tmp_path / f"run{suffix}")
    voxels = np.flatnonzero(np.random.default_rng(1).random(N_VOXELS) < 0.8)
    expected = np.zeros((N_VOLUMES, N_VOXELS))
    expected[:, voxels] = flat(nib.load(tmp_path / f"run{suffix}").get_fdata())[:, voxels]

    series = gathered(open_run_data(tmp_path / f"run{suffix}"), voxels, tmp_path / "raw")
    untouched = clean_elements(series, prepare_cleaner(N_VOLUMES), tmp_path / "cleaned")
    np.testing.assert_array_equal(collect(untouched), expected)
    assert untouched.space == VolumeGrid.of(SHAPE, np.eye(4))
    stored = N_VOLUMES * voxels.size * np.dtype(dtype).itemsize
    assert (tmp_path / "raw").stat().st_size == stored


@pytest.mark.parametrize(
    "options",
    [
        {"detrend": True},
        {"detrend": True, "confounds": some_confounds()},
        {"confounds": some_confounds(), "standardize_confounds": False},
        {**BAND},
        {**BAND, "detrend": True, "confounds": some_confounds()},
        {**BAND, "detrend": True, "sample_mask": censored(0, 1, 20, 21, 22, 59)},
        {**BAND, "sample_mask": censored(1, 30, 58), "confounds": some_confounds()},
        {**BAND, "sample_mask": censored(0, 30), "extrapolate": True},
        {**BAND, "high_pass": None, "sample_mask": censored(40)},
        {**BAND, "low_pass": None, "butterworth": {"order": 2, "padtype": "even"}},
        {"filter": "cosine", "high_pass": 0.01, "t_r": 2.0, "sample_mask": censored(5, 6)},
    ],
)
@pytest.mark.parametrize("standardize", [False, "zscore_sample", "zscore", "psc"])
def test_cleaned_voxels_are_those_of_clean_on_the_whole_matrix(tmp_path, options, standardize):
    data = some_run()
    data[0, 0] = 812.3  # constant: nothing of it may be blown up to unit variance
    every = Regions(np.arange(N_VOXELS), np.zeros(N_VOXELS, np.intp), 1)
    _, cleaned = cleaned_run(tmp_path, data, [every], standardize=standardize, **options)
    expected = clean(flat(data), standardize=standardize, **options)
    assert cleaned.n_volumes == len(expected)
    np.testing.assert_allclose(collect(cleaned), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_a_mean_far_from_zero_costs_no_digits(tmp_path, shift):
    data = some_run() - 1000
    every = Regions(np.arange(N_VOXELS), np.zeros(N_VOXELS, np.intp), 1)
    _, cleaned = cleaned_run(tmp_path, data + shift, [every], detrend=True, **BAND)
    # What is left after the shift of a float64 of 1e7 is exact to 2e-9.
    series = signal.detrend(flat(data), axis=0)
    sections = signal.butter(5, [0.01, 0.1], "bandpass", output="sos", fs=0.5)
    expected = signal.sosfiltfilt(sections, series, axis=0)
    np.testing.assert_allclose(collect(cleaned), expected, rtol=0, atol=2e-8)


@pytest.mark.parametrize("statistic", ["mean", "sum"])
@pytest.mark.parametrize(
    "options",
    [
        {"detrend": True, "confounds": some_confounds()},
        {**BAND, "detrend": True, "confounds": some_confounds()},
        {**BAND, "detrend": True, "sample_mask": censored(0, 20, 21, 40)},
    ],
)
def test_mean_and_sum_are_the_same_before_and_after_cleaning(tmp_path, statistic, options):
    data = some_run().astype("f4")
    data[1, 2] = 0
    data[2, 2, 2, 9] = np.nan
    regions = regions_of(some_labels(), IDS)
    series, cleaned = cleaned_run(tmp_path, data, [regions], **options)
    voxels_first = reduce_covered(cleaned, series.seen, [regions], [statistic])
    labels_first = reduce_volumes(image_of(data), [regions], [statistic], uncovered="exclude")
    expected = clean(labels_first.signals[0][statistic], **options)
    np.testing.assert_allclose(
        voxels_first.signals[0][statistic], expected, rtol=0, atol=1e-6 * np.abs(expected).max()
    )
    np.testing.assert_array_equal(
        voxels_first.elements_covered[0], labels_first.elements_covered[0]
    )
    assert voxels_first.nonfinite_elements == labels_first.nonfinite_elements


def test_a_median_is_that_of_the_cleaned_voxels_and_not_the_cleaned_median(tmp_path):
    data, labels = some_run(), some_labels()
    options = {**BAND, "detrend": True, "confounds": some_confounds(), "standardize": "zscore"}
    regions = regions_of(labels, IDS)
    series, cleaned = cleaned_run(tmp_path, data, [regions], **options)
    median = reduce_covered(cleaned, series.seen, [regions], ["median"]).signals[0]["median"]
    everything = clean(flat(data), **options)
    members = [everything[:, labels.ravel(order="F") == label] for label in IDS]
    np.testing.assert_allclose(
        median, np.transpose([np.median(one, axis=1) for one in members]), rtol=1e-9, atol=1e-9
    )
    after = reduce_volumes(image_of(data), [regions], ["median"], uncovered="exclude")
    assert not np.allclose(median, clean(after.signals[0]["median"], **options), atol=0.05)


def test_a_constant_voxel_counts_and_one_without_data_does_not(tmp_path):
    data = np.zeros((1, 1, 6, N_VOLUMES))
    wave = np.sin(np.arange(N_VOLUMES))
    data[0, 0, 0] = 7.0
    data[0, 0, 1] = 100 + wave
    data[0, 0, 3] = np.nan
    data[0, 0, 5] = 3.0
    regions = regions_of(np.array([[[1, 1, 1, 1, 2, 3]]]), np.array([2, 1, 3]))
    series, cleaned = cleaned_run(tmp_path, data, [regions], confounds=np.ones(N_VOLUMES))
    statistics = ["mean", "minimum", "maximum", "median"]
    reduced = reduce_covered(cleaned, series.seen, [regions], statistics)
    assert reduced.elements_covered[0].tolist() == [0, 2, 1]
    for name, expected in zip(statistics, [53.5, 7, 100, 53.5], strict=True):
        part = {"mean": 0.5, "minimum": 0, "maximum": 1, "median": 0.5}[name]
        values = reduced.signals[0][name]
        assert np.isnan(values[:, 0]).all()
        np.testing.assert_allclose(values[:, 1], expected + part * wave)
        np.testing.assert_allclose(values[:, 2], 3.0)

    series, cleaned = cleaned_run(tmp_path, data, [regions], detrend=True)
    mean = reduce_covered(cleaned, series.seen, [regions], ["mean"]).signals[0]["mean"]
    np.testing.assert_allclose(mean[:, 1], signal.detrend(wave) / 2, atol=1e-12)
    np.testing.assert_allclose(mean[:, 2], 0.0, atol=1e-12)


@pytest.mark.parametrize("standardize", [False, "zscore_sample", "psc"])
@pytest.mark.parametrize("options", [{}, {**BAND, "detrend": True}])
def test_voxels_without_data_leave_no_trace_and_no_warning(tmp_path, standardize, options):
    data = some_run()
    spoiled = data.copy()
    spoiled[0], spoiled[1, :, :, 3], spoiled[2, :, :, 3] = 0.0, np.nan, np.inf
    every = Regions(np.arange(N_VOXELS), np.zeros(N_VOXELS, np.intp), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        series, cleaned = cleaned_run(
            tmp_path, spoiled, [every], standardize=standardize, **options
        )
        result = collect(cleaned)
    expected = clean(flat(data), standardize=standardize, **options)
    expected[:, ~series.seen.covered] = 0.0
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("block", [1, 3, 13, 100])
def test_the_block_size_does_not_change_a_single_byte(tmp_path, block):
    volumes, regions = image_of(some_run() / 3), regions_of(some_labels(), IDS)
    cleaner = prepare_cleaner(N_VOLUMES, detrend=True, confounds=some_confounds(), **BAND)
    signals = []
    for size in (8, block):
        series = gathered(
            volumes, regions.elements, tmp_path / f"raw{size}", mean_image=True, block=size
        )
        cleaned = clean_elements(series, cleaner, tmp_path / f"cleaned{size}")
        reduced = reduce_covered(cleaned, series.seen, [regions], ["mean", "variance"], block=size)
        signals.append([*reduced.signals[0].values(), series.mean_image])
    for one, other in zip(*signals, strict=True):
        assert one.tobytes() == other.tobytes()


def test_several_strategies_atlases_and_the_mean_image_take_one_reading_of_the_run(tmp_path):
    data = some_run().astype("f4")
    data[1], data[2, ..., -1] = 0, np.nan
    plain, passes = image_of(data), []

    def read(size):
        passes.append(size)
        return plain.blocks(size)

    volumes = dataclasses.replace(plain, read_blocks=read)
    atlases = [some_labels(seed) for seed in (1, 2)]
    regions = [regions_of(labels, IDS) for labels in atlases]
    union = np.unique(np.concatenate([one.elements for one in regions]))
    series = gathered(volumes, union, tmp_path / "raw", mean_image=True)
    whole = flat(data)
    good = np.isfinite(whole).all(axis=0) & (whole != 0).any(axis=0)
    for k, options in enumerate([{"detrend": True}, {"confounds": some_confounds(), **BAND}]):
        cleaned = clean_elements(
            series, prepare_cleaner(N_VOLUMES, **options), tmp_path / f"cleaned{k}"
        )
        reduced = reduce_covered(cleaned, series.seen, regions, ["maximum", "median"])
        expected = clean(whole, **options)
        for labels, by_statistic in zip(atlases, reduced.signals, strict=True):
            for column, label in enumerate(IDS):
                part = expected[:, good & (labels.ravel(order="F") == label)]
                for name, function in {"maximum": np.max, "median": np.median}.items():
                    np.testing.assert_allclose(
                        by_statistic[name][:, column], function(part, axis=1), rtol=1e-9, atol=1e-9
                    )
        np.testing.assert_allclose(
            series.mean_image,
            np.where(np.isfinite(data), data, 0)[..., ::2].mean(axis=3).ravel("F"),
            rtol=1e-5,
        )
    assert len(passes) == 1


def test_no_voxel_at_all_is_no_special_case(tmp_path):
    regions = regions_of(np.zeros(SHAPE, int), IDS)
    series, cleaned = cleaned_run(tmp_path, some_run(), [regions], detrend=True, **BAND)
    reduced = reduce_covered(cleaned, series.seen, [regions], ["mean", "median"])
    assert reduced.signals[0]["median"].shape == (N_VOLUMES, 3)
    assert np.isnan(reduced.signals[0]["mean"]).all()


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    volumes = image_of(some_run())
    with pytest.raises(OSError, match="nowhere/raw"):
        gathered(volumes, np.arange(9), tmp_path / "nowhere" / "raw")
    series = gathered(volumes, np.arange(9), tmp_path / "raw")
    with pytest.raises(OSError, match="nowhere/cleaned"):
        clean_elements(series, prepare_cleaner(N_VOLUMES), tmp_path / "nowhere" / "cleaned")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    volumes = image_of(some_run())
    with pytest.raises(OSError, match="No space left on device: '/dev/full'") as caught:
        gathered(volumes, np.arange(9), Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC
    series = gathered(volumes, np.arange(9), tmp_path / "raw")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        clean_elements(series, prepare_cleaner(N_VOLUMES), Path("/dev/full"))


@pytest.mark.parametrize("spoiled", ["raw", "cleaned"])
def test_a_file_that_became_shorter_is_named(tmp_path, spoiled):
    regions = regions_of(some_labels(), IDS)
    series, cleaned = cleaned_run(tmp_path, some_run(), [regions])
    content = (tmp_path / spoiled).read_bytes()
    (tmp_path / spoiled).write_bytes(content[:-3])
    if spoiled == "raw":
        request = partial(clean_elements, series, prepare_cleaner(N_VOLUMES), tmp_path / "other")
    else:
        request = partial(reduce_covered, cleaned, series.seen, [regions], ["mean"])
    with pytest.raises(OSError, match=f"{spoiled}: ends early"):
        request()


def test_a_damaged_run_is_named_and_not_the_file_of_series(tmp_path):
    nib.save(nib.Nifti1Image(some_run(), np.eye(4)), tmp_path / "run.nii.gz")
    content = (tmp_path / "run.nii.gz").read_bytes()
    (tmp_path / "run.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match=r"run\.nii\.gz: only \d+ of 60 volumes are whole"):
        gathered(open_run_data(tmp_path / "run.nii.gz"), np.arange(9), tmp_path / "raw")


def test_a_cleaner_of_another_length_is_refused(tmp_path):
    series = gathered(image_of(some_run()), np.array([2, 4]), tmp_path / "raw")
    with pytest.raises(ValueError, match="60 volumes, but the cleaner is for a run of 59"):
        clean_elements(series, prepare_cleaner(59), tmp_path / "cleaned")


MEASURED = """
import sys, numpy as np
from pathlib import Path
from bids_labelx.extraction.clean import prepare_cleaner
from bids_labelx.extraction.coverage import reduce_covered, watch
from bids_labelx.extraction.regions import Regions
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.elements import clean_elements, gather_elements
run, folder = sys.argv[1:]
volumes = open_run_data(run)
voxels = np.arange(volumes.n_elements)
series = gather_elements(*watch(volumes, voxels), Path(folder) / "raw")
options = {"detrend": True, "t_r": 2, "filter": "butterworth", "low_pass": 0.1}
cleaner = prepare_cleaner(volumes.n_volumes, **options)
cleaned = clean_elements(series, cleaner, Path(folder) / "cleaned")
reduce_covered(cleaned, series.seen, [Regions(voxels, voxels % 9, 9)], ["mean"])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux tells it")
def test_peak_memory_of_a_process_does_not_grow_with_the_run(tmp_path):
    # VmHWM and not ru_maxrss, which starts at what the parent of the process had.
    peaks = []
    for n_volumes in (300, 1500):
        path = tmp_path / f"run{n_volumes}.nii"
        header = nib.Nifti1Image(np.zeros((24, 24, 24, 1), "i2"), np.eye(4)).header
        header.set_data_shape((24, 24, 24, n_volumes))
        with path.open("wb") as stream:
            header.write_to(stream)
            stream.write(b"\0" * (352 - stream.tell()))
            volume = np.random.default_rng(0).integers(500, 900, 24**3).astype("i2")
            for t in range(n_volumes):
                stream.write((volume + t % 7).astype("i2").tobytes())
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(path), str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout) / 1024)
    # 1200 more volumes are 33 MB as stored and 133 MB cleaned.
    assert peaks[1] < peaks[0] + 20, peaks


def test_memory_does_not_grow_with_the_number_of_voxels(tmp_path):
    data = np.random.default_rng(0).normal(100, 5, (32, 32, 16, 50)).astype("f4")
    volumes, cleaner, peaks = image_of(data), prepare_cleaner(50, detrend=True), []
    for n_voxels in (1000, 16000):
        series = gathered(volumes, np.arange(n_voxels), tmp_path / "raw")
        tracemalloc.start()
        clean_elements(series, cleaner, tmp_path / "cleaned")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The cleaned series of 15000 more voxels are 6 MB.
    assert peaks[1] < peaks[0] + 100_000
