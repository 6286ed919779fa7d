"""The command line on real data, compared with nilearn on the same files."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn import signal
from nilearn.interfaces.fmriprep import load_confounds_strategy
from nilearn.maskers import NiftiLabelsMasker

pytestmark = pytest.mark.integration

ATLAS = "Schaefer2018_seg-100Parcels7Networks"


def run(data: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [
        str(data / "real-fmriprep-like"),
        str(output),
        "participant",
        "--space",
        "MNI152NLin2009cAsym",
        "--atlas-dataset",
        str(data / "atlases" / "atlas-dataset"),
        "--atlas",
        "Schaefer2018:100Parcels7Networks",
        *options,
    ]
    command = [sys.executable, "-m", "bids_labelx", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def atlas_files(data: Path) -> tuple[Path, Path]:
    folder = data / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
    stem = "tpl-MNI152NLin2009cAsym_atlas-Schaefer2018_seg-100Parcels7Networks_res-02_dseg"
    return folder / f"{stem}.nii.gz", folder / f"{stem}.tsv"


def nilearn_series(data: Path, bold: Path, strategy: str | None) -> np.ndarray:
    mask = bold.with_name(bold.name.replace("desc-preproc_bold", "desc-brain_mask"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaning = {}
        if strategy is not None:
            confounds, sample_mask = load_confounds_strategy(str(bold), strategy)
            cleaning = {"confounds": confounds, "sample_mask": sample_mask}
        masker = NiftiLabelsMasker(str(atlas_files(data)[0]), mask_img=str(mask))
        series: np.ndarray = masker.fit_transform(str(bold), **cleaning)
        return series


def outputs(output: Path, participant: str, desc: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The time series and the label table of a participant's run."""
    func = output / f"sub-{participant}" / "func"
    (series,) = func.glob(f"*_atlas-{ATLAS}_res-4_stat-mean_desc-{desc}_timeseries.tsv")
    (labels,) = func.glob(f"*_atlas-{ATLAS}_res-4_dseg.tsv")
    return pd.read_csv(series, sep="\t"), pd.read_csv(labels, sep="\t")


def bold_of(data: Path, participant: str) -> Path:
    folder = data / "real-fmriprep-like" / f"sub-{participant}" / "func"
    (bold,) = folder.glob("*_space-MNI152NLin2009cAsym_res-4_desc-preproc_bold.nii.gz")
    return bold


@pytest.fixture(scope="module")
def raw(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("raw") / "out"
    done = run(shared_data, output, "--denoise", "none")
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize("participant", ["01", "02"])
def test_without_denoising_the_series_equal_nilearn_where_coverage_is_complete(
    shared_data: Path, raw: Path, participant: str
) -> None:
    series, labels = outputs(raw, participant, "raw")
    names = pd.read_csv(atlas_files(shared_data)[1], sep="\t")["name"].tolist()
    assert series.columns.tolist() == names
    theirs = nilearn_series(shared_data, bold_of(shared_data, participant), None)
    assert series.shape == theirs.shape
    complete = (labels["coverage"] == 1).to_numpy()
    assert complete.sum() >= 30
    np.testing.assert_allclose(
        series.to_numpy()[:, complete], theirs[:, complete], rtol=1e-5, atol=0
    )
    kept = (labels["status"] == "ok").to_numpy()
    assert series.notna().all().to_numpy().tolist() == kept.tolist()


def test_simple_equals_nilearn_and_a_run_without_motion_columns_fails_alone(
    shared_data: Path, tmp_path: Path
) -> None:
    done = run(shared_data, tmp_path, "--denoise", "simple")
    assert done.returncode == 1
    series, labels = outputs(tmp_path, "01", "simple")
    theirs = nilearn_series(shared_data, bold_of(shared_data, "01"), "simple")
    complete = (labels["coverage"] == 1).to_numpy()
    np.testing.assert_allclose(
        series.to_numpy()[:, complete], theirs[:, complete], rtol=1e-5, atol=0
    )
    assert "sub-02_task-functionallocalizer_run-01_desc-confounds_timeseries.tsv" in done.stderr
    for column in ("trans_x", "rot_z_derivative1_power2"):
        assert column in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "sub-02").rglob("*.tsv"))
    assert "trans_x" in (tmp_path / "sub-02.html").read_text()


def test_a_native_run_needs_to_be_told_that_the_labels_are_native(
    shared_data: Path, tmp_path: Path
) -> None:
    haxby = shared_data / "haxby-12runs"
    image = haxby / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz"
    command = [sys.executable, "-m", "bids_labelx", str(haxby), str(tmp_path), "participant"]
    command += ["--atlas", str(image), "--run-id", "1", "12", "--denoise", "none"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 64
    assert "--atlas-space native" in refused.stderr
    done = subprocess.run(
        [*command, "--atlas-space", "native"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = sorted((tmp_path / "sub-01" / "func").glob("*_timeseries.tsv"))
    assert len(found) == 2
    columns = [pd.read_csv(path, sep="\t").columns.tolist() for path in found]
    assert columns[0] == columns[1]
    assert len(columns[0]) == 21


NILEARNS = {
    "simple": ("simple", {}),
    "scrubbing5": (
        "scrubbing",
        {"fd_threshold": 0.5, "std_dvars_threshold": np.inf, "scrub": 5, "wm_csf": "full"},
    ),
    "acompcor50": ("compcor", {"compcor": "anat_combined", "n_compcor": "all"}),
}


def test_five_strategies_in_one_command_are_each_what_nilearn_makes_of_them(
    shared_data: Path, tmp_path: Path
) -> None:
    names = ("simple", "scrubbing.5", "36P", "acompcor50", "none")
    done = run(shared_data, tmp_path / "out", "--participant-label", "01", "--denoise", *names)
    assert done.returncode == 0, done.stderr
    bold = bold_of(shared_data, "01")
    mask = bold.with_name(bold.name.replace("desc-preproc_bold", "desc-brain_mask"))
    found = {}
    for desc in ("simple", "scrubbing5", "36P", "acompcor50", "raw"):
        series, labels = outputs(tmp_path / "out", "01", desc)
        found[desc] = series.loc[:, (labels["coverage"] == 1).to_numpy()]
    kept = (labels["coverage"] == 1).to_numpy()
    for desc, (strategy, options) in NILEARNS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            confounds, sample_mask = load_confounds_strategy(str(bold), strategy, **options)
            masker = NiftiLabelsMasker(str(atlas_files(shared_data)[0]), mask_img=str(mask))
            theirs = masker.fit_transform(str(bold), confounds=confounds, sample_mask=sample_mask)[
                :, kept
            ]
        np.testing.assert_allclose(found[desc], theirs, rtol=1e-6, atol=1e-4)

    table = pd.read_csv(
        bold.with_name("sub-01_task-rest_desc-confounds_timeseries.tsv"),
        sep="\t",
        na_values="n/a",
    )
    series = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    series += ["csf", "white_matter", "global_signal"]
    tails = ("", "_derivative1", "_power2", "_derivative1_power2")
    confounds = table[[s + tail for s in series for tail in tails]].fillna(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = NiftiLabelsMasker(str(atlas_files(shared_data)[0]), mask_img=str(mask))
        theirs = signal.clean(
            raw.fit_transform(str(bold)),
            confounds=confounds,
            detrend=True,
            standardize=None,
            filter="butterworth",
            low_pass=0.08,
            high_pass=0.01,
            t_r=2.5,
            butterworth__order=2,
            butterworth__padtype="constant",
            butterworth__padlen=len(table) - 1,
            standardize_confounds=False,
        )[:, kept]
    np.testing.assert_allclose(found["36P"], theirs, rtol=1e-6, atol=1e-4)
    flat = {desc: series.to_numpy() for desc, series in found.items()}
    for a, b in (("simple", "acompcor50"), ("simple", "36P"), ("acompcor50", "raw")):
        assert np.abs(flat[a] - flat[b]).max() > 0.1
