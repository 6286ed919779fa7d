"""The pages in a browser: the tooltips of figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import (
    COLOURS,
    EVIL,
    NAMES,
    REGION_COLOURS,
    REGIONS,
    VALUES,
    Opened,
    pixels,
    where,
)

from bids_labelx.report.figures import plot_matrix, save_figure
from bids_labelx.report.pages import FigureFile, Part, Section, group_page
from bids_labelx.report.tooltips import tooltip_script

WIDTHS = pytest.mark.parametrize("width", [1440, 400])


def test_markup_in_names_is_text_wherever_it_stands(opened: Opened) -> None:
    image = opened.hover(0)
    opened.page.mouse.move(*where(image, COLOURS[1])[1])
    assert opened.tip() == f"{EVIL} – {EVIL}: {VALUES[1, 1]:#.3g}"
    for name in ("note", "name"):
        opened.page.get_by_role("button", name=name).click()
    assert EVIL in opened.column(4)
    assert EVIL in opened.page.locator("figcaption").first.text_content()
    made = "[...document.scripts].filter((one) => one.text.startsWith('alert')).length"
    assert opened.page.evaluate(made) == 0


@WIDTHS
def test_pointer_names_the_cell_of_a_matrix(browser: Any, site: Path, width: int) -> None:
    opened = Opened(browser, site / "sub-01.html", width)
    image = opened.hover(0)
    assert opened.tip() == ""
    box, shot = image.bounding_box(), pixels(image)
    centres = where(image, COLOURS.reshape(16, 4))
    for i, (x, _) in enumerate(centres):
        # The first and the last pixel of the cell's own colour, above and below its middle.
        column = shot[:, int(x - box["x"])]
        same = np.abs(column - COLOURS[i // 4, i % 4, :3]).max(axis=1) < 2.5 / 255
        for edge in (np.flatnonzero(same)[0] + 1, np.flatnonzero(same)[-1] - 1):
            opened.page.mouse.move(x, box["y"] + edge + 0.5)
            value = f"{VALUES[i // 4, i % 4]:#.3g}"
            assert opened.tip() == f"{NAMES[i // 4]} – {NAMES[i % 4]}: {value}"
        tip = opened.page.locator(".tip").bounding_box()
        assert tip["x"] >= 0
        assert tip["x"] + tip["width"] <= width
    opened.page.keyboard.press("Escape")
    assert opened.tip() == ""
    opened.page.context.close()


def test_pointer_names_the_region_whose_colour_is_below_it(opened: Opened) -> None:
    image = opened.hover(1)
    box, shot = image.bounding_box(), pixels(image)
    seen = []
    for x in np.linspace(2, shot.shape[1] - 3, 38).astype(int):
        for y in (np.array([0.32, 0.5, 0.68]) * shot.shape[0]).astype(int):
            around = shot[y - 1 : y + 2, x - 1 : x + 2].reshape(9, 3)
            below = np.abs(REGION_COLOURS[:, None, :3] - around).max(axis=(1, 2)) < 2.5 / 255
            if below.any() or around.max() == 0:
                opened.page.mouse.move(box["x"] + x + 0.5, box["y"] + y + 0.5)
                seen.append(REGIONS[np.argmax(below)] if below.any() else "")
                assert opened.tip() == seen[-1]
    assert {*seen} == {"", *REGIONS}


def test_arrow_keys_go_through_a_matrix_and_say_it(opened: Opened) -> None:
    image = opened.hover(0)
    places = where(image, COLOURS.reshape(16, 4))
    image.locator("xpath=..").focus()
    row, column = 1, 1
    for key, down, right in (
        ("ArrowUp", 0, 0),  # The first key shows the middle.
        ("ArrowUp", -1, 0),
        ("ArrowUp", 0, 0),  # There is no cell further on.
        ("ArrowLeft", 0, -1),
        ("ArrowDown", 1, 0),
        ("ArrowRight", 0, 1),
    ):
        opened.page.keyboard.press(key)
        row, column = row + down, column + right
        wanted = f"{NAMES[row]} – {NAMES[column]}: {VALUES[row, column]:#.3g}"
        assert opened.tip() == wanted
        assert opened.page.locator("body > [role=status]").text_content() == wanted
        mark = opened.page.locator(".mark").bounding_box()
        middle = (mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
        assert middle == pytest.approx(places[4 * row + column], abs=2)
    opened.page.keyboard.press("Tab")
    assert opened.tip() == ""


def test_half_of_a_symmetric_matrix_reads_as_the_whole(browser: Any, tmp_path: Path) -> None:
    matrix = np.array([[1, 0.25, np.nan], [0.25, 1234.25, -0.5], [np.nan, -0.5, 0]])
    figure, names = plot_matrix(matrix, ["a", "b", "c"], title="m"), ["a", "b", "c"]
    save_figure(figure, tmp_path / "m.svg")
    (tmp_path / "m.js").write_text(tooltip_script(figure, names=names, texts=()))
    figure = FigureFile("m.svg", "", "", tooltips="m.js")
    section = Section("figures", "Figures", (Part(figures=(figure,)),))
    page = group_page((), [section], (), "0.1.0")
    (tmp_path / "group.html").write_text(page, encoding="utf-8")
    opened = Opened(browser, tmp_path / "group.html")
    opened.hover(0).locator("xpath=..").focus()
    shown = []
    for key in ("Up", "Up", "Left", "Right", "Right", "Down", "Left", "Left", "Down", "Right"):
        opened.page.keyboard.press(f"Arrow{key}")
        shown.append(opened.tip())
    assert [text.split(": ")[1] for text in shown[:2]] == ["1234", "0.250"]
    assert shown[2:] == [
        "a – a: 1.00",
        "a – b: 0.250",
        "a – c: n/a",
        "b – c: -0.500",
        "b – b: 1234",
        "b – a: 0.250",
        "c – a: n/a",
        "c – b: -0.500",
    ]
    opened.page.keyboard.press("ArrowRight")
    assert opened.tip() == "c – c: 0"
    opened.page.context.close()


def test_arrow_keys_go_from_region_to_region_and_panel_to_panel(opened: Opened) -> None:
    image = opened.hover(1)
    image.locator("xpath=..").focus()
    box, seen = image.bounding_box(), []
    for key in ("Up", "Up", "Right", "Right", "Right", "Left"):
        opened.page.keyboard.press(f"Arrow{key}")
        mark = opened.page.locator(".mark").bounding_box()
        seen.append((int(mark["x"] > box["x"] + box["width"] / 2), opened.tip()))
    first, evil, third, _ = REGIONS
    assert seen == [(0, third), (0, first), (0, evil), (1, third), (1, evil), (1, third)]


def test_first_tap_names_and_the_second_opens(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", 400, has_touch=True)
    image = opened.page.locator("figure img").first
    image.scroll_into_view_if_needed()
    place = where(image, COLOURS[0])[0]
    opened.page.touchscreen.tap(*place)
    opened.page.locator(".tip").wait_for(state="visible")
    assert opened.tip() == "V1 – V1: -1.00"
    assert opened.page.url.endswith(".html")
    with opened.page.expect_navigation(url="**/m%201.svg"):
        opened.page.touchscreen.tap(*place)
    assert opened.complaints == []
    opened.page.context.close()


def test_paper_has_no_buttons_boxes_or_marks(opened: Opened) -> None:
    opened.hover(0).locator("xpath=..").focus()
    opened.page.keyboard.press("ArrowUp")
    assert opened.page.locator(".mark").is_visible()
    opened.page.emulate_media(media="print")
    for hidden in (".tip", ".mark", ".filter input", ".arrow", "nav"):
        assert not opened.page.locator(hidden).first.is_visible()
    assert opened.page.get_by_role("columnheader", name="voxels").is_visible()
