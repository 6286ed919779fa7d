"""The demo is worth showing only if its answer is right: checked against nilearn and by hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from nilearn.image import resample_to_img
from nilearn.interfaces.fmriprep import load_confounds_strategy
from nilearn.maskers import NiftiLabelsMasker

from bids_labelx.app.simulate import Demo, simulate

UPPER = np.triu_indices(12, k=1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return simulate(tmp_path_factory.mktemp("demo"))


def bold_files(demo: Demo) -> list[Path]:
    return sorted(demo.dataset.rglob("*_desc-preproc_bold.nii.gz"))


def beside(bold: Path, ending: str) -> Path:
    return bold.with_name(bold.name.replace("desc-preproc_bold.nii.gz", ending))


def confounds_of(bold: Path) -> pd.DataFrame:
    stem = bold.name.split("_space-")[0]
    return pd.read_csv(bold.with_name(f"{stem}_desc-confounds_timeseries.tsv"), sep="\t")


def atlas_image(demo: Demo) -> Path:
    return next(demo.atlas_dataset.rglob("*_dseg.nii.gz"))


def atlas_table(demo: Demo) -> pd.DataFrame:
    return pd.read_csv(next(demo.atlas_dataset.rglob("*_dseg.tsv")), sep="\t")


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_data(
    demo: Demo, tmp_path: Path
) -> None:
    first = digests(demo.dataset.parent)
    simulate(tmp_path / "again")
    assert digests(tmp_path / "again") == first
    simulate(tmp_path / "other", seed=1)
    other = digests(tmp_path / "other")
    assert other.keys() == first.keys()
    changed = {name for name in first if other[name] != first[name]}
    random = (
        *("preproc_bold.nii.gz", "boldref.nii.gz", "confounds_timeseries.tsv"),
        "bold.dtseries.nii",
    )
    assert changed == {name for name in first if name.endswith(random)}


def test_gzip_headers_hold_neither_time_nor_file_name(demo: Demo) -> None:
    for path in demo.dataset.parent.rglob("*.nii.gz"):
        header = path.read_bytes()[:10]
        assert header[3] & 0b1000 == 0  # FNAME flag of RFC 1952
        assert header[4:8] == bytes(4)  # MTIME


def test_a_negative_seed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        simulate(tmp_path / "demo", seed=-1)
    assert not (tmp_path / "demo").exists()


def test_it_is_small_and_has_retests_and_a_repeated_run(demo: Demo) -> None:
    size = sum(path.stat().st_size for path in demo.dataset.parent.rglob("*") if path.is_file())
    assert size < 110e6
    assert [path.name.split("_space-")[0] for path in bold_files(demo)] == [
        "sub-01_ses-post_task-rest",
        "sub-01_ses-pre_task-rest_run-1",
        "sub-01_ses-pre_task-rest_run-2",
        "sub-02_ses-post_task-rest",
        "sub-02_ses-pre_task-rest",
        *(f"sub-{i:02d}_ses-pre_task-rest" for i in range(3, 9)),
        *(f"sub-{i:02d}_ses-{s}_task-rest" for i in range(9, 17) for s in ("post", "pre")),
    ]


def test_groups_and_scanners_are_crossed_and_move_alike(demo: Demo) -> None:
    table = pd.read_csv(demo.dataset / "participants.tsv", sep="\t", index_col=0)
    own = table.loc["sub-09":]  # type: ignore[misc]
    assert own.value_counts().tolist() == [2] * 4
    assert set(table.loc[:"sub-08"].itertuples(index=False, name=None)) == {("control", "A")}
    fd = {
        path.name[:6]: confounds_of(path)["framewise_displacement"].mean()
        for path in bold_files(demo)
        if "ses-pre" in path.name
    }
    moved = own.assign(fd=pd.Series(fd))
    for column in ("group", "scanner"):
        one, other = moved.groupby(column)["fd"].mean()
        assert one == pytest.approx(other, rel=0.15)


def test_patients_differ_between_two_networks_and_nowhere_else(demo: Demo) -> None:
    truth = pd.read_csv(demo.truth, sep="\t", index_col=0)
    patients = pd.read_csv(demo.truth_of_patients, sep="\t", index_col=0)
    assert np.linalg.eigvalsh(patients.to_numpy()).min() > 0
    network = atlas_table(demo).set_index("name")["network"]
    for (one, other), difference in (patients - truth).stack().items():
        between = {network[one], network[other]} == {"Visual", "Default"}
        assert difference == pytest.approx(0.5 if between else 0)


def test_individuals_keep_their_correlations_from_session_to_session(demo: Demo) -> None:
    """Series made by nilearn, of the volumes without a jerk."""
    edges = {}
    for bold in bold_files(demo):
        if bold.name[:6] < "sub-09":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            confounds, sample_mask = load_confounds_strategy(
                str(bold), "scrubbing", fd_threshold=0.5, std_dvars_threshold=None
            )
        masker = NiftiLabelsMasker(
            str(atlas_image(demo)), resampling_target="data", standardize=None
        )
        series = masker.fit_transform(str(bold), confounds=confounds, sample_mask=sample_mask)
        edges[bold.name[:6], "_ses-pre_" in bold.name] = np.corrcoef(series.T)[UPPER]
    people = sorted({subject for subject, _ in edges})
    first, second = (np.array([edges[one, pre] for one in people]) for pre in (True, False))
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    r = np.corrcoef(first, second)[: len(people), len(people) :]
    assert np.diag(r).mean() > 0.5
    # By chance, one of eight would be found.
    for axis in (0, 1):
        assert (r.argmax(axis=axis) == np.arange(len(people))).sum() >= 6


@pytest.mark.parametrize("dataset", ["dataset", "atlas_dataset"])
def test_bids_validator_finds_no_error(demo: Demo, dataset: str) -> None:
    validator = Path(sys.executable).with_name("bids-validator-deno")
    command = [validator, getattr(demo, dataset), "--ignoreWarnings"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_one_session_has_its_timing_only_by_inheritance(demo: Demo) -> None:
    root = next(demo.dataset.glob("task-rest_*_bold.json"))
    assert json.loads(root.read_text()) == {"RepetitionTime": 2.0, "TaskName": "rest"}
    without = []
    for bold in bold_files(demo):
        sidecar = json.loads(beside(bold, "desc-preproc_bold.json").read_text())
        assert sidecar["SkullStripped"] is False
        if "RepetitionTime" not in sidecar and "TaskName" not in sidecar:
            without.append(bold.name.split("_task-")[0])
    assert without == ["sub-02_ses-post"]


def test_the_header_says_seconds_and_asks_for_scaling(demo: Demo) -> None:
    for path in bold_files(demo):
        image = nib.load(path)
        assert image.get_data_dtype() == np.int16
        assert image.header.get_xyzt_units() == ("mm", "sec")
        assert image.header.get_zooms()[3] == 2.0
        assert image.shape[3] == 200
        assert image.dataobj.slope != 1


def test_atlas_table_and_image_hold_the_same_twelve_scattered_labels(demo: Demo) -> None:
    table = atlas_table(demo)
    values = np.unique(np.asarray(nib.load(atlas_image(demo)).dataobj))
    assert set(values) - {0} == set(table["index"])
    assert len(table) == 12
    assert table["index"].max() > 12
    assert table["name"].is_unique
    assert table["network"].value_counts().tolist() == [4, 4, 4]
    truth = pd.read_csv(demo.truth, sep="\t", index_col=0)
    assert truth.index.tolist() == truth.columns.tolist() == table["name"].tolist()


def test_the_truth_is_a_correlation_matrix_with_strong_networks(demo: Demo) -> None:
    truth = pd.read_csv(demo.truth, sep="\t", index_col=0).to_numpy()
    np.testing.assert_array_equal(truth, truth.T)
    np.testing.assert_array_equal(np.diag(truth), 1)
    assert np.linalg.eigvalsh(truth).min() > 0
    network = atlas_table(demo)["network"].to_numpy()
    same = (network[:, None] == network)[UPPER]
    assert truth[UPPER][same].min() >= 0.6
    assert np.abs(truth[UPPER][~same]).max() <= 0.2


def test_every_region_has_many_voxels_on_the_bold_grid_and_most_of_them_in_the_mask(
    demo: Demo,
) -> None:
    bold = bold_files(demo)[0]
    labels = resample_to_img(
        str(atlas_image(demo)), nib.load(bold).slicer[..., 0], interpolation="nearest"
    ).get_fdata()
    mask = nib.load(beside(bold, "desc-brain_mask.nii.gz")).get_fdata() > 0
    for index in atlas_table(demo)["index"]:
        region = labels == index
        assert region.sum() > 100
        assert mask[region].mean() > 0.8


def test_confounds_are_tissue_means_of_the_image_beside_them(demo: Demo) -> None:
    for bold in bold_files(demo):
        data = nib.load(bold).get_fdata()
        mask = nib.load(beside(bold, "desc-brain_mask.nii.gz")).get_fdata() > 0
        subject = bold.name[:6]
        tissue = nib.load(next((demo.dataset / subject / "anat").glob("*_dseg.nii.gz")))
        numbers = tissue.get_fdata()
        table = confounds_of(bold)
        np.testing.assert_allclose(table["csf"], data[numbers == 3].mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(
            table["white_matter"], data[numbers == 2].mean(axis=0), rtol=1e-9
        )
        np.testing.assert_allclose(table["global_signal"], data[mask].mean(axis=0), rtol=1e-9)


def test_framewise_displacement_is_that_of_power_2012(demo: Demo) -> None:
    for bold in bold_files(demo):
        table = confounds_of(bold)
        assert np.isnan(table["framewise_displacement"][0])
        for row in range(1, len(table)):
            moved = 0.0
            for axis in "xyz":
                trans, rot = table[f"trans_{axis}"], table[f"rot_{axis}"]
                moved += abs(trans[row] - trans[row - 1]) + 50 * abs(rot[row] - rot[row - 1])
            assert table["framewise_displacement"][row] == pytest.approx(moved, rel=1e-6)
        assert 2 <= (table["framewise_displacement"] > 0.5).sum() <= 40  # something to censor


def test_dvars_is_the_root_mean_square_of_changes_in_the_brain(demo: Demo) -> None:
    bold = bold_files(demo)[0]
    data = nib.load(bold).get_fdata()
    mask = nib.load(beside(bold, "desc-brain_mask.nii.gz")).get_fdata() > 0
    table = confounds_of(bold)
    assert np.isnan(table["dvars"][0])
    for row in (1, 2, 77, 199):
        change = data[..., row][mask] - data[..., row - 1][mask]
        assert table["dvars"][row] == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-9)
    assert table["std_dvars"][2:].median() == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("name", ["csf", "white_matter", "global_signal", "trans_y", "rot_z"])
def test_derivatives_and_squares_follow_from_their_column(demo: Demo, name: str) -> None:
    table = confounds_of(bold_files(demo)[0])
    derivative = table[name].diff()
    tolerance = 1e-9 * table[name].abs().max()  # ten digits are written
    np.testing.assert_allclose(table[f"{name}_derivative1"], derivative, atol=3 * tolerance)
    np.testing.assert_allclose(table[f"{name}_power2"], table[name] ** 2, rtol=1e-6)
    np.testing.assert_allclose(
        table[f"{name}_derivative1_power2"], derivative**2, rtol=1e-3, atol=tolerance
    )


def test_missing_first_rows_are_written_as_n_a(demo: Demo) -> None:
    path = next(demo.dataset.rglob("*_desc-confounds_timeseries.tsv"))
    text = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = {column for column in text if text[column][0] == "n/a"}
    assert missing == {
        column
        for column in text
        if "derivative1" in column or "dvars" in column or column == "framewise_displacement"
    }
    assert not text.iloc[1:].isin(["n/a", ""]).to_numpy().any()


def test_cosines_are_orthonormal_and_no_faster_than_128_seconds(demo: Demo) -> None:
    table = confounds_of(bold_files(demo)[0])
    cosines = table.filter(regex=r"^cosine\d\d$").to_numpy()
    # k half periods in 396 s of steady state: 2 * 396 / k >= 128 for k up to 6
    assert cosines.shape[1] == 6
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(6), atol=1e-8)
    np.testing.assert_allclose(cosines.sum(axis=0), 0, atol=1e-8)
    crossings = (np.diff(np.sign(cosines[2:]), axis=0) != 0).sum(axis=0)
    assert crossings.tolist() == [1, 2, 3, 4, 5, 6]


def test_the_first_two_volumes_are_brighter_and_flagged(demo: Demo) -> None:
    for bold in bold_files(demo):
        table = confounds_of(bold)
        signal = table["global_signal"]
        usual = signal[2:].median()
        assert signal[0] > signal[2:].max() * 1.1
        assert signal[0] > signal[1] > usual * 1.05
        flags = table.filter(like="non_steady_state_outlier").to_numpy()
        np.testing.assert_array_equal(flags, np.eye(200)[:, :2])


@pytest.fixture(scope="module")
def correlations(demo: Demo) -> dict[str, list[npt.NDArray[np.float64]]]:
    """Matrices of nilearn, one per run: not cleaned, without the first volumes, cleaned.

    Of the subjects that do not jerk, whose artefacts the regressors follow.
    """
    found: dict[str, list[npt.NDArray[np.float64]]] = {"raw": [], "steady": [], "clean": []}
    for bold in bold_files(demo)[:5]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the names and columns must please nilearn
            confounds, sample_mask = load_confounds_strategy(str(bold), "simple")
        masker = NiftiLabelsMasker(
            str(atlas_image(demo)),
            mask_img=str(beside(bold, "desc-brain_mask.nii.gz")),
            resampling_target="data",
            standardize=None,
        )
        raw = masker.fit_transform(str(bold))
        clean = masker.transform(str(bold), confounds=confounds, sample_mask=sample_mask)
        assert confounds.shape == (200, 24 + 2 + 6)
        assert clean.shape == (198, 12)
        for key, series in (("raw", raw), ("steady", raw[2:]), ("clean", clean)):
            found[key].append(np.corrcoef(series.T))
    return found


def errors(demo: Demo, matrices: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    truth = pd.read_csv(demo.truth, sep="\t", index_col=0).to_numpy()
    return np.array([np.abs(matrix - truth)[UPPER] for matrix in matrices])


def test_nilearn_finds_the_truth_after_cleaning(
    demo: Demo, correlations: dict[str, list[npt.NDArray[np.float64]]]
) -> None:
    clean = errors(demo, correlations["clean"])
    assert clean.mean() < 0.08
    assert clean.max() < 0.3
    over_runs = errors(demo, [np.mean(correlations["clean"], axis=0)])
    assert over_runs.mean() < 0.04
    assert over_runs.max() < 0.12


@pytest.mark.parametrize("without_cleaning", ["raw", "steady"])
def test_nilearn_is_far_from_the_truth_without_cleaning(
    demo: Demo,
    correlations: dict[str, list[npt.NDArray[np.float64]]],
    without_cleaning: str,
) -> None:
    clean = errors(demo, correlations["clean"]).mean(axis=1)
    wrong = errors(demo, correlations[without_cleaning]).mean(axis=1)
    assert (wrong > 5 * clean).all()
