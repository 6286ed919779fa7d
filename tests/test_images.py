from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.images import open_image, read_data


def test_trailing_dimensions_of_length_one_are_taken_off(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    data = np.arange(8, dtype=np.int16).reshape(2, 2, 2, 1, 1)
    read, _ = read_data(write_image(tmp_path / "x.nii", data))
    np.testing.assert_array_equal(read, data[..., 0, 0])


def test_a_broken_link_is_named_with_its_target(tmp_path: Path) -> None:
    link = tmp_path / "x.nii.gz"
    link.symlink_to(".git/annex/objects/xx")
    with pytest.raises(MissingInputError, match=r"x\.nii\.gz is a link to \.git/annex/objects/xx"):
        open_image(link)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_bytes(b"no image")
    with pytest.raises(BadDataError, match="cannot be read as an image"):
        open_image(tmp_path / "x.nii")


def test_a_4d_image_is_no_3d_image(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    with pytest.raises(BadDataError, match="expected a 3D image, found 3 volumes"):
        read_data(write_image(tmp_path / "x.nii", np.zeros((2, 2, 2, 3), np.int16)))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("x.nii.gz", gzip.decompress, "not compressed with gzip.* name it x\\.nii\\)"),
        ("x.nii", bytes, "is compressed with gzip.* name it x\\.nii\\.gz\\)"),
        ("x.nii.gz", lambda _: b"", r"\(the file is empty\)"),
        ("x.nii", lambda _: b"", r"\(the file is empty\)"),
    ],
    ids=["plain", "packed", "empty gz", "empty"],
)
def test_a_file_whose_name_does_not_say_what_it_is_says_what_to_do(
    tmp_path: Path,
    write_image: Callable[..., Path],
    name: str,
    change: Callable[[bytes], bytes],
    words: str,
) -> None:
    packed = write_image(tmp_path / "whole.nii.gz", np.ones((2, 2, 2), np.int16))
    (tmp_path / name).write_bytes(change(packed.read_bytes()))
    with pytest.raises(BadDataError, match=words) as caught:
        open_image(tmp_path / name)
    assert str(caught.value).count(str(tmp_path)) == 1


def test_the_path_of_a_file_that_is_no_image_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_bytes(b"no image")
    with pytest.raises(BadDataError) as caught:
        open_image(tmp_path / "x.nii")
    assert str(caught.value).count(str(tmp_path)) == 1
