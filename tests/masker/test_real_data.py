"""The maskers beside nilearn's on real runs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nilearn import maskers as oracle

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker

pytestmark = pytest.mark.integration

# nilearn smooths, resamples and filters integer images in float32.
SINGLE, DOUBLE = 1e-4, 1e-6


def compare(
    labels: Path, run: Path, tolerance: float, given: dict[str, Any], **options: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = NiftiLabelsMasker(labels, **options).fit_transform(run, **given)
        theirs = oracle.NiftiLabelsMasker(str(labels), keep_masked_labels=True, **options)
        expected = theirs.fit_transform(str(run), **given)
    assert ours.shape == expected.shape
    scale = np.abs(expected).max(axis=0)
    np.testing.assert_allclose(ours / scale, expected / scale, rtol=0, atol=tolerance)


@pytest.fixture
def schaefer(shared_data: Path) -> Path:
    folder = shared_data / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
    (image,) = folder.glob("*_seg-100Parcels7Networks_res-02_dseg.nii.gz")
    return image


@pytest.fixture
def rest(shared_data: Path) -> dict[str, Any]:
    """A run in MNI space with mask and confounds."""
    folder = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc"
    table = pd.read_csv(folder / "sub-01_task-rest_desc-confounds_timeseries.tsv", sep="\t")
    motion = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    return {
        "run": folder / f"{stem}-preproc_bold.nii.gz",
        "mask": folder / f"{stem}-brain_mask.nii.gz",
        "confounds": table[[*motion, "csf", "white_matter"]].to_numpy(),
    }


@pytest.mark.parametrize(
    ("tolerance", "options"),
    [
        (DOUBLE, {"strategy": "median", "standardize": "psc"}),
        (DOUBLE, {"strategy": "variance", "detrend": True}),
        (DOUBLE, {"detrend": True, "low_pass": 0.1, "high_pass": 0.01, "t_r": 2.5}),
        (SINGLE, {"smoothing_fwhm": 6.0}),
        (SINGLE, {"resampling_target": "labels"}),
        (SINGLE, {"high_variance_confounds": True, "detrend": True}),
    ],
    ids=["median", "variance", "band", "smooth", "labels", "compcor"],
)
def test_a_run_in_mni_space_with_confounds(
    schaefer: Path, rest: dict[str, Any], tolerance: float, options: dict[str, Any]
) -> None:
    given = {"confounds": rest["confounds"]}
    compare(schaefer, rest["run"], tolerance, given, mask_img=str(rest["mask"]), **options)


def test_a_float_run_with_its_subcortical_labels(shared_data: Path) -> None:
    root = shared_data / "ds000005-fmriprep-subcortex"
    (run,) = root.rglob("*_desc-preproc_bold.nii.gz")
    (labels,) = root.rglob("*_dseg.nii.gz")
    for strategy in ("mean", "standard_deviation"):
        compare(labels, run, SINGLE, {}, strategy=strategy)


def test_twelve_runs_at_once(shared_data: Path) -> None:
    root = shared_data / "haxby-12runs"
    runs = sorted(map(str, root.rglob("*_desc-preproc_bold.nii.gz")))
    labels = str(root / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz")
    options = {"detrend": True, "standardize": "zscore_sample"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.MultiNiftiLabelsMasker(labels, **options).fit_transform(runs)
        ours = MultiNiftiLabelsMasker(labels, n_jobs=2, **options).fit_transform(runs)
    assert len(ours) == len(runs) == 12
    for one, wanted in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, wanted, atol=1e-6)
