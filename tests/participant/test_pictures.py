"""What the page of a run is drawn from says what the run's tables say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx.app.participant import run_participants
from bids_labelx.outputs.results import concatenated_matrices, read_series, series_paths
from bids_labelx.pictures.packing import read_script, unpack, unpack_matrix
from bids_labelx.report.page_contents import concatenated_contents, run_contents
from bids_labelx.settings import Settings

Finished = Callable[..., Settings]
RUNS = ("sub-01_task-rest_run-1", "sub-01_task-rest_run-2")


def contents_of(output: Path, run: str = "1") -> dict[str, Any]:
    """The scripts of a run, each read."""
    series = [read_series(output, path) for path in series_paths(output, "01")]
    contents = run_contents("one", "done", [one for one in series if one.run.get("run") == run])

    def read(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: read(one) for key, one in value.items()}
        if isinstance(value, list):
            return [read(one) for one in value]
        return read_script(output / value) if str(value).endswith(".js") else value

    return dict(read(contents))


def numbers(path: Path, **more: Any) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a", **more)


@pytest.fixture
def settings(finished: Finished) -> Settings:
    return finished(*RUNS)


def test_warnings_are_those_of_the_sidecars(settings: Settings) -> None:
    output = settings.output_dir
    (atlas,) = contents_of(output)["atlases"]
    wanted = {}
    for path in (output / "sub-01" / "func").glob("*run-1_*_timeseries.json"):
        sidecar = json.loads(path.read_text())
        if "Warnings" in sidecar:
            wanted[sidecar["DenoisingStrategy"]] = sidecar["Warnings"]
    assert wanted
    assert atlas["statistics"]["mean"]["warnings"] == wanted


def test_matrices_and_series_are_those_of_the_tables(settings: Settings) -> None:
    output = settings.output_dir
    (atlas,) = contents_of(output)["atlases"]
    of_mean = atlas["statistics"]["mean"]
    assert set(of_mean["results"]) == {"none", "simple"}
    for strategy, result in of_mean["results"].items():
        (matrix,) = result["matrices"]
        table = numbers(output / matrix["file"], index_col="name")
        order = matrix["order"]
        np.testing.assert_allclose(
            unpack_matrix(matrix), table.to_numpy()[np.ix_(order, order)].round(2), atol=1e-12
        )
        name = matrix["file"].replace("_meas-correlation", "").replace("relmat", "timeseries")
        series = numbers(output / name).to_numpy()
        expected = (series - series.mean(axis=0)) / series.std(axis=0)
        np.testing.assert_allclose(unpack(result["series"]), expected.T, atol=0.0501)
        assert result["strategy"] == strategy
        assert result["spectrum"] is not None
    raw = unpack(of_mean["results"]["none"]["series"])
    np.testing.assert_array_equal(unpack(of_mean["signals"]["series"]), raw)


def test_volumes_regressors_and_motion_are_those_of_the_sidecar_and_outliers(
    settings: Settings,
) -> None:
    output = settings.output_dir
    contents = contents_of(output)
    for one in (read_series(output, path) for path in series_paths(output, "01")):
        if one.run["run"] != "1":
            continue
        data = contents["strategies"][one.sidecar["DenoisingStrategy"]]
        assert unpack(data["kept"]).tolist() == one.sidecar["SampleMask"]
        assert data["names"] == one.sidecar["ConfoundRegressors"]
        assert data["t_r"] == one.sidecar["RepetitionTime"]
        desc = one.entities["desc"]
        (path,) = output.glob(f"sub-01/func/*run-1_desc-{desc}_outliers.tsv")
        outliers = numbers(path)
        motion = {curve["name"]: unpack(curve["values"]) for curve in data["motion"]}
        np.testing.assert_allclose(
            motion["FD (mm)"], outliers["framewise_displacement"].round(3), atol=1e-9
        )


def test_regions_are_the_label_table_and_the_whole_atlas_is_drawn(settings: Settings) -> None:
    output = settings.output_dir
    (data,) = (one["src"] for one in contents_of(output)["atlases"])
    (path,) = output.glob("sub-01/func/*run-1*_dseg.tsv")
    table = numbers(path)
    assert data["regions"]["name"] == table["name"].tolist()
    assert data["regions"]["status"] == table["status"].tolist()
    coverage = [np.nan if one is None else one for one in data["regions"]["coverage"]]
    np.testing.assert_allclose(coverage, table["coverage"].round(2), atol=1e-12)
    assert data["regions"]["size"] == table["voxels_grid"].tolist()
    # The file has the labels inside the mask alone; the picture also what is outside of it.
    shown = set(
        np.unique(np.concatenate([unpack(one["regions"]).ravel() for one in data["panels"]]))
    )
    on_grid = {i + 1 for i, count in enumerate(table["voxels_grid"]) if count}
    assert shown - {0} == on_grid
    (image,) = output.glob("sub-01/func/*run-1*_dseg.nii.gz")
    masked = set(np.unique(np.asarray(nib.load(image).dataobj))) - {0}
    assert {int(table["index"][i - 1]) for i in on_grid} >= masked


def test_matrices_over_runs_have_a_script_with_their_regions(finished: Finished) -> None:
    output = finished(*RUNS, concatenate="runs").output_dir
    found = concatenated_contents(output, concatenated_matrices(output, "01"))
    assert {(one["strategy"], one["runs"]) for one in found} == {("none", 2), ("simple", 2)}
    for one in found:
        content = read_script(output / one["src"])
        (matrix,) = content["matrices"]
        table = numbers(output / matrix["file"], index_col="name")
        assert content["regions"]["name"] == list(table)
        order = matrix["order"]
        np.testing.assert_allclose(
            unpack_matrix(matrix), table.to_numpy()[np.ix_(order, order)].round(2), atol=1e-12
        )


@pytest.mark.figures
def test_static_figures_are_drawn_when_asked_for_and_never_older_than_the_data(
    finished: Finished,
) -> None:
    settings = finished(*RUNS, concatenate="runs")
    output = settings.output_dir
    folder = output / "sub-01" / "figures"

    def drawn() -> set[str]:
        found = (path.name for path in folder.iterdir() if path.suffix in (".svg", ".png"))
        return {name.rpartition("_")[2] for name in found}

    assert drawn() == set()
    again = replace(settings, reports_only=True, report_figures="all")
    assert run_participants(again) == 0
    assert drawn() == {
        *("design.svg", "confounds.svg", "dseg.png", "coveragemap.png", "coverage.svg"),
        *("carpet.png", "spectrum.svg", "relmat.svg"),
    }
    page = (output / "sub-01.html").read_text()
    assert 'src="sub-01/figures/' in page
    # New data, and other figures are not asked for: the old ones are gone.
    assert run_participants(replace(settings, overwrite=True, min_coverage=0.4)) == 0
    assert drawn() == set()
    assert 'src="sub-01/figures/' not in (output / "sub-01.html").read_text()
    assert run_participants(replace(again, reports_only=False, overwrite=True)) == 0
    assert "carpet.png" in drawn()


def test_a_run_of_many_strategies_keeps_the_scripts_of_each_invocation(
    finished: Finished,
) -> None:
    settings = finished(*RUNS)
    before = contents_of(settings.output_dir)["strategies"]
    assert run_participants(replace(settings, denoise=("24P",))) == 0
    after = contents_of(settings.output_dir)["strategies"]
    assert set(after) == {"none", "simple", "24P"}
    assert after["simple"] == before["simple"]


@pytest.mark.figures
def test_broken_data_cost_the_static_figures_and_not_the_page(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = finished(*RUNS)
    (output := settings.output_dir).joinpath("sub-01.html").unlink()
    (script,) = output.glob("sub-01/figures/*run-1_space*stat-mean_desc-simple_report.js")
    script.write_bytes(b"cut")
    again = replace(settings, reports_only=True, report_figures="all")
    assert run_participants(again) == 1
    said = capsys.readouterr().err
    assert f"static figures are missing: {script}: cannot be read as data of a report" in said
    assert (output / "sub-01.html").is_file()


def test_an_oblique_grid_is_told(finished: Finished, tmp_path: Path) -> None:
    def turn(dataset: Path) -> None:
        for path in dataset.rglob("*.nii.gz"):
            image = nib.load(path)
            cos, sin = np.cos(0.3), np.sin(0.3)
            rotation = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj), rotation @ image.affine), path)

    (straight,) = (one["src"] for one in contents_of(finished(*RUNS).output_dir)["atlases"])
    assert straight["note"] == ""
    shutil.rmtree(tmp_path / "out")
    settings = finished(*RUNS, change=turn)
    (atlas,) = (one["src"] for one in contents_of(settings.output_dir)["atlases"])
    assert "oblique" in atlas["note"]
