from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from bids_labelx.report.pages import (
    FigureFile,
    Part,
    RunSection,
    Table,
    participant_page,
)

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "br", "hr"}


class Page(HTMLParser):
    """Reads a page into its elements, and fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [data for name, data in self.words if name == tag and data.strip()]


def run(title: str = "task-rest", **changes: object) -> RunSection:
    content: dict[str, object] = {
        "title": title,
        "status": "done",
        "error": None,
        "trace": "",
        "facts": (("Repetition time", "2 s"),),
        "tables": (),
        "figures": (),
        **changes,
    }
    own = {name: content.pop(name) for name in ("tables", "figures")}
    part = Part("Labels", **own)  # type: ignore[arg-type]
    parts = (part,) if part.tables or part.figures else ()
    return RunSection(**content, parts=parts)  # type: ignore[arg-type]


def participant(*runs: RunSection, label: str = "01", methods: str = "How.") -> str:
    facts = (("Sessions", "2"),)
    return participant_page(label, facts, runs, methods, "0.1.0", contents={"runs": [label]})


def full_page() -> str:
    table = Table(("index", "name"), (("1", EVIL),), f"Coverage {EVIL}")
    figure = FigureFile("sub-01/figures/a.svg", f"Labels {EVIL}", EVIL)
    return participant(
        run(EVIL, facts=((EVIL, EVIL),), tables=(table,), figures=(figure,)),
        run("ses-2", status="failed", error=f"line 1\n  line 2 {EVIL}"),
        methods=EVIL,
    )


@pytest.mark.parametrize("page", [full_page()], ids=["participant"])
class TestEveryPage:
    def test_is_html5_in_a_language_with_a_title(self, page: str) -> None:
        assert page.startswith("<!DOCTYPE html>\n<html lang=")
        assert Page(page).text("title")
        assert {"charset": "utf-8"} in Page(page).all("meta")

    def test_shows_markup_in_names_as_text(self, page: str) -> None:
        scripts = [one.get("src") for one in Page(page).all("script")]
        own = [src for src in scripts if src]
        assert own == [f"report/{name}.js" for name in ("d3.min", "plot.min", "page")]
        assert page.count("<script") == len(scripts)
        assert any(EVIL in data for _, data in Page(page).words)

    def test_asks_nothing_of_the_network(self, page: str) -> None:
        assert not re.search(r"https?:|url\(|@import|\ssrc=\"//", page)

    def test_has_one_h1_and_skips_no_level(self, page: str) -> None:
        levels = [int(tag[1]) for tag, _ in Page(page).elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(next_ - level <= 1 for level, next_ in pairwise(levels))

    def test_bar_links_to_every_section_once(self, page: str) -> None:
        read = Page(page)
        sections = [section["id"] for section in read.all("section")]
        assert len(set(sections)) == len(sections)
        bar = Page(page[page.index("<nav") : page.index("</nav>") + len("</nav>")])
        links = [link["href"] for link in bar.all("a")]
        assert len(set(links)) == len(links)
        # The runs of a participant have one link: the page shows one at a time.
        shown = ["runs" if id_.startswith("run-") else id_ for id_ in sections]
        assert links == [f"#{id_}" for id_ in dict.fromkeys(shown)]

    def test_header_cells_have_a_scope(self, page: str) -> None:
        assert {cell["scope"] for cell in Page(page).all("th")} == {"col", "row"}

    def test_names_the_version(self, page: str) -> None:
        assert "bids_labelx 0.1.0" in page[page.index("<footer>") :]


def test_pages_are_the_same_every_time() -> None:
    assert full_page() == full_page()


@pytest.mark.parametrize("label", ["01", "sub-01"])
def test_participant_is_named_with_one_prefix(label: str) -> None:
    assert Page(participant(run(), label=label)).text("h1") == ["sub-01"]


def test_summary_lists_the_runs_with_links_and_status() -> None:
    page = participant(run("first"), run("second", status="failed", error="no"))
    listed = page[page.index('<ol class="runs">') : page.index("</ol>")] + "</ol>"
    read = Page(listed)
    assert [link["href"] for link in read.all("a")] == ["#run-1", "#run-2"]
    assert read.text("a") == ["first", "second"]
    assert read.text("span") == ["✓ done", "✗ failed"]
    assert "2 runs: 1 done, 0 partly done, 1 failed." in page


def test_failed_run_shows_its_error_with_line_breaks() -> None:
    read = Page(participant(run(status="failed", error="line 1\n  line 2")))
    assert [box for box in read.all("div") if box.get("role") == "alert"]
    assert read.text("pre") == ["line 1\n  line 2"]
    assert "✗ This run failed" in read.text("strong")


def test_run_that_failed_in_part_says_so_and_folds_the_traceback() -> None:
    table = Table(("a",), (("1",),), "t")
    partly = {"status": "partly done", "words": "partly done (1 of 2 strategies)"}
    page = participant(run(**partly, error="e", trace="File <x>", tables=(table,)))
    assert "◐ partly done (1 of 2 strategies)" in page
    assert "Some outputs of this run failed" in page
    assert "This run failed" not in page
    folded = page[page.index("<details>") : page.index("</details>")]
    assert "<summary>Traceback</summary><pre>File &lt;x&gt;</pre>" in folded


def test_what_is_left_of_a_run_that_failed_again_is_said_to_be_of_before() -> None:
    table = Table(("a",), (("1",),), "t")
    page = participant(run(status="failed", error="e", tables=(table,)))
    assert "This run failed</strong>; what is shown below is from an earlier invocation" in page


def test_failed_run_without_a_message_points_to_the_logs() -> None:
    assert "See the logs" in Page(participant(run(status="failed"))).text("pre")[0]


def test_done_run_shows_no_alert() -> None:
    assert 'role="alert"' not in participant(run())


def test_done_run_with_an_error_is_refused() -> None:
    with pytest.raises(ValueError, match="is done and has an error"):
        run(error="no")


def test_participant_without_runs_says_so() -> None:
    assert "No run." in Page(participant()).text("p")


def test_methods_keep_their_paragraphs() -> None:
    prose = participant(methods="One\nline.\n\n\nTwo.\n")
    prose = prose.partition('<div class="prose">')[2].partition("</div>")[0]
    assert Page(prose).text("p") == ["One\nline.", "Two."]


def test_a_page_says_how_to_cite_and_links_the_methods_text_in_all_formats() -> None:
    page = participant(methods="One.\n\nReferences\n\nTwo (2012).")
    assert Page(page).text("h3")[-2:] == ["References", "How to cite"]
    for end in ("txt", "md", "tex", "bib"):
        assert f'<a href="logs/CITATION.{end}">' in page
    assert "How to cite" not in participant(methods="No results are there yet.")


def test_figure_path_is_quoted_and_its_words_escaped() -> None:
    figure = FigureFile('figures/a b#1?"x%.svg', 'A "matrix"', "r > 0")
    image = Page(participant(run(figures=(figure,)))).all("img")[0]
    assert image == {"src": "figures/a%20b%231%3F%22x%25.svg", "alt": 'A "matrix"'}


@pytest.mark.parametrize("src", ["javascript:alert(1)", "https://example.org/a.png"])
def test_figure_path_cannot_become_another_scheme(src: str) -> None:
    image = Page(participant(run(figures=(FigureFile(src, "", ""),)))).all("img")[0]
    assert ":" not in (image["src"] or "")


@pytest.mark.parametrize("src", ["", "/etc/a.png", "//example.org/a.png"])
def test_figure_path_that_is_not_relative_is_refused(src: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        participant(run(figures=(FigureFile(src, "", ""),)))


def test_table_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells in a row, 2 in the header"):
        Table(("a", "b"), (("1",),), "c")


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (("1", "-2.5", "1e-3", "1,200", "−3", "90%"), True),
        (("0.1", "n/a", "", "not known"), True),
        (("n/a", ""), False),
        (("1", "ok"), False),
        (("2024-01-01",), False),
        ((), False),
    ],
)
def test_column_of_numbers_is_known(cells: tuple[str, ...], numeric: bool) -> None:
    assert Table(("a",), tuple((cell,) for cell in cells), "c").numeric == (numeric,)


def test_numbers_are_right_aligned_with_their_header() -> None:
    read = Page(
        participant(run(tables=(Table(("run", "FD"), (("a", "0.1"), ("b", "n/a")), "QC"),)))
    )
    assert [cell["class"] for cell in read.all("td")] == ["number", "number"]
    assert [cell.get("class") for cell in read.all("th")] == [None, "number", None, None]


def test_table_scrolls_in_a_named_box_that_the_keyboard_reaches() -> None:
    box = next(
        box
        for box in Page(participant(run(tables=(Table(("a",), (), "QC"),)))).all("div")
        if "role" in box
    )
    assert box == {"class": "scroll", "role": "region", "aria-label": "QC", "tabindex": "0"}
