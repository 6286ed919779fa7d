"""Datasets beside the first: which are accepted, and what of them belongs to a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import make_tree

from bids_labelx.errors import (
    BadDataError,
    MissingInputError,
    NoRunsError,
    NotBidsError,
    UsageError,
)
from bids_labelx.inputs import index, listing
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.run import Run
from bids_labelx.names import TableQuery
from bids_labelx.settings import Settings, make_settings

BOLD = "space-MNI_desc-preproc_bold.nii.gz"
AROMA = TableQuery("aroma", "timeseries", "aroma")
Find = Callable[..., list[Run]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """The runs of ``ds``, with the datasets and the filter of arguments."""

    def do(
        tables: tuple[TableQuery, ...] = (), filters: dict[str, Any] | None = None, **options: Any
    ) -> list[Run]:
        if filters is not None:
            (tmp_path / "filter.json").write_text(json.dumps(filters))
            options["bids_filter_file"] = tmp_path / "filter.json"
        datasets = tuple(f"{name}={tmp_path / name}" for name in options.pop("datasets", ()))
        settings = Settings(
            tmp_path / "ds", tmp_path / "out", "participant", datasets=datasets, **options
        )
        return find_runs(settings, tables).runs

    return do


def tree(root: Path, *names: str, **description: Any) -> Path:
    make_tree(root, list(names))
    about = {"Name": root.name, "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps({**about, **description}))
    return root


def runs_of(tmp_path: Path, *stems: str, **description: Any) -> None:
    names = [f"{stem}_{BOLD}" for stem in stems]
    names += [f"{stem}_space-MNI_desc-brain_mask.nii.gz" for stem in stems]
    tree(tmp_path / "ds", *names, **description)


def test_tables_are_those_of_the_run_in_the_dataset_that_is_named(
    find: Find, tmp_path: Path
) -> None:
    runs_of(tmp_path, "sub-01_task-a_run-1", "sub-01_task-a_run-2", "sub-02_task-a")
    tables = [
        "sub-01_task-a_run-01_desc-aroma_timeseries.tsv",
        "sub-02_task-a_desc-aroma_timeseries.tsv",
    ]
    tree(tmp_path / "aroma", *tables, "sub-03_task-a_desc-aroma_timeseries.tsv")
    first, second, third = find((AROMA,), datasets=["aroma"])
    assert first.tables == {AROMA: tmp_path / "aroma" / "sub-01" / "func" / tables[0]}
    assert second.tables == {}
    assert second.missing[str(AROMA)].startswith(
        "no timeseries table (…_desc-aroma_timeseries.tsv) for sub-01_task-a_run-2 in "
    )
    assert third.tables == {AROMA: tmp_path / "aroma" / "sub-02" / "func" / tables[1]}


def test_two_candidates_and_a_table_that_could_be_of_two_runs_are_refused(
    find: Find, tmp_path: Path
) -> None:
    runs_of(tmp_path, "sub-01_task-a_acq-x_dir-AP", "sub-02_task-a_run-1", "sub-02_task-a_run-2")
    tree(
        tmp_path / "aroma",
        *(
            "sub-01_task-a_acq-x_desc-aroma_timeseries.tsv",
            "sub-01_task-a_dir-AP_desc-aroma_timeseries.tsv",
        ),
        "sub-02_task-a_desc-aroma_timeseries.tsv",
    )
    first, second, third = find((AROMA,), datasets=["aroma"])
    assert first.missing[str(AROMA)].startswith("2 files could be the timeseries table of sub-01")
    for run in (second, third):
        assert (
            "could belong to sub-02_task-a_run-1, sub-02_task-a_run-2" in run.missing[str(AROMA)]
        )


def test_images_masks_and_confounds_may_be_of_other_datasets(find: Find, tmp_path: Path) -> None:
    runs_of(tmp_path, "sub-01_task-a", GeneratedBy=[{"Name": "fMRIPrep", "Version": "25.1.1"}])
    tree(
        tmp_path / "aroma",
        "sub-01_task-a_space-MNI_desc-nonaggrDenoised_bold.nii.gz",
        GeneratedBy=[{"Name": "fMRIPost-AROMA"}],
    )
    tree(
        tmp_path / "other",
        "sub-01_task-a_desc-confounds_timeseries.tsv",
        "sub-02_task-a_desc-confounds_timeseries.tsv",
    )
    (run,) = find(
        filters={
            "bold": {"dataset": "aroma", "desc": "nonaggrDenoised"},
            "confounds": {"dataset": "other"},
        },
        datasets=["aroma", "other"],
    )
    assert run.root == tmp_path / "aroma"
    assert run.mask is not None
    assert run.mask.is_relative_to(tmp_path / "ds")
    assert run.confounds is not None
    assert run.confounds.is_relative_to(tmp_path / "other")
    assert run.producers == {run.bold: "fMRIPost-AROMA", run.mask: "fMRIPrep 25.1.1"}
    with pytest.raises(NoRunsError, match=rf"02: not in {tmp_path / 'aroma'}"):
        find(
            filters={"bold": {"dataset": "aroma", "desc": "nonaggrDenoised"}},
            datasets=["aroma"],
            participant_label=("02",),
        )


def test_a_dataset_that_a_filter_names_has_to_be_given(find: Find, tmp_path: Path) -> None:
    runs_of(tmp_path, "sub-01_task-a")
    for value in ("aroma", None, ["preprocessed"]):
        with pytest.raises(
            BadDataError, match=r"mask: dataset: .*: choose from preprocessed, or name it"
        ):
            find(filters={"mask": {"dataset": value}})
    assert len(find(filters={"mask": {"dataset": "preprocessed"}})) == 1


def test_a_raw_dataset_is_no_source_of_images_and_confounds(find: Find, tmp_path: Path) -> None:
    runs_of(tmp_path, "sub-01_task-a")
    tree(
        tmp_path / "raw",
        "sub-01_task-a_bold.nii.gz",
        "sub-01_task-a_events.tsv",
        DatasetType="raw",
    )
    events = TableQuery("raw", "events")
    (run,) = find((events,), datasets=["raw"])
    assert run.tables[events].name == "sub-01_task-a_events.tsv"
    with pytest.raises(
        UsageError, match=r"raw=.*raw dataset.*not raw: …_desc-aroma_timeseries.tsv"
    ):
        find((AROMA._replace(dataset="raw"),), datasets=["raw"])
    with pytest.raises(UsageError, match=r"raw dataset.*not bold of the filter file"):
        find(filters={"bold": {"dataset": "raw"}}, datasets=["raw"])


def test_what_is_no_dataset_is_named_with_its_option(find: Find, tmp_path: Path) -> None:
    runs_of(tmp_path, "sub-01_task-a")
    with pytest.raises(MissingInputError, match=r"--datasets aroma=.*there is no such folder"):
        find(datasets=["aroma"])
    make_tree(tmp_path / "aroma", ["sub-01_task-a_desc-aroma_timeseries.tsv"])
    (tmp_path / "aroma" / "dataset_description.json").unlink()
    with pytest.raises(NotBidsError, match=r"--datasets aroma=.*no dataset_description.json"):
        find(datasets=["aroma"])
    # tedana has it beside its files, named after the run.
    (tmp_path / "aroma" / "sub-01" / "func" / "sub-01_task-a_dataset_description.json").write_text(
        "{}"
    )
    assert len(find(datasets=["aroma"])) == 1


def test_files_may_lie_in_the_datasets_own_folder(find: Find, tmp_path: Path) -> None:
    runs_of(tmp_path, "sub-01_task-a", "sub-02_task-a")
    folder = tmp_path / "aroma"
    folder.mkdir()
    for label, version in (("01", "26.0.3"), ("02", "24.0.2")):
        start = folder / f"sub-{label}_task-a_"
        Path(f"{start}desc-aroma_timeseries.tsv").write_text("a\n")
        made = {"GeneratedBy": [{"Name": "tedana", "Version": version}]}
        Path(f"{start}dataset_description.json").write_text(json.dumps(made))
    (folder / ".sub-01_task-a_desc-aroma_timeseries.tsv").touch()
    for run, version in zip(find((AROMA,), datasets=["aroma"]), ("26.0.3", "24.0.2"), strict=True):
        assert run.producers[run.tables[AROMA]] == f"tedana {version}"
    (run,) = find((AROMA,), datasets=["aroma"], participant_label=("02",))
    assert run.tables[AROMA].name.startswith("sub-02")


def test_each_dataset_has_an_index_of_its_own(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_of(tmp_path, "sub-01_task-a")
    tree(tmp_path / "aroma", "sub-01_task-a_desc-aroma_timeseries.tsv")
    kept = tmp_path / "kept"
    monkeypatch.setattr(listing, "settled_time", listing.folder_time)
    find((AROMA,), datasets=["aroma"], bids_database_dir=kept)
    assert sorted(str(p.relative_to(kept)) for p in kept.rglob("index.json")) == [
        "all/index.json",
        "aroma/sub-01/index.json",
    ]
    scanned: list[Path] = []
    scan = index.scan_folders

    def counted(root: Path, *rest: Any) -> Any:
        scanned.append(root)
        return scan(root, *rest)

    monkeypatch.setattr(index, "scan_folders", counted)
    (run,) = find((AROMA,), datasets=["aroma"], bids_database_dir=kept)
    assert (scanned, list(run.tables)) == ([], [AROMA])
    (tmp_path / "aroma" / "sub-01" / "func" / "sub-01_task-b_desc-aroma_timeseries.tsv").touch()
    find((AROMA,), datasets=["aroma"], bids_database_dir=kept)
    assert scanned == [tmp_path / "aroma"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["aroma"], "NAME=DIR is expected"),
        (["=/x"], "NAME=DIR is expected"),
        (["a b=/x"], "NAME=DIR is expected"),
        (["preprocessed=/x"], "preprocessed is the name of BIDS_DIR"),
        (["mask=/x"], "names of other folders in DatasetLinks"),
        (["atlas-AAL=/x"], "names of other folders in DatasetLinks"),
        (["a=/x", "a=/y"], "a: given with two folders"),
    ],
)
def test_names_of_datasets_are_checked(given: list[str], words: str) -> None:
    common = {"bids_dir": "/ds", "output_dir": "/out", "analysis_level": "participant"}
    with pytest.raises(UsageError, match=words):
        make_settings({**common, "atlas": ["x.nii"], "datasets": given})


@pytest.mark.parametrize(
    ("made", "producer"),
    [
        (
            {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.1.1"}, {"Name": "x"}]},
            "fMRIPrep 25.1.1",
        ),
        ({"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.4.1"}}, "fMRIPrep 1.4.1"),
        ({"GeneratedBy": [{"Name": "C-PAC", "Version": 1.8}]}, "C-PAC"),
        ({"GeneratedBy": [{"Version": "1"}]}, None),
        ({"GeneratedBy": []}, None),
    ],
)
def test_the_producer_is_what_the_description_says(
    made: dict[str, Any], producer: str | None, find: Find, tmp_path: Path
) -> None:
    runs_of(tmp_path, "sub-01_task-a", **made)
    (run,) = find()
    assert run.producers.get(run.bold) == producer


@pytest.mark.parametrize("made", [{"Name": "ABCD"}, [None, 3], None, "fMRIPrep"])
def test_a_description_that_bids_does_not_know_is_refused(
    made: Any, find: Find, tmp_path: Path
) -> None:
    runs_of(tmp_path, "sub-01_task-a", GeneratedBy=made)
    with pytest.raises(BadDataError, match=r"GeneratedBy is .*; BIDS has a list of objects there"):
        find()


def test_files_of_another_dataset_are_named_with_their_whole_path(
    find: Find, tmp_path: Path
) -> None:
    # What fetches a file from git-annex is called in the dataset that the file is in.
    runs_of(tmp_path, "sub-01_task-a", "sub-02_task-a_acq-x_dir-AP")
    names = ["sub-01_task-a", "sub-02_task-a_acq-x", "sub-02_task-a_dir-AP"]
    tables = [f"{name}_desc-aroma_timeseries.tsv" for name in names]
    tree(tmp_path / "aroma", *tables, f"sub-01_task-a_{BOLD}")
    func = tmp_path / "aroma" / "sub-01" / "func"
    for name in (tables[0], f"sub-01_task-a_{BOLD}"):
        (func / name).unlink()
        (func / name).symlink_to("../../.git/annex/objects/aa/x")
    first, second = find((AROMA,), datasets=["aroma"])
    assert f"`git annex get {func / tables[0]}`" in first.missing[str(AROMA)]
    assert str(tmp_path / "aroma" / "sub-02" / "func" / tables[1]) in second.missing[str(AROMA)]
    (image,) = find((), {"bold": {"dataset": "aroma"}}, datasets=["aroma"])
    assert f"`git annex get {image.bold}`" in image.missing["bold"]


def test_a_file_in_the_folder_of_another_session_or_participant_is_no_run_s(
    find: Find, tmp_path: Path
) -> None:
    runs_of(tmp_path, "sub-01_ses-a_task-x", "sub-02_ses-a_task-x")
    first, second = (f"sub-0{n}_ses-a_task-x_desc-aroma_timeseries.tsv" for n in (1, 2))
    tree(tmp_path / "aroma", f"sub-01/ses-b/func/{first}", f"sub-01/ses-a/func/{second}")
    mask = "sub-02_ses-a_task-x_space-MNI_desc-brain_mask.nii.gz"
    func = tmp_path / "ds" / "sub-02" / "ses-a" / "func"
    (func.parents[1] / "ses-b").mkdir()
    (func / mask).rename(func.parents[1] / "ses-b" / mask)
    one, other = find((AROMA,), datasets=["aroma"])
    assert one.tables == {}
    assert f"{first} lies in the folder of sub-01_ses-b, and its" in one.missing[str(AROMA)]
    assert other.tables == {}
    assert other.mask is None
    assert other.missing["mask"].startswith(f"sub-02/ses-b/{mask} lies in the folder of")
