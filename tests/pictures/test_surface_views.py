from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.extraction.grayordinates import CORTEX, BrainModel, Grayordinates
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.meshes import Mesh, read_mesh, sphere
from bids_labelx.pictures.label_colours import label_colours
from bids_labelx.pictures.panels import Panel, panels_of
from bids_labelx.pictures.surface_views import meshes_of, views_of

LATERAL, MEDIAL = 11, 7


def hemisphere(side: str) -> Mesh:
    """An ellipsoid of the size of a hemisphere, at its place."""
    ball = sphere(10242, side, "fsaverage5")
    assert ball is not None
    centre = {"L": -35.0, "R": 35.0}[side]
    return Mesh(ball.coordinates * (0.32, 0.8, 0.55) + (centre, -18, 12), ball.triangles, "pial")


def hemispheres() -> dict[str, Mesh]:
    return {side: hemisphere(side) for side in "LR"}


def balls(sides: str = "LR") -> dict[str, Mesh]:
    found = {side: sphere(10242, side, "fsaverage5") for side in sides}
    return {side: mesh for side, mesh in found.items() if mesh is not None}


def sided(mesh: Mesh) -> np.ndarray:
    """Labels of the lateral and the medial half of a hemisphere, none where they meet."""
    x = mesh.coordinates[:, 0]
    out = np.abs(x) - np.abs(x.mean())
    return np.select([out > 1, out < -1], [LATERAL, MEDIAL], 0)


def draw(
    meshes: Mapping[str, Mesh], labels: Mapping[str, np.ndarray], ids: tuple[int, ...]
) -> dict[str, Panel]:
    """The panels by title; all vertices are elements, in an order that is not theirs."""
    models, values = [], []
    for side, own in labels.items():
        order = np.random.default_rng(0).permutation(len(own)).astype(np.int32)
        models.append(BrainModel(CORTEX[side], len(own), order))
        values.append(own[order])
    space = Grayordinates(tuple(models))
    found = panels_of(np.concatenate(values), space, views_of(meshes), None, ids)
    return {panel.title: panel for panel in found}


@pytest.fixture(scope="module")
def usual() -> dict[str, Panel]:
    """Both hemispheres with their lateral and medial labels."""
    meshes = hemispheres()
    labels = {side: sided(mesh) for side, mesh in meshes.items()}
    return draw(meshes, labels, (LATERAL, MEDIAL))


def light(panel: Panel) -> np.ndarray:
    assert panel.background is not None
    return panel.background


def test_each_hemisphere_is_seen_from_outside_above_and_from_inside_below(
    usual: dict[str, Panel],
) -> None:
    assert [(title, panel.row) for title, panel in usual.items()] == [
        ("left hemisphere, lateral", 0),
        ("right hemisphere, lateral", 0),
        ("left hemisphere, medial", 1),
        ("right hemisphere, medial", 1),
    ]
    assert all(panel.plane is None for panel in usual.values())


def test_the_sides_of_one_hemisphere_are_in_one_row() -> None:
    mesh = hemisphere("R")
    found = draw({"R": mesh}, {"R": sided(mesh)}, (LATERAL,))
    assert [panel.row for panel in found.values()] == [0, 0]


@pytest.mark.parametrize("view", ["lateral", "medial"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_label_is_seen_from_its_own_side_alone(
    usual: dict[str, Panel], side: str, view: str
) -> None:
    panel = usual[f"{side} hemisphere, {view}"]
    assert set(np.unique(panel.regions)) - {0} == {1 if view == "lateral" else 2}


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
    meshes = hemispheres()
    labels = {}
    for side, mesh in meshes.items():
        _, y, z = (mesh.coordinates - mesh.coordinates.mean(axis=0)).T
        labels[side] = np.select([(y > 40) & (z > 0)], [5], 0)
    panel = draw(meshes, labels, (5,))[title]
    rows, columns = np.nonzero(panel.regions == 1)
    height, width = panel.regions.shape
    assert rows.max() < 0.55 * height
    assert (columns.max() < width / 2) == (front == "left")
    assert (columns.min() > width / 2) == (front == "right")
    assert panel.marks == (("A", "P") if front == "left" else ("P", "A"))


def test_pixels_beside_a_surface_are_black_and_others_are_not(usual: dict[str, Panel]) -> None:
    meshes = hemispheres()
    for panel in usual.values():
        rows, columns = np.nonzero(light(panel))
        # An ellipsoid covers a share of pi / 4 of its box, in its proportions.
        inside = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) / (inside[0] * inside[1]) == pytest.approx(np.pi / 4, abs=0.01)
        _, y, z = meshes["L"].coordinates.T
        assert inside[1] / inside[0] == pytest.approx(np.ptp(y) / np.ptp(z), abs=0.02)
        assert not panel.regions[light(panel) == 0].any()


def nilearn_mesh(name: str) -> Mesh:
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        pytest.skip("nilearn's fsaverage5 meshes are not there")
    folder = Path(package.origin).parent / "datasets" / "data" / "fsaverage5"
    return read_mesh(folder / f"{name}.gii.gz")


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
    vertices = next(one for one in views_of({"L": mesh}) if one.title.endswith(title)).vertices
    # The picture is 4 % wider than the surface, which is in its middle.
    y, z = mesh.coordinates[:, 1:].T
    height, width = vertices.shape
    pixel = 1.04 * np.ptp(y) / width
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(0, height, 150), rng.integers(0, width, 150)
    across = (columns - (width - 1) / 2) * pixel * sign + (y.max() + y.min()) / 2
    up = ((height - 1) / 2 - rows) * pixel + (z.max() + z.min()) / 2
    expected = [nearest_by_hand(mesh, *place, sign) for place in zip(across, up, strict=True)]
    assert vertices[rows, columns].tolist() == expected
    assert sum(vertex >= 0 for vertex in expected) > 50


def test_a_mesh_with_its_triangles_turned_is_lit_alike() -> None:
    mesh, labels = hemisphere("L"), {"L": np.zeros(10242, dtype=int)}
    turned = Mesh(mesh.coordinates, mesh.triangles[:, ::-1], mesh.kind)
    one, other = (
        light(draw({"L": each}, labels, ())["left hemisphere, lateral"]) for each in (mesh, turned)
    )
    # The corner that is seen may be another where two are equally near.
    assert np.abs(one.astype(int) - other).max() <= 12
    assert one.max() > 200
    middle = one[one.shape[0] // 2]
    assert middle[len(middle) // 2] > middle[middle > 0][0]


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


@pytest.mark.parametrize("towards", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, -2, 0.5)])
def test_an_unrolled_sphere_keeps_areas(towards: tuple[float, ...]) -> None:
    meshes = balls()
    found = draw(meshes, caps(meshes, towards, 0.8), (1,))
    assert list(found) == ["left hemisphere", "right hemisphere"]
    for panel in found.values():
        share = (panel.regions == 1).sum() / (light(panel) > 0).sum()
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
def test_directions_are_named_where_they_are(
    side: str, towards: tuple[float, ...], word: str, up: float
) -> None:
    meshes = balls()
    panel = draw(meshes, caps(meshes, towards, 0.2), (1,))[f"{side} hemisphere"]
    rows, columns = np.nonzero(panel.regions == 1)
    height, width = panel.regions.shape
    place = panel.marks.index(word) / (len(panel.marks) - 1)
    assert columns.mean() / width == pytest.approx(place, abs=0.02)
    assert 1 - rows.mean() / height == pytest.approx(up, abs=0.04)


def test_the_cut_is_in_the_medial_side() -> None:
    meshes = balls("L")
    (panel,) = draw(meshes, caps(meshes, (-1, 0, 0), 0.3), (1,)).values()
    _, columns = np.nonzero(panel.regions == 1)
    width = panel.regions.shape[1]
    assert columns.min() < 0.02 * width
    assert columns.max() > 0.98 * width
    assert not ((columns > 0.2 * width) & (columns < 0.8 * width)).any()
    assert (panel.marks[0], panel.marks[-1]) == ("medial", "medial")


@pytest.mark.parametrize(
    "meshes",
    [
        {"L": hemisphere("L"), "R": balls("R")["R"]},
        {"L": Mesh(hemisphere("L").coordinates, hemisphere("L").triangles, "flat")},
    ],
    ids=["one sphere", "flat"],
)
def test_meshes_that_labels_cannot_be_drawn_on_are_refused(meshes: dict[str, Mesh]) -> None:
    with pytest.raises(ValueError, match="kinds"):
        views_of(meshes)


def test_nothing_is_seen_of_voxels_and_unknown_surfaces() -> None:
    unknown = Grayordinates((BrainModel("CORTEX_LEFT", 7, np.arange(7, dtype=np.int32)),))
    for space in (VolumeGrid.of((2, 2, 2), np.eye(4)), unknown):
        assert meshes_of(space, "fsLR", ()) == {}
    assert views_of({}) == []
    assert panels_of(np.ones(7, int), unknown, (), None, (1,)) == []


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
    for side, values in surface_atlas(shared_data, name).items():
        mesh = sphere(len(values), side, "fsLR")
        assert mesh is not None
        edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        # With vertices in another order almost no edge would join vertices of one region.
        assert (values[edges[:, 0]] == values[edges[:, 1]]).mean() > 0.8


@pytest.mark.parametrize("name", ["Schaefer400", "Patches"])
def test_all_real_parcels_are_seen_and_those_that_touch_differ_in_colour(
    shared_data: Path, name: str
) -> None:
    labels = surface_atlas(shared_data, name)
    if name == "Patches":
        meshes = {"L": nilearn_mesh("infl_left"), "R": nilearn_mesh("infl_right")}
    else:
        spheres = {side: sphere(32492, side, "fsLR") for side in labels}
        meshes = {side: mesh for side, mesh in spheres.items() if mesh is not None}
    present = np.unique(np.concatenate(list(labels.values())))
    ids = tuple(int(one) for one in present if one)
    panels = list(draw(meshes, labels, ids).values())
    colours = np.append("", label_colours(panels, len(ids)).colours)
    same = different = 0
    for regions in (panel.regions for panel in panels):
        touch = (regions[1:] != regions[:-1]) & (regions[1:] > 0) & (regions[:-1] > 0)
        equal = colours[regions[1:]] == colours[regions[:-1]]
        same, different = same + (touch & equal).sum(), different + (touch & ~equal).sum()
    assert different > 1000
    assert same < 0.02 * different
    assert {int(one) for p in panels for one in np.unique(p.regions)} - {0} == set(
        range(1, len(ids) + 1)
    )
