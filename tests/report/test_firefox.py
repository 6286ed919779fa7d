"""The pages in Firefox: they draw themselves and answer as in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import TIP, two_decimals
from firefox import NAMES as PROGRAMS
from firefox import Firefox, firefox_path, started
from group_site import STRATEGIES, quality, write_group
from participant_site import NAMES, ORDER, RUNS, data_of


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    path = firefox_path()
    if path is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is on the path")
    profile = tmp_path_factory.mktemp("firefox") / "profile"
    with started(path, profile) as one:
        yield one
    shutil.rmtree(profile, ignore_errors=True)


@pytest.mark.parametrize("width", [1440, 500])  # Its windows are not narrower.
def test_firefox_shows_the_numbers_and_the_chosen_region(
    firefox: Firefox, site: Path, width: int
) -> None:
    firefox.open(f"{(site / 'sub-01.html').as_uri()}#run={RUNS[1]}&strategy=24P", width)
    matrix = "document.querySelector('canvas[aria-label^=\"Pearson\"]')"
    firefox.wait_for(f"{matrix} !== null")
    firefox.ask(f"{matrix}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    left, top, size = firefox.place(matrix)
    values = data_of(RUNS[1]).matrices["24P"]
    for i, one in enumerate(ORDER):
        for j, other in enumerate(ORDER):
            x, y = (left + (j + 0.5) / 6 * size, top + (i + 0.5) / 6 * size)
            firefox.point(x, y)
            wanted = f"{NAMES[one]} – {NAMES[other]}: {two_decimals(values[one, other])}"
            assert firefox.ask(TIP) == wanted
    firefox.point(x, y, click=True)
    assert firefox.ask("document.querySelector('#region h3').textContent") == NAMES[ORDER[5]]
    assert "region=S1" in firefox.ask("location.hash")
    assert firefox.ask("document.documentElement.scrollWidth <= innerWidth")
    assert firefox.complaints() == []


def test_firefox_goes_back_to_the_choice_before(firefox: Firefox, site: Path) -> None:
    firefox.open((site / "sub-01.html").as_uri())
    drawn = "document.querySelector('canvas[aria-label^=\"Pearson correlation, {}\"]') !== null"
    firefox.wait_for(drawn.format("36P"))
    firefox.ask(
        "((one) => { one.value = '24P'; one.dispatchEvent(new Event('change')); })"
        "(document.querySelector('select[name=strategy]'))"
    )
    firefox.wait_for(drawn.format("24P"))
    firefox.ask("history.back()")
    firefox.wait_for(drawn.format("36P"))
    assert firefox.ask("document.querySelector('select[name=strategy]').value") == "36P"


def test_firefox_draws_the_page_of_the_group(firefox: Firefox, tmp_path: Path) -> None:
    write_group(tmp_path, static=False)
    firefox.open((tmp_path / "group.html").as_uri())
    firefox.wait_for("document.querySelector('#runs-table td') !== null")
    cells = "[...document.querySelectorAll('#runs-table tr > :nth-child(8)')]"
    texts = firefox.ask(f"{cells}.map((one) => one.textContent)")
    assert texts == ["mean FD (mm)", *(f"{one:.3f}" for one in quality()["mean_fd"])]
    for section in ("quality", "matrices", "strategies", "missing-labels"):
        drawn = f"document.querySelector('#{section} .drawing')"
        firefox.ask(f"{drawn}.scrollIntoView({{ behavior: 'instant' }})")
        firefox.wait_for(f"{drawn}.querySelector('svg') !== null")
    titles = "[...document.querySelectorAll('#matrices .title')].map((one) => one.textContent)"
    assert firefox.ask(titles) == list(STRATEGIES)
    assert firefox.ask("document.documentElement.scrollWidth <= innerWidth")
    assert firefox.complaints() == []
