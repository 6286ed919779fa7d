"""A page in a browser: how it opens and looks, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from browsing import CONTRASTS, EVIL, Opened
from participant_site import NAMES, ROWS, RUNS, TABLE

WIDTHS = pytest.mark.parametrize("width", [1440, 400])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])

TEXTS = (
    "body, p, main a, nav a, figcaption, caption, dt, th, td, h1, h2, h3, h4, label, select, "
    "button, .sort, .arrow, .filter span, .filter input, .status, .failure pre, .failure strong, "
    "footer p, .tip, .names span, .bar span, .legend span, .quiet, .chart svg text, summary, li"
)


@WIDTHS
def test_page_opens_in_peace_and_fits_the_window(browser: Any, site: Path, width: int) -> None:
    opened = Opened(browser, site / "sub-01.html", width, anchor="#beside=24P&region=A1")
    opened.page.locator("#pictures h2").wait_for()
    assert opened.complaints == []
    assert {urlparse(url).scheme for url in opened.asked} <= {"file", "data"}
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown = ":is(h1, h2, h3, h4):visible"
    levels = opened.page.locator(shown).evaluate_all(
        "found => found.map((one) => Number(one.tagName[1]))"
    )
    assert levels[:1] == [1]
    assert max(np.diff(levels)) <= 1
    opened.page.context.close()


@WIDTHS
def test_links_of_the_bar_lead_to_their_headings(browser: Any, site: Path, width: int) -> None:
    opened = Opened(browser, site / "sub-01.html", width)
    opened.page.locator("#regions").wait_for()
    address = opened.page.url
    links = opened.page.locator("nav a").all()
    assert {"Summary", "Methods", "Brain", "Regions"} <= {one.text_content() for one in links}
    for link in links:
        href = link.get_attribute("href")
        if href == "#concatenated":
            continue  # Shown with the matrices over runs alone.
        link.click()
        target = opened.page.locator(href)
        heading = target.locator("h2") if target.locator("h2").count() else target
        place = heading.bounding_box()
        assert 0 <= place["y"] < 900 - place["height"]
        for cover in ("nav", "#choice"):
            box = opened.page.locator(cover).bounding_box()
            below = place["y"] >= box["y"] + box["height"]
            assert below or place["y"] + place["height"] <= box["y"]
    # They leave the choice in the address.
    assert opened.page.url == address
    opened.page.context.close()


def few(opened: Opened) -> Any:
    """The table of `ROWS`."""
    return opened.page.locator('#run-1 .scroll[aria-label^="Coverage"] > table')


def many(opened: Opened) -> Any:
    """The table with 400 rows."""
    return opened.page.locator('#run-1 .scroll[aria-label="Quality"] > table')


def test_numbers_sort_as_numbers_and_what_has_none_is_last(opened: Opened) -> None:
    table = few(opened)
    for name, column, wanted in (
        ("voxels", 2, ["−3", "90", "1,200", "n/a"]),
        ("tSNR", 3, ["-1e-3", "0.5", "not known", "–"]),
    ):
        header = table.get_by_role("columnheader", name=name)
        missing = [text for text in wanted if text in ("n/a", "not known", "–")]
        backwards = wanted[: len(wanted) - len(missing)][::-1] + missing
        original = opened.column(column, few(opened))
        for order, texts in (
            ("ascending", wanted),
            ("descending", backwards),
            (None, original),
        ):
            header.get_by_role("button").click()
            assert header.get_attribute("aria-sort") == order
            assert opened.column(column, few(opened)) == texts


def test_text_sorts_as_a_reader_counts(opened: Opened) -> None:
    table = few(opened)
    table.get_by_role("button", name="name").click()
    assert opened.column(1, few(opened)) == ["sub-1", "sub-2", "Sub-3", "sub-10"]
    table.get_by_role("button", name="voxels").click()
    assert table.locator("th[aria-sort]").all_text_contents() == ["voxels"]


def test_keyboard_reaches_the_headers_and_sorts(opened: Opened) -> None:
    few(opened).locator("xpath=..").focus()
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Tab")
    focused = opened.page.locator(":focus")
    assert focused.text_content() == "voxels"
    assert focused.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    opened.page.keyboard.press("Enter")
    assert opened.column(2, few(opened))[0] == "−3"
    assert opened.page.locator(":focus").text_content() == "voxels"


def test_long_tables_alone_have_a_filter_that_counts(opened: Opened) -> None:
    run = opened.page.locator("#run-1")
    box, count = run.get_by_role("searchbox"), run.locator(".filter [role=status]")
    assert box.count() == 1
    assert box.get_attribute("aria-label") == "Filter rows: Quality"
    assert count.text_content() == "400 rows"
    box.fill("PATIENT sub-12")
    assert count.text_content() == "6 of 400 rows"
    table = many(opened)
    wanted = [f"sub-{i} patient" for i in (12, 120, 122, 124, 126, 128)]
    assert opened.column(1, table) == wanted
    run.get_by_role("button", name="FD").dblclick()
    assert opened.column(1, table) == wanted[::-1]
    box.fill("patient0.000")
    assert count.text_content() == "0 of 400 rows"
    box.fill("")
    assert count.text_content() == "400 rows"


def test_every_row_of_a_long_table_comes_into_sight(opened: Opened) -> None:
    table = many(opened)
    box = table.locator("xpath=..")
    seen = set(opened.column(1, table))
    assert len(seen) < 400
    for top in range(0, 400 * 40, 400):
        box.evaluate("(one, top) => { one.scrollTop = top; }", top)
        opened.page.wait_for_timeout(20)
        seen |= set(opened.column(1, table))
    assert len(seen - {""}) == 400
    header = table.locator("thead th").first
    assert abs(header.bounding_box()["y"] - box.bounding_box()["y"]) <= 2


@SCHEMES
def test_text_stands_out_from_what_is_behind_it(browser: Any, site: Path, scheme: str) -> None:
    anchor = f"#run={RUNS[1]}&beside=24P&region=Lost"
    opened = Opened(browser, site / "sub-01.html", anchor=anchor, color_scheme=scheme)
    opened.picture("Pearson").hover()
    ratios = opened.page.evaluate(CONTRASTS, TEXTS)
    names = {name for name, _ in ratios}
    assert names >= {"FIGCAPTION", "INPUT", "TH", "DIV.tip", "SPAN.arrow", "text", "SELECT"}
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    opened.page.context.close()


def test_page_reads_the_same_without_its_script(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", java_script_enabled=False)
    assert opened.column(1, few(opened)) == [row[0] for row in ROWS]
    assert few(opened).locator("thead").inner_text().split() == list(TABLE.header)
    assert opened.page.locator("button, input, select, .tip, canvas").count() == 0
    for section in opened.page.locator("section.run").all():
        assert section.is_visible()
    images = opened.page.locator(".static img")
    assert images.count() == len(RUNS)
    assert images.first.is_visible()
    assert opened.page.locator("noscript").is_visible()
    opened.page.context.close()


def test_paper_has_summary_tables_and_static_figures_of_all_runs(opened: Opened) -> None:
    static = opened.page.locator(".static img").first
    assert not static.is_visible()
    opened.page.emulate_media(media="print")
    for hidden in ("#pictures", "#choice", ".filter input", ".arrow", "nav"):
        assert not opened.page.locator(hidden).first.is_visible()
    assert static.is_visible()
    assert opened.page.locator("#summary .runs").is_visible()
    for section in opened.page.locator("section.run").all():
        assert section.is_visible()
    assert static.evaluate("(one) => one.naturalWidth") == 1


def test_markup_in_names_is_text_wherever_it_stands(opened: Opened) -> None:
    place = NAMES.index(EVIL)
    assert opened.tip_of(opened.picture("Pearson"), (6, 6), place, place) == (
        f"{EVIL} – {EVIL}: 1.00"
    )
    opened.click(opened.picture("Pearson"), (6, 6), place, place)
    assert opened.page.locator("#region h3").text_content() == EVIL
    opened.page.locator("select[name=run]").select_option(EVIL)
    assert opened.page.locator("#run-3 pre").first.text_content() == f"line {EVIL}"
    made = "[...document.scripts].filter((one) => one.text.startsWith('alert')).length"
    assert opened.page.evaluate(made) == 0


def test_states_of_runs_are_told_in_words_signs_and_colours(opened: Opened) -> None:
    states = opened.page.locator("#summary .status")
    assert [text.strip() for text in states.all_text_contents()] == [
        "✓ done",
        "◐ partly done: 2 of 3",
        "✗ failed",
    ]
    colours = states.evaluate_all("found => found.map((one) => getComputedStyle(one).color)")
    assert len(set(colours)) == 3
    options = opened.page.locator("select[name=run] option").all_text_contents()
    assert options[1].startswith(f"◐ {RUNS[1]} ")
    assert options[2].startswith("✗ ")
    row = opened.page.locator("#run-1 tr.amber")
    assert row.locator("td").last.text_content() == "few minutes: 2.4"
    assert opened.page.locator("#drawn .remark").count() == 0
    opened.page.locator("select[name=beside]").select_option("24P")
    assert opened.page.locator("#drawn .remark").text_content() == "24P: few minutes: 2.4"
