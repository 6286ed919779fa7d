"""Models on the group's page in a browser: numbers and lines are those of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import CONTRASTS, Opened, colours, two_decimals
from group_site import NAMES, NETWORKS, ORDER, STRATEGIES, write_group
from modelled import COUNT, modelled

from bids_labelx.models.results import ModelResult
from bids_labelx.report.group_models import model_parts

GREY = np.array([0xBD] * 3) / 255
PAIRS = [(i, j) for i in range(6) for j in range(i + 1, 6)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[ModelResult]:
    folder = tmp_path_factory.mktemp("modelled")
    return modelled(folder, tuple(NAMES), tuple(NETWORKS), STRATEGIES, effect=2.5)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory, results: list[ModelResult]) -> Path:
    folder = tmp_path_factory.mktemp("group & models")
    parts = model_parts(folder, results, STRATEGIES, static=True)
    write_group(folder, models=parts)
    return folder


@pytest.fixture
def opened(browser: Any, group: Path) -> Iterator[Opened]:
    """The page; it has nothing to complain about."""
    opened = Opened(browser, group / "group.html")
    opened.page.locator("#runs-table td").first.wait_for()
    yield opened
    opened.end()


def drawn(opened: Opened, number: int) -> Any:
    """A figure of the section, once it is in sight and drawn."""
    figure = opened.page.locator("#models .drawing").nth(number)
    figure.scroll_into_view_if_needed()
    figure.locator(".plot svg, canvas.cells").first.wait_for()
    opened.page.wait_for_timeout(100)
    return figure


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_section_fits_the_window_and_can_be_read(
    browser: Any, group: Path, width: int, scheme: str
) -> None:
    opened = Opened(browser, group / "group.html", width, color_scheme=scheme)
    opened.page.locator("#runs-table td").first.wait_for()
    for number in range(opened.page.locator("#models .drawing").count()):
        drawn(opened, number)
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen = "#models :is(p, li, th, td, figcaption, .drawing svg text, .title)"
    ratios = opened.page.evaluate(CONTRASTS, seen)
    assert len(ratios) > 50
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    opened.end()


def test_cells_have_t_and_above_the_diagonal_those_alone_that_survive(
    opened: Opened, results: list[ModelResult]
) -> None:
    drawn(opened, 0)
    for one in results:
        picture = opened.picture(f"{one.rows.strategy}: t between regions")
        permuted = one.edges.permuted
        assert permuted is not None
        cells = [(row, column) for row in range(6) for column in range(6) if row != column]
        edges = [PAIRS.index(tuple(sorted((ORDER[i], ORDER[j])))) for i, j in cells]
        shown = colours(picture, (6, 6))
        tips = opened.tips(picture, (6, 6), cells)
        opened.page.keyboard.press("Escape")
        greys = 0
        for (row, column), k, tip in zip(cells, edges, tips, strict=True):
            first, second = NAMES[ORDER[row]], NAMES[ORDER[column]]
            t = two_decimals(float(one.edges.fit.t[k])).replace("-", "−")
            assert tip == f"{first} – {second}\n{t}"
            grey = np.abs(shown[row, column] - GREY).max() < 0.02
            assert grey == (column > row and not permuted.p_fwe[k] < 0.05)
            greys += grey
        assert 0 < greys < 15


def test_the_brain_has_a_line_for_each_edge_that_survives_and_has_places(
    opened: Opened, results: list[ModelResult]
) -> None:
    figure = drawn(opened, 1)
    placed = [k for k, pair in enumerate(PAIRS) if 5 not in pair]
    wanted = []
    for one in results:
        permuted = one.edges.permuted
        assert permuted is not None
        wanted.append(int((permuted.p_fwe[placed] < 0.05).sum()))
    assert min(wanted) > 0
    # The last of two groups: below is the border of each line.
    lines = figure.locator(".plot > svg").evaluate_all(
        """(all) => all.map((one) =>
            [...one.querySelectorAll("[aria-label=link]")].pop().children.length)"""
    )
    # From three sides.
    assert lines == [count for count in wanted for _ in range(3)]


def test_the_design_is_told_row_by_row(opened: Opened) -> None:
    drawn(opened, 2)
    picture = opened.picture("Design matrix")
    tips = opened.tips(picture, (COUNT, 2), [(0, 1), (1, 1), (3, 0)])
    assert tips == [
        "sub-00\ngroup[T.patient]: 1",
        "sub-01\ngroup[T.patient]: 0",
        "sub-03\nIntercept: 1",
    ]


def test_the_distributions_have_the_limit_and_the_data(
    opened: Opened, results: list[ModelResult]
) -> None:
    figure = drawn(opened, 3)
    notes = figure.locator(".quiet").all_text_contents()
    assert len(notes) == 2 * len(STRATEGIES)
    for one, note in zip(results, notes[::2], strict=True):
        permuted = one.edges.permuted
        assert permuted is not None
        beyond = np.sort(permuted.largest_t)[::-1]
        limit = float(note.rpartition(" ")[2])
        assert np.isclose(beyond, limit, rtol=1e-2).any()
        assert f"data {float(f'{permuted.largest_t[0]:.3g}'):g}" in note
