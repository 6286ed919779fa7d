"""What the documentation shows works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bids_labelx.denoise import read_strategies
from bids_labelx.errors import ExitCode

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "strategies.md"


def test_the_page_of_options_is_what_their_table_gives() -> None:
    """Where it fails: python ci/options_page.py > docs/options.md."""
    script = ROOT / "ci" / "options_page.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "options.md").read_text(encoding="utf-8") == done.stdout


def test_the_exit_codes_of_the_readme_are_those_of_the_app() -> None:
    table = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("| exit code | |\n|---|---|\n")[1]
    )
    rows = table.split("\n\n")[0].splitlines()
    assert rows == [f"| {code} | {code.meaning} |" for code in ExitCode]


def test_the_strategy_on_the_page_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "mine.toml").write_text(example[1], encoding="utf-8")
    (strategy,) = read_strategies([str(tmp_path / "mine.toml")])
    assert strategy.name == "mine"
    assert strategy.confounds["columns"][:2] == ["rmsd", r"^motion_outlier\d+$"]
    assert strategy.clean["low_pass"] == pytest.approx(0.08)
