"""Runs with the motion parameters of SPM, FSL or AFNI in place of a confounds table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from producers.layouts import (
    MASK,
    expected_files,
    means,
    read_files,
    regressed,
    run_app,
    series,
    write_atlas,
    write_layout,
    written_files,
)

FUNC = "sub-01/func"
RUN = f"{FUNC}/sub-01_task-rest"
SPACE = "space-MNI152NLin6Asym"
# The file of each program, its suffix, and the extension of the images.
PROGRAMS = {
    "spm": (f"{FUNC}/rp_sub-01_task-rest_bold.txt", "bold", ".nii"),
    "fsl": (f"{RUN}_bold_mcf.par", "mcf", ".nii.gz"),
    "afni": (f"{RUN}_motion.1D", "motion", ".nii.gz"),
}


def expanded(parameters: np.ndarray) -> np.ndarray:
    """24 regressors by numpy: a series, its difference, and the squares of both."""
    backward = np.diff(parameters, axis=0)
    both = np.hstack([parameters, np.vstack([backward[:1], backward])])
    return np.hstack([both, both**2])


@pytest.mark.parametrize("program", PROGRAMS)
def test_motion_is_regressed_out_by_a_strategy_that_names_the_program(
    tmp_path: Path, program: str
) -> None:
    motion, suffix, extension = PROGRAMS[program]
    root = write_layout(program, tmp_path / program)
    atlas = f"Slabs={write_atlas(tmp_path / f'slabs_{SPACE}_dseg.nii.gz')}"
    (tmp_path / "motion.toml").write_text(
        '[confounds]\nmotion = "full"\n\n[[confounds.tables]]\n'
        f'suffix = "{suffix}"\nmotion_source = "{program}"\n'
    )
    out, bold = tmp_path / "out", f"{RUN}_{SPACE}_desc-preproc_bold{extension}"
    mask = f"{RUN}_{SPACE}_desc-brain_mask.nii.gz"
    options = ["--denoise", tmp_path / "motion.toml", *(("--mask", "none") * (program == "spm"))]
    assert run_app(root, out, "--atlas", atlas, *options) == 0
    files = {bold, motion, *([mask] * (program != "spm"))}
    assert read_files(out) == {f"preprocessed:{name}" for name in files}
    stem = f"{RUN}_{SPACE}_atlas-Slabs"
    assert written_files(out) == expected_files(RUN, [stem], ("motion",))
    # Neither order nor unit of the columns changes what a regression removes, signs neither.
    columns = expanded(np.loadtxt(root / motion))
    inside = np.ones_like(MASK) if program == "spm" else MASK
    found = series(out / f"{stem}_stat-mean_desc-motion_timeseries.tsv")
    np.testing.assert_allclose(found, regressed(means(root / bold, inside), columns), rtol=1e-6)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_preset_that_needs_more_says_what_takes_the_motion_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    motion, suffix, _ = PROGRAMS[program]
    root = write_layout(program, tmp_path / program)
    atlas = f"Slabs={write_atlas(tmp_path / f'slabs_{SPACE}_dseg.nii.gz')}"
    assert run_app(root, tmp_path / "out", "--atlas", atlas, "--mask", "none") == 1
    message = capsys.readouterr().err
    assert f"{Path(motion).name} looks like motion parameters: a strategy file" in message
    assert f'with suffix = "{suffix}", motion_source = "{program}"' in message
