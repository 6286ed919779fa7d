"""Concatenated in the order of acquisition, and what stands first in a matrix of first volumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import SPACE

from bids_labelx.app.participant import run_participants
from bids_labelx.names import FIRST_DATASET
from bids_labelx.outputs.results import Series
from bids_labelx.participant.run_order import in_order
from bids_labelx.settings import Settings

# In the order in which they were acquired, which is not that of their names.
RUNS = ["ses-pre_task-rest_run-2", "ses-pre_task-rest_run-10", "ses-post_task-rest_run-1"]
BY_NAME = [RUNS[2], RUNS[0], RUNS[1]]
DATES = ["2020-03-01T10:00:00", "2020-03-01T10:20:00.5", "2020-06-01T09:00:00"]


def make_series(root: Path) -> list[Series]:
    """Series of the runs in alphabetical order, with images that are empty files."""
    found = []
    for run in sorted(RUNS):
        session = run.split("_")[0]
        name = f"sub-01_{run}_space-{SPACE}"
        bold = root / f"sub-01/{session}/func/{name}_desc-preproc_bold.nii.gz"
        bold.parent.mkdir(parents=True, exist_ok=True)
        bold.touch()
        uri = f"bids:preprocessed:{bold.relative_to(root)}"
        path = Path(f"sub-01/{session}/func/{name}_atlas-A_timeseries.tsv")
        entities = {"sub": "01", "ses": session[4:], "run": run[-1]}
        found.append(Series(root, path, entities, {"Sources": [uri]}, pd.DataFrame()))
    return found


def runs_of(series: list[Series]) -> list[str]:
    return [one.path.name.removeprefix("sub-01_").split("_space")[0] for one in series]


def write_scans(root: Path, times: Mapping[str, str], *, echo: str = "") -> None:
    for session in ("pre", "post"):
        rows = [
            f"func/sub-01_{run}{echo}_bold.nii.gz\t{when}"
            for run, when in times.items()
            if f"ses-{session}" in run
        ]
        table = root / f"sub-01/ses-{session}/sub-01_ses-{session}_scans.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("\n".join(["filename\tacq_time", *rows]) + "\n")


def write_sidecars(root: Path, key: str, times: Mapping[str, str]) -> None:
    for run, when in times.items():
        sidecar = root / f"sub-01/{run.split('_')[0]}/func/sub-01_{run}_bold.json"
        sidecar.write_text(json.dumps({key: when}))


def test_a_scans_table_tells_the_order(tmp_path: Path) -> None:
    series = make_series(tmp_path)
    assert runs_of(in_order(series, {FIRST_DATASET: tmp_path})[0]) == BY_NAME
    write_scans(tmp_path, dict(zip(RUNS, DATES, strict=True)))
    found, by = in_order(series, {FIRST_DATASET: tmp_path})
    assert (runs_of(found), by) == (RUNS, "acquisition time")


def test_so_does_that_of_the_raw_dataset_around_and_of_echoes(tmp_path: Path) -> None:
    root = tmp_path / "raw" / "derivatives" / "fmriprep"
    write_scans(tmp_path / "raw", dict(zip(RUNS, DATES, strict=True)), echo="_echo-1")
    found, by = in_order(make_series(root), {FIRST_DATASET: root})
    assert (runs_of(found), by) == (RUNS, "acquisition time")


@pytest.mark.parametrize("key", ["AcquisitionDateTime", "acq_time"])
def test_sidecars_with_dates_tell_the_order(tmp_path: Path, key: str) -> None:
    series = make_series(tmp_path)
    write_sidecars(tmp_path, key, dict(zip(RUNS, DATES, strict=True)))
    found, by = in_order(series, {FIRST_DATASET: tmp_path})
    assert (runs_of(found), by) == (RUNS, "acquisition time")


def test_times_of_the_day_order_the_runs_of_one_session_only(tmp_path: Path) -> None:
    series = make_series(tmp_path)
    times = dict(zip(RUNS, ["14:00:01.25", "14:00:01", "09:00:00"], strict=True))
    write_sidecars(tmp_path, "AcquisitionTime", times)
    found, by = in_order(series, {FIRST_DATASET: tmp_path})
    assert (runs_of(found), by) == (BY_NAME, "name")
    found, by = in_order(
        [one for one in series if one.entities["ses"] == "pre"], {FIRST_DATASET: tmp_path}
    )
    assert (runs_of(found), by) == ([RUNS[1], RUNS[0]], "acquisition time")


@pytest.mark.parametrize("dates", [DATES[:2], [DATES[0]] * 3, ["n/a"] * 3, ["2020-03-01"] * 3])
def test_times_that_some_lack_or_share_or_that_are_none_order_nothing(
    tmp_path: Path, dates: list[str]
) -> None:
    series = make_series(tmp_path)
    write_scans(tmp_path, dict(zip(RUNS, dates, strict=False)))
    found, by = in_order(series, {FIRST_DATASET: tmp_path})
    assert (runs_of(found), by) == (BY_NAME, "name")


def test_the_first_volumes_of_sessions_are_those_acquired_first(
    tmp_path: Path,
    add_run: Callable[..., Path],
    atlas_dataset: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    for seed, run in enumerate(RUNS):
        bold = add_run(root, f"sub-01_{run}", seed=seed, sidecar=False)
        t_r = 1.5 if "post" in run else 2.0
        sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
        sidecar.write_text(json.dumps({"RepetitionTime": t_r}))
        if t_r != 2:
            _set_header(bold, t_r)
    write_scans(root, dict(zip(RUNS, DATES, strict=True)))
    settings = Settings(
        root,
        out,
        "participant",
        atlas_dataset=atlas_dataset,
        denoise=("none",),
        concatenate="sessions",
        exact_volumes=(50,),
        nprocs=1,
    )
    assert run_participants(settings) == 0
    (path,) = (out / "sub-01/func").glob("*First50_relmat.tsv")
    parts = []
    for run in RUNS:
        (table,) = out.rglob(f"*{run}_*_timeseries.tsv")
        values = pd.read_csv(table, sep="\t", na_values="n/a").to_numpy()
        parts.append((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))
    expected = np.corrcoef(np.concatenate(parts)[:50].T)
    matrix = pd.read_csv(path, sep="\t", index_col=0).to_numpy()
    np.testing.assert_allclose(matrix, expected, atol=1e-5)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["RunOrder"] == "acquisition time"
    assert [uri.split("sub-01_")[1].split("_space")[0] for uri in sidecar["Sources"]] == RUNS
    assert sidecar["RepetitionTimes"] == [2.0, 2.0, 1.5]
    log = "".join(one.read_text() for one in (out / "logs").glob("*.log"))
    said = "different repetition times (2, 2, 1.5 s)"
    assert said in log
    assert said in " ".join(sidecar["Warnings"])
    told = capsys.readouterr().err
    assert said in told
    # Each of the runs says how it differs from the others.
    differs = (
        "the repetition time is 1.5 s, that of other runs of this participant's task rest is 2"
    )
    assert differs in told
    (own,) = out.rglob(f"*{RUNS[2]}_*_timeseries.json")
    assert differs in " ".join(json.loads(own.read_text())["Warnings"])
    page = (out / "sub-01.html").read_text()
    assert differs.replace("'", "&#39;") in page


def _set_header(bold: Path, t_r: float) -> None:
    image = nib.load(bold)
    image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    nib.save(image, bold)
