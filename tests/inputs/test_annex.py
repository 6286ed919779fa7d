from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.inputs.annex import display_path, missing_reason

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
        "it with `git annex get sub-01/a.nii.gz` or `datalad get sub-01/a.nii.gz`"
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
