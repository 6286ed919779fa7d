"""CIFTI-2 files: what is read, and what is refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from surfaces import (
    LEFT,
    MODELS,
    RIGHT,
    THALAMUS,
    axis_of,
    space_of,
    write_dlabel,
    write_dscalar,
    write_dtseries,
)

from bids_labelx.extraction import cifti
from bids_labelx.extraction.cifti import (
    brain_model_axis,
    grayordinates_of,
    read_label_map,
    step_of,
)
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.run_data import RunData

SPACE = space_of()


def values_of(run: RunData, size: int | None = None) -> np.ndarray:
    return np.concatenate([run.scale(raw) for _, raw in run.blocks(size)])


def series_of(run: RunData) -> np.ndarray:
    assert run.read_series is not None
    return np.concatenate([run.scale(raw.copy()) for _, raw in run.read_series()]).T


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(4).normal(100, 9, (7, SPACE.n_elements)).astype(np.float32)


@pytest.fixture
def series(tmp_path: Path, data: np.ndarray) -> Path:
    return write_dtseries(tmp_path / "run.dtseries.nii", data, SPACE)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1", ">f4"])
@pytest.mark.parametrize("tile", [1, 3, 100])
def test_values_are_nibabels_by_volume_and_by_grayordinate(
    tmp_path: Path, data: np.ndarray, dtype: str, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifti, "_TILE_NUMBERS", tile * len(data))
    path = write_dtseries(tmp_path / "x.dtseries.nii", data.astype(dtype), SPACE)
    run, wanted = open_run_data(path), nib.load(path).get_fdata()
    assert run.n_volumes == 7
    assert run.space == SPACE
    np.testing.assert_array_equal(series_of(run), wanted)
    for size in (1, 3, 7, None):
        np.testing.assert_array_equal(values_of(run, size), wanted)


def test_a_scaling_of_the_header_is_applied(tmp_path: Path) -> None:
    path = write_dtseries(
        tmp_path / "i.dtseries.nii",
        np.arange(2 * SPACE.n_elements, dtype="i2").reshape(2, -1),
        SPACE,
    )
    content = bytearray(path.read_bytes())
    # scl_slope and scl_inter of NIfTI-2.
    content[176:192] = np.array([0.5, -3.0]).tobytes()
    path.write_bytes(bytes(content))
    wanted = np.arange(2 * SPACE.n_elements).reshape(2, -1) * 0.5 - 3
    np.testing.assert_array_equal(series_of(open_run_data(path)), wanted)
    np.testing.assert_array_equal(values_of(open_run_data(path)), wanted)


def test_an_image_in_memory_reads_as_its_file(data: np.ndarray, series: Path) -> None:
    image = nib.Cifti2Image(data, nib.load(series).header)
    run = open_run_data(image)
    np.testing.assert_array_equal(series_of(run), data)
    np.testing.assert_array_equal(values_of(run, 2), data)


def test_a_space_goes_to_an_axis_and_back() -> None:
    for models in (MODELS, {LEFT: (2, 0)}, {THALAMUS: ((1, 1, 1),), RIGHT: (5,)}):
        space = space_of(models)
        assert grayordinates_of(brain_model_axis(space).to_mapping(1)) == space
        assert brain_model_axis(space) == axis_of(space)


@pytest.mark.parametrize(("exponent", "step"), [(0, 2000.0), (-3, 2.0), (-6, 0.002)])
def test_the_step_is_in_seconds_whatever_the_exponent(
    tmp_path: Path, data: np.ndarray, exponent: int, step: float
) -> None:
    path = write_dtseries(tmp_path / "x.dtseries.nii", data, SPACE, t_r=2000)
    image = nib.load(path)
    image.header.matrix.get_index_map(0).series_exponent = exponent
    nib.save(image, path)
    assert b'SeriesExponent="%d"' % exponent in path.read_bytes()
    assert step_of(str(path), nib.load(path)) == pytest.approx(step)


def test_a_series_that_is_not_in_time_is_refused(tmp_path: Path, data: np.ndarray) -> None:
    path = write_dtseries(tmp_path / "x.dtseries.nii", data, SPACE, unit="HERTZ")
    with pytest.raises(ValueError, match=r"x\.dtseries\.nii: .*a series in hertz"):
        step_of(str(path), nib.load(path))
    path = write_dscalar(tmp_path / "y.dtseries.nii", data, SPACE)
    with pytest.raises(ValueError, match=r"y\.dtseries\.nii: .*found scalar maps \(dscalar\)"):
        step_of(str(path), nib.load(path))


@pytest.mark.parametrize("by", [1, 100, 7 * 4 * SPACE.n_elements])
def test_a_truncated_file_is_refused_when_it_is_opened(series: Path, by: int) -> None:
    series.write_bytes(series.read_bytes()[:-by])
    whole = SPACE.n_elements - -(-by // (7 * 4))
    with pytest.raises(OSError, match=rf"run.*only {whole} of {SPACE.n_elements} grayordinates"):
        open_run_data(series)


def test_a_file_cut_after_it_was_opened_is_refused(series: Path) -> None:
    run = open_run_data(series)
    content = series.read_bytes()
    series.write_bytes(content[:-40])
    with pytest.raises(OSError, match=r"run\.dtseries\.nii: changed while it was read"):
        series_of(run)


def test_a_file_that_changes_while_it_is_read_is_refused(
    series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifti, "_TILE_NUMBERS", 1)
    run = open_run_data(series)
    assert run.read_series is not None
    tiles = run.read_series()
    next(tiles)
    os.utime(series, ns=(0, 0))
    with pytest.raises(OSError, match="changed while it was read"):
        list(tiles)


def test_more_data_than_the_header_says_are_refused_but_not_what_fills_up(series: Path) -> None:
    content = series.read_bytes()
    series.write_bytes(content + bytes(511))
    series_of(open_run_data(series))
    series.write_bytes(content + bytes(512))
    with pytest.raises(OSError, match=r"run\.dtseries\.nii: there are more data than"):
        series_of(open_run_data(series))


def test_a_file_is_opened_once_for_a_reading(
    series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run_data(series)
    opened: list[str] = []
    usual = Path.open

    def counted(self: Path, *args: object, **kwargs: object) -> object:
        opened.append(self.name)
        return usual(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", counted)
    series_of(run)
    assert opened == ["run.dtseries.nii"]


def parcellated(path: Path, data: np.ndarray) -> Path:
    parcels = nib.cifti2.ParcelsAxis.from_brain_models([("one", axis_of(SPACE))])
    axes = (nib.cifti2.SeriesAxis(0, 2, len(data)), parcels)
    nib.save(nib.Cifti2Image(data[:, :1], axes), path)
    return path


def test_a_parcellated_series_is_no_dense_one(tmp_path: Path, data: np.ndarray) -> None:
    path = parcellated(tmp_path / "p.dtseries.nii", data)
    with pytest.raises(ValueError, match=r"p\.dtseries\.nii: expected a dense file.*ptseries"):
        open_run_data(path)


def test_impossible_elements_are_refused(tmp_path: Path) -> None:
    space = space_of({LEFT: (0, 5, 12)})
    path = write_dtseries(tmp_path / "x.dtseries.nii", np.ones((2, 3), "f4"), space)
    with pytest.raises(ValueError, match=r"x\.dtseries\.nii: CORTEX_LEFT has an index outside"):
        open_run_data(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"CIFTI_STRUCTURE_CORTEX_LEFT", b"CIFTI_STRUCTURE_CORTEX_NONE"),
        (b"CIFTI_INDEX_TYPE_BRAIN_MODELS", b"CIFTI_INDEX_TYPE_PARCELS     "),
        (b"<Matrix>", b"<Matr1x>"),
        (b'IndexCount="9"', b'IndexCount="8"'),
        (b"IndexOffset", b"IndexOffsex"),
    ],
)
def test_a_spoilt_header_is_one_error_with_the_files_name(
    series: Path, old: bytes, new: bytes
) -> None:
    series.write_bytes(series.read_bytes().replace(old, new))
    with pytest.raises((OSError, ValueError), match=r"run\.dtseries\.nii") as caught:
        series_of(open_run_data(series))
    assert str(series) in str(caught.value)


def labels(space: Grayordinates = SPACE) -> np.ndarray:
    return np.arange(space.n_elements) % 4


def read(path: Path, wanted: str = "") -> tuple[list[int], Grayordinates, dict[int, str]]:
    values, space, names = read_label_map(str(path), nib.load(path), wanted)
    return values.tolist(), space, {key: name for key, (name, _) in names.items()}


@pytest.mark.parametrize("dtype", ["i4", "f4", "u1"])
def test_a_label_map_is_read_with_its_table(tmp_path: Path, dtype: str) -> None:
    path = write_dlabel(tmp_path / "a.dlabel.nii", {"one": labels()}, SPACE, dtype=dtype)
    values, space, names = read(path)
    assert values == labels().tolist()
    assert space == SPACE
    assert names == {0: "???", 1: "area1", 2: "area2", 3: "area3"}


@pytest.mark.parametrize("wanted", ["second", "2"])
def test_one_of_several_maps_is_chosen_by_name_or_number(tmp_path: Path, wanted: str) -> None:
    maps = {"first": labels(), "second": labels() * 10}
    path = write_dlabel(tmp_path / "a.dlabel.nii", maps, SPACE)
    values, _, names = read(path, wanted)
    assert values == (labels() * 10).tolist()
    assert set(names) == {0, 10, 20, 30}


def test_a_name_that_is_a_number_goes_before_the_number(tmp_path: Path) -> None:
    path = write_dlabel(tmp_path / "a.dlabel.nii", {"2": labels(), "1": labels() * 10}, SPACE)
    assert read(path, "2")[0] == labels().tolist()


@pytest.mark.parametrize("wanted", ["", "third", "0", "3", "-1"])
def test_maps_that_are_not_there_or_not_chosen_are_told_with_those_there(
    tmp_path: Path, wanted: str
) -> None:
    maps = {"first": labels(), "second": labels() * 10}
    path = write_dlabel(tmp_path / "a.dlabel.nii", maps, SPACE)
    with pytest.raises(ValueError, match=r"a\.dlabel\.nii: .*1 'first', 2 'second'"):
        read(path, wanted)


@pytest.mark.parametrize(
    ("write", "found"),
    [(write_dscalar, r"scalar maps \(dscalar\)"), (write_dtseries, r"a series \(dtseries\)")],
)
def test_other_dense_files_are_no_labels(
    tmp_path: Path, write: Callable[..., Path], found: str
) -> None:
    path = write(tmp_path / "x.dlabel.nii", labels()[None].astype("f4"), SPACE)
    with pytest.raises(ValueError, match=rf"x\.dlabel\.nii: expected label maps .*{found}"):
        read(path)


def test_a_header_without_brain_models_is_refused(series: Path) -> None:
    image = nib.load(series)
    image.header.matrix.get_index_map(1)[:] = []
    with pytest.raises(ValueError, match=r"has no brain models|makes no sense"):
        open_run_data(image)
