from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.dataset import Run, check_dataset, find_runs, read_metadata, repetition_time
from bids_labelx.errors import BadDataError, MissingInputError, NoRunsError, NotBidsError
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]


def settings_for(root: Path, **options: Any) -> Settings:
    return Settings(root, root.parent / "out", "participant", **options)


@pytest.mark.parametrize("where", ["ds", "sub-99/ses-z/perf/task-no_space-no/ds"])
def test_a_run_keeps_together_what_belongs_together_wherever_the_dataset_lies(
    tmp_path: Path, add_run: AddRun, where: str
) -> None:
    root = tmp_path / where
    add_run(root, "sub-01_ses-a_task-rest_acq-x_run-1")
    add_run(root, "sub-01_ses-a_task-rest_acq-y_run-1")
    add_run(root, "sub-01_ses-b_task-rest_acq-x_run-1", space=None)
    runs = find_runs(settings_for(root))
    assert [run.space for run in runs] == ["MNI152NLin2009cAsym"] * 2 + ["native"]
    for run in runs:
        stem = run.bold.name.removesuffix("_desc-preproc_bold.nii.gz")
        assert run.mask == run.bold.with_name(f"{stem}_desc-brain_mask.nii.gz")
        temporal = stem.partition("_space-")[0]
        assert run.confounds == run.bold.with_name(f"{temporal}_desc-confounds_timeseries.tsv")
        assert run.metadata == {"RepetitionTime": 2.0}
        assert run.entities["sub"] == "01"
        assert "desc" not in run.entities
        assert not run.missing


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"participant_label": ("02",)}, ["sub-02_task-rest_run-01"]),
        ({"task_id": ("nback",)}, ["sub-01_task-nback"]),
        ({"run_id": ("1",)}, ["sub-02_task-rest_run-01"]),
        ({"space": ("native",)}, ["sub-01_task-nback"]),
    ],
)
def test_filters_keep_the_runs_that_match(
    tmp_path: Path, add_run: AddRun, options: dict[str, Any], wanted: list[str]
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    add_run(root, "sub-01_task-nback", space=None)
    add_run(root, "sub-02_task-rest_run-01")
    runs = find_runs(settings_for(root, **options))
    stems = [run.bold.name.partition("_space-")[0].partition("_desc-")[0] for run in runs]
    assert stems == wanted


def test_the_filter_that_removes_the_last_run_is_named_with_what_there_was(
    tmp_path: Path, add_run: AddRun
) -> None:
    root = tmp_path / "ds"
    add_run(root)
    with pytest.raises(NoRunsError, match=r"--task-id nback leaves no run .* have rest") as caught:
        find_runs(settings_for(root, task_id=("nback",)))
    assert caught.value.exit_code == 18


def test_an_unknown_participant_is_refused_with_those_that_exist(
    tmp_path: Path, add_run: AddRun
) -> None:
    add_run(tmp_path / "ds", "sub-01_task-rest")
    add_run(tmp_path / "ds", "sub-02_task-rest")
    with pytest.raises(NoRunsError, match=r"07 not in .*; there are 01, 02"):
        find_runs(settings_for(tmp_path / "ds", participant_label=("01", "07")))


def test_a_folder_without_description_is_no_dataset_and_the_right_one_is_hinted_at(
    tmp_path: Path, add_run: AddRun
) -> None:
    add_run(tmp_path / "study" / "derivatives" / "fmriprep")
    with pytest.raises(NotBidsError, match=r"did you mean .*derivatives/fmriprep"):
        check_dataset(tmp_path / "study")


def test_a_raw_dataset_is_recognised(
    tmp_path: Path, add_run: AddRun, write_image: Callable[..., Path]
) -> None:
    root = tmp_path / "raw"
    write_image(root / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz", np.zeros((2, 2, 2, 3)))
    (root / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.8.0"}')
    add_run(root / "derivatives" / "fmriprep")
    with pytest.raises(NoRunsError, match=r"not the raw dataset\ndid you mean .*fmriprep"):
        find_runs(settings_for(root))


def test_a_missing_mask_concerns_only_its_run(tmp_path: Path, add_run: AddRun) -> None:
    add_run(tmp_path / "ds", "sub-01_task-rest")
    bold = add_run(tmp_path / "ds", "sub-02_task-rest")
    bold.with_name(bold.name.replace("desc-preproc_bold", "desc-brain_mask")).unlink()
    good, bad = find_runs(settings_for(tmp_path / "ds"))
    assert not good.missing
    assert bad.mask is None
    assert "no brain mask" in bad.missing["mask"]


def test_two_possible_confounds_tables_are_listed_and_none_is_taken(
    tmp_path: Path, add_run: AddRun
) -> None:
    add_run(tmp_path / "ds")
    folder = tmp_path / "ds" / "sub-01" / "func"
    old = folder / "sub-01_task-rest_desc-confounds_regressors.tsv"
    old.write_text("a\n1\n")
    (run,) = find_runs(settings_for(tmp_path / "ds"))
    assert run.confounds is None
    assert "_regressors.tsv" in run.missing["confounds"]
    assert "_timeseries.tsv" in run.missing["confounds"]


def test_a_broken_link_to_confounds_is_named_with_its_target(
    tmp_path: Path, add_run: AddRun
) -> None:
    add_run(tmp_path / "ds")
    table = next((tmp_path / "ds").rglob("*_desc-confounds_timeseries.tsv"))
    table.unlink()
    table.symlink_to(".git/annex/objects/x")
    (run,) = find_runs(settings_for(tmp_path / "ds"))
    assert run.confounds is None
    assert "is a link to .git/annex/objects/x" in run.missing["confounds"]


def test_another_runs_confounds_are_never_taken(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest_run-1")
    add_run(root, "sub-01_task-rest_run-2")
    (root / "sub-01/func/sub-01_task-rest_run-2_desc-confounds_timeseries.tsv").unlink()
    first, second = find_runs(settings_for(root))
    assert first.confounds is not None
    assert second.confounds is None


def test_an_echo_uses_the_confounds_of_its_run(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest_echo-1")
    folder = root / "sub-01" / "func"
    table = folder / "sub-01_task-rest_echo-1_desc-confounds_timeseries.tsv"
    table.rename(folder / "sub-01_task-rest_desc-confounds_timeseries.tsv")
    (run,) = find_runs(settings_for(root))
    assert run.confounds == folder / "sub-01_task-rest_desc-confounds_timeseries.tsv"


def test_metadata_is_inherited_and_the_nearest_wins(tmp_path: Path) -> None:
    folder = tmp_path / "sub-01" / "func"
    folder.mkdir(parents=True)

    def put(path: Path, **content: object) -> None:
        path.write_text(json.dumps(content))

    put(tmp_path / "bold.json", A=1, B=1, C=1, D=1)
    put(tmp_path / "task-rest_bold.json", B=2, C=2, D=2)
    put(tmp_path / "task-other_bold.json", A=9, B=9, C=9, D=9)
    put(tmp_path / "sub-01" / "sub-01_task-rest_bold.json", C=3, D=3)
    put(folder / "sub-01_task-rest_desc-preproc_bold.json", D=4)
    put(folder / "sub-01_task-rest_desc-preproc_mask.json", D=9)
    bold = folder / "sub-01_task-rest_desc-preproc_bold.nii.gz"
    assert read_metadata(bold, tmp_path) == {"A": 1, "B": 2, "C": 3, "D": 4}


def test_a_broken_sidecar_concerns_only_its_run(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    bold = add_run(root, "sub-02_task-rest")
    sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
    sidecar.write_text("{not json")
    good, bad = find_runs(settings_for(root))
    assert not good.missing
    assert sidecar.name in bad.missing["metadata"]
    assert "not valid JSON" in bad.missing["metadata"]


def run_with(metadata: dict[str, Any]) -> Run:
    return Run(Path("/d/b.nii"), Path("/d"), {}, metadata, None, None, {})


def header_with(t_r: float, unit: str) -> nib.Nifti1Header:
    header = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), np.eye(4)).header
    header.set_zooms((1, 1, 1, t_r))
    header.set_xyzt_units("mm", unit)
    return header


@pytest.mark.parametrize(
    ("metadata", "t_r", "unit", "wanted"),
    [
        ({"RepetitionTime": 2.0}, 2.0, "sec", 2.0),
        ({"RepetitionTime": 2.0}, 2000, "msec", 2.0),
        ({"RepetitionTime": 2.0}, 1.0, "unknown", 2.0),
        ({"RepetitionTime": 2.0004}, 2.0, "sec", 2.0004),
        ({}, 720, "msec", 0.72),
        ({}, 1.5, "sec", 1.5),
        ({}, 1.0, "unknown", None),
        ({}, 0.0, "sec", None),
    ],
)
def test_repetition_time_is_the_sidecars_else_the_headers_in_its_unit(
    metadata: dict[str, Any], t_r: float, unit: str, wanted: float | None
) -> None:
    found = repetition_time(run_with(metadata), header_with(t_r, unit))
    assert found == (None if wanted is None else pytest.approx(wanted))


def test_a_sidecar_and_a_header_that_disagree_are_refused() -> None:
    with pytest.raises(BadDataError, match=r"RepetitionTime 2\.0 s, the image's header 2\.5 s"):
        repetition_time(run_with({"RepetitionTime": 2.0}), header_with(2.5, "sec"))


@pytest.mark.parametrize("value", [0, -2, "2.0", [2]])
def test_a_repetition_time_that_is_no_positive_number_is_refused(value: object) -> None:
    with pytest.raises(BadDataError, match="positive number"):
        repetition_time(run_with({"RepetitionTime": value}), header_with(2.0, "sec"))


def test_a_folder_that_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        check_dataset(tmp_path / "none")


def test_every_run_of_a_real_fmriprep_tree_finds_its_mask_and_confounds(shared_data: Path) -> None:
    root = shared_data / "trees" / "ds000017-fmriprep_names"
    runs = find_runs(settings_for(root))
    names = {str(path.relative_to(root)) for path in root.rglob("*_desc-preproc_bold.nii.gz")}
    assert {run.name for run in runs} == names
    for run in runs:
        # Independently of entities: the same name but for its last parts.
        start = run.bold.name.removesuffix("desc-preproc_bold.nii.gz")
        assert run.mask is not None
        assert run.mask.name == f"{start}desc-brain_mask.nii.gz"
        assert run.confounds is not None
        temporal = start.partition("space-")[0]
        assert run.confounds.name == f"{temporal}desc-confounds_timeseries.tsv"
        assert run.metadata["RepetitionTime"] == 2.0
