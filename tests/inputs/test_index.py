from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bids import BIDSLayout

from bids_labelx.app.cli import main
from bids_labelx.errors import CannotWriteError, UsageError
from bids_labelx.inputs import dataset, index
from bids_labelx.inputs.dataset import find_runs
from bids_labelx.inputs.index import DATABASE, RECORD, find_files
from bids_labelx.inputs.listing import SEGMENTATIONS, list_participants, settled_time
from bids_labelx.settings import Settings, make_settings

WANTED = (
    "task-rest_desc-preproc_bold.nii.gz",
    "task-rest_desc-brain_mask.nii.gz",
    "task-rest_desc-confounds_timeseries.tsv",
    "task-rest_space-fsLR_den-91k_bold.dtseries.nii",
    "task-rest_hemi-L_space-fsaverage5_bold.func.gii",
)
OTHERS = (
    "task-rest_desc-preproc_bold.json",
    "task-rest_desc-confounds_timeseries.json",
    "task-rest_boldref.nii.gz",
    "task-rest_space-fsLR_den-91k_bold.json",
    "task-rest_desc-MELODIC_timeseries.tsv",
    "task-rest_from-orig_to-boldref_mode-image_xfm.txt",
)


def add_files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subject = next(part for part in reversed(folder.parts) if part.startswith("sub-"))
    for name in names:
        (folder / f"{subject}_{name}").touch()


def settle(root: Path) -> None:
    """Make the folders old enough for their times to be trusted."""
    for folder, _, _ in os.walk(root):
        os.utime(folder, ns=(0, time.time_ns() - 3_600_000_000_000))


def names(files: list[Path]) -> set[str]:
    return {path.name for path in files}


def expected(*subjects: str) -> set[str]:
    return {f"sub-{subject}_{name}" for subject in subjects for name in WANTED}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Participants 01 and 02, in a place whose name looks like a third one."""
    root = tmp_path / "sub-99" / "ds"
    for subject in ("sub-01", "sub-02"):
        add_files(root / subject / "func", *WANTED, *OTHERS)
        add_files(root / subject / "anat", "desc-preproc_T1w.nii.gz", "desc-brain_mask.nii.gz")
        add_files(root / subject / "figures", "task-rest_desc-carpetplot_bold.svg")
        (root / f"{subject}.html").touch()
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    settle(root)
    return root


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def count_scans(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The participants of every time that a dataset is indexed."""
    scans: list[list[str]] = []
    scan = index.scan_folders

    def counted(root: Path, participants: list[str], also: Sequence[str]) -> Any:
        scans.append(list(participants))
        return scan(root, participants, also)

    monkeypatch.setattr(index, "scan_folders", counted)
    return scans


def test_only_bold_images_masks_and_confounds_are_indexed(root: Path, kept: Path) -> None:
    find_files(root, (), kept)
    layout = BIDSLayout.load(kept / "all")
    assert {file.filename for file in layout.get()} == expected("01", "02")


def test_only_the_participants_that_are_asked_for_are_indexed(root: Path, kept: Path) -> None:
    find_files(root, ("02",), kept)
    layout = BIDSLayout.load(kept / "sub-02")
    assert {file.filename for file in layout.get()} == expected("02")


def test_a_subject_is_that_of_the_folder_below_the_root_whatever_is_above(
    root: Path, kept: Path
) -> None:
    find_files(root, (), kept)
    assert BIDSLayout.load(kept / "all").get_subjects() == ["01", "02"]


def test_sessions_and_linked_folders_and_broken_links_are_indexed(root: Path) -> None:
    elsewhere = root.parent / "elsewhere" / "sub-03" / "ses-a" / "func"
    add_files(elsewhere, *WANTED)
    (root / "sub-03").symlink_to(elsewhere.parents[1])
    (elsewhere / "sub-03_ses-a_task-gone_bold.nii.gz").symlink_to("nowhere")
    assert names(find_files(root, ("03",)).files) == {
        *expected("03"),
        "sub-03_ses-a_task-gone_bold.nii.gz",
    }


def test_hidden_files_and_folders_are_not_indexed(root: Path) -> None:
    (root / "sub-01" / "func" / "._sub-01_task-rest_bold.nii.gz").touch()
    add_files(root / "sub-01" / ".git", "task-rest_bold.nii.gz")
    assert names(find_files(root, ("01",)).files) == expected("01")


def test_masks_of_other_modalities_are_not_indexed(root: Path) -> None:
    for folder in ("anat", "dwi", "fmap", "perf", "pet"):
        add_files(root / "sub-01" / folder, "space-T1w_desc-brain_mask.nii.gz")
    assert names(find_files(root, ("01",), also=[SEGMENTATIONS]).files) == expected("01")


IN_FUNC = "sub-01_task-rest_space-T1w_desc-aseg_dseg.nii.gz"
IN_ANAT = "sub-01_desc-aseg_dseg.nii"


@pytest.fixture
def segmented(root: Path) -> Path:
    """Participant 01 has segmentations of the run and of the anatomy, with tables."""
    for path in (root / "sub-01" / "func" / IN_FUNC, root / "sub-01" / "anat" / IN_ANAT):
        path.touch()
        path.with_name(f"{path.name.partition('.')[0]}.tsv").touch()
    settle(root)
    return root


def test_segmentations_are_indexed_where_they_are_asked_for(segmented: Path) -> None:
    assert names(find_files(segmented, ("01",)).files) == expected("01")
    found = names(find_files(segmented, ("01",), also=[SEGMENTATIONS]).files)
    assert found == {*expected("01"), IN_FUNC, IN_ANAT}


def test_other_tables_and_images_are_indexed_where_they_are_asked_for(root: Path) -> None:
    add_files(root / "sub-01" / "func", "task-rest_desc-a_mixing.tsv", "task-rest_head.nii.gz")
    also = ["mixing.tsv", "head.nii", "timeseries.tsv"]
    assert names(find_files(root, ("01",), also=also).files) == {
        *expected("01"),
        "sub-01_task-rest_desc-a_mixing.tsv",
        "sub-01_task-rest_head.nii.gz",
        "sub-01_task-rest_desc-MELODIC_timeseries.tsv",
    }


def test_an_index_that_lacks_what_is_asked_for_is_not_used(
    segmented: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    find_files(segmented, (), kept)
    with caplog.at_level(logging.INFO, "bids_labelx"):
        found = find_files(segmented, (), kept, [SEGMENTATIONS]).files
    assert found == find_files(segmented, (), None, [SEGMENTATIONS]).files
    assert {IN_FUNC, IN_ANAT} < names(found)
    assert re.search("all: dseg.nii is not in it", caplog.text)


def test_an_index_with_more_than_is_asked_for_gives_what_is_asked_for(
    segmented: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    also = ["mixing.tsv", SEGMENTATIONS, "timeseries.tsv"]
    find_files(segmented, (), kept, also)
    assert names(find_files(segmented, (), kept).files) == expected("01", "02")
    found = find_files(segmented, ("01",), kept, [SEGMENTATIONS]).files
    assert names(found) == {*expected("01"), IN_FUNC, IN_ANAT}
    assert count_scans == [["01", "02"]]


def test_a_change_of_the_anatomy_matters_to_an_index_of_segmentations(
    segmented: Path, kept: Path
) -> None:
    find_files(segmented, (), kept, [SEGMENTATIONS])
    (segmented / "sub-01" / "anat" / IN_ANAT).unlink()
    assert IN_ANAT not in names(find_files(segmented, (), kept, [SEGMENTATIONS]).files)


def test_participants_are_folders_and_links_to_folders(root: Path) -> None:
    (root / "sub-03").symlink_to("sub-01")
    (root / "sub-04").symlink_to("nowhere")
    (root / "sub-05").symlink_to("sub-05")
    assert list_participants(root) == ["01", "02", "03"]


def test_without_a_folder_nothing_is_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_, **__: pytest.fail("a temporary folder"))
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert names(find_files(root).files) == expected("01", "02")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("wanted", [(), ("01",), ("01", "02")])
def test_a_kept_index_serves_the_same_set_again(
    root: Path, kept: Path, wanted: tuple[str, ...], count_scans: list[list[str]]
) -> None:
    first = find_files(root, wanted, kept).files
    assert find_files(root, wanted, kept).files == first
    assert len(count_scans) == 1


def test_an_index_of_all_serves_some_with_what_is_theirs(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    find_files(root, (), kept)
    assert find_files(root, ("02",), kept).files == find_files(root, ("02",)).files
    assert count_scans == [["01", "02"], ["02"]]  # the second is that without a folder
    assert os.listdir(kept) == ["all"]  # noqa: PTH208


def test_sets_are_kept_side_by_side_in_folders_with_readable_names(root: Path, kept: Path) -> None:
    for wanted in (("01",), ("01", "02"), ()):
        find_files(root, wanted, kept)
    assert {path.name for path in kept.iterdir()} == {"all", "sub-01", "sub-01_sub-02"}


def test_a_long_set_has_a_short_name_that_is_its_own() -> None:
    sets = [[f"{number:03d}" for number in range(count)] for count in (100, 101)]
    first, second = (index._set_name(wanted) for wanted in sets)
    assert first.startswith("100-participants-")
    assert len(first) < 40
    assert first.partition("s-")[2] != second.partition("s-")[2]


def test_a_set_has_one_name_whatever_the_order() -> None:
    assert index._set_name(("02", "01")) == index._set_name(("01", "02"))


def edit_record(kept: Path, **changes: Any) -> None:
    path = kept / "all" / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def add_a_file(root: Path, _: Path) -> None:
    add_files(root / "sub-01" / "func", "task-new_bold.nii.gz")


def remove_a_file(root: Path, _: Path) -> None:
    (root / "sub-01" / "func" / f"sub-01_{WANTED[1]}").unlink()


def add_a_session(root: Path, _: Path) -> None:
    add_files(root / "sub-01" / "ses-b" / "func", "task-new_bold.nii.gz")


def add_a_session_beside(root: Path, _: Path) -> None:
    folder = root / "sub-01_ses-b" / "func"
    folder.mkdir(parents=True)
    (folder / "sub-01_ses-b_task-new_bold.nii.gz").touch()


def remove_a_folder(root: Path, _: Path) -> None:
    shutil.rmtree(root / "sub-01" / "func")


def add_a_participant(root: Path, _: Path) -> None:
    add_files(root / "sub-03" / "func", *WANTED)


def replace_the_dataset(root: Path, _: Path) -> None:
    root.rename(root.with_name("old"))
    add_files(root / "sub-01" / "func", *WANTED)
    add_files(root / "sub-02" / "func", "task-new_bold.nii.gz")


def cut_the_database(_: Path, kept: Path) -> None:
    with (kept / "all" / DATABASE).open("r+b") as handle:
        handle.truncate(1000)


def flip_a_byte(_: Path, kept: Path) -> None:
    path = kept / "all" / DATABASE
    path.write_bytes(path.read_bytes().replace(b"brain_mask", b"brain_mosk"))


def remove_the_database(_: Path, kept: Path) -> None:
    (kept / "all" / DATABASE).unlink()


def take_the_database_of_others(root: Path, kept: Path) -> None:
    other = kept.with_name("other")
    find_files(root, ("01",), other)
    shutil.copy(other / "sub-01" / DATABASE, kept / "all" / DATABASE)


def write_record(content: bytes) -> Callable[[Path, Path], object]:
    return lambda _, kept: (kept / "all" / RECORD).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (add_a_file, "sub-01/func has changed"),
        (remove_a_file, "sub-01/func has changed"),
        (add_a_session, "sub-01 has changed"),
        (add_a_session_beside, "sub-01_ses-b is not in it"),
        (remove_a_folder, "has changed"),
        (add_a_participant, "sub-03 is not in it"),
        (replace_the_dataset, "has changed"),
        (cut_the_database, "damaged"),
        (flip_a_byte, "damaged"),
        (remove_the_database, "cannot be read .*No such file"),
        (take_the_database_of_others, "damaged"),
        (write_record(b"{not json"), "cannot be read"),
        (write_record(b"\xff"), "cannot be read"),
        (write_record(b"[]"), "cannot be read"),
        (write_record(b"null"), "cannot be read"),
        (lambda _, kept: edit_record(kept, folders=[]), "sub-01 is not in it"),
        (lambda _, kept: edit_record(kept, folders={"01": 1, "02": 2}), "cannot be read"),
        (lambda _, kept: edit_record(kept, index_version=0), "index_version is 6, not 0"),
        (lambda _, kept: edit_record(kept, also=None), "cannot be read"),
        (lambda _, kept: edit_record(kept, pybids="0.1"), r"pybids is .*, not 0\.1"),
        (lambda _, kept: edit_record(kept, root="/other"), "root is .*, not /other"),
    ],
)
def test_what_is_not_as_it_was_is_indexed_again_and_the_log_says_why(
    root: Path,
    kept: Path,
    change: Callable[[Path, Path], object],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    find_files(root, (), kept)
    change(root, kept)
    with caplog.at_level(logging.INFO, "bids_labelx"):
        caplog.clear()
        found = find_files(root, (), kept).files
    assert found == find_files(root).files
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert re.search(f"all: .*{why}", record.getMessage())


def test_an_index_that_was_made_again_is_used_from_then_on(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    find_files(root, (), kept)
    add_a_file(root, kept)
    settle(root)
    second = find_files(root, (), kept).files
    assert find_files(root, (), kept).files == second
    assert len(count_scans) == 2


def test_a_change_in_folders_that_are_not_indexed_does_not_matter(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    find_files(root, (), kept)
    add_files(root / "sub-01" / "anat", "T2w.nii.gz")
    add_files(root / "sub-01" / "figures", "x.svg")
    find_files(root, (), kept)
    assert len(count_scans) == 1


def test_a_change_of_others_does_not_matter_for_those_that_are_asked_for(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    find_files(root, (), kept)
    add_a_file(root, kept)
    add_a_participant(root, kept)
    assert names(find_files(root, ("02",), kept).files) == expected("02")
    assert len(count_scans) == 1


def test_a_participant_that_is_gone_is_not_found_any_more(root: Path, kept: Path) -> None:
    find_files(root, (), kept)
    shutil.rmtree(root / "sub-02")
    assert names(find_files(root, (), kept).files) == expected("01")


@pytest.mark.parametrize(
    ("changed", "trusted"),
    [
        (1_000_000_000_007, True),
        (1_000_959_000_007, True),
        (1_000_999_000_007, False),  # less than a tick ago
        (1_009_000_000_007, False),  # in the future
        (998_000_000_000, True),
        (1_000_000_000_000, False),  # less than a tick ago, as this clock has whole seconds
    ],
)
def test_the_time_of_a_folder_is_trusted_when_no_change_can_come_in_the_same_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: int, trusted: bool
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_001_000_000_000)
    os.utime(tmp_path, ns=(0, changed))
    assert settled_time(tmp_path) == (changed if trusted else None)


def test_a_folder_whose_time_is_not_trusted_is_indexed_again(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    os.utime(root / "sub-01" / "func", ns=(0, time.time_ns() + 3_600_000_000_000))
    find_files(root, (), kept)
    find_files(root, (), kept)
    find_files(root, ("02",), kept)
    assert count_scans == [["01", "02"], ["01", "02"]]


def test_a_folder_that_cannot_be_read_is_named_and_looked_into_again(
    root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(folder: Path) -> Any:
        if folder == root / "sub-01" / "func":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert names(find_files(root, (), kept).files) == expected("02")
        assert find_files(root, (), kept).unreadable == {
            root / "sub-01" / "func": "Permission denied"
        }
    assert names(find_files(root, (), kept).files) == expected("01", "02")


def test_a_reader_changes_nothing(root: Path, kept: Path) -> None:
    find_files(root, (), kept)

    def state() -> dict[Path, tuple[int, int, bytes]]:
        return {
            path: (
                path.stat().st_mtime_ns,
                path.stat().st_ino,
                b"" if path.is_dir() else path.read_bytes(),
            )
            for path in [kept, *kept.rglob("*")]
        }

    before = state()
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert names(find_files(root, (), kept).files) == expected("01", "02")
    assert names(find_files(root, ("01",), kept).files) == expected("01")
    assert state() == before


def test_an_index_that_cannot_be_kept_is_made_for_this_invocation_with_a_warning(
    root: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept.mkdir()
    (kept / "all").touch()  # as root, who may run the tests, could write to a read-only folder
    assert names(find_files(root, (), kept).files) == expected("01", "02")
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "the index is not kept" in warning.getMessage()


def test_without_room_for_temporary_files_an_index_is_made_but_not_kept(
    root: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(root.parent / "none"))
    assert names(find_files(root, (), kept).files) == expected("01", "02")
    assert "the index is not kept" in caplog.text


def test_a_folder_that_cannot_be_made_stops_the_app(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWriteError, match=r"--bids-database-dir .*file/kept: cannot be"):
        find_files(root, (), tmp_path / "file" / "kept")


def test_a_folder_within_the_dataset_is_no_hindrance(
    root: Path, count_scans: list[list[str]]
) -> None:
    for wanted in ((), ("01",), ()):
        find_files(root, wanted, root / "indices")
    assert names(find_files(root, (), root / "indices").files) == expected("01", "02")
    assert count_scans == [["01", "02"]]


# Each of several processes asks six times, and every other time finds the index spoilt.
MANY_INVOCATIONS = """
import sys
from pathlib import Path
from bids_labelx.inputs.index import RECORD, find_files
root, kept, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for start in range(6):
    wanted = [(), ("01",), ("02",)][(start + number) % 3]
    print(*sorted(path.name for path in find_files(root, wanted, kept).files))
    if start % 2:
        for record in kept.glob(f"*/{RECORD}"):
            record.write_text("spoilt")
find_files(root, (), kept)
"""


def test_many_invocations_at_once_all_find_what_is_there(root: Path, kept: Path) -> None:
    command = [sys.executable, "-c", MANY_INVOCATIONS, str(root), str(kept)]
    running = [
        subprocess.Popen(
            [*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(3)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for number, process in enumerate(running):
        printed, _ = process.communicate("go\n", timeout=120)
        assert process.returncode == 0
        sets = [("01", "02"), ("01",), ("02",)]
        wanted = [sets[(start + number) % 3] for start in range(6)]
        assert [set(line.split()) for line in printed.splitlines()] == [
            expected(*subjects) for subjects in wanted
        ]


def test_invocations_at_once_leave_one_index_that_is_used_and_nothing_beside_it(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    code = (
        "import sys; from pathlib import Path; from bids_labelx.inputs.index import find_files; "
    )
    code += "find_files(Path(sys.argv[1]), (), Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(root), str(kept)]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    assert {path.name for path in kept.rglob("*")} == {"all", DATABASE, RECORD}
    find_files(root, (), kept)
    assert not count_scans


def test_the_same_dataset_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """So that two invocations at once, of which each writes one of the two files, agree."""
    for name in ("a", "b"):
        find_files(root, (), tmp_path / name)
    for file in (DATABASE, RECORD):
        first, second = ((tmp_path / name / "all" / file).read_bytes() for name in ("a", "b"))
        assert first == second


def test_runs_out_of_a_kept_index_are_those_out_of_a_new_one(
    root: Path, kept: Path, count_scans: list[list[str]]
) -> None:
    settings = Settings(root, root.parent / "out", "participant", bids_database_dir=kept)
    first = find_runs(settings).runs
    assert find_runs(settings).runs == first
    images = [name for name in WANTED if "_bold." in name]
    assert {run.name for run in first} == {
        f"sub-{subject}/func/sub-{subject}_{name}" for subject in ("01", "02") for name in images
    }
    assert len(count_scans) == 1


def test_sidecars_of_a_folder_are_listed_once_and_not_once_a_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_files(root / "sub-01" / "func", "task-a_desc-preproc_bold.nii.gz")
    (root / "sub-01/func/sub-01_task-rest_desc-preproc_bold.json").write_text('{"A": 1}')
    listed = []
    listing = dataset.list_files
    monkeypatch.setattr(dataset, "list_files", lambda path: listed.append(path) or listing(path))
    runs = find_runs(Settings(root, root.parent / "out", "participant")).runs
    assert [run.metadata for run in runs][:2] == [{}, {"A": 1}]
    folders = [root, *(root / f"sub-{s}" / part for s in ("01", "02") for part in ("", "func"))]
    assert sorted(listed) == sorted(folders)


NEEDED = {"bids_dir": "in", "output_dir": "out", "analysis_level": "participant", "atlas": ["a"]}


def test_the_option_is_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_settings(NEEDED).bids_database_dir is None
    made = make_settings({**NEEDED, "bids_database_dir": "in/db"})
    assert made.bids_database_dir == tmp_path / "in" / "db"


@pytest.mark.parametrize("folder", ["in", "out"])
def test_indices_among_the_participants_of_input_and_output_are_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="--bids-database-dir is BIDS_DIR or OUTPUT_DIR"):
        make_settings({**NEEDED, "bids_database_dir": folder})


def test_the_command_line_takes_the_option_with_hyphens_and_underscores(
    root: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, option in enumerate(("--bids-database-dir", "--bids_database_dir")):
        folder = kept / str(number)
        # No run has this task, which is only known once the index is made.
        arguments = [str(root), str(root.parent / "out"), "participant", "--atlas", "a.nii"]
        assert main([*arguments, option, str(folder), "--task-id", "none"]) == 18
        assert (folder / "all" / RECORD).is_file()
    assert "--task-id none leaves no run" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [False, True])
def test_folders_of_sessions_belong_to_their_participant(tmp_path: Path, kept: bool) -> None:
    root = tmp_path / "ds"
    for folder in ("sub-01_ses-a", "sub-01_ses-b", "sub-02_ses-a", "sub-02"):
        (root / folder / "func").mkdir(parents=True)
        (root / folder / "func" / f"{folder}_task-rest_bold.nii.gz").touch()
    settle(root)
    assert list_participants(root) == ["01", "02"]
    where = tmp_path / "kept" if kept else None
    for _ in range(2):
        found = find_files(root, ("01",), where).files
        assert names(found) == {f"sub-01_ses-{one}_task-rest_bold.nii.gz" for one in "ab"}
        assert len(find_files(root, (), where).files) == 4
