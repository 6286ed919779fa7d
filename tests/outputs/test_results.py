from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.outputs.results import (
    is_result,
    participants_with_results,
    result_paths,
    series_of,
    series_paths,
)

SERIES = "sub-01_task-rest_atlas-A_stat-mean_desc-simple_timeseries.tsv"
MATRIX = "sub-01_task-rest_atlas-A_stat-mean_meas-correlation_desc-simple_relmat.tsv"


@pytest.mark.parametrize(
    "name",
    [
        SERIES,
        SERIES.replace(".tsv", ".json"),
        MATRIX,
        "sub-01_ses-a_task-rest_acq-0_atlas-A_seg-x_dseg.nii.gz",
        "sub-é 1_task-rest_atlas-A_dseg.tsv",
        "sub-01_task-rest_desc-simple_outliers.json",
    ],
)
def test_a_name_as_the_app_gives_it_is_a_result(name: str) -> None:
    assert is_result(name)


@pytest.mark.parametrize(
    "name",
    [
        f"._{SERIES}",
        f".{SERIES}.swp",
        f"{SERIES}~",
        f"#{SERIES}#",
        SERIES.replace("_timeseries", " copy_timeseries"),
        SERIES.replace(".tsv", " (1).tsv"),
        SERIES.replace("_desc", "_backup_desc"),
        # Of fMRIPrep and XCP-D.
        "sub-01_task-rest_desc-confounds_timeseries.tsv",
        "sub-01_task-rest_desc-aseg_dseg.nii.gz",
        "sub-01_task-rest_space-MNI_seg-Gordon_stat-mean_timeseries.tsv",
        "sub-01_task-rest_atlas-A_stat-mean_desc-simple_relmat.tsv",
        "timeseries.tsv",
        ".DS_Store",
    ],
)
def test_any_other_name_is_of_somebody_else(name: str) -> None:
    assert not is_result(name)


def test_only_the_results_of_a_participant_are_found(tmp_path: Path) -> None:
    folders = ("sub-01/func", "sub-01/ses-a/func", "sub-01/ses-a/func/old", "sub-02/func")
    for folder in (*folders, "sub-03/anat", "sub-01/.snapshot/func"):
        (tmp_path / folder).mkdir(parents=True)
        for name in (SERIES, f"._{SERIES}", MATRIX):
            (tmp_path / folder / name).touch()
    assert series_paths(tmp_path, "01") == [
        Path("sub-01/func", SERIES),
        Path("sub-01/ses-a/func", SERIES),
    ]
    assert [path.name for path in result_paths(tmp_path, "01")] == [SERIES, MATRIX] * 2
    # Those of sub-02's folder are called as of sub-01.
    assert participants_with_results(tmp_path) == ["01"]


def test_a_matrix_is_of_the_series_of_its_name() -> None:
    assert series_of(Path("a", MATRIX)) == Path("a", SERIES)
