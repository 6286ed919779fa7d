"""The demo, made once for all that look at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo(made_once: Callable[..., Path]) -> tuple[Path, str]:
    """The demo's folder and what it said. Nothing may change it."""

    def fill(folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bids_labelx", "--demo", str(folder / "out")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (folder / "told.txt").write_text(done.stderr)

    folder = made_once("demo", fill)
    return folder / "out", (folder / "told.txt").read_text()
