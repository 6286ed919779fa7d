from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from bids_labelx.figures.axis_names import MAX_NAMES, NO_NETWORK
from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.style import save_figure
from bids_labelx.pictures.label_colours import NO_VALUE
from bids_labelx.pictures.run_data import network_order


def tick_names(axes: Axes) -> tuple[list[str], list[str]]:
    return (
        [text.get_text() for text in axes.get_xticklabels()],
        [text.get_text() for text in axes.get_yticklabels()],
    )


def names_of(count: int) -> list[str]:
    return [f"region {i}" for i in range(count)]


def borders(axes: Axes) -> set[float]:
    """Where horizontal lines cross a matrix."""
    ends = [np.asarray(line.get_ydata()) for line in axes.lines]
    return {float(first) for first, second in ends if first == second}


def test_a_small_matrix_names_every_region_in_order() -> None:
    axes = plot_matrix(np.eye(6), names_of(6), title="t").axes[0]
    assert tick_names(axes) == (names_of(6), names_of(6))


@pytest.mark.parametrize("count", [41, 100, 400, 1000])
def test_a_large_matrix_names_every_nth_region_and_says_so(count: int) -> None:
    axes = plot_matrix(np.eye(count), names_of(count), title="t").axes[0]
    shown = tick_names(axes)[1]
    step = -(-count // len(shown))
    assert 1 < len(shown) <= MAX_NAMES
    assert shown == names_of(count)[::step]
    assert axes.get_xlabel() == f"{count} regions, one name in {step} shown"


def test_regions_are_ordered_by_network_and_networks_get_borders() -> None:
    networks = ["Vis"] * 30 + ["n/a"] * 5 + ["Default"] * 35 + ["Vis"] * 30
    values = np.arange(100.0 * 100).reshape(100, 100)
    axes = plot_matrix(values, names_of(100), networks=networks, title="t").axes[0]
    assert tick_names(axes)[1] == ["Vis", "Default", NO_NETWORK]
    order = [*range(30), *range(70, 100), *range(35, 70), *range(30, 35)]
    assert network_order(networks, 100).tolist() == order
    np.testing.assert_array_equal(axes.images[0].get_array(), values[np.ix_(order, order)])
    assert borders(axes) == {59.5, 94.5}
    assert axes.get_xlabel() == "100 regions, by network"


def test_names_follow_their_regions() -> None:
    axes = plot_matrix(np.eye(4), list("abcd"), networks=list("xyxy"), title="t").axes[0]
    assert tick_names(axes) == (list("acbd"), list("acbd"))


def test_a_small_matrix_with_networks_still_names_its_regions() -> None:
    networks = ["Vis", "Vis", "Limbic"]
    axes = plot_matrix(np.eye(3), names_of(3), networks=networks, title="t").axes[0]
    above = axes.child_axes[0]
    assert tick_names(axes) == (names_of(3), names_of(3))
    assert [text.get_text() for text in above.get_xticklabels()] == ["Vis", "Limbic"]


def test_a_network_too_narrow_for_its_name_loses_the_name_and_keeps_its_border() -> None:
    networks = ["A"] * 199 + ["B"] + ["C"] + ["D"] * 199
    axes = plot_matrix(np.eye(400), names_of(400), networks=networks, title="t").axes[0]
    assert tick_names(axes)[1] == ["A", "B", "D"]
    assert borders(axes) == {198.5, 199.5, 200.5}


def test_more_networks_than_names_are_left_out() -> None:
    networks = [f"network {(7 * i) % 50}" for i in range(100)]
    values = np.arange(100.0 * 100).reshape(100, 100)
    axes = plot_matrix(values, names_of(100), networks=networks, title="t").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    assert borders(axes) == set()
    assert "one name in" in axes.get_xlabel()


@pytest.mark.parametrize(("limits", "expected"), [((-1.0, 1.0), (-1.0, 1.0)), (None, (-4.0, 4.0))])
def test_colour_scale_is_symmetric_about_zero(
    limits: tuple[float, float] | None, expected: tuple[float, float]
) -> None:
    values = np.array([[50.0, -4.0], [-4.0, 50.0]])
    axes = plot_matrix(values, names_of(2), title="t", limits=limits).axes[0]
    assert axes.images[0].get_clim() == expected


def test_a_scale_off_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        plot_matrix(np.eye(2), names_of(2), title="t", limits=(0.0, 1.0))


def test_the_histogram_stands_at_the_scale_and_counts_every_pair_once() -> None:
    values = np.zeros((4, 4))
    pairs = [(0, 1, 9.0), (0, 2, 0.31), (0, 3, -7.0), (1, 2, 0.32), (1, 3, np.nan), (2, 3, 1.0)]
    for i, j, value in pairs:
        values[i, j] = values[j, i] = value
    axes = plot_matrix(values, names_of(4), title="t", limits=(-1, 1), measure="covariance").axes[
        0
    ]
    bar = axes.images[0].colorbar
    assert bar is not None
    scale, counts = axes.child_axes[:2]
    assert scale is bar.ax
    assert counts.get_ylabel() == "covariance"
    assert counts.get_ylim() == scale.get_ylim() == (-1, 1)
    found = {round(p.get_y(), 2): p.get_width() for p in counts.patches if p.get_width()}
    # Those beyond the limits are at the ends; 40 bars.
    assert found == {-1.0: 1, 0.3: 2, 0.95: 2}


def test_missing_regions_are_grey_and_explained() -> None:
    values = np.ones((4, 4))
    values[1], values[:, 1] = np.nan, np.nan
    figure = plot_matrix(values, names_of(4), title="t")
    image = figure.axes[0].images[0]
    assert np.ma.getmaskarray(image.get_array()).sum() == 7
    assert to_hex(image.get_cmap()(np.ma.masked)) == NO_VALUE
    assert [text.get_text() for text in figure.legends[0].texts] == ["no value (n/a)"]


def test_a_whole_matrix_needs_no_legend() -> None:
    assert plot_matrix(np.eye(3), names_of(3), title="t").legends == []


def test_a_matrix_without_any_value_is_drawn(tmp_path: Path) -> None:
    figure = plot_matrix(np.full((3, 3), np.nan), names_of(3), title="t")
    save_figure(figure, tmp_path / "empty.svg")
    assert figure.axes[0].images[0].get_clim() == (-1, 1)


def test_long_names_keep_their_end() -> None:
    name = "17Networks_LH_SalVentAttnA_ParOper_12"
    shown = tick_names(plot_matrix(np.eye(1), [name], title="t").axes[0])[1][0]
    assert shown.startswith("17Networks")
    assert shown.endswith("ParOper_12")
    assert len(shown) <= 26


@pytest.mark.parametrize(
    ("names", "networks"), [(names_of(2), None), ([], None), (names_of(3), ["A"])]
)
def test_names_and_networks_must_fit_the_matrix(
    names: Sequence[str], networks: Sequence[str] | None
) -> None:
    with pytest.raises(ValueError, match=r"2 names|0 names|1 networks"):
        plot_matrix(np.eye(3), names, networks=networks, title="t")
