from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bids_labelx.app import group_models
from bids_labelx.app.group_models import told, write_models
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.settings import make_settings


def written(folder: Path, console: Console, **options: object) -> list[str]:
    """Files of models of eight participants, by mean_fd."""
    rng = np.random.default_rng(0)
    rng.standard_normal((8, 3), np.float32).tofile(folder / "z.float32")
    entities = {"task": "rest", "atlas": "A", "meas": "correlation", "desc": "simple"}
    units = tuple(Unit(str(k)) for k in range(8))
    what = entities, "simple", ("a", "b", "c"), None, np.zeros((3, 3)), units
    edges = EdgeRows(*what, rng.random(8), folder / "z.float32")
    where = {"bids_dir": folder, "output_dir": folder / "out", "analysis_level": "group"}
    asked = {"model": ["mean_fd"], "contrast": ["mean_fd", "Intercept"], "nprocs": 1}
    settings = make_settings({**where, **asked, **options})
    made = write_models(console, folder, [edges], settings)
    assert [path for path in made.files if not (folder / path).is_file()] == []
    return [told(result) for result in made.results]


def test_permutations_are_shown_on_a_terminal(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    lines = written(tmp_path, console, permutations=300)
    shown = text.getvalue()
    assert "model A: Intercept" in shown
    # Of eight rows there are no more sign flips.
    assert "256/256" in shown
    assert lines[0].endswith("300 permutations")
    assert lines[1].endswith("256 sign flips")


def test_nothing_is_shown_elsewhere(tmp_path: Path) -> None:
    text = io.StringIO()
    written(tmp_path, Console(file=text, width=100), permutations=20)
    assert text.getvalue() == ""


def test_a_line_says_what_came_of_a_contrast(tmp_path: Path) -> None:
    lines = written(tmp_path, Console(file=io.StringIO()), permutations=0)
    assert lines[0].startswith(
        "group_task-rest_atlas-A_meas-correlation_desc-simple, model A, contrast meanFd: "
        "8 rows of 8 participants; "
    )
    assert " of 3 edges" in lines[0]


def test_elsewhere_long_work_is_told_in_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10**6, 20))
    monkeypatch.setattr(group_models.time, "monotonic", lambda: next(seconds))
    text = io.StringIO()
    written(tmp_path, Console(file=text, width=100), permutations=160, contrast=["mean_fd"])
    # A batch of 32 takes 20 s here, and there are 30 between lines at least.
    done = [line.split(": ")[2] for line in text.getvalue().splitlines()]
    assert done == [f"{count} of 160 permutations" for count in (64, 128)]
