"""Several processes that work on the same files of one clone."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from annexed import Annexed, annex, needs_datalad, told

from bids_labelx.annex.fetching import Fetcher, Fetching, fetching
from bids_labelx.content import missing_reason, read_content
from bids_labelx.errors import MissingInputError

pytestmark = needs_datalad

DROP, GET, OTHER = map(Fetching._make, ((True, "one"), (False, "two"), (True, "other")))


@pytest.fixture
def clone(tmp_path: Path) -> Annexed:
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("mask.nii", "a_bold.nii", "other.nii"):
        (plain / name).write_bytes(name.encode() * 5)
    (plain / "copy.nii").write_bytes(b"mask.nii" * 5)
    return annex(plain, tmp_path / "clone", tmp_path / "store")


def test_what_is_read_is_fetched_and_dropped_at_the_end(clone: Annexed) -> None:
    with fetching(DROP):
        assert read_content(clone.root / "mask.nii") == b"mask.nii" * 5
        assert "mask.nii" in clone.here
    assert clone.here == set()
    assert clone.marks == []


def test_a_series_is_not_fetched_where_it_is_looked_for(clone: Annexed) -> None:
    path = clone.root / "a_bold.nii"
    assert "not there" in str(missing_reason(path))
    with fetching(DROP) as fetcher:
        assert fetcher is not None
        assert missing_reason(path) is None
        assert clone.here == set()
        fetcher.acquire([path])
        assert clone.here == {"a_bold.nii"}
    assert clone.here == set()


def test_what_was_there_stays(clone: Annexed) -> None:
    clone.get("mask.nii")
    with fetching(DROP, drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.acquire([clone.root / "mask.nii", clone.root / "copy.nii"])
    assert clone.here == {"mask.nii", "copy.nii"}
    # Nothing had to be written down.
    assert not (clone.root / ".git" / "bids_labelx" / "alive").exists()


def test_what_a_user_gets_while_nobody_fetches_stays_beside_what_is_dropped(
    clone: Annexed,
) -> None:
    with fetching(DROP):
        read_content(clone.root / "mask.nii")
        told(clone.root, "git", "annex", "get", "other.nii")
    assert clone.here == {"other.nii"}


def test_files_of_one_content_are_one(clone: Annexed) -> None:
    with fetching(DROP):
        read_content(clone.root / "mask.nii")
        assert read_content(clone.root / "copy.nii") == b"mask.nii" * 5
        assert len(clone.asked) == 1
    assert clone.here == set()


def test_the_last_of_two_that_share_a_file_drops_it(clone: Annexed) -> None:
    path = clone.root / "mask.nii"
    with fetching(DROP):
        read_content(path)
        with fetching(OTHER):
            read_content(path)
        assert "mask.nii" in clone.here
    assert clone.here == set()
    one, other = Fetcher(DROP), Fetcher(OTHER)
    for fetcher in (one, other):
        fetcher.acquire([path])
    for fetcher in (one, other):
        # The first ends while the other is at work.
        assert "mask.nii" in clone.here
        fetcher.release(drop_all=False)
        fetcher.end()
        fetcher.close()
    assert clone.here == set()
    assert len(clone.asked) == 2


def test_get_keeps_what_another_one_would_have_dropped(clone: Annexed) -> None:
    with fetching(DROP):
        read_content(clone.root / "mask.nii")
        with fetching(GET):
            read_content(clone.root / "mask.nii")
    assert clone.here == {"mask.nii", "copy.nii"}


def test_a_failure_in_between_drops_all_the_same(clone: Annexed) -> None:
    def fail() -> None:
        with fetching(DROP):
            raise ValueError(str(read_content(clone.root / "mask.nii")))

    with pytest.raises(ValueError, match="mask"):
        fail()
    assert clone.here == set()


def _work(root: Path, names: list[str], ready: Connection) -> None:
    with fetching(Fetching(drop=True, token=f"process{os.getpid()}")) as fetcher:
        assert fetcher is not None
        fetcher.acquire([root / name for name in names])
        ready.send(True)
        ready.recv()


def test_what_a_killed_process_fetched_is_dropped_by_the_next_and_not_before(
    clone: Annexed,
) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(clone.root, ["a_bold.nii", "mask.nii"], theirs))
    process.start()
    assert ours.recv()
    with fetching(DROP, drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.meet(clone.root)
    # It is at work still.
    assert {"a_bold.nii", "mask.nii"} <= clone.here
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with fetching(DROP, drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.meet(clone.root)
    assert clone.here == set()
    assert clone.marks == []
    assert list((clone.root / ".git/bids_labelx/alive").iterdir()) == []


def test_processes_that_want_the_same_file_at_once_fetch_it_once(clone: Annexed) -> None:
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(4)]
    processes = [
        context.Process(target=_work, args=(clone.root, ["mask.nii"], theirs))
        for _, theirs in pipes
    ]
    for one in processes:
        one.start()
    for ours, _ in pipes:
        assert ours.recv()
    assert len(clone.asked) == 1
    for i, (ours, _) in enumerate(pipes):
        assert "mask.nii" in clone.here
        ours.send(True)
        processes[i].join()
    assert clone.here == set()


def test_a_file_that_no_remote_has_is_told_with_the_reason(clone: Annexed) -> None:
    (clone.store / clone.key("mask.nii")).unlink()
    with fetching(DROP):
        with pytest.raises(MissingInputError, match=r"mask\.nii: its content .* store"):
            read_content(clone.root / "mask.nii")
        assert "cannot be fetched" in str(missing_reason(clone.root / "copy.nii"))
        assert read_content(clone.root / "other.nii")
    assert clone.marks == []


@pytest.mark.parametrize("how", [DROP, GET])
def test_an_unlocked_file_is_known_by_its_key_until_it_is_written_to(
    clone: Annexed, how: Fetching
) -> None:
    key = clone.key("mask.nii")
    told(clone.root, "git", "annex", "unlock", "--quiet")
    told(clone.root, "git", "commit", "-qam", "unlocked")
    path = clone.root / "mask.nii"
    with fetching(how) as fetcher:
        assert fetcher is not None
        for one in (path, clone.root / "copy.nii"):
            assert fetcher.find(one) is not None
        read_content(path)
        found = fetcher.find(path)
        assert found is not None
        assert (found.key, found.is_absent) == (key, False)
        path.write_bytes(b"another, of that user")
        assert fetcher.find(path) is None
    assert path.read_bytes() == b"another, of that user"


def test_another_branch_is_no_reason_to_drop_what_was_there(clone: Annexed) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(clone.root, ["mask.nii"], theirs))
    process.start()
    assert ours.recv()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    # The path is another file's there, which was fetched by the user.
    first = clone.key("mask.nii")
    told(clone.root, "git", "checkout", "-qb", "another")
    told(clone.root, "git", "mv", "-f", "other.nii", "mask.nii")
    told(clone.root, "git", "rm", "-q", "copy.nii")
    told(clone.root, "git", "commit", "-qm", "renamed")
    clone.get("mask.nii")
    assert clone.key("mask.nii") != first
    with fetching(DROP, drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.meet(clone.root)
    assert clone.here == {"mask.nii"}
    assert clone.marks == []
    present = told(clone.root, "git", "annex", "find", "--in", "here", "--branch", "HEAD~1")
    assert first not in present
    assert "mask.nii" not in present
