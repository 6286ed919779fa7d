"""A participant's page in a browser: keyboard, touch, and zoom in time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Opened, centre
from participant_site import CELLS, NAMES, NETWORKS, ORDER, T_R, VOLUMES, data_of

COUNT = len(NAMES)
SQUARE = (COUNT, COUNT)
TIME = (1, VOLUMES)


def spoken(opened: Opened) -> str:
    return opened.page.locator("[role=status].unseen").text_content()


def in_view(opened: Opened) -> tuple[int, int]:
    text = opened.page.locator(".tools .quiet").text_content()
    first, last, count = map(int, re.findall(r"\d+", text))
    assert count == VOLUMES
    return first, last + 1


def test_arrow_keys_go_through_a_matrix_and_say_it(opened: Opened) -> None:
    picture = opened.picture("Pearson")
    picture.focus()
    # The first key shows the middle; beyond the edge there is nothing.
    row, column = 2, 2
    for key, down, right in (
        ("ArrowUp", 0, 0),
        ("ArrowUp", -1, 0),
        ("ArrowUp", -1, 0),
        ("ArrowUp", 0, 0),
        ("ArrowRight", 0, 1),
        ("ArrowDown", 1, 0),
        ("ArrowLeft", 0, -1),
    ):
        opened.page.keyboard.press(key)
        row, column = row + down, column + right
        pair = f"{NAMES[ORDER[row]]} – {NAMES[ORDER[column]]}: "
        assert opened.tip().startswith(pair)
        assert spoken(opened) == opened.tip()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#region h3").text_content() == NAMES[ORDER[row]]
    opened.page.keyboard.press("Escape")
    assert opened.tip() == ""
    assert opened.page.locator("#region h3").count() == 0
    opened.page.keyboard.press("Tab")
    assert opened.tip() == ""


def test_arrow_keys_go_from_region_to_region_in_the_brain(opened: Opened) -> None:
    picture = opened.picture("Brain, x")
    picture.focus()
    seen = []
    for key in ("ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft"):
        opened.page.keyboard.press(key)
        seen.append(opened.tip().split(",")[0])
    # From the one in the middle up to 1, right to 2, down to 6, left to 5.
    assert CELLS[5, 9] == 3
    assert seen == [NAMES[i - 1].split(",")[0] for i in (3, 1, 2, 6, 5)]
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#region h3").text_content() == NAMES[4]
    assert NETWORKS[4] in opened.page.locator("#region .facts").inner_text()


def test_everything_is_reached_by_the_tab_key_alone(opened: Opened) -> None:
    count = opened.page.locator("canvas.cells").count()
    assert count > 10
    opened.page.locator("select[name=run]").focus()
    reached = set()
    for _ in range(150):
        opened.page.keyboard.press("Tab")
        focused = opened.page.evaluate(
            "[document.activeElement.tagName, document.activeElement.ariaLabel]"
        )
        outline = opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if focused[0] == "CANVAS":
            reached.add(focused[1])
            assert outline == "solid"
    labels = opened.page.locator("canvas.cells").evaluate_all(
        "found => found.map((one) => one.ariaLabel)"
    )
    assert reached == set(labels)


def test_table_chooses_a_region_by_keyboard(opened: Opened) -> None:
    button = opened.page.locator(".choice button").nth(3)
    button.focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#region h3").text_content() == NAMES[3]
    assert opened.page.locator(":focus").text_content() == NAMES[3]


def test_tap_shows_the_tip_and_chooses(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", 400, has_touch=True)
    opened.page.touchscreen.tap(*centre(opened.picture("Pearson"), SQUARE, 0, 1))
    assert opened.tip().startswith(f"{NAMES[ORDER[0]]} – {NAMES[ORDER[1]]}: ")
    assert opened.page.locator("#region h3").text_content() == NAMES[ORDER[0]]
    panel = opened.page.locator("#region").bounding_box()
    assert panel["y"] + panel["height"] <= 900
    assert opened.complaints == []
    opened.page.context.close()


@pytest.mark.parametrize("way", ["button", "key", "wheel"])
def test_zoom_in_and_back(opened: Opened, way: str) -> None:
    picture = opened.picture("FD (mm)")
    assert in_view(opened) == (0, VOLUMES)
    if way == "button":
        opened.page.get_by_role("button", name="Zoom in").click()
    elif way == "key":
        picture.focus()
        opened.page.keyboard.press("+")
    else:
        opened.page.mouse.move(*centre(picture, TIME, 0, VOLUMES // 2))
        opened.page.keyboard.down("Control")
        opened.page.mouse.wheel(0, -100)
        opened.page.keyboard.up("Control")
        opened.page.wait_for_timeout(100)
    first, last = in_view(opened)
    assert last - first < VOLUMES
    assert (first + last) / 2 == pytest.approx(VOLUMES / 2, abs=1)
    fd = data_of("task-rest").fd
    for label in ("FD (mm)", "Carpet, before", "Volumes censored", "3 regressors"):
        rows = {"FD (mm)": 1, "Volumes censored": 2, "3 regressors": 3}.get(label, COUNT)
        picture = opened.picture(label)
        for volume in (first, first + 5, last - 1):
            told = opened.tip_of(picture, (rows, last - first), 0, volume - first)
            assert re.search(rf"volume {volume}\b", told)
            if label == "FD (mm)" and not np.isnan(fd[volume]):
                assert told.startswith(f"FD (mm): {fd[volume]:.3f}\n")
    opened.page.get_by_role("button", name="Later").click()
    assert in_view(opened)[0] > first
    opened.picture("FD (mm)").focus()
    opened.page.keyboard.press("0")
    assert in_view(opened) == (0, VOLUMES)


@pytest.mark.parametrize("width", [1440, 400])
def test_curves_and_carpets_have_one_axis(browser: Any, site: Path, width: int) -> None:
    opened = Opened(browser, site / "sub-01.html", width)
    opened.picture("FD (mm)").focus()
    opened.page.keyboard.press("+")
    first, last = in_view(opened)
    ticks = opened.page.locator(
        '#series ~ .chart [aria-label="x-axis tick label"] text:has(tspan)'
    )
    assert ticks.count() >= 4
    for tick in ticks.all():
        number, seconds = tick.locator("tspan").all_text_contents()
        volume = int(number)
        assert float(seconds.removesuffix(" s")) == volume * T_R
        box = tick.bounding_box()
        for label in ("FD (mm)", "std. DVARS", "Volumes censored", "Carpet, 36P"):
            x, _ = centre(opened.picture(label), (1, last - first), 0, volume - first)
            assert box["x"] + box["width"] / 2 == pytest.approx(x, abs=1.5)
    opened.page.context.close()


def test_what_is_dragged_over_is_shown(opened: Opened) -> None:
    picture = opened.picture("Carpet, before")
    opened.page.mouse.move(*centre(picture, (COUNT, VOLUMES), 2, 20))
    opened.page.mouse.down()
    opened.page.mouse.move(*centre(picture, (COUNT, VOLUMES), 2, 30))
    opened.page.mouse.move(*centre(picture, (COUNT, VOLUMES), 2, 39))
    opened.page.mouse.up()
    assert in_view(opened) == (20, 40)
    # No region is chosen by dragging.
    assert opened.page.locator("#region h3").count() == 0


def test_keyboard_leads_beyond_what_is_in_view(opened: Opened) -> None:
    picture = opened.picture("FD (mm)")
    picture.focus()
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("+")
    first, last = in_view(opened)
    for _ in range(last - first):
        opened.page.keyboard.press("ArrowRight")
    moved = in_view(opened)
    assert moved[1] - moved[0] == last - first
    assert moved[0] > first
    volume = int(re.search(r"volume (\d+)", opened.tip())[1])
    assert volume == moved[1] - 1


def test_names_at_edges_tell_themselves_whole(opened: Opened) -> None:
    name = opened.page.locator(".beside .names.left span", has_text="M1 left").first
    assert name.evaluate("(one) => one.scrollWidth > one.clientWidth")
    opened.picture("Pearson")
    name.hover()
    assert opened.tip() == NAMES[2]
