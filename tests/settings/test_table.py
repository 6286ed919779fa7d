"""That an option is one entry, from which everything else follows."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bids_labelx
from bids_labelx.extraction import regions
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.settings import Settings, parts
from bids_labelx.settings.convert import labels
from bids_labelx.settings.entry import options_of

ROOT = Path(__file__).parents[2]

ENTRY = """
    trim: float = signal_option(
        0.1, convert.share, metavar="SHARE", help="cut the tails", content=True, flags=("-x",)
    )
"""

FOLLOWS = """
import json
from pathlib import Path
from bids_labelx.app.descriptor import make_descriptor
from bids_labelx.app.options import build_parser, hyphenate
from bids_labelx.settings import (
    ExtractionOptions, changed_options, content_settings, make_settings, read_options, to_toml
)
from options_page import options_page

given = ["in", "out", "participant", "--atlas", "a.nii", "--trim", "0.2"]
settings = make_settings(vars(build_parser().parse_args(given)))
Path("settings.toml").write_text(to_toml(settings))
print(json.dumps({
    "value": settings.part(ExtractionOptions).trim,
    "default": make_settings({**vars(build_parser().parse_args(given)), "trim": None}).trim,
    "from file": make_settings(read_options(Path("settings.toml"))).trim,
    "changed": changed_options(read_options(Path("settings.toml")))["--trim"],
    "content": content_settings(settings)["trim"],
    "help": "cut the tails (default: 0.1)" in build_parser().format_help(),
    "page": [line for line in options_page().splitlines() if "--trim SHARE" in line],
    "descriptor": [one for one in make_descriptor()["inputs"] if one["id"] == "trim"],
}))
"""


def test_a_new_option_takes_one_entry_and_nothing_else(tmp_path: Path) -> None:
    """Parser, settings.toml, descriptor, documentation and contents follow, in a copy."""
    package = Path(bids_labelx.__file__).parent
    shutil.copytree(package, tmp_path / "bids_labelx", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "ci" / "options_page.py", tmp_path)
    copy = tmp_path / "bids_labelx" / "settings" / "parts.py"
    before, after = copy.read_text("utf-8").split(
        '"""How a run is reduced to region signals."""\n'
    )
    copy.write_text(f"{before}{ENTRY}{after}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWS], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    assert json.loads(done.stdout) == {
        "value": 0.2,
        "default": 0.1,
        "from file": 0.2,
        "changed": "0.2",
        "content": 0.2,
        "help": True,
        "page": ["| `-x`, `--trim SHARE` | participant | cut the tails (default: 0.1) |"],
        "descriptor": [
            {
                "id": "trim",
                "name": "trim",
                "type": "Number",
                "value-key": "[TRIM]",
                "optional": True,
                "description": "cut the tails (default: 0.1)",
                "command-line-flag": "--trim",
            }
        ],
    }


def test_every_value_that_is_not_a_flag_is_converted() -> None:
    for option in options_of(Settings):
        assert option.convert or option.choices or option.flag, option.name


def test_the_choices_of_the_options_are_what_the_core_can_do() -> None:
    """They stand twice, as settings must not load numpy for `--help`."""
    assert parts.STATISTICS == regions.STATISTICS
    assert set(parts.CONNECTIVITY) == {*MEASURES, "none"}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings("in", "out", "participant").nprocs = 3  # type: ignore[misc]


@pytest.mark.parametrize("word", ["MNIInfant+1", "MNIInfant:cohort-1", "space-MNIInfant+1"])
def test_a_cohort_is_written_as_in_names_or_as_fmriprep_writes_it(word: str) -> None:
    assert labels("space")([word]) == ("MNIInfant+1",)


def test_only_a_space_has_a_cohort() -> None:
    for key, word in (("ses", "a:cohort-1"), ("space", "a:den-2"), ("space", "a:cohort-")):
        with pytest.raises(ValueError, match="letters and digits"):
            labels(key)([word])
