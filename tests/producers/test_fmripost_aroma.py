"""fMRIPost-AROMA's dataset beside fMRIPrep's, and alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
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

RUN = "sub-01/ses-01/func/sub-01_ses-01_task-rest"
SPACE = "space-MNI152NLin6Asym"
STEM = f"{RUN}_{SPACE}_atlas-Slabs_res-2"
STRATEGY = """
[confounds]
wm_csf = "basic"

[[confounds.tables]]
dataset = "aroma"
desc = "aroma"
suffix = "timeseries"
columns = ["^aroma_motion_\\\\d+$"]
"""


@pytest.fixture
def atlas(tmp_path: Path) -> str:
    return f"Slabs={write_atlas(tmp_path / f'slabs_{SPACE}_res-02_dseg.nii.gz')}"


@pytest.fixture
def datasets(tmp_path: Path) -> tuple[Path, Path]:
    """fMRIPrep's and fMRIPost-AROMA's."""
    fmriprep = write_layout("fmriprep_25", tmp_path / "fmriprep")
    return fmriprep, write_layout("fmripost_aroma", tmp_path / "aroma")


def columns(path: Path, *names: str) -> np.ndarray:
    return pd.read_csv(path, sep="\t", na_values="n/a")[list(names)].to_numpy()


def test_components_are_regressed_out_of_fmripreps_images(
    tmp_path: Path, datasets: tuple[Path, Path], atlas: str
) -> None:
    fmriprep, aroma = datasets
    (tmp_path / "mine.toml").write_text(STRATEGY)
    out = tmp_path / "out"
    options = ("--datasets", f"aroma={aroma}", "--denoise", tmp_path / "mine.toml")
    assert run_app(fmriprep, out, "--atlas", atlas, *options) == 0
    bold, confounds = f"{RUN}_{SPACE}_res-2_desc-preproc_bold.nii.gz", f"{RUN}_desc-confounds"
    assert read_files(out) == {
        f"preprocessed:{bold}",
        f"preprocessed:{RUN}_{SPACE}_res-2_desc-brain_mask.nii.gz",
        f"preprocessed:{confounds}_timeseries.tsv",
        f"aroma:{RUN}_desc-aroma_timeseries.tsv",
    }
    assert written_files(out) == expected_files(RUN, [STEM], ("mine",))
    taken = np.hstack(
        [
            columns(fmriprep / f"{confounds}_timeseries.tsv", "csf", "white_matter"),
            columns(
                aroma / f"{RUN}_desc-aroma_timeseries.tsv", "aroma_motion_01", "aroma_motion_04"
            ),
        ]
    )
    found = series(out / f"{STEM}_stat-mean_desc-mine_timeseries.tsv")
    np.testing.assert_allclose(found, regressed(means(fmriprep / bold), taken), rtol=1e-6)


def test_images_that_it_has_denoised_have_fmripreps_mask_and_confounds(
    tmp_path: Path, datasets: tuple[Path, Path], atlas: str
) -> None:
    fmriprep, aroma = datasets
    (tmp_path / "aroma.json").write_text(
        '{"bold": {"dataset": "aroma", "desc": "nonaggrDenoised"}}'
    )
    out = tmp_path / "out"
    options = ("--datasets", f"aroma={aroma}", "--bids-filter-file", tmp_path / "aroma.json")
    assert run_app(fmriprep, out, "--atlas", atlas, *options, "--denoise", "icaaroma") == 0
    bold = f"{RUN}_{SPACE}_res-2_desc-nonaggrDenoised_bold.nii.gz"
    confounds = f"{RUN}_desc-confounds_timeseries.tsv"
    assert read_files(out) == {
        f"aroma:{bold}",
        f"preprocessed:{RUN}_{SPACE}_res-2_desc-brain_mask.nii.gz",
        f"preprocessed:{confounds}",
        f"aroma:{RUN}_desc-aroma_timeseries.tsv",
    }
    assert written_files(out) == expected_files(RUN, [STEM], ("icaaroma",))
    taken = columns(fmriprep / confounds, "csf", "white_matter", "cosine00")[1:]
    found = series(out / f"{STEM}_stat-mean_desc-icaaroma_timeseries.tsv")
    np.testing.assert_allclose(found, regressed(means(aroma / bold)[1:], taken), rtol=1e-6)


def test_alone_it_has_neither_mask_nor_confounds(
    tmp_path: Path, datasets: tuple[Path, Path], atlas: str
) -> None:
    _, aroma = datasets
    (tmp_path / "aroma.json").write_text('{"bold": {"desc": "nonaggrDenoised"}}')
    out = tmp_path / "out"
    options = ("--bids-filter-file", tmp_path / "aroma.json", "--denoise", "none")
    assert run_app(aroma, out, "--atlas", atlas, *options, "--mask", "none") == 0
    bold = f"{RUN}_{SPACE}_res-2_desc-nonaggrDenoised_bold.nii.gz"
    assert read_files(out) == {f"preprocessed:{bold}"}
    assert written_files(out) == expected_files(RUN, [STEM], ("raw",))
    found = series(out / f"{STEM}_stat-mean_desc-raw_timeseries.tsv")
    np.testing.assert_allclose(found, means(aroma / bold, np.ones_like(MASK)), rtol=1e-6)


def test_alone_without_a_filter_its_images_are_named(
    tmp_path: Path,
    datasets: tuple[Path, Path],
    atlas: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_app(datasets[1], tmp_path / "out", "--atlas", atlas) == 18
    message = capsys.readouterr().err
    assert "desc-aggrDenoised, desc-nonaggrDenoised, desc-orthaggrDenoised; say which" in message
