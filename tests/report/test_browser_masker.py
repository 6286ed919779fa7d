"""A masker's report in a browser: its picture, its table, and a notebook around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsing import EVIL, Opened, pixels
from matplotlib.colors import to_rgb

from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.pictures.label_colours import LABELS
from bids_labelx.report.masker import MaskerReport, masker_report

NAMES = [EVIL, "b 10", "b 2"]
NETWORKS = ["Vis", "Aud", "Vis"]
ORANGE, BLUE = LABELS[:2]


def report(**changes: Any) -> MaskerReport:
    """Three regions of two networks in sagittal thirds of a box, the last one missing."""
    content: dict[str, Any] = {
        "title": "NiftiLabelsMasker",
        "parameters": [("strategy", "mean")],
        "regions": pd.DataFrame(
            {
                "index": [4, 7, 9],
                "name": NAMES,
                "network": NETWORKS,
                "voxels": [300, 300, 0],
                "missing": ["", "", "yes"],
            }
        ),
        "grid": VolumeGrid.of((9, 10, 10), np.diag([2.0, 2, 2, 1])),
        "coded": np.tile(np.repeat([1, 2, 3], 3), 100),
        "background": None,
        "warnings": [],
        "note": None,
        "version": "0.1.0",
    }
    return masker_report(**(content | changes))


def ready(opened: Opened) -> Opened:
    frame = opened.page.frames[-1]
    frame.wait_for_selector("#brain canvas")
    frame.wait_for_function("document.querySelector('#brain canvas').width > 1")
    return opened


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    report().save_as_html(tmp_path / "masker.html")
    opened = ready(Opened(browser, tmp_path / "masker.html"))
    yield opened
    assert opened.complaints == []
    assert opened.asked == [(tmp_path / "masker.html").as_uri()]
    opened.page.context.close()


def axial(opened: Opened) -> Any:
    """The middle slice along z: the regions are its thirds, from the left."""
    return opened.page.locator("#brain .panels").nth(2).locator("canvas").nth(2)


def at(canvas: Any, share: float) -> dict[str, float]:
    box = canvas.bounding_box()
    return {"x": share * box["width"], "y": box["height"] / 2}


def colour_at(opened: Opened, share: float) -> np.ndarray:
    shot = pixels(axial(opened))
    return np.asarray(shot[len(shot) // 2, int(share * shot.shape[1])])


def selected(opened: Opened) -> list[str]:
    rows = opened.page.locator("#regions tbody tr[aria-selected=true]")
    return [str(row.locator(":nth-child(2)").text_content()) for row in rows.all()]


def test_regions_are_drawn_in_the_colours_of_their_networks(page: Opened) -> None:
    np.testing.assert_allclose(colour_at(page, 0.1), to_rgb(ORANGE), atol=0.01)
    np.testing.assert_allclose(colour_at(page, 0.45), to_rgb(BLUE), atol=0.01)
    legend = page.page.locator(".legend span")
    assert legend.all_text_contents() == ["Vis", "Aud"]
    assert [
        one.locator("i").evaluate("(i) => getComputedStyle(i).backgroundColor")
        for one in legend.all()
    ] == [f"rgb{tuple(round(255 * part) for part in to_rgb(one))}" for one in (ORANGE, BLUE)]


def test_the_tip_is_the_region_s_row(page: Opened) -> None:
    axial(page).hover(position=at(axial(page), 0.1))
    assert page.tip() == f"{EVIL}\nindex: 4\nnetwork: Vis\nvoxels: 300"
    axial(page).hover(position=at(axial(page), 0.9))
    assert page.tip() == "b 2\nindex: 9\nnetwork: Vis\nvoxels: 0\nmissing: yes"


def test_a_region_clicked_in_the_brain_is_chosen_in_the_table(page: Opened) -> None:
    before = pixels(axial(page))
    axial(page).click(position=at(axial(page), 0.5))
    assert selected(page) == ["b 10"]
    page.page.mouse.move(0, 0)
    assert (pixels(axial(page)) != before).any()
    axial(page).click(position=at(axial(page), 0.5))
    assert selected(page) == []


def test_a_region_clicked_in_the_table_is_outlined_in_every_slice_with_it(page: Opened) -> None:
    canvases = page.page.locator("#brain canvas").all()
    before = [pixels(canvas) for canvas in canvases]
    page.page.get_by_role("button", name=EVIL).click()
    assert selected(page) == [EVIL]
    changed = [
        bool((pixels(canvas) != old).any()) for canvas, old in zip(canvases, before, strict=True)
    ]
    # Sagittal slices come first; the region is in those of its third, from 0 to 4 mm.
    titles = page.page.locator("#brain figcaption").all_text_contents()
    places = [int(title.removeprefix("x = ").removesuffix(" mm")) for title in titles[:5]]
    assert changed == [place <= 4 for place in places] + [True] * 10
    assert 0 < sum(changed[:5]) < 5
    page.page.keyboard.press("Escape")
    assert selected(page) == []
    assert all((pixels(canvas) == old).all() for canvas, old in zip(canvases, before, strict=True))


def test_a_chosen_row_is_brought_into_sight_after_sorting(browser: Any, tmp_path: Path) -> None:
    count = 300
    regions = pd.DataFrame(
        {"name": [f"region {i}" for i in range(count)], "voxels": 3, "missing": ""}
    )
    grid = VolumeGrid.of((count, 3, 1), np.eye(4))
    made = report(regions=regions, grid=grid, coded=np.tile(np.arange(count) + 1, 3))
    made.save_as_html(tmp_path / "masker.html")
    opened = ready(Opened(browser, tmp_path / "masker.html"))
    opened.page.get_by_role("columnheader", name="name").get_by_role("button").click(click_count=2)
    canvas = opened.page.locator("#brain canvas").last
    canvas.click(position=at(canvas, 0.5))
    row = opened.page.locator("tr[aria-selected=true]")
    number = int(str(row.locator("button").text_content()).removeprefix("region "))
    assert number == pytest.approx(150, abs=3)
    box, table = row.bounding_box(), opened.page.locator(".scroll").bounding_box()
    assert table["y"] < box["y"] < box["y"] + box["height"] < table["y"] + table["height"]
    assert opened.complaints == []


def test_the_keyboard_goes_from_region_to_region(page: Opened) -> None:
    axial(page).focus()
    heard = page.page.get_by_role("status").last
    for key, name in (("ArrowRight", "b 10"), ("ArrowRight", "b 2"), ("ArrowLeft", "b 10")):
        page.page.keyboard.press(key)
        assert str(heard.text_content()).startswith(name)
    page.page.keyboard.press("Enter")
    assert selected(page) == ["b 10"]


@pytest.mark.parametrize("width", [400, 600, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_notebook_shows_the_whole_picture_without_scrolling_sideways(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    frame = report()._repr_html_()
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><title>Notebook</title>{frame}", encoding="utf-8")
    opened = ready(Opened(browser, path, width, color_scheme=scheme))
    inside = opened.page.frames[-1]
    assert inside.evaluate("document.documentElement.scrollWidth <= innerWidth")
    low = inside.locator("#brain").evaluate("(one) => one.getBoundingClientRect().bottom")
    assert low < inside.evaluate("innerHeight")
    canvas = inside.locator("#brain canvas").last
    canvas.click(position=at(canvas, 0.5))
    chosen = inside.locator("tr[aria-selected=true]")
    assert "b 10" in str(chosen.text_content())
    assert opened.complaints == []
    assert opened.asked == [path.as_uri()]


def test_without_scripts_the_table_is_there_and_a_note(browser: Any, tmp_path: Path) -> None:
    report().save_as_html(tmp_path / "masker.html")
    opened = Opened(browser, tmp_path / "masker.html", java_script_enabled=False)
    assert opened.column(2, opened.page.locator(".scroll > table")) == NAMES
    assert opened.page.get_by_text("drawn by a script").is_visible()
