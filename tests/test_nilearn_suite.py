"""ci/nilearn_suite.py: imports rewritten, and results judged by the list."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "ci" / "nilearn_suite.py"


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script as a module, with a list of one entry."""
    spec = importlib.util.spec_from_file_location("nilearn_suite", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # For its dataclass.
    monkeypatch.setitem(sys.modules, "nilearn_suite", module)
    spec.loader.exec_module(module)
    listed = tmp_path / "listed.toml"
    listed.write_text('[[expected]]\ntest = "*check_tags*"\nreason = "private"\n', "utf-8")
    monkeypatch.setattr(module, "LISTED", listed)
    return module


def test_imports_of_maskers_are_followed_by_ours(suite: Any) -> None:
    text = "from nilearn.maskers import (\n    NiftiLabelsMasker,\n    NiftiMasker,\n)\nX = 1\n"
    found = suite.rewritten(text)
    assert found.splitlines()[4] == "from bids_labelx.nilearn_compat import NiftiLabelsMasker"
    space: dict[str, Any] = {}
    exec(found, space)  # noqa: S102
    assert space["NiftiLabelsMasker"].__module__.startswith("bids_labelx.")
    assert space["NiftiMasker"].__module__.startswith("nilearn.")


@pytest.mark.parametrize(
    ("outcomes", "code", "text"),
    [
        ({"t.py::a": "passed", "t.py::check_tags[0]": "failed"}, 0, "| 1 | listed: private |"),
        ({"t.py::a": "failed", "t.py::check_tags[0]": "failed"}, 1, "failed: t.py::a"),
        ({"t.py::a": "passed", "t.py::check_tags[0]": "passed"}, 1, "take it off listed.toml"),
        ({}, 1, "| 0 | failed |"),
    ],
)
def test_a_failure_that_is_not_listed_and_a_listed_test_that_passes_are_told(
    suite: Any,
    capsys: pytest.CaptureFixture[str],
    outcomes: dict[str, str],
    code: int,
    text: str,
) -> None:
    assert suite.judged(suite.Results(outcomes=outcomes)) == code
    assert text in capsys.readouterr().out
