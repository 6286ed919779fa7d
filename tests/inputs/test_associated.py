"""Which mask and which confounds table a BOLD image gets, for datasets of many kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import make_tree

from bids_labelx.inputs import matching
from bids_labelx.inputs.associated import collect_associated, find_mask, find_table
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.datasets import Dataset
from bids_labelx.inputs.matching import File, parse_path
from bids_labelx.inputs.queries import read_queries
from bids_labelx.inputs.run import Run
from bids_labelx.names import FIRST_DATASET
from bids_labelx.settings import Settings

AROMA = {"bold": {"desc": "nonaggrDenoised"}, "confounds": {"desc": "melodic", "suffix": "mixing"}}
XCP_D = {"bold": {"desc": "denoised"}, "confounds": {"desc": None, "suffix": "motion"}}

# By kind of dataset: the filter file, what every BOLD image is to get, and what lies beside it.
# A minus stands for nothing.
KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "fMRIPrep without sessions and runs, in several spaces and resolutions": (
        {},
        """
        01_task-a_desc-preproc_bold.nii.gz
            01_task-a_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-T1w_desc-preproc_bold.nii.gz
            01_task-a_space-T1w_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-MNI_res-1_desc-preproc_bold.nii.gz
            01_task-a_space-MNI_res-1_desc-brain_mask.nii.gz
            01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-MNI_res-2_desc-preproc_bold.nii.gz
            01_task-a_space-MNI_res-2_desc-brain_mask.nii.gz
            01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-MNI_desc-preproc_bold.nii.gz
            01_task-a_space-MNI_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        02_task-a_desc-preproc_bold.nii.gz
            02_task-a_desc-brain_mask.nii.gz 02_task-a_desc-confounds_timeseries.tsv
        """,
        "01_task-a_desc-MELODIC_timeseries.tsv 01_task-a_space-T1w_desc-aseg_dseg.nii.gz",
    ),
    "fMRIPrep with sessions and runs": (
        {},
        """
        01_ses-a_task-a_run-1_desc-preproc_bold.nii.gz
            01_ses-a_task-a_run-1_desc-brain_mask.nii.gz
            01_ses-a_task-a_run-1_desc-confounds_timeseries.tsv
        01_ses-a_task-a_run-2_desc-preproc_bold.nii.gz
            01_ses-a_task-a_run-2_desc-brain_mask.nii.gz
            01_ses-a_task-a_run-2_desc-confounds_timeseries.tsv
        01_ses-b_task-a_run-1_desc-preproc_bold.nii.gz
            01_ses-b_task-a_run-1_desc-brain_mask.nii.gz
            01_ses-b_task-a_run-1_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "fMRIPrep with acquisitions and directions, one run without them": (
        {},
        """
        01_task-a_desc-preproc_bold.nii.gz
            01_task-a_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        01_task-a_acq-x_dir-AP_desc-preproc_bold.nii.gz
            01_task-a_acq-x_dir-AP_desc-brain_mask.nii.gz
            01_task-a_acq-x_dir-AP_desc-confounds_timeseries.tsv
        01_task-a_acq-x_dir-PA_desc-preproc_bold.nii.gz
            01_task-a_acq-x_dir-PA_desc-brain_mask.nii.gz
            01_task-a_acq-x_dir-PA_desc-confounds_timeseries.tsv
        01_task-a_acq-y_dir-AP_desc-preproc_bold.nii.gz
            01_task-a_acq-y_dir-AP_desc-brain_mask.nii.gz
            01_task-a_acq-y_dir-AP_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "fMRIPrep with echoes, which are asked for": (
        {"bold": {"echo": [None, "*"]}},
        """
        01_task-a_run-01_echo-1_desc-preproc_bold.nii.gz
            01_task-a_run-01_desc-brain_mask.nii.gz 01_task-a_run-01_desc-confounds_timeseries.tsv
        01_task-a_run-01_echo-2_desc-preproc_bold.nii.gz
            01_task-a_run-01_desc-brain_mask.nii.gz 01_task-a_run-01_desc-confounds_timeseries.tsv
        01_task-a_run-01_space-MNI_desc-preproc_bold.nii.gz
            01_task-a_run-01_space-MNI_desc-brain_mask.nii.gz
            01_task-a_run-01_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "fMRIPrep with echoes beside the optimally combined image": (
        {},
        """
        01_task-a_desc-preproc_bold.nii.gz
            01_task-a_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        """,
        "01_task-a_echo-1_desc-preproc_bold.nii.gz 01_task-a_echo-2_desc-preproc_bold.nii.gz",
    ),
    "fMRIPrep with magnitude and phase": (
        {},
        """
        01_task-a_part-mag_desc-preproc_bold.nii.gz
            01_task-a_part-mag_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        """,
        "01_task-a_part-phase_desc-preproc_bold.nii.gz",
    ),
    "fMRIPrep with phase asked for": (
        {"bold": {"part": "phase"}},
        """
        01_task-a_part-phase_desc-preproc_bold.nii.gz
            - 01_task-a_desc-confounds_timeseries.tsv
        """,
        "01_task-a_part-mag_desc-preproc_bold.nii.gz 01_task-a_part-mag_desc-brain_mask.nii.gz",
    ),
    "fMRIPrep with voxels that were projected, and any mask asked for": (
        {"mask": {"desc": "*"}},
        """
        01_task-a_space-MNI_desc-preproc_bold.nii.gz
            01_task-a_space-MNI_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        02_task-a_space-MNI_desc-preproc_bold.nii.gz
            - 02_task-a_desc-confounds_timeseries.tsv
        """,
        "01_task-a_space-MNI_desc-goodvoxels_mask.nii.gz "
        "02_task-a_space-MNI_desc-goodvoxels_mask.nii.gz",
    ),
    "fMRIPrep before 20.2": (
        {},
        """
        01_task-a_space-MNI_desc-preproc_bold.nii.gz
            01_task-a_space-MNI_desc-brain_mask.nii.gz 01_task-a_desc-confounds_regressors.tsv
        """,
        "",
    ),
    "NiBabies, old and new names of cohorts": (
        {},
        """
        01_ses-1mo_task-a_acq-PA_run-001_space-MNIInfant_cohort-1_desc-preproc_bold.nii.gz
            01_ses-1mo_task-a_acq-PA_run-001_space-MNIInfant_cohort-1_desc-brain_mask.nii.gz
            01_ses-1mo_task-a_acq-PA_run-001_desc-confounds_timeseries.tsv
        02_ses-1mo_task-a_space-MNIInfant+1_desc-preproc_bold.nii.gz
            02_ses-1mo_task-a_space-MNIInfant+1_desc-brain_mask.nii.gz
            02_ses-1mo_task-a_desc-confounds_timeseries.tsv
        02_ses-1mo_task-a_space-MNIInfant+2_desc-preproc_bold.nii.gz
            - 02_ses-1mo_task-a_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "XCP-D": (
        XCP_D,
        """
        01_task-a_run-01_space-MNI_res-2_desc-denoised_bold.nii.gz
            01_task-a_run-01_space-MNI_res-2_desc-brain_mask.nii.gz 01_task-a_run-01_motion.tsv
        01_task-a_run-02_space-MNI_res-2_desc-denoised_bold.nii.gz
            - 01_task-a_run-02_motion.tsv
        """,
        "01_task-a_run-02_desc-filtered_motion.tsv 01_task-a_run-02_outliers.tsv "
        "01_task-a_run-02_space-MNI_res-2_desc-denoisedSmoothed_bold.nii.gz",
    ),
    "fMRIPost-AROMA": (
        AROMA,
        """
        01_ses-01_task-a_space-MNI6_res-2_desc-nonaggrDenoised_bold.nii.gz
            01_ses-01_task-a_space-MNI6_desc-brain_mask.nii.gz
            01_ses-01_task-a_space-MNI6_res-2_desc-melodic_mixing.tsv
        """,
        "01_ses-01_task-a_desc-aroma_timeseries.tsv "
        "01_ses-01_task-a_space-MNI6_res-2_desc-aggrDenoised_bold.nii.gz "
        "01_ses-01_task-a_space-MNI6_res-2_thresh-0p5_desc-melodic_components.nii.gz",
    ),
    "by hand: one mask for all runs": (
        {},
        """
        01_task-a_run-1_space-MNI_desc-preproc_bold.nii.gz
            01_space-MNI_desc-brain_mask.nii.gz 01_task-a_run-1_desc-confounds_timeseries.tsv
        01_task-a_run-2_space-MNI_desc-preproc_bold.nii.gz
            01_space-MNI_desc-brain_mask.nii.gz 01_task-a_run-2_desc-confounds_timeseries.tsv
        01_task-b_space-MNI_desc-preproc_bold.nii.gz
            01_task-b_space-MNI_desc-brain_mask.nii.gz 01_task-b_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "by hand: a mask without and one with the resolution": (
        {},
        """
        01_task-a_space-MNI_desc-preproc_bold.nii.gz
            01_space-MNI_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-MNI_res-2_desc-preproc_bold.nii.gz
            01_space-MNI_res-2_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        01_task-a_space-MNI_res-3_desc-preproc_bold.nii.gz
            01_space-MNI_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "by hand: only masks with the resolution, which a run does not say": (
        {},
        """
        01_task-a_space-MNI_desc-preproc_bold.nii.gz
            01_space-MNI_res-2_desc-brain_mask.nii.gz 01_task-a_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "by hand: indices with and without zeros": (
        {},
        """
        01_task-a_run-01_desc-preproc_bold.nii.gz
            01_task-a_run-1_desc-brain_mask.nii.gz 01_task-a_run-001_desc-confounds_timeseries.tsv
        """,
        "",
    ),
    "by hand: a table with less than the run's entities, and of the space": (
        {},
        """
        01_ses-a_task-a_acq-x_space-MNI_desc-preproc_bold.nii.gz
            01_ses-a_space-MNI_desc-brain_mask.nii.gz
            01_ses-a_task-a_space-MNI_desc-confounds_timeseries.tsv
        01_ses-a_task-a_acq-x_space-T1w_desc-preproc_bold.nii.gz
            - 01_ses-a_task-a_desc-confounds_timeseries.tsv
        """,
        "",
    ),
}


def full(word: str) -> str | None:
    return None if word == "-" else f"sub-{word}"


def runs_of(
    tmp_path: Path, names: list[str], filters: dict[str, Any], **options: Any
) -> list[Run]:
    root = make_tree(tmp_path / "ds", names)
    file = tmp_path / "filter.json"
    file.write_text(json.dumps(filters))
    settings = Settings(root, tmp_path / "out", "participant", bids_filter_file=file, **options)
    return find_runs(settings).runs


@pytest.mark.parametrize("kind", KINDS)
def test_every_run_gets_its_own_mask_and_confounds(tmp_path: Path, kind: str) -> None:
    filters, words, others = KINDS[kind]
    triples = [tuple(map(full, words.split()[i : i + 3])) for i in range(0, len(words.split()), 3)]
    names = [name for triple in triples for name in triple if name]
    names += [f"sub-{word}" for word in others.split()]
    runs = runs_of(tmp_path, names, filters)
    found = {
        (run.bold.name, run.mask and run.mask.name, run.confounds and run.confounds.name)
        for run in runs
    }
    assert found == set(triples)
    for run in runs:
        assert ("mask" in run.missing) == (run.mask is None)
        assert "confounds" not in run.missing


def test_what_a_name_lacks_is_taken_from_its_folders(tmp_path: Path) -> None:
    """Two sessions whose files have the same names."""
    names = ["task-a_desc-preproc_bold.nii.gz", "task-a_desc-confounds_timeseries.tsv"]
    folders = ["sub-01/ses-a/func", "sub-01/ses-b/func"]
    runs = runs_of(tmp_path, [f"{folder}/{name}" for folder in folders for name in names], {})
    assert [run.entities["ses"] for run in runs] == ["a", "b"]
    assert all(run.entities["sub"] == "01" for run in runs)
    for run in runs:
        assert run.confounds == run.bold.with_name(names[1])


def one_run(tmp_path: Path, run: str, names: str, **options: Any) -> Run:
    """The run of that name, out of a dataset of native images with these tables and masks."""
    found = runs_of(tmp_path, [f"sub-01_{name}" for name in names.split()], {}, **options)
    (wanted,) = [one for one in found if one.bold.name == f"sub-01_{run}_desc-preproc_bold.nii.gz"]
    return wanted


BOLD, TABLE, MASK = (
    "desc-preproc_bold.nii.gz",
    "desc-confounds_timeseries.tsv",
    "desc-brain_mask.nii.gz",
)


@pytest.mark.parametrize(
    ("run", "theirs"),
    [
        ("task-a_run-1", "task-a_run-2"),
        ("task-a_run-1", "task-b_run-1"),
        ("ses-a_task-a", "ses-b_task-a"),
        ("task-a_acq-x", "task-a_acq-y"),
        ("task-a", "task-a_acq-y"),
        ("task-a_dir-AP", "task-a_dir-PA"),
        ("task-a", "task-a_echo-1"),
        ("task-a", "task-a_space-MNI"),
        ("task-a", "task-a_run-1"),
    ],
)
@pytest.mark.parametrize("with_image", [True, False])
def test_files_of_another_run_are_never_taken(
    tmp_path: Path, run: str, theirs: str, with_image: bool
) -> None:
    names = f"{run}_{BOLD} {theirs}_{TABLE} {theirs}_{MASK}" + f" {theirs}_{BOLD}" * with_image
    found = one_run(tmp_path, run, names)
    assert found.confounds is None
    assert found.mask is None
    assert "no confounds table" in found.missing["confounds"]
    assert "no brain mask" in found.missing["mask"]


@pytest.mark.parametrize("options", [{}, {"run_id": ("1",)}])
def test_a_table_that_could_be_of_two_runs_is_refused_for_both(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Also where only one of the runs is asked for."""
    names = f"task-a_run-1_{BOLD} task-a_run-2_{BOLD} task-a_{TABLE}"
    found = one_run(tmp_path, "task-a_run-1", names, **options)
    assert found.confounds is None
    assert (
        f"sub-01/func/sub-01_task-a_{TABLE} could belong to "
        "sub-01_task-a_run-1, sub-01_task-a_run-2;"
    ) in found.missing["confounds"]


def test_images_of_a_run_that_are_not_preprocessed_make_a_table_ambiguous_too(
    tmp_path: Path,
) -> None:
    names = f"task-a_run-1_{BOLD} task-a_run-2_desc-denoised_bold.nii.gz task-a_{TABLE}"
    assert one_run(tmp_path, "task-a_run-1", names).confounds is None


@pytest.mark.parametrize(
    "other", ["space-MNI", "echo-2", "part-phase", "space-MNI_res-2", "reg-a_filt-b"]
)
def test_images_of_one_run_share_a_table(tmp_path: Path, other: str) -> None:
    names = f"task-a_run-1_{BOLD} task-a_run-1_{other}_{BOLD} task-a_{TABLE}"
    found = one_run(tmp_path, "task-a_run-1", names)
    assert found.confounds is not None
    assert found.confounds.name == f"sub-01_task-a_{TABLE}"


def test_beside_a_table_of_the_run_one_without_a_run_does_not_matter(tmp_path: Path) -> None:
    names = f"task-a_run-1_{BOLD} task-a_run-2_{BOLD} task-a_{TABLE} task-a_run-1_{TABLE}"
    own = one_run(tmp_path, "task-a_run-1", names).confounds
    assert own is not None
    assert own.name == f"sub-01_task-a_run-1_{TABLE}"
    assert one_run(tmp_path, "task-a_run-2", names).confounds is None


def test_a_table_with_the_very_entities_of_a_run_is_that_runs_and_no_others(
    tmp_path: Path,
) -> None:
    names = f"task-a_{BOLD} task-a_acq-x_{BOLD} task-a_{TABLE}"
    assert one_run(tmp_path, "task-a", names).confounds is not None
    other = one_run(tmp_path, "task-a_acq-x", names)
    assert other.confounds is None
    assert f"sub-01_task-a_{TABLE} is that of sub-01_task-a" in other.missing["confounds"]


@pytest.mark.parametrize(
    ("what", "tied"),
    [
        ("confounds", [f"task-a_run-1_{TABLE}", f"task-a_run-01_{TABLE}"]),
        ("confounds", [f"task-a_run-1_{TABLE}", "task-a_run-1_desc-confounds_regressors.tsv"]),
        ("mask", [f"task-a_run-1_{MASK}", "task-a_run-01_desc-brain_mask.nii"]),
        ("mask", [f"task-a_{MASK}", f"run-1_{MASK}"]),
    ],
)
def test_files_that_are_equally_near_are_listed_and_none_is_taken(
    tmp_path: Path, what: str, tied: list[str]
) -> None:
    found = one_run(tmp_path, "task-a_run-1", f"task-a_run-1_{BOLD} {' '.join(tied)}")
    assert getattr(found, what) is None
    first, *lines = found.missing[what].splitlines()
    assert first.startswith("2 files could be the")
    assert sorted(lines) == sorted(f"sub-01/func/sub-01_{name}" for name in tied)


@pytest.mark.parametrize("there", ["space-T1w", "space-MNI_res-1", "space-MNIInfant"])
def test_a_mask_on_another_grid_is_not_taken_and_listed(tmp_path: Path, there: str) -> None:
    run = "task-a_space-MNI_res-2"
    found = one_run(tmp_path, run, f"{run}_{BOLD} task-a_{MASK} task-a_{there}_{MASK}")
    assert found.mask is None
    assert "there are\n" in found.missing["mask"]
    assert f"sub-01/func/sub-01_task-a_{there}_{MASK}" in found.missing["mask"].splitlines()


def test_a_mask_of_another_kind_is_said_to_be_there(tmp_path: Path) -> None:
    found = one_run(tmp_path, "task-a", f"task-a_{BOLD} task-a_desc-epi_mask.nii.gz")
    assert "those that fit have desc epi" in found.missing["mask"]


def test_a_long_list_of_files_that_do_not_fit_is_cut(tmp_path: Path) -> None:
    masks = " ".join(f"task-a_space-x{i}_{MASK}" for i in range(9))
    problem = one_run(tmp_path, "task-a", f"task-a_{BOLD} {masks}").missing["mask"]
    assert problem.splitlines()[-1] == "and 3 more"


ENTITIES = {
    "sub": ["01", "02"],
    "ses": [None, "a", "b"],
    "task": [None, "x"],
    "acq": [None, "p"],
    "run": [None, "1", "01", "2"],
    "space": [None, "MNI", "T1w"],
    "echo": [None, "1"],
}


@st.composite
def names(draw: st.DrawFn) -> str:
    chosen = {key: draw(st.sampled_from(values)) for key, values in ENTITIES.items()}
    return "_".join(f"{key}-{value}" for key, value in chosen.items() if value)


def one_dataset(root: Path, files: list[File]) -> dict[str, Dataset]:
    return {FIRST_DATASET: Dataset(FIRST_DATASET, root, files, {})}


@given(st.lists(names(), max_size=8), st.lists(names(), max_size=8))
def test_no_table_ever_serves_two_runs_or_has_what_its_run_lacks(
    bold: list[str], tables: list[str]
) -> None:
    root = Path("/ds")

    def path(stem: str, end: str) -> Path:
        return root / stem.partition("_")[0] / "func" / f"{stem}_{end}"

    paths = {path(stem, BOLD) for stem in bold} | {path(stem, TABLE) for stem in tables}
    files = [parse_path(one, root) for one in sorted(paths)]
    associated = collect_associated(one_dataset(root, files), read_queries())
    served: dict[Path, set[frozenset[str]]] = {}
    for image in (file for file in files if file.is_image):
        table, problem = find_table(image, associated.confounds)
        assert (table is None) == bool(problem)
        # Nothing is on this disk, so what was found is only in the words.
        taken = problem.partition(" cannot be read")
        if not taken[1]:
            continue
        chosen = root / taken[0]
        own = chosen.name.replace("run-01", "run-1").split("_")[:-2]
        parts = image.path.name.replace("run-01", "run-1").split("_")[:-2]
        assert set(own) <= set(parts)
        run = frozenset(part for part in parts if not part.startswith(("space-", "echo-")))
        served.setdefault(chosen, set()).add(run)
    assert all(len(runs) == 1 for runs in served.values())


def test_the_time_it_takes_grows_with_the_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path("/ds")
    compared = 0
    fits = matching._fits

    def counted(*arguments: Any) -> bool:
        nonlocal compared
        compared += 1
        return fits(*arguments)

    monkeypatch.setattr(matching, "_fits", counted)
    stems = [f"sub-01_ses-{i // 20}_task-a_run-{i % 20}" for i in range(400)]
    ends = [f"space-{space}_{end}" for space in "abc" for end in (BOLD, MASK)]
    paths = [root / "sub-01" / f"{stem}_{end}" for stem in stems for end in (*ends, TABLE)]
    files = [parse_path(path, root) for path in paths]
    associated = collect_associated(one_dataset(root, files), read_queries())
    for image in (file for file in files if file.name.suffix == "bold"):
        find_mask(image, associated.masks)
        find_table(image, associated.confounds)
    assert compared == 1200 * (3 + 1 + 1)


def test_a_compressed_table_is_told(tmp_path: Path) -> None:
    table = "sub-01_task-a_desc-confounds_timeseries.tsv.gz"
    names = ["sub-01_task-a_desc-preproc_bold.nii.gz", table, table.replace("-a_", "-b_")]
    root = make_tree(tmp_path / "ds", names)
    settings = Settings(bids_dir=root, output_dir=tmp_path, analysis_level="participant")
    (run,) = find_runs(settings).runs
    assert f"{table} is not read; decompress it with gunzip" in run.missing["confounds"]
    assert "--mask none does without one" in run.missing["mask"]
