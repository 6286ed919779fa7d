"""Pages in a browser, and what a test looks at in them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import matplotlib.image
import numpy as np
from numpy.typing import NDArray

EVIL = "<script>alert(1)</script>"

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
    const style = getComputedStyle(one);
    const text = one instanceof SVGElement ? style.fill : style.color;
    const both = [light(text), light(behind(one))].sort((a, b) => b - a);
    const name = one.tagName + (one.getAttribute("class") ? `.${one.getAttribute("class")}` : "");
    return [name, (both[0] + 0.05) / (both[1] + 0.05)];
  });
}"""

TIP = "document.querySelector('.tip:not([hidden])')?.textContent ?? ''"

TIPS = """(canvas, [[rows, columns], cells]) => {
  const { x, y, width, height } = canvas.getBoundingClientRect();
  return cells.map(([row, column]) => {
    const clientX = x + ((column + 0.5) / columns) * width;
    const clientY = y + ((row + 0.5) / rows) * height;
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
    return document.querySelector(".tip:not([hidden])")?.textContent ?? "";
  });
}"""


class Opened:
    """A page in a window of its own, and all it asked for or complained about."""

    def __init__(
        self, browser: Any, path: Path, width: int = 1440, *, anchor: str = "", **options: Any
    ) -> None:
        viewport = {"width": width, "height": 900}
        options = {"reduced_motion": "reduce", **options}
        self.page = browser.new_context(viewport=viewport, **options).new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri() + anchor)

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def end(self) -> None:
        """Close the page, which asked for nothing but files and had nothing to complain about."""
        assert self.complaints == []
        assert {urlparse(url).scheme for url in self.asked} <= {"file", "data", "about"}
        self.page.context.close()

    def column(self, number: int, table: Any) -> list[str]:
        rows = table.locator("tbody tr:visible")
        return rows.locator(f"> :nth-child({number})").all_text_contents()

    def tip(self) -> str:
        return self.page.evaluate(TIP)

    def picture(self, label: str, number: int = 0) -> Any:
        """A picture of cells by the beginning of its label, in sight."""
        found = self.page.locator(f'canvas.cells[aria-label^="{label}"]').nth(number)
        found.wait_for()
        found.scroll_into_view_if_needed()
        # Scrolling hides the tooltip, one frame later.
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return found

    def tip_of(self, picture: Any, shape: tuple[int, int], row: int, column: int) -> str:
        """The tooltip with the pointer in the middle of a cell of a picture of some shape."""
        self.page.mouse.move(*centre(picture, shape, row, column))
        return self.tip()

    def tips(
        self, picture: Any, shape: tuple[int, int], cells: Iterable[tuple[int, int]]
    ) -> list[str]:
        """The tooltip of each of many cells: events in the place of a pointer are faster."""
        return picture.evaluate(TIPS, [list(shape), [list(map(int, cell)) for cell in cells]])

    def click(self, picture: Any, shape: tuple[int, int], row: int, column: int) -> None:
        self.page.mouse.click(*centre(picture, shape, row, column))


def centre(picture: Any, shape: tuple[int, int], row: int, column: int) -> tuple[float, float]:
    """The middle of a cell in the window: its x and y."""
    box = picture.bounding_box()
    return (
        box["x"] + (column + 0.5) / shape[1] * box["width"],
        box["y"] + (row + 0.5) / shape[0] * box["height"],
    )


def pixels(image: Any) -> NDArray[Any]:
    """What an image looks like on the screen, shape (height, width, 3)."""
    return matplotlib.image.imread(BytesIO(image.screenshot()))[:, :, :3]


def colours(picture: Any, shape: tuple[int, int]) -> NDArray[Any]:
    """The colour in the middle of each cell of a picture, shape (rows, columns, 3)."""
    shot = pixels(picture)
    rows, columns = (
        ((np.arange(cells) + 0.5) / cells * pixel).astype(int)
        for cells, pixel in zip(shape, shot.shape, strict=False)
    )
    return shot[np.ix_(rows, columns)]


def two_decimals(value: float) -> str:
    """As a page writes it: rounded half to even, without a minus before zero."""
    if np.isnan(value):
        return "n/a"
    text = f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text
