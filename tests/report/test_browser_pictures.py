"""Pictures of a participant's page in a browser: they show the numbers that they are made from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from browsing import Opened, colours, pixels, two_decimals
from participant_site import (
    CELLS,
    COVERAGE,
    LOST,
    NAMES,
    NETWORKS,
    ORDER,
    RUNS,
    STRATEGIES,
    T_R,
    VOLUMES,
    covariance,
    data_of,
    z_scored,
)

from bids_labelx.pictures.packing import read_script, write_script
from bids_labelx.pictures.run_data import matrix_data

DATA = data_of(RUNS[0])
COUNT = len(NAMES)
SQUARE = (COUNT, COUNT)
TIME = (1, VOLUMES)
GREY = np.array(matplotlib.colors.to_rgb("#bdbdbd"))


def one_decimal(value: float) -> str:
    if np.isnan(value):
        return "n/a"
    text = f"{value:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text


@pytest.mark.parametrize("width", [1440, 400])
def test_every_cell_of_a_matrix_tells_its_pair_and_value(
    browser: Any, site: Path, width: int
) -> None:
    opened = Opened(browser, site / "sub-01.html", width)
    picture = opened.picture("Pearson")
    for i, one in enumerate(ORDER):
        for j, other in enumerate(ORDER):
            value = two_decimals(DATA.matrices["36P"][one, other])
            wanted = f"{NAMES[one]} – {NAMES[other]}: {value}"
            assert opened.tip_of(picture, SQUARE, i, j) == wanted
            tip = opened.page.locator(".tip").bounding_box()
            assert tip["x"] >= 0
            assert tip["x"] + tip["width"] <= width
    opened.page.context.close()


def test_large_values_have_no_digits_of_32_bit_numbers(
    browser: Any, site: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "copy")
    name = f"sub-01_{RUNS[0]} & 50%_atlas-AAL_stat-mean_desc-36P_report.js"
    matrix = np.full(SQUARE, 1.23e11)
    words = {"measure": "covariance", "words": "covariance", "file": Path("m.tsv")}
    content = read_script(site / "sub-01" / "figures" / name)
    content["matrices"] = [matrix_data(matrix, None, **words)]
    write_script(tmp_path / "copy" / "sub-01" / "figures" / name, content)
    opened = Opened(browser, tmp_path / "copy" / "sub-01.html")
    assert opened.tip_of(opened.picture("covariance"), SQUARE, 0, 1).endswith(": 123000000000")
    opened.page.context.close()


def test_colours_of_a_matrix_are_those_of_its_values(opened: Opened) -> None:
    matrix = DATA.matrices["36P"][np.ix_(ORDER, ORDER)].round(2)
    wanted = matplotlib.colormaps["RdBu_r"]((matrix + 1) / 2)[..., :3]
    wanted[np.isnan(matrix)] = GREY
    shown = colours(opened.picture("Pearson"), SQUARE)
    np.testing.assert_allclose(shown, wanted, atol=1.5 / 255)


def test_two_strategies_have_one_scale(browser: Any, site: Path) -> None:
    anchor = "#measure=covariance&strategy=36P&beside=24P"
    opened = Opened(browser, site / "sub-01.html", anchor=anchor)
    matrices = {name: covariance(DATA, name)[np.ix_(ORDER, ORDER)] for name in STRATEGIES}
    # The 99th percentile of what is off the diagonal, of the strategy with the larger values.
    off = [np.abs(one[~np.eye(COUNT, dtype=bool)]) for one in matrices.values()]
    limit = max(np.percentile(one[np.isfinite(one)], 99) for one in off)
    for name, matrix in matrices.items():
        shown = colours(opened.picture(f"covariance, {name}"), SQUARE)
        wanted = matplotlib.colormaps["RdBu_r"]((matrix + limit) / (2 * limit))[..., :3]
        wanted[np.isnan(matrix)] = GREY
        # Values are rounded to three digits: the colour is at most the next one.
        np.testing.assert_allclose(shown, wanted, atol=6 / 255)
    bars = opened.page.locator("#connectivity ~ .bar")
    ends = bars.first.locator(".ticks span").all_text_contents()
    assert [float(ends[0]), float(ends[2])] == pytest.approx([-limit, limit], rel=0.01)
    opened.page.context.close()


def test_histogram_counts_each_pair_once(opened: Opened) -> None:
    picture = opened.picture("Histogram")
    values = DATA.matrices["36P"][np.triu_indices(COUNT, 1)]
    values = values[np.isfinite(values)].round(2)
    assert len(values) == 10  # All pairs of the five regions with a value.
    seen = {}
    # More places than bins.
    for text in opened.tips(picture, (1, 300), [(0, place) for place in range(300)]):
        ends, count = text.split("\n")
        low, *high = map(float, ends.split(" to "))
        seen[low, *(high or [low])] = int(count.split()[1])
    assert sum(seen.values()) == len(values)
    for (low, high), count in seen.items():
        # Both ends are in the bar, as values have two decimals.
        assert ((values > low - 0.005) & (values < high + 0.005)).sum() == count


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        # As 32-bit numbers 0.57 and 0.58 are below themselves.
        pytest.param(0.01, [f"{0.5 + i / 100:.2f}\n36P: 1 pair" for i in range(15)], id="steps"),
        pytest.param(0.0, ["0.50\n36P: 15 pairs"], id="one-value"),
    ],
)
def test_bar_of_the_histogram_has_the_values_that_it_tells(
    browser: Any, site: Path, tmp_path: Path, step: float, wanted: list[str]
) -> None:
    shutil.copytree(site, tmp_path / "copy")
    name = f"sub-01_{RUNS[0]} & 50%_atlas-AAL_stat-mean_desc-36P_report.js"
    matrix = np.eye(COUNT)
    matrix[np.triu_indices(COUNT, 1)] = 0.5 + step * np.arange(15)
    matrix = np.fmax(matrix, matrix.T)
    words = {"measure": "correlation", "words": "Pearson correlation", "file": Path("m.tsv")}
    content = read_script(site / "sub-01" / "figures" / name)
    content["matrices"] = [matrix_data(matrix, None, **words)]
    write_script(tmp_path / "copy" / "sub-01" / "figures" / name, content)
    opened = Opened(browser, tmp_path / "copy" / "sub-01.html")
    texts = opened.tips(opened.picture("Histogram"), (1, 300), [(0, i) for i in range(300)])
    assert list(dict.fromkeys(texts)) == wanted
    opened.page.context.close()


def test_motion_curves_tell_value_volume_time_and_censoring(opened: Opened) -> None:
    picture = opened.picture("FD (mm)")
    wanted = []
    for volume, fd in enumerate(DATA.fd):
        value = "n/a" if np.isnan(fd) else f"{fd:.3f}"
        censored = "" if DATA.kept["36P"][volume] else ", censored"
        wanted.append(f"FD (mm): {value}\nvolume {volume} ({volume * T_R:.1f} s){censored}")
    assert opened.tips(picture, TIME, [(0, volume) for volume in range(VOLUMES)]) == wanted
    assert opened.tip_of(picture, TIME, 0, 40) == wanted[40]


def test_strip_tells_which_strategy_censors_a_volume(opened: Opened) -> None:
    picture = opened.picture("Volumes censored")
    for row, name in enumerate(STRATEGIES):
        wanted = [
            f"{name}: volume {volume} ({volume * T_R:.1f} s) {'kept' if kept else 'censored'}"
            for volume, kept in enumerate(DATA.kept[name])
        ]
        cells = [(row, volume) for volume in range(VOLUMES)]
        assert opened.tips(picture, (2, VOLUMES), cells) == wanted


@pytest.mark.parametrize("title", ["before", "36P"])
def test_carpet_tells_region_volume_and_value(opened: Opened, title: str) -> None:
    series = np.full((VOLUMES, COUNT), np.nan)
    if title == "before":
        series[:] = z_scored(DATA.before)
    else:
        series[DATA.kept[title]] = z_scored(DATA.after[title])
    picture = opened.picture(f"Carpet, {title}")
    for row, region in enumerate(ORDER):
        wanted = [
            f"{NAMES[region]}: {one_decimal(series[volume, region])}\n"
            f"volume {volume} ({volume * T_R:.1f} s), {title}"
            for volume in range(VOLUMES)
        ]
        cells = [(row, volume) for volume in range(VOLUMES)]
        assert opened.tips(picture, (COUNT, VOLUMES), cells) == wanted
    shown = colours(picture, (COUNT, VOLUMES))[:, 1]
    grey = matplotlib.colormaps["gray"]((series[1, ORDER].round(1) + 2) / 4)[:, :3]
    grey[np.isnan(series[1, ORDER])] = GREY
    np.testing.assert_allclose(shown, grey, atol=1.5 / 255)


def test_brain_tells_the_region_below_every_pixel(opened: Opened) -> None:
    picture = opened.picture("Brain, z")
    texts = [""] + [
        f"{NAMES[region]}, {NETWORKS[region]}\ncoverage {COVERAGE[region]:.2f}"
        + ("\nmissing: outside-mask" if region == LOST else "")
        for region in range(COUNT)
    ]
    wanted = [texts[region] for region in CELLS.ravel()]
    assert opened.tips(picture, CELLS.shape, np.ndindex(*CELLS.shape)) == wanted
    assert opened.tip_of(picture, CELLS.shape, 13, 8) == texts[LOST + 1]


def test_brain_has_the_colours_of_coverage(opened: Opened) -> None:
    opened.page.get_by_role("radio", name="Coverage").check()
    shown = colours(opened.picture("Brain, z"), CELLS.shape)
    for region, coverage in enumerate(COVERAGE):
        if region != LOST:  # Hatched.
            wanted = matplotlib.colormaps["cividis"](coverage)[:3]
            # Letters for the sides are on some of its pixels.
            inside = np.median(shown[region + 1 == CELLS], axis=0)
            np.testing.assert_allclose(inside, wanted, atol=1.5 / 255)


def test_brain_has_the_colours_of_the_chosen_region_s_row(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "sub-01.html", anchor="#region=A1")
    opened.page.get_by_role("radio", name="Connectivity").check()
    picture = opened.picture("Brain, z")
    row = DATA.matrices["36P"][NAMES.index("A1")].round(2)
    shown = colours(picture, CELLS.shape)
    for region in (0, 2, 5):
        wanted = matplotlib.colormaps["RdBu_r"]((row[region] + 1) / 2)[:3]
        inside = np.median(shown[region + 1 == CELLS], axis=0)
        np.testing.assert_allclose(inside, wanted, atol=1.5 / 255)
    told = opened.tip_of(picture, CELLS.shape, 12, 17)
    assert told.endswith(f"Pearson correlation with A1: {two_decimals(row[5])}")
    opened.page.context.close()


def test_lost_region_is_hatched_and_listed_whatever_is_shown(opened: Opened) -> None:
    vermillion = np.array(matplotlib.colors.to_rgb("#d55e00"))
    for mode in ("Labels", "Coverage"):
        opened.page.get_by_role("radio", name=mode).check()
        shot = opened.picture("Brain, z")
        share = []
        for region in (LOST, 0):
            rows, columns = np.nonzero(region + 1 == CELLS)
            box = shot.bounding_box()
            scale = box["width"] / CELLS.shape[1]
            inside = pixels(shot)[
                int(rows.min() * scale) + 3 : int((rows.max() + 1) * scale) - 3,
                int(columns.min() * scale) + 3 : int((columns.max() + 1) * scale) - 3,
            ]
            share.append((np.abs(inside - vermillion).max(axis=-1) < 0.12).mean())
        assert share[0] > 0.05
        assert share[1] == 0
    assert opened.page.locator(".lost summary").text_content() == (
        f"✗ 1 of {COUNT} regions missing (hatched)"
    )
    assert opened.page.locator(".lost li").all_text_contents() == ["Lost (outside-mask)"]


def test_coverage_bars_are_in_order(opened: Opened) -> None:
    picture = opened.picture("Coverage of each region")
    for column, region in enumerate(np.argsort(COVERAGE)):
        told = opened.tip_of(picture, (1, COUNT), 0, column).split("\n")
        assert told[:2] == [
            f"{NAMES[region]}, {NETWORKS[region]}",
            f"coverage {COVERAGE[region]:.2f}",
        ]


def test_spectrum_tells_power_before_and_after(opened: Opened) -> None:
    picture = opened.picture("Power by frequency")
    frequencies = np.linspace(0.01, 0.2, 20)
    for column, hertz in enumerate(frequencies):
        lines = opened.tip_of(picture, (1, 20), 0, column).split("\n")
        assert float(lines[0].removesuffix(" Hz")) == pytest.approx(hertz)
        for line, name, power in zip(
            lines[1:], ("before", "36P"), (2 / hertz, 1 / hertz), strict=True
        ):
            title, value = line.removesuffix(" per Hz").split(": ")
            assert title == name
            assert float(value) == pytest.approx(power, rel=0.06)


@pytest.mark.parametrize("width", [1440, 400])
def test_regressors_have_whole_names_and_their_values(
    browser: Any, site: Path, width: int
) -> None:
    opened = Opened(browser, site / "sub-01.html", width)
    picture = opened.picture("3 regressors")
    kept = DATA.kept["36P"]
    for row, (name, curve) in enumerate(DATA.regressors.items()):
        scored = (curve - curve[kept].mean()) / curve[kept].std()
        told = opened.tips(picture, (3, VOLUMES), [(row, i) for i in range(VOLUMES)])
        wanted = [f"{name}: {one_decimal(value)}" for value in scored]
        assert [text.split("\n")[0] for text in told] == wanted
    names = opened.page.locator(".whole .names.left span:visible")
    assert names.all_text_contents()[:3] == list(DATA.regressors)
    cut = names.evaluate_all("all => all.slice(0, 3).filter((a) => a.scrollWidth > a.clientWidth)")
    assert cut == []
    opened.page.context.close()


def test_confounds_tell_their_correlations(opened: Opened) -> None:
    picture = opened.picture("Correlations between 3 confounds")
    values = np.array(list(DATA.regressors.values()))
    wanted = np.corrcoef(values)
    names = list(DATA.regressors)
    for i in range(3):
        for j in range(3):
            told = opened.tip_of(picture, (3, 3), i, j)
            assert told == f"{names[i]} – {names[j]}: {two_decimals(wanted[i, j])}"


def test_table_of_regions_has_every_region(opened: Opened) -> None:
    table = opened.page.get_by_role("region", name="Regions of AAL").locator("table")
    assert opened.column(1, table) == NAMES
    assert opened.column(4, table) == [f"{one:.2f}" for one in COVERAGE]
    assert opened.column(6, table) == [str((i + 1 == CELLS).sum()) for i in range(COUNT)]
