"""A dataset of empty files with fMRIPrep's names, to time the index of many participants on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

_DESCRIPTION = """{"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
"GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.1"}]}"""
_MNI = "space-MNI152NLin2009cAsym_res-2_"
_SPACES = ("", "space-T1w_", _MNI)
_IMAGE = (".json", ".nii.gz")
_ANAT = (
    *(f"{s}desc-preproc_T1w{end}" for s in ("", _MNI) for end in _IMAGE),
    *(f"{s}desc-brain_mask{end}" for s in ("", _MNI) for end in _IMAGE),
    *(f"{s}label-{tissue}_probseg.nii.gz" for s in ("", _MNI) for tissue in ("CSF", "GM", "WM")),
    *(f"from-{ends}_mode-image_xfm.h5" for ends in ("T1w_to-MNI6", "MNI6_to-T1w")),
    *(f"hemi-{side}_pial.surf.gii" for side in "LR"),
)
_FIGURES = (
    *("desc-about_T1w.html", "desc-summary_T1w.html", "desc-reconall_T1w.svg", "dseg.svg"),
    *(f"task-rest_desc-{d}_bold.svg" for d in ("carpetplot", "confoundcorr", "coreg", "rois")),
    "task-rest_desc-summary_bold.html",
)
_FUNC = (
    *(f"{s}desc-preproc_bold{end}" for s in _SPACES for end in _IMAGE),
    *(f"{s}desc-brain_mask{end}" for s in _SPACES for end in _IMAGE),
    *(f"{s}boldref.nii.gz" for s in _SPACES),
    *(f"desc-confounds_timeseries{end}" for end in (".json", ".tsv")),
    *(f"from-{ends}_mode-image_xfm.txt" for ends in ("boldref_to-T1w", "orig_to-boldref")),
    *(f"hemi-{side}_space-fsaverage5_bold.func.gii" for side in "LR"),
)


def make_tree(folder: Path, n_subjects: int, files_each: int = 70) -> None:
    """Write participants ``sub-0001``, ``sub-0002``, …

    The first 70 files of each are its report, anat, figures and one run of each of two tasks; a
    larger `files_each` adds runs, a smaller one leaves some out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(_DESCRIPTION)
    for number in range(1, n_subjects + 1):
        subject = f"sub-{number:04d}"
        for part in ("anat", "figures", "func"):
            (folder / subject / part).mkdir(parents=True, exist_ok=True)
        for name in islice(_names(subject), files_each):
            content = '{"RepetitionTime": 2.0}' if name.endswith(".json") else ""
            (folder / name).write_text(content)


def _names(subject: str) -> Iterator[str]:
    """Paths of a participant's files within the dataset, without end."""
    yield f"{subject}.html"
    yield from (f"{subject}/anat/{subject}_{name}" for name in _ANAT)
    yield from (f"{subject}/figures/{subject}_{name}" for name in _FIGURES)
    for run in count(1):
        for task in ("rest", "nback"):
            yield from (f"{subject}/func/{subject}_task-{task}_run-{run}_{name}" for name in _FUNC)
