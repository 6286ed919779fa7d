from __future__ import annotations

import re

import matplotlib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from bids_labelx.report.brain import plot_label_values, plot_labels
from bids_labelx.report.figures import NO_VALUE, REGIONS, render_figure
from bids_labelx.report.label_colours import PALETTE

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


def test_labels_are_drawn_the_same_whatever_the_user_s_settings() -> None:
    theirs = {"font.family": "serif", "axes.titlelocation": "left", "savefig.bbox": "tight"}
    usual = render_figure(plot_labels(*box_of_labels(), AFFINE), "png")
    with matplotlib.rc_context(theirs):
        assert render_figure(plot_labels(*box_of_labels(), AFFINE), "png") == usual


def test_labels_without_a_volume_are_opaque_on_black() -> None:
    _, labels = box_of_labels()
    for axes in panels(plot_labels(None, labels, AFFINE)):
        assert set(np.unique(overlay(axes)[..., 3])) <= {0, 255}
        assert overlay(axes)[..., 3].any()
        assert not np.asarray(axes.images[0].get_array()).any()
        assert axes.images[0].get_clim()[0] == 0


def test_colours_come_from_the_colormap_that_is_asked_for() -> None:
    labels = np.zeros((6, 6, 6), int)
    labels[:3], labels[3:] = 1, 2
    figure = plot_labels(None, labels, np.eye(4), cmap="tab10")
    overlay = figure.axes[0].images[1].get_array()
    known = {tuple(np.rint(255 * np.array(c)).astype(int)) for c in colormaps["tab10"].colors}
    seen = {tuple(int(v) for v in pixel[:3]) for row in overlay for pixel in row if pixel[3]}
    assert seen
    assert seen <= known


def test_panels_note_the_label_under_each_voxel() -> None:
    background, labels = box_of_labels()
    figure = plot_labels(background, labels, AFFINE)
    present = [label for label in np.unique(labels) if label]
    for axes in panels(figure):
        shown = np.asarray(axes.images[1].get_array())
        marks = axes.images[2]
        assert marks.get_gid() == REGIONS
        assert not marks.get_visible()
        assert tuple(marks.get_extent()) == tuple(axes.images[1].get_extent())
        cells = np.asarray(marks.get_array())[::-1]
        np.testing.assert_array_equal(cells >= 0, shown[..., 3] > 0)
        # A label has one colour, and cells of one label are of one colour.
        for rank in set(cells[cells >= 0].tolist()):
            assert 0 <= rank < len(present)
            assert len(np.unique(shown[cells == rank], axis=0)) == 1


def test_values_are_drawn_label_by_label_with_their_scale() -> None:
    labels = np.zeros((6, 6, 6), dtype=int)
    labels[1:3, 1:5, 1:5], labels[3:5, 1:5, 1:5], labels[5, 1:5, 1:5] = 7, 9, 30
    figure = plot_label_values(
        None, labels, np.eye(4), {7: 0.25, 9: np.nan, 100: 1.0}, measure="share", limits=(0, 1)
    )
    expected = {
        0: to_rgb(NO_VALUE),
        7: colormaps["cividis"](0.25)[:3],
        9: to_rgb(NO_VALUE),
        30: to_rgb(NO_VALUE),
    }
    present = (7, 9, 30)
    seen = set()
    for axes in figure.axes:
        if axes.images:
            shown = np.asarray(axes.images[1].get_array())
            cells = np.asarray(axes.images[2].get_array())[::-1]
            for rank in set(cells[cells >= 0].tolist()):
                np.testing.assert_allclose(
                    shown[cells == rank][0, :3] / 255, expected[present[rank]], atol=0.01
                )
                seen.add(present[rank])
    assert seen == {7, 9, 30}
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "share"
    assert bar.get_ylim() == (0, 1)


def test_values_beyond_the_scale_have_the_colour_of_its_end() -> None:
    labels = np.ones((4, 4, 4), dtype=int)
    figure = plot_label_values(None, labels, np.eye(4), {1: 7.0}, measure="m", limits=(0, 2))
    shown = np.asarray(figure.axes[0].images[1].get_array())
    np.testing.assert_allclose(shown[0, 0, :3] / 255, colormaps["cividis"](1.0)[:3], atol=0.01)
