from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bids_labelx.meshes import Mesh, read_mesh, sphere
from bids_labelx.report.figures import NO_VALUE, REGIONS, render_figure
from bids_labelx.report.label_colours import PALETTE
from bids_labelx.report.surfaces import (
    BARE,
    BARE_BESIDE_VALUES,
    plot_surface_labels,
    plot_surface_values,
)
from bids_labelx.report.tooltips import tooltip_script

LATERAL, MEDIAL = 11, 7
COLOURS = np.array([to_rgb(name) for name in PALETTE]) * 255


def hemisphere(side: str) -> Mesh:
    """An ellipsoid of the size of a hemisphere, at its place."""
    ball = sphere(10242, side, "fsaverage5")
    assert ball is not None
    centre = {"L": -35.0, "R": 35.0}[side]
    return Mesh(ball.coordinates * (0.32, 0.8, 0.55) + (centre, -18, 12), ball.triangles, "pial")


def sided(mesh: Mesh) -> np.ndarray:
    """Labels of the lateral and the medial half of a hemisphere, none where they meet."""
    x = mesh.coordinates[:, 0]
    out = np.abs(x) - np.abs(x.mean())
    return np.select([out > 1, out < -1], [LATERAL, MEDIAL], 0)


def both() -> tuple[dict[str, Mesh], dict[str, np.ndarray]]:
    meshes = {side: hemisphere(side) for side in "LR"}
    return meshes, {side: sided(mesh) for side, mesh in meshes.items()}


@pytest.fixture(scope="module")
def usual() -> Figure:
    """Both hemispheres with their lateral and medial labels."""
    return plot_surface_labels(*both())


def nilearn_mesh(name: str) -> Mesh:
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        pytest.skip("nilearn's fsaverage5 meshes are not there")
    folder = Path(package.origin).parent / "datasets" / "data" / "fsaverage5"
    return read_mesh(folder / f"{name}.gii.gz")


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes if axes.images}


def picture(axes: Axes) -> np.ndarray:
    """The colours of a panel, the first row at the bottom and the first column at the left."""
    return np.asarray(axes.images[0].get_array())


def positions(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Data coordinates of the picture's columns and rows."""
    left, right, bottom, top = axes.images[0].get_extent()
    rows, columns = picture(axes).shape[:2]
    return (
        left + (np.arange(columns) + 0.5) / columns * (right - left),
        bottom + (np.arange(rows) + 0.5) / rows * (top - bottom),
    )


def regions(axes: Axes) -> np.ndarray:
    """Positions of the labels in the tooltips' cells, the first row at the bottom."""
    (marks,) = [image for image in axes.images if image.get_gid() == REGIONS]
    assert not marks.get_visible()
    assert tuple(marks.get_extent()) == tuple(axes.images[0].get_extent())
    return np.asarray(marks.get_array())[::-1]


def drawn(shown: np.ndarray) -> np.ndarray:
    return shown.any(axis=-1)


def test_each_hemisphere_is_drawn_from_outside_and_inside(usual: Figure) -> None:
    assert list(panels(usual)) == [
        "left hemisphere, lateral",
        "right hemisphere, lateral",
        "left hemisphere, medial",
        "right hemisphere, medial",
    ]


@pytest.mark.parametrize("view", ["lateral", "medial"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_label_is_seen_from_its_own_side_alone(usual: Figure, side: str, view: str) -> None:
    axes = panels(usual)[f"{side} hemisphere, {view}"]
    seen = set(np.unique(regions(axes))) - {-1}
    assert seen == {sorted((LATERAL, MEDIAL)).index({"lateral": LATERAL, "medial": MEDIAL}[view])}


@pytest.mark.parametrize(
    ("title", "front"),
    [
        ("left hemisphere, lateral", "left"),
        ("left hemisphere, medial", "right"),
        ("right hemisphere, lateral", "right"),
        ("right hemisphere, medial", "left"),
    ],
)
def test_the_front_and_the_top_are_where_they_belong(title: str, front: str) -> None:
    meshes, _ = both()
    labels = {}
    for side, mesh in meshes.items():
        _, y, z = (mesh.coordinates - mesh.coordinates.mean(axis=0)).T
        labels[side] = np.select([(y > 40) & (z > 0)], [5], 0)
    axes = panels(plot_surface_labels(meshes, labels))[title]
    rows, columns = np.nonzero(regions(axes) == 0)
    height, width = regions(axes).shape
    assert rows.min() > 0.45 * height
    if front == "left":
        assert columns.max() < width / 2
    else:
        assert columns.min() > width / 2
    letters = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert (letters["A"] < 0.5) == (front == "left")
    assert (letters["P"] < 0.5) != (front == "left")


def test_data_coordinates_are_millimetres(usual: Figure) -> None:
    meshes, _ = both()
    for axes in panels(usual).values():
        across, up = positions(axes)
        shown = drawn(picture(axes))
        y, z = meshes["L"].coordinates[:, 1:].T
        seen = across[shown.any(axis=0)]
        assert (seen.min(), seen.max()) == pytest.approx((y.min(), y.max()), abs=0.5)
        seen = up[shown.any(axis=1)]
        assert (seen.min(), seen.max()) == pytest.approx((z.min(), z.max()), abs=0.5)
        assert axes.get_aspect() in (1.0, "equal")


def nearest_by_hand(mesh: Mesh, y: float, z: float, sign: int) -> int:
    """The nearest corner of the nearest triangle that a ray along the x axis meets; -1 if none."""
    best, found = -np.inf, -1
    for corners in mesh.triangles[
        (mesh.coordinates[mesh.triangles, 1].min(axis=1) <= y)
        & (mesh.coordinates[mesh.triangles, 1].max(axis=1) >= y)
        & (mesh.coordinates[mesh.triangles, 2].min(axis=1) <= z)
        & (mesh.coordinates[mesh.triangles, 2].max(axis=1) >= z)
    ]:
        points = mesh.coordinates[corners]
        system = np.vstack([points[:, 1:].T, np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        weights = np.linalg.solve(system, (y, z, 1))
        depth = sign * weights @ points[:, 0]
        if weights.min() >= 0 and depth > best:
            best, found = depth, int(corners[weights.argmax()])
    return found


@pytest.mark.parametrize(("title", "sign"), [("lateral", -1), ("medial", 1)])
def test_of_a_folded_surface_the_nearest_fold_is_seen(title: str, sign: int) -> None:
    mesh = nilearn_mesh("pial_left")
    labels = np.arange(1, len(mesh.coordinates) + 1)
    values = {int(label): float(label) for label in labels}
    figure = plot_surface_values(
        {"L": mesh}, {"L": labels}, values, measure="x", limits=(1, len(labels)), cmap="gray"
    )
    axes = panels(figure)[f"left hemisphere, {title}"]
    ranks, (across, up) = regions(axes), positions(axes)
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(0, len(ranks), 150), rng.integers(0, ranks.shape[1], 150)
    # A tooltip's cell has the label of its middle.
    expected = [
        nearest_by_hand(mesh, across[5 * column + 2], up[5 * row + 2], sign)
        for row, column in zip(rows, columns, strict=True)
    ]
    assert ranks[rows, columns].tolist() == expected
    assert sum(vertex >= 0 for vertex in expected) > 50


def test_a_mesh_with_its_triangles_turned_is_lit_alike() -> None:
    mesh, labels = hemisphere("L"), {"L": np.zeros(10242, dtype=int)}
    turned = Mesh(mesh.coordinates, mesh.triangles[:, ::-1], mesh.kind)
    one, other = (
        picture(panels(plot_surface_labels({"L": each}, labels))["left hemisphere, lateral"])
        for each in (mesh, turned)
    )
    np.testing.assert_allclose(one.astype(int), other, atol=1)


def test_labels_have_colours_of_the_palette_shaded(usual: Figure) -> None:
    axes = panels(usual)["left hemisphere, lateral"]
    shown, ranks = picture(axes)[2::5, 2::5], regions(axes)
    pixels = shown[ranks >= 0].astype(float)
    brightness = pixels.sum(axis=1, keepdims=True)
    of_palette = COLOURS / COLOURS.sum(axis=1, keepdims=True)
    distance = np.abs(pixels / brightness - of_palette[:, None]).max(axis=2)
    (colour,) = np.unique(distance.argmin(axis=0))
    assert distance[colour].max() < 0.02
    factor = pixels.max(axis=1) / COLOURS[colour].max()
    assert factor.min() > 0.6
    assert factor.max() <= 1.01
    # What faces the observer is brighter than the rim.
    assert factor.max() - factor.min() > 0.1


def test_vertices_without_a_label_are_grey() -> None:
    meshes, labels = both()
    labels["L"][:] = 0
    shown = picture(panels(plot_surface_labels(meshes, labels))["left hemisphere, lateral"])
    pixels = shown[drawn(shown)]
    assert (pixels == pixels[:, :1]).all()
    assert pixels.max() <= BARE[0]
    assert pixels.min() >= BARE[0] // 2


def test_tooltips_refer_to_the_sorted_labels_of_both_hemispheres() -> None:
    meshes, labels = both()
    labels["L"], labels["R"] = np.where(labels["L"] > 0, 30, 0), np.where(labels["R"] > 0, 4, 0)
    found = {
        title: set(np.unique(regions(axes))) - {-1}
        for title, axes in panels(plot_surface_labels(meshes, labels)).items()
    }
    assert found == {
        title: {1 if title.startswith("left") else 0}
        for title in (
            f"{side} hemisphere, {view}"
            for side in ("left", "right")
            for view in ("lateral", "medial")
        )
    }


def test_tooltips_lie_over_the_panels(usual: Figure) -> None:
    figure = usual
    script = tooltip_script(figure, names=[], texts=["medial", "lateral"])
    boxes = re.findall(r'"box":\[([-\d.,]+)\]', script)
    figure.draw_without_rendering()
    places = [axes.get_position() for axes in panels(figure).values()]
    assert len(boxes) == 4
    for box, place in zip(boxes, places, strict=True):
        expected = (place.x0, 1 - place.y1, place.x1, 1 - place.y0)
        assert [float(share) for share in box.split(",")] == pytest.approx(expected, abs=1e-3)


def test_one_hemisphere_has_its_views_side_by_side() -> None:
    meshes, labels = both()
    figure = plot_surface_labels({"R": meshes["R"]}, {"R": labels["R"]})
    (first, one), (second, other) = panels(figure).items()
    assert (first, second) == ("right hemisphere, lateral", "right hemisphere, medial")
    assert one.get_position().y0 == other.get_position().y0
    assert one.get_position().x1 < other.get_position().x0


def test_values_have_the_colours_of_their_scale() -> None:
    meshes, labels = both()
    labels["R"] = np.where(labels["R"] > 0, labels["R"] + 100, 0)
    values = {LATERAL: 0.25, MEDIAL: 5.0, LATERAL + 100: np.nan}
    figure = plot_surface_values(meshes, labels, values, measure="share", limits=(0, 2))
    expected = {
        "left hemisphere, lateral": colormaps["cividis"](0.125)[:3],
        "left hemisphere, medial": colormaps["cividis"](1.0)[:3],
        "right hemisphere, lateral": to_rgb(NO_VALUE),
        "right hemisphere, medial": to_rgb(NO_VALUE),
    }
    for title, axes in panels(figure).items():
        shown = picture(axes)[2::5, 2::5][regions(axes) >= 0]
        np.testing.assert_allclose(
            shown / 255, np.tile(expected[title], (len(shown), 1)), atol=0.01
        )
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "share"
    assert bar.get_ylim() == (0, 2)


def test_no_label_is_told_from_no_value() -> None:
    meshes, labels = both()
    labels["R"][:] = 0
    figure = plot_surface_values(meshes, labels, {}, measure="share", limits=(0, 1))
    bare = picture(panels(figure)["right hemisphere, lateral"])
    assert bare.max() <= BARE_BESIDE_VALUES[0]
    assert max(BARE_BESIDE_VALUES) < to_rgb(NO_VALUE)[0] * 255 / 2


def balls(sides: str = "LR") -> dict[str, Mesh]:
    found = {side: sphere(10242, side, "fsaverage5") for side in sides}
    return {side: mesh for side, mesh in found.items() if mesh is not None}


def caps(
    meshes: Mapping[str, Mesh], towards: tuple[float, ...], angle: float
) -> dict[str, np.ndarray]:
    """Label 1 in a circle around a direction, which is mirrored for the left hemisphere."""
    labels = {}
    for side, mesh in meshes.items():
        x, y, z = towards
        axis = np.array((-x if side == "L" else x, y, z)) / np.linalg.norm(towards)
        labels[side] = (mesh.coordinates @ axis > 100 * np.cos(angle)).astype(int)
    return labels


def test_spheres_are_unrolled_one_panel_each_and_the_picture_says_so() -> None:
    meshes = balls()
    figure = plot_surface_labels(meshes, caps(meshes, (1, 0, 0), 0.5))
    assert list(panels(figure)) == ["left hemisphere", "right hemisphere"]
    (note,) = figure.texts
    assert "unrolled" in note.get_text()


@pytest.mark.parametrize("towards", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, -2, 0.5)])
def test_an_unrolled_sphere_keeps_areas(towards: tuple[float, ...]) -> None:
    meshes = balls()
    figure = plot_surface_labels(meshes, caps(meshes, towards, 0.8))
    for axes in panels(figure).values():
        share = (regions(axes) == 0).sum() / drawn(picture(axes)[2::5, 2::5]).sum()
        assert share == pytest.approx((1 - np.cos(0.8)) / 2, abs=0.01)


@pytest.mark.parametrize(
    ("towards", "word", "up"),
    [
        ((1, 0, 0), "lateral", 0.5),
        ((0, 1, 0), "anterior", 0.5),
        ((0, -1, 0), "posterior", 0.5),
        ((1, 0, 1), "lateral", 0.8),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_directions_are_named_below_where_they_are(
    side: str, towards: tuple[float, ...], word: str, up: float
) -> None:
    meshes = balls()
    axes = panels(plot_surface_labels(meshes, caps(meshes, towards, 0.2)))[f"{side} hemisphere"]
    rows, columns = np.nonzero(regions(axes) == 0)
    height, width = regions(axes).shape
    (place,) = [text.get_position()[0] for text in axes.texts if text.get_text() == word]
    assert columns.mean() / width == pytest.approx(place, abs=0.02)
    assert rows.mean() / height == pytest.approx(up, abs=0.04)


def test_the_cut_is_in_the_medial_side() -> None:
    meshes = balls()
    for axes in panels(plot_surface_labels(meshes, caps(meshes, (-1, 0, 0), 0.3))).values():
        _, columns = np.nonzero(regions(axes) == 0)
        width = regions(axes).shape[1]
        assert columns.min() < 0.02 * width
        assert columns.max() > 0.98 * width
        assert not ((columns > 0.2 * width) & (columns < 0.8 * width)).any()
        assert [text.get_position()[0] for text in axes.texts if text.get_text() == "medial"] == [
            0,
            1,
        ]


def test_one_sphere_alone_is_drawn() -> None:
    meshes = balls("L")
    figure = plot_surface_labels(meshes, caps(meshes, (1, 0, 0), 0.5))
    assert list(panels(figure)) == ["left hemisphere"]
    # The note is not wider than the picture.
    figure.draw_without_rendering()
    (note,) = figure.texts
    assert note.get_window_extent().x0 > 0
    assert note.get_window_extent().x1 < figure.bbox.x1


@pytest.mark.parametrize(
    ("meshes", "message"),
    [
        ({}, "kinds"),
        ({"L": hemisphere("L"), "R": balls("R")["R"]}, "kinds"),
        ({"L": Mesh(hemisphere("L").coordinates, hemisphere("L").triangles, "flat")}, "flat"),
    ],
)
def test_meshes_that_labels_cannot_be_drawn_on_are_refused(
    meshes: dict[str, Mesh], message: str
) -> None:
    labels = {side: np.ones(10242, dtype=int) for side in "LR"}
    with pytest.raises(ValueError, match=message):
        plot_surface_labels(meshes, labels)


def test_labels_of_another_mesh_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"hemisphere L have the shape \(5,\), its mesh has 10242"
    ):
        plot_surface_labels({"L": hemisphere("L")}, {"L": np.ones(5, dtype=int)})


def test_surfaces_are_drawn_the_same_whatever_the_user_s_settings() -> None:
    theirs = {"font.family": "serif", "axes.titlelocation": "left", "image.interpolation": "none"}
    expected = render_figure(plot_surface_labels(*both()), "png")
    with matplotlib.rc_context(theirs):
        assert render_figure(plot_surface_labels(*both()), "png") == expected


def touching(axes: Axes) -> tuple[int, int]:
    """How many neighbouring cells of two labels have the same colour, and different ones."""
    shown, ranks = picture(axes)[2::5, 2::5].astype(float), regions(axes)
    hue = shown / np.maximum(shown.sum(axis=2, keepdims=True), 1)
    touch = (ranks[1:] != ranks[:-1]) & (ranks[1:] >= 0) & (ranks[:-1] >= 0)
    same = np.abs(hue[1:] - hue[:-1]).max(axis=2) < 0.02
    return int((touch & same).sum()), int((touch & ~same).sum())


def surface_atlas(shared_data: Path, name: str) -> dict[str, np.ndarray]:
    """Labels by hemisphere of a label.gii pair or a dlabel file among the real data."""
    folder = shared_data / "surfaces" / "atlases"
    if not folder.is_dir():
        pytest.skip("the real data on surfaces (surfaces/atlases) are not there")
    pair = sorted(folder.glob(f"tpl-*/*_atlas-{name}_*_dseg.label.gii"))
    if pair:
        return {
            side: nib.load(path).darrays[0].data for side, path in zip("LR", pair, strict=True)
        }
    (path,) = folder.glob(f"tpl-*/*_atlas-{name}_*_dseg.dlabel.nii")
    image = nib.load(path)
    row, found = np.asarray(image.dataobj)[0].astype(int), {}
    for structure, part, model in image.header.get_axis(1).iter_structures():
        side = {"LEFT": "L", "RIGHT": "R"}.get(structure.rpartition("_")[2])
        if side and "CORTEX" in structure:
            found[side] = np.zeros(model.nvertices[structure], dtype=int)
            found[side][model.vertex] = row[part]
    return found


@pytest.mark.parametrize("name", ["Schaefer400", "Glasser", "Aparc"])
def test_regions_of_real_atlases_are_whole_on_the_sphere_of_fs_lr(
    shared_data: Path, name: str
) -> None:
    labels = surface_atlas(shared_data, name)
    for side, values in labels.items():
        mesh = sphere(len(values), side, "fsLR")
        assert mesh is not None
        edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        # With vertices in another order almost no edge would join vertices of one region.
        assert (values[edges[:, 0]] == values[edges[:, 1]]).mean() > 0.8


def test_real_parcels_that_touch_have_different_colours(shared_data: Path) -> None:
    labels = surface_atlas(shared_data, "Schaefer400")
    meshes = {side: sphere(32492, side, "fsLR") for side in labels}
    same = different = 0
    for axes in panels(plot_surface_labels(meshes, labels)).values():
        counts = touching(axes)
        same, different = same + counts[0], different + counts[1]
    assert different > 1000
    assert same < 0.02 * different


def test_real_patches_are_drawn_on_a_real_surface(shared_data: Path) -> None:
    labels = surface_atlas(shared_data, "Patches")
    meshes = {"L": nilearn_mesh("infl_left"), "R": nilearn_mesh("infl_right")}
    present = np.unique(np.concatenate(list(labels.values())))
    present = present[present != 0]
    figure = plot_surface_labels(meshes, labels)
    seen = set()
    for axes in panels(figure).values():
        seen |= set(np.unique(regions(axes))) - {-1}
        assert touching(axes)[0] < 0.02 * touching(axes)[1]
    assert seen == set(range(len(present)))
