"""Terminals without UTF-8, readers that have gone, and a working folder that was deleted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bids_labelx
from bids_labelx.denoise import preset_names

PACKAGE = Path(bids_labelx.__file__).parents[1]
APP = f"{sys.executable} -m bids_labelx"


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), **variables}
    words = ["bash", "-c", f"set -o pipefail; {command}"]
    return subprocess.run(words, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "latin-1", "C", "C without UTF-8 mode"],
)
@pytest.mark.parametrize("option", ["--help", "--list-denoise"])
def test_texts_are_printed_on_terminals_without_utf8(
    option: str, variables: dict[str, str]
) -> None:
    plain = shell(f"{APP} {option}", PYTHONIOENCODING="utf-8", COLUMNS="80")
    done = shell(f"{APP} {option}", COLUMNS="80", **variables)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout.count(b"\n") == plain.stdout.count(b"\n")
    assert b"\\u" not in done.stdout


def test_three_dots_stand_for_an_ellipsis() -> None:
    done = shell(f"{APP} --help", PYTHONIOENCODING="ascii")
    assert b"(tpl-...)" in done.stdout


def test_a_reader_that_goes_after_the_first_line_is_no_error() -> None:
    done = shell(f"{APP} --list-denoise | head -1")
    assert done.returncode == 0
    assert done.stdout.split()[0].decode() == preset_names()[0]
    assert not done.stderr


def test_in_a_deleted_folder_relative_paths_are_refused_and_absolute_ones_work(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "gone"
    enter = f"mkdir {folder} && cd {folder} && rmdir {folder}"
    done = shell(f"{enter} && {APP} ds {tmp_path / 'o'} participant --atlas {tmp_path / 'a.nii'}")
    assert done.returncode == 64
    assert b"BIDS_DIR 'ds': the working folder is not there any more" in done.stderr
    assert b"no atlas" not in done.stderr
    done = shell(f"{enter} && {APP} --list-denoise")
    assert done.returncode == 0, done.stderr
    done = shell(f"{enter} && {APP} check {tmp_path}")
    assert done.returncode == 18, done.stderr
