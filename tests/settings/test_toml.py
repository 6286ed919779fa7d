from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.settings import make_settings, read_options, to_toml

NEEDED = {
    "bids_dir": "in",
    "output_dir": "out",
    "analysis_level": "participant",
    "atlas": ["a.nii"],
}


def test_settings_come_back_from_toml_the_same(tmp_path: Path) -> None:
    options = {
        **NEEDED,
        "space": ["MNI152NLin6Asym"],
        "atlas": ['odd "name", with\ttab.nii'],
        "min_coverage": 0.25,
        "statistic": ["mean", "variance"],
        "work_dir": "w",
        "stop_on_first_crash": True,
    }
    settings = make_settings(options)
    (tmp_path / "settings.toml").write_text(to_toml(settings), encoding="utf-8")
    assert make_settings(read_options(tmp_path / "settings.toml")) == settings


def test_a_file_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(BadDataError, match=r"bad\.toml"):
        read_options(tmp_path / "bad.toml")
    with pytest.raises(MissingInputError, match=r"none\.toml"):
        read_options(tmp_path / "none.toml")
