"""Pages to open in a browser, and what a test looks at in them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pandas as pd
from bids_labelx.report.tooltips import tooltip_script
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.report.figures import mark_regions, plot_matrix, save_figure
from bids_labelx.report.masker import masker_report
from bids_labelx.report.pages import (
    FigureFile,
    Part,
    RunSection,
    Section,
    Table,
    group_page,
    participant_page,
)

EVIL = "<script>alert(1)</script>"
NAMES = ["V1", EVIL, "M1 left", "A1"]
# All cells differ, so that each is known by its colour.
VALUES = np.linspace(-1, 1, 16).reshape(4, 4)
COLOURS = matplotlib.colormaps["RdBu_r"]((VALUES + 1) / 2)
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
        """A figure with data for tooltips, which the pointer makes it load."""
        image = self.page.locator("figure img").nth(number)
        image.scroll_into_view_if_needed()
        with self.page.expect_event("requestfinished"):
            image.hover(position={"x": 2, "y": 2})
        self.page.wait_for_timeout(50)
        return image


def write_site(folder: Path) -> None:
    """A participant's page, a group's, a masker's and a notebook's, with figures."""
    matrix = plot_matrix(VALUES, NAMES, title="matrix", limits=(-1.0, 1.0))
    save_figure(matrix, folder / "figures" / "m 1.svg")
    script = tooltip_script(matrix, names=NAMES, texts=())
    (folder / "figures" / "m 1.js").write_text(script)

    regions = Figure(figsize=(6, 3), facecolor="black")
    for axes, width in zip(regions.subplots(1, 2), (80, 40), strict=True):
        extent, drawn = (-width / 2, width / 2, 10, 70), np.ma.masked_less(CELLS, 0)
        axes.imshow(drawn, extent=extent, cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
        axes.set_axis_off()
        mark_regions(axes, CELLS, extent)
    (folder / "figures" / "r.js").write_text(tooltip_script(regions, names=(), texts=REGIONS))
    save_figure(regions, folder / "figures" / "r.png")

    figures = (
        FigureFile("figures/m 1.svg", "A matrix", f"Caption {EVIL}", tooltips="figures/m 1.js"),
        FigureFile("figures/r.png", "Regions", "Regions", tooltips="figures/r.js"),
    )
    facts = (("Repetition time", "2 s"), (EVIL, EVIL * 10))
    part = Part("Labels", tables=(TABLE, LONG), figures=figures)
    runs = (
        RunSection("task-rest", "done", None, "", facts, (part,)),
        RunSection(EVIL, "failed", f"line {EVIL}", f"File {EVIL}", (), ()),
    )
    page = participant_page("01", facts, runs, "How.\n\nWhy.", "0.1.0", concatenated=figures[1:])
    (folder / "sub-01.html").write_text(page, encoding="utf-8")
    people = [(f"sub-{i}", "sub-01.html", "4 done") for i in (10, 2)]
    sections = [Section("runs", "Runs", (part,))]
    page = group_page(facts, sections, people, "0.1.0", files=[("Tables", ["a.tsv"])])
    (folder / "group.html").write_text(page, encoding="utf-8")
    report = masker_report(
        title="NiftiLabelsMasker",
        parameters=[("strategy", EVIL)],
        regions=pd.DataFrame({"name": [EVIL, "b 10", "b 2"], "voxels": [2, 10, 1], "missing": ""}),
        background=None,
        grid=VolumeGrid.of((4, 4, 4), np.eye(4)),
        coded=np.repeat([0, 1, 2, 3], 16),
        warnings=[],
        note=None,
        version="0.1.0",
    )
    report.save_as_html(folder / "masker.html")
    notebook = f"<!DOCTYPE html><title>Notebook</title>{report._repr_html_()}"
    (folder / "notebook.html").write_text(notebook, encoding="utf-8")


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
