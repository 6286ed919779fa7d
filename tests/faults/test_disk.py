"""Full disks, as small file systems in memory: output, work folder, log, in space and inodes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.app.cli import main
from bids_labelx.app.participant import run_participants
from bids_labelx.settings import Settings

AddRun = Callable[..., Path]
Mount = Callable[[str], Path]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Mount]:
    """Makes a file system of a size, or of so many inodes; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"small-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no small file system can be mounted ({error})")
        if done.returncode:
            pytest.skip(f"no small file system can be mounted ({done.stderr.strip()})")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def settings_for(root: Path, atlas_dataset: Path, **options: Any) -> Settings:
    given = {
        "output_dir": root.parent / "out",
        "denoise": ("none",),
        "nprocs": 1,
        **options,
    }
    return Settings(
        bids_dir=root, analysis_level="participant", atlas_dataset=atlas_dataset, **given
    )


def command_for(settings: Settings) -> list[str]:
    given = [str(settings.bids_dir), str(settings.output_dir), "participant", "--nprocs", "1"]
    given += ["--atlas-dataset", str(settings.atlas_dataset), "--denoise", "none"]
    return given if settings.work_dir is None else [*given, "-w", str(settings.work_dir)]


def files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.glob("sub-*/func/*")}


# From nothing fits to nearly all does, so that it is full in one phase after the other.
@pytest.mark.parametrize("what", ["output", "work"])
@pytest.mark.parametrize(
    "options", ["size=4k", "size=20k", "size=44k", "size=80k", "nr_inodes=6", "nr_inodes=24"]
)
def test_a_full_disk_is_told_by_its_path_and_leaves_no_half_file(
    tmp_path: Path,
    add_run: AddRun,
    atlas_dataset: Path,
    small: Mount,
    capsys: pytest.CaptureFixture[str],
    what: str,
    options: str,
) -> None:
    add_run(tmp_path / "ds")
    roomy = settings_for(tmp_path / "ds", atlas_dataset, output_dir=tmp_path / "roomy")
    assert run_participants(roomy) == 0
    expected = files(roomy.output_dir)
    place = small(options)
    given = (
        {"output_dir": place / "out"}
        if what == "output"
        else {"output_dir": tmp_path / "out", "work_dir": place / "work"}
    )
    settings = settings_for(tmp_path / "ds", atlas_dataset, **given)
    capsys.readouterr()
    code = main(command_for(settings))
    told = capsys.readouterr().err
    assert code in (1, 73), told
    assert f"disk full: {place}" in told or f"disk full: {settings.output_dir}" in told, told
    assert "internal error" not in told
    assert "killed" not in told
    found = files(settings.output_dir)
    assert {name: expected[name] for name in found} == found
    assert not list(settings.output_dir.rglob(".tmp-*"))


def test_the_same_command_ends_it_where_there_is_room_again(
    tmp_path: Path, add_run: AddRun, atlas_dataset: Path, small: Mount
) -> None:
    add_run(tmp_path / "ds")
    place = small("size=44k")
    settings = settings_for(tmp_path / "ds", atlas_dataset, output_dir=place / "out")
    assert main(command_for(settings)) in (1, 73)
    subprocess.run(["mount", "-o", "remount,size=8m", str(place)], check=True)
    assert main(command_for(settings)) == 0
    roomy = settings_for(tmp_path / "ds", atlas_dataset, output_dir=tmp_path / "roomy")
    assert main(command_for(roomy)) == 0
    assert files(settings.output_dir) == files(roomy.output_dir)
