"""Links: in the input around in circles or to what was not fetched, in the output to elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny import SPACE

from bids_labelx.app.cli import main
from bids_labelx.inputs.index import find_files
from bids_labelx.outputs.failures import read_failures

AddRun = Callable[..., Path]

ANNEX = "../.git/annex/objects/aa/bb/MD5E-s9--x/MD5E-s9--x"
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


@pytest.fixture
def dataset(tmp_path: Path, add_run: AddRun) -> Path:
    add_run(tmp_path / "ds")
    return tmp_path / "ds"


def app(dataset: Path, out: Path, atlases: Path, *more: str, level: str = "participant") -> int:
    atlas = ["--atlas-dataset", str(atlases)] if level == "participant" else []
    common = ["--denoise", "none", "--nprocs", "1"] if level == "participant" else []
    return main([str(dataset), str(out), level, *atlas, *common, *more])


def begun(out: Path) -> Path:
    """An output folder of ours."""
    out.mkdir()
    (out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "bids_labelx"}]}')
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("link", ["sub-01", "sub-01/func", "logs", "logs/runs", "figures"])
def test_a_link_out_of_the_output_folder_is_refused_by_name_unless_it_is_wanted(
    tmp_path: Path,
    dataset: Path,
    atlas_dataset: Path,
    link: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, elsewhere = begun(tmp_path / "out"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs").write_text("x")
    (out / link).parent.mkdir(parents=True, exist_ok=True)
    (out / link).symlink_to(elsewhere)
    assert app(dataset, out, atlas_dataset) == 64
    message = capsys.readouterr().err
    assert f"{link} → {elsewhere}" in message
    assert "--follow-links" in message
    assert files_of(elsewhere) == {"theirs": b"x"}
    assert app(dataset, out, atlas_dataset, "--follow-links", "--dry-run") == 0


def test_links_that_are_wanted_are_written_through(
    tmp_path: Path, dataset: Path, atlas_dataset: Path
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (elsewhere / "01").mkdir(parents=True)
    out.mkdir()
    (out / "sub-01").symlink_to(elsewhere / "01")
    assert app(dataset, out, atlas_dataset, "--follow-links") == 0
    assert list((elsewhere / "01" / "func").glob("*_timeseries.tsv"))


def test_links_inside_and_files_of_an_annex_outside_are_no_reason_to_refuse(
    tmp_path: Path, dataset: Path, atlas_dataset: Path
) -> None:
    out, annex = tmp_path / "out", tmp_path / ".git" / "annex" / "objects"
    (out / "store" / "func").mkdir(parents=True)
    (out / "sub-01").symlink_to("store")
    assert app(dataset, out, atlas_dataset) == 0
    series = next((out / "store" / "func").glob("*_timeseries.tsv"))
    content = series.read_bytes()
    annex.mkdir(parents=True)
    shutil.move(series, annex / "key")
    (annex / "key").write_text("of another dataset")
    series.symlink_to(annex / "key")
    assert app(dataset, out, atlas_dataset, "--overwrite") == 0
    # The link is replaced and never written through.
    assert series.read_bytes() == content
    assert (annex / "key").read_text() == "of another dataset"


@pytest.fixture
def mount() -> Iterator[Callable[[Path, Path], None]]:
    """Mount a folder a second time."""
    mounted: list[Path] = []

    def bind(folder: Path, place: Path) -> None:
        place.mkdir(parents=True)
        try:
            done = subprocess.run(
                ["mount", "--bind", folder, place], capture_output=True, check=False
            )
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if done.returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)

    yield bind
    for place in mounted:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("level", ["participant", "group"])
@pytest.mark.parametrize("how", ["link", "mount", "link of a parent", "dots"])
def test_an_output_folder_that_is_the_input_under_another_name_is_refused(
    tmp_path: Path,
    dataset: Path,
    atlas_dataset: Path,
    mount: Callable[[Path, Path], None],
    how: str,
    level: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    if how == "link":
        out.symlink_to(dataset)
    elif how == "mount":
        mount(dataset, out)
    elif how == "link of a parent":
        out.symlink_to(tmp_path)
        out = out / "ds"
    else:
        out.symlink_to(dataset / "sub-01")
        out = Path(f"{out}/../../ds")
    before = files_of(dataset)
    assert app(dataset, out, atlas_dataset, level=level) == 64
    assert "OUTPUT_DIR" in (message := capsys.readouterr().err)
    assert "BIDS_DIR" in message
    assert files_of(dataset) == before


@pytest.mark.parametrize("how", ["plain", "link", "mount of the participant"])
def test_an_output_folder_below_a_participant_of_the_input_is_refused(
    tmp_path: Path,
    dataset: Path,
    atlas_dataset: Path,
    mount: Callable[[Path, Path], None],
    how: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = dataset / "sub-01" / "func" / "out"
    if how == "link":
        (tmp_path / "link").symlink_to(dataset / "sub-01" / "func")
        out = tmp_path / "link" / "new" / "out"
    elif how == "mount of the participant":
        mount(dataset / "sub-01", tmp_path / "mounted")
        out = tmp_path / "mounted" / "out"
    before = files_of(dataset)
    assert app(dataset, out, atlas_dataset) == 64
    assert "lies in the folder of sub-01" in capsys.readouterr().err
    assert files_of(dataset) == before
    assert not out.exists()


def test_other_folders_in_the_input_may_hold_the_output(
    dataset: Path, atlas_dataset: Path
) -> None:
    assert app(dataset, dataset / "derivatives" / "labelx", atlas_dataset, "--dry-run") == 0


def test_a_work_folder_that_is_the_input_is_refused(
    tmp_path: Path, dataset: Path, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").symlink_to(dataset)
    for option in ("--work-dir", "--bids-database-dir"):
        assert app(dataset, tmp_path / "out", atlas_dataset, option, str(tmp_path / "work")) == 64
        assert f"{option} {tmp_path / 'work'} is BIDS_DIR" in capsys.readouterr().err


@pytest.fixture
def companion(tmp_path: Path) -> Path:
    """A dataset beside the first, with a table of its run."""
    root = tmp_path / "aroma"
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text(
        '{"Name": "a", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
    )
    (func / "sub-01_task-rest_desc-aroma_timeseries.tsv").write_text("a\n1\n")
    return root


def test_no_folder_that_is_written_to_is_a_dataset_beside_the_first(
    tmp_path: Path,
    dataset: Path,
    companion: Path,
    atlas_dataset: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("--datasets", f"aroma={companion}", "--denoise", "none")
    before = files_of(companion)
    (tmp_path / "link").symlink_to(companion)
    for option in ("--work-dir", "--bids-database-dir"):
        folder = str(tmp_path / "link")
        assert app(dataset, tmp_path / "out", atlas_dataset, *given, option, folder) == 64
        words = f"{option} {folder} is --datasets aroma {companion} under another name"
        assert words in capsys.readouterr().err
    # Where its index would be kept.
    database = str(tmp_path)
    assert (
        app(dataset, tmp_path / "o", atlas_dataset, *given, "--bids-database-dir", database) == 64
    )
    assert f"the index of aroma {companion} is --datasets aroma" in capsys.readouterr().err
    assert app(dataset, companion, atlas_dataset, *given) == 64
    inside = companion / "sub-01" / "out"
    assert app(dataset, inside, atlas_dataset, *given) == 64
    told = capsys.readouterr().err
    assert f"lies in the folder of sub-01 in --datasets aroma {companion}" in told
    assert files_of(companion) == before
    assert not inside.exists()


def test_each_folder_is_listed_once_whatever_links_lead_to_it(
    tmp_path: Path, add_run: AddRun
) -> None:
    root = tmp_path / "ds"
    add_run(root)
    add_run(root, "sub-02_ses-1_task-rest")
    wanted = find_files(root).files
    assert len(wanted) == 6
    func = root / "sub-01" / "func"
    # 2^40 paths for one who follows them all.
    for i in range(40):
        (func / f"here{i}").symlink_to(".")
    (func / "aaa").symlink_to("..")
    (root / "sub-01" / "a").symlink_to("func")
    (root / "sub-01" / "root").symlink_to("..")
    (root / "sub-01" / "above").symlink_to("../..")
    (root / "sub-02" / "loop").symlink_to("loop")
    (root / "sub-02" / "all").symlink_to(root.resolve())
    assert find_files(root).files == wanted
    # A link may be where a folder's files are, all of them.
    shutil.move(root / "sub-02" / "ses-1", tmp_path / "stored")
    (root / "sub-02" / "ses-1").symlink_to(tmp_path / "stored")
    assert find_files(root).files == wanted


def test_hidden_and_backup_files_of_the_input_never_matter(
    dataset: Path, atlas_dataset: Path, tmp_path: Path
) -> None:
    wanted = find_files(dataset).files
    rubbish = b"\0\5\x16\7 not ours"
    for folder in [dataset, *(one for one in dataset.rglob("*") if one.is_dir())]:
        for file in [one for one in folder.iterdir() if one.is_file()]:
            for name in (f"._{file.name}", f"{file.name}~", f"#{file.name}#", f".{file.name}.swp"):
                (folder / name).write_bytes(rubbish)
        (folder / ".DS_Store").write_bytes(rubbish)
        (folder / "Thumbs.db").write_bytes(rubbish)
    (dataset / "._task-rest_bold.json").write_bytes(rubbish)
    shutil.copytree(dataset / "sub-01", dataset / "sub-01~")
    for atlas in list(atlas_dataset.rglob("tpl-*_dseg.*")):
        (atlas.parent / f"._{atlas.name}").write_bytes(rubbish)
        (atlas.parent / f"{atlas.name}~").write_bytes(rubbish)
    assert find_files(dataset).files == wanted
    assert app(dataset, tmp_path / "out", atlas_dataset) == 0


def test_what_was_not_fetched_fails_its_own_run_with_the_cure(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "ds"
    spoiled = {"table": "_timeseries.tsv", "sidecar": "_bold.json", "mask": "_mask.nii.gz"}
    add_run(root, "sub-good_task-rest")
    for kind, end in spoiled.items():
        for way in ("annex", "lfs"):
            add_run(root, f"sub-{kind}{way}_task-rest")
            (path,) = (root / f"sub-{kind}{way}" / "func").glob(f"*{end}")
            path.unlink()
            if way == "annex":
                path.symlink_to(f"../../{ANNEX}")
            else:
                path.write_text(LFS)
    # What a strategy needs no confounds' JSON for is done without it.
    add_run(root, "sub-json_task-rest")
    (root / "sub-json" / "func" / "sub-json_task-rest_desc-confounds_timeseries.json").symlink_to(
        f"../../{ANNEX}"
    )
    out = tmp_path / "out"
    arguments = [str(root), str(out), "participant", "--atlas-dataset", str(atlas_dataset)]
    assert main([*arguments, "--denoise", "simple", "--nprocs", "1"]) == 1
    done = {path.parts[-3] for path in out.glob("sub-*/func/*_timeseries.tsv")}
    assert done == {"sub-good", "sub-json"}
    told = capsys.readouterr().err
    recorded = {one.entities["sub"]: one.message for one in read_failures(out)}
    assert len(recorded) == 6
    for kind, end in spoiled.items():
        for way, cure in (("annex", "datalad get"), ("lfs", "git lfs pull")):
            message = recorded[f"{kind}{way}"]
            assert end in message
            assert cure in message
            assert cure in told


@pytest.mark.parametrize("way", ["annex", "lfs", "pointer"])
@pytest.mark.parametrize(
    "what", ["description", "image", "table", "plain table", "filter", "strategy", "dataset"]
)
def test_what_every_run_needs_and_was_not_fetched_stops_with_the_cure(
    tmp_path: Path,
    dataset: Path,
    atlas_dataset: Path,
    what: str,
    way: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (image,) = atlas_dataset.rglob("*_dseg.nii.gz")
    table = image.with_name(image.name.replace(".nii.gz", ".tsv"))
    plain = tmp_path / "Plain_order.nii.gz"
    shutil.copy(image, plain)
    atlas = ["--atlas", str(plain if what == "plain table" else image), "--atlas-space", SPACE]
    path, more = {
        "description": (dataset / "dataset_description.json", atlas),
        "image": (image, atlas),
        "table": (table, atlas),
        "plain table": (tmp_path / "Plain_order.txt", atlas),
        "filter": (tmp_path / "f.json", [*atlas, "--bids-filter-file", str(tmp_path / "f.json")]),
        "strategy": (tmp_path / "s.toml", [*atlas, "--denoise", str(tmp_path / "s.toml")]),
        "dataset": (image, ["--atlas-dataset", str(atlas_dataset), "--atlas", "Slabs"]),
    }[what]
    path.unlink(missing_ok=True)
    if way == "annex":
        path.symlink_to(ANNEX)
    else:
        path.write_text(LFS if way == "lfs" else f"/annex/objects/{ANNEX.rpartition('/')[2]}\n")
    assert main([str(dataset), str(tmp_path / "out"), "participant", *more]) == 66
    message = capsys.readouterr().err
    assert path.name in message
    assert ("git lfs pull" if way == "lfs" else f"datalad get {path}") in message
    assert "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_a_subdataset_that_was_not_installed_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ds").mkdir()
    arguments = [str(tmp_path / "ds"), str(tmp_path / "out"), "participant", "--atlas", "x.nii"]
    assert main(arguments) == 16
    assert f"`datalad get --no-data {tmp_path / 'ds'}`" in capsys.readouterr().err


def test_results_that_were_not_fetched_are_named_by_the_group_with_the_cure(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "ds", tmp_path / "out"
    ends = {"matrix": "_relmat.tsv", "series": "_timeseries.json", "labels": "_dseg.tsv"}
    for seed, label in enumerate(("one", "two", *ends)):
        add_run(root, f"sub-{label}_task-rest", seed=seed)
    assert app(root, out, atlas_dataset) == 0
    for label, end in ends.items():
        (path,) = (out / f"sub-{label}" / "func").glob(f"*{end}")
        path.unlink()
        path.symlink_to(f"../../{ANNEX}")
    capsys.readouterr()
    assert app(root, out, atlas_dataset, level="group") == 1
    message = " ".join(capsys.readouterr().err.split())
    for label, end in ends.items():
        assert f"sub-{label}" in message
        assert end in message
    assert "datalad get" in message
    assert "internal error" not in message
    table = (out / "group_qc.tsv").read_text()
    assert "sub-one" in table
    assert "sub-two" in table


@pytest.mark.parametrize(
    "name", ["dataset_description.json", "descriptions.tsv", "logs/contents.json"]
)
def test_a_pipe_in_the_output_folder_keeps_nobody_waiting(
    tmp_path: Path, dataset: Path, atlas_dataset: Path, name: str
) -> None:
    out = begun(tmp_path / "out")
    (out / "logs").mkdir()
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    assert app(dataset, out, atlas_dataset) in (0, 64, 65, 73)
