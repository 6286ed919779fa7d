from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from bids_labelx.figures.group import (
    Distribution,
    bin_edges,
    plot_cost,
    plot_distance_dependence,
    plot_distributions,
    plot_qcfc,
)
from bids_labelx.figures.style import render_figure
from bids_labelx.group.evidence import EdgeSummary, Evidence, chance_median, summarize_edges


def distribution(title: str, n: int, excluded: int = 0, seed: int = 0) -> Distribution:
    rng = np.random.default_rng(seed)
    values = np.r_[rng.uniform(0.1, 0.3, n), rng.uniform(0.4, 0.9, excluded)]
    return Distribution(title, values, np.arange(n + excluded) >= n, np.arange(n + excluded))


def drawn(
    panels: list[Distribution],
    ends: tuple[float, float] | None = None,
    limit: float | None = None,
) -> Figure:
    return plot_distributions(panels, bin_edges(panels, ends, limit), "measure", limit)


def evidence(strategy: str, n_regions: int = 12, **row: Any) -> Evidence:
    rng = np.random.default_rng(len(strategy))
    r = np.tanh(rng.normal(0, 0.4, (n_regions, n_regions)))
    mm = rng.uniform(10, 120, r.shape)
    usual = {
        "strategy": strategy,
        "participants": 20,
        "motion": "mean_fd",
        "median_abs_qcfc": 0.25,
        "distance_dependence": -0.1,
        "modularity": 0.3,
        "signed_modularity": 0.2,
    }
    entities = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": strategy}
    return Evidence(entities, usual | row, summarize_edges(r, mm), (10, 20.0, 45), 200.0)


def without_edges(strategy: str) -> Evidence:
    nothing = np.full((3, 3), np.nan)
    row = {"strategy": strategy, "participants": 2, "motion": "mean_fd", "median_abs_qcfc": None}
    row |= {"distance_dependence": None, "modularity": None, "signed_modularity": None}
    return Evidence({}, row, summarize_edges(nothing, nothing), (0, 0.0, 0), 100.0)


@pytest.mark.parametrize(("n", "excluded"), [(1, 0), (8, 3), (100_000, 20_000), (0, 0)])
def test_every_run_is_in_one_bar(n: int, excluded: int) -> None:
    panel = distribution("a", n, excluded)
    (axes,) = drawn([panel], limit=0.35).axes
    kept, out = axes.containers
    assert sum(bar.get_height() for bar in kept) == n
    assert sum(bar.get_height() for bar in out) == excluded
    assert len(kept) <= 45
    assert {bar.get_hatch() for bar in kept} == {None}
    assert {bar.get_hatch() for bar in out} == {"////"}


def test_no_bar_is_on_both_sides_of_the_limit() -> None:
    (axes,) = drawn([distribution("a", 50, 9)], limit=0.337).axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0.337, 0.337]
    for bar in axes.containers[0]:
        left, right = bar.get_x(), bar.get_x() + bar.get_width()
        assert right <= 0.337 + 1e-9 or left >= 0.337 - 1e-9


def test_panels_of_runs_share_their_axes_in_order() -> None:
    panels = [distribution(name, 10 * (1 + i)) for i, name in enumerate("abcdef")]
    figure = drawn(panels, (0.0, 1.0))
    assert [axes.get_title() for axes in figure.axes] == list("abcdef")
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert [len(axes.lines) for axes in figure.axes] == [0] * 6


def test_excluded_is_in_the_legend_where_there_is_any() -> None:
    def legend(excluded: int) -> list[str]:
        panels = [distribution("a", 5), distribution("b", 5, excluded)]
        return [text.get_text() for text in drawn(panels).legends[0].texts]

    assert legend(0) == ["included"]
    assert legend(1) == ["included", "excluded"]


def test_a_limit_beyond_all_values_is_in_the_figure() -> None:
    (axes,) = drawn([distribution("a", 5)], limit=5.0).axes
    assert axes.get_xlim()[1] >= 5


@pytest.mark.parametrize("limit", [None, 0.3, 0.337, 2.0], ids=str)
@pytest.mark.parametrize("ends", [None, (0.0, 1.0)], ids=["open", "shares"])
def test_every_bar_is_whole_and_every_value_in_one(
    ends: tuple[float, float] | None, limit: float | None
) -> None:
    panels = [distribution("a", 40, 9), distribution("b", 3, 1, seed=1)]
    panels[0].values[:2] = 1.0, 0.0
    edges = bin_edges(panels, ends, limit)
    assert np.ptp(np.diff(edges)) < 1e-9
    for panel, axes in zip(panels, drawn(panels, ends, limit).axes, strict=True):
        low, high = axes.get_xlim()
        assert all(low < bar.get_x() for bar in axes.patches)
        assert all(bar.get_x() + bar.get_width() < high for bar in axes.patches)
        # The bars of excluded runs stand on those of the others.
        assert sum(bar.get_height() for bar in axes.patches) == len(panel.values)


def test_qcfc_panels_have_counts_medians_and_chance() -> None:
    some = [evidence("none"), evidence("simple", median_abs_qcfc=0.1)]
    figure = plot_qcfc(some)
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["none", "simple"]
    assert figure.axes[1].get_title().endswith("median |r| 0.10, 66 edges")
    for axes, one in zip(figure.axes, some, strict=True):
        assert axes.get_xlim() == (-1, 1)
        band, steps = axes.patches
        heights = steps.get_data().values
        np.testing.assert_allclose(heights * 66 / 100, one.edges.counts)
        box = band.get_extents().transformed(axes.transData.inverted())
        assert box.x0 == pytest.approx(-chance_median(20))
        median = one.row["median_abs_qcfc"]
        assert [np.asarray(line.get_xdata())[0] for line in axes.lines] == [median, -median]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_a_strategy_without_qcfc_keeps_its_panel() -> None:
    some = [without_edges("none"), evidence("simple")]
    for figure in (plot_qcfc(some), plot_distance_dependence(some)):
        assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["none", "simple"]
        assert figure.legends
    assert plot_qcfc(some).axes[0].get_title() == "none\nno QC-FC"
    assert plot_distance_dependence(some).axes[0].get_title() == "none\nrho n/a"


def test_distance_has_the_medians_of_bins_and_edges_where_they_are_few() -> None:
    some = [evidence("few"), evidence("many", 60)]
    figure = plot_distance_dependence(some)
    for axes, one, points in zip(figure.axes, some, (66, 0), strict=True):
        line = axes.lines[1]
        np.testing.assert_array_equal(line.get_xdata(), one.edges.distance)
        np.testing.assert_array_equal(line.get_ydata(), one.edges.quartiles[1])
        shown = [c for c in axes.collections if c.get_label() == "edges"]
        assert sum(len(c.get_offsets()) for c in shown) == points
    assert figure.axes[0].get_title() == "few\nrho −0.10"


def test_figures_of_many_edges_stay_small() -> None:
    big = [evidence(name, 400) for name in ("a", "b", "c", "d", "e")]
    for plot in (plot_qcfc, plot_distance_dependence, plot_cost):
        assert len(render_figure(plot(big), "svg")) < 150_000


def test_cost_is_a_bar_per_strategy_from_the_top_with_its_spread() -> None:
    some = [evidence("none"), evidence("simple", modularity=None), evidence("x", modularity=-0.1)]
    lost, modularity, signed = plot_cost(some).axes
    assert [text.get_text() for text in signed.texts] == ["0.20"] * 3
    assert signed.get_xlim() == modularity.get_xlim()
    assert [text.get_text() for text in lost.get_yticklabels()] == ["none", "simple", "x"]
    assert lost.yaxis_inverted()
    assert [bar.get_width() for bar in lost.patches] == [20] * 3
    (spread,) = [c for c in lost.collections if len(c.get_segments()) == 3]
    assert spread.get_segments()[0][:, 0].tolist() == [10, 45]
    widths = [bar.get_width() for bar in modularity.patches]
    assert widths[0] == 0.3
    assert np.isnan(widths[1])
    assert widths[2] == -0.1
    low, high = modularity.get_xlim()
    assert low < -0.1 < 0.3 < high
    assert [text.get_text() for text in modularity.texts] == ["0.30", "n/a", "−0.10"]


def test_without_networks_there_is_no_panel_of_modularity() -> None:
    nothing = evidence("a", modularity=None, signed_modularity=None)
    assert len(plot_cost([nothing]).axes) == 1
    assert len(plot_cost([without_edges("a")]).axes) == 1


def test_mathematics_in_names_is_text_and_long_names_are_whole() -> None:
    name = "a$x_1$ " + "b" * 60
    some = [evidence(name), evidence("none")]
    for plot in (plot_qcfc, plot_distance_dependence, plot_cost):
        svg = render_figure(plot(some), "svg").decode()
        # A line per text.
        lines = re.findall(r">(a\$x_1\$ ?b*|b+)<", svg)
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")


def test_the_same_evidence_gives_the_same_bytes() -> None:
    some = [evidence("none"), evidence("simple")]
    for plot in (plot_qcfc, plot_distance_dependence, plot_cost):
        assert render_figure(plot(some), "svg") == render_figure(plot(some), "svg")
    panel = distribution("a", 9, 3)
    assert render_figure(drawn([panel]), "svg") == render_figure(drawn([panel]), "svg")


def test_an_edge_summary_without_a_bin_is_drawn() -> None:
    one = evidence("a")
    bare = EdgeSummary(one.edges.counts, np.empty(0), np.empty((3, 0)), np.empty((0, 2)))
    figure = plot_distance_dependence([Evidence({}, one.row, bare, one.lost, 200.0)])
    assert figure.axes[0].get_xlim() == (0, 1)
