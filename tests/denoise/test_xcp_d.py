"""XCP-D's files of nuisance regressors; tests/science has the series that they give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_labelx.denoise import read_strategies
from bids_labelx.denoise.columns import wanted_columns
from bids_labelx.denoise.xcp_d import strategy_of_xcp_d
from bids_labelx.errors import BadDataError, UsageError

QUERY = "{space: null, cohort: null, desc: confounds, suffix: timeseries, extension: .tsv}"
HEAD = (
    f"name: mine\nconfounds:\n  a:\n    dataset: preprocessed\n    query: {QUERY}\n    columns:\n"
)
AROMA = """\
  b:
    dataset: aroma
    query:
      space: null
      desc: aroma
      suffix: timeseries
      extension: .tsv
    columns:
    - ^aroma_orth_motion_.*$
"""
IMAGE = """\
  slfo:
    dataset: rapidtide
    query:
      desc: LFO
      extension: .nii.gz
      suffix: timeseries
"""


def with_columns(*columns: str) -> str:
    return HEAD + "".join(f"    - {column}\n" for column in columns)


def read(text: str) -> dict:
    return strategy_of_xcp_d(text, "mine.yml")


def taken(column: str, available: list[str]) -> tuple[list[str], list[str]]:
    """The columns that an entry takes by our rules, and what it lacks."""
    confounds = {"columns": read(with_columns(column))["confounds"]["columns"]}
    found = wanted_columns(confounds, available, n_volumes=9, t_r=2.0, metadata={})
    return found.columns, found.lacking


def test_columns_of_the_confounds_table_and_of_other_tables_are_apart() -> None:
    content = read(with_columns("csf", "white_matter") + AROMA)
    assert content["name"] == "mine"
    assert content["confounds"] == {
        "first_row": "zero",
        "columns": [{"name": "csf"}, {"name": "white_matter"}],
        "tables": [
            {
                "dataset": "aroma",
                "suffix": "timeseries",
                "desc": "aroma",
                "columns": [{"pattern": "(?i)^aroma_orth_motion_.*$", "required": True}],
            }
        ],
    }


def test_sets_of_one_table_are_one_table() -> None:
    second = with_columns("csf").replace("name: mine\nconfounds:\n", "").replace("  a:", "  z:")
    assert read(with_columns("rmsd") + second)["confounds"]["columns"] == [
        {"name": "rmsd"},
        {"name": "csf"},
    ]
    more = AROMA.replace("  b:", "  c:").replace("^aroma_orth_motion_.*$", "task")
    (table,) = read(with_columns("rmsd") + AROMA + more)["confounds"]["tables"]
    assert [*map(len, table["columns"])] == [2, 1]


def test_another_table_of_the_first_dataset_needs_no_name_of_a_dataset() -> None:
    text = with_columns("a").replace("desc: confounds", "desc: null")
    assert read(text)["confounds"]["tables"] == [
        {"suffix": "timeseries", "columns": [{"name": "a"}]}
    ]


def test_the_cleaning_is_that_of_the_preset_36p() -> None:
    content, (preset,) = read(with_columns("csf")), read_strategies(["36P"])
    assert content["volumes"] == preset.volumes == {"non_steady_state": True}
    assert content["clean"] == {**preset.clean, "standardize": "none"}


def test_a_description_is_one_line_without_keys_of_a_bibliography() -> None:
    text = "description: |\n  Regressors were\n  chosen [@one;@two_2013], and\n  more.\n"
    assert read(text + with_columns("csf"))["description"] == "Regressors were chosen, and more."


AVAILABLE = ["cosine00", "Cosine01", "cosine02_x", "csf", "CSF2", "a.b", "aXb", "old_csf"]


@pytest.mark.parametrize(
    "column",
    [
        r"^cosine\d+$",
        r"^cosine\d+",
        "^csf",
        "^csf$",
        "^csf$|cosine",
        "^a.b$",
        r"^a\.b",
        "^COSINE.*$",
    ],
)
def test_regular_expressions_take_what_xcp_d_takes(column: str) -> None:
    # As its GenerateConfounds has it.
    expected = [name for name in AVAILABLE if re.match(column, name, re.IGNORECASE)]
    assert expected
    assert taken(column, AVAILABLE) == (expected, [])


def test_what_does_not_begin_with_a_circumflex_is_a_name() -> None:
    assert taken("a.b", AVAILABLE) == (["a.b"], [])
    assert taken("cosine.*", AVAILABLE) == ([], ["cosine.*"])


def test_a_regular_expression_has_to_match() -> None:
    columns, lacking = taken(r"^a_comp_cor_\d+$", AVAILABLE)
    assert (columns, len(lacking)) == ([], 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^mine\.yml, line 1: is empty"),
        ("name: [mine\n", r"^mine\.yml, line 2: is no YAML \("),
        ("name: a\n\tconfounds: b\n", "line 2: is no YAML"),
        ("name: \x01\n", "line 1: is no YAML"),
        ("[" * 5000, "is no YAML"),
        ("- a\n", r"line 1: the file is a list; expected are keys: name, description, confounds"),
        ("name: mine\n", "line 1: has no confounds"),
        ("name: mine\nconfounds:\n", "line 2: confounds is empty; expected are keys"),
        ("confounds: {}\n", "line 1: confounds has no set of regressors"),
        ("name: 36\n" + HEAD, "line 2: the file has name twice"),
        (HEAD.replace("mine", "36") + "    - csf\n", "line 1: name is 36; .* in quotes"),
        (
            "volumes: 2\n" + with_columns("csf"),
            "line 1: the file has volumes; allowed are name, d",
        ),
        (with_columns("csf", "csf"), "line 8: confounds.a: csf is named a second time"),
        (with_columns("3"), "line 7: a column of confounds.a is 3; expected is a text, in quotes"),
        (with_columns("[csf]"), "line 7: a column of confounds.a is a list"),
        (with_columns("^csf($"), r"line 7: confounds\.a: \^csf\(\$ is no regular expression"),
        (HEAD + "      csf\n", r"confounds\.a\.columns is csf; expected is a list"),
        (HEAD.replace("    columns:\n", ""), "line 4: confounds.a has no columns"),
        (
            with_columns("csf").replace("    dataset: preprocessed\n", ""),
            "line 4: confounds.a has no dataset",
        ),
        (
            with_columns("csf").replace("cohort: null", "run: 2"),
            r"line 5: confounds\.a\.query\.run is 2; a run's table is found by .* Remove it",
        ),
        (
            with_columns("csf").replace("desc: confounds, ", ""),
            r"line 5: confounds\.a\.query has no desc; give suffix, desc, extension",
        ),
        (with_columns("csf").replace(".tsv", ".csv"), "extension is .csv; expected is .tsv"),
        (with_columns("csf").replace(".tsv", "null"), "extension is null; expected is .tsv"),
        (with_columns("csf").replace("suffix: timeseries", "suffix: null"), "suffix is null"),
        (with_columns("signal__press"), "line 7: confounds.a: signal__press: XCP-D keeps what"),
        (with_columns("^signal__.*$"), r"\^signal__\.\*\$ takes columns that begin with signal__"),
        (with_columns("^.*$"), r"\^\(\?!signal__\) at its beginning leaves them out"),
    ],
)
def test_other_files_are_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        read(text)


def test_signals_can_be_left_out() -> None:
    assert taken("^(?!signal__).*$", ["signal__a", "task"]) == (["task"], [])


def test_images_are_refused_by_name_with_what_to_do() -> None:
    with pytest.raises(BadDataError) as raised:
        read(with_columns("csf") + IMAGE)
    assert re.match(
        r"mine\.yml, line 9: confounds\.slfo is an image \(timeseries\.nii\.gz of the dataset "
        r"rapidtide\): regressors of each voxel are not supported\. Remove it here, or",
        str(raised.value),
    )


def test_all_sets_that_are_wrong_are_named() -> None:
    with pytest.raises(BadDataError) as raised:
        read(with_columns("csf", "csf") + IMAGE)
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["mine.yml", "Mine.YAML"])
def test_a_file_is_a_strategy_by_its_ending(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(with_columns("csf").replace("name: mine\n", ""))
    (strategy,) = read_strategies([path])
    assert strategy.name == path.stem
    assert strategy.confounds == {"first_row": "zero", "columns": [{"name": "csf"}]}


def test_a_file_that_is_called_as_a_preset_is_refused_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(with_columns("csf").replace("mine", "36P"))
    with pytest.raises(UsageError, match="outputs of both would be called desc-36P"):
        read_strategies(["36P", tmp_path / "mine.yml"])
