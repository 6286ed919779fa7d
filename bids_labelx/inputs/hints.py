"""What a folder holds in place of BOLD images, for messages."""

from __future__ import annotations

from pathlib import Path

# By the end of their names, images that are not read, and what to do.
_NOT_READ = {
    "_preproc.nii.gz": "has a name of fMRIPrep before 1.2: rename such files as "
    "…_desc-preproc_bold.nii.gz, …_desc-brain_mask.nii.gz and …_desc-confounds_timeseries.tsv",
}


def other_images(root: Path) -> str:
    """An image of a kind that is not read, and what to do; empty where none is found."""
    for folder in sorted(root.glob("sub-*")):
        names = sorted(path.name for path in folder.glob("**/func/*"))
        for end, advice in _NOT_READ.items():
            if found := [name for name in names if name.endswith(end)]:
                return f"{found[0]} {advice}"
    return ""
