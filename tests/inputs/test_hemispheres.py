"""The files of both hemispheres as one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.inputs.hemispheres import pair_hemispheres
from bids_labelx.inputs.matching import File, parse_path

ROOT = Path("/ds")
STEM = "sub-01/func/sub-01_task-rest"


def parsed(*names: str) -> list[File]:
    return [parse_path(ROOT / name, ROOT) for name in names]


LEFT, RIGHT = (f"{STEM}_hemi-{hemi}_space-fsaverage5_bold.func.gii" for hemi in "LR")
VOLUME = f"{STEM}_space-T1w_desc-preproc_bold.nii.gz"
DENSE = f"{STEM}_space-fsLR_den-91k_bold.dtseries.nii"


@pytest.mark.parametrize("names", [(LEFT, RIGHT), (RIGHT, LEFT)])
def test_a_pair_is_one_image_without_a_hemisphere(names: tuple[str, ...]) -> None:
    (found,) = pair_hemispheres(parsed(*names))
    assert found.path == ROOT / LEFT
    assert found.beside == ROOT / RIGHT
    assert "hemi" not in found.name.entities
    assert "hemi" not in found.entities
    assert not found.problem


def test_volumes_and_dense_series_stay_as_they_are() -> None:
    images = parsed(VOLUME, DENSE)
    assert pair_hemispheres(images) == sorted(images, key=lambda one: str(one.path))
    assert {one.path for one in pair_hemispheres(images, "L")} == {one.path for one in images}


@pytest.mark.parametrize(("there", "hemi", "other"), [(LEFT, "L", RIGHT), (RIGHT, "R", LEFT)])
def test_a_hemisphere_alone_says_what_is_missing(there: str, hemi: str, other: str) -> None:
    (found,) = pair_hemispheres(parsed(there))
    assert f"{Path(other).name} is not beside it; --hemi {hemi} does this one" in found.problem


def test_one_hemisphere_that_is_asked_for_keeps_its_name() -> None:
    (found,) = pair_hemispheres(parsed(LEFT, RIGHT), "R")
    assert found.path == ROOT / RIGHT
    assert found.beside is None
    assert found.name.entities["hemi"] == "R"
    assert not found.problem


def test_hemispheres_of_other_spaces_runs_or_densities_are_no_pair() -> None:
    names = [
        LEFT,
        RIGHT.replace("fsaverage5", "fsnative"),
        LEFT.replace("_hemi", "_run-2_hemi"),
        RIGHT.replace("fsaverage5", "fsaverage5_den-10k"),
    ]
    found = pair_hemispheres(parsed(*names))
    assert len(found) == 4
    assert all(one.problem for one in found)


@pytest.mark.parametrize("word", ["hemi-lh", "hemi-X", "acq-a"])
def test_a_name_without_a_known_hemisphere_is_told(word: str) -> None:
    (found,) = pair_hemispheres(parsed(LEFT.replace("hemi-L", word)))
    assert "expected hemi-L or hemi-R in the name" in found.problem
