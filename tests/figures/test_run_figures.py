from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bids_labelx.figures.runs import (
    Cleaned,
    plot_carpet,
    plot_coverage,
    plot_design,
    plot_spectrum,
)
from bids_labelx.figures.style import render_figure


def sides(axes: Axes, patch: Patch) -> tuple[float, float]:
    """Where a patch begins and ends, whichever shape a release of matplotlib makes it of."""
    box = patch.get_extents().transformed(axes.transData.inverted())
    return box.x0, box.x1


def test_bars_are_sorted_by_coverage_with_missing_ones_in_another_style() -> None:
    coverage = np.array([0.9, np.nan, 0.4, 0.6])
    missing = np.array([False, True, True, False])
    axes = plot_coverage(coverage, list("abcd"), missing, threshold=0.5).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == list("bcda")
    bars = sorted((p.get_x() + 0.4, p.get_height(), p.get_hatch()) for p in axes.patches)
    assert [(round(x), height) for x, height, _ in bars] == [(0, 0), (1, 0.4), (2, 0.6), (3, 0.9)]
    assert [hatch is not None for *_, hatch in bars] == [True, True, False, False]
    line = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert set(line.get_ydata()) == {0.5}
    cross = next(line for line in axes.lines if line.get_marker() == "x")
    assert list(cross.get_xdata()) == [0]
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"present (2)", "missing (2)"}


@pytest.mark.parametrize("count", [41, 1000])
def test_many_bars_are_one_shape_and_without_names(count: int) -> None:
    coverage = np.linspace(1, 0, count)
    axes = plot_coverage(coverage, ["n"] * count, coverage < 0.5, threshold=0.5).axes[0]
    assert len(axes.patches) == 2
    assert axes.get_xticklabels() == []
    assert f"{count:,} labels" in axes.get_xlabel()
    kept = next(p for p in axes.patches if p.get_hatch() is None).get_data().values
    np.testing.assert_allclose(kept, np.where(coverage < 0.5, 0, coverage)[::-1])
    assert len(render_figure(axes.figure, "svg")) < 200_000


@pytest.fixture
def carpet() -> tuple[np.ndarray, list[Cleaned], list[Axes]]:
    rng = np.random.default_rng(0)
    before = rng.normal(100, 5, (30, 4))
    before[:, 1] = np.nan
    kept = np.ones(30, dtype=bool)
    kept[[0, 7, 8]] = False
    after = [
        Cleaned("one", np.ones(30, dtype=bool), before - 100),
        Cleaned("two", kept, rng.normal(0, 1, (27, 4))),
    ]
    motion = {"FD (mm)": np.r_[np.nan, rng.uniform(0, 1, 29)], "std. DVARS": np.ones(30)}
    figure = plot_carpet(
        before,
        after,
        networks=["b", "a", "b", "n/a"],
        motion=motion,
        thresholds={"FD (mm)": 0.5},
        t_r=2.0,
    )
    figure.draw_without_rendering()
    return before, after, figure.axes


def test_a_carpet_has_motion_then_censored_volumes_then_before_and_after(
    carpet: tuple[np.ndarray, list[Cleaned], list[Axes]],
) -> None:
    _, after, axes = carpet
    assert [one.get_ylabel() for one in axes] == [
        "FD (mm)",
        "std. DVARS",
        "",
        "before",
        "one",
        "two",
        "",
    ]
    assert axes[-1].get_title() == "z"
    (seconds,) = axes[0].child_axes
    ticks = [float(text.get_text()) for text in seconds.get_xticklabels()]
    np.testing.assert_allclose(ticks, 2 * seconds.get_xticks())
    assert [len(one.lines) for one in axes[:2]] == [2, 1]
    assert set(axes[0].lines[1].get_ydata()) == {0.5}
    out = np.asarray(axes[2].images[0].get_array())
    np.testing.assert_array_equal(out, [~one.kept for one in after])
    names = [text.get_text() for text in axes[2].get_yticklabels()]
    assert names == ["one: 0 censored", "two: 3 censored"]
    assert len({one.get_xlim() for one in axes[:-1]}) == 1


def test_a_row_of_a_carpet_is_a_region_at_unit_variance_over_the_volumes_kept(
    carpet: tuple[np.ndarray, list[Cleaned], list[Axes]],
) -> None:
    before, after, axes = carpet
    order = [0, 2, 1, 3]  # network b, a, none
    for panel, kept, series in (
        (axes[3], np.ones(30, dtype=bool), before),
        (axes[5], after[1].kept, after[1].series),
    ):
        shown = np.ma.asarray(panel.images[0].get_array())
        assert shown.shape == (4, 30)
        for row, region in enumerate(order):
            values = series[:, region]
            if np.isnan(values).any():
                assert shown[row].mask.all()
                continue
            expected = (values - values.mean()) / values.std()
            np.testing.assert_allclose(np.asarray(shown[row])[kept], expected)
            np.testing.assert_array_equal(np.ma.getmaskarray(shown[row]), ~kept)
        low, high = panel.images[0].get_clim()
        assert low == -high
    assert [t.get_text() for t in axes[3].get_yticklabels()] == ["b", "a", "no network"]


def test_a_carpet_without_motion_networks_and_strategies() -> None:
    before = np.random.default_rng(0).normal(size=(12, 3))
    figure = plot_carpet(before, [], networks=None, motion={}, thresholds={})
    assert [one.get_ylabel() for one in figure.axes] == ["before", ""]


def test_a_long_run_stays_legible_and_small() -> None:
    before = np.random.default_rng(0).normal(size=(1200, 400))
    figure = plot_carpet(before, [], networks=None, motion={}, thresholds={})
    assert len(render_figure(figure, "png")) < 1_000_000


def test_a_design_shows_each_regressor_at_unit_variance_and_no_dropped_volume() -> None:
    values = np.random.default_rng(0).normal(5, 3, (20, 3))
    values[:, 1] = 7
    kept = np.ones(20, dtype=bool)
    kept[4] = False
    axes = plot_design(values, list("abc"), kept, title="t").axes[0]
    shown = np.ma.asarray(axes.images[0].get_array())
    own = values[kept, 0]
    np.testing.assert_allclose(np.asarray(shown[kept, 0]), (own - own.mean()) / own.std())
    assert (np.asarray(shown[kept, 1]) == 0).all()
    assert np.ma.getmaskarray(shown)[4].all()
    assert [text.get_text() for text in axes.get_xticklabels()] == list("abc")


def test_a_design_names_all_of_many_regressors_whole() -> None:
    names = [f"a_comp_cor_{i:02d}_derivative1_power2" for i in range(100)]
    values = np.random.default_rng(0).normal(size=(20, 100))
    axes = plot_design(values, names, np.ones(20, dtype=bool), title="t").axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == names
    axes.figure.draw_without_rendering()
    lowest = min(text.get_window_extent().y0 for text in axes.get_xticklabels())
    assert lowest >= 0


def test_a_spectrum_shades_the_pass_band() -> None:
    frequencies = np.linspace(0.01, 0.25, 25)
    before, after = np.full(25, 4.0), np.r_[np.full(10, 9.0), np.full(15, 1e-30)]
    axes = plot_spectrum(frequencies, before, after, band=(0.02, 0.1), title="t").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), before)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), after)
    (band,) = axes.patches
    assert sides(axes, band) == pytest.approx((0.02, 0.1))
    # Rounding errors of a filter do not set the scale.
    assert axes.get_ylim()[0] > 1e-5
    open_end = plot_spectrum(frequencies, before, after, band=(0.02, None), title="t").axes[0]
    assert sides(open_end, open_end.patches[0])[1] == pytest.approx(0.25)
    none = plot_spectrum(frequencies, before, after, band=(None, None), title="t").axes[0]
    assert list(none.patches) == []
