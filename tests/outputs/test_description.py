"""The folder that results go to: ours, or refused before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import UsageError
from bids_labelx.outputs.description import check_output_folder, write_dataset_files
from bids_labelx.settings import Settings


def described(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    content = {"Name": "results", "GeneratedBy": [{"Name": name} for name in names]}
    (folder / "dataset_description.json").write_text(json.dumps(content))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("level", ["participant", "group"])
def test_a_folder_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, add_run: Callable[..., Path], atlas_dataset: Path, level: str
) -> None:
    root = tmp_path / "ds"
    add_run(root)
    output = described(tmp_path / "fmriprep", "fMRIPrep")
    (output / "sub-01.html").write_text("theirs")
    (output / "group_bold.tsv").write_text("theirs")
    before = contents(output)
    settings = Settings(root, output, level, atlas_dataset=atlas_dataset, nprocs=1)
    with pytest.raises(UsageError, match=r"OUTPUT_DIR .*fmriprep holds files .* is of fMRIPrep"):
        (run_participants if level == "participant" else run_group)(settings)
    assert contents(output) == before


def test_a_folder_is_ours_by_its_description_or_by_holding_nothing_that_we_write(
    tmp_path: Path,
) -> None:
    check_output_folder(tmp_path / "not there")
    check_output_folder(described(tmp_path / "ours", "bids_labelx"))
    other = tmp_path / "other"
    (other / "logs").mkdir(parents=True)
    (other / "slurm-7.out").touch()
    check_output_folder(other)
    (other / "sub-01").mkdir()
    with pytest.raises(UsageError, match=r"other has sub-01 and no dataset_description\.json"):
        check_output_folder(other)


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"Name": "raw data"}', '{"GeneratedBy": {}}'])
def test_a_description_that_does_not_say_who_made_it_is_not_ours(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(UsageError, match=r"no run of bids_labelx wrote.* after BIDS_DIR"):
        check_output_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name\tmeaning\na\tb\n", "has the columns name, meaning"),
        ("desc_id\tdescription\nsimple\n", "1 fields where the header has 2"),
        ("\0", "zero bytes"),
    ],
)
def test_a_table_of_descriptions_that_is_not_ours_stays_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, found: str
) -> None:
    path = tmp_path / "descriptions.tsv"
    path.write_text(text)
    write_dataset_files(
        tmp_path,
        sources={tmp_path: {}},
        links={},
        descriptions={"simple": "what it did"},
    )
    assert path.read_text() == text
    assert f"{path}: " in caplog.text
    assert found in caplog.text
    assert not path.with_suffix(".json").exists()
