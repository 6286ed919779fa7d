"""The pages in a browser: what the script does, and how they look."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.report.figures import mark_regions, plot_matrix, save_figure
from bids_labelx.report.hover import hover_script
from bids_labelx.report.masker import masker_report
from bids_labelx.report.pages import (
    Part,
    Picture,
    RunSection,
    Section,
    Table,
    group_page,
    participant_page,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")

EVIL = "<script>alert(1)</script>"
WIDTHS = pytest.mark.parametrize("width", [1440, 400])
NAMES = ["V1", EVIL, "M1 left", "A1"]
# All cells differ, so that each is known by its colour.
VALUES = np.linspace(-1, 1, 16).reshape(4, 4)
CELLS = np.array([[0, 0, -1, 1], [2, 2, 2, 1], [-1, -1, 3, 3]])
REGIONS = ["V1, Visual", EVIL, "M1\ncoverage 50 %", "A1"]
REGION_COLOURS = matplotlib.colormaps["tab10"](np.arange(4))
ROWS = (
    ("sub-10", "1,200", "0.5", "fine"),
    ("sub-2", "n/a", "-1e-3", EVIL),
    ("sub-1", "−3", "not known", "fine"),
    ("Sub-3", "90", "–", ""),
)
TABLE = Table(("name", "voxels", "tSNR", "note"), ROWS, f"Coverage {EVIL}")
LONG = Table(
    ("participant", "FD"),
    tuple((f"sub-{i} {'control' if i % 2 else 'patient'}", f"{i / 7:.3f}") for i in range(400)),
    "Quality",
)

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


class Opened:
    """A page in a window of its own, and all it asked for or complained about."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, **options: Any) -> None:
        viewport = {"width": width, "height": 900}
        self.page = browser.new_context(viewport=viewport, **options).new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def column(self, number: int, table: int = 0) -> list[str]:
        rows = self.page.locator(".scroll > table").nth(table).locator("tbody tr:visible")
        return rows.locator(f":nth-child({number})").all_text_contents()

    def tip(self) -> str:
        tip = self.page.locator(".tip")
        return tip.text_content() if tip.is_visible() else ""

    def hover(self, number: int) -> Any:
        """A picture with its hover file, which the pointer makes it load."""
        image = self.page.locator("figure img").nth(number)
        image.scroll_into_view_if_needed()
        with self.page.expect_event("requestfinished"):
            image.hover(position={"x": 2, "y": 2})
        self.page.wait_for_timeout(50)
        return image


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A participant's page, a group's and a notebook's, with figures."""
    folder = tmp_path_factory.mktemp("with space & sign")
    matrix = plot_matrix(VALUES, NAMES, title="matrix", limits=(-1.0, 1.0))
    save_figure(matrix, folder / "figures" / "m 1.svg")
    script = hover_script(matrix, names=NAMES, texts=())
    (folder / "figures" / "m 1.js").write_text(script)

    regions = Figure(figsize=(6, 3), facecolor="black")
    for axes, width in zip(regions.subplots(1, 2), (80, 40), strict=True):
        extent, drawn = (-width / 2, width / 2, 10, 70), np.ma.masked_less(CELLS, 0)
        axes.imshow(drawn, extent=extent, cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
        axes.set_axis_off()
        mark_regions(axes, CELLS, extent)
    (folder / "figures" / "r.js").write_text(hover_script(regions, names=(), texts=REGIONS))
    save_figure(regions, folder / "figures" / "r.png")

    pictures = (
        Picture("figures/m 1.svg", "A matrix", f"Caption {EVIL}", hover="figures/m 1.js"),
        Picture("figures/r.png", "Regions", "Regions", hover="figures/r.js"),
    )
    facts = (("Repetition time", "2 s"), (EVIL, EVIL * 10))
    part = Part("Labels", tables=(TABLE, LONG), pictures=pictures)
    runs = (
        RunSection("task-rest", "done", None, "", facts, (part,)),
        RunSection(EVIL, "failed", f"line {EVIL}", f"File {EVIL}", (), ()),
    )
    page = participant_page("01", facts, runs, "How.\n\nWhy.", "0.1.0", together=pictures[1:])
    (folder / "sub-01.html").write_text(page, encoding="utf-8")
    people = [(f"sub-{i}", "sub-01.html", "4 done") for i in (10, 2)]
    sections = [Section("runs", "Runs", (part,))]
    page = group_page(facts, sections, people, "0.1.0", files=[("Tables", ["a.tsv"])])
    (folder / "group.html").write_text(page, encoding="utf-8")
    report = masker_report(
        title="NiftiLabelsMasker",
        parameters=[("strategy", EVIL)],
        regions=pd.DataFrame({"name": [EVIL, "b 10", "b 2"], "voxels": [2, 10, 1], "lost": ""}),
        background=None,
        labels=np.arange(64).reshape(4, 4, 4),
        affine=np.eye(4),
        warnings=[],
        note=None,
        version="0.1.0",
    )
    report.save_as_html(folder / "masker.html")
    notebook = f"<!DOCTYPE html><title>Notebook</title>{report._repr_html_()}"
    (folder / "notebook.html").write_text(notebook, encoding="utf-8")
    return folder


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Opened]:
    opened = Opened(browser, site / "sub-01.html")
    yield opened
    assert opened.complaints == []
    opened.page.context.close()


def pixels(image: Any) -> NDArray[Any]:
    """What an image looks like on the screen, shape (height, width, 3)."""
    return matplotlib.image.imread(BytesIO(image.screenshot()))[:, :, :3]


def where(image: Any, colours: NDArray[Any]) -> list[tuple[float, float]]:
    """Middle of what has each colour in an image, in the window's pixels: its x and y."""
    box, shot = image.bounding_box(), pixels(image)
    found = []
    for colour in colours:
        y, x = np.nonzero((np.abs(shot - colour[:3]) < 2.5 / 255).all(axis=2))
        found.append((box["x"] + np.median(x) + 0.5, box["y"] + np.median(y) + 0.5))
    return found


@WIDTHS
@pytest.mark.parametrize("name", ["sub-01.html", "group.html", "masker.html", "notebook.html"])
def test_page_opens_in_peace_and_fits_the_window(
    browser: Any, site: Path, name: str, width: int
) -> None:
    opened = Opened(browser, site / name, width)
    for image in opened.page.locator("figure[data-hover] img").all():
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
@pytest.mark.parametrize("name", ["sub-01.html", "group.html", "masker.html"])
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


def test_markup_in_names_is_text_wherever_it_stands(opened: Opened) -> None:
    image = opened.hover(0)
    opened.page.mouse.move(*where(image, matplotlib.colormaps["RdBu_r"]([1 / 3]))[0])
    assert opened.tip() == f"{EVIL} – {NAMES[1]}: -0.333"
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
    colours = matplotlib.colormaps["RdBu_r"]((VALUES.ravel() + 1) / 2)
    for i, (x, y) in enumerate(where(image, colours)):
        opened.page.mouse.move(x, y)
        first, second = NAMES[i // 4], NAMES[i % 4]
        assert opened.tip() == f"{first} – {second}: {VALUES.ravel()[i]:#.3g}"
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
    colours = matplotlib.colormaps["RdBu_r"]((VALUES.ravel() + 1) / 2)
    places = where(image, colours)
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
    place = where(image, matplotlib.colormaps["RdBu_r"]([0.0]))[0]
    opened.page.touchscreen.tap(*place)
    opened.page.locator(".tip").wait_for(state="visible")
    assert opened.tip() == "V1 – V1: -1.00"
    assert opened.page.url.endswith(".html")
    with opened.page.expect_navigation(url="**/m%201.svg"):
        opened.page.touchscreen.tap(*place)
    assert opened.complaints == []
    opened.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Any, site: Path, scheme: str) -> None:
    opened = Opened(browser, site / "sub-01.html", color_scheme=scheme)
    image = opened.hover(0)
    opened.page.mouse.move(*where(image, matplotlib.colormaps["RdBu_r"]([0.0]))[0])
    looked_at = (
        "body, p, main a, nav a, figcaption, caption, dt, th, td, .sort, .arrow, .filter label, "
        ".filter span, .filter input, .status, .failure pre, .failure strong, footer p, .tip"
    )
    ratios = opened.page.evaluate(CONTRASTS, looked_at)
    assert {name for name, _ in ratios} >= {"FIGCAPTION", "INPUT", "TH", "DIV.tip", "SPAN.arrow"}
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    opened.page.context.close()


def test_paper_has_no_buttons_boxes_or_marks(opened: Opened) -> None:
    opened.hover(0).locator("xpath=..").focus()
    opened.page.keyboard.press("ArrowUp")
    assert opened.page.locator(".mark").is_visible()
    opened.page.emulate_media(media="print")
    for hidden in (".tip", ".mark", ".filter input", ".arrow", "nav"):
        assert not opened.page.locator(hidden).first.is_visible()
    assert opened.page.get_by_role("columnheader", name="voxels").is_visible()


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
