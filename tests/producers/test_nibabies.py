"""What NiBabies writes: cohorts of a template, and infants of whom there is a T2w image alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from producers.layouts import (
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
from tiny import MOTION

RUN = "sub-01/ses-1mo/func/sub-01_ses-1mo_task-rest_acq-PA_run-001"
HASHED = RUN.replace("ses-1mo_task", "ses-1mo_hash-1a2b3c4d_task")


def simple(bold: Path, confounds: Path) -> np.ndarray:
    """The strategy `simple` by numpy: the first volume is not in steady state."""
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    columns = table[[*MOTION, "csf", "white_matter", "cosine00"]].to_numpy()
    return regressed(means(bold)[1:], columns[1:])


@pytest.mark.parametrize(
    ("layout", "run", "space", "template", "stem"),
    [
        (
            "nibabies_25",
            RUN,
            "MNIInfant_cohort-1",
            "MNIInfant+1",
            # In BIDS' order cohort- is behind ses-.
            RUN.replace("_task", "_cohort-1_task") + "_space-MNIInfant",
        ),
        (
            "nibabies_26_t2w",
            HASHED,
            "MNIInfant+1",
            "MNIInfant_cohort-1",
            f"{HASHED}_space-MNIInfant+1",
        ),
    ],
)
def test_an_atlas_in_a_cohorts_template(
    tmp_path: Path, layout: str, run: str, space: str, template: str, stem: str
) -> None:
    root = write_layout(layout, tmp_path / "nibabies")
    atlas = write_atlas(tmp_path / f"slabs_space-{template}_dseg.nii.gz")
    out = tmp_path / "out"
    assert run_app(root, out, "--atlas", f"Slabs={atlas}") == 0
    bold, confounds = f"{run}_space-{space}_desc-preproc_bold.nii.gz", f"{run}_desc-confounds"
    files = (bold, f"{run}_space-{space}_desc-brain_mask.nii.gz", f"{confounds}_timeseries.tsv")
    assert read_files(out) == {f"preprocessed:{name}" for name in files}
    stem = f"{stem}_atlas-Slabs"
    assert written_files(out) == expected_files(run, [stem], ("simple",))
    found = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
    expected = simple(root / bold, root / f"{confounds}_timeseries.tsv")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layout", "run", "space", "segmentation"),
    [
        ("nibabies_25", RUN, "T1w", "run-001_space-T1w_desc-aparcaseg"),
        ("nibabies_23_t2w", RUN, "T2w", "run-001_desc-aparcaseg"),
        ("nibabies_26_t2w", HASHED, "T2w", "hash-1a2b3c4d_run-001_space-T2w_desc-aparcaseg"),
    ],
)
def test_the_segmentation_of_the_anatomy_is_an_atlas_in_the_anatomical_space(
    tmp_path: Path, layout: str, run: str, space: str, segmentation: str
) -> None:
    root = write_layout(layout, tmp_path / "nibabies")
    out = tmp_path / "out"
    options = ("--atlas", "derivative:desc-aparcaseg", "--space", space)
    assert run_app(root, out, *options) == 0
    bold, confounds = f"{run}_space-{space}_desc-preproc_bold.nii.gz", f"{run}_desc-confounds"
    assert read_files(out) == {
        f"preprocessed:{bold}",
        f"preprocessed:{run}_space-{space}_desc-brain_mask.nii.gz",
        f"preprocessed:{confounds}_timeseries.tsv",
        f"preprocessed:sub-01/ses-1mo/anat/sub-01_ses-1mo_{segmentation}_dseg.nii.gz",
        "preprocessed:desc-aparcaseg_dseg.tsv",
    }
    stem = f"{run}_space-{space}_atlas-aparcaseg"
    assert written_files(out) == expected_files(run, [stem], ("simple",))
    found = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
    # In the order of the table, which begins with 9.
    expected = simple(root / bold, root / f"{confounds}_timeseries.tsv")[:, [2, 0, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
