from __future__ import annotations

from pathlib import Path

import pytest
from trees import make_tree

from bids_labelx.inputs.hints import motion_file, other_images
from bids_labelx.inputs.matching import parse_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sub-01_task-a_bold_space-MNI_preproc.nii.gz", "a name of fMRIPrep before 1.2"),
        ("sub-01_task-a_desc-hmc_boldref.nii.gz", "run it again with --level full"),
        ("sub-01_task-a_space-fsaverage5_hemi-L.func.gii", "a name of fMRIPrep before 20.1"),
        ("sub-01/func/swrasub-01_task-a_bold.nii", "has a prefix of SPM"),
    ],
)
def test_images_that_are_not_read_are_told_with_what_is(
    tmp_path: Path, name: str, words: str
) -> None:
    found = other_images(make_tree(tmp_path, [name]))
    assert found.startswith(f"{Path(name).name} ")
    assert words in found


def test_nothing_is_told_of_what_is_not_known(tmp_path: Path) -> None:
    assert other_images(make_tree(tmp_path, ["sub-01_task-a_bold.nii.gz"])) == ""


RUN = "sub-01_task-a_space-MNI_desc-preproc_bold.nii.gz"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rp_sub-01_task-a_bold.txt", 'with suffix = "bold", motion_source = "spm"'),
        ("sub-01_task-a_bold_mcf.par", 'with suffix = "mcf", motion_source = "fsl"'),
        ("sub-01_task-a_desc-x_mc.1D", 'desc = "x", suffix = "mc", motion_source = "afni"'),
        ("rp_asub-01_task-a_bold.txt", "named rp_sub-01_task-a_bold.txt, a strategy file takes"),
        ("dfile_rall.1D", 'with suffix = "rall", motion_source = "afni"'),
        # What is not the run's, or no motion parameters, is not offered.
        ("sub-01_task-b_bold_mcf.par", ""),
        ("rp_asub-01_task-b_bold.txt", ""),
        ("sub-01_task-a_notes.txt", ""),
    ],
)
def test_files_of_motion_parameters_are_told_with_the_strategy_that_takes_them(
    tmp_path: Path, name: str, words: str
) -> None:
    root = make_tree(tmp_path, [f"sub-01/func/{name}", RUN])
    found = motion_file(parse_path(root / "sub-01" / "func" / RUN, root), root)
    assert found.startswith(name * bool(words))
    assert words in found
    assert bool(found) == bool(words)
