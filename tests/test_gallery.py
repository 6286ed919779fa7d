"""Scripts in the manner of nilearn's examples, with its maskers and with ours in their place."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_labelx import nilearn_compat

GALLERY = Path(__file__).parent / "gallery"
SCRIPTS = sorted(path.stem for path in GALLERY.glob("*.py") if path.stem != "gallery_data")
IMPORT = re.compile(r"^from nilearn\.maskers import (.+)$", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e-?\d+)?")


def with_ours(text: str) -> str:
    """The script with the import line changed."""
    changed, count = IMPORT.subn(r"from bids_labelx.nilearn_compat import \1", text)
    assert count == 1
    assert "nilearn.maskers" not in changed
    return changed


@pytest.fixture
def run_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], tuple[dict[str, Any], str]]:
    """Run a script's text in a folder of its own: the arrays that it saves, what it prints."""
    monkeypatch.setattr(sys, "path", [str(GALLERY), *sys.path])

    def run(text: str, name: str) -> tuple[dict[str, Any], str]:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        capsys.readouterr()
        exec(compile(text, name, "exec"), {"__name__": "__main__"})  # noqa: S102
        with np.load("results.npz") as saved:
            return dict(saved), capsys.readouterr().out

    return run


def test_there_are_ten_scripts_and_more_and_each_masker_is_in_one() -> None:
    assert len(SCRIPTS) >= 10
    lines = [IMPORT.findall((GALLERY / f"{name}.py").read_text()) for name in SCRIPTS]
    used = {one for (line,) in lines for one in line.split(", ")}
    assert used >= set(nilearn_compat.__all__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_gives_the_same_with_the_import_line_changed(
    script: str, run_script: Callable[[str, str], tuple[dict[str, Any], str]]
) -> None:
    text = (GALLERY / f"{script}.py").read_text()
    expected, told = run_script(text, "theirs")
    found, said = run_script(with_ours(text), "ours")
    assert NUMBER.split(said) == NUMBER.split(told)
    np.testing.assert_allclose(
        [float(one) for one in NUMBER.findall(said)],
        [float(one) for one in NUMBER.findall(told)],
        atol=2e-3,
    )
    assert found.keys() == expected.keys() != set()
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape, name
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(found[name] / scale, wanted / scale, 0, 1e-6, err_msg=name)
