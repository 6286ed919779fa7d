"""What a folder holds in place of what is read, for messages."""

from __future__ import annotations

import re
from pathlib import Path

from bids_labelx.inputs.matching import (
    File,
    group_files,
    matching_files,
    parse_path,
)
from bids_labelx.names import Name

# Names of images that are not read, and what to do, the most telling first.
_NOT_READ = {
    r"_preproc\.nii\.gz$": "has a name of fMRIPrep before 1.2: rename such files as "
    "…_desc-preproc_bold.nii.gz, …_desc-brain_mask.nii.gz and …_desc-confounds_timeseries.tsv",
    r"_hemi-[LR]\.func\.gii$": "has a name of fMRIPrep before 20.1: rename such files as "
    "…_hemi-L_space-fsaverage5_bold.func.gii",
    r"_desc-(hmc|coreg)_boldref\.nii\.gz$": "is of fMRIPrep or NiBabies with --level minimal or "
    "resampling, which do not write the preprocessed BOLD series: run it again with --level full, "
    "and with this folder for -d (--derivatives), so that it goes on from here",
    r"^[a-z]+sub-[^_]+_.*\.nii(\.gz)?$": "has a prefix of SPM: give the preprocessed series a "
    "name such as sub-01_task-rest_space-MNI152NLin6Asym_desc-preproc_bold.nii",
}

# What files of motion parameters are called, by the program that writes them.
_MOTION = {"spm": "rp_*.txt", "fsl": "*.par", "afni": "*.1D"}


def other_images(root: Path) -> str:
    """An image of a kind that is not read, and what to do; empty where none is found."""
    for folder in sorted(root.glob("sub-*")):
        names = sorted(path.name for path in folder.glob("**/func/*"))
        for pattern, advice in _NOT_READ.items():
            if found := [name for name in names if re.search(pattern, name)]:
                return f"{found[0]} {advice}"
    return ""


def motion_file(image: File, root: Path) -> str:
    """A file of motion parameters beside an image, and how it is used; empty if there is none."""
    if not image.path.is_relative_to(root):
        return ""
    files = [(path, one) for one, end in _MOTION.items() for path in image.path.parent.glob(end)]
    for path, source in sorted(files):
        # Of an image that SPM has given a prefix, which its own name has as well.
        plain = path.with_name(re.sub("^rp_[a-z]+(?=sub-)", "rp_", path.name))
        file = parse_path(plain, root)
        if matching_files(group_files([file]), image, same_grid=False):
            named = "" if plain == path else f"named {plain.name}, "
            return f"{path.name} looks like motion parameters: {named}{_taken(file.name, source)}"
    return ""


def _taken(name: Name, source: str) -> str:
    """How a strategy file takes a file of motion parameters."""
    desc = name.entities.get("desc")
    lines = [f'desc = "{desc}"'] * bool(desc) + [f'suffix = "{name.suffix}"']
    return (
        'a strategy file takes them by motion = "full" in [confounds] and by [[confounds.tables]] '
        f'with {", ".join(lines)}, motion_source = "{source}"'
    )
