from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlases.atlas import Atlas, read_atlas, read_label_image
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.space import Space

WriteImage = Callable[..., Path]


def read_files(image: Path, table: Path | None = None) -> tuple[np.ndarray, Space, pd.DataFrame]:
    """Read an atlas of these files."""
    return read_atlas(Atlas({"atlas": "x"}, None, image, table, image.parent))


def write_table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_label_that_the_table_lacks_stops_with_its_value(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii.gz", labels)
    table = write_table(tmp_path / "x.tsv", "index\tname\n2\ttwo\n9\tnine\n")
    with pytest.raises(BadDataError, match="labels that the table lacks: 5"):
        read_files(image, table)


def test_a_row_without_voxels_stays_in_the_table(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii.gz", labels)
    rows = "index\tname\n0\tbackground\n2\ta\n5\tb\n7\tghost\n9\tc\n"
    _, _, table = read_files(image, write_table(tmp_path / "x.tsv", rows))
    assert table["name"].tolist() == ["a", "b", "ghost", "c"]
    assert table["voxels_atlas"].tolist()[2] == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64, ">i4", ">f4"])
def test_label_values_survive_every_type_and_byte_order(tmp_path: Path, dtype: str) -> None:
    data = np.zeros((3, 3, 3), dtype)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = 9170, 1175, 1
    image = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
    image.header.set_data_dtype(dtype)
    nib.save(image, tmp_path / "x.nii")
    read, _ = read_label_image(tmp_path / "x.nii")
    assert (read == data.astype(np.int64)).all()


def test_label_values_survive_a_scaled_header_and_large_ids(tmp_path: Path) -> None:
    # scl_slope written by hand: saving through nibabel would scale the values themselves.
    raw = bytearray(nib.Nifti1Image(np.array([[[0, 1, 2]]], np.int16), np.eye(4)).to_bytes())
    raw[112:116] = np.float32(1000).tobytes()
    (tmp_path / "scaled.nii").write_bytes(bytes(raw))
    assert read_label_image(tmp_path / "scaled.nii")[0].ravel().tolist() == [0, 1000, 2000]
    large = np.array([[[0, 2**31 - 1, 2**31 + 7]]], np.int64)
    nib.save(nib.Nifti1Image(large, np.eye(4), dtype=np.int64), tmp_path / "large.nii")
    assert (read_label_image(tmp_path / "large.nii")[0] == large).all()


@pytest.mark.parametrize(
    ("values", "found"), [([0, 1.5], "1.5"), ([0, -3], "-3"), ([1, 2.00007], "round")]
)
def test_values_that_are_no_labels_are_refused(
    tmp_path: Path, write_image: WriteImage, values: list[float], found: str
) -> None:
    image = write_image(tmp_path / "x.nii", np.array([[values]], np.float32))
    with pytest.raises(BadDataError, match=found):
        read_label_image(image)


def test_a_probabilistic_atlas_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    image = write_image(tmp_path / "x.nii", np.zeros((2, 2, 2, 4), np.float32))
    with pytest.raises(BadDataError, match="probabilistic"):
        read_label_image(image)


def test_an_image_of_background_only_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    with pytest.raises(BadDataError, match="no label in it"):
        read_files(write_image(tmp_path / "x.nii", np.zeros((2, 2, 2), np.int16)))


def test_a_truncated_image_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    data = np.random.default_rng(0).integers(0, 9, (20, 20, 20)).astype(np.int16)
    path = write_image(tmp_path / "x.nii.gz", data)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadDataError, match="truncated or corrupt"):
        read_label_image(path)


def test_values_that_are_not_finite_are_background_with_a_warning_as_in_the_masker(
    tmp_path: Path, write_image: WriteImage, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.array([[[1, np.nan, 2, np.inf, 2]]], np.float32)
    labels, _, table = read_files(write_image(tmp_path / "x.nii", values))
    assert labels.ravel().tolist() == [1, 0, 2, 0, 2]
    assert table["voxels_atlas"].tolist() == [1, 2]
    assert "NaN or infinite in 2 voxels" in caplog.text


def test_a_table_that_counts_from_0_where_the_image_counts_from_1_is_told_apart(
    tmp_path: Path, write_image: WriteImage, caplog: pytest.LogCaptureFixture
) -> None:
    image = write_image(tmp_path / "x.nii", np.array([[[0, 1, 2, 3]]], np.int16))
    table = tmp_path / "x.tsv"
    table.write_text("index\tname\n0\tFrontal Pole\n1\tInsula\n2\tPrecentral\n")
    with pytest.raises(BadDataError, match=r"lacks: 3; .*counts from 0 and the image from 1"):
        read_files(image, table)
    told = "x.tsv, line 2: index 0 is background, so its row 'Frontal Pole' is ignored"
    assert told in caplog.text
    table.write_text("index\tname\n1\tInsula\n3\tPrecentral\n")
    with pytest.raises(BadDataError, match="lacks: 2; add a row"):
        read_files(image, table)


@pytest.mark.parametrize(
    "name", ["Background", "Unknown", "???", "Clear Label", "Medial_Wall", "0", "none", "n/a"]
)
def test_a_row_of_index_0_that_names_no_region_is_left_out_without_a_word(
    tmp_path: Path, write_image: WriteImage, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    image = write_image(tmp_path / "x.nii", np.array([[[0, 1]]], np.int16))
    table = tmp_path / "x.tsv"
    table.write_text(f"index\tname\n0\t{name}\n1\tInsula\n")
    assert read_files(image, table)[2]["name"].tolist() == ["Insula"]
    assert not caplog.records
