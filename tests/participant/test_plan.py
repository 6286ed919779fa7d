from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_labelx.errors import BadDataError, SpaceError
from bids_labelx.participant.plan import make_plan
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    return Settings(
        root, root.parent / "out", "participant", atlas_dataset=atlas_dataset, **options
    )


def test_a_run_is_planned_with_what_its_header_says(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds", sidecar=False)
    (planned,) = make_plan(settings_for(tmp_path / "ds", atlas_dataset)).runs
    assert (planned.n_volumes, planned.source.t_r, planned.grid.shape) == (40, 2.0, (6, 5, 4))


def test_runs_on_one_grid_share_it_and_others_do_not(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, write_image: Callable[..., Path]
) -> None:
    add_run(tmp_path / "ds", "sub-01_task-rest_run-1")
    add_run(tmp_path / "ds", "sub-01_task-rest_run-2")
    other = add_run(tmp_path / "ds", "sub-02_task-rest")
    shifted = np.diag([-3.0, 3, 3, 1])
    shifted[:3, 3] = [9, -6, -5.5]
    data = np.ones((6, 5, 4, 40), np.float32)
    write_image(other, data, shifted, 2.0)
    a, b, c = make_plan(settings_for(tmp_path / "ds", atlas_dataset)).runs
    assert a.grid is b.grid
    assert c.grid is not a.grid


def test_runs_in_a_space_without_atlas_are_left_out_unless_they_were_asked_for(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    add_run(tmp_path / "ds", space=None)
    plan = make_plan(settings_for(tmp_path / "ds", atlas_dataset))
    assert [planned.run.space for planned in plan.runs] == ["MNI152NLin2009cAsym"]
    assert [run.space for run in plan.skipped] == ["native"]
    with pytest.raises(SpaceError, match="no atlas in space native"):
        make_plan(settings_for(tmp_path / "ds", atlas_dataset, space=("native",)))


def test_no_space_with_an_atlas_is_an_error(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds", space="T1w")
    with pytest.raises(SpaceError, match="T1w"):
        make_plan(settings_for(tmp_path / "ds", atlas_dataset))


def test_two_images_that_would_write_one_name_stop_the_app(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    bold = add_run(tmp_path / "ds")
    bold.with_name(bold.name.replace("preproc", "optcom")).write_bytes(bold.read_bytes())
    (tmp_path / "f.json").write_text('{"bold": {"desc": ["preproc", "optcom"]}}')
    settings = settings_for(tmp_path / "ds", atlas_dataset, bids_filter_file=tmp_path / "f.json")
    with pytest.raises(BadDataError, match=r"same name(.|\n)*-optcom_(.|\n)*-preproc_"):
        make_plan(settings)


def test_an_image_that_is_there_packed_and_unpacked_fails_its_own_run(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds", "sub-02_task-rest")
    bold = add_run(tmp_path / "ds")
    bold.with_name(bold.name.removesuffix(".gz")).write_bytes(bold.read_bytes())
    plan = make_plan(settings_for(tmp_path / "ds", atlas_dataset))
    assert plan.participants == {"02"}
    (failure,) = plan.failures
    assert failure.entities["sub"] == "01"
    assert failure.strategies == ("simple",)
    assert re.search(r"same name(.|\n)*bold\.nii\n(.|\n)*bold\.nii\.gz", failure.message)


def test_extra_dimensions_of_length_one_are_as_good_as_none(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, write_image: Callable[..., Path]
) -> None:
    bold = add_run(tmp_path / "ds")
    write_image(bold, np.ones((6, 5, 4, 1, 40), np.float32))
    (planned,) = make_plan(settings_for(tmp_path / "ds", atlas_dataset)).runs
    assert planned.n_volumes == 40


def test_what_concerns_one_run_fails_that_run_only(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, write_image: Callable[..., Path]
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-good")
    broken = add_run(root, "sub-02_task-broken")
    broken.write_bytes(b"no image at all")
    link = add_run(root, "sub-03_task-link")
    link.unlink()
    link.symlink_to("nowhere.nii.gz")
    three = add_run(root, "sub-04_task-3d")
    write_image(three, np.ones((6, 5, 4), np.float32))
    far = add_run(root, "sub-05_task-far")
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = 500
    write_image(far, np.ones((6, 5, 4, 40), np.float32), affine, 2.0)
    pointer = add_run(root, "sub-07_task-lfs")
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 9\n")
    slow = add_run(root, "sub-06_task-slow")
    write_image(slow, np.ones((6, 5, 4, 40), np.float32), t_r=3.0)
    plan = make_plan(settings_for(root, atlas_dataset))
    assert [planned.run.entities["task"] for planned in plan.runs] == ["good"]
    messages = {one.entities["task"]: one.message for one in plan.failures}
    assert "cannot be read as an image" in messages["broken"]
    assert "a link to nowhere.nii.gz" in messages["link"]
    assert messages["lfs"].count("_bold.nii.gz") == 1
    assert "git-lfs pointer" in messages["lfs"]
    assert "has shape (6, 5, 4)" in messages["3d"]
    assert "x 498 to 516 mm" in messages["far"]
    assert "x -8 to 10 mm" in messages["far"]
    assert "RepetitionTime 2.0 s, the image's header 3 s" in messages["slow"]


def test_keys_are_words_that_differ_where_names_do(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    # NFC and NFD of é look alike, and so do these without what is no letter or digit.
    tasks = ["a+b", "a b", "a-b", "\u00e9", "e\u0301", "x" * 100, "x" * 101]
    for task in tasks:
        add_run(tmp_path / "ds", f"sub-01_task-{task}")
    plan = make_plan(settings_for(tmp_path / "ds", atlas_dataset))
    keys = [planned.key for planned in plan.runs]
    assert len(set(keys)) == len(tasks)
    assert all(re.fullmatch(r"sub_01_task_[A-Za-z0-9_]+", key) for key in keys)
    assert max(map(len, keys)) < 80
