from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bids import BIDSLayout
from bids.layout import Query as PybidsQuery
from trees import make_tree

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.inputs.matching import parse_path
from bids_labelx.inputs.queries import (
    SECTIONS,
    apply_conditions,
    option_condition,
    read_defaults,
    read_queries,
)

TREE = [
    f"sub-{sub}_{entities}_desc-{desc}_bold.nii.gz"
    for sub in ("01", "02")
    for entities in (
        "task-a_run-01",
        "task-a_run-02",
        "task-a_acq-x_run-01",
        "task-a_acq-y_run-10",
        "task-b",
        "task-b_acq-x_space-MNI_res-2",
        "task-b_space-T1w",
    )
    for desc in ("preproc", "denoised")
]


def write(folder: Path, content: Any) -> Path:
    path = folder / "filter.json"
    path.write_text(json.dumps(content))
    return path


def chosen(root: Path, filters: dict[str, Any]) -> set[str]:
    files = [parse_path(path, root) for path in sorted(root.rglob("*.nii.gz"))]
    queries = read_queries(write(root.parent, {"bold": filters}))
    kept, _ = apply_conditions(files, queries.bold.conditions)
    return {file.path.name for file in kept}


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"desc": "denoised"},
        {"desc": ["preproc", "denoised"]},
        {"desc": "*"},
        {"run": 1},
        {"run": "1"},
        {"run": "01"},
        {"run": [2, 10]},
        {"run": None},
        {"run": "*"},
        {"run": [None, 1]},
        {"acquisition": "*"},
        {"acquisition": ["*", None]},
        {"acquisition": None, "task": "a"},
        {"acquisition": ["x", None], "run": "*"},
        {"subject": "02", "space": "*"},
        {"space": None},
        {"space": ["MNI", "T1w"]},
        {"task": "none"},
        {"datatype": "func", "suffix": "bold", "extension": ".nii.gz", "task": "b"},
    ],
)
def test_values_mean_what_they_mean_to_fmriprep_and_pybids(
    tmp_path: Path, filters: dict[str, Any]
) -> None:
    root = make_tree(tmp_path / "ds", TREE)
    layout = BIDSLayout(root, validate=False, is_derivative=True)

    def theirs(value: Any) -> Any:
        """As fMRIPrep does before it asks pybids."""
        if isinstance(value, list):
            return [theirs(item) for item in value]
        return {None: PybidsQuery.NONE, "*": PybidsQuery.ANY}.get(value, value)

    asked = {"desc": "preproc", **filters}
    found = layout.get(
        suffix=asked.pop("suffix", "bold"),
        extension=asked.pop("extension", ".nii.gz"),
        **{key: theirs(value) for key, value in asked.items()},
    )
    assert chosen(root, filters) == {file.filename for file in found}


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("subject", "sub"),
        ("session", "ses"),
        ("acquisition", "acq"),
        ("ceagent", "ce"),
        ("reconstruction", "rec"),
        ("direction", "dir"),
        ("resolution", "res"),
        ("density", "den"),
        ("description", "desc"),
        ("segmentation", "seg"),
        ("hemisphere", "hemi"),
        ("part", "part"),
        ("cohort", "cohort"),
    ],
)
def test_entities_go_by_long_and_short_names(tmp_path: Path, long: str, short: str) -> None:
    root = make_tree(
        tmp_path / "ds", [f"sub-01/func/{short}-{value}_bold.nii.gz" for value in ("x", "y")]
    )
    for name in (long, short):
        filters = {"desc": None, name: "x"} if short != "desc" else {name: "x"}
        assert chosen(root, filters) == {f"{short}-x_bold.nii.gz"}


def test_a_space_goes_by_its_name_with_and_without_the_cohort(tmp_path: Path) -> None:
    names = [
        "sub-01_space-MNIInfant_cohort-1_desc-preproc_bold.nii.gz",
        "sub-01_space-MNIInfant+2_desc-preproc_bold.nii.gz",
        "sub-01_space-MNI_desc-preproc_bold.nii.gz",
    ]
    root = make_tree(tmp_path / "ds", names)
    assert chosen(root, {"space": "MNIInfant+1"}) == {names[0]}
    assert chosen(root, {"space": "MNIInfant"}) == set(names[:2])
    assert chosen(root, {"cohort": "2"}) == {names[1]}
    assert chosen(root, {"cohort": None}) == {names[2]}


def test_values_may_have_the_key_before_them_as_those_of_options(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", TREE)
    assert chosen(root, {"task": "task-a"}) == chosen(root, {"task": "a"})


def test_the_defaults_have_the_sections_of_a_filter_file_and_surfaces() -> None:
    assert set(read_defaults()) == {*SECTIONS, "surface"}


def test_without_a_file_the_usual_is_asked_for() -> None:
    queries = read_queries()
    assert queries.bold.pattern == "…_desc-preproc_bold.nii.gz"
    assert queries.mask.pattern == "…_desc-brain_mask.nii.gz"
    assert queries.confounds.pattern == "…_desc-confounds_timeseries|regressors.tsv"
    assert not queries.also


def test_sections_replace_the_usual_only_where_they_name_it(tmp_path: Path) -> None:
    sections = {"bold": {"task": "a"}, "mask": {"desc": "epi"}, "confounds": {"suffix": "motion"}}
    queries = read_queries(write(tmp_path, sections))
    assert queries.bold.pattern == "…_desc-preproc_bold.nii.gz"
    assert queries.mask.pattern == "…_desc-epi_mask.nii.gz"
    assert queries.confounds.pattern == "…_desc-confounds_motion.tsv"
    assert queries.also == ("motion.tsv",)


@pytest.mark.parametrize(
    ("sections", "also"),
    [
        ({"confounds": {"desc": "aroma"}}, ("regressors.tsv", "timeseries.tsv")),
        ({"confounds": {"session": "a"}}, ()),
        ({"mask": {"suffix": ["mask", "brainmask"]}}, ("brainmask.nii",)),
    ],
)
def test_what_is_to_be_indexed_beside_the_usual_is_known(
    tmp_path: Path, sections: dict[str, Any], also: tuple[str, ...]
) -> None:
    assert read_queries(write(tmp_path, sections)).also == also


def test_entities_of_c_pac_can_be_asked_for(tmp_path: Path) -> None:
    sections = {"bold": {"desc": "preproc-1", "reg": "36Parameter", "filt": None}}
    root = make_tree(
        tmp_path / "ds",
        [
            "sub-1_space-a_reg-36Parameter_desc-preproc-1_bold.nii.gz",
            "sub-1_space-a_reg-36Parameter_filt-notch_desc-preproc-1_bold.nii.gz",
            "sub-1_space-a_reg-aCompCor_desc-preproc-1_bold.nii.gz",
            "sub-1_space-a_desc-preproc-1_bold.nii.gz",
            "sub-1_space-a_reg-36Parameter_desc-preproc-2_bold.nii.gz",
        ],
    )
    files = [parse_path(path, root) for path in sorted(root.rglob("*.nii.gz"))]
    kept, _ = apply_conditions(files, read_queries(write(tmp_path, sections)).bold.conditions)
    assert [one.path.name for one in kept] == [
        "sub-1_space-a_reg-36Parameter_desc-preproc-1_bold.nii.gz"
    ]


def test_sections_for_raw_data_are_not_looked_at(tmp_path: Path) -> None:
    raw = {key: {"anything": 1.5} for key in ("t1w", "t2w", "fmap", "sbref", "flair", "roi")}
    assert read_queries(write(tmp_path, raw)) == read_queries()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "a JSON object is expected, found list"),
        ({"func": {}}, "there is no section 'func': choose from bold, mask, confounds"),
        ({"bold": ["task"]}, r"bold: an object of entities is expected, found a list"),
        ({"bold": None}, "bold: an object of entities is expected, found null"),
        (
            {"bold": {"tsk": "a"}},
            "bold: tsk: there is no such entity, did you mean task; choose from .*task",
        ),
        ({"mask": {"echo": 1.5}}, "mask: echo: 1.5: a string, a whole number, null"),
        ({"mask": {"echo": True}}, "mask: echo: true: a string, a whole number, null"),
        ({"mask": {"run": [[1]]}}, r"mask: run: \[1\]: a string"),
        ({"mask": {"run": {"a": 1}}}, r'mask: run: \{"a": 1\}: a string'),
        ({"bold": {"run": []}}, "bold: run: an empty list leaves nothing"),
        ({"bold": {"task": "a-b"}}, 'bold: task: "a-b": a label has letters and digits only'),
        ({"bold": {"desc": "a-b"}}, 'bold: desc: "a-b": a label has letters and digits only'),
        ({"bold": {"task": ""}}, 'bold: task: "": a label has letters and digits only'),
        ({"bold": {"sub": "1", "subject": "2"}}, "bold: subject: sub is given twice"),
        ({"bold": {"suffix": "cbv"}}, 'bold: suffix: "cbv": it can only be bold'),
        ({"bold": {"suffix": ["bold", "cbv"]}}, "it can only be bold"),
        ({"mask": {"suffix": "bold"}}, "mask: suffix: .*bold is that of the image"),
        ({"mask": {"suffix": "*"}}, "mask: suffix: .*it has to be said which"),
        ({"confounds": {"suffix": None}}, "it has to be said which"),
        ({"bold": {"datatype": "anat"}}, 'bold: datatype: "anat": it can only be func'),
        ({"confounds": {"extension": ".csv"}}, r"extension: \"\.csv\": choose from \.tsv"),
        ({"bold": {"extension": "mgz"}}, r"choose from \.nii, \.nii\.gz"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_could_be(
    tmp_path: Path, content: Any, words: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BadDataError, match=f"(?s)--bids-filter-file {path}:.*{words}"):
        read_queries(path)


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, {"x": {}, "bold": {"y": 1, "run": 1.5}, "mask": 1})
    with pytest.raises(BadDataError) as caught:
        read_queries(path)
    assert len(str(caught.value).splitlines()) == 5


def test_a_file_that_is_not_there_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"--bids-filter-file .*none\.json cannot be read"):
        read_queries(tmp_path / "none.json")
    path = tmp_path / "filter.json"
    for content, words in (
        (b"{'bold': {}}", ": not valid JSON"),
        (b"\xff", ", line 1: not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadDataError, match=rf"filter\.json{words}"):
            read_queries(path)


def test_the_condition_that_removes_the_last_is_named_with_what_there_was(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", TREE)
    files = [parse_path(path, root) for path in sorted(root.rglob("*.nii.gz"))]
    options = [
        option_condition("--task-id", "task", ("b",)),
        option_condition("--run-id", "run", ("3", "04")),
        option_condition("--space", "space", ("T1w",)),
    ]
    kept, removal = apply_conditions(files, options)
    assert not kept
    assert removal is not None
    assert (removal.condition.source, removal.found) == ("--run-id 3 04", "(none)")
    assert apply_conditions([], options) == ([], None)
