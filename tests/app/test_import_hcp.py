"""``--import hcp``: what is written, refused, named and left as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hcp_tree import AFFINE, SHAPE, T_R, add_hcp_run, write_movement
from surfaces import space_of, write_dtseries

from bids_labelx.app.cli import main

RUN = "sub-100307/func/sub-100307_task-rest_dir-LR_run-1"
VOLUMES = f"{RUN}_space-MNI152NLin6Asym_res-2"
DENSE = f"{RUN}_space-fsLR_den-91k_bold"
Told = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one run."""
    add_hcp_run(tmp_path / "hcp")
    return tmp_path / "hcp"


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    return tmp_path / "bids"


def states(folder: Path) -> dict[str, tuple[int, int] | str]:
    """Of each file, what would change if it were written again; of a link, where it leads."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def import_(root: Path, bids: Path) -> int:
    return main(["--import", "hcp", str(root), str(bids)])


def test_images_are_absolute_links_and_the_rest_is_written(root: Path, bids: Path) -> None:
    assert import_(root, bids) == 0
    folder = root / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    links = {name: to for name, to in states(bids).items() if isinstance(to, str)}
    assert links == {
        f"{VOLUMES}_desc-preproc_bold.nii.gz": str(folder / "rfMRI_REST1_LR.nii.gz"),
        f"{VOLUMES}_desc-brain_mask.nii.gz": str(folder / "brainmask_fs.2.nii.gz"),
        f"{DENSE}.dtseries.nii": str(folder / "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii"),
    }
    assert set(states(bids)) - set(links) == {
        ".bidsignore",
        "dataset_description.json",
        f"{VOLUMES}_desc-preproc_bold.json",
        f"{VOLUMES}_desc-brain_mask.json",
        f"{DENSE}.json",
        f"{RUN}_desc-confounds_timeseries.tsv",
        f"{RUN}_desc-confounds_timeseries.json",
    }
    moved = bids.rename(bids.parent / "moved")
    assert nib.load(moved / f"{VOLUMES}_desc-preproc_bold.nii.gz").shape[:3] == SHAPE


def test_sidecars_have_what_headers_and_names_say(root: Path, bids: Path) -> None:
    import_(root, bids)
    volumes = json.loads((bids / f"{VOLUMES}_desc-preproc_bold.json").read_text())
    assert volumes["RepetitionTime"] == T_R
    assert volumes["Resolution"] == "2 × 2 × 2 mm"
    assert "tpl-MNI152NLin6Asym" in volumes["SpatialReference"]
    uri = "bids:hcp:100307/MNINonLinear/Results/rfMRI_REST1_LR/rfMRI_REST1_LR"
    assert volumes["Sources"] == [f"{uri}.nii.gz"]
    dense = json.loads((bids / f"{DENSE}.json").read_text())
    assert dense["RepetitionTime"] == T_R
    assert dense["SurfaceRegistration"] == "MSMAll"
    assert dense["Sources"] == [f"{uri}_Atlas_MSMAll.dtseries.nii"]
    assert "tpl-fsLR" in dense["SpatialReference"]["CIFTI_STRUCTURE_CORTEX_LEFT"]
    description = json.loads((bids / "dataset_description.json").read_text())
    assert description["DatasetLinks"] == {"hcp": root.as_uri()}
    assert description["SourceDatasets"] == [{"URL": root.as_uri()}]
    assert description["GeneratedBy"][0]["Name"] == "HCP Pipelines"
    table = pd.read_csv(bids / f"{RUN}_desc-confounds_timeseries.tsv", sep="\t")
    about = json.loads((bids / f"{RUN}_desc-confounds_timeseries.json").read_text())
    assert list(table) == list(about)
    assert about["rot_x"]["Units"] == "rad"


def test_without_msmall_the_other_registration_is_linked_and_said(
    tmp_path: Path, bids: Path
) -> None:
    folder = add_hcp_run(tmp_path / "hcp", dense=("_Atlas",))
    assert import_(tmp_path / "hcp", bids) == 0
    link = bids / f"{DENSE}.dtseries.nii"
    assert link.readlink() == folder / "rfMRI_REST1_LR_Atlas.dtseries.nii"
    assert json.loads((bids / f"{DENSE}.json").read_text())["SurfaceRegistration"] != "MSMAll"


def test_of_7_tesla_the_resolutions_and_densities_are_told_apart(
    tmp_path: Path, bids: Path
) -> None:
    name = "rfMRI_REST1_7T_PA"
    folder = add_hcp_run(tmp_path / "hcp", run=name, mask="", dense=("_Atlas",))
    fine = space_of(n_vertices=59292)
    values = np.ones((60, fine.n_elements), np.float32)
    write_dtseries(folder / f"{name}_Atlas_1.6mm_MSMAll.dtseries.nii", values, fine, T_R)
    affine = AFFINE * [[0.8] * 3 + [1]]
    for file, shape in ((f"{name}.nii.gz", (*SHAPE, 60)), ("brainmask_fs.1.60.nii.gz", SHAPE)):
        image = nib.Nifti1Image(np.ones(shape, np.float32), affine)
        if len(shape) == 4:
            image.header.set_zooms((1.6, 1.6, 1.6, 1.0))
            image.header.set_xyzt_units("mm", "sec")
        nib.save(image, folder / file)
    assert import_(tmp_path / "hcp", bids) == 0
    stem = "sub-100307_task-rest_acq-7T_dir-PA_run-1"
    assert sorted(path.name for path in bids.rglob("*") if path.is_symlink()) == [
        f"{stem}_space-MNI152NLin6Asym_res-1p6_desc-brain_mask.nii.gz",
        f"{stem}_space-MNI152NLin6Asym_res-1p6_desc-preproc_bold.nii.gz",
        f"{stem}_space-fsLR_den-170k_bold.dtseries.nii",
        f"{stem}_space-fsLR_den-91k_bold.dtseries.nii",
    ]


def other_rows(folder: Path) -> None:
    write_movement(folder, np.random.default_rng(0), 59)


def other_grid(folder: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), "u1"), AFFINE), folder / "brainmask_fs.2.nii.gz")


def no_time(folder: Path) -> None:
    image = nib.load(folder / "rfMRI_REST1_LR.nii.gz")
    data = np.asarray(image.dataobj)
    nib.save(nib.Nifti1Image(data, AFFINE), folder / "rfMRI_REST1_LR.nii.gz")


def other_mesh(folder: Path) -> None:
    space = space_of(n_vertices=12)
    path = folder / "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii"
    write_dtseries(path, np.ones((60, space.n_elements), np.float32), space)


def fix_alone(folder: Path) -> None:
    for path in folder.glob("rfMRI*"):
        path.unlink()
    (folder / "rfMRI_REST1_LR_hp2000_clean.nii.gz").touch()


def unfetched(folder: Path) -> None:
    path = folder / "rfMRI_REST1_LR.nii.gz"
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/xx/key")


BAD: dict[str, tuple[Callable[[Path], object], list[str], int]] = {
    "no parameters": (
        lambda folder: (folder / "Movement_Regressors.txt").unlink(),
        ["REST1_LR/Movement_Regressors.txt cannot be read"],
        0,
    ),
    "other rows": (other_rows, ["REST1_LR.nii.gz: 60 volumes, Movement_Regressors.txt has 59"], 0),
    "broken volumes": (
        lambda folder: (folder / "rfMRI_REST1_LR.nii.gz").write_bytes(b"no image"),
        ["rfMRI_REST1_LR.nii.gz: cannot be read as an image"],
        1,
    ),
    "unfetched volumes": (unfetched, ["REST1_LR.nii.gz is a link to", "datalad get"], 1),
    "mask of another grid": (other_grid, ["brainmask_fs.2.nii.gz on another grid"], 1),
    "no time": (no_time, ["rfMRI_REST1_LR.nii.gz: its header has no repetition time"], 1),
    "another mesh": (other_mesh, ["CORTEX_LEFT has 12 vertices, its name says 32,492"], 1),
    "FIX alone": (fix_alone, ["hp2000_clean.nii.gz has been denoised by FIX already"], 0),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_run_is_named_and_the_others_are_written(
    case: str, root: Path, bids: Path, capsys: Told
) -> None:
    spoil, told, n_images = BAD[case]
    add_hcp_run(root, "100408")
    spoil(root / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR")
    assert import_(root, bids) == 1
    message = capsys.readouterr().err
    for part in told:
        assert part in message
    assert len(list((bids / "sub-100408").rglob("*_bold.*nii*"))) == 2
    # An image is there with all that belongs to it, or nothing of it is.
    images = list(bids.glob("sub-100307/func/*_bold.*nii*"))
    assert len(images) == n_images
    sidecars = list(bids.glob("sub-100307/func/*_bold.json"))
    assert {one.name.split(".")[0] for one in images} == {one.stem for one in sidecars}
    assert len(list(bids.glob("sub-100307/func/*_timeseries.tsv"))) == (1 if n_images else 0)


def test_runs_without_a_mask_are_imported_and_told(
    tmp_path: Path, bids: Path, capsys: Told
) -> None:
    add_hcp_run(tmp_path / "hcp", mask="")
    assert import_(tmp_path / "hcp", bids) == 0
    assert "1 run without brainmask_fs.*.nii.gz" in capsys.readouterr().err
    assert len(list(bids.rglob("*_bold.*nii*"))) == 2


def test_a_second_import_completes_and_changes_nothing_else(root: Path, bids: Path) -> None:
    import_(root, bids)
    before = states(bids)
    lost = [f"{VOLUMES}_desc-preproc_bold.nii.gz", f"{DENSE}.json"]
    for name in lost:
        (bids / name).unlink()
    add_hcp_run(root, "100408")
    assert import_(root, bids) == 0
    after = states(bids)
    assert {name: after[name] for name in before if name not in lost} == {
        name: state for name, state in before.items() if name not in lost
    }
    assert set(lost) < set(after)
    assert len(list((bids / "sub-100408").rglob("*_bold.*nii*"))) == 2


def test_what_an_earlier_import_has_made_of_other_files_is_kept_and_told(
    root: Path, bids: Path, capsys: Told
) -> None:
    import_(root, bids)
    before = states(bids)
    folder = root / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    write_movement(folder, np.random.default_rng(9), 60)
    (folder / "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii").unlink()
    assert import_(root, bids) == 1
    assert states(bids) == before
    assert "differs from what the HCP tree gives now" in capsys.readouterr().err


def test_a_full_disk_stops_the_import_and_leaves_nothing_half_written(
    root: Path, bids: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "symlink_to", full)
    assert import_(root, bids) == 73
    assert "disk full" in capsys.readouterr().err
    assert not list(bids.rglob("*_bold.*nii*"))
    assert not list(bids.rglob(".tmp-*"))
    monkeypatch.undo()
    assert import_(root, bids) == 0


def mistake(make: Callable[[Path, Path], list[str]], *told: str) -> object:
    return pytest.param(make, told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        mistake(lambda r, _: ["hcp", f"{r}"], "--import: KIND DIR BIDS_DIR is expected behind it"),
        mistake(lambda r, b: ["hcp", f"{r}", f"{b}", "x"], "nothing else are expected", " x"),
        mistake(lambda r, b: ["hcp", f"{r}", f"{b}", "--nprocs", "2"], "found hcp", "--nprocs"),
        mistake(lambda r, b: ["fsl", f"{r}", f"{b}"], "'fsl': choose from hcp"),
        mistake(lambda r, b: ["hcp", f"{r}x", f"{b}"], "there is no such folder", "hcpx"),
        mistake(lambda r, _: ["hcp", f"{r}", f"{r}/bids"], "must not lie in each other"),
        mistake(lambda r, _: ["hcp", f"{r}", f"{r.parent}"], "must not lie in each other"),
        mistake(lambda r, _: ["hcp", f"{r}", f"{r}"], "must not lie in each other"),
        mistake(lambda r, b: ["hcp", f"{r}/100307", f"{b}"], "give the folder above"),
        mistake(lambda r, b: ["hcp", f"{r}/100307/MNINonLinear", f"{b}"], "no SUBJECT/"),
        mistake(lambda r, _: ["hcp", f"{r}", ""], "a path is expected"),
    ],
)
def test_a_wrong_command_is_one_usage_error_and_writes_nothing(
    arguments: Callable[[Path, Path], list[str]],
    told: tuple[str, ...],
    root: Path,
    bids: Path,
    capsys: Told,
) -> None:
    before = sorted(root.parent.rglob("*"))
    assert main(["--import", *arguments(root, bids)]) == 64
    message = capsys.readouterr().err
    for part in told:
        assert part in message
    assert message.count("error") == 1
    assert sorted(root.parent.rglob("*")) == before


def notes(bids: Path) -> None:
    (bids / "notes.txt").touch()


def another_dataset(bids: Path) -> None:
    description = {"Name": "x", "GeneratedBy": [{"Name": "fMRIPrep"}]}
    (bids / "dataset_description.json").write_text(json.dumps(description))


def no_description(bids: Path) -> None:
    (bids / "dataset_description.json").write_text("{")


def import_of_another(bids: Path) -> None:
    add_hcp_run(bids.parent / "other")
    assert import_(bids.parent / "other", bids) == 0


@pytest.mark.parametrize("fill", [notes, another_dataset, no_description, import_of_another])
def test_a_folder_that_holds_something_else_is_refused(
    fill: Callable[[Path], object], root: Path, bids: Path, capsys: Told
) -> None:
    bids.mkdir()
    fill(bids)
    before = states(bids)
    assert import_(root, bids) == 64
    assert f"{bids} holds something else" in capsys.readouterr().err
    assert states(bids) == before


def test_a_file_as_folder_is_refused(root: Path, bids: Path, capsys: Told) -> None:
    bids.touch()
    assert import_(root, bids) == 64
    assert "holds something else" in capsys.readouterr().err


def test_a_link_to_the_tree_is_the_tree(root: Path, tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "link").symlink_to(root)
    assert import_(root, tmp_path / "link" / "bids") == 64
    assert "must not lie in each other" in capsys.readouterr().err


def test_an_empty_folder_and_leftovers_of_a_killed_import_are_fine(root: Path, bids: Path) -> None:
    bids.mkdir()
    (bids / ".tmp-abc").touch()
    assert import_(root, bids) == 0


def test_folders_whose_names_are_no_utf8_are_told_or_taken(
    tmp_path: Path, bids: Path, capsys: Told
) -> None:
    root = tmp_path / os.fsdecode(b"h\xe9p")
    add_hcp_run(root)
    folder = add_hcp_run(root, "100408", "rfMRI_REST1_LR")
    folder.rename(folder.with_name(os.fsdecode(b"rfMRI_REST\xe9_LR")))
    assert import_(root, bids) == 1
    assert r"rfMRI_REST\udce9_LR: the name is not UTF-8" in capsys.readouterr().err
    assert [path.name for path in bids.glob("sub-*")] == ["sub-100307"]
    assert nib.load(bids / f"{VOLUMES}_desc-preproc_bold.nii.gz").shape[:3] == SHAPE
