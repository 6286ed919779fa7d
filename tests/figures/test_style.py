from __future__ import annotations

from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from bids_labelx.errors import CannotWriteError
from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.style import render_figure, save_figure


def test_svg_keeps_text_and_takes_no_mathematics_from_names(tmp_path: Path) -> None:
    figure = plot_matrix(np.eye(2), ["cost $x_1$ or $y", "b<script>"], title="Title $t$")
    save_figure(figure, tmp_path / "new" / "matrix.svg")
    svg = (tmp_path / "new" / "matrix.svg").read_text()
    assert "cost $x_1$ or $y" in svg
    assert "Title $t$" in svg
    assert "<script" not in svg
    assert "dc:date" not in svg


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.filterwarnings("error")
def test_letters_that_no_font_has_are_drawn_in_peace(kind: Literal["png", "svg"]) -> None:
    names = ["\U0001f9e0", "\u8111", "c"]
    content = render_figure(plot_matrix(np.eye(3), names, title="t"), kind)
    assert kind == "png" or all(name in content.decode() for name in names)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        save_figure(plot_matrix(np.eye(5), list("abcde"), networks=list("aabbb"), title="t"), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_figure_is_saved_without_a_left_over(tmp_path: Path) -> None:
    save_figure(plot_matrix(np.eye(3), list("abc"), title="t"), tmp_path / "matrix.png")
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.png"]
    assert (tmp_path / "matrix.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")

    def full(_: Path, __: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        save_figure(Figure(), path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.svg": "old"}


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        save_figure(Figure(), tmp_path / "a.pdf")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_user_s_settings_change_nothing_and_are_left_as_they_were(
    kind: Literal["png", "svg"],
) -> None:
    def drawn() -> bytes:
        return render_figure(plot_matrix(np.eye(5), list("abcde"), title="t"), kind)

    theirs = {"font.family": "serif", "font.size": 30, "savefig.dpi": 20, "text.color": "red"}
    usual = drawn()
    with matplotlib.rc_context(theirs):
        assert drawn() == usual
        assert {name: matplotlib.rcParams[name] for name in theirs} == theirs | {
            "font.family": ["serif"]
        }
