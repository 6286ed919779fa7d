"""XCP-D's denoised images, censored and interpolated: extraction without a second cleaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, SHAPE

from bids_labelx.app.cli import main
from bids_labelx.files import read_tsv

pytestmark = pytest.mark.integration

N_ALL, T_R = 60, 2.0
RUN = "sub-01_task-rest_run-02"
SPACE = "space-MNI152NLin6Asym_res-2"
MARKED = np.isin(np.arange(N_ALL), (7, 8, 30, 59))


def labels() -> np.ndarray:
    data = np.zeros(SHAPE, np.int16)
    data[1:3], data[3:5] = 1, 2
    return data


def write_layout(root: Path, *, censored: bool) -> np.ndarray:
    """Write what XCP-D 26 writes of a run in its modes linc and abcd; the data of its image."""
    rng = np.random.default_rng(4)
    data = rng.standard_normal((*SHAPE, N_ALL)).astype(np.float32)
    data = data[..., ~MARKED] if censored else data
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    made = [{"Name": "xcp_d", "Version": "26.1.1"}]
    about = {
        "Name": "XCP-D",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": made,
    }
    (root / "dataset_description.json").write_text(json.dumps(about))
    for desc in ("denoised", "denoisedSmoothed"):
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_zooms((3, 3, 3, T_R))
        image.header.set_xyzt_units("mm", "sec")
        stem = func / f"{RUN}_{SPACE}_desc-{desc}_bold"
        nib.save(image, f"{stem}.nii.gz")
        Path(f"{stem}.json").write_text(json.dumps({"RepetitionTime": T_R}))
    motion = pd.DataFrame(
        rng.standard_normal((N_ALL, 6)) / 50,
        columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"],
    ).assign(framewise_displacement=np.where(MARKED, 0.8, 0.1))
    outliers = pd.DataFrame({"framewise_displacement": MARKED.astype(int)})
    design = pd.DataFrame(rng.standard_normal((N_ALL, 3)), columns=["a", "b", "c"])
    for end, table in (
        ("motion", motion),
        ("outliers", outliers),
        ("desc-preproc_design", design),
    ):
        table.to_csv(func / f"{RUN}_{end}.tsv", sep="\t", index=False)
    qc = pd.DataFrame({"mean_fd": [0.1]})
    qc.to_csv(func / f"{RUN}_space-MNI152NLin6Asym_desc-linc_qc.tsv", sep="\t", index=False)
    return data


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    """Do the participant level, with the images that XCP-D has denoised."""
    atlas = tmp_path / "two.nii.gz"
    nib.save(nib.Nifti1Image(labels(), AFFINE), atlas)
    (tmp_path / "denoised.json").write_text('{"bold": {"desc": "denoised"}}')

    def do(*denoise: str) -> int:
        common = (
            "--mask",
            "none",
            "--nprocs",
            "1",
            "--bids-filter-file",
            tmp_path / "denoised.json",
        )
        labelled = ("--atlas", atlas, "--atlas-space", "MNI152NLin6Asym")
        places = (tmp_path / "xcp_d", tmp_path / "out", "participant")
        return main([str(one) for one in (*places, *labelled, *common, "--denoise", *denoise)])

    return do


def means(data: np.ndarray) -> np.ndarray:
    return np.column_stack([data[labels() == one].mean(axis=0, dtype=float) for one in (1, 2)])


@pytest.mark.parametrize("censored", [True, False], ids=["linc", "abcd"])
def test_series_are_means_of_the_image_without_the_volumes_that_xcp_d_censors(
    censored: bool, run: Callable[..., int], tmp_path: Path
) -> None:
    data = write_layout(tmp_path / "xcp_d", censored=censored)
    assert run("denoised") == 0
    out = tmp_path / "out" / "sub-01" / "func"
    labelled = f"{RUN}_space-MNI152NLin6Asym_atlas-two_res-2"
    stem = f"{labelled}_stat-mean"
    series = out / f"{stem}_desc-denoised_timeseries.tsv"
    ours = read_tsv(series, numbers=True).to_numpy(float)
    kept = means(data if censored else data[..., ~MARKED])
    np.testing.assert_allclose(ours, kept, rtol=1e-6)
    matrix = pd.read_table(out / f"{stem}_meas-correlation_desc-denoised_relmat.tsv", index_col=0)
    np.testing.assert_allclose(matrix.to_numpy(), np.corrcoef(kept.T), atol=1e-7)
    sidecar = json.loads(series.with_suffix(".json").read_text())
    assert sidecar["NumberOfVolumesKept"] == (~MARKED).sum()
    # Volumes are missing in between, in the image or by censoring.
    assert sidecar["SamplingFrequency"] == "n/a"
    assert sidecar["MeanFramewiseDisplacement"] == pytest.approx(
        0.1 if censored else np.where(MARKED, 0.8, 0.1).mean()
    )
    assert sidecar["ConfoundRegressors"] == []
    told = " ".join(sidecar["Warnings"])
    assert "xcp_d 26.1.1 (confound regression) has denoised the image before" in told
    assert ("the image has the 56 volumes of 60" in told) == censored
    assert [one for one in sidecar["Sources"] if "preprocessed" in one] == [
        f"bids:preprocessed:sub-01/func/{RUN}_{end}"
        for end in (f"{SPACE}_desc-denoised_bold.nii.gz", "outliers.tsv", "motion.tsv")
    ]
    outliers = read_tsv(out / f"{RUN}_desc-denoised_outliers.tsv", numbers=True)
    assert ("marked" in outliers) == (not censored)
    assert censored or outliers["marked"].tolist() == MARKED.tolist()
    written = {path.name for path in out.iterdir()}
    assert written == {
        *(f"{labelled}_dseg.{end}" for end in ("json", "nii.gz", "tsv")),
        *(f"{stem}_desc-denoised_timeseries.{end}" for end in ("json", "tsv")),
        *(f"{stem}_meas-correlation_desc-denoised_relmat.{end}" for end in ("json", "tsv")),
        *(f"{RUN}_desc-denoised_outliers.{end}" for end in ("json", "tsv")),
    }


def test_the_image_is_taken_as_it_is_and_not_cleaned_again(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_layout(tmp_path / "xcp_d", censored=False)
    assert run("none", "24P", "simple") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "the image is desc-denoised_bold, which xcp_d 26.1.1 (confound regression)" in told
    assert "--denoise none takes it as it is" in told
    (series,) = (tmp_path / "out").glob("sub-01/func/*_timeseries.tsv")
    assert "desc-raw" in series.name
    np.testing.assert_allclose(read_tsv(series, numbers=True), means(data), rtol=1e-6)
