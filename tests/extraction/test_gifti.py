"""GIFTI series and labels: what is read, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage
from surfaces import N_VERTICES, write_func_gii, write_label_gii

from bids_labelx.extraction import gifti
from bids_labelx.extraction.gifti import open_gifti, open_hemispheres, read_gifti
from bids_labelx.extraction.grayordinates import hemispheres


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(3).normal(100, 9, (7, 2 * N_VERTICES)).astype(np.float32)


@pytest.fixture
def left(tmp_path: Path, data: np.ndarray) -> Path:
    return write_func_gii(tmp_path / "hemi-L_bold.func.gii", data[:, :N_VERTICES], "2000")


@pytest.fixture
def right(tmp_path: Path, data: np.ndarray) -> Path:
    return write_func_gii(tmp_path / "hemi-R_bold.func.gii", data[:, N_VERTICES:], "2000")


def read(*files: Path, size: int | None = None) -> np.ndarray:
    run = open_hemispheres(dict(zip("LR", map(open_gifti, files), strict=False)))
    return np.concatenate([raw.copy() for _, raw in run.blocks(size)])


@pytest.mark.parametrize("size", [1, 3, 7, None])
@pytest.mark.parametrize("piece", [1 << 18, 7])
def test_both_hemispheres_are_one_volume_after_another(
    left: Path,
    right: Path,
    data: np.ndarray,
    size: int | None,
    piece: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gifti, "_PIECE_BYTES", piece)
    np.testing.assert_array_equal(read(left, right, size=size), data)


@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
def test_every_encoding_is_read(tmp_path: Path, data: np.ndarray, encoding: str) -> None:
    path = write_func_gii(tmp_path / "x.func.gii", data, encoding=f"GIFTI_ENCODING_{encoding}")
    np.testing.assert_allclose(read(path), nib.load(path).agg_data("time series").T, rtol=1e-6)
    np.testing.assert_allclose(read(path), data, rtol=1e-5)


def test_a_run_is_on_the_whole_meshes(left: Path, right: Path) -> None:
    run = open_hemispheres({"L": open_gifti(left), "R": open_gifti(right)})
    assert run.space == hemispheres([("L", N_VERTICES), ("R", N_VERTICES)])
    assert run.n_volumes == 7
    assert str(left) in run.name
    assert str(right) in run.name


def test_no_more_than_a_volume_is_held_of_a_file(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays go as soon as they are handed over."""
    monkeypatch.setattr(gifti, "_PIECE_BYTES", 64)
    parser = gifti._Parser()
    for _ in gifti._arrays(left, parser):
        assert len(parser.arrays) == 1
        assert not parser.img.darrays


def spoil(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("number", [b"6", b"8", b"700"])
def test_another_number_of_arrays_than_the_file_says_is_refused(left: Path, number: bytes) -> None:
    spoil(left, b'NumberOfDataArrays="7"', b'NumberOfDataArrays="%s"' % number)
    with pytest.raises(ValueError, match=rf"hemi-L.*7 data arrays, .* has {number.decode()}"):
        read(left)


@pytest.mark.parametrize("text", [b"", b'NumberOfDataArrays="0"', b'NumberOfDataArrays="-3"'])
def test_a_file_that_says_no_number_of_arrays_is_refused(left: Path, text: bytes) -> None:
    spoil(left, b'NumberOfDataArrays="7"', text)
    with pytest.raises(ValueError, match=r"hemi-L.*NumberOfDataArrays is missing or below 1"):
        open_gifti(left)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.95, 0.999])
def test_a_cut_file_is_refused_by_name(left: Path, right: Path, share: float) -> None:
    content = right.read_bytes()
    right.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OSError, match=r"hemi-R_bold\.func\.gii: cannot be read as GIFTI"):
        read(left, right)


def test_no_damage_of_the_data_gives_other_numbers(left: Path, data: np.ndarray) -> None:
    content, rng, said = left.read_bytes(), np.random.default_rng(5), []
    start = content.index(b"<DataArray")
    for place in rng.integers(start, len(content), 150):
        flipped = bytearray(content)
        flipped[place] ^= 1
        left.write_bytes(bytes(flipped))
        try:
            found = read(left)
        except (OSError, ValueError) as error:
            said.append(str(error))
        else:
            np.testing.assert_array_equal(found, data[:, :N_VERTICES])
    assert len(said) > 50
    assert all("hemi-L" in text for text in said)


def write_arrays(path: Path, arrays: list[np.ndarray]) -> Path:
    kind = "NIFTI_TYPE_FLOAT32"
    found = [GiftiDataArray(one.astype(np.float32), datatype=kind) for one in arrays]
    nib.save(GiftiImage(darrays=found), path)
    return path


def test_arrays_of_other_lengths_are_refused(tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "x.func.gii", [np.ones(5), np.ones(5), np.ones(4)])
    with pytest.raises(ValueError, match=r"x\.func\.gii: array 3 has 4 values, the first has 5"):
        read(path)


def test_one_array_of_all_volumes_is_refused(tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "x.func.gii", [np.ones((5, 3))])
    with pytest.raises(OSError, match=r"x\.func\.gii.*shape \(5, 3\); expected one vector"):
        open_gifti(path)


def test_a_file_without_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.func\.gii: no data array"):
        open_gifti(write_arrays(tmp_path / "x.func.gii", []))


def test_data_in_another_file_are_refused(left: Path) -> None:
    spoil(left, b'Encoding="GZipBase64Binary"', b'Encoding="ExternalFileBinary"')
    with pytest.raises(OSError, match=r"hemi-L.*its data lie in another file"):
        open_gifti(left)


@pytest.mark.parametrize("content", [b"", b"\0" * 400, b"<a/>", b'<?xml version="1.0"?><b>'])
def test_what_is_no_gifti_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.func.gii"
    path.write_bytes(content)
    with pytest.raises((OSError, ValueError), match=r"x\.func\.gii"):
        open_gifti(path)


def test_hemispheres_of_other_lengths_are_refused_with_both(
    tmp_path: Path, left: Path, data: np.ndarray
) -> None:
    other = write_func_gii(tmp_path / "hemi-R_bold.func.gii", data[:5, :N_VERTICES])
    with pytest.raises(ValueError, match=r"same number.*hemi-L.* has 7 and .*hemi-R.* has 5"):
        read(left, other)


def test_a_file_that_was_written_since_it_was_opened_is_refused(
    left: Path, write_again: Callable[[Path], None]
) -> None:
    run = open_hemispheres({"L": open_gifti(left)})
    write_again(left)
    with pytest.raises(OSError, match=r"hemi-L.*changed while it was read"):
        list(run.blocks())


@pytest.fixture
def write_again() -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content + b"\n")

    return write


def test_labels_come_with_their_names_and_the_names_of_maps(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2, 2], [7, 7, 0, 1]])
    path = write_label_gii(tmp_path / "x.label.gii", values, {1: "a", 2: "b", 7: "c"}, "pq")
    arrays, maps, labels = read_gifti(path)
    np.testing.assert_array_equal(arrays, values)
    assert maps == ["p", "q"]
    assert {key: name for key, (name, _) in labels.items()} == {0: "???", 1: "a", 2: "b", 7: "c"}
    assert labels[1][1] == pytest.approx((0.2, 0.4, 0.6, 1.0))
