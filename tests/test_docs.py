"""What the documentation shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_labelx.denoise import read_strategies

PAGE = Path(__file__).parents[1] / "docs" / "strategies.md"


def test_the_strategy_on_the_page_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "mine.toml").write_text(example[1], encoding="utf-8")
    (strategy,) = read_strategies([str(tmp_path / "mine.toml")])
    assert strategy.name == "mine"
    assert strategy.confounds["columns"] == ["rmsd", r"^motion_outlier\d+$"]
    assert strategy.clean["low_pass"] == pytest.approx(0.08)
