from __future__ import annotations

import base64
import html
import json
import re
import webbrowser
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from bids_labelx.errors import CannotWriteError
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.pictures.label_colours import LABELS, NO_VALUE
from bids_labelx.pictures.packing import unpack
from bids_labelx.pictures.panels import panels_of
from bids_labelx.report.masker import MaskerReport, masker_report

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "base"}
# Voxels of 2 x 3 x 4 mm.
GRID = VolumeGrid.of((4, 5, 6), np.diag([2.0, 3, 4, 1]))
# One sagittal plane without a region, and one for each of three, not in the order of the table.
CODED = np.broadcast_to(np.array([0, 1, 3, 2])[:, None, None], GRID.shape).ravel(order="F")
NAMES = ["V1", "A1", "M1"]


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
    return pd.DataFrame(
        {
            "index": [5, 2, 9170],
            "name": names,
            "voxels": [30, 30, 30],
            "share (%)": [100 / 3] * 3,
            "missing": ["yes" if i in missing else "" for i in range(3)],
        }
    )


def report(**changes: object) -> MaskerReport:
    content: dict[str, object] = {
        "title": "NiftiLabelsMasker",
        "parameters": [("strategy", "mean")],
        "regions": regions_of(),
        "grid": None,
        "coded": None,
        "background": None,
        "warnings": [],
        "note": None,
        "version": "0.1.0",
    }
    return masker_report(**(content | changes))  # type: ignore[arg-type]


def drawn(**changes: object) -> MaskerReport:
    image = np.arange(120.0)
    return report(**({"background": image, "grid": GRID, "coded": CODED} | changes))


def unfitted() -> MaskerReport:
    return report(regions=None, note="Not fitted yet.")


def contents(page: str) -> dict[str, Any]:
    """What the picture is drawn from, its arrays as they are unpacked."""
    text = page.partition('<script type="application/json" id="contents">')[2]

    def unpacked(part: dict[str, Any]) -> Any:
        if "step" in part:
            return unpack({**part, "data": zlib.decompress(base64.b64decode(part["data"]))})
        return part

    found = json.loads(text.partition("</script>")[0], object_hook=unpacked)
    assert isinstance(found, dict)
    return found


def cells(page: str) -> list[list[str]]:
    """The table's body, with empty cells."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [[html.unescape(c) for c in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", r)] for r in rows]


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
    def test_holds_its_scripts_and_asks_nothing_of_the_network(self, page: str) -> None:
        read = Page(page)
        kinds = [script["type"] for script in read.all("script")]
        assert kinds in (["module"], ["module", "application/json"])
        links = [a[k] for _, a in read.tags for k in ("src", "href", "srcset") if k in a]
        assert all(link is not None and link.startswith("data:") for link in links)
        assert not re.search(r"https?:|url\([\"']|@import", page)

    def test_header_cells_have_a_scope(self, page: str) -> None:
        assert {cell["scope"] for cell in Page(page).all("th")} <= {"col", "row"}


def test_markup_in_names_shows_as_text() -> None:
    page = report(
        title=EVIL, parameters=[(EVIL, EVIL)], regions=regions_of([EVIL] * 3), warnings=[EVIL]
    ).html
    read = Page(page)
    assert [row[1] for row in cells(page)] == [EVIL] * 3
    assert {EVIL} == {read.within(tag)[0] for tag in ("h1", "dt", "dd", "li")}


def test_the_picture_is_of_the_regions_on_the_image() -> None:
    image = np.random.default_rng(0).random(120)
    found = contents(drawn(background=image, regions=regions_of(missing=(1,))).html)
    expected = panels_of(CODED, GRID, (), image, (1, 2, 3))
    assert len(found["panels"]) == len(expected)
    for one, other in zip(found["panels"], expected, strict=True):
        assert one["title"] == other.title
        np.testing.assert_array_equal(one["regions"], other.regions)
        np.testing.assert_array_equal(one["background"], other.background)
    assert found["lost"] == [0, 1, 0]
    # A region is one sagittal plane of voxels.
    assert found["centres"] == [[2, 6, 10], [6, 6, 10], [4, 6, 10]]


def test_regions_have_the_colours_of_their_networks() -> None:
    found = contents(drawn(regions=regions_of().assign(network=["Vis", None, "Vis"])).html)
    assert found["colours"] == [LABELS[0], NO_VALUE, LABELS[0]]
    assert found["networks"] == [["Vis", LABELS[0]], ["no network", NO_VALUE]]
    assert contents(drawn().html)["networks"] is None


def test_a_colormap_that_is_given_comes_before_networks() -> None:
    regions = regions_of().assign(network="Vis")
    found = contents(drawn(regions=regions, cmap="tab10").html)
    assert found["networks"] is None
    assert len(set(found["colours"])) == 3
    assert {to_rgb(one) for one in found["colours"]} <= {
        tuple(np.rint(255 * np.array(one)) / 255) for one in colormaps["tab10"].colors
    }


def test_regions_are_drawn_without_an_image_and_the_page_says_so() -> None:
    page = drawn(background=None).html
    assert all(panel["background"] is None for panel in contents(page)["panels"])
    assert "There is no mean image as background." in page
    assert "There is no mean image" not in drawn().html


def test_table_has_the_columns_of_the_data_frame() -> None:
    regions = regions_of().assign(network=["Vis", "Aud", None])
    page = report(regions=regions).html
    header = page[page.index("<thead>") : page.index("</thead>")] + "</thead>"
    assert Page(header).within("th") == list(regions.columns)
    assert cells(page) == [
        ["5", "V1", "30", "33.3", "", "Vis"],
        ["2", "A1", "30", "33.3", "", "Aud"],
        ["9170", "M1", "30", "33.3", "", "n/a"],
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
    page = report(regions=regions_of(missing=(1, 2))).html
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


def test_warnings_stand_before_the_picture() -> None:
    page = drawn(warnings=["first", "second"]).html
    ids = [section["id"] for section in Page(page).all("section")]
    assert ids == ["warnings", "regions", "parameters"]
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
    assert inside == made.html
    assert made.get_standalone() == made.html
    head, inner, tail = made.html.partition(made.body)
    assert head.endswith("</head>\n<body>")
    assert inner
    assert tail.startswith("</body>")
    assert 'style="width: 600px; height: 400px;' in made.get_iframe(600, 400)
