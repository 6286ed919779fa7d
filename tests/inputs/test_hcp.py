from __future__ import annotations

from pathlib import Path

import pytest
from hcp_tree import results

from bids_labelx.inputs.hcp import find_hcp_runs, run_entities, subject_label


def touch(root: Path, subject: str, run: str, *names: str) -> Path:
    folder = results(root, subject, run)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("rfMRI_REST1_LR", {"task": "rest", "dir": "LR", "run": "1"}),
        ("rfMRI_REST2_AP", {"task": "rest", "dir": "AP", "run": "2"}),
        ("tfMRI_WM_RL", {"task": "wm", "dir": "RL", "run": "1"}),
        ("tfMRI_VISMOTOR_PA", {"task": "vismotor", "dir": "PA", "run": "1"}),
        ("rfMRI_REST3_7T_PA", {"task": "rest", "acq": "7T", "dir": "PA", "run": "3"}),
        ("tfMRI_2BACK", {"task": "2back", "run": "1"}),
        ("tfMRI_n-back02_LR", {"task": "nback", "dir": "LR", "run": "2"}),
        ("BOLD_1", {"task": "bold", "acq": "1", "run": "1"}),
        ("AP", {"task": "ap", "run": "1"}),
        (
            "ses-02_task-rest_acq-AP_run-01_bold",
            {"ses": "02", "task": "rest", "acq": "AP", "run": "01"},
        ),
    ],
)
def test_the_name_of_a_run_gives_its_entities(name: str, entities: dict[str, str]) -> None:
    assert run_entities(name) == entities


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("100307", ("100307", "")),
        ("sub-01", ("01", "")),
        ("HCA6002236_V1_MR", ("HCA6002236", "V1")),
        ("HCD0001305_V2_MR", ("HCD0001305", "V2")),
        ("MGH_1001", ("MGH1001", "")),
        ("___", ("", "")),
    ],
)
def test_the_folder_of_a_participant_gives_labels_of_letters_and_digits(
    folder: str, label: tuple[str, str]
) -> None:
    assert subject_label(folder) == label


def test_runs_are_folders_with_an_image_or_motion_parameters(tmp_path: Path) -> None:
    touch(tmp_path, "1", "rfMRI_REST1_LR", "rfMRI_REST1_LR.nii.gz")
    touch(tmp_path, "1", "rfMRI_REST2_LR", "rfMRI_REST2_LR_Atlas.dtseries.nii")
    touch(tmp_path, "1", "rfMRI_REST3_LR", "Movement_Regressors.txt")
    # What FIX or a task analysis made of several runs, or of one that is not there.
    touch(tmp_path, "1", "rfMRI_REST", "rfMRI_REST_Atlas_hp0_clean.dtseries.nii")
    touch(tmp_path, "1", "tfMRI_WM")
    (tmp_path / "release-notes").mkdir()
    tree = find_hcp_runs(tmp_path)
    assert not tree.failures
    assert [run.entities["run"] for run in tree.runs] == ["1", "2", "3"]
    assert {run.entities["sub"] for run in tree.runs} == {"1"}


def test_msmall_is_preferred_and_denoised_series_are_no_runs(tmp_path: Path) -> None:
    name = "rfMRI_REST1_7T_PA"
    ends = ["_Atlas", "_Atlas_MSMAll", "_Atlas_1.6mm", "_Atlas_MSMAll_hp2000_clean"]
    files = [*(f"{name}{end}.dtseries.nii" for end in ends), f"{name}_hp2000_clean.nii.gz"]
    folder = touch(tmp_path, "1", name, *files, "brainmask_fs.1.60.nii.gz", "brainmask_fs.nii.gz")
    (run,) = find_hcp_runs(tmp_path).runs
    assert run.volumes is None
    assert run.dense == {
        "91k": folder / f"{name}_Atlas_MSMAll.dtseries.nii",
        "170k": folder / f"{name}_Atlas_1.6mm.dtseries.nii",
    }
    assert run.masks == [folder / "brainmask_fs.1.60.nii.gz"]


def test_an_image_that_was_not_fetched_is_not_replaced_by_another(tmp_path: Path) -> None:
    folder = touch(tmp_path, "1", "rfMRI_REST1_LR", "rfMRI_REST1_LR_Atlas.dtseries.nii")
    link = folder / "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii"
    link.symlink_to("../.git/annex/objects/x")
    (run,) = find_hcp_runs(tmp_path).runs
    assert run.dense == {"91k": link}


def test_participants_and_runs_of_one_name_are_refused_and_others_taken(tmp_path: Path) -> None:
    for subject in ("A_1", "A-1", "B"):
        touch(tmp_path, subject, "rfMRI_REST1_LR", "rfMRI_REST1_LR.nii.gz")
    touch(tmp_path, "C", "rfMRI_REST_LR", "rfMRI_REST_LR.nii.gz")
    touch(tmp_path, "C", "rfMRI_REST1_LR", "rfMRI_REST1_LR.nii.gz")
    touch(tmp_path, "C", "rfMRI_REST2_LR", "rfMRI_REST2_LR.nii.gz")
    tree = find_hcp_runs(tmp_path)
    assert [(r.entities["sub"], r.entities["run"]) for r in tree.runs] == [("B", "1"), ("C", "2")]
    participants, runs = (one.message for one in tree.failures)
    assert participants.startswith("A-1 and A_1 would be one participant")
    assert "Results/rfMRI_REST1_LR and C/" in runs
    assert "would be one run" in runs


def test_two_visits_are_sessions_of_one_participant(tmp_path: Path) -> None:
    for visit in ("V1", "V2"):
        subject = f"HCA6002236_{visit}_MR"
        touch(tmp_path, subject, "rfMRI_REST1_AP", "rfMRI_REST1_AP.nii.gz")
    names = [run.name("bold", ".json", space="x") for run in find_hcp_runs(tmp_path).runs]
    assert names == [
        f"sub-HCA6002236/ses-{visit}/func/"
        f"sub-HCA6002236_ses-{visit}_task-rest_dir-AP_run-1_space-x_bold.json"
        for visit in ("V1", "V2")
    ]


def test_names_without_a_letter_or_digit_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "___", "rfMRI_REST1_LR", "rfMRI_REST1_LR.nii.gz")
    touch(tmp_path, "1", "rfMRI_-_LR", "rfMRI_-_LR.nii.gz")
    tree = find_hcp_runs(tmp_path)
    assert not tree.runs
    assert len(tree.failures) == 2
    assert all("no letter or digit" in one.message for one in tree.failures)


def test_a_participant_that_cannot_be_looked_into_is_named_and_others_taken(
    tmp_path: Path,
) -> None:
    touch(tmp_path, "1", "rfMRI_REST1_LR", "rfMRI_REST1_LR.nii.gz")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "MNINonLinear").symlink_to("MNINonLinear")
    tree = find_hcp_runs(tmp_path)
    assert [run.entities["sub"] for run in tree.runs] == ["1"]
    (failure,) = tree.failures
    assert failure.message.startswith(f"{tmp_path}/2/MNINonLinear/Results cannot be listed")
