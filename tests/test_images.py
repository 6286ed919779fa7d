from __future__ import annotations

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
