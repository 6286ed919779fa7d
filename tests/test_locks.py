"""Which invocations have ended, by a lock that goes with their process."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from bids_labelx.locks import has_ended, shown_alive


def test_nobody_ever_sees_one_that_is_alive_without_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / ".alive", []
    flock = fcntl.flock

    def watched(*given: Any) -> None:
        # What another process would find just before the lock is taken.
        seen.append(path.exists())
        flock(*given)

    monkeypatch.setattr(fcntl, "flock", watched)
    with shown_alive(path):
        assert seen == [False]
        assert path.exists()
        assert not has_ended(path)
        assert list(tmp_path.iterdir()) == [path]
    assert not list(tmp_path.iterdir())


def test_one_that_was_killed_has_ended(tmp_path: Path) -> None:
    path = tmp_path / ".alive"
    assert not has_ended(path)
    path.touch()
    assert has_ended(path)
