from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trees import make_tree

from bids_labelx.errors import MissingInputError, NoRunsError, NotBidsError
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.datasets import check_dataset
from bids_labelx.inputs.run import Run
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
    runs = find_runs(settings_for(root)).runs
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
    runs = find_runs(settings_for(root, **options)).runs
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
    with pytest.raises(NoRunsError, match=r"-label 07: not in .*; there are 01, 02"):
        find_runs(settings_for(tmp_path / "ds", participant_label=("01", "07")))
    with pytest.raises(NoRunsError, match=r"-label 2, did you mean 02: not in .*"):
        find_runs(settings_for(tmp_path / "ds", participant_label=("01", "2")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task_id": ("rset",)}, "--task-id rset (did you mean rest?) leaves no run"),
        ({"session_label": ("1",)}, "--session-label 1 (did you mean 01?) leaves no run"),
        ({"run_id": ("23",)}, "--run-id 23 leaves no run"),
        ({"space": ("MNI152Nlin2009casym",)}, "(did you mean MNI152NLin2009cAsym?) leaves no run"),
    ],
    ids=["task", "session", "run", "space"],
)
def test_what_was_meant_by_a_filter_that_leaves_nothing_is_said(
    tmp_path: Path, add_run: AddRun, options: dict[str, Any], words: str
) -> None:
    add_run(tmp_path / "ds", "sub-01_ses-01_task-rest_run-1")
    with pytest.raises(NoRunsError) as caught:
        find_runs(settings_for(tmp_path / "ds", **options))
    assert words in str(caught.value)


def test_a_task_that_no_run_has_is_warned_of_beside_one_that_some_have(
    tmp_path: Path, add_run: AddRun, caplog: pytest.LogCaptureFixture
) -> None:
    add_run(tmp_path / "ds")
    assert len(find_runs(settings_for(tmp_path / "ds", task_id=("rest", "rset"))).runs) == 1
    assert caplog.messages == ["--task-id: no run has rset, did you mean rest"]
    caplog.clear()
    assert len(find_runs(settings_for(tmp_path / "ds", space=("MNI152NLin2009cAsym",))).runs) == 1
    assert not caplog.messages


def test_a_folder_without_description_is_no_dataset_and_the_right_one_is_hinted_at(
    tmp_path: Path, add_run: AddRun
) -> None:
    add_run(tmp_path / "study" / "derivatives" / "fmriprep")
    with pytest.raises(NotBidsError, match=r"did you mean .*derivatives/fmriprep"):
        check_dataset(tmp_path / "study")


@pytest.mark.parametrize(
    ("below", "words"),
    [
        ("sub-01", "ds, with --participant-label 01? sub-01 is a folder in it"),
        ("sub-01/func", "ds? sub-01/func is a folder in it"),
    ],
)
def test_a_folder_of_a_dataset_is_refused_with_the_dataset(
    tmp_path: Path, add_run: AddRun, below: str, words: str
) -> None:
    add_run(tmp_path / "ds")
    with pytest.raises(NotBidsError) as caught:
        check_dataset(tmp_path / "ds" / below)
    assert str(caught.value).endswith(f"did you mean {tmp_path}/{words}")


def test_a_description_to_paste_is_given_that_makes_the_folder_a_dataset(
    tmp_path: Path, add_run: AddRun
) -> None:
    root = tmp_path / "ds"
    add_run(root)
    (root / "dataset_description.json").unlink()
    with pytest.raises(NotBidsError, match=r"put dataset_description\.json into") as caught:
        check_dataset(root)
    (root / "dataset_description.json").write_text(str(caught.value).splitlines()[-1])
    check_dataset(root)
    assert len(find_runs(settings_for(root)).runs) == 1


def test_a_folder_without_participants_is_not_offered_a_description(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(NotBidsError, match=r"no sub-… folders either") as caught:
        check_dataset(tmp_path)
    assert "{" not in str(caught.value)


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
    good, bad = find_runs(settings_for(tmp_path / "ds")).runs
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
    (run,) = find_runs(settings_for(tmp_path / "ds")).runs
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
    (run,) = find_runs(settings_for(tmp_path / "ds")).runs
    assert run.confounds is None
    assert "is a link to .git/annex/objects/x" in run.missing["confounds"]


def test_another_runs_confounds_are_never_taken(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest_run-1")
    add_run(root, "sub-01_task-rest_run-2")
    (root / "sub-01/func/sub-01_task-rest_run-2_desc-confounds_timeseries.tsv").unlink()
    first, second = find_runs(settings_for(root)).runs
    assert first.confounds is not None
    assert second.confounds is None


def test_an_echo_uses_the_confounds_of_its_run(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest_echo-1")
    folder = root / "sub-01" / "func"
    table = folder / "sub-01_task-rest_echo-1_desc-confounds_timeseries.tsv"
    table.rename(folder / "sub-01_task-rest_desc-confounds_timeseries.tsv")
    settings = settings_for(root)
    with pytest.raises(NoRunsError, match=r"only single echoes \(1\); --echo-id chooses"):
        find_runs(settings)
    for echo in ("1", "01"):
        (run,) = find_runs(replace(settings, echo_id=(echo,))).runs
        assert run.confounds == folder / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    with pytest.raises(NoRunsError, match="--echo-id 2 leaves no run"):
        find_runs(replace(settings, echo_id=("2",)))


def test_a_broken_sidecar_concerns_only_its_run(tmp_path: Path, add_run: AddRun) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    bold = add_run(root, "sub-02_task-rest")
    sidecar = bold.with_name(bold.name.replace(".nii.gz", ".json"))
    sidecar.write_text("{not json")
    good, bad = find_runs(settings_for(root)).runs
    assert not good.missing
    assert sidecar.name in bad.missing["metadata"]
    assert "not valid JSON" in bad.missing["metadata"]


def test_a_folder_that_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        check_dataset(tmp_path / "none")


# By name of the expected list, the folder in shared/data/trees. The lists were made from names
# alone with find, sort and awk, not with this package: for each `…_desc-preproc_bold.nii[.gz]`
# in func/, the mask is the name with `desc-brain_mask` for `desc-preproc_bold` and the table is
# the name up to `_space-…` or `_res-…` with `_desc-confounds_timeseries.tsv`, or else
# `_regressors.tsv`; where find did not list such a file, it says so.
TREES = {
    "ds000001-fmriprep": "ds000001-fmriprep",
    "ds000005-fmriprep_names": "ds000005-fmriprep_names",
    "ds000017-fmriprep_names": "ds000017-fmriprep_names",
    "pybids_synthetic": "pybids_synthetic/derivatives/fmriprep",
    "atlas-4S": "atlas-4S",
}
EXPECTED = Path(__file__).parent / "data" / "expected"


def listed(runs: list[Run]) -> str:
    """A line per run of volumes: the image's path, and its mask and confounds beside it."""

    def beside(run: Run, path: Path | None, what: str) -> str:
        if path is None:
            return run.missing[what].partition(" (")[0]
        return path.name if path.parent == run.bold.parent else str(path)

    lines = [
        f"{run.name} | {beside(run, run.mask, 'mask')} | {beside(run, run.confounds, 'confounds')}"
        for run in runs
        if not run.on_surfaces
    ]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("tree", TREES)
def test_the_runs_of_real_trees_are_those_of_the_list(shared_data: Path, tree: str) -> None:
    runs = find_runs(settings_for(shared_data / "trees" / TREES[tree])).runs
    assert listed(runs) == (EXPECTED / f"{tree}.txt").read_text()


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("tree", TREES)
def test_the_folders_above_a_tree_do_not_matter(
    shared_data: Path, tmp_path: Path, tree: str, linked: bool
) -> None:
    source = shared_data / "trees" / TREES[tree]
    root = tmp_path / "sub-99" / "ses-a" / "perf" / "task-no_run-9_space-no"
    root.parent.mkdir(parents=True)
    if linked:
        root.symlink_to(source)
    else:
        files = [path for path in source.rglob("*") if path.is_file()]
        make_tree(root, [f"./{path.relative_to(source)}" for path in files])
        for sidecar in root.rglob("*_bold.json"):
            sidecar.write_text("{}")
    runs = find_runs(settings_for(root)).runs
    assert listed(runs) == (EXPECTED / f"{tree}.txt").read_text()
    assert "99" not in {run.entities["sub"] for run in runs}
    volumes = [run for run in runs if not run.on_surfaces]
    assert not any(run.missing.keys() - {"mask", "confounds"} for run in volumes)


@pytest.mark.parametrize("tree", TREES)
def test_the_runs_on_surfaces_of_real_trees_are_all_dense_series_and_pairs(
    shared_data: Path, tree: str
) -> None:
    root = shared_data / "trees" / TREES[tree]
    found = {run.name: run for run in find_runs(settings_for(root)).runs if run.on_surfaces}
    series = {path.relative_to(root).as_posix() for path in root.rglob("*_bold.dtseries.nii")}
    left = {path.relative_to(root).as_posix() for path in root.rglob("*hemi-L*_bold.func.gii")}
    assert found.keys() == series | left
    for name in left:
        assert found[name].beside == root / name.replace("hemi-L", "hemi-R")
        assert "hemi" not in found[name].entities
    for name, run in found.items():
        stem = re.sub(r"(_space-[^_]+|_den-[^_]+|_hemi-[^_]+)", "", name).partition("_bold.")[0]
        tables = sorted(root.glob(f"{stem}_desc-confounds_*.tsv"))
        assert [run.confounds] == tables or (not tables and run.confounds is None)


def test_real_sidecars_are_read(shared_data: Path) -> None:
    runs = find_runs(settings_for(shared_data / "trees" / "ds000017-fmriprep_names")).runs
    assert {run.metadata["RepetitionTime"] for run in runs} == {2.0}


def test_spaces_of_cohorts_are_those_of_bids(shared_data: Path) -> None:
    runs = find_runs(settings_for(shared_data / "trees" / "atlas-4S")).runs
    assert [run.space for run in runs] == ["MNIInfant+1", "MNIInfant+2", "boldref"]


NAMES = [
    "sub-01_task-rest_desc-preproc_bold.nii.gz",
    "sub-01_task-rest_space-MNI_desc-preproc_bold.nii.gz",
    "sub-01_task-rest_space-MNI_desc-denoised_bold.nii.gz",
    "sub-01_task-rest_desc-brain_mask.nii.gz",
    "sub-01_task-rest_space-MNI_desc-brain_mask.nii.gz",
    "sub-01_task-rest_desc-confounds_timeseries.tsv",
]


def test_a_run_knows_its_desc_which_is_none_of_its_entities(tmp_path: Path) -> None:
    filters = tmp_path / "filter.json"
    filters.write_text('{"bold": {"desc": ["denoised", "preproc"], "space": "MNI"}}')
    runs = find_runs(
        settings_for(make_tree(tmp_path / "ds", NAMES), bids_filter_file=filters)
    ).runs
    assert [run.desc for run in runs] == ["denoised", "preproc"]
    assert all("desc" not in run.entities for run in runs)


@pytest.mark.parametrize(
    ("name", "space", "entities"),
    [
        ("space-MNIInfant_cohort-1", "MNIInfant+1", {"cohort": "1", "space": "MNIInfant"}),
        ("space-MNIInfant+1", "MNIInfant+1", {"space": "MNIInfant+1"}),
        ("space-T1w", "T1w", {"space": "T1w"}),
        ("acq-x", "native", {"acq": "x"}),
    ],
)
@pytest.mark.parametrize("asked", ["all", "exact", "any cohort"])
def test_a_cohort_is_joined_to_the_space_and_names_stay_as_they_are(
    tmp_path: Path, name: str, space: str, entities: dict[str, str], asked: str
) -> None:
    root = make_tree(tmp_path / "ds", [f"sub-01_{name}_desc-preproc_bold.nii.gz"])
    spaces = {"all": (), "exact": (space,), "any cohort": (space.partition("+")[0],)}[asked]
    (run,) = find_runs(settings_for(root, space=spaces)).runs
    assert run.space == space
    assert run.entities == {"sub": "01", **entities}


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"bold": {"task": "nback"}}, r'\(bold: task "nback"\) leaves no run of .* have rest'),
        ({"bold": {"task": "rest", "run": "*"}}, r'\(bold: run "\*"\) leaves .* have \(none\)'),
        ({"bold": {"desc": "x"}}, r'\(bold: desc "x"\) leaves .* have denoised, preproc'),
        ({"bold": {"space": "T1w"}}, r'\(bold: space "T1w"\) leaves .* have MNI, native'),
    ],
)
def test_the_entity_of_the_filter_file_that_removes_the_last_run_is_named(
    tmp_path: Path, filters: dict[str, Any], words: str
) -> None:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps(filters))
    root = make_tree(tmp_path / "ds", NAMES)
    with pytest.raises(NoRunsError, match=f"--bids-filter-file {path} {words}") as caught:
        find_runs(settings_for(root, bids_filter_file=path))
    assert caught.value.exit_code == 18


def test_options_and_the_filter_file_hold_together(tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    path.write_text('{"bold": {"space": null}}')
    root = make_tree(tmp_path / "ds", NAMES)
    (run,) = find_runs(settings_for(root, bids_filter_file=path)).runs
    assert run.space == "native"
    with pytest.raises(NoRunsError, match=r"--space MNI leaves no run .* have native"):
        find_runs(settings_for(root, bids_filter_file=path, space=("MNI",)))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"mask": {"desc": "x"}}, r'have desc brain, and --bids-.*\(mask: desc "x"\) leaves none'),
        (
            {"mask": {"space": "T1w"}},
            r'have space native, and .*\(mask: space "T1w"\) leaves none',
        ),
        (
            {"confounds": {"task": "b"}},
            r'have task rest, and .*\(confounds: task "b"\) leaves none',
        ),
    ],
)
def test_what_removes_the_last_mask_or_table_of_a_run_is_named(
    tmp_path: Path, section: dict[str, Any], words: str
) -> None:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps(section))
    runs = find_runs(settings_for(make_tree(tmp_path / "ds", NAMES), bids_filter_file=path)).runs
    (problem,) = runs[0].missing.values()
    assert re.search(words, problem)


def test_images_with_another_desc_are_pointed_at(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", NAMES[2:])
    with pytest.raises(NoRunsError, match=r"with desc-denoised; say .*desc\": \"denoised"):
        find_runs(settings_for(root))


WHAT = {
    "bold": "sub-01_task-rest_desc-preproc_bold.nii.gz",
    "mask": "sub-01_task-rest_desc-brain_mask.nii.gz",
    "confounds": "sub-01_task-rest_desc-confounds_timeseries.tsv",
    "metadata": "sub-01_task-rest_desc-preproc_bold.json",
}


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("pointer", [True, False])
def test_a_file_that_was_not_fetched_concerns_only_its_run_and_is_named(
    tmp_path: Path, what: str, pointer: bool
) -> None:
    others = [name.replace("sub-01", "sub-02") for name in WHAT.values()]
    root = make_tree(tmp_path / "ds", [*WHAT.values(), *others])
    for sidecar in root.rglob("*_bold.json"):
        sidecar.write_text('{"RepetitionTime": 2.0}')
    path = root / "sub-01" / "func" / WHAT[what]
    path.unlink()
    if pointer:
        path.write_text("/annex/objects/MD5E-s1--0.x\n")
    else:
        path.symlink_to("../../.git/annex/objects/MD5E-s1--0.x")
    bad, good = find_runs(settings_for(root)).runs
    assert not good.missing
    assert bad.missing.keys() == {what}
    assert f"sub-01/func/{WHAT[what]} is a " in bad.missing[what]
    assert "git annex get" in bad.missing[what]
    assert {"mask": bad.mask, "confounds": bad.confounds}.get(what) is None


def test_links_to_files_and_folders_go_by_their_own_names(tmp_path: Path) -> None:
    make_tree(tmp_path / "elsewhere", [*NAMES, "sub-07_task-other_desc-preproc_bold.nii.gz"])
    root = make_tree(tmp_path / "ds", [])
    (root / "sub-02" / "func").mkdir(parents=True)
    (root / "sub-01").symlink_to(tmp_path / "elsewhere" / "sub-01")
    key = root / ".git" / "annex" / "objects" / "MD5E-s1--0.nii.gz"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"x")
    for name in NAMES:
        link = root / "sub-02" / "func" / name.replace("sub-01", "sub-02")
        link.symlink_to("../../.git/annex/objects/MD5E-s1--0.nii.gz")
    runs = find_runs(settings_for(root)).runs
    assert [run.name for run in runs] == [
        f"sub-{sub}/func/{name.replace('sub-01', f'sub-{sub}')}"
        for sub in ("01", "02")
        for name in NAMES[:2]
    ]
    assert not any(run.missing for run in runs)
    assert all(run.entities["sub"] == run.name[4:6] for run in runs)


@pytest.mark.parametrize("folder", ["sub-01/ses-b/func", "sub-02/ses-a/func"])
def test_an_image_in_the_folder_of_another_participant_or_session_is_refused(
    tmp_path: Path, folder: str
) -> None:
    name = "sub-01_ses-a_task-rest_desc-preproc_bold.nii.gz"
    (run,) = find_runs(settings_for(make_tree(tmp_path / "ds", [f"{folder}/{name}"]))).runs
    assert run.missing["bold"].startswith(f"{folder}/{name} lies in the folder of sub-")


def test_runs_on_surfaces_of_another_desc_alone_are_told_with_it(tmp_path: Path) -> None:
    name = "sub-01/func/sub-01_task-a_space-fsLR_den-91k_desc-smoothed_bold.dtseries.nii"
    root = make_tree(tmp_path / "ds", [name])
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    with pytest.raises(NoRunsError, match=r"among 1 BOLD files .* but files with desc-smoothed"):
        find_runs(settings_for(root))


def test_a_participant_asked_for_of_whom_no_run_is_left_is_named(
    tmp_path: Path, add_run: AddRun, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "ds"
    add_run(root, "sub-01_task-rest")
    add_run(root, "sub-02_task-other")
    asked = replace(settings_for(root), participant_label=("01", "02"), task_id=("rest",))
    assert len(find_runs(asked).runs) == 1
    assert "sub-02: no run that the options" in caplog.text
    caplog.clear()
    assert len(find_runs(replace(asked, participant_label=())).runs) == 1
    assert not caplog.text
