"""Odd environments: users' settings of libraries, no home, no working folder, odd arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bids_labelx
from bids_labelx.app.cli import main
from bids_labelx.settings import read_options

AddRun = Callable[..., Path]

PACKAGE = Path(bids_labelx.__file__).parents[1]

# Each would stop the app or change its figures.
NIPYPE = "[execution]\npoll_sleep_duration = z\n[logging]\nworkflow_level = NONE\n"
MATPLOTLIB = "backend: nonsense\nfont.size: 40\nsvg.fonttype: path\n"


@pytest.fixture
def dataset(tmp_path: Path, add_run: AddRun) -> Path:
    add_run(tmp_path / "ds")
    return tmp_path / "ds"


def run(
    dataset: Path,
    atlases: Path,
    out: Path,
    *,
    cwd: Path | None = None,
    before: tuple[str, ...] = (),
    unset: tuple[str, ...] = (),
    **variables: str,
) -> None:
    """Both levels, in processes of their own."""
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment |= {"PYTHONPATH": str(PACKAGE), **variables}
    app = [*before, sys.executable, "-m", "bids_labelx", str(dataset), str(out)]
    participant = ["--atlas-dataset", str(atlases), "--denoise", "none", "--nprocs", "2"]
    for level, options in (("participant", participant), ("group", [])):
        done = subprocess.run(
            [*app, level, *options],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def results(out: Path) -> dict[str, bytes]:
    """All but logs and pages, which have times in them."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "logs" not in path.parts and path.suffix not in (".html", ".h5")
    }


def test_settings_of_the_user_for_libraries_change_nothing_and_no_home_and_folder_are_needed(
    tmp_path: Path, dataset: Path, atlas_dataset: Path
) -> None:
    run(dataset, atlas_dataset, tmp_path / "plain")
    wanted = results(tmp_path / "plain")
    home = tmp_path / "home"
    for folder in (home / ".nipype", home / ".config" / "matplotlib", home / ".config" / "fsspec"):
        folder.mkdir(parents=True)
    for path, content in {
        home / "nipype.cfg": NIPYPE,
        home / ".nipype" / "nipype.cfg": "[broken",
        home / "matplotlibrc": MATPLOTLIB,
        home / ".config" / "matplotlib" / "matplotlibrc": MATPLOTLIB,
        home / "pybids_config.json": "{broken",
        home / ".config" / "fsspec" / "conf.json": "{broken",
    }.items():
        path.write_text(content)
    run(
        dataset,
        atlas_dataset,
        tmp_path / "users",
        cwd=home,
        HOME=str(home),
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        MATPLOTLIBRC=str(home),
        NIPYPE_CONFIG_DIR=str(home / ".nipype"),
        PYBIDS_CONFIG=str(home / "pybids_config.json"),
        TEMPLATEFLOW_HOME="~nouser/x",
    )
    assert results(tmp_path / "users") == wanted
    # The folder that the shell is in was deleted, and the user is in no list.
    gone = tmp_path / "gone"
    inside = ("sh", "-c", f'mkdir {gone} && cd {gone} && rmdir {gone} && exec "$@"', "sh")
    nobody = ("unshare", "--map-user=4242", "--map-group=4242")
    can = (
        shutil.which("unshare")
        and not subprocess.run([*nobody, "true"], capture_output=True, check=False).returncode
    )
    run(
        dataset,
        atlas_dataset,
        tmp_path / "nobody",
        before=(*inside, *(nobody if can else ())),
        unset=("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"),
        MPLBACKEND="nonsense",
    )
    assert results(tmp_path / "nobody") == wanted


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["~nouser/ds", "out", "participant", "--atlas", "a.nii"], "BIDS_DIR '~nouser/ds': whose"),
        (["", "out", "participant", "--atlas", "a.nii"], "BIDS_DIR '': a path is expected"),
        (["ds", "out", "participant", "--atlas", "~nouser/a.nii"], "--atlas '~nouser/a.nii'"),
        (
            ["ds", "out", "participant", "--atlas", "A=~nouser/a.nii"],
            "--atlas 'A=~nouser/a.nii': who",
        ),
        (
            ["ds", "out", "participant", "--atlas", "a.nii", "-w", "~nouser"],
            "--work-dir '~nouser'",
        ),
        (["ds", "out", "participant", "--atlas", "a.nii", "-w", ""], "--work-dir ''"),
        (["ds", "out", "participant", "--atlas", "a.nii", "--denoise", "~nouser/s.toml"], "~nous"),
        (["--demo", "~nouser/x"], "--demo '~nouser/x'"),
        (["ds\0", "out", "participant", "--atlas", "a.nii"], "BIDS_DIR 'ds\\x00': a path"),
    ],
)
def test_a_path_that_is_none_is_refused_by_option(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 64
    message = capsys.readouterr().err
    assert told in message
    assert "internal error" not in message


def test_a_relative_path_in_a_folder_that_was_deleted_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["ds", str(tmp_path / "out"), "participant", "--atlas", "/a.nii"]) == 64
    message = capsys.readouterr().err
    assert "BIDS_DIR 'ds': the working folder is not there any more" in message


def test_the_settings_of_an_invocation_repeat_it_from_any_folder(
    tmp_path: Path, dataset: Path, atlas_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    (image,) = atlas_dataset.rglob("*_dseg.nii.gz")
    # Names that have what separates the parts of an argument.
    odd = here / "a,b=c"
    odd.mkdir()
    shutil.copy(image, odd / image.name)
    shutil.copy(image.with_name(image.name.replace(".nii.gz", ".tsv")), odd / "t,1.tsv")
    (here / "mine.toml").write_text('[confounds]\nmotion = "basic"\n')
    (here / "f.json").write_text('{"bold": {"task": "rest"}}')
    (mask,) = dataset.rglob("*_mask.nii.gz")
    shutil.copy(mask, here)
    monkeypatch.chdir(here)
    arguments = ["../ds", "../out", "participant", "--bids-filter-file", "f.json", "-w", "work"]
    spec = f"N=a,b=c/{image.name},a,b=c/t,1.tsv"
    more = ["--atlas", spec, "--denoise", "mine.toml", "--mask", mask.name, "--nprocs", "1"]
    assert main([*arguments, *more]) == 0
    assert Path.cwd() == here
    wanted = results(tmp_path / "out")
    assert any("atlas-N" in name and "desc-mine" in name for name in wanted)
    config = tmp_path / "out" / "logs" / "settings.toml"
    options = read_options(config)
    assert options["atlas"] == [f"N={odd / image.name},{odd / 't,1.tsv'}"]
    assert options["denoise"] == [str(here / "mine.toml")]
    shutil.copy(config, elsewhere / "again.toml")
    shutil.rmtree(tmp_path / "out")
    monkeypatch.chdir(elsewhere)
    assert main(["--config-file", "again.toml"]) == 0
    assert results(tmp_path / "out") == wanted


def test_options_given_twice_add_up(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("01", "02", "03"):
        add_run(tmp_path / "ds", f"sub-{label}_task-rest")
    (image,) = atlas_dataset.rglob("*_dseg.nii.gz")
    arguments = [str(tmp_path / "ds"), str(tmp_path / "out"), "participant", "--dry-run"]
    twice = ["--atlas", f"A={image}", "--participant-label", "01", "--denoise", "none"]
    twice += ["--atlas", f"B={image}", "--participant-label", "sub-02", "01", "--denoise", "24P"]
    assert main([*arguments, *twice]) == 0
    shown = capsys.readouterr().out
    for part in ("sub-01_", "sub-02_", "atlas-A", "atlas-B", "desc-raw", "desc-24P"):
        assert part in shown
    assert "sub-03_" not in shown


@pytest.mark.parametrize("below", ["/proc/none/out", "FILE/out"])
def test_a_place_where_nothing_can_be_written_is_named_as_output_dir(
    dataset: Path,
    atlas_dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    below: str,
) -> None:
    (tmp_path / "file").touch()
    out = below.replace("FILE", str(tmp_path / "file"))
    arguments = [str(dataset), out, "participant", "--atlas-dataset", str(atlas_dataset)]
    assert main([*arguments, "--denoise", "none", "--nprocs", "1"]) == 73
    message = capsys.readouterr().err
    assert f"error: OUTPUT_DIR {out}: nothing can be written there (" in message
    assert ".alive" not in message


ODD = [
    "br[ack]et",
    "com,ma",
    "equal=sign",
    "blank and 'quote'",
    "star*",
    "per%cent",
    "日本",
    "-dash",
]


@pytest.mark.parametrize("name", ODD, ids=[f"{number}" for number in range(len(ODD))])
def test_folders_of_any_name_work_as_input_output_and_atlas(
    tmp_path: Path, add_run: AddRun, write_atlas_dataset: Callable[[Path], Path], name: str
) -> None:
    folder = tmp_path / name
    add_run(folder / "ds")
    atlases = write_atlas_dataset(folder / "atlases")
    (image,) = atlases.rglob("*_dseg.nii.gz")
    table = image.with_name(image.name.replace(".nii.gz", ".tsv"))
    arguments = [str(folder / "ds"), str(folder / "out"), "participant", "--nprocs", "1"]
    chosen = ["--atlas", f"N={image},{table}", "--denoise", "none", "--follow-links"]
    assert main([*arguments, *chosen]) == 0
    assert len(list((folder / "out" / "sub-01" / "func").glob("*atlas-N*_timeseries.tsv"))) == 1
    assert main([str(folder / "ds"), str(folder / "out"), "group"]) == 0
    assert main(["check", str(folder / "out")]) == 0


def test_a_temporary_folder_that_nipype_takes_for_a_pattern_is_refused_with_the_reason(
    dataset: Path, atlas_dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "a[b]").mkdir()
    words = ["participant", "--atlas-dataset", str(atlas_dataset), "--denoise", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "bids_labelx", str(dataset), str(tmp_path / "out"), *words],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "TMPDIR": str(tmp_path / "a[b]")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64, done.stderr
    assert f"temporary folder {tmp_path}/a[b]: nipype, which works there" in done.stderr
    assert "set TMPDIR to a folder without it, or give one with --work-dir" in done.stderr
