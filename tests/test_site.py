"""The built documentation in a browser: it asks nobody, fits the window, and is searched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browsing import Opened

ROOT = Path(__file__).parents[1]
PAGES = [path.relative_to(ROOT / "docs") for path in sorted((ROOT / "docs").rglob("*.md"))]
NEEDED = ("mkdocs", "material", "mkdocstrings")

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, NEEDED)),
    reason="the documentation's generator is not installed; ci/docs installs and tests it",
)


@pytest.fixture(scope="module")
def site(made_once: Callable[..., Path]) -> Path:
    """The pages, built."""

    def fill(folder: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
        done = subprocess.run(
            [*command, "--site-dir", str(folder / "site")],
            cwd=ROOT,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return made_once("site", fill) / "site"


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_asks_for_files_alone_and_fits_the_window(
    browser: Any, site: Path, page: Path, width: int
) -> None:
    opened = Opened(browser, site / page.with_suffix(".html"), width)
    opened.page.wait_for_load_state()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter((one) => !one.complete || !one.naturalWidth).length"
    assert opened.page.evaluate(broken) == 0
    opened.end()


def test_the_search_finds_a_page_without_a_server(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "index.html")
    # Typed key by key, which is what the page listens to.
    opened.page.locator("input.md-search__input").press_sequentially("label contract")
    first = opened.page.locator(".md-search-result__item a").first
    first.wait_for()
    assert "explanation/labels.html" in str(first.get_attribute("href"))
    opened.end()
