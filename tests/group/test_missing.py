from __future__ import annotations

from pathlib import Path

from bids_labelx.group.missing import participants_without_output


def test_who_has_a_bold_image_and_no_results_is_missing(tmp_path: Path) -> None:
    for name in (
        "sub-01/func/sub-01_task-rest_desc-preproc_bold.nii.gz",
        "sub-02/ses-a/func/sub-02_ses-a_task-rest_desc-preproc_bold.nii.gz",
        "sub-03/func/sub-03_task-rest_desc-preproc_bold.nii",
        "sub-04/anat/sub-04_desc-preproc_T1w.nii.gz",
        "sub-05/func/sub-05_task-rest_desc-preproc_bold.json",
        "sub-06.html",
        "sub-01_ses-b/func/sub-01_ses-b_task-rest_desc-preproc_bold.nii.gz",
        "sub-07_ses-a/func/sub-07_ses-a_task-rest_desc-preproc_bold.nii.gz",
        "sub-07_ses-b/func/sub-07_ses-b_task-rest_desc-preproc_bold.nii.gz",
        "sub-08_ses-a/anat/sub-08_ses-a_desc-preproc_T1w.nii.gz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert participants_without_output(tmp_path, {"01"}) == ["02", "03", "07"]
