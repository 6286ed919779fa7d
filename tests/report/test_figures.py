from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from bids_labelx.report.figures import (
    MAX_NAMES,
    NO_VALUE,
    PALETTE,
    plot_labels,
    plot_matrix,
    save_figure,
)

SHAPE = (20, 24, 16)
AFFINE = np.array([[3.0, 0, 0, -30], [0, 2, 0, -20], [0, 0, 4, -10], [0, 0, 0, 1]])


def box_of_labels() -> tuple[np.ndarray, np.ndarray]:
    """One label left and one right of the middle, on a bright box in a dark volume."""
    background = np.zeros(SHAPE)
    background[2:18, 2:22, 2:14] = 100 + np.arange(12)
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[4:9, 5:19, 4:12] = 9170
    labels[11:16, 5:19, 4:12] = 1175
    return background, labels


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def overlay(axes: Axes) -> np.ndarray:
    return np.asarray(axes.images[1].get_array())


def texts(axes: Axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


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


def positions(figure: Figure) -> list[int]:
    found = (re.fullmatch(r"[xyz] = ([-−]?\d+) mm", axes.get_title()) for axes in panels(figure))
    return [int(match[1].replace("−", "-")) for match in found if match]


def test_labels_are_drawn_in_three_rows_of_five_slices() -> None:
    figure = plot_labels(*box_of_labels(), AFFINE)
    assert [axes.get_title()[0] for axes in panels(figure)] == ["x"] * 5 + ["y"] * 5 + ["z"] * 5


def test_every_slice_holds_labels() -> None:
    background, labels = box_of_labels()
    labels[:] = 0
    labels[[3, 16], 5:8, 5:8] = 1
    labels[3, 20, 12] = 2
    assert all(
        overlay(axes)[..., 3].any() for axes in panels(plot_labels(background, labels, AFFINE))
    )


def test_slice_positions_are_millimetres_of_the_affine() -> None:
    background, labels = box_of_labels()
    labels[:] = 0
    labels[7, 9, 3] = 1
    figure = plot_labels(background, labels, AFFINE)
    assert positions(figure) == [7 * 3 - 30, 9 * 2 - 20, 3 * 4 - 10]


@pytest.mark.parametrize("codes", ["LAS", "RPI", "SAL", "PIR"])
def test_panels_are_the_same_however_the_array_is_stored(codes: str) -> None:
    background, labels = box_of_labels()
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    stored = plot_labels(
        apply_orientation(background, turn),
        apply_orientation(labels, turn),
        AFFINE @ inv_ornt_aff(turn, SHAPE),
    )
    for one, other in zip(
        panels(plot_labels(background, labels, AFFINE)), panels(stored), strict=True
    ):
        assert one.get_title() == other.get_title()
        np.testing.assert_allclose(one.images[0].get_extent(), other.images[0].get_extent())
        np.testing.assert_array_equal(one.images[0].get_array(), other.images[0].get_array())
        np.testing.assert_array_equal(overlay(one), overlay(other))


def test_left_is_on_the_left_and_marked() -> None:
    background, labels = box_of_labels()
    labels[labels == 1175] = 0
    axial = [
        axes
        for axes in panels(plot_labels(background, labels, AFFINE))
        if axes.get_title()[0] == "z"
    ]
    for axes in axial:
        left, right, *_ = axes.images[1].get_extent()
        columns = np.flatnonzero(overlay(axes)[..., 3].any(axis=0))
        x = left + (columns + 0.5) / overlay(axes).shape[1] * (right - left)
        assert x.max() < 0
        assert x.min() == pytest.approx(4 * 3 - 30)
        assert texts(axes) == {"L", "R"}
        assert next(text for text in axes.texts if text.get_text() == "L").get_position()[0] < 0.5


def test_sagittal_slices_mark_front_and_back() -> None:
    assert texts(panels(plot_labels(*box_of_labels(), AFFINE))[0]) == {"P", "A"}


def test_voxels_have_their_true_aspect() -> None:
    for axes in panels(plot_labels(*box_of_labels(), AFFINE)):
        left, right, bottom, top = axes.images[0].get_extent()
        rows, columns = axes.images[0].get_array().shape
        across, up = {"x": (2, 4), "y": (3, 4), "z": (3, 2)}[axes.get_title()[0]]
        assert (right - left) / columns == pytest.approx(across)
        assert (top - bottom) / rows == pytest.approx(up)
        assert axes.get_aspect() in (1.0, "equal")


def test_grey_scale_is_not_set_by_outliers() -> None:
    background, labels = box_of_labels()
    background[5, 5, 5], background[6, 6, 6] = 1e9, np.nan
    low, high = panels(plot_labels(background, labels, AFFINE))[0].images[0].get_clim()
    assert (low, high) == (100, 111)


def test_touching_labels_differ_in_colour_with_400_labels() -> None:
    rng = np.random.default_rng(1)
    seeds = rng.uniform(0, 40, (400, 3))
    grid = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = (grid**2).sum(1)[:, None] - 2 * grid @ seeds.T + (seeds**2).sum(1)
    labels = distance.argmin(axis=1).reshape(40, 40, 40) + 1
    figure = plot_labels(np.ones(labels.shape), labels, np.eye(4))
    same = different = 0
    for axes, index in zip(panels(figure), positions(figure), strict=True):
        cut = np.take(labels, index, axis="xyz".index(axes.get_title()[0])).T
        touch = cut[1:] != cut[:-1]
        equal = (overlay(axes)[1:] == overlay(axes)[:-1]).all(axis=-1)
        same += int((touch & equal).sum())
        different += int((touch & ~equal).sum())
    assert same < 0.02 * different


def test_colours_come_from_the_palette_and_stay_with_their_label() -> None:
    background, labels = box_of_labels()
    seen = {
        to_hex(colour[:3] / 255)
        for axes in panels(plot_labels(background, labels, AFFINE))
        for colour in overlay(axes)[overlay(axes)[..., 3] > 0]
    }
    assert len(seen) == 2
    assert seen < set(PALETTE)


def test_a_volume_without_labels_is_drawn_bare() -> None:
    background, labels = box_of_labels()
    figure = plot_labels(background, labels * 0, AFFINE)
    assert len(panels(figure)) == 15
    assert not any(overlay(axes)[..., 3].any() for axes in panels(figure))


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        plot_labels(np.zeros((4, 4, 4)), np.zeros((4, 4, 5), dtype=int), np.eye(4))


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


def test_networks_keep_the_order_of_the_table_and_get_borders() -> None:
    networks = ["Vis"] * 30 + ["Default"] * 40 + ["Vis"] * 30
    values = np.arange(100.0 * 100).reshape(100, 100)
    axes = plot_matrix(values, names_of(100), networks=networks, title="t").axes[0]
    assert tick_names(axes)[1] == ["Vis", "Default", "Vis"]
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    assert borders(axes) == {29.5, 69.5}
    assert axes.get_xlabel() == "100 regions, by network"


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


def test_networks_in_no_order_are_left_out() -> None:
    networks = ["A", "B"] * 50
    axes = plot_matrix(np.eye(100), names_of(100), networks=networks, title="t").axes[0]
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


def test_colour_bar_says_what_the_values_are_and_that_some_lie_beyond() -> None:
    figure = plot_matrix(
        np.array([[50.0, 1.0], [1.0, 50.0]]), names_of(2), title="t", measure="covariance"
    )
    bar = figure.axes[0].images[0].colorbar
    assert bar is not None
    assert bar.ax.get_ylabel() == "covariance"
    assert bar.extend == "max"


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


def test_svg_keeps_text_and_takes_no_mathematics_from_names(tmp_path: Path) -> None:
    figure = plot_matrix(np.eye(2), ["cost $x_1$ or $y", "b<script>"], title="Title $t$")
    save_figure(figure, tmp_path / "new" / "matrix.svg")
    svg = (tmp_path / "new" / "matrix.svg").read_text()
    assert "cost $x_1$ or $y" in svg
    assert "Title $t$" in svg
    assert "<script" not in svg
    assert "dc:date" not in svg


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        save_figure(plot_matrix(np.eye(5), names_of(5), networks=list("aabbb"), title="t"), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_labels_are_saved_without_a_left_over(tmp_path: Path) -> None:
    save_figure(plot_labels(*box_of_labels(), AFFINE), tmp_path / "labels.png")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.png"]
    assert (tmp_path / "labels.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")

    def half(_figure: Figure, unfinished: Path, **_: object) -> None:
        unfinished.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="disk full"):
        save_figure(Figure(), path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.svg": "old"}


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        save_figure(Figure(), tmp_path / "a.pdf")
