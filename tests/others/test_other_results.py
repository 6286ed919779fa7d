"""The group level over folders of XCP-D and giga_connectome, against numpy and statsmodels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from other_trees import NAMES, NETWORKS, SUBJECTS, dataset, describe, giga, xcpd

from bids_labelx.app.cli import main

KEY = "group_task-rest_space-MNI152NLin6Asym_atlas-Own_meas-correlation_desc-36P"


def group(folder: Path, results: Path, *options: str) -> int:
    raw = folder / "raw"
    if not raw.exists():
        dataset(raw)
    return main(
        [
            *(str(raw), str(folder / "out"), "group", "--results", str(results), *options),
            *("--permutations", "0", "--report-figures", "none"),
        ]
    )


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a")


def matrix(path: Path) -> np.ndarray:
    return pd.read_csv(path, sep="\t", index_col=0).to_numpy(float)


def fisher_z(folder: Path, key: str, run: str = "") -> np.ndarray:
    """Of all participants in XCP-D's own matrices, shape (participants, regions, regions)."""
    name = f"sub-*_task-rest{run}_space-*_{key}-Own_stat-pearsoncorrelation_relmat.tsv"
    read = []
    for sub in SUBJECTS:
        path = next((folder / f"sub-{sub}" / "func").glob(name))
        r = pd.read_csv(path, sep="\t", index_col="Node").to_numpy(float).copy()
        np.fill_diagonal(r, np.nan)
        read.append(np.arctanh(r))
    return np.array(read)


def mean_fd(folder: Path) -> np.ndarray:
    return np.array(
        [
            table(folder / f"sub-{sub}/func/sub-{sub}_task-rest_motion.tsv")[
                "framewise_displacement"
            ].mean()
            for sub in SUBJECTS
        ]
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("version", "key"), [("0.14.1", "seg"), ("26.1.1", "atlas")])
def test_mean_and_qcfc_of_xcpd_equal_numpy(tmp_path: Path, version: str, key: str) -> None:
    results = xcpd(tmp_path / "xcpd", version)
    assert group(tmp_path, results) == 0
    z, fd = fisher_z(results, key), mean_fd(results)
    mean = matrix(tmp_path / "out" / f"{KEY}_stat-mean_relmat.tsv")
    found = matrix(tmp_path / "out" / f"{KEY}_stat-qcfc_relmat.tsv")
    for i, j in zip(*np.triu_indices(len(NAMES), 1), strict=True):
        known = np.isfinite(z[:, i, j])
        assert known.sum() == (11 if j == 4 else 12)
        np.testing.assert_allclose(mean[i, j], z[known, i, j].mean(), rtol=1e-6)
        np.testing.assert_allclose(
            found[i, j], np.corrcoef(z[known, i, j], fd[known])[0, 1], rtol=1e-6
        )


def test_model_of_xcpd_equals_statsmodels(tmp_path: Path) -> None:
    api = pytest.importorskip("statsmodels.api")
    results = xcpd(tmp_path / "xcpd")
    assert group(tmp_path, results, "--model", "age + site", "--contrast", "age") == 0
    z = fisher_z(results, "atlas")[:, 0, 2]
    people = table(tmp_path / "raw" / "participants.tsv")
    design = api.add_constant(
        np.column_stack([people["age"], people["site"] == "b"]).astype(float)
    )
    expected = api.OLS(z, design).fit().tvalues[1]
    found = matrix(tmp_path / "out" / f"{KEY}_model-A_contrast-age_stat-t_relmat.tsv")
    np.testing.assert_allclose(found[0, 2], expected, rtol=1e-6)


def test_regions_have_values_and_networks_of_the_atlas_by_name(tmp_path: Path) -> None:
    assert group(tmp_path, xcpd(tmp_path / "xcpd")) == 0
    found = table(tmp_path / "out" / "group_atlas-Own_coverage.tsv")
    assert found["index"].tolist() == [10, 20, 30, 40, 50]
    assert found["name"].tolist() == NAMES
    assert found["network"].tolist() == NETWORKS
    assert found["lost_in_runs"].tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_allclose(found["mean_coverage"], [1, 0.9, 1, 0.75, (11 + 0.25) / 12])


def test_figures_of_xcpd_are_those_of_its_tables_and_the_rest_is_na(tmp_path: Path) -> None:
    results = xcpd(tmp_path / "xcpd")
    assert group(tmp_path, results) == 0
    found = table(tmp_path / "out" / "group_qc.tsv")
    np.testing.assert_allclose(found["mean_fd"], mean_fd(results), rtol=1e-6)
    kept = [
        60 - table(results / f"sub-{sub}/func/sub-{sub}_task-rest_outliers.tsv").sum().item()
        for sub in SUBJECTS
    ]
    assert found["volumes_kept"].tolist() == kept
    assert (found["volumes"] == 60).all()
    assert (found["strategy"] == "36P").all()
    for column in ("degrees_of_freedom", "effective_degrees_of_freedom", "mean_tsnr"):
        assert found[column].isna().all()


def test_interpolated_series_count_without_their_censored_volumes(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    results = xcpd(tmp_path / "xcpd", interpolated=True)
    assert group(tmp_path, results, "--parquet") == 0
    regions = pd.read_parquet(tmp_path / "out" / "group_regions.parquet")
    func = results / "sub-12" / "func"
    series = table(next(func.glob("*_timeseries.tsv")))
    kept = table(next(func.glob("*_outliers.tsv")))["framewise_displacement"] == 0
    assert not kept.all()
    own = regions[regions["participant_id"] == "sub-12"]
    np.testing.assert_allclose(own["mean"], series[kept].mean(), rtol=1e-6)


def test_concatenated_runs_do_not_count_beside_their_runs(tmp_path: Path) -> None:
    results = xcpd(tmp_path / "xcpd", "0.14.1", runs=("1", "2"))
    assert group(tmp_path, results) == 0
    assert len(table(tmp_path / "out" / "group_qc.tsv")) == 2 * len(SUBJECTS)
    both = [fisher_z(results, "seg", f"_run-{run}")[:, 0, 1] for run in (1, 2)]
    found = matrix(tmp_path / "out" / f"{KEY}_stat-mean_relmat.tsv")[0, 1]
    np.testing.assert_allclose(found, np.mean(both), rtol=1e-6)


def test_mean_of_giga_connectome_equals_numpy(tmp_path: Path) -> None:
    results = giga(tmp_path / "giga")
    assert group(tmp_path, results) == 0
    stem = "ses-1_task-rest_atlas-Schaefer20185Parcels_meas-correlation_desc-Scrubbing2"
    found = matrix(tmp_path / "out" / f"group_{stem}_stat-mean_relmat.tsv")
    paths = sorted(results.rglob("*_desc-denoiseScrubbing.2_relmat.tsv"))
    r = np.array([table(path).to_numpy(float) for path in paths])
    above = np.triu_indices(5, 1)
    np.testing.assert_allclose(found[above], np.arctanh(r).mean(axis=0)[above], rtol=1e-5)
    quality = table(tmp_path / "out" / "group_qc.tsv")
    assert set(quality["strategy"]) == {"Simple", "Scrubbing.2"}
    assert (quality["volumes"] == 70).all()
    assert (quality["volumes_kept"] == 60).all()
    assert quality["min_coverage"].isna().all()
    described = sorted(results.rglob("*Simple_timeseries.json"))
    fd = [json.loads(path.read_text())["MeanFramewiseDisplacement"] for path in described]
    np.testing.assert_allclose(quality.loc[quality["strategy"] == "Simple", "mean_fd"], fd)


def test_page_methods_and_description_say_whose_results_they_are(tmp_path: Path) -> None:
    results = giga(tmp_path / "giga")
    assert group(tmp_path, results) == 0
    methods = (tmp_path / "out" / "logs" / "CITATION_group.md").read_text()
    assert "by giga_connectome 0.6.0 (Wang et al., 2025)" in methods
    assert "giga_connectome 0.6.0" in (tmp_path / "out" / "group.html").read_text()
    about = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert about["DatasetLinks"] == {"results": results.as_uri()}


def test_places_of_regions_that_stand_in_for_names_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group(tmp_path, giga(tmp_path / "giga")) == 0
    assert "names no regions: those of Schaefer20185Parcels" in capsys.readouterr().err


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    results = xcpd(tmp_path / "xcpd")
    before = files_of(results)
    assert group(tmp_path, results) == 0
    assert files_of(results) == before
    assert not [one for one in (tmp_path / "out").iterdir() if one.name.startswith("sub-")]


def test_missing_coverage_fails_its_run_by_name_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = xcpd(tmp_path / "xcpd")
    gone = next((results / "sub-05" / "func").glob("*_stat-coverage_bold.tsv"))
    gone.unlink()
    assert group(tmp_path, results) == 1
    assert f"{gone}: is not there" in capsys.readouterr().err
    found = table(tmp_path / "out" / "group_qc.tsv")
    assert found.loc[found["state"] != "done", "participant_id"].tolist() == ["sub-05"]


def test_another_size_of_an_atlas_is_named_with_its_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = giga(tmp_path / "giga")
    paths = sorted(results.glob("sub-04/ses-1/func/*.tsv"))
    for path in paths:
        own = table(path).iloc[:, :4]
        (own.iloc[:4] if "relmat" in path.name else own).to_csv(path, sep="\t", index=False)
    assert group(tmp_path, results) == 1
    told = capsys.readouterr().err
    named = [path for path in paths if "denoiseSimple_relmat" in path.name]
    assert f"{named[0]}: not the labels of" in told
    assert "make it again with giga_connectome" in told
    assert "participant level" not in told


def test_regions_that_strategies_of_a_run_do_not_share_fail_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = giga(tmp_path / "giga")
    path = next(results.glob("sub-04/ses-1/func/*denoiseSimple_timeseries.tsv"))
    table(path).assign(**{"2": 0.0}).to_csv(path, sep="\t", index=False)
    assert group(tmp_path, results) == 1
    assert "regions without a signal are others" in capsys.readouterr().err


def test_broken_matrix_is_named_as_the_program_calls_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = xcpd(tmp_path / "xcpd")
    path = next((results / "sub-02" / "func").glob("*_relmat.tsv"))
    path.write_text(path.read_text().replace("\t1.0\t", "\t3.0\t", 1))
    assert group(tmp_path, results) == 1
    told = capsys.readouterr().err
    assert f"sub-02/func/{path.name}: 3 between" in told
    assert "participant level" not in told


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("xcp_d", "27.0.0", "written by XCP-D 27.0.0; --results reads versions 0.10 to 0.14"),
        ("giga_connectome", "0.4.1", "older ones write HDF5"),
        ("fMRIPrep", "25.0.0", "says fMRIPrep; --results reads folders of XCP-D"),
        ("bids_labelx", "0.1.0", "what bids_labelx wrote is OUTPUT_DIR itself"),
    ],
)
def test_other_programs_and_versions_are_refused_by_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, version: str, said: str
) -> None:
    describe(tmp_path / "theirs", name, version)
    assert group(tmp_path, tmp_path / "theirs") == 65
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("group*"))


def test_folder_without_a_matrix_is_refused(tmp_path: Path) -> None:
    results = xcpd(tmp_path / "xcpd")
    shutil.rmtree(results / "sub-01")
    for path in results.rglob("*_relmat.tsv"):
        path.unlink()
    assert group(tmp_path, results) == 18


def test_folder_that_is_the_output_folder_is_refused(tmp_path: Path) -> None:
    xcpd(tmp_path / "out")
    assert group(tmp_path, tmp_path / "out") == 64
