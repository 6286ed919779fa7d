"""What producers really write, where they can be run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from producers.simulated_echoes import tedana_arguments, write_echoes

# pybtex-apa-style, which tedana's reports need, does not say that it needs six.
_NEEDED = ("tedana", "six")


@pytest.fixture(scope="session")
def tedana_folder(made_once: Callable[..., Path]) -> Path:
    """A folder with a simulated multi-echo run in ``echoes``, and tedana's output in two layouts.

    ``flat`` has its files beside each other, ``nested`` in ``sub-01/func``. Nothing was added.
    """
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        pytest.skip(f"{' and '.join(lacking)} not installed (pip install tedana six)")

    def fill(folder: Path) -> None:
        echoes, mask = write_echoes(folder / "echoes")
        for out in ("flat", "nested/sub-01/func"):
            _run_tedana(echoes, mask, folder / out)

    return made_once("tedana", fill)


def _run_tedana(echoes: list[Path], mask: Path, out: Path) -> None:
    out.mkdir(parents=True)
    program = "from tedana.workflows.tedana import _main; _main()"
    command = [sys.executable, "-c", program, *tedana_arguments(echoes, mask, out)]
    # Fonts and the like are of no interest.
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
