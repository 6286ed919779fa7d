from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bids_labelx.content import display_path, missing_reason, read_content
from bids_labelx.errors import BadDataError, MissingInputError

KEY = "MD5E-s100--0123.nii.gz/MD5E-s100--0123.nii.gz"


@pytest.mark.parametrize("content", [b"", b"\x5c\x01", b"x" * 100_000, b"/annex", b"a\tb\n1\t2\n"])
def test_a_file_with_content_is_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert missing_reason(path, tmp_path) is None


def test_a_file_in_the_annex_that_was_fetched_is_there(tmp_path: Path) -> None:
    key = tmp_path / ".git" / "annex" / "objects" / "a" / KEY
    key.parent.mkdir(parents=True)
    key.write_bytes(b"content")
    (tmp_path / "sub-01").mkdir()
    path = tmp_path / "sub-01" / "a.nii.gz"
    path.symlink_to(f"../.git/annex/objects/a/{KEY}")
    assert missing_reason(path, tmp_path) is None
    key.unlink()
    problem = missing_reason(path, tmp_path)
    assert problem == (
        f"sub-01/a.nii.gz is a link to ../.git/annex/objects/a/{KEY}, which is not there; fetch "
        "it with `git annex get sub-01/a.nii.gz` or `datalad get sub-01/a.nii.gz`, or give "
        "--datalad get"
    )


@pytest.mark.parametrize(
    "content",
    [f"/annex/objects/{KEY}\n", f"/annex/objects/{KEY}", f"../../.git/annex/objects/a/{KEY}"],
)
def test_a_pointer_file_of_the_annex_is_not_the_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_text(content)
    problem = missing_reason(path, tmp_path)
    assert problem is not None
    assert "a.nii.gz is a git-annex pointer" in problem
    assert "`git annex get a.nii.gz`" in problem


def test_a_large_file_that_begins_like_a_pointer_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("/annex/objects/" + "x" * 40_000)
    assert missing_reason(path, tmp_path) is None


def test_a_broken_link_to_elsewhere_is_named_with_its_target(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.symlink_to("/nowhere/b")
    problem = missing_reason(path, tmp_path)
    assert (
        problem == "a is a link to /nowhere/b, which is not there; mend the link or fetch the file"
    )


def test_a_link_to_itself_and_a_file_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path in (loop, tmp_path / "gone"):
        problem = missing_reason(path, tmp_path)
        assert problem is not None
        assert problem.startswith(f"{path.name} cannot be read")


def test_paths_are_shown_within_the_dataset(tmp_path: Path) -> None:
    assert display_path(tmp_path / "sub-01" / "a", tmp_path) == "sub-01/a"
    assert display_path(Path("/elsewhere/a"), tmp_path) == "/elsewhere/a"


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"


def test_a_pointer_of_git_lfs_is_not_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_text(LFS)
    assert missing_reason(path, tmp_path) == (
        "a.nii.gz is a git-lfs pointer, its content was not fetched; fetch it with `git lfs pull`"
    )
    with pytest.raises(MissingInputError, match="git lfs pull"):
        read_content(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("folder", "a folder"),
        ("pipe", "a named pipe"),
        ("socket", "a socket"),
        ("device", "a dev"),
    ],
)
def test_what_is_no_regular_file_is_refused_unread(tmp_path: Path, kind: str, words: str) -> None:
    path = tmp_path / "a.tsv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    problem = missing_reason(path, tmp_path)
    assert problem is not None
    assert problem.startswith("a.tsv cannot be read")
    with pytest.raises((BadDataError, MissingInputError), match=r"a\.tsv cannot be read"):
        read_content(path)
    if kind != "socket":  # which is refused by open itself
        assert words in problem


def test_a_file_larger_than_any_of_its_kind_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(BadDataError, match=r"a\.json: 1099512 MB; at most 1074 MB"):
        read_content(path)
