from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_labelx.outputs.provenance import read_provenance, write_provenance

RUN = {"sub": "01", "task": "rest"}


@pytest.mark.parametrize("program", ["/usr/bin/bids_labelx", "/lib/bids_labelx/__main__.py"])
def test_a_run_remembers_its_command_and_what_its_steps_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr("sys.argv", [program, "/a b", "out", "--atlas", "x"])
    write_provenance(tmp_path, RUN, {"label_reduce": 1.5, "clean_signal": None})
    found = read_provenance(tmp_path, RUN)
    assert found is not None
    assert found.command == "bids_labelx '/a b' out --atlas x"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", found.finished)
    assert found.seconds == {"label_reduce": 1.5, "clean_signal": None}


def test_what_is_not_there_or_broken_is_not_known(tmp_path: Path) -> None:
    assert read_provenance(tmp_path, RUN) is None
    write_provenance(tmp_path, RUN, {})
    (path,) = tmp_path.rglob("*.json")
    for text in ("{half", "[]", '{"command": "x"}'):
        path.write_text(text)
        assert read_provenance(tmp_path, RUN) is None
