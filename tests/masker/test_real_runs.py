"""Labels, maps and spheres of real runs beside nilearn's, to 1e-6.

Runs are given in float64: nilearn smooths, resamples and filters whole numbers in float32.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn import maskers as oracle
from scipy import ndimage

import bids_labelx
from bids_labelx import nilearn_compat

pytestmark = pytest.mark.integration

MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
KINDS = ("labels", "maps", "spheres")


def double(path: Path) -> Any:
    image = nib.load(path)
    return nib.Nifti1Image(image.get_fdata(), image.affine)


def parts_of(labels: Any, every: int, step: int, radius: float) -> dict[str, Any]:
    """Label image, maps made of some of its labels by smoothing, and spheres about these."""
    values = np.asarray(labels.dataobj).astype(np.int32)
    affine = labels.affine @ np.diag([step, step, step, 1])
    chosen = np.unique(values)[1:][::every]
    maps = [
        ndimage.gaussian_filter((values == one).astype(np.float64)[::step, ::step, ::step], 0.8)
        for one in chosen
    ]
    weights = np.stack(maps, axis=-1)
    weights[weights < 0.05] = 0
    middles = ndimage.center_of_mass(values > 0, values, chosen)
    seeds = nib.affines.apply_affine(labels.affine, np.array(middles)) + 0.3
    return {
        "labels": {"labels_img": nib.Nifti1Image(values[::step, ::step, ::step], affine)},
        "maps": {"maps_img": nib.Nifti1Image(weights, affine)},
        "spheres": {"seeds": seeds.tolist(), "radius": radius, "allow_overlap": True},
    }


def assert_same(
    kind: str, run: Any, parts: dict[str, Any], call: dict[str, Any], **options: Any
) -> None:
    """Compare both of our classes with nilearn's, in the same words."""
    options = {"standardize": None, **parts[kind], **options}
    if kind == "labels":
        options["keep_masked_labels"] = False
    name = f"Nifti{kind.title()}Masker"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(oracle, name)(**options).fit_transform(run, **call)
        for module in (bids_labelx, nilearn_compat):
            found = getattr(module, name)(**options).fit_transform(run, **call)
            assert found.shape == expected.shape
            scale = np.abs(expected - expected.mean(axis=0)).max()
            np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-6)


CLEANING = {
    "plain": {},
    "z": {"standardize": "zscore_sample", "detrend": True, "standardize_confounds": False},
    "percent": {"standardize": "psc", "detrend": True, "high_variance_confounds": True},
    "band": {"low_pass": 0.1, "high_pass": 0.01, "standardize": "zscore_sample"},
    "cosine": {"high_pass": 0.008, "clean_args": {"filter": "cosine"}, "detrend": True},
    "smooth": {"smoothing_fwhm": 6.0},
    "grid": {"resampling_target": None},
}


@pytest.mark.parametrize("cleaning", CLEANING)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_mni_space(shared_data: Path, kind: str, cleaning: str) -> None:
    folder = shared_data / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
    (atlas,) = folder.glob("*_seg-100Parcels7Networks_res-02_dseg.nii.gz")
    func = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc"
    table = pd.read_csv(func / "sub-01_task-rest_desc-confounds_timeseries.tsv", sep="\t")
    still = np.flatnonzero(~(table["framewise_displacement"] > 0.5))
    call: dict[str, Any] = {"confounds": table[[*MOTION, "csf", "white_matter"]]}
    if cleaning in ("plain", "z", "cosine"):
        call["sample_mask"] = still
    options = {"mask_img": str(func / f"{stem}-brain_mask.nii.gz"), "t_r": 2.5}
    options |= CLEANING[cleaning]
    if "resampling_target" in options:
        options["resampling_target"] = {"labels": "labels", "maps": "maps"}.get(kind)
        if kind == "spheres":
            del options["resampling_target"]
    parts = parts_of(nib.load(atlas), every=8, step=2, radius=9.0)
    assert_same(kind, double(func / f"{stem}-preproc_bold.nii.gz"), parts, call, **options)


@pytest.mark.parametrize("cleaning", ["plain", "z", "percent", "band", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_another_study_without_motion(
    shared_data: Path, kind: str, cleaning: str
) -> None:
    folder = shared_data / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
    (atlas,) = folder.glob("*_seg-100Parcels7Networks_res-02_dseg.nii.gz")
    func = shared_data / "real-fmriprep-like" / "sub-02" / "func"
    stem = "sub-02_task-functionallocalizer_run-01"
    (run,) = func.glob(f"{stem}_space-*_desc-preproc_bold.nii.gz")
    (mask,) = func.glob(f"{stem}_space-*_desc-brain_mask.nii.gz")
    table = pd.read_csv(func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t")
    options = {"mask_img": str(mask), "t_r": 3.0, **CLEANING[cleaning]}
    call = {"confounds": table[["csf", "white_matter"]].to_numpy()}
    parts = parts_of(nib.load(atlas), every=8, step=2, radius=9.0)
    assert_same(kind, double(run), parts, call, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_twelve_runs(shared_data: Path, kind: str) -> None:
    root = shared_data / "haxby-12runs"
    labels = nib.load(root / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz")
    parts = parts_of(labels, every=2, step=1, radius=30.0)
    runs = sorted(root.rglob("*_desc-preproc_bold.nii.gz"))
    assert len(runs) == 12
    cleaning = sorted(set(CLEANING) - {"grid"})
    for number, run in enumerate(runs):
        name = str(run).replace("desc-preproc_bold.nii.gz", "desc-confounds_timeseries.tsv")
        call = {"confounds": pd.read_csv(name, sep="\t")[MOTION]}
        options = {"t_r": 2.5, **CLEANING[cleaning[number % len(cleaning)]]}
        assert_same(kind, double(run), parts, call, **options)


@pytest.mark.parametrize("kind", ["labels", "maps"])
def test_twelve_runs_at_once_in_two_processes(shared_data: Path, kind: str) -> None:
    root = shared_data / "haxby-12runs"
    labels = nib.load(root / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz")
    parts = parts_of(labels, every=2, step=1, radius=30.0)
    # As they are on disk: of int16, and neither smoothed nor resampled.
    runs = sorted(map(str, root.rglob("*_desc-preproc_bold.nii.gz")))
    options = {**parts[kind], "detrend": True, "standardize": "zscore_sample"}
    name = f"MultiNifti{kind.title()}Masker"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(oracle, name)(**options).fit_transform(runs)
        for module in (bids_labelx, nilearn_compat):
            found = getattr(module, name)(**options, n_jobs=2).fit_transform(runs)
            assert len(found) == len(expected) == 12
            for one, wanted in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, wanted, rtol=0, atol=1e-6)
