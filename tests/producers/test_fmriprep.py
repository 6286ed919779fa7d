"""What fMRIPrep 20 to 25 write, from names to series."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from producers.layouts import (
    DENSE,
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
from surfaces import N_VERTICES, write_dlabel, write_label_gii
from tiny import MOTION

REGRESSORS = [*MOTION, "csf", "white_matter", "cosine00"]
MNI, MNI6 = "space-MNI152NLin2009cAsym", "space-MNI152NLin6Asym"


def simple(signals: np.ndarray, confounds: Path) -> np.ndarray:
    """The strategy `simple` by numpy: the first volume is not in steady state."""
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    return regressed(signals[1:], table[REGRESSORS].to_numpy()[1:])


@pytest.mark.parametrize(("version", "table"), [("20.0", "regressors"), ("20.2", "timeseries")])
def test_version_20(tmp_path: Path, version: str, table: str) -> None:
    root = write_layout(f"fmriprep_{version}", tmp_path / "fmriprep")
    atlas = write_atlas(tmp_path / f"slabs_{MNI6}_dseg.nii.gz")
    out = tmp_path / "out"
    assert run_app(root, out, "--atlas", f"Slabs={atlas}", "--denoise", "none", "simple") == 0
    run = "sub-01/func/sub-01_task-rest_run-02"
    bold, confounds = f"{run}_{MNI6}_desc-preproc_bold.nii.gz", f"{run}_desc-confounds_{table}.tsv"
    files = (bold, f"{run}_{MNI6}_desc-brain_mask.nii.gz", confounds)
    assert read_files(out) == {f"preprocessed:{name}" for name in files}
    stem = f"{run}_{MNI6}_atlas-Slabs"
    assert written_files(out) == expected_files(run, [stem], ("raw", "simple"))
    raw = series(out / f"{stem}_stat-mean_desc-raw_timeseries.tsv")
    np.testing.assert_allclose(raw, means(root / bold), rtol=1e-6)
    cleaned = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
    expected = simple(means(root / bold), root / confounds)
    np.testing.assert_allclose(cleaned, expected, rtol=1e-6)


def test_images_that_icaaroma_is_for_come_with_it_in_version_20(tmp_path: Path) -> None:
    root = write_layout("fmriprep_20.2", tmp_path / "fmriprep")
    atlas = write_atlas(tmp_path / f"slabs_{MNI6}_dseg.nii.gz")
    (tmp_path / "aroma.json").write_text('{"bold": {"desc": "smoothAROMAnonaggr"}}')
    out, only = tmp_path / "out", ("--bids-filter-file", tmp_path / "aroma.json")
    assert run_app(root, out, "--atlas", f"Slabs={atlas}", "--denoise", "icaaroma", *only) == 0
    run = "sub-01/func/sub-01_task-rest_run-02"
    bold = f"{run}_{MNI6}_desc-smoothAROMAnonaggr_bold.nii.gz"
    confounds = f"{run}_desc-confounds_timeseries.tsv"
    files = (bold, f"{run}_{MNI6}_desc-brain_mask.nii.gz", confounds)
    assert read_files(out) == {f"preprocessed:{name}" for name in files}
    table = pd.read_csv(root / confounds, sep="\t", na_values="n/a")
    columns = table[["csf", "white_matter", "cosine00"]].to_numpy()[1:]
    (found,) = out.rglob("*_timeseries.tsv")
    np.testing.assert_allclose(series(found), regressed(means(root / bold)[1:], columns), 1e-6)


def test_echoes_are_runs_only_when_they_are_asked_for(tmp_path: Path) -> None:
    root = write_layout("fmriprep_23.2_echoes", tmp_path / "fmriprep")
    atlas = f"Slabs={write_atlas(tmp_path / f'slabs_{MNI}_dseg.nii.gz')}"
    run = "sub-01/func/sub-01_task-rest_run-01"
    combined = f"{run}_{MNI}_desc-preproc_bold.nii.gz"
    second = f"{run}_echo-2_desc-preproc_bold.nii.gz"
    confounds = f"{run}_desc-confounds_timeseries.tsv"
    for bold, mask, space, options in (
        (combined, f"{run}_{MNI}_desc-brain_mask.nii.gz", f"_{MNI}", ()),
        (
            second,
            f"{run}_desc-brain_mask.nii.gz",
            "_echo-2",
            ("--echo-id", "2", "--atlas-space", "native"),
        ),
    ):
        out = tmp_path / f"out{space}"
        assert run_app(root, out, "--atlas", atlas, *options) == 0
        assert read_files(out) == {f"preprocessed:{one}" for one in (bold, mask, confounds)}
        stem = f"{run}{space}_atlas-Slabs"
        tables = f"{run}_echo-2" if bold == second else run
        assert written_files(out) == expected_files(tables, [stem], ("simple",))
        cleaned = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
        expected = simple(means(root / bold), root / confounds)
        np.testing.assert_allclose(cleaned, expected, rtol=1e-6)


def test_version_25_with_the_magnitude_of_a_complex_run(tmp_path: Path) -> None:
    root = write_layout("fmriprep_25", tmp_path / "fmriprep")
    atlas = write_atlas(tmp_path / f"slabs_{MNI}_dseg.nii.gz")
    out, func = tmp_path / "out", "sub-01/ses-01/func/sub-01_ses-01"
    assert run_app(root, out, "--atlas", f"Slabs={atlas}") == 0
    runs = [f"{func}_task-rest", f"{func}_task-nback_part-mag"]
    files, outputs = set(), set()
    for run in runs:
        bold = f"{run}_{MNI}_desc-preproc_bold.nii.gz"
        confounds = f"{run}_desc-confounds_timeseries.tsv"
        files |= {bold, f"{run}_{MNI}_desc-brain_mask.nii.gz", confounds}
        stem = f"{run}_{MNI}_atlas-Slabs"
        outputs |= expected_files(run, [stem], ("simple",))
        cleaned = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
        expected = simple(means(root / bold), root / confounds)
        np.testing.assert_allclose(cleaned, expected, rtol=1e-6)
    assert read_files(out) == {f"preprocessed:{name}" for name in files}
    assert written_files(out) == outputs


REST = "sub-01/ses-01/func/sub-01_ses-01_task-rest"


def test_version_25_on_grayordinates(tmp_path: Path) -> None:
    root = write_layout("fmriprep_25", tmp_path / "fmriprep")
    labels = np.arange(DENSE.n_elements) % 3 + 1
    atlas = write_dlabel(tmp_path / "dense.dlabel.nii", {"m": labels}, DENSE)
    out, bold = tmp_path / "out", f"{REST}_space-fsLR_den-91k_bold.dtseries.nii"
    assert run_app(root, out, "--atlas", f"Dense={atlas}", "--atlas-space", "fsLR") == 0
    confounds = f"{REST}_desc-confounds_timeseries.tsv"
    assert read_files(out) == {f"preprocessed:{name}" for name in (bold, confounds)}
    stem = f"{REST}_space-fsLR_atlas-Dense_den-91k"
    assert written_files(out) == expected_files(REST, [stem], ("simple",), ".dlabel.nii")
    data = nib.load(root / bold).get_fdata()
    signals = np.stack([data[:, labels == label].mean(axis=1) for label in (1, 2, 3)], axis=1)
    cleaned = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
    np.testing.assert_allclose(cleaned, simple(signals, root / confounds), rtol=1e-6)


@pytest.mark.parametrize(
    ("layout", "run", "pair"),
    [
        ("fmriprep_25", REST, "hemi-{}_space-fsaverage5"),
        ("fmriprep_20.2", "sub-01/func/sub-01_task-rest_run-02", "space-fsaverage5_hemi-{}"),
    ],
)
def test_pairs_of_surfaces_in_either_order_of_entities(
    tmp_path: Path, layout: str, run: str, pair: str
) -> None:
    root = write_layout(layout, tmp_path / "fmriprep")
    vertices = np.arange(N_VERTICES) % 3
    for hemi in "LR":
        names = {1: f"{hemi}a", 2: f"{hemi}b"}
        write_label_gii(tmp_path / f"{hemi}.pair.label.gii", vertices, names)
    out, atlas = tmp_path / "out", f"Pair={tmp_path / 'L.pair.label.gii'}"
    space = ("--atlas-space", "fsaverage5")
    assert run_app(root, out, "--atlas", atlas, *space) == 0
    bolds = [f"{run}_{pair.format(hemi)}_bold.func.gii" for hemi in "LR"]
    confounds = f"{run}_desc-confounds_timeseries.tsv"
    assert read_files(out) == {f"preprocessed:{name}" for name in (*bolds, confounds)}
    stem = f"{run}_space-fsaverage5_atlas-Pair"
    outputs = expected_files(run, [stem], ("simple",), "") - {f"{stem}_dseg"}
    hemispheres = {f"{run}_hemi-{hemi}_space-fsaverage5_atlas-Pair" for hemi in "LR"}
    assert written_files(out) == outputs | {f"{one}_dseg.label.gii" for one in hemispheres}
    data = [np.stack([one.data for one in nib.load(root / name).darrays]) for name in bolds]
    signals = [one[:, vertices == label].mean(axis=1) for one in data for label in (1, 2)]
    expected = simple(np.stack(signals, axis=1).astype(float), root / confounds)
    found = series(out / f"{stem}_stat-mean_desc-simple_timeseries.tsv")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("minimal", "no …_desc-preproc_bold.nii.gz among 0 BOLD files"),
        ("resampling", "only single echoes (1, 2, 3); --echo-id chooses"),
    ],
)
def test_a_level_without_bold_series_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str, words: str
) -> None:
    root = write_layout(f"fmriprep_25_{level}", tmp_path / "fmriprep")
    atlas = write_atlas(tmp_path / f"slabs_{MNI}_dseg.nii.gz")
    assert run_app(root, tmp_path / "out", "--atlas", f"Slabs={atlas}") == 18
    message = capsys.readouterr().err
    assert words in message
    assert "with --level minimal or resampling" in message
    assert "run it again with --level full, and with this folder for -d" in message


def test_single_echoes_of_level_resampling_have_no_confounds(tmp_path: Path) -> None:
    root = write_layout("fmriprep_25_resampling", tmp_path / "fmriprep")
    atlas = write_atlas(tmp_path / f"slabs_{MNI}_dseg.nii.gz")
    out, run = tmp_path / "out", "sub-01/func/sub-01_task-rest_run-01"
    options = ("--echo-id", "1", "--atlas-space", "native", "--denoise", "none")
    assert run_app(root, out, "--atlas", f"Slabs={atlas}", *options) == 0
    bold = f"{run}_echo-1_desc-preproc_bold.nii.gz"
    assert read_files(out) == {
        f"preprocessed:{bold}",
        f"preprocessed:{run}_desc-brain_mask.nii.gz",
    }
    (found,) = out.rglob("*_timeseries.tsv")
    np.testing.assert_allclose(series(found), means(root / bold), rtol=1e-6)
