"""The participant level on a tiny dataset: what is written, and what a failure does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure
from scipy import ndimage
from tiny import N_VOLUMES, confounds_table

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import MissingInputError, NoRunsError
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.outputs.failures import read_failures
from bids_labelx.participant.finished import this_invocation
from bids_labelx.participant.plan import make_plan
from bids_labelx.pictures.packing import read_script
from bids_labelx.settings import Settings, make_settings, read_options
from bids_labelx.workflow.graph import init_bids_labelx_wf

AddRun = Callable[..., Path]
STEM = "sub-01_task-rest_space-MNI152NLin2009cAsym_atlas-Slabs"


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    given = {
        "output_dir": root.parent / "out",
        "denoise": ("none", "simple"),
        "nprocs": 1,
        **options,
    }
    return Settings(
        bids_dir=root, analysis_level="participant", atlas_dataset=atlas_dataset, **given
    )


def files(folder: Path) -> dict[str, bytes]:
    """All outputs but logs and reports."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.suffix != ".html"
    }


@pytest.mark.figures
def test_all_files_of_the_design_are_written_and_no_other(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 0
    series = [f"{STEM}_stat-mean_desc-{d}_timeseries" for d in ("raw", "simple")]
    matrices = [f"{STEM}_stat-mean_meas-correlation_desc-{d}_relmat" for d in ("raw", "simple")]
    func = [f"{STEM}_dseg.nii.gz", f"{STEM}_dseg.tsv", f"{STEM}_dseg.json"]
    func += [f"{name}.{kind}" for name in series + matrices for kind in ("tsv", "json")]
    for end in (".tsv", ".json"):
        func += [f"sub-01_task-rest_desc-{d}_outliers{end}" for d in ("raw", "simple")]
    wanted = {f"sub-01/func/{name}" for name in func}
    pages = [f"{STEM}_report.js", f"{STEM}_stat-mean_report.js"]
    pages += [f"{STEM}_stat-mean_desc-{d}_report.js" for d in ("raw", "simple")]
    pages += [f"sub-01_task-rest_desc-{d}_report.js" for d in ("raw", "simple")]
    wanted |= {f"sub-01/figures/{name}" for name in pages}
    shared = ("d3.min.js", "plot.min.js", "page.js", "page.css")
    wanted |= {f"report/{name}" for name in (*shared, "LICENSE-d3.txt", "LICENSE-plot.txt")}
    wanted |= {".bidsignore", "dataset_description.json"}
    wanted |= {"descriptions.tsv", "descriptions.json", "atlas-Slabs_description.json"}
    out = tmp_path / "out"
    assert set(files(out)) == wanted
    assert (out / "sub-01.html").is_file()
    logs = {path.name for path in (out / "logs").iterdir()}
    assert {"settings.toml", "CITATION.md"} < logs
    assert len([name for name in logs if name.endswith(".log")]) == 1


def test_nothing_that_draws_is_loaded_where_no_static_figure_is_asked_for(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    command = [sys.executable, "-X", "importtime", "-m", "bids_labelx", tmp_path / "ds"]
    command += [tmp_path / "out", "participant", "--atlas-dataset", atlas_dataset]
    # Its processes tell the modules that they load on the same stream.
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "bids_labelx.participant.pictures" in done.stderr
    assert "matplotlib" not in done.stderr
    done = subprocess.run(
        [*command, "--reports-only", "--report-figures", "all"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "matplotlib.figure" in done.stderr


def test_the_written_series_matrix_and_tables_say_the_same(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, labels: np.ndarray
) -> None:
    bold = add_run(tmp_path / "ds")
    run_participants(settings_for(tmp_path / "ds", atlas_dataset, denoise=("none",)))
    func = tmp_path / "out" / "sub-01" / "func"
    series = pd.read_csv(func / f"{STEM}_stat-mean_desc-raw_timeseries.tsv", sep="\t")
    data = nib.load(bold).get_fdata()
    inside = np.ones(labels.shape, bool)
    inside[0] = False
    assert series.columns.tolist() == ["nine", "two", "five"]
    for name, label in (("nine", 9), ("two", 2), ("five", 5)):
        expected = data[(labels == label) & inside].mean(axis=0)
        np.testing.assert_allclose(series[name], expected, rtol=1e-6)
    relmat = f"{STEM}_stat-mean_meas-correlation_desc-raw_relmat.tsv"
    matrix = pd.read_csv(func / relmat, sep="\t", index_col=0)
    assert matrix.index.tolist() == matrix.columns.tolist() == series.columns.tolist()
    np.testing.assert_allclose(matrix, np.corrcoef(series.T), atol=1e-6)
    image = nib.load(func / f"{STEM}_dseg.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.where(inside, labels, 0))
    table = pd.read_csv(func / f"{STEM}_dseg.tsv", sep="\t")
    assert table["voxels_covered"].tolist() == [
        int(((labels == i) & inside).sum()) for i in (9, 2, 5)
    ]
    assert table["network"].tolist() == ["b", "a", "a"]


def test_the_sidecar_says_what_was_done(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    run_participants(settings_for(tmp_path / "ds", atlas_dataset))
    func = tmp_path / "out" / "sub-01" / "func"
    sidecar = json.loads((func / f"{STEM}_stat-mean_desc-simple_timeseries.json").read_text())
    assert sidecar["RepetitionTime"] == 2.0
    assert sidecar["SamplingFrequency"] == 0.5
    assert sidecar["NumberOfVolumes"] == N_VOLUMES
    assert sidecar["NumberOfVolumesKept"] == N_VOLUMES - 1
    assert sidecar["SampleMask"] == [False] + [True] * (N_VOLUMES - 1)
    assert len(sidecar["ConfoundRegressors"]) == 27
    assert sidecar["DegreesOfFreedom"] < N_VOLUMES - 1
    prefix = "bids:preprocessed:sub-01/func/sub-01_task-rest_"
    assert f"{prefix}space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz" in sidecar["Sources"]
    assert f"{prefix}desc-confounds_timeseries.tsv" in sidecar["Sources"]
    relmat = f"{STEM}_stat-mean_meas-correlation_desc-simple_relmat.json"
    matrix = json.loads((func / relmat).read_text())
    assert matrix["RelationshipMeasure"] == "Pearson correlation"
    assert matrix["DegreesOfFreedom"] == sidecar["DegreesOfFreedom"]
    links = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert links["DatasetLinks"]["preprocessed"] == (tmp_path / "ds").as_uri()


@pytest.mark.figures
def test_figures_of_cleaned_voxels_are_those_of_regions(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    run_participants(settings)
    voxels = replace(settings, clean_level="voxel", output_dir=tmp_path / "voxels")
    assert run_participants(voxels) == 0
    one, other = (
        {path.name for path in (root / "sub-01" / "figures").iterdir()}
        for root in (settings.output_dir, voxels.output_dir)
    )
    assert one == other


@pytest.mark.figures
def test_reports_only_writes_the_same_pages_again_from_what_is_there(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(tmp_path / "ds")
    bold = add_run(tmp_path / "ds", "sub-02_task-rest")
    bold.write_bytes(bold.read_bytes()[:-500])
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    out = tmp_path / "out"
    before = {name: (out / name).read_bytes() for name in ("sub-01.html", "sub-02.html")}
    others = files(out)
    for path in (*out.glob("*.html"), *(tmp_path / "ds" / "sub-01").rglob("*.nii.gz")):
        path.unlink()
    again = make_settings(
        {
            "bids_dir": tmp_path / "ds",
            "output_dir": out,
            "analysis_level": "participant",
            "reports_only": True,
        }
    )
    assert run_participants(again) == 0
    assert {name: (out / name).read_bytes() for name in before} == before
    assert files(out) == others
    assert "2 reports: " in capsys.readouterr().err
    (out / "sub-01.html").unlink()
    assert run_participants(replace(again, participant_label=("02",))) == 0
    assert not (out / "sub-01.html").exists()


def test_reports_only_says_what_is_not_there(tmp_path: Path, add_run: AddRun) -> None:
    add_run(tmp_path / "ds")
    settings = Settings(tmp_path / "ds", tmp_path / "out", "participant", reports_only=True)
    with pytest.raises(MissingInputError, match="run without --reports-only"):
        run_participants(settings)
    (tmp_path / "out").mkdir()
    with pytest.raises(NoRunsError, match="nothing of any participant"):
        run_participants(settings)
    with pytest.raises(NoRunsError, match=r"-label 09: not in .*without --reports-only"):
        run_participants(replace(settings, participant_label=("09",)))


def test_the_report_says_how_it_was_made_and_what_differs_from_the_defaults(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(tmp_path / "ds")
    monkeypatch.setattr("sys.argv", ["bids_labelx", "in", "out", "participant"])
    run_participants(settings_for(tmp_path / "ds", atlas_dataset, min_coverage=0.25))
    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "--min-coverage 0.25\n--denoise none simple" in page
    assert "--nprocs" not in page
    assert "<dd>bids_labelx in out participant</dd>" in page
    assert f"numpy {np.__version__}" in page
    assert re.search(r"<dt>Last run finished</dt><dd>20[-0-9]+ [:0-9]+ UTC</dd>", page)
    assert "Duration of each step (s)" in page
    assert "6 × 5 × 4 voxels of " in page


def test_the_report_of_a_broken_run_shows_the_traceback(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    bold = add_run(tmp_path / "ds")
    bold.write_bytes(bold.read_bytes()[:-500])
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "<summary>Traceback</summary>" in page
    assert "Traceback (most recent call last)" in page
    assert str(tmp_path / "ds") not in page.split("Provenance")[0]


def test_settings_are_saved_and_come_back(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    run_participants(settings)
    saved = read_options(tmp_path / "out" / "logs" / "settings.toml")
    assert make_settings(saved) == settings


def test_what_was_found_while_planning_is_in_the_log_and_a_warning_on_the_terminal(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_run(tmp_path / "ds")
    (tmp_path / "db").mkdir()
    # A file where the kept index of all participants would have its folder.
    (tmp_path / "db" / "all").write_text("in the way")
    run_participants(
        settings_for(tmp_path / "ds", atlas_dataset, bids_database_dir=tmp_path / "db")
    )
    (log,) = (tmp_path / "out" / "logs").glob("*.log")
    assert "no index in" in log.read_text()
    assert "the index is not kept" in log.read_text()
    assert "warning: the index is not kept" in capsys.readouterr().err


def test_a_run_that_fails_does_not_stop_the_others(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    few = confounds_table(np.random.default_rng(0)).drop(columns=["trans_x", "rot_z"])
    add_run(root, "sub-02_task-rest", confounds=few)
    cut = add_run(root, "sub-03_task-rest")
    cut.write_bytes(cut.read_bytes()[:-9000])
    assert run_participants(settings_for(root, atlas_dataset, denoise=("simple",))) == 1
    out = tmp_path / "out"
    assert list((out / "sub-01" / "func").glob("*_timeseries.tsv"))
    assert not (out / "sub-02" / "func").exists()
    assert not (out / "sub-03" / "func").exists()
    message = capsys.readouterr().err
    assert "3 runs: 1 done, 0 partly done, 2 failed" in message
    assert "sub-02_task-rest_desc-confounds_timeseries.tsv" in message
    assert "missing: trans_x, rot_z" in message
    assert "truncated" in message
    assert "Traceback" not in message
    assert "trans_x, rot_z" in (out / "sub-02.html").read_text()
    assert "truncated" in (out / "sub-03.html").read_text()


def test_a_strategy_that_fails_is_named_and_the_other_is_written(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    few = confounds_table(np.random.default_rng(0)).drop(columns="csf")
    add_run(tmp_path / "ds", confounds=few)
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    out = tmp_path / "out"
    names = [path.name for path in (out / "sub-01" / "func").glob("*_timeseries.tsv")]
    assert names == [f"{STEM}_stat-mean_desc-raw_timeseries.tsv"]
    page = (out / "sub-01.html").read_text()
    assert "needs columns that are missing: csf" in page


def test_a_mistake_in_our_own_code_fails_its_run_with_a_reason(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_run(tmp_path / "ds")

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("bids_labelx.participant.denoise_run.denoise_signals", broken)
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    assert "ZeroDivisionError: oh" in capsys.readouterr().err


@pytest.mark.figures
def test_every_number_of_processes_gives_the_same_bytes(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    for i in range(3):
        add_run(tmp_path / "ds", f"sub-0{i}_task-rest", seed=i)
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    run_participants(settings)
    before = files(tmp_path / "out")
    assert len(before) > 3 * 20
    # What is finished is not done again in the same folder.
    two = settings_for(tmp_path / "ds", atlas_dataset, nprocs=2, output_dir=tmp_path / "two")
    assert run_participants(two) == 0
    assert files(tmp_path / "two") == before


def test_a_work_folder_is_kept_and_a_second_start_writes_lost_outputs_again(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset, work_dir=tmp_path / "work")
    run_participants(settings)
    before = files(tmp_path / "out")
    node = next((tmp_path / "work").rglob("label_reduce/result_label_reduce.pklz"))
    made = node.stat().st_mtime_ns
    for path in (tmp_path / "out" / "sub-01" / "func").iterdir():
        path.unlink()
    run_participants(settings)
    assert files(tmp_path / "out") == before
    assert node.stat().st_mtime_ns == made


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_voxels_cleaned_first_have_the_same_mean_and_another_median(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, statistic: str
) -> None:
    add_run(tmp_path / "ds")
    read = {}
    for level in ("region", "voxel"):
        settings = settings_for(
            tmp_path / "ds",
            atlas_dataset,
            output_dir=tmp_path / level,
            work_dir=tmp_path / "work",
            clean_level=level,
            statistic=(statistic,),
        )
        assert run_participants(settings) == 0
        stem = tmp_path / level / "sub-01" / "func" / f"{STEM}_stat-{statistic}_desc-simple"
        read[level] = pd.read_csv(f"{stem}_timeseries.tsv", sep="\t")
        sidecar = json.loads(Path(f"{stem}_timeseries.json").read_text())
        assert sidecar["CleanLevel"] == level
    assert set(files(tmp_path / "voxel")) == set(files(tmp_path / "region"))
    same = np.allclose(read["voxel"], read["region"], rtol=1e-6, equal_nan=True)
    assert same == (statistic == "mean")
    # Nothing as large as the run stays in the work folder.
    assert not list((tmp_path / "work").rglob("voxels*"))
    assert "each labelled voxel" in (tmp_path / "voxel/logs/CITATION.md").read_text()


def test_voxels_at_unit_variance_are_so_for_the_strategies_that_denoise(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(
        tmp_path / "ds",
        atlas_dataset,
        clean_level="voxel",
        standardize_voxels=True,
        denoise=("none", "simple"),
    )
    assert run_participants(settings) == 0
    for desc, unit in (("raw", False), ("simple", True)):
        stem = settings.output_dir / "sub-01" / "func" / f"{STEM}_stat-mean_desc-{desc}"
        sidecar = json.loads(Path(f"{stem}_timeseries.json").read_text())
        assert sidecar["StandardizeVoxels"] is unit
        series = pd.read_csv(f"{stem}_timeseries.tsv", sep="\t").dropna(axis=1)
        np.testing.assert_array_equal(np.abs(series.mean()) < 1e-6, unit)
    assert "unit variance (n − 1)" in (settings.output_dir / "logs/CITATION.md").read_text()


def test_smoothed_regions_are_those_of_smoothed_volumes(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, labels: np.ndarray
) -> None:
    bold = nib.load(add_run(tmp_path / "ds"))
    settings = settings_for(tmp_path / "ds", atlas_dataset, denoise=("none",), smoothing_fwhm=6.0)
    assert run_participants(settings) == 0
    stem = tmp_path / "out" / "sub-01" / "func" / f"{STEM}_stat-mean_desc-raw_timeseries"
    found = pd.read_csv(f"{stem}.tsv", sep="\t")
    sigmas = 6.0 / np.sqrt(8 * np.log(2)) / np.array(bold.header.get_zooms()[:3])
    smooth = np.stack(
        [ndimage.gaussian_filter(v, sigmas) for v in np.moveaxis(bold.get_fdata(), 3, 0)]
    )
    inside = np.ones(labels.shape, bool)
    inside[0] = False
    for name, label in (("two", 2), ("five", 5), ("nine", 9)):
        expected = smooth[:, inside & (labels == label)].mean(axis=1)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    assert json.loads(Path(f"{stem}.json").read_text())["SmoothingFWHM"] == 6.0
    assert "6 mm FWHM" in (tmp_path / "out/logs/CITATION.md").read_text()


def test_the_graph_resamples_each_atlas_once_per_grid_and_names_its_nodes(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    for i in range(4):
        add_run(tmp_path / "ds", f"sub-0{i}_task-rest")
    settings = settings_for(tmp_path / "ds", atlas_dataset)
    plan = make_plan(settings)
    invocation = this_invocation(settings, plan)
    workflow = init_bids_labelx_wf(settings, plan, invocation, work_dir=tmp_path, records=tmp_path)
    names = [name.rpartition(".")[2] for name in workflow.list_node_names()]
    counts = {name: names.count(name) for name in names}
    assert counts["resample_atlas"] == 1
    for name in ("label_reduce", "clean_signal", "connectivity", "deliver"):
        assert counts[name] == 4


def test_without_connectivity_there_are_series_and_no_matrices(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    settings = settings_for(tmp_path / "ds", atlas_dataset, connectivity=("none",))
    assert run_participants(settings) == 0
    written = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len([name for name in written if name.endswith("_timeseries.tsv")]) == 2
    assert not [name for name in written if "relmat" in name]


def test_a_run_without_confounds_is_done_where_nothing_needs_them(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    add_run(tmp_path / "ds")
    next((tmp_path / "ds").rglob("*_desc-confounds_timeseries.tsv")).unlink()
    settings = settings_for(tmp_path / "ds", atlas_dataset, denoise=("none",))
    assert run_participants(settings) == 0
    assert run_participants(settings_for(tmp_path / "ds", atlas_dataset)) == 1
    assert "no confounds table" in (tmp_path / "out" / "sub-01.html").read_text()


def test_an_output_folder_that_cannot_be_made_is_an_error_of_its_own(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    from bids_labelx.errors import CannotWriteError

    add_run(tmp_path / "ds")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(CannotWriteError):
        run_participants(settings_for(tmp_path / "ds", atlas_dataset))


MEASURE_LABELS = ("correlation", "partialCorrelation", "covariance", "precision")


def share_a_signal(bold: Path) -> None:
    """Let all regions correlate, so that shrinkage leaves something of it."""
    image = nib.load(bold)
    common = np.random.default_rng(1).standard_normal(N_VOLUMES)
    nib.save(nib.Nifti1Image(image.get_fdata() + 5 * common, image.affine, image.header), bold)


def test_every_measure_has_its_matrix_with_names_and_lost_labels(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    share_a_signal(add_run(tmp_path / "ds"))
    settings = settings_for(
        tmp_path / "ds",
        atlas_dataset,
        denoise=("none",),
        connectivity=tuple(MEASURES),
        min_coverage=0.75,  # half of label 2 is outside of the mask
    )
    assert run_participants(settings) == 0
    func = tmp_path / "out" / "sub-01" / "func"
    series = pd.read_csv(func / f"{STEM}_stat-mean_desc-raw_timeseries.tsv", sep="\t")
    kept = series[["nine", "five"]].to_numpy()
    deviations = kept.std(axis=0, ddof=1)
    scored = (kept - kept.mean(axis=0)) / deviations
    partial, inverse = (
        ConnectivityMeasure(kind=kind).fit_transform([scored])[0]
        for kind in ("partial correlation", "precision")
    )
    expected = {
        "correlation": np.corrcoef(kept.T),
        "partialCorrelation": partial,
        "covariance": np.cov(kept.T),
        "precision": inverse / np.outer(deviations, deviations),
    }
    assert len(list(func.glob("*_relmat.tsv"))) == 4
    for label, (_, name) in zip(MEASURE_LABELS, MEASURES.values(), strict=True):
        path = func / f"{STEM}_stat-mean_meas-{label}_desc-raw_relmat.tsv"
        header, *rows = (line.split("\t") for line in path.read_text().splitlines())
        assert header == ["name", "nine", "two", "five"]
        assert [row[0] for row in rows] == header[1:]
        assert rows[1][1:] == [row[2] for row in rows] == ["n/a"] * 3
        found = np.array([[row[1], row[3]] for row in (rows[0], rows[2])], dtype=float)
        np.testing.assert_allclose(found, expected[label], rtol=1e-6, atol=1e-8)
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert sidecar["RelationshipMeasure"] == name
        assert sidecar["NumberOfVolumesKept"] == N_VOLUMES


def test_every_measure_is_drawn_with_the_right_scale_and_words(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path
) -> None:
    share_a_signal(add_run(tmp_path / "ds"))
    settings = settings_for(
        tmp_path / "ds",
        atlas_dataset,
        denoise=("none",),
        connectivity=tuple(MEASURES),
        report_figures="all",
    )
    assert run_participants(settings) == 0
    out = tmp_path / "out"
    content = read_script(out / "sub-01" / "figures" / f"{STEM}_stat-mean_desc-raw_report.js")
    words = ("Pearson correlation", "partial correlation", "sample covariance", "precision")
    assert tuple(one["words"] for one in content["matrices"]) == words
    page = (out / "sub-01.html").read_text()
    for label, one in zip(MEASURE_LABELS, content["matrices"], strict=True):
        stem = f"{STEM}_stat-mean_meas-{label}_desc-raw_relmat"
        assert one["file"] == f"sub-01/func/{stem}.tsv"
        assert (out / "sub-01" / "figures" / f"{stem}.svg").is_file()
        table = pd.read_csv(out / one["file"], sep="\t", index_col=0)
        high = np.percentile(np.abs(table.to_numpy()[~np.eye(3, dtype=bool)]), 99)
        expected = 1 if "orrelation" in label else high
        np.testing.assert_allclose(one["limits"], (-expected, expected), rtol=1e-6)
        said = {"partialCorrelation": "Partial correlation"}.get(label, label.capitalize())
        assert f"<figcaption>{said} between regions of Slabs" in page


def test_a_matrix_that_cannot_be_made_takes_nothing_with_it(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path
) -> None:
    root = tmp_path / "ds"
    add_run(root)
    (table,) = root.rglob("*confounds_timeseries.tsv")
    confounds = pd.read_csv(table, sep="\t", na_values="n/a")
    confounds["framewise_displacement"] = 0.9
    confounds.loc[[0, 7], "framewise_displacement"] = 0.1
    confounds.to_csv(table, sep="\t", index=False, na_rep="n/a")
    scrub = tmp_path / "two.toml"
    scrub.write_text("[volumes.scrub]\nfd_threshold = 0.5\nmin_segment = 0\n")
    given = {"atlas_dataset": atlas_dataset, "nprocs": 1, "denoise": ("none", str(scrub))}
    settings = Settings(root, tmp_path / "out", "participant", **given)
    assert run_participants(settings) == 1
    func = tmp_path / "out" / "sub-01" / "func"
    names = {path.name.split("desc-")[1] for path in func.glob("*_stat-*.tsv")}
    assert names == {"raw_timeseries.tsv", "raw_relmat.tsv", "two_timeseries.tsv"}
    (series,) = func.glob("*desc-two_timeseries.tsv")
    assert len(pd.read_csv(series, sep="\t")) == 2
    (failure,) = read_failures(tmp_path / "out")
    assert failure.strategies == ("two",)
    assert "correlation after two: a correlation needs at least 3 volumes" in failure.message
    run_group(replace(settings, analysis_level="group"))
    rows = pd.read_csv(tmp_path / "out" / "group_qc.tsv", sep="\t").set_index("strategy")
    assert rows.loc["two", "volumes_kept"] == 2
    assert "needs at least 3 volumes" in rows.loc["two", "problem"]
    assert rows.loc["none", "problem"] != rows.loc["two", "problem"]
