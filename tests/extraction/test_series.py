"""Statistics of runs that are stored series by series, against brute force."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from surfaces import axis_of, space_of, write_dtseries
from tiny import BY_NUMPY

from bids_labelx.extraction import cifti, series
from bids_labelx.extraction.coverage import refuse_empty_volumes
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.regions import STATISTICS, Reduction, find_regions

SPACE = space_of()
N_VOLUMES = 6
LABELS = [np.arange(SPACE.n_elements) % 5, np.arange(SPACE.n_elements)[::-1] // 4]
IDS = [np.array([3, 1, 9, 4]), np.array([1, 2, 3, 4, 5])]


@pytest.fixture
def data() -> np.ndarray:
    """Elements 4 and 8 are zero throughout, 9 has a NaN and 11 an infinity; 12 starts with 0."""
    data = np.random.default_rng(1).normal(100, 9, (N_VOLUMES, SPACE.n_elements)).astype("f4")
    data[:, [4, 8]] = 0
    data[2, 9], data[3, 11], data[:3, 12] = np.nan, np.inf, 0
    return data


@pytest.fixture
def path(tmp_path: Path, data: np.ndarray) -> Path:
    return write_dtseries(tmp_path / "run.dtseries.nii", data, SPACE)


def reduced(path: Path, statistics: tuple[str, ...] = STATISTICS, **how: object) -> Reduction:
    regions = [find_regions(*one) for one in zip(LABELS, IDS, strict=True)]
    options = {"uncovered": "exclude", "mean_image": True, **how}
    return reduce_volumes(open_run_data(path), regions, statistics, **options)


@pytest.mark.parametrize("tile", [1, 4, 1000])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_are_those_over_the_covered_elements(
    path: Path, data: np.ndarray, statistic: str, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifti, "_TILE_NUMBERS", tile * N_VOLUMES)
    monkeypatch.setattr(series, "_MEDIAN_NUMBERS", 2 * N_VOLUMES)
    found = reduced(path)
    covered = np.isfinite(data).all(axis=0) & (data != 0).any(axis=0)
    for i, (labels, ids) in enumerate(zip(LABELS, IDS, strict=True)):
        for column, label in enumerate(ids):
            own = data[:, covered & (labels == label)].astype(float)
            assert found.elements_covered[i][column] == own.shape[1]
            signals = found.signals[i][statistic][:, column]
            if not own.shape[1]:
                assert np.isnan(signals).all()
            else:
                np.testing.assert_allclose(signals, BY_NUMPY[statistic](own, axis=1), rtol=1e-9)


def test_the_mean_image_and_the_elements_that_are_not_finite_are_told(
    path: Path, data: np.ndarray
) -> None:
    found = reduced(path)
    wanted = np.where(np.isfinite(data), data, 0).astype(float).mean(axis=0)
    np.testing.assert_allclose(found.mean_image, wanted)
    assert found.nonfinite_elements == 2


def test_a_constant_stored_zero_of_a_scaling_is_no_data(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).integers(50, 99, (N_VOLUMES, SPACE.n_elements)).astype("i2")
    stored[:, 0] = 10
    stored[:, 1] = 11
    stored[:3, 2] = 10
    path = write_dtseries(tmp_path / "run.dtseries.nii", stored, SPACE)
    content = bytearray(path.read_bytes())
    content[176:192] = np.array([0.5, -5.0]).tobytes()
    path.write_bytes(bytes(content))
    labels = np.zeros(SPACE.n_elements, int)
    labels[:3] = [1, 2, 3]
    found = reduce_volumes(
        open_run_data(path),
        [find_regions(labels, np.array([1, 2, 3]))],
        ("mean",),
        uncovered="exclude",
    )
    # Stored 10 is 0: no data. A constant 11 is 0.5, and 10 in some of the volumes is data.
    assert found.elements_covered[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("statistics", "readings"),
    [(tuple(s for s in STATISTICS if s != "median"), 1), (("median",), 3)],
)
def test_a_run_is_read_once_and_for_medians_once_more_for_each_atlas(
    path: Path, statistics: tuple[str, ...], readings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    usual = cifti._opened

    def counted(rows: cifti._Rows) -> object:
        opened.append(rows.file.path.name)
        return usual(rows)

    monkeypatch.setattr(cifti, "_opened", counted)
    reduced(path, statistics)
    assert len(opened) == readings


def test_the_same_bytes_whatever_atlases_and_statistics_are_taken_with_it(path: Path) -> None:
    together = reduced(path)
    regions = find_regions(LABELS[1], IDS[1])
    for statistic in STATISTICS:
        alone = reduce_volumes(open_run_data(path), [regions], (statistic,), uncovered="exclude")
        found = together.signals[1][statistic]
        assert alone.signals[0][statistic].tobytes() == found.tobytes()


def test_numbers_are_those_of_the_same_values_as_volumes(path: Path, data: np.ndarray) -> None:
    """A NIfTI image of the same values has its own reader and its own sums."""
    volumes = nib.Nifti1Image(data.T[:, None, None, :], np.eye(4))
    regions = [find_regions(*one) for one in zip(LABELS, IDS, strict=True)]
    wanted = reduce_volumes(open_run_data(volumes), regions, STATISTICS, uncovered="exclude")
    for mine, theirs in zip(reduced(path).signals, wanted.signals, strict=True):
        for statistic in STATISTICS:
            np.testing.assert_allclose(mine[statistic], theirs[statistic], rtol=1e-9, atol=1e-9)


def test_a_volume_without_a_finite_value_is_refused(tmp_path: Path, data: np.ndarray) -> None:
    data[4] = np.nan
    path = write_dtseries(tmp_path / "run.dtseries.nii", data, SPACE)
    run = refuse_empty_volumes(open_run_data(path))
    with pytest.raises(ValueError, match="volume 5 of 6 has no finite value"):
        reduce_volumes(run, [find_regions(LABELS[0], IDS[0])], ("mean",), uncovered="exclude")


def test_the_elements_are_in_the_order_of_the_file(path: Path) -> None:
    axis = nib.load(path).header.get_axis(1)
    assert axis == axis_of(SPACE)
