from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Opened
from participant_site import write_participant


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
    opened.end()
