from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trees import make_tree

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.run import Run
from bids_labelx.inputs.segmentations import parse_derivative, segmentation_table
from bids_labelx.settings import Settings
from bids_labelx.settings.convert import atlases

APARC = "derivative:desc-aparcaseg"


@pytest.mark.parametrize(
    ("spec", "name", "entities"),
    [
        (APARC, "aparcaseg", {"desc": "aparcaseg"}),
        ("Mine=derivative:desc-aparcaseg", "Mine", {"desc": "aparcaseg"}),
        ("derivative:desc-aseg_dseg", "aseg", {"desc": "aseg"}),
        ("derivative:atlas-4S_scale-156", "4S156", {"atlas": "4S", "scale": "156"}),
        ("derivative:acq-x_desc-aseg", "aseg", {"acq": "x", "desc": "aseg"}),
    ],
)
def test_words_for_a_segmentation_have_a_name_and_entities(
    spec: str, name: str, entities: dict[str, str]
) -> None:
    derivative = parse_derivative(spec)
    assert derivative is not None
    assert derivative.text == spec
    assert derivative.name == name
    assert derivative.entities == entities
    assert derivative.table is None


@pytest.mark.parametrize("spec", [f"Mine={APARC},t/x.tsv", f"{APARC},t/x.tsv"])
def test_the_table_is_a_path_that_holds_in_every_folder(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (word,) = atlases(spec)
    derivative = parse_derivative(word)
    assert derivative is not None
    assert derivative.table == tmp_path / "t" / "x.tsv"


@pytest.mark.parametrize(
    "spec", ["Schaefer", "Schaefer:100", "a.nii.gz", "X=a.nii.gz,b.tsv", "X=a=derivative:desc-b"]
)
def test_other_atlases_are_not_meant(spec: str) -> None:
    assert parse_derivative(spec) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("derivative:", "'' is not an entity"),
        ("derivative:aparcaseg", "'aparcaseg' is not an entity"),
        ("derivative:desc-", "'desc-' is not an entity"),
        ("derivative:dsc-aseg", "'dsc-aseg' is not an entity"),
        ("derivative:desc-aparc+aseg.x", "is not an entity"),
        ("derivative:desc-aseg_probseg", "'probseg' is not an entity"),
        ("derivative:desc-a_desc-b", "an entity is given twice"),
        ("=derivative:desc-aseg", "no name before the ="),
        ("my_own=derivative:desc-aseg", "the name 'my_own' may have"),
        ("derivative:desc-aseg,", "no table after the comma"),
    ],
)
def test_malformed_words_are_refused_with_the_form(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match="(?s)--atlas .*" + words):
        parse_derivative(spec)


def runs_of(root: Path, *specs: str, **options: Any) -> dict[str, Run]:
    """By name without ``sub-01_`` and the end."""
    runs = find_runs(Settings(root, root / "out", "participant", atlas=specs, **options)).runs
    end = "_desc-preproc_bold.nii.gz"
    return {run.bold.name.removeprefix("sub-01_").removesuffix(end): run for run in runs}


# Runs of task b have no segmentation of their own.
NAMES = [
    *[
        f"sub-01_task-{task}_{space}desc-preproc_bold.nii.gz"
        for task in "ab"
        for space in ("", "space-T1w_", "space-MNI_res-2_", "space-MNI_res-3_")
    ],
    "sub-01_task-a_space-T1w_desc-aparcaseg_dseg.nii.gz",
    "sub-01_task-a_space-MNI_res-2_desc-aparcaseg_dseg.nii.gz",
    "sub-01_task-a_space-T1w_desc-aseg_dseg.nii.gz",
    "sub-01/anat/sub-01_desc-aparcaseg_dseg.nii.gz",
    "sub-01/anat/sub-01_space-MNI_desc-aparcaseg_dseg.nii.gz",
    "sub-01/anat/sub-01_dseg.nii.gz",
    "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
]


@pytest.mark.parametrize(
    ("run", "wanted"),
    [
        ("task-a", None),
        ("task-a_space-T1w", "func/sub-01_task-a_space-T1w_desc-aparcaseg_dseg.nii.gz"),
        (
            "task-a_space-MNI_res-2",
            "func/sub-01_task-a_space-MNI_res-2_desc-aparcaseg_dseg.nii.gz",
        ),
        ("task-a_space-MNI_res-3", "anat/sub-01_space-MNI_desc-aparcaseg_dseg.nii.gz"),
        ("task-b", None),
        ("task-b_space-T1w", "anat/sub-01_desc-aparcaseg_dseg.nii.gz"),
        ("task-b_space-MNI_res-2", "anat/sub-01_space-MNI_desc-aparcaseg_dseg.nii.gz"),
    ],
)
def test_a_run_gets_the_nearest_segmentation_in_its_own_space(
    tmp_path: Path, run: str, wanted: str | None
) -> None:
    root = make_tree(tmp_path / "sub-99" / "anat" / "ds", NAMES)
    found = runs_of(root, APARC)[run]
    assert found.segmentations == ({} if wanted is None else {APARC: root / "sub-01" / wanted})
    assert (APARC in found.missing) == (wanted is None)


def test_what_there_is_in_other_spaces_is_listed(tmp_path: Path) -> None:
    run = runs_of(make_tree(tmp_path / "ds", NAMES), APARC)["task-b"]
    first, *lines = run.missing[APARC].splitlines()
    assert "…_desc-aparcaseg_dseg.nii.gz that fits sub-01/func/sub-01_task-b_desc-" in first
    assert first.endswith("in its space (native); there are, in MNI, T1w:")
    assert lines == [
        "sub-01/anat/sub-01_desc-aparcaseg_dseg.nii.gz",
        "sub-01/anat/sub-01_space-MNI_desc-aparcaseg_dseg.nii.gz",
    ]
    nowhere = "derivative:desc-none"
    (problem,) = {
        one.missing[nowhere].partition(";")[0].partition(" of ")[0].split(" that ")[0]
        for one in runs_of(make_tree(tmp_path / "ds", NAMES), nowhere).values()
    }
    assert problem == "--atlas derivative:desc-none: no segmentation …_desc-none_dseg.nii.gz"


@pytest.mark.parametrize(
    ("images", "space"),
    [
        (["desc-preproc_T2w.nii.gz", "space-MNI_desc-preproc_T1w.nii.gz"], "T2w"),
        (["desc-preproc_T1w.nii.gz", "desc-preproc_T2w.nii.gz"], "T1w"),
        ([], "T1w"),
    ],
)
def test_one_of_the_anatomy_without_space_is_in_that_of_the_anatomical_image(
    tmp_path: Path, images: list[str], space: str
) -> None:
    names = [f"sub-01_task-a_space-{one}_desc-preproc_bold.nii.gz" for one in ("T1w", "T2w")]
    names += [f"sub-01/anat/sub-01_{name}" for name in [*images, "desc-aparcaseg_dseg.nii.gz"]]
    found = runs_of(make_tree(tmp_path / "ds", names), APARC)
    assert [run for run, one in found.items() if one.segmentations] == [f"task-a_space-{space}"]


def test_a_segmentation_of_a_run_without_space_is_native(tmp_path: Path) -> None:
    names = ["sub-01_task-a_desc-preproc_bold.nii.gz", "sub-01_task-a_desc-aseg_dseg.nii.gz"]
    found = runs_of(make_tree(tmp_path / "ds", names), "derivative:desc-aseg")
    assert found["task-a"].segmentations["derivative:desc-aseg"].name == names[1]


@pytest.mark.parametrize(
    ("segmentation", "spec", "fits"),
    [
        ("sub-01/anat/sub-01_acq-x_run-1_desc-aseg_dseg.nii.gz", "desc-aseg", False),
        ("sub-01/anat/sub-01_acq-x_run-1_desc-aseg_dseg.nii.gz", "acq-x_run-01_desc-aseg", True),
        ("sub-01/anat/sub-01_desc-aseg_dseg.nii.gz", "acq-x_desc-aseg", False),
        ("sub-01/ses-b/anat/sub-01_ses-b_desc-aseg_dseg.nii.gz", "desc-aseg", False),
        ("sub-01/anat/sub-01_atlas-4S_scale-156_dseg.nii.gz", "atlas-4S", False),
        ("sub-01/anat/sub-01_atlas-4S_scale-156_dseg.nii.gz", "atlas-4S_scale-156", True),
        ("sub-01/anat/sub-01_atlas-4S_desc-x_dseg.nii", "atlas-4S", True),
        ("sub-01/anat/sub-01_task-b_space-T1w_desc-aseg_dseg.nii", "desc-aseg", False),
        ("sub-01/anat/sub-01_desc-asegx_dseg.nii", "desc-aseg", False),
        ("sub-01/anat/sub-01_desc-aseg_probseg.nii", "desc-aseg", False),
    ],
)
def test_all_but_what_was_asked_for_has_to_be_the_runs(
    tmp_path: Path, segmentation: str, spec: str, fits: bool
) -> None:
    bold = "sub-01/ses-a/func/sub-01_ses-a_task-a_run-2_space-T1w_desc-preproc_bold.nii.gz"
    root = make_tree(tmp_path / "ds", [bold, segmentation])
    (run,) = runs_of(root, f"derivative:{spec}").values()
    assert run.segmentations == ({f"derivative:{spec}": root / segmentation} if fits else {})


def test_segmentations_that_are_equally_near_are_listed_and_none_is_taken(tmp_path: Path) -> None:
    names = [
        "sub-01_task-a_run-1_space-T1w_desc-preproc_bold.nii.gz",
        "sub-01_task-a_run-1_space-T1w_atlas-4S_desc-x_dseg.nii.gz",
        "sub-01_task-a_run-1_space-T1w_atlas-4S_desc-y_dseg.nii.gz",
    ]
    root = make_tree(tmp_path / "ds", names)
    (run,) = runs_of(root, "derivative:atlas-4S").values()
    assert not run.segmentations
    assert run.missing["derivative:atlas-4S"].splitlines()[1:] == [
        f"sub-01/func/{name}" for name in names[1:]
    ]
    (run,) = runs_of(root, "derivative:atlas-4S_desc-y").values()
    assert run.segmentations["derivative:atlas-4S_desc-y"].name == names[2]


def test_a_segmentation_that_was_not_fetched_is_named(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", NAMES)
    (root / "sub-01" / "anat" / "sub-01_desc-aparcaseg_dseg.nii.gz").write_text("/annex/objects/x")
    run = runs_of(root, APARC)["task-b_space-T1w"]
    assert not run.segmentations
    assert "sub-01_desc-aparcaseg_dseg.nii.gz is a git-annex pointer" in run.missing[APARC]


def test_several_can_be_asked_for_and_masks_of_the_anatomy_stay_out(tmp_path: Path) -> None:
    names = [*NAMES, "sub-01/anat/sub-01_space-T1w_desc-brain_mask.nii.gz"]
    asked = (APARC, "S=derivative:desc-aseg", "Schaefer")
    run = runs_of(make_tree(tmp_path / "ds", names), *asked)["task-a_space-T1w"]
    assert set(run.segmentations) == set(asked[:2])
    assert run.mask is None


def test_a_kept_index_without_segmentations_is_not_taken_for_one_with(tmp_path: Path) -> None:
    root, kept = make_tree(tmp_path / "ds", NAMES), tmp_path / "kept"
    for specs in ((), (APARC,), (), (APARC,)):
        run = runs_of(root, *specs, bids_database_dir=kept)["task-a_space-T1w"]
        assert set(run.segmentations) == set(specs)


TABLES = [
    ("sub-01/func/sub-01_task-a_space-T1w_desc-aseg_dseg.tsv", 0),
    ("sub-01/func/sub-01_task-a_desc-aseg_dseg.tsv", 1),
    ("sub-01/func/task-a_desc-aseg_dseg.tsv", 2),
    ("sub-01/desc-aseg_dseg.tsv", 3),
    ("./task-a_desc-aseg_dseg.tsv", 4),
    ("./desc-aseg_dseg.tsv", 5),
]
OTHER_TABLES = [
    "./desc-aparcaseg_dseg.tsv",
    "./dseg.tsv",
    "./task-b_desc-aseg_dseg.tsv",
    "sub-01/func/sub-01_task-a_space-MNI_desc-aseg_dseg.tsv",
    "sub-01/func/sub-01_task-a_space-T1w_desc-aseg_probseg.tsv",
    "sub-02/desc-aseg_dseg.tsv",
]


@pytest.mark.parametrize("first", range(len(TABLES)))
def test_the_table_is_the_nearest_one_by_inheritance(tmp_path: Path, first: int) -> None:
    image = "sub-01/func/sub-01_task-a_space-T1w_desc-aseg_dseg.nii.gz"
    there = [path for path, order in TABLES if order >= first]
    root = make_tree(tmp_path / "sub-98" / "ds", [image, *there, *OTHER_TABLES])
    (root.parent / "desc-aseg_dseg.tsv").touch()
    assert segmentation_table(root, root / image) == root / TABLES[first][0]


def test_there_need_be_no_table(tmp_path: Path) -> None:
    image = "sub-01/func/sub-01_task-a_space-T1w_desc-aseg_dseg.nii.gz"
    root = make_tree(tmp_path / "ds", [image, *OTHER_TABLES])
    (tmp_path / "desc-aseg_dseg.tsv").touch()
    assert segmentation_table(root, root / image) is None


def test_two_tables_that_are_equally_near_are_refused(tmp_path: Path) -> None:
    image = "sub-01/func/sub-01_task-a_run-1_desc-aseg_dseg.nii.gz"
    tables = ["run-1_desc-aseg_dseg.tsv", "task-a_desc-aseg_dseg.tsv"]
    root = make_tree(tmp_path / "ds", [image, *[f"sub-01/{table}" for table in tables]])
    with pytest.raises(BadDataError, match="several tables fit equally") as caught:
        segmentation_table(root, root / image)
    assert str(caught.value).splitlines()[1:] == [f"sub-01/{table}" for table in tables]


def test_a_table_that_was_not_fetched_is_named(tmp_path: Path) -> None:
    image = "sub-01/anat/sub-01_desc-aseg_dseg.nii.gz"
    root = make_tree(tmp_path / "ds", [image])
    (root / "desc-aseg_dseg.tsv").symlink_to(".git/annex/objects/x")
    with pytest.raises(MissingInputError, match=r"desc-aseg_dseg\.tsv is a link .*annex get"):
        segmentation_table(root, root / image)


def test_a_real_fmriprep_tree_gives_every_run_its_segmentation_and_table(
    shared_data: Path,
) -> None:
    root = shared_data / "trees" / "ds000005-fmriprep_names"
    specs = ("derivative:desc-aseg", APARC)
    for name, run in runs_of(root, *specs).items():
        if run.space == "native" or run.on_surfaces:
            assert not run.segmentations
            assert set(specs) <= set(run.missing)
            continue
        for spec in specs:
            desc = spec.partition("-")[2]
            image = run.bold.with_name(
                f"{run.bold.name.partition('_desc-')[0]}_desc-{desc}_dseg.nii.gz"
            )
            assert run.segmentations[spec] == image, name
        assert segmentation_table(root, run.segmentations[specs[0]]) == root / "desc-aseg_dseg.tsv"
        # This tree has the table of one of the two only.
        assert segmentation_table(root, run.segmentations[APARC]) is None
