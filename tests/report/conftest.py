from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Opened
from participant_site import write_participant


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium; what needs it is skipped where it or playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    known = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, known)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(known)} is on the path")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a participant's page, whose name a link has to quote."""
    folder = tmp_path_factory.mktemp("with space & sign")
    write_participant(folder)
    return folder


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Opened]:
    """The participant's page, drawn; it has nothing to complain about."""
    opened = Opened(browser, site / "sub-01.html")
    opened.page.locator("#pictures h2").wait_for()
    yield opened
    assert opened.complaints == []
    opened.page.context.close()
