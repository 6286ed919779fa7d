"""What is kept by git-annex, by links and pointers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_labelx.annexed import annexed_link, key_in, pointer_key

KEY = "MD5E-s1234--0123456789abcdef0123456789abcdef.nii.gz"


@pytest.mark.parametrize(
    ("key", "size"),
    [
        (KEY, 1234),
        ("SHA256E-s20000--cc0a4b41.nii.gz", 20000),
        ("MD5E-s12-m1400000000--0.nii", 12),
        ("MD5E-m1400000000-s12--0.nii", 12),
        ("MD5E-s12-S5-C2--0.nii", 12),
        ("URL--http&c%%host%a-s99--b.nii", 0),
        ("URL-s7--http&c%%host%a.nii", 7),
    ],
)
def test_the_size_is_that_in_the_key(tmp_path: Path, key: str, size: int) -> None:
    path = tmp_path / "a"
    path.symlink_to(f".git/annex/objects/aa/bb/{key}/{key}")
    found = annexed_link(path)
    assert found is not None
    assert (found.key, found.size) == (key, size)


def test_links_to_links_lead_to_the_one_into_the_annex(tmp_path: Path) -> None:
    inner, outer = tmp_path / "data" / "a.nii.gz", tmp_path / "bids" / "b.nii.gz"
    inner.parent.mkdir()
    outer.parent.mkdir()
    inner.symlink_to(f"../.git/annex/objects/x/{KEY}")
    outer.symlink_to("../data/a.nii.gz")
    found = annexed_link(outer)
    assert found is not None
    assert found.key == KEY
    assert found.is_absent
    key = tmp_path / ".git" / "annex" / "objects" / "x" / KEY
    key.parent.mkdir(parents=True)
    key.write_bytes(b"content")
    assert not found.is_absent


@pytest.mark.parametrize(
    ("start", "key"),
    [
        (f"/annex/objects/{KEY}\n".encode(), KEY),
        (f"/annex/objects/{KEY}".encode(), KEY),
        (f"../../.git/annex/objects/aa/bb/{KEY}/{KEY}".encode(), KEY),
        (b"/annex/objects/", None),
        (b"\x5c\x01", None),
        (b"", None),
    ],
)
def test_a_pointer_is_told_by_how_it_begins(tmp_path: Path, start: bytes, key: str | None) -> None:
    assert key_in(start) == key
    (tmp_path / "a").write_bytes(start)
    assert pointer_key(tmp_path / "a") == key


def test_pipes_and_folders_are_no_files_of_the_annex(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", ".", "nothing", "loop"):
        assert annexed_link(tmp_path / name) is None
