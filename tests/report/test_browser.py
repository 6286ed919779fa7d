"""The pages in a browser: how they open and look, and their tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from browsing import (
    COLOURS,
    EVIL,
    ROWS,
    TABLE,
    Opened,
    where,
)

from bids_labelx.report.pages import Part, Section, Table, group_page

WIDTHS = pytest.mark.parametrize("width", [1440, 400])

# By WCAG 2.2: the contrast of each text with the nearest background behind it.
CONTRASTS = """(selector) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (colour) => numbers(colour).slice(0, 3).map((c) => linear(c / 255))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return (numbers(colour)[3] ?? 1) === 1 ? colour : behind(one.parentElement);
  };
  return [...document.querySelectorAll(selector)].map((one) => {
    const both = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    const name = one.tagName + (one.className && `.${one.className}`);
    return [name, (both[0] + 0.05) / (both[1] + 0.05)];
  });
}"""


@WIDTHS
@pytest.mark.parametrize("name", ["sub-01.html", "group.html", "masker.html", "notebook.html"])
def test_page_opens_in_peace_and_fits_the_window(
    browser: Any, site: Path, name: str, width: int
) -> None:
    opened = Opened(browser, site / name, width)
    for image in opened.page.locator("figure[data-tooltips] img").all():
        image.hover()
    opened.page.wait_for_timeout(100)
    assert opened.complaints == []
    assert {urlparse(url).scheme for url in opened.asked} <= {"file", "data", "about"}
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    levels = opened.page.locator("h1, h2, h3, h4").evaluate_all(
        "found => found.map((one) => Number(one.tagName[1]))"
    )
    assert levels[:1] == [1] * (name != "notebook.html")
    assert max(np.diff(levels), default=0) <= 1
    opened.page.context.close()


@WIDTHS
@pytest.mark.parametrize("name", ["sub-01.html", "group.html"])
def test_bar_leads_to_its_sections(browser: Any, site: Path, name: str, width: int) -> None:
    opened = Opened(browser, site / name, width)
    bar = opened.page.locator("nav").bounding_box()["height"]
    links = opened.page.locator("nav a").all()
    assert len(links) > 1
    for link in links:
        link.click()
        target = opened.page.locator(link.get_attribute("href")).locator("h2").bounding_box()
        assert bar <= target["y"] < 900 - target["height"]
    opened.page.context.close()


def test_numbers_sort_as_numbers_and_what_has_none_is_last(opened: Opened) -> None:
    for name, column, wanted in (
        ("voxels", 2, ["−3", "90", "1,200", "n/a"]),
        ("tSNR", 3, ["-1e-3", "0.5", "not known", "–"]),
    ):
        header = opened.page.get_by_role("columnheader", name=name)
        missing = [text for text in wanted if text in ("n/a", "not known", "–")]
        backwards = wanted[: len(wanted) - len(missing)][::-1] + missing
        original = opened.column(column)
        for order, texts in (
            ("ascending", wanted),
            ("descending", backwards),
            (None, original),
        ):
            header.get_by_role("button").click()
            assert header.get_attribute("aria-sort") == order
            assert opened.column(column) == texts


def test_text_sorts_as_a_reader_counts(opened: Opened) -> None:
    opened.page.get_by_role("button", name="name").click()
    assert opened.column(1) == ["sub-1", "sub-2", "Sub-3", "sub-10"]
    opened.page.get_by_role("button", name="voxels").click()
    headers = opened.page.locator(".scroll > table").first.locator("th[aria-sort]")
    assert headers.all_text_contents() == ["voxels"]


def test_keyboard_reaches_the_headers_and_sorts(opened: Opened) -> None:
    opened.page.locator(".scroll").first.focus()
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Tab")
    focused = opened.page.locator(":focus")
    assert focused.text_content() == "voxels"
    assert focused.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    opened.page.keyboard.press("Enter")
    assert opened.column(2)[0] == "−3"
    assert opened.page.locator(":focus").text_content() == "voxels"


def test_long_tables_alone_have_a_filter_that_counts(opened: Opened) -> None:
    box = opened.page.get_by_role("searchbox")
    count = opened.page.locator(".filter [role=status]")
    assert box.count() == 1
    assert box.get_attribute("aria-label") == "Filter rows: Quality"
    assert count.text_content() == "400 rows"
    box.fill("PATIENT sub-12")
    assert count.text_content() == "6 of 400 rows"
    wanted = [f"sub-{i} patient" for i in (12, 120, 122, 124, 126, 128)]
    assert opened.column(1, table=1) == wanted
    opened.page.get_by_role("button", name="FD").dblclick()
    assert opened.column(1, table=1) == wanted[::-1]
    box.fill("patient0.000")
    assert count.text_content() == "0 of 400 rows"
    box.fill("")
    assert count.text_content() == "400 rows"
    assert len(opened.column(1, table=1)) == 400


def test_header_stays_in_sight_over_the_rows_and_under_the_bar(opened: Opened) -> None:
    box = opened.page.locator(".scroll").nth(1)
    box.evaluate("(one) => { one.scrollTop = 2000; }")
    header = box.locator("thead th").first
    assert abs(header.bounding_box()["y"] - box.bounding_box()["y"]) <= 2
    opened.page.evaluate("(y) => scrollBy(0, y - 5)", header.bounding_box()["y"])
    at_bar = "document.elementFromPoint(200, 10).closest('nav') !== null"
    assert opened.page.evaluate(at_bar)


def test_thousands_of_rows_sort_and_filter(browser: Any, tmp_path: Path) -> None:
    rows = tuple((f"sub-{i * 7919 % 5000}", f"{i / 7:.3f}", "x", "y") for i in range(5000))
    table = Table(("participant", "FD", "a", "b"), rows, "Quality")
    page = group_page((), [Section("runs", "Runs", (Part(tables=(table,)),))], (), "0.1.0")
    (tmp_path / "group.html").write_text(page, encoding="utf-8")
    opened = Opened(browser, tmp_path / "group.html")
    opened.page.locator(".sort").first.click()
    opened.page.locator("input").first.fill("sub-12")
    assert opened.column(1)[:3] == ["sub-12", "sub-120", "sub-121"]
    opened.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Any, site: Path, scheme: str) -> None:
    opened = Opened(browser, site / "sub-01.html", color_scheme=scheme)
    image = opened.hover(0)
    opened.page.mouse.move(*where(image, COLOURS[0])[0])
    looked_at = (
        "body, p, main a, nav a, figcaption, caption, dt, th, td, .sort, .arrow, .filter label, "
        ".filter span, .filter input, .status, .failure pre, .failure strong, footer p, .tip"
    )
    ratios = opened.page.evaluate(CONTRASTS, looked_at)
    assert {name for name, _ in ratios} >= {"FIGCAPTION", "INPUT", "TH", "DIV.tip", "SPAN.arrow"}
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    opened.page.context.close()


def test_page_reads_the_same_without_its_script(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", java_script_enabled=False)
    assert opened.column(1) == [row[0] for row in ROWS]
    assert opened.page.locator("thead").first.inner_text().split() == list(TABLE.header)
    assert opened.page.locator("button, input, .tip").count() == 0
    opened.page.context.close()


def test_table_sorts_in_the_frame_of_a_notebook(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "notebook.html")
    frame = opened.page.frame_locator("iframe")
    frame.get_by_role("button", name="name").click()
    names = frame.locator("tbody tr :first-child").all_text_contents()
    assert names == [EVIL, "b 2", "b 10"]
    assert opened.complaints == []
    opened.page.context.close()
