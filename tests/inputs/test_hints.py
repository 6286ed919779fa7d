from __future__ import annotations

from pathlib import Path

import pytest
from trees import make_tree

from bids_labelx.inputs.hints import other_images


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sub-01_task-a_bold_space-MNI_preproc.nii.gz", "a name of fMRIPrep before 1.2"),
    ],
)
def test_images_that_are_not_read_are_told_with_what_is(
    tmp_path: Path, name: str, words: str
) -> None:
    found = other_images(make_tree(tmp_path, [name]))
    assert found.startswith(f"{name} ")
    assert words in found


def test_nothing_is_told_of_what_is_not_known(tmp_path: Path) -> None:
    assert other_images(make_tree(tmp_path, ["sub-01_task-a_bold.nii.gz"])) == ""
