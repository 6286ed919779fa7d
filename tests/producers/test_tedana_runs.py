"""The participant level on what tedana itself wrote, beside fMRIPrep's dataset and alone."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean
from producers.layouts import expected_files, written_files
from producers.simulated_echoes import AFFINE, N_VOLUMES, PREFIX, SHAPE, T_R

from bids_labelx.app.cli import main
from bids_labelx.files import read_tsv

pytestmark = pytest.mark.integration

STRATEGY = """
[[confounds.tables]]
dataset = "tedana"
tedana = "KIND"
"""


def labels() -> np.ndarray:
    data = np.zeros(SHAPE, np.int16)
    data[4:8, 4:12, 3:9], data[8:12, 4:12, 3:9] = 1, 2
    return data


def region_means(image: Path) -> np.ndarray:
    """Means of the labels by numpy, shape (n_volumes, 2)."""
    data, where = np.asanyarray(nib.load(image).dataobj, dtype=float), labels()  # type: ignore[attr-defined]
    return np.column_stack([data[where == label].mean(axis=0) for label in (1, 2)])


@pytest.fixture(params=["flat", "nested"])
def tedana(request: pytest.FixtureRequest, tedana_folder: Path) -> Path:
    """The folder that tedana wrote into, or in which its folders ``sub-01/func`` are."""
    return tedana_folder / str(request.param)


@pytest.fixture
def fmriprep(tedana_folder: Path, tmp_path: Path) -> Path:
    """fMRIPrep's dataset: the combined run and, as with ``--me-output-echos``, its echoes."""
    folder = tmp_path / "fmriprep" / "sub-01" / "func"
    folder.mkdir(parents=True)
    about = {"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    made = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.1.1"}]}
    (tmp_path / "fmriprep" / "dataset_description.json").write_text(json.dumps(about | made))
    for path in (tedana_folder / "echoes").iterdir():
        (folder / path.name).symlink_to(path)
    combined = tedana_folder / "flat" / f"{PREFIX}_desc-optcom_bold.nii.gz"
    (folder / f"{PREFIX}_desc-preproc_bold.nii.gz").symlink_to(combined)
    sidecar = {"RepetitionTime": T_R, "StartTime": 0.7, "SliceTimingCorrected": True}
    (folder / f"{PREFIX}_desc-preproc_bold.json").write_text(json.dumps(sidecar))
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((N_VOLUMES, 1)), columns=["csf"])
    table.to_csv(folder / f"{PREFIX}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    atlas = tmp_path / "two_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels(), AFFINE), atlas)
    return tmp_path / "fmriprep"


def run(tmp_path: Path, *arguments: object) -> int:
    common = ("--atlas", tmp_path / "two_dseg.nii.gz", "--atlas-space", "native", "--nprocs", 1)
    return main(
        [
            str(one)
            for one in (arguments[0], tmp_path / "out", "participant", *arguments[1:], *common)
        ]
    )


def series(tmp_path: Path, label: str) -> tuple[np.ndarray, dict]:
    (path,) = (tmp_path / "out").glob(f"sub-01/func/*_desc-{label}_timeseries.tsv")
    sidecar = json.loads(path.with_suffix(".json").read_text())
    return read_tsv(path, numbers=True).to_numpy(float), sidecar


@pytest.mark.parametrize("kind", ["rejected", "rejected_orthogonalized"])
def test_rejected_components_are_regressed_out_of_fmripreps_run(
    kind: str, tedana: Path, fmriprep: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(STRATEGY.replace("KIND", kind))
    assert run(tmp_path, fmriprep, "--datasets", f"tedana={tedana}", "--denoise", mine) == 0
    ours, sidecar = series(tmp_path, "mine")
    (mixing,) = tedana.rglob(
        f"{PREFIX}_desc-{'ICA' if kind == 'rejected' else 'ICAOrth'}_mixing.tsv"
    )
    (metrics,) = tedana.rglob(f"{PREFIX}_desc-tedana_metrics.tsv")
    classes = pd.read_table(metrics).set_index("Component")["classification"]
    rejected = list(classes.index[classes == "rejected"])
    assert rejected
    folder = fmriprep / "sub-01" / "func"
    expected = clean(
        region_means(folder / f"{PREFIX}_desc-preproc_bold.nii.gz"),
        confounds=pd.read_table(mixing)[rejected].to_numpy(),
        detrend=False,
        standardize=None,
        standardize_confounds=True,
    )
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert sidecar["ConfoundRegressors"] == rejected
    assert sidecar["StartTime"] == 0.7
    assert sidecar["SliceTimingCorrected"] is True
    assert set(sidecar["PreprocessedBy"]) == {"fMRIPrep 25.1.1", f"tedana {tedana_version()}"}
    func = "" if tedana.name == "flat" else "sub-01/func/"
    assert [one for one in sidecar["Sources"] if "atlas-" not in one] == [
        f"bids:preprocessed:sub-01/func/{PREFIX}_desc-preproc_bold.nii.gz",
        f"bids:preprocessed:sub-01/func/{PREFIX}_desc-brain_mask.nii.gz",
        f"bids:tedana:{func}{PREFIX}_desc-ICA_mixing.tsv",
        f"bids:tedana:{func}{PREFIX}_desc-tedana_metrics.tsv",
    ]
    run_stem = f"sub-01/func/{PREFIX}"
    files = expected_files(run_stem, [f"{run_stem}_atlas-two"], ["mine"])
    assert written_files(tmp_path / "out") == files


def tedana_version() -> str:
    from importlib.metadata import version

    return version("tedana")


@pytest.mark.parametrize("desc", ["denoised", "optcom"])
def test_images_of_tedana_are_runs_with_fmripreps_mask_and_confounds(
    desc: str, tedana: Path, fmriprep: Path, tmp_path: Path
) -> None:
    wanted = {"bold": {"dataset": "tedana", "desc": desc}}
    (tmp_path / "filter.json").write_text(json.dumps(wanted))
    (tmp_path / "csf.toml").write_text('[confounds]\ncolumns = ["csf"]\n')
    options = ("--datasets", f"tedana={tedana}", "--bids-filter-file", tmp_path / "filter.json")
    assert run(tmp_path, fmriprep, *options, "--denoise", "none", tmp_path / "csf.toml") == 0
    raw, sidecar = series(tmp_path, "raw")
    (image,) = tedana.rglob(f"{PREFIX}_desc-{desc}_bold.nii.gz")
    np.testing.assert_allclose(raw, region_means(image), rtol=1e-6)
    assert sidecar["RepetitionTime"] == T_R
    told = [one for one in sidecar["Warnings"] if "tedana has denoised the image before" in one]
    assert len(told) == (desc == "denoised")
    ours, sidecar = series(tmp_path, "csf")
    (table,) = fmriprep.rglob("*_timeseries.tsv")
    expected = clean(raw, confounds=pd.read_table(table), detrend=False, standardize=None)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert f"bids:preprocessed:sub-01/func/{table.name}" in sidecar["Sources"]
    # What was taken out of the image is not taken out again.
    (tmp_path / "again.toml").write_text(STRATEGY.replace("KIND", "rejected"))
    again = run(tmp_path, fmriprep, *options, "--denoise", tmp_path / "again.toml")
    assert again == (1 if desc == "denoised" else 0)
