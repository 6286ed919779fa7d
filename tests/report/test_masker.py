from __future__ import annotations

import base64
import html
import re
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest

from bids_labelx.errors import CannotWriteError
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.report.figures import render_figure
from bids_labelx.report.label_colours import label_colours
from bids_labelx.report.masker import MaskerReport, masker_report
from bids_labelx.report.panel_figures import plot_labels
from bids_labelx.report.panels import panels_of
from bids_labelx.report.regions import region_table

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "base"}
# Voxels of 2 x 3 x 4 mm, flipped and sheared.
AFFINE = np.array([[-2.0, 0, 0, 10], [0.5, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])
# One sagittal plane for each of three labels, and one for the background.
LABELS = np.broadcast_to(np.array([0, 5, 9170, 2])[:, None, None], (4, 5, 6)).copy()
CODED = np.select([LABELS == 5, LABELS == 2, LABELS == 9170], [1, 2, 3], 0)
IDS, NAMES = [5, 2, 9170], ["V1", "A1", "M1"]


class Page(HTMLParser):
    """Reads a page into tags and into text with the tags around it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def within(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def regions_of(names: list[str] = NAMES, missing: tuple[int, ...] = ()) -> pd.DataFrame:
    return region_table(IDS, names, LABELS, None, AFFINE, [one in missing for one in IDS])


def report(**changes: object) -> MaskerReport:
    content: dict[str, object] = {
        "title": "NiftiLabelsMasker",
        "parameters": [("strategy", "mean")],
        "regions": regions_of(),
        "background": None,
        "labels": None,
        "affine": None,
        "warnings": [],
        "note": None,
        "version": "0.1.0",
    }
    return masker_report(**(content | changes))  # type: ignore[arg-type]


def drawn(**changes: object) -> MaskerReport:
    image = np.arange(120.0).reshape(LABELS.shape)
    return report(**({"background": image, "labels": CODED, "affine": AFFINE} | changes))


def unfitted() -> MaskerReport:
    return report(regions=None, note="Not fitted yet.")


def figure_of(page: str) -> bytes:
    source = Page(page).all("img")[0]["src"]
    assert source is not None
    return base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True)


def figure_by_hand(image: np.ndarray | None) -> bytes:
    grid, below = VolumeGrid.of(CODED.shape, AFFINE), None if image is None else image.ravel("F")
    panels = panels_of(CODED.ravel("F"), grid, (), below, (1, 2, 3))
    return render_figure(plot_labels(panels, label_colours(panels, 3).colours), "png")


def cells(page: str) -> list[list[str]]:
    """The table's body, with empty cells."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [[html.unescape(c) for c in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", r)] for r in rows]


def test_regions_keep_the_order_of_their_ids_and_are_counted_by_label() -> None:
    labels = LABELS.copy()
    labels[0, 0, :2] = 9170
    table = region_table(IDS, NAMES, labels, None, AFFINE, [False] * 3)
    assert table["index"].tolist() == IDS
    assert table["name"].tolist() == NAMES
    assert table["voxels"].tolist() == [30, 30, 32]


def test_a_volume_is_voxels_times_the_determinant_of_the_affine() -> None:
    volumes = region_table([5], ["V1"], LABELS, None, AFFINE, [False])["volume (mm³)"]
    assert volumes.tolist() == pytest.approx([30 * 24.0])


def test_shares_are_of_the_mask_s_voxels_and_only_voxels_inside_it_count() -> None:
    mask = np.zeros(LABELS.shape)
    mask[:2], mask[2, 0, :5] = 1, 0.5
    table = region_table(IDS, NAMES, LABELS, mask, AFFINE, [False] * 3)
    assert table["voxels"].tolist() == [30, 0, 5]
    assert table["share of the mask (%)"].tolist() == pytest.approx([3000 / 65, 0, 500 / 65])


def test_shares_without_a_mask_are_of_the_voxels_of_all_regions() -> None:
    table = region_table([5, 9170], ["V1", "M1"], LABELS, None, AFFINE, [False] * 2)
    assert table["share of all regions (%)"].tolist() == [50, 50]


def test_a_missing_region_says_so_and_has_no_voxels() -> None:
    table = region_table(
        [5, 7, 2], ["V1", "gone", "masked"], LABELS, None, AFFINE, [False, True, True]
    )
    assert table["missing"].tolist() == ["", "yes", "yes"]
    assert table["voxels"].tolist() == [30, 0, 0]
    assert table["share of all regions (%)"].tolist() == [100, 0, 0]


@pytest.mark.parametrize("mask", [None, np.zeros(LABELS.shape)])
def test_regions_that_are_all_missing_have_a_share_of_zero(mask: np.ndarray | None) -> None:
    table = region_table(IDS, NAMES, LABELS, mask, AFFINE, [True] * 3)
    assert table.iloc[:, 4].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("names", "missing"), [(NAMES[:2], [False] * 3), (NAMES, [True])])
def test_each_region_needs_a_name_and_whether_it_is_missing(
    names: list[str], missing: list[bool]
) -> None:
    with pytest.raises(ValueError, match=r"3 ids, \d names and \d entries in missing"):
        region_table(IDS, names, LABELS, None, AFFINE, missing)


@pytest.mark.parametrize(
    "page",
    [
        drawn(warnings=["w"], regions=regions_of(missing=(2,))).html,
        drawn(background=None).html,
        unfitted().html,
        report(
            title=EVIL,
            parameters=[(EVIL, EVIL), (EVIL, EVIL * 100)],
            regions=regions_of([EVIL] * 3, missing=(2,)),
            warnings=[EVIL, EVIL * 100],
            note=EVIL,
        ).html,
    ],
    ids=["full", "no image", "not fitted", "markup"],
)
class TestEveryPage:
    def test_holds_its_script_and_asks_nothing_of_the_network(self, page: str) -> None:
        read = Page(page)
        assert read.all("script") == [{"type": "module"}]
        links = [a[k] for _, a in read.tags for k in ("src", "href", "srcset") if k in a]
        assert all(link is not None and re.match("#|data:", link) for link in links)
        assert not re.search(r"https?:|url\(|@import", page)

    def test_bar_links_to_every_section_once(self, page: str) -> None:
        read = Page(page)
        sections = [f"#{section['id']}" for section in read.all("section")]
        assert [link["href"] for link in read.all("a")] == sections
        assert len(set(sections)) == len(sections)

    def test_header_cells_have_a_scope(self, page: str) -> None:
        assert {cell["scope"] for cell in Page(page).all("th")} <= {"col", "row"}


def test_markup_in_names_shows_as_text() -> None:
    page = report(
        title=EVIL, parameters=[(EVIL, EVIL)], regions=regions_of([EVIL] * 3), warnings=[EVIL]
    ).html
    read = Page(page)
    assert [row[1] for row in cells(page)] == [EVIL] * 3
    assert {EVIL} == {read.within(tag)[0] for tag in ("h1", "dt", "dd", "li")}


def test_figure_shows_the_regions_on_the_image() -> None:
    image = np.random.default_rng(0).random(LABELS.shape)
    assert figure_of(drawn(background=image).html) == figure_by_hand(image)


def test_regions_are_drawn_without_an_image_and_the_page_says_so() -> None:
    page = drawn(background=None).html
    assert figure_of(page) == figure_by_hand(None)
    assert "There is no mean image as background." in page
    assert "There is no mean image" not in drawn().html


def test_labels_without_an_affine_are_refused() -> None:
    with pytest.raises(ValueError, match="affine"):
        report(labels=LABELS)


def test_table_has_the_columns_of_the_data_frame() -> None:
    regions = regions_of().assign(network=["Vis", "Aud", None])
    page = report(regions=regions).html
    header = page[page.index("<thead>") : page.index("</thead>")] + "</thead>"
    assert Page(header).within("th") == list(regions.columns)
    assert cells(page) == [
        ["5", "V1", "30", "720", "33.3", "", "Vis"],
        ["2", "A1", "30", "720", "33.3", "", "Aud"],
        ["9170", "M1", "30", "720", "33.3", "", "n/a"],
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.046875, "0.0469"),
        (0.17, "0.170"),
        (12.345, "12.3"),
        (99.96, "100.0"),
        (123456.7, "123457"),
        (64.0, "64"),
        (-0.12345, "-0.123"),
        (float("nan"), "n/a"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits_or_all_before_the_point(value: float, shown: str) -> None:
    regions = regions_of().assign(extra=[value, 1.0, 1.0])
    assert cells(report(regions=regions).html)[0][-1] == shown


def test_missing_regions_are_named_and_their_rows_marked() -> None:
    page = report(regions=regions_of(missing=(2, 9170))).html
    assert "✗ 2 of 3 missing:" in Page(page).within("strong")
    assert "A1, M1" in Page(page).within("div")
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert re.findall(r"<tr(.*)>", body) == ["", ' class="failed"', ' class="failed"']


def test_nothing_is_said_of_missing_regions_where_there_are_none() -> None:
    assert Page(report().html).within("strong") == []


def test_long_table_scrolls_in_its_own_box_under_its_header() -> None:
    page = report().html
    box = {"class": "scroll", "role": "region", "aria-label": "3 regions", "tabindex": "0"}
    assert box in Page(page).all("div")
    assert re.search(r"\.scroll \{[^}]*max-height[^}]*overflow: auto", page)
    assert re.search(r"thead th \{[^}]*position: sticky;\s*top: 0", page)


def test_warnings_stand_before_the_figure() -> None:
    page = drawn(warnings=["first", "second"]).html
    ids = [section["id"] for section in Page(page).all("section")]
    assert ids == ["warnings", "figure", "regions", "parameters"]
    assert Page(page).within("li") == ["first", "second"]


def test_long_values_are_folded_and_still_there() -> None:
    names = ", ".join(f"region {i}" for i in range(400))
    read = Page(report(parameters=[("labels", names), ("strategy", "mean")]).html)
    assert read.within("summary") == [names[:200] + "…"]
    assert read.within("details") == [names]
    assert read.within("dd") == ["mean"]


def test_an_unfitted_masker_shows_the_note_and_its_parameters() -> None:
    read = Page(unfitted().html)
    assert read.within("p")[0] == "Not fitted yet."
    assert [section["id"] for section in read.all("section")] == ["parameters"]
    assert (read.within("dt"), read.within("dd")) == (["strategy"], ["mean"])


def test_a_note_hides_nothing_that_is_there() -> None:
    page = report(note="reports=False").html
    assert [s["id"] for s in Page(page).all("section")] == ["regions", "parameters"]
    assert "reports=False" in Page(page).within("p")


def test_the_same_masker_gives_the_same_page() -> None:
    assert drawn() == drawn()


def test_version_is_named() -> None:
    assert "Made by bids_labelx 0.1.0" in Page(report().html).within("p")


def test_report_reads_as_its_html_and_is_short_in_a_prompt() -> None:
    made = report()
    assert str(made) == made.html
    assert repr(made) == "MaskerReport()"


def test_saved_file_is_the_page(tmp_path: Path) -> None:
    made = report(title="Gehirn · mm³")
    made.save_as_html(str(tmp_path / "new" / "report.html"))
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == made.html
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_: Path, __: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        unfitted().save_as_html(path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"report.html": "old"}


@pytest.mark.parametrize("name", [None, "my report.html"])
def test_browser_opens_the_file_that_was_written(
    name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = unfitted()
    made.open_in_browser(None if name is None else tmp_path / name)
    (url,) = opened
    path = Path(unquote(urlparse(url).path))
    assert url.startswith("file:///")
    assert list(tmp_path.iterdir()) == [path]
    assert name in (None, path.name)
    assert path.read_text(encoding="utf-8") == made.html


def test_notebook_gets_the_page_in_a_frame_that_holds_all_of_it() -> None:
    made = drawn(title=EVIL)
    (frame,) = Page(made._repr_html_()).tags
    tag, attributes = frame
    assert tag == "iframe"
    inside = attributes["srcdoc"]
    assert inside is not None
    # Links to sections are the frame's own, not the notebook's.
    assert Page(inside).all("base") == [{"href": "about:srcdoc"}]
    assert inside.replace('<base href="about:srcdoc">\n', "") == made.html
    assert made.get_standalone() == made.html
    head, inner, tail = made.html.partition(made.body)
    assert head.endswith("</head>\n<body>")
    assert inner
    assert tail.startswith("</body>")
    assert 'style="width: 600px; height: 400px;' in made.get_iframe(600, 400)
