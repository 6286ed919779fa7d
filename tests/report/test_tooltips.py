from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_labelx.report.figures import mark_regions, plot_matrix, render_figure
from bids_labelx.report.tooltips import CALLBACK, tooltip_script

NAMES = [f"region {i}" for i in range(6)]
NETWORKS = ["b", "a", "b", "n/a", "a", "b"]
PALETTE = matplotlib.colormaps["tab10"]


def read(script: str) -> dict[str, Any]:
    return json.loads(script.removeprefix(f"{CALLBACK}(").removesuffix(");\n"))


def matrix_of(count: int, *, symmetric: bool = True) -> NDArray[Any]:
    values = np.random.default_rng(count).uniform(-1, 1, (count, count))
    return (values + values.T) / 2 if symmetric else values


def unpacked(box: dict[str, Any]) -> NDArray[Any]:
    """A matrix as a reader of the documented form builds it."""
    count, flat = box["rows"], np.frombuffer(base64.b64decode(box["values"]), dtype="<f4")
    if not box["symmetric"]:
        return flat.reshape(count, count)
    matrix = np.empty((count, count), dtype=np.float32)
    upper = np.triu_indices(count)
    matrix[upper] = matrix.T[upper] = flat
    return matrix


def pixels(figure: Figure) -> NDArray[Any]:
    return matplotlib.image.imread(BytesIO(render_figure(figure, "png")))


def middles(box: dict[str, Any], image: NDArray[Any]) -> NDArray[Any]:
    """The colour in the middle of each cell of a box, shape (rows, columns, 4)."""
    left, top, right, bottom = box["box"]
    x = left + (np.arange(box["columns"]) + 0.5) / box["columns"] * (right - left)
    y = top + (np.arange(box["rows"]) + 0.5) / box["rows"] * (bottom - top)
    height, width = image.shape[:2]
    return image[np.ix_((y * height).astype(int), (x * width).astype(int))]


def panels(cells: NDArray[Any]) -> Figure:
    """Two panels of one plane, of which the right one is not as wide as its axes."""
    figure = Figure(figsize=(6, 3), dpi=100)
    for axes, width in zip(figure.subplots(1, 2), (80, 40), strict=True):
        extent = (-width / 2, width / 2, 10, 70)
        drawn = np.ma.masked_less(cells, 0)
        axes.imshow(drawn, extent=extent, cmap=PALETTE, vmin=0, vmax=9, interpolation="nearest")
        axes.set_axis_off()
        mark_regions(axes, cells, extent)
    return figure


CELLS = np.array([[0, 0, -1, 1], [2, 2, 2, 1], [-1, -1, 3, 3]])


@pytest.mark.parametrize("first", ["hover", "png", "svg"])
@pytest.mark.parametrize("networks", [None, NETWORKS])
def test_matrix_cells_lie_where_their_colours_are(first: str, networks: list[str] | None) -> None:
    figure = plot_matrix(
        matrix_of(6), NAMES, networks=networks, title="m" * 60, limits=(-1.0, 1.0)
    )
    if first != "hover":
        render_figure(figure, first)  # type: ignore[arg-type]
    (box,) = read(tooltip_script(figure, names=NAMES, texts=()))["boxes"]
    colours = matplotlib.colormaps["RdBu_r"]((unpacked(box) + 1) / 2)
    np.testing.assert_allclose(middles(box, pixels(figure)), colours, atol=2 / 255)


@pytest.mark.parametrize("first", ["hover", "svg"])
def test_box_is_where_the_svg_has_the_image(first: str) -> None:
    figure = plot_matrix(matrix_of(6), NAMES, networks=NETWORKS, title="m")
    svg = render_figure(figure, "svg") if first == "svg" else b""
    (box,) = read(tooltip_script(figure, names=NAMES, texts=()))["boxes"]
    svg = svg or render_figure(figure, "svg")
    found = re.search(rb'id="matrix".*?matrix\((\S+) 0 0 \S+ (\S+) (\S+)\)', svg)
    assert found is not None
    scale, left, top = map(float, found.groups())
    width, height = (72 * inches for inches in figure.get_size_inches())
    right, bottom = left + 6 * scale, top + 6 * scale
    wanted = [left / width, top / height, right / width, bottom / height]
    assert box["box"] == pytest.approx(wanted, abs=1e-4)


def test_region_cells_lie_where_their_colours_are() -> None:
    figure = panels(CELLS)
    boxes = read(tooltip_script(figure, names=(), texts=list("abcd")))["boxes"]
    image = pixels(figure)
    wanted = np.array([[PALETTE(c) if c >= 0 else to_rgba("white") for c in r] for r in CELLS])
    assert len(boxes) == 2
    for box in boxes:
        np.testing.assert_allclose(middles(box, image), wanted, atol=2 / 255)


def test_region_cells_are_run_lengths_row_by_row() -> None:
    box, _ = read(tooltip_script(panels(CELLS), names=(), texts=list("abcd")))["boxes"]
    assert (box["rows"], box["columns"]) == CELLS.shape
    assert box["cells"] == [0, 2, -1, 1, 1, 1, 2, 3, 1, 1, -1, 2, 3, 2]
    runs = np.reshape(box["cells"], (-1, 2))
    assert np.repeat(runs[:, 0], runs[:, 1]).tolist() == CELLS.ravel().tolist()


def test_images_of_axes_within_axes_are_found() -> None:
    figure = Figure()
    inner = figure.add_subplot().inset_axes((0.5, 0.5, 0.25, 0.25))
    mark_regions(inner, np.array([[0]]), (0, 1, 0, 1))
    (box,) = read(tooltip_script(figure, names=(), texts=["a"]))["boxes"]
    outer = figure.axes[0].get_position()
    assert box["box"][0] == pytest.approx(outer.x0 + outer.width / 2, abs=1e-5)
    assert box["box"][3] == pytest.approx(1 - outer.y0 - outer.height / 2, abs=1e-5)


@pytest.mark.parametrize("symmetric", [True, False])
def test_values_come_back_with_their_gaps(symmetric: bool) -> None:
    matrix = matrix_of(6, symmetric=symmetric)
    matrix[2] = np.nan
    matrix[:, 2] = np.nan
    figure = plot_matrix(matrix, NAMES, title="m")
    (box,) = read(tooltip_script(figure, names=NAMES, texts=()))["boxes"]
    assert box["symmetric"] is symmetric
    assert len(base64.b64decode(box["values"])) == 4 * (21 if symmetric else 36)
    np.testing.assert_array_equal(unpacked(box), matrix.astype(np.float32))


def test_a_gap_on_one_side_alone_is_kept() -> None:
    matrix = matrix_of(3)
    matrix[0, 2] = np.nan
    (box,) = read(
        tooltip_script(plot_matrix(matrix, NAMES[:3], title="m"), names=NAMES[:3], texts=())
    )["boxes"]
    assert not box["symmetric"]
    np.testing.assert_array_equal(unpacked(box), matrix.astype(np.float32))


def test_other_images_are_left_out() -> None:
    figure = Figure()
    figure.add_subplot().imshow(np.zeros((2, 2)))
    assert read(tooltip_script(figure, names=(), texts=()))["boxes"] == []


def test_script_is_ascii_without_markup_and_keeps_the_words() -> None:
    evil = ["</script><script>alert(1)</script>", "\u2028\u2029\"'\\\n", "V1·Ä"]
    script = tooltip_script(
        plot_matrix(matrix_of(3), NAMES[:3], title="m"), names=evil, texts=evil
    )
    assert script.isascii()
    assert "<" not in script
    assert script.count("\n") == 1
    assert read(script)["names"] == read(script)["texts"] == evil


def test_same_figure_gives_the_same_script() -> None:
    figures = [plot_matrix(matrix_of(6), NAMES, networks=NETWORKS, title="m") for _ in range(2)]
    render_figure(figures[0], "svg")
    render_figure(figures[1], "svg")
    one, other = (tooltip_script(figure, names=NAMES, texts=()) for figure in figures)
    assert one == other == tooltip_script(figures[0], names=NAMES, texts=())


def test_names_that_are_not_the_matrix_s_are_refused() -> None:
    figure = plot_matrix(matrix_of(6), NAMES, title="m")
    with pytest.raises(ValueError, match=r"5 names for a matrix of shape \(6, 6\)"):
        tooltip_script(figure, names=NAMES[:5], texts=())


def test_cell_without_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="3 texts for cells of region 3"):
        tooltip_script(panels(CELLS), names=(), texts=list("abc"))
