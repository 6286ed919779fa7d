"""A participant's page in a browser: what is chosen, in the bar, the address and the pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from browsing import Opened, pixels, two_decimals
from participant_site import (
    CELLS,
    COVERAGE,
    NAMES,
    ORDER,
    RUNS,
    STRATEGIES,
    VOLUMES,
    data_of,
    z_scored,
)

COUNT = len(NAMES)
SQUARE = (COUNT, COUNT)
CARPET = (COUNT, VOLUMES)
TIME = (1, VOLUMES)


def address(opened: Opened) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlparse(opened.page.url).fragment).items()}


def first_pair(opened: Opened, run: str, strategy: str) -> bool:
    """Whether the matrix of a run and strategy is drawn, by its first pair."""
    opened.page.locator(f'canvas[aria-label^="Pearson correlation, {strategy}:"]').wait_for()
    value = data_of(run).matrices[strategy][ORDER[0], ORDER[1]]
    told = opened.tip_of(opened.picture(f"Pearson correlation, {strategy}:"), SQUARE, 0, 1)
    return told == f"{NAMES[ORDER[0]]} – {NAMES[ORDER[1]]}: {two_decimals(value)}"


def choose(opened: Opened, name: str, value: str) -> None:
    before = opened.page.locator("#drawn").element_handle()
    opened.page.locator(f"select[name={name}]").select_option(value)
    before.wait_for_element_state("hidden")
    opened.page.locator("#drawn").wait_for(state="attached")


def test_first_run_and_strategy_as_typed_are_shown_at_first(opened: Opened) -> None:
    wanted = {"run": RUNS[0], "atlas": "AAL", "statistic": "mean", "strategy": STRATEGIES[0]}
    assert address(opened) == {**wanted, "measure": "correlation"}
    assert opened.page.locator("section.run:visible > h2").text_content().split() == [
        RUNS[0],
        "✓",
        "done",
    ]
    assert first_pair(opened, RUNS[0], STRATEGIES[0])
    options = opened.page.locator("select[name=strategy] option").all_text_contents()
    assert options == STRATEGIES
    assert not opened.page.locator("select[name=atlas]").is_visible()


def test_choice_is_kept_in_the_address_and_back_undoes_it(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html")
    opened.page.locator("#pictures h2").wait_for()
    choose(opened, "run", RUNS[1])
    choose(opened, "strategy", "24P")
    choose(opened, "beside", "36P")
    here = address(opened)
    assert (here["run"], here["strategy"], here["beside"]) == (RUNS[1], "24P", "36P")
    assert first_pair(opened, RUNS[1], "24P")
    assert first_pair(opened, RUNS[1], "36P")
    assert opened.page.locator("section.run:visible").count() == 1

    again = Opened(browser, site / "sub-01.html", anchor=f"#{urlparse(opened.page.url).fragment}")
    assert first_pair(again, RUNS[1], "24P")
    assert first_pair(again, RUNS[1], "36P")
    assert address(again) == here
    again.page.context.close()

    opened.page.go_back()
    opened.page.go_back()
    assert first_pair(opened, RUNS[1], "36P")
    assert "beside" not in address(opened)
    opened.page.go_back()
    assert first_pair(opened, RUNS[0], "36P")
    opened.page.go_forward()
    assert first_pair(opened, RUNS[1], "36P")
    assert opened.page.locator("select[name=run]").input_value() == RUNS[1]
    assert opened.complaints == []
    opened.page.context.close()


def test_address_of_what_is_not_there_is_told(browser: Any, site: Path) -> None:
    anchor = "#run=task-gone&strategy=12P&atlas=AAL&measure=mutual&region=V9"
    opened = Opened(browser, site / "sub-01.html", anchor=anchor)
    assert first_pair(opened, RUNS[0], STRATEGIES[0])
    told = opened.page.locator("#choice [role=status]").text_content()
    assert told == "Not in this page: run task-gone, strategy 12P, measure mutual, region V9."
    choose(opened, "strategy", "24P")
    assert opened.page.locator("#choice [role=status]").text_content() == ""
    opened.page.context.close()


def test_pictures_stand_below_the_strategies_and_above_other_tables(opened: Opened) -> None:
    for run, select in (("run-1", RUNS[0]), ("run-2", RUNS[1])):
        opened.page.locator("select[name=run]").select_option(select)
        opened.page.locator(f"#{run} #drawn h2").wait_for()
        order = opened.page.locator(f"#{run} > *").evaluate_all(
            "found => found.map((one) => one.id || one.querySelector('h3')?.textContent || '')"
        )
        assert [text for text in order if text] == ["Strategies", "pictures", "Labels", "Figures"]


def test_plain_anchor_works_as_in_any_page(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", anchor="#methods")
    opened.page.locator("#drawn h2").wait_for()
    assert 0 <= opened.page.locator("#methods h2").bounding_box()["y"] < 900
    assert opened.page.url.endswith("#methods")
    assert first_pair(opened, RUNS[0], STRATEGIES[0])
    opened.page.context.close()
    opened = Opened(browser, site / "sub-01.html", anchor="#run-2")
    assert first_pair(opened, RUNS[1], STRATEGIES[0])
    opened.page.context.close()
    opened = Opened(browser, site / "sub-01.html", anchor="#methods", java_script_enabled=False)
    assert 0 <= opened.page.locator("#methods").bounding_box()["y"] < 900
    opened.page.context.close()


def test_list_of_runs_chooses_one(opened: Opened) -> None:
    opened.page.locator("#summary .runs a").nth(1).click()
    assert first_pair(opened, RUNS[1], STRATEGIES[0])
    assert opened.page.locator("#run-2").is_visible()
    assert not opened.page.locator("#run-1").is_visible()
    opened.page.locator("#summary .runs a").nth(2).click()
    opened.page.locator("#run-3").wait_for()
    assert opened.page.locator("canvas").count() == 0


def test_concatenated_runs_have_their_matrix(opened: Opened) -> None:
    choose(opened, "run", "concatenated_task-rest")
    assert first_pair(opened, RUNS[0], "36P")
    assert opened.page.locator("#concatenated").is_visible()
    assert not opened.page.locator("#run-1").is_visible()
    opened.click(opened.picture("Pearson"), SQUARE, 0, 1)
    assert opened.page.locator("#region h3").text_content() == NAMES[ORDER[0]]
    strongest = opened.page.locator(".strongest td.number").all_text_contents()
    row = np.delete(data_of(RUNS[0]).matrices["36P"][ORDER[0]], ORDER[0])
    row = row[np.isfinite(row)]
    wanted = row[np.argsort(-np.abs(row.round(2)), kind="stable")]
    np.testing.assert_allclose(np.abs(np.array(strongest, float)), np.abs(wanted), atol=0.0051)


def pick_in_matrix(opened: Opened, region: int) -> None:
    row = ORDER.index(region)
    opened.click(opened.picture("Pearson"), SQUARE, row, (row + 2) % COUNT)


def pick_in_brain(opened: Opened, region: int) -> None:
    rows, columns = np.nonzero(region + 1 == CELLS)
    opened.click(opened.picture("Brain, x"), CELLS.shape, int(rows[7]), int(columns[7]))


def pick_in_table(opened: Opened, region: int) -> None:
    table = opened.page.get_by_role("region", name="Regions of AAL")
    table.get_by_role("button", name=NAMES[region]).click()


def pick_in_carpet(opened: Opened, region: int) -> None:
    opened.click(opened.picture("Carpet, before"), CARPET, ORDER.index(region), 30)


def pick_in_coverage(opened: Opened, region: int) -> None:
    place = int(np.argsort(COVERAGE).tolist().index(region))
    opened.click(opened.picture("Coverage of each region"), (1, COUNT), 0, place)


def pick_in_list(opened: Opened, region: int) -> None:
    opened.page.locator(".lost button", has_text=NAMES[region]).click()


@pytest.mark.parametrize(
    ("pick", "region"),
    [
        pytest.param(pick_in_matrix, 3, id="matrix"),
        pytest.param(pick_in_brain, 5, id="brain"),
        pytest.param(pick_in_table, 2, id="table"),
        pytest.param(pick_in_carpet, 1, id="carpet"),
        pytest.param(pick_in_coverage, 0, id="coverage"),
        pytest.param(pick_in_list, 4, id="list-of-lost"),
    ],
)
def test_region_picked_in_one_place_is_the_region_everywhere(
    opened: Opened, pick: Callable[[Opened, int], None], region: int
) -> None:
    labels = ["Carpet, before", "Carpet, 36P", "Pearson", "Brain, x", "Coverage of each region"]
    opened.page.mouse.move(0, 0)
    before = {label: pixels(opened.picture(label)) for label in labels}
    pick(opened, region)
    opened.page.mouse.move(0, 0)
    opened.page.locator(":focus").evaluate_all("found => found.forEach((one) => one.blur())")
    assert address(opened)["region"] == NAMES[region]
    assert opened.page.locator("#region h3").text_content() == NAMES[region]
    facts = opened.page.locator("#region .facts").inner_text()
    assert f"{COVERAGE[region]:.2f}" in facts
    assert ("missing: outside-mask" if region == 4 else "has data") in facts
    chosen = opened.page.locator('tr[aria-selected="true"]')
    assert chosen.locator("th").all_text_contents() == [NAMES[region]]
    for label, shot in before.items():
        marked = pixels(opened.picture(label))
        changed = (np.abs(marked - shot).max(axis=-1) > 0.02).any(axis=1)
        assert changed.any(), label
        if label.startswith("Carpet"):
            # Its row, and the outline around it.
            middle = np.flatnonzero(changed).mean() / len(changed) * COUNT
            assert middle == pytest.approx(ORDER.index(region) + 0.5, abs=0.35)
    assert opened.page.locator("[role=status].unseen").text_content() == f"{NAMES[region]} chosen"
    opened.page.locator("#region .close").click()
    assert "region" not in address(opened)
    for label, shot in before.items():
        np.testing.assert_array_equal(pixels(opened.picture(label)), shot)


def test_panel_has_the_series_of_the_region(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", anchor="#region=A1&beside=24P")
    picture = opened.picture("Series of the region")
    data, region = data_of(RUNS[0]), NAMES.index("A1")
    curves = {"before": z_scored(data.before)[:, region]}
    for name in STRATEGIES:
        curves[name] = np.full(VOLUMES, np.nan)
        curves[name][data.kept[name]] = z_scored(data.after[name])[:, region]
    for volume in range(0, VOLUMES, 7):
        lines = opened.tip_of(picture, TIME, 0, volume).split("\n")[1:]
        assert len(lines) == 3
        for line, (name, curve) in zip(lines, curves.items(), strict=True):
            title, value = line.split(": ")
            assert title == name
            wanted = curve[volume]
            told = np.nan if value == "n/a" else float(value)
            assert told == pytest.approx(wanted, abs=0.0501, nan_ok=True)
    opened.page.context.close()


def test_region_stays_when_strategy_and_run_change(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", anchor="#region=A1")
    opened.page.locator("#region h3").wait_for()
    choose(opened, "strategy", "24P")
    choose(opened, "run", RUNS[1])
    assert opened.page.locator("#region h3").text_content() == "A1"
    assert address(opened)["region"] == "A1"
    opened.page.context.close()


def test_volume_picked_in_motion_marks_strip_carpets_and_regressors(opened: Opened) -> None:
    labels = ["std. DVARS", "Volumes censored", "Carpet, before", "Carpet, 36P", "3 regressors"]
    opened.page.mouse.move(0, 0)
    before = {label: pixels(opened.picture(label)) for label in labels}
    opened.click(opened.picture("FD (mm)"), TIME, 0, 33)
    opened.page.mouse.move(0, 0)
    for label, shot in before.items():
        marked = pixels(opened.picture(label))
        changed = np.flatnonzero((np.abs(marked - shot).max(axis=-1) > 0.02).any(axis=0))
        assert changed.size, label
        assert changed.mean() / shot.shape[1] * VOLUMES == pytest.approx(33.5, abs=0.3)


def test_pictures_of_a_run_are_drawn_without_a_strategy_s_results(
    browser: Any, site: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "copy")
    name = "sub-01_task-rest & 50%_atlas-AAL_stat-mean_desc-36P_report.js"
    (tmp_path / "copy/sub-01/figures" / name).write_bytes(b"")
    opened = Opened(browser, tmp_path / "copy" / "sub-01.html")
    opened.page.locator("#drawn #regions").wait_for()
    assert opened.page.locator("main > .failure[role=alert]").count() == 1
    assert opened.complaints == []
    for label in ("FD (mm) by volume", "Carpet, before", "Brain", "Coverage of each"):
        assert opened.page.locator(f'canvas[aria-label^="{label}"]').count(), label
    opened.page.context.close()


def test_missing_data_are_told_and_the_rest_is_drawn(
    browser: Any, site: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "copy")
    gone = tmp_path / "copy/sub-01/figures/sub-01_task-rest & 50%_atlas-AAL_stat-mean_report.js"
    gone.unlink()
    opened = Opened(browser, tmp_path / "copy" / "sub-01.html")
    assert first_pair(opened, RUNS[0], STRATEGIES[0])
    message = opened.page.locator("main > .failure[role=alert]")
    assert message.text_content() == (
        "Data of this page cannot be read: "
        "sub-01/figures/sub-01_task-rest & 50%_atlas-AAL_stat-mean_report.js"
    )
    assert opened.page.locator('canvas[aria-label^="Carpet, before"]').count() == 0
    assert opened.page.locator('canvas[aria-label^="Carpet, 36P"]').count() == 1
    opened.page.context.close()
