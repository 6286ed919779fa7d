from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bids_labelx.figures.panels import colours_of, plot_labels, plot_values
from bids_labelx.figures.style import render_figure
from bids_labelx.pictures.label_colours import LABELS, MISSING, NO_VALUE
from bids_labelx.pictures.panels import Panel, Plane

# Region 1 above region 2 above none, in three columns from dark to bright.
REGIONS = np.repeat([1, 2, 0], 3).reshape(3, 3)
GREY = np.tile(np.array([0, 100, 200], np.uint8), (3, 1))
COLOURS = LABELS[:2]


def slices(background: np.ndarray | None = GREY, count: int = 2) -> list[Panel]:
    plane = Plane(2, 0.0, -6.0, 6.0, 10.0, -10.0)
    return [Panel(f"z = {i} mm", i, ("L", "R"), REGIONS, background, plane) for i in range(count)]


def views(marks: tuple[str, ...] = ("A", "P")) -> list[Panel]:
    return [Panel("left hemisphere, lateral", 0, marks, REGIONS * [0, 1, 1], GREY)]


def shown(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images and axes.get_title()]


def pixels(axes: Axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array()).astype(int)


def rgb(colour: str) -> np.ndarray:
    return 255 * np.array(to_rgb(colour))


def texts(figure: Figure) -> list[str]:
    legends = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return legends + [text.get_text() for text in figure.texts]


def test_labels_lie_over_the_background_of_a_slice() -> None:
    for axes in shown(plot_labels(slices(), COLOURS)):
        found = pixels(axes)
        for column, grey in enumerate(GREY[0]):
            for row, colour in enumerate(COLOURS):
                expected = 0.75 * rgb(colour) + 0.25 * grey
                np.testing.assert_allclose(found[row, column], expected, atol=1)
            assert found[2, column].tolist() == [grey] * 3


def test_labels_without_a_background_are_opaque_on_black() -> None:
    found = pixels(shown(plot_labels(slices(None), COLOURS))[0])
    np.testing.assert_allclose(found[0], [rgb(COLOURS[0])] * 3, atol=1)
    assert not found[2].any()


def test_labels_on_a_surface_are_shaded_by_its_light() -> None:
    found = pixels(shown(plot_labels(views(), COLOURS))[0])
    for column in (1, 2):
        share = 0.75 + 0.25 * GREY[0, column] / 255
        np.testing.assert_allclose(found[0, column], share * rgb(COLOURS[0]), atol=1)
    # Beside it is black, and what has no region is a darker grey than no value.
    assert not found[:, 0].any()
    assert len(set(found[2, 2].tolist())) == 1
    assert 0 < found[2, 1, 0] < found[2, 2, 0] < rgb(NO_VALUE)[0] * 0.6


@pytest.mark.parametrize("panels", [slices(), slices(None), views()], ids=["grey", "bare", "view"])
def test_values_have_exactly_the_colours_of_their_scale(panels: list[Panel]) -> None:
    figure = plot_values(panels, np.array([0.5, 7.0]), measure="share", limits=(0, 2))
    for axes in shown(figure):
        np.testing.assert_allclose(
            pixels(axes)[0, 2], 255 * np.array(colormaps["cividis"](0.25)[:3]), atol=1
        )
        np.testing.assert_allclose(
            pixels(axes)[1, 2], 255 * np.array(colormaps["cividis"](1.0)[:3]), atol=1
        )
    bar = figure.axes[-1]
    assert (bar.get_ylabel(), bar.get_ylim()) == ("share", (0, 2))
    assert texts(figure) == []


def test_regions_without_a_value_are_grey_and_said_to_be() -> None:
    figure = plot_values(slices(), np.array([np.nan, 1]), measure="m", limits=(0, 2))
    np.testing.assert_allclose(pixels(shown(figure)[0])[0], [rgb(NO_VALUE)] * 3, atol=1)
    assert texts(figure) == ["no value"]


def test_missing_regions_alone_are_striped_and_said_to_be() -> None:
    figure = plot_values(
        slices(), np.array([0.5, 1]), measure="m", limits=(0, 2), lost=np.array([False, True])
    )
    found = pixels(shown(figure)[0])
    striped = np.abs(found - rgb(MISSING)).max(axis=2) <= 1
    height = len(found) // 3
    assert 0.2 < striped[height : 2 * height].mean() < 0.5
    assert not striped[:height].any()
    assert not striped[2 * height :].any()
    own = 255 * np.array(colormaps["cividis"](0.5)[:3])
    rest = found[height : 2 * height][~striped[height : 2 * height]]
    np.testing.assert_allclose(rest, np.tile(own, (len(rest), 1)), atol=1)
    assert texts(figure) == ["missing"]


def test_networks_are_in_a_legend_and_a_note_below() -> None:
    networks = [("Vis", COLOURS[0]), ("Aud", COLOURS[1])]
    figure = plot_labels(slices(), COLOURS, networks, note="A note.")
    assert texts(figure) == ["Vis", "Aud", "A note."]
    faces = [patch.get_facecolor()[:3] for patch in figure.legends[0].get_patches()]
    assert faces == [to_rgb(colour) for colour in COLOURS]


def test_nothing_overlaps_with_twenty_networks_and_a_long_note() -> None:
    networks = [(f"a network of number {i}", LABELS[i % 7]) for i in range(20)]
    figure = plot_labels(slices(), COLOURS, networks, note="A sentence of some words. " * 12)
    figure.draw_without_rendering()
    (note,) = figure.texts
    legend = figure.legends[0].get_window_extent()
    lowest = min(axes.get_window_extent().y0 for axes in shown(figure))
    assert note.get_window_extent().y0 > 0
    assert note.get_window_extent().y1 <= legend.y0 + 1
    assert legend.y1 <= lowest
    assert max(note.get_window_extent().x1, legend.x1) <= figure.bbox.x1


def test_panels_have_their_true_aspect_and_titles() -> None:
    figure = plot_labels(slices(), COLOURS)
    assert [axes.get_title() for axes in shown(figure)] == ["z = 0 mm", "z = 1 mm"]
    for axes in shown(figure):
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(20 / 12, rel=0.01)
    first, second = (axes.get_position() for axes in shown(figure))
    assert first.y0 > second.y1


def test_letters_are_in_the_corners_and_words_below() -> None:
    def places(figure: Figure) -> list[tuple[str, float, bool]]:
        (axes,) = shown(figure)
        return [
            (text.get_text(), text.get_position()[0], text.get_position()[1] < 0)
            for text in axes.texts
        ]

    assert places(plot_labels(views(), COLOURS)) == [
        ("A", pytest.approx(0.02), False),
        ("P", pytest.approx(0.98), False),
    ]
    words = ("medial", "anterior", "lateral", "posterior", "medial")
    assert places(plot_labels(views(words), COLOURS)) == [
        (word, i / 4, True) for i, word in enumerate(words)
    ]


def test_the_figure_is_the_same_whatever_the_user_s_settings() -> None:
    theirs = {"font.family": "serif", "axes.titlelocation": "left", "savefig.bbox": "tight"}
    usual = render_figure(plot_labels(slices(), COLOURS, note="A note."), "png")
    with matplotlib.rc_context(theirs):
        assert render_figure(plot_labels(slices(), COLOURS, note="A note."), "png") == usual


def test_colours_of_a_colormap_are_its_own_or_ten() -> None:
    listed = colours_of("tab10")
    assert [to_rgb(one) for one in listed] == pytest.approx(
        [pytest.approx(one, abs=0.003) for one in colormaps["tab10"].colors]
    )
    assert len(colours_of(colormaps["viridis"])) == 10
