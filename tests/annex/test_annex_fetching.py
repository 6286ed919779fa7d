"""Several processes that work on the same files of one clone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from annexed import Annexed, annex, annexed_copy, needs_datalad, told

from bids_labelx.annex.fetching import Fetcher, Fetching, Kept, fetching
from bids_labelx.content import missing_reason, read_content
from bids_labelx.errors import MissingInputError

pytestmark = needs_datalad

DROP, GET, OTHER = (
    Fetching(drop, token, patience=60)
    for drop, token in ((True, "one"), (False, "two"), (True, "other"))
)


@pytest.fixture
def clone(made_once: Callable[..., Path], tmp_path: Path) -> Annexed:
    def fill(folder: Path) -> None:
        plain = folder / "plain"
        plain.mkdir()
        for name in ("mask.nii", "a_bold.nii", "other.nii"):
            (plain / name).write_bytes(name.encode() * 5)
        (plain / "copy.nii").write_bytes(b"mask.nii" * 5)
        annex(plain, folder / "clone", folder / "store")

    folder = made_once("datalad-clone", fill)
    pattern = Annexed(folder / "clone", folder / "store")
    return annexed_copy(pattern, tmp_path / "clone", tmp_path / "store")


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
    with fetching(Fetching(True, f"process{os.getpid()}", 60)) as fetcher:
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
    clone.unlock()
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


def _killed_after(root: Path, name: str) -> None:
    """A process that fetches a file and is killed while it works on it."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(root, [name], theirs))
    process.start()
    assert ours.recv()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()


def _drop_all(root: Path) -> list[Kept]:
    with fetching(DROP, drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.meet(root)
    return fetcher.kept


@pytest.mark.parametrize("unlocked", [False, True])
def test_what_a_user_fetched_after_a_kill_is_not_dropped(unlocked: bool, clone: Annexed) -> None:
    if unlocked:
        clone.unlock()
    for name in ("a_bold.nii", "other.nii"):
        _killed_after(clone.root, name)
    told(clone.root, "git", "annex", "drop", "--quiet", "a_bold.nii")
    told(clone.root, "git", "annex", "get", "--quiet", "a_bold.nii")
    assert _drop_all(clone.root) == []
    assert clone.here == {"a_bold.nii"}
    assert clone.marks == []
    assert (clone.root / "a_bold.nii").read_bytes() == b"a_bold.nii" * 5


def _begin(root: Path, name: str) -> None:
    with fetching(Fetching(True, f"process{os.getpid()}", 60)) as fetcher:
        assert fetcher is not None
        fetcher.acquire([root / name])


def test_what_was_only_begun_before_a_kill_and_a_user_fetched_is_not_dropped(
    clone: Annexed,
) -> None:
    halted = clone.halt("a_bold.nii")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_begin, args=(clone.root, "a_bold.nii"))
    process.start()
    while not halted.exists():
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    clone.go_on()
    assert len(clone.marks) == 1
    told(clone.root, "git", "annex", "get", "--quiet", "a_bold.nii")
    with fetching(DROP):
        read_content(clone.root / "a_bold.nii")
    assert _drop_all(clone.root) == []
    assert clone.here == {"a_bold.nii"}
    assert clone.marks == []


def test_a_remote_that_sends_nothing_is_given_up_and_others_are_fetched(clone: Annexed) -> None:
    clone.halt("mask.nii")
    with fetching(DROP._replace(patience=2)) as fetcher:
        assert fetcher is not None
        for name in ("mask.nii", "copy.nii"):
            with pytest.raises(MissingInputError, match=rf"{name}: .* no data came for 2 s; see"):
                fetcher.acquire([clone.root / name])
        fetcher.acquire([clone.root / "other.nii"])
        assert clone.here == {"other.nii"}
    # Of two files with one content, nobody waits twice.
    assert len(clone.asked) == 2
    assert clone.here == set()
    assert clone.marks == []


def test_a_remote_that_is_slow_is_waited_for_as_long_as_data_come(clone: Annexed) -> None:
    told(
        *(clone.root, "git", "config", "annex.slow-retrieve-hook"),
        'for i in 1 11 21 31 41; do sleep 1; tail -c "+$i" '
        f'"{clone.store}/$ANNEX_KEY" | head -c 10 >>"$ANNEX_FILE"; done',
    )
    with fetching(DROP._replace(patience=3)):
        assert read_content(clone.root / "other.nii") == b"other.nii" * 5


def test_a_remote_that_does_not_answer_when_files_are_dropped_is_asked_once(
    clone: Annexed,
) -> None:
    names = ("a_bold.nii", "mask.nii", "other.nii")
    for name in names:
        _killed_after(clone.root, name)
    hook = told(clone.root, "git", "config", "annex.slow-checkpresent-hook").strip()
    asked = clone.root.with_name("asked")
    told(
        *(clone.root, "git", "config", "annex.slow-checkpresent-hook"),
        f'echo "$ANNEX_KEY" >>"{asked}"; sleep 60',
    )
    with fetching(DROP._replace(patience=2), drop_all=True) as fetcher:
        assert fetcher is not None
        fetcher.meet(clone.root)
    assert len(fetcher.kept) == len(names)
    assert {one.reason for one in fetcher.kept} == {fetcher.kept[0].reason}
    assert "no data came for 2 s" in fetcher.kept[0].reason
    assert len(asked.read_text().splitlines()) == 1
    assert len(clone.marks) == len(names)
    told(clone.root, "git", "config", "annex.slow-checkpresent-hook", hook)
    assert _drop_all(clone.root) == []
    assert clone.here == set()


def test_another_branch_is_no_reason_to_drop_what_was_there(clone: Annexed) -> None:
    _killed_after(clone.root, "mask.nii")
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
