"""The group's page in a browser: its numbers are those of the tables beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest
from browsing import CONTRASTS, Opened, two_decimals
from group_site import COUNT, NAMES, ORDER, STRATEGIES, coverage, quality, write_group

WIDTHS = pytest.mark.parametrize("width", [1440, 400])


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("group & site")
    write_group(folder)
    return folder


@pytest.fixture
def opened(browser: Any, group: Path) -> Iterator[Opened]:
    """The page; it has nothing to complain about."""
    opened = Opened(browser, group / "group.html")
    opened.page.locator("#runs-table td").first.wait_for()
    yield opened
    opened.end()


def read(group: Path, name: str, **options: Any) -> pd.DataFrame:
    return pd.read_csv(group / name, sep="\t", na_values="n/a", keep_default_na=False, **options)


def drawn(opened: Opened, section: str, number: int = 0) -> Any:
    """A figure of a section, once it is in sight and drawn."""
    figure = opened.page.locator(f"#{section} .drawing").nth(number)
    figure.scroll_into_view_if_needed()
    figure.locator("svg, canvas").first.wait_for()
    opened.page.wait_for_timeout(100)
    return figure


@WIDTHS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_opens_in_peace_fits_the_window_and_can_be_read(
    browser: Any, group: Path, width: int, scheme: str
) -> None:
    opened = Opened(browser, group / "group.html", width, color_scheme=scheme)
    opened.page.locator("#runs-table td").first.wait_for()
    sections = ("quality", "matrices", "strategies", "reliability", "harmonisation")
    for section in (*sections, "missing-labels"):
        for number in range(opened.page.locator(f"#{section} .drawing").count()):
            drawn(opened, section, number)
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen = "p, li, dt, dd, th, td, figcaption, .drawing svg text, .quiet, .title, nav a, main a"
    ratios = opened.page.evaluate(CONTRASTS, seen)
    assert len(ratios) > 200
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []
    assert opened.complaints == []
    assert {urlparse(url).scheme for url in opened.asked} <= {"file", "data", "about"}
    opened.page.context.close()


def test_table_of_runs_has_the_numbers_of_the_quality_table(opened: Opened, group: Path) -> None:
    wanted = read(group, "group_qc.tsv")
    wanted["rank"] = wanted["strategy"].map(STRATEGIES.index)
    wanted = wanted.sort_values(["participant_id", "rank"])
    head = opened.page.locator("#runs-table thead th")
    names = [text.rstrip("↕↑↓").strip() for text in head.all_text_contents()]
    table = opened.page.locator("#runs-table table")
    assert len(table.locator("tbody tr").all()) == len(wanted) == 3 * COUNT
    for name, key, decimals in (
        ("mean FD (mm)", "mean_fd", 3),
        ("minutes kept", "minutes_kept", 2),
        ("volumes kept", "volumes_kept", 0),
        ("lowest coverage", "min_coverage", 3),
    ):
        cells = opened.column(names.index(name) + 1, table)
        assert cells == [f"{value:.{decimals}f}" for value in wanted[key]]
    assert opened.column(names.index("strategy") + 1, table) == wanted["strategy"].tolist()
    first = table.locator("tbody a").first
    assert first.get_attribute("href") == "./sub-00.html"
    with opened.page.expect_navigation():
        first.click()
    assert opened.page.title() == "sub-00"


def test_a_wide_table_loses_no_column(browser: Any, group: Path) -> None:
    for width in (1440, 400):
        opened = Opened(browser, group / "group.html", width)
        box = opened.page.locator("#runs-table .scroll")
        box.locator("td").first.wait_for()
        last, first = box.locator("thead th").last, box.locator("tbody th").first
        box.evaluate("(one) => { one.scrollLeft = one.scrollWidth; }")
        right = box.bounding_box()["x"] + box.bounding_box()["width"]
        assert last.bounding_box()["x"] + last.bounding_box()["width"] <= right + 1
        # The participant stays in sight beside the last column.
        assert abs(first.bounding_box()["x"] - box.bounding_box()["x"]) <= 2
        assert first.bounding_box()["width"] < 0.6 * box.bounding_box()["width"]
        opened.page.context.close()


def test_five_thousand_runs_are_rows_only_where_they_are_looked_at(
    browser: Any, tmp_path: Path
) -> None:
    people = [(f"sub-{i:02d}", "", "done") for i in range(1700)]
    write_group(tmp_path, static=False, quality=quality(1700), participants=people)
    opened = Opened(browser, tmp_path / "group.html")
    table = opened.page.locator("#runs-table table")
    table.locator("td").first.wait_for()
    assert opened.page.locator("#runs-table [role=status]").text_content() == "5100 rows"
    assert table.locator("tbody tr").count() < 300
    opened.page.locator("#runs-table .scroll").evaluate("(one) => { one.scrollTop = 1e9; }")
    table.get_by_text("sub-999").first.wait_for()
    opened.page.locator("#runs-table input").fill("sub-1234")
    assert opened.column(1, table) == ["sub-1234"] * 3
    assert opened.complaints == []
    opened.page.context.close()


def test_dots_lead_to_the_participants_and_are_named(opened: Opened, group: Path) -> None:
    figure = drawn(opened, "quality")
    runs = read(group, "group_qc.tsv").groupby("participant_id")
    dots = figure.locator("svg a")
    # The last one has no page.
    assert dots.count() == COUNT - 1
    links = dots.evaluate_all("(all) => all.map((one) => one.href.baseVal)")
    assert sorted(links) == [f"./sub-{i:02d}.html" for i in range(COUNT - 1)]
    assert set(dots.evaluate_all("(all) => all.map((one) => one.tabIndex)")) == {-1}
    worst = runs["mean_fd"].first().idxmax()
    dot = figure.locator(f'svg a[*|href="./{worst}.html"] circle')
    dot.hover()
    tip = figure.locator("g[aria-label=tip]").all_text_contents()
    text = " ".join(tip)
    assert worst in text
    assert f"{runs['mean_fd'].first().max():.3f}" in text
    with opened.page.expect_navigation():
        dot.click()
    assert opened.page.title() == worst


def test_no_bar_is_cut_and_limits_are_drawn(opened: Opened) -> None:
    for number in range(4):
        figure = drawn(opened, "quality", number)
        for panel in figure.locator(".plotted").all():
            ends = panel.locator("svg").first.evaluate(
                """(svg) => {
                  const box = svg.getBoundingClientRect();
                  const bars = [...svg.querySelectorAll('g[aria-label=rect] rect')]
                    .map((one) => one.getBoundingClientRect());
                  return [Math.min(...bars.map((b) => b.left)) - box.left,
                          box.right - Math.max(...bars.map((b) => b.right))];
                }"""
            )
            assert min(ends) >= 0
            lines = panel.locator("line[stroke-dasharray], g[stroke-dasharray] line").count()
            assert lines == (number < 2)


def test_harmonisation_has_a_curve_before_and_after_and_a_dot_for_each_batch(
    opened: Opened,
) -> None:
    panels = drawn(opened, "harmonisation").locator(".plotted")
    assert panels.count() == len(STRATEGIES)
    curves, means = (panels.nth(0).locator("svg").nth(k) for k in range(2))
    assert curves.locator('g[aria-label="line"] path').count() == 3
    assert means.locator("circle").count() == 4
    assert "A (5)" in means.text_content()


def test_matrices_show_the_tables_in_the_order_typed(opened: Opened, group: Path) -> None:
    figure = drawn(opened, "matrices")
    assert figure.locator(".title").all_text_contents() == list(STRATEGIES)
    assert figure.locator(".bar").count() == 1
    for k in range(len(STRATEGIES)):
        table = read(group, f"strategy-{k}.tsv", index_col=0)
        canvas = figure.locator("canvas.cells").nth(k)
        canvas.scroll_into_view_if_needed()
        opened.page.wait_for_timeout(50)
        for row, column in ((0, 1), (3, 2), (5, 0), (2, 2)):
            text = opened.tip_of(canvas, (6, 6), row, column)
            i, j = ORDER[row], ORDER[column]
            value = table.iloc[i, j]
            shown = "n/a" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
            assert text == f"{NAMES[i]} – {NAMES[j]}\n{shown}"


def test_colours_of_matrices_are_one_scale(opened: Opened, group: Path) -> None:
    figure = drawn(opened, "matrices")
    ticks = figure.locator(".ticks span").all_text_contents()
    high = float(ticks[-1])
    values = [read(group, f"strategy-{k}.tsv", index_col=0).to_numpy() for k in range(3)]
    percentiles = [np.nanpercentile(np.abs(one[~np.eye(6, dtype=bool)]), 99) for one in values]
    assert max(percentiles) <= high < max(percentiles) + 0.01
    from matplotlib import colormaps

    for k, table in enumerate(values):
        pixel = (
            figure.locator("canvas.cells")
            .nth(k)
            .evaluate(
                """(one) => [...one.getContext('2d').getImageData(
              one.width * 1.5 / 6, one.height * 0.5 / 6, 1, 1).data]"""
            )
        )
        share = (round(table[ORDER[0], ORDER[1]], 2) + high) / (2 * high)
        assert pixel[:3] == list(colormaps["RdBu_r"](share, bytes=True)[:3])


def test_a_cell_is_marked_in_all_matrices_and_its_values_are_listed(
    opened: Opened, group: Path
) -> None:
    figure = drawn(opened, "matrices")
    canvases = figure.locator("canvas.cells")
    before = [canvas.screenshot() for canvas in canvases.all()]
    opened.click(canvases.nth(1), (6, 6), 3, 1)
    opened.page.mouse.move(0, 0)
    i, j = ORDER[3], ORDER[1]
    tables = [read(group, f"strategy-{k}.tsv", index_col=0) for k in range(3)]
    values = [f"{one.iloc[i, j]:.2f}".replace("-", "−") for one in tables]
    listed = figure.locator(".listed")
    assert listed.locator("p").text_content() == f"{NAMES[i]} – {NAMES[j]}"
    assert listed.locator("li").all_text_contents() == [
        f"{name}: {value}" for name, value in zip(STRATEGIES, values, strict=True)
    ]
    opened.page.wait_for_timeout(50)
    assert all(c.screenshot() != b for c, b in zip(canvases.all(), before, strict=True))
    # By keyboard: a step, another choice, and none.
    canvases.first.focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("Enter")
    assert listed.locator("li").count() == 3
    opened.page.keyboard.press("Escape")
    assert listed.text_content() == ""


def test_one_atlas_is_shown_at_a_time_and_kept_in_the_address(
    browser: Any, tmp_path: Path
) -> None:
    tables = {f"group_atlas-{atlas}_coverage.tsv": coverage() for atlas in "AB"}
    write_group(tmp_path, static=False, coverage=tables, labels=dict.fromkeys(tables, ()))
    opened = Opened(browser, tmp_path / "group.html", anchor="#atlas=B")
    shown = opened.page.locator("#missing-labels h3:visible, #matrices h3:visible")
    opened.page.locator("#choice select").wait_for()
    assert shown.all_text_contents() == ["B"]
    opened.page.locator("#choice select").select_option("A")
    assert shown.all_text_contents() == ["A", "A"]
    assert opened.page.url.endswith("#atlas=A")
    assert drawn(opened, "matrices").locator("canvas.cells").count() == 3
    opened.page.go_back()
    opened.page.wait_for_function("document.querySelector('#choice select').value === 'B'")
    assert shown.all_text_contents() == ["B"]
    opened.page.emulate_media(media="print")
    assert shown.all_text_contents() == ["A", "A", "B"]
    assert opened.complaints == []
    plain = Opened(browser, tmp_path / "group.html")
    plain.page.locator("#choice select").select_option("B")
    plain.page.go_back()
    plain.page.wait_for_function("document.querySelector('#choice select').value === 'A'")
    plain.page.context.close()
    opened.page.context.close()


def test_the_bars_of_rated_strategies_are_their_values(opened: Opened) -> None:
    figure = drawn(opened, "reliability")
    panels = figure.locator(".plotted")
    titles = panels.locator(".title").all_text_contents()
    assert titles[2:4] == ["participants identified", "discriminability"]
    table = opened.page.locator("#reliability table").first
    heads = [one.rstrip("↕ ") for one in table.locator("thead th").all_text_contents()]
    shown = table.locator("tbody tr").all()
    for number, head in ((2, "share identified"), (3, "discriminability")):
        cells = [row.locator("th, td").nth(heads.index(head)).text_content() for row in shown]
        widths = (
            panels.nth(number)
            .locator("g[aria-label=bar] rect")
            .evaluate_all("(bars) => bars.map((bar) => bar.getBoundingClientRect().width)")
        )
        scale = widths[0] / float(cells[0])
        assert widths == pytest.approx([scale * float(cell) for cell in cells], rel=0.02)
        texts = panels.nth(number).locator("svg text").all_text_contents()
        assert {two_decimals(float(cell)) for cell in cells} <= set(texts)
        assert set(STRATEGIES) <= set(texts)


def test_missing_labels_are_shown_in_the_whole_atlas(opened: Opened, group: Path) -> None:
    figure = drawn(opened, "missing-labels")
    opened.page.wait_for_timeout(200)
    table = read(group, "group_atlas-A_coverage.tsv")
    assert figure.locator("g[aria-label=rect] rect").count() == len(NAMES)
    canvas = figure.locator("canvas.cells").first
    canvas.scroll_into_view_if_needed()
    opened.page.wait_for_timeout(50)
    # Region 3, which no run has, is in the first two columns of the second row.
    text = opened.tip_of(canvas, (3, 4), 1, 0)
    assert text == f"{NAMES[2]}\nmissing in {table['lost_in_runs'][2]} of 30 runs (100 %)"
    assert coverage()["lost_in_runs"].tolist() == table["lost_in_runs"].tolist()


def test_participants_are_amber_where_they_are_partly_done(opened: Opened) -> None:
    rows = opened.page.locator("#participants-table tbody tr")
    assert rows.count() == COUNT
    assert rows.nth(COUNT - 2).get_attribute("class") == "amber"
    assert rows.nth(COUNT - 1).get_attribute("class") == "failed"
    assert rows.nth(COUNT - 1).locator("a").count() == 0
    assert rows.first.locator("a").get_attribute("href") == "./sub-00.html"


@pytest.mark.parametrize("how", ["print", "no script"])
def test_paper_and_pages_without_script_have_tables_and_figures(
    browser: Any, group: Path, how: str
) -> None:
    opened = Opened(browser, group / "group.html", java_script_enabled=how == "print")
    if how == "print":
        opened.page.locator("#runs-table td").first.wait_for()
        opened.page.emulate_media(media="print")
        # As wide as A4: no column is cut off.
        opened.page.set_viewport_size({"width": 720, "height": 1000})
        beyond = opened.page.locator("table:visible").evaluate_all(
            "tables => tables.map((one) => one.offsetWidth - one.closest('section').clientWidth)"
        )
        assert len(beyond) >= 2
        assert max(beyond) <= 0
    assert opened.page.locator(".pictures:visible").count() == 0
    images = opened.page.locator("img:visible")
    assert images.count() == opened.page.locator("img").count() >= 8
    assert opened.page.get_by_role("link", name="group_qc.tsv").first.is_visible()
    assert opened.page.locator("#strategies table").is_visible()
    for words in ("30 runs: 28 done", "A finding", "A note"):
        assert opened.page.get_by_text(words).first.is_visible()
    if how == "no script":
        assert opened.page.get_by_role("link", name="sub-07").is_visible()
    assert opened.complaints == []
    opened.page.context.close()


def test_missing_data_are_told_in_the_page(browser: Any, tmp_path: Path) -> None:
    write_group(tmp_path, static=False)
    gone = next((tmp_path / "figures").glob("*desc-s1_*_report.js"))
    gone.unlink()
    opened = Opened(browser, tmp_path / "group.html")
    figure = drawn(opened, "matrices")
    assert figure.locator(".title").all_text_contents() == [STRATEGIES[0], STRATEGIES[2]]
    assert gone.name in opened.page.locator("[role=alert]").text_content()
    opened.page.context.close()
