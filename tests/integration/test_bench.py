"""The benchmark's own health; its times are nobody's business here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_the_benchmark_prints_a_row_for_each_thing_it_compares() -> None:
    script = Path(__file__).parents[2] / "ci" / "bench.py"
    done = subprocess.run(
        [sys.executable, script, "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 32
    assert len({len(row) for row in rows}) == 1
    assert sum("nilearn" in row[3] for row in rows) == 12
