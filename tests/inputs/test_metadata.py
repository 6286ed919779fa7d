"""Which sidecars and tables of a dataset hold for a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import make_tree

from bids_labelx.errors import BadDataError
from bids_labelx.inputs.metadata import inherited_table, only_table, read_metadata
from bids_labelx.names import Name, parse_name


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


def test_a_sidecar_of_fewer_entities_holds_before_one_of_more_in_the_same_folder(
    tmp_path: Path,
) -> None:
    bold = tmp_path / "sub-01_task-rest_run-1_bold.nii.gz"
    (tmp_path / "task-rest_run-1_bold.json").write_text('{"A": 2}')
    (tmp_path / "task-rest_bold.json").write_text('{"A": 1, "B": 1}')
    assert read_metadata(bold, tmp_path) == {"A": 2, "B": 1}


def entities(name: Name) -> dict[str, str | None]:
    """The hemisphere has to be the same, also where there is none."""
    return {**name.entities, "hemi": name.entities.get("hemi")}


def table_of(root: Path) -> Path | None:
    image = root / "sub-01" / "func" / "sub-01_task-a_run-1_dseg.nii.gz"
    return inherited_table(image, root, parse_name(image), entities)


NEAREST_FIRST = [
    "sub-01/func/sub-01_task-a_dseg.tsv",
    "sub-01/func/dseg.tsv",
    "sub-01/task-a_run-1_dseg.tsv",
    "./dseg.tsv",
]
OTHERS = [
    "sub-01/func/task-b_dseg.tsv",
    "sub-01/func/task-a_hemi-L_dseg.tsv",
    "sub-01/func/task-a_probseg.tsv",
    "sub-01/func/task-a_run-1_dseg.json",
    "sub-02/dseg.tsv",
]


@pytest.mark.parametrize("first", range(len(NEAREST_FIRST)))
def test_a_table_of_the_nearest_folder_is_taken_and_in_it_that_of_most_entities(
    tmp_path: Path, first: int
) -> None:
    root = make_tree(tmp_path / "ds", [*NEAREST_FIRST[first:], *OTHERS])
    (tmp_path / "dseg.tsv").touch()
    assert table_of(root) == root / NEAREST_FIRST[first]


def test_a_table_above_the_root_is_not_inherited(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", OTHERS)
    (tmp_path / "dseg.tsv").touch()
    assert table_of(root) is None


def test_tables_that_fit_equally_are_listed_and_none_is_taken(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "ds", ["sub-01/task-a_dseg.tsv", "sub-01/run-1_dseg.tsv"])
    with pytest.raises(BadDataError, match="several tables fit equally") as caught:
        table_of(root)
    listed = str(caught.value).splitlines()[1:]
    assert listed == ["sub-01/run-1_dseg.tsv", "sub-01/task-a_dseg.tsv"]


def test_the_only_table_needs_no_choice(tmp_path: Path) -> None:
    table = tmp_path / "a.tsv"
    assert only_table(tmp_path / "a.nii", [table], tmp_path) == table
