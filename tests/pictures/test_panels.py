from __future__ import annotations

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from nilearn.image import coord_transform

from bids_labelx.extraction.grayordinates import BrainModel, Grayordinates
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.meshes import Mesh
from bids_labelx.pictures.panels import Panel, Plane, panels_of, positions_of, region_geometry

SHAPE = (20, 24, 16)
AFFINE = np.array([[3.0, 0, 0, -30], [0, 2, 0, -20], [0, 0, 4, -10], [0, 0, 0, 1]])
OBLIQUE = np.array([[2.0, 0.3, 0, -9], [-0.2, 3, 0.1, 4], [0, -0.1, 2.5, 7], [0, 0, 0, 1]])
# In the order of the label table, which is not the labels' own.
IDS = (9170, 1175)


def box_of_labels() -> tuple[np.ndarray, np.ndarray]:
    """One label left and one right of the middle, on a bright box in a dark volume."""
    background = np.zeros(SHAPE)
    background[2:18, 2:22, 2:14] = 100 + np.arange(12)
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[4:9, 5:19, 4:12] = 9170
    labels[11:16, 5:19, 4:12] = 1175
    return background, labels


def parcels(count: int = 60, length: int = 30) -> np.ndarray:
    """Parcels around random points, labelled from 1."""
    points = np.random.default_rng(1).uniform(0, length, (count, 3))
    grid = np.stack(np.meshgrid(*[np.arange(length)] * 3, indexing="ij"), axis=-1)
    return ((grid[..., None, :] - points) ** 2).sum(-1).argmin(-1) + 1


def make(
    labels: np.ndarray,
    background: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    ids: tuple[int, ...] = IDS,
) -> list[Panel]:
    grid = VolumeGrid.of(labels.shape, affine)
    below = None if background is None else background.ravel(order="F")
    return panels_of(labels.ravel(order="F"), grid, (), below, ids)


def plane_of(panel: Panel) -> Plane:
    assert panel.plane is not None
    return panel.plane


def places(panel: Panel) -> np.ndarray:
    """The place of the middle of each pixel in mm, shape (h, w, 3), by the panel's plane."""
    plane, (rows, columns) = plane_of(panel), panel.regions.shape
    across, up = [(1, 2), (0, 2), (0, 1)][plane.axis]
    found = np.empty((rows, columns, 3))
    found[..., plane.axis] = plane.at
    found[..., across] = plane.left + (np.arange(columns) + 0.5) / columns * (
        plane.right - plane.left
    )
    shares = ((np.arange(rows) + 0.5) / rows)[:, np.newaxis]
    found[..., up] = plane.top + shares * (plane.bottom - plane.top)
    return found


def test_slices_are_in_three_rows_of_five() -> None:
    found = [(one.row, plane_of(one).axis, one.title[0]) for one in make(box_of_labels()[1])]
    assert found == [(row, row, letter) for row, letter in enumerate("xyz") for _ in range(5)]


@pytest.mark.parametrize("codes", ["RAS", "LAS", "RPI", "SAL", "PIR"])
def test_each_pixel_has_the_region_and_grey_of_the_voxel_at_its_place(codes: str) -> None:
    background, labels = box_of_labels()
    background += np.random.default_rng(0).uniform(0, 60, SHAPE)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    affine = AFFINE @ inv_ornt_aff(turn, SHAPE)
    background, labels = (apply_orientation(one, turn) for one in (background, labels))
    greys, values = [], []
    for panel in make(labels, background, affine):
        x, y, z = places(panel).reshape(-1, 3).T
        voxels = np.rint(coord_transform(x, y, z, np.linalg.inv(affine))).astype(int)
        expected = labels[tuple(voxels)]
        np.testing.assert_array_equal(np.append(0, IDS)[panel.regions.ravel()], expected)
        assert panel.background is not None
        greys.append(panel.background.ravel())
        values.append(background[tuple(voxels)])
    # Brighter voxels are brighter, in at most 64 levels from black to white.
    order = np.argsort(np.concatenate(values))
    assert (np.diff(np.concatenate(greys)[order].astype(int)) >= 0).all()
    levels = np.unique(np.concatenate(greys))
    assert (levels.min(), levels.max()) == (0, 255)
    assert 32 < len(levels) <= 64


def test_left_and_the_top_are_where_they_belong_and_marked() -> None:
    _, labels = box_of_labels()
    for panel in make(labels):
        plane = plane_of(panel)
        assert panel.marks == (("P", "A") if plane.axis == 0 else ("L", "R"))
        assert plane.left < plane.right
        assert plane.bottom < plane.top
        if plane.axis > 0:  # IDS[0] is left.
            first, second = (np.nonzero(panel.regions == region)[1] for region in (1, 2))
            assert first.max() < second.min()


def test_titles_say_where_the_slices_are() -> None:
    labels = np.zeros(SHAPE, dtype=int)
    labels[7, 9, 3] = 1175
    titles = [panel.title for panel in make(labels)]
    assert titles == ["x = −9 mm", "y = −2 mm", "z = 2 mm"]


def test_a_slice_of_an_oblique_grid_is_where_its_middle_is() -> None:
    labels = np.zeros((8, 9, 10), dtype=int)
    labels[:] = 1175
    for panel in make(labels, affine=OBLIQUE):
        plane = plane_of(panel)
        middle = np.array([3.5, 4, 4.5])
        middle[plane.axis] = index = round(
            (plane.at - (OBLIQUE @ [*middle, 1])[plane.axis]) / OBLIQUE[plane.axis, plane.axis]
            + middle[plane.axis]
        )
        assert 0 <= index < labels.shape[plane.axis]
        assert plane.at == pytest.approx((OBLIQUE @ [*middle, 1])[plane.axis])
        across, up = [(1, 2), (0, 2), (0, 1)][plane.axis]
        size = np.linalg.norm(OBLIQUE[:3, :3], axis=0) * labels.shape
        assert plane.right - plane.left == pytest.approx(size[across])
        assert plane.top - plane.bottom == pytest.approx(size[up])


def test_the_box_holds_labels_and_brain_and_little_more() -> None:
    background, labels = box_of_labels()
    background = np.where(background > 0, 100, 5)  # What is around a head is not zero.
    for panel in make(labels, background):
        assert panel.regions.shape == {0: (12, 20), 1: (12, 16), 2: (20, 16)}[plane_of(panel).axis]
    for panel in make(labels):
        assert panel.regions.shape == {0: (8, 14), 1: (8, 12), 2: (14, 12)}[plane_of(panel).axis]
        assert panel.background is None


def seen(panels: list[Panel]) -> set[int]:
    return {int(one) for panel in panels for one in np.unique(panel.regions)} - {0}


def test_slices_are_chosen_so_that_more_regions_are_seen_than_in_even_ones() -> None:
    labels = parcels()
    count = labels.max()
    even = [3, 9, 15, 21, 27]
    of_even = {
        int(one) for axis in range(3) for i in even for one in np.unique(labels.take(i, axis))
    }
    found = make(labels, affine=np.eye(4), ids=tuple(range(1, count + 1)))
    assert len(seen(found)) >= len(of_even)
    assert len(seen(found)) > 0.95 * count
    # Each within its fifth.
    for axis in range(3):
        places = [round(plane_of(one).at) for one in found if plane_of(one).axis == axis]
        assert [place // 6 for place in places] == [0, 1, 2, 3, 4]


def test_a_small_region_beside_the_even_slices_is_found() -> None:
    _, labels = box_of_labels()
    for corner in ((4, 5, 4), (15, 18, 11)):
        small = labels.copy()
        small[corner] = 77
        assert seen(make(small, ids=(*IDS, 77))) == {1, 2, 3}


def test_few_slices_with_labels_are_all_drawn() -> None:
    labels = np.zeros(SHAPE, dtype=int)
    labels[[3, 16], 5:8, 5:7] = 1175
    assert [plane_of(one).axis for one in make(labels)] == [0, 0, 1, 1, 1, 2, 2]


def test_a_volume_without_labels_is_drawn_bare() -> None:
    background, labels = box_of_labels()
    found = make(labels * 0, background)
    assert len(found) == 15
    assert seen(found) == set()


def test_the_grey_scale_is_not_set_by_outliers() -> None:
    background, labels = box_of_labels()
    spoilt = background.copy()
    spoilt[5, 5, 5], spoilt[6, 6, 6] = 1e9, np.nan
    for one, other in zip(make(labels, background), make(labels, spoilt), strict=True):
        assert one.background is not None
        assert other.background is not None
        assert (one.background != other.background).sum() <= 2


@pytest.mark.parametrize("kind", ["int16", "uint8", "int64"])
def test_positions_are_those_of_the_table_by_brute_force(kind: str) -> None:
    labels = np.random.default_rng(2).integers(0, 9, 500).astype(kind)
    ids = [7, 3, 200, 5]
    expected = [ids.index(one) + 1 if one in ids else 0 for one in labels.tolist()]
    assert positions_of(labels, ids).tolist() == expected


def test_labels_may_be_negative_and_large() -> None:
    labels = np.array([0, 614454277, -3, 5, -9])
    assert positions_of(labels, [5, 614454277, -3]).tolist() == [0, 2, 3, 1, 0]


def test_no_label_has_a_position_in_an_empty_table() -> None:
    assert positions_of(np.array([0, 3]), []).tolist() == [0, 0]


def test_regions_of_a_grid_are_measured_voxel_by_voxel() -> None:
    labels = parcels(20, 12) * 3
    labels[labels == 9] = 0
    ids = [*range(60, 0, -3), 1000]
    grid = VolumeGrid.of(labels.shape, OBLIQUE)
    found = region_geometry(labels.ravel(order="F"), grid, ids, {})
    assert found.volumes is not None
    for i, label in enumerate(ids):
        voxels = np.argwhere(labels == label)
        assert found.sizes[i] == len(voxels)
        assert found.volumes[i] == pytest.approx(len(voxels) * abs(np.linalg.det(OBLIQUE)))
        if len(voxels) == 0:
            assert np.isnan(found.centres[i]).all()
            continue
        points = [OBLIQUE @ [*voxel, 1] for voxel in voxels]
        np.testing.assert_allclose(found.centres[i], np.mean(points, axis=0)[:3])
    assert (found.sizes == 0).sum() == 2


def grayordinates() -> tuple[Grayordinates, np.ndarray]:
    """Two of five vertices, and two voxels, each with its label."""
    space = Grayordinates(
        (
            BrainModel("CORTEX_LEFT", 5, np.array([1, 4], dtype=np.int32)),
            BrainModel("THALAMUS_LEFT", 0, np.array([[0, 0, 1], [2, 0, 1]], dtype=np.int32)),
        ),
        VolumeGrid.of((3, 3, 3), AFFINE),
    )
    return space, np.array([8, 8, 6, 6])


@pytest.mark.parametrize(
    ("kind", "known"),
    [("midthickness", True), ("pial", True), ("inflated", False), ("sphere", False)],
)
def test_regions_of_grayordinates_are_measured_where_places_are_known(
    kind: str, known: bool
) -> None:
    space, labels = grayordinates()
    points = np.arange(15.0).reshape(5, 3)
    mesh = Mesh(points, np.array([[0, 1, 2]]), kind)
    found = region_geometry(labels, space, [6, 8], {"L": mesh})
    assert found.sizes.tolist() == [2, 2]
    assert found.volumes is None
    assert found.centres[0].tolist() == [-30 + 3, -20, -6]
    expected = (points[1] + points[4]) / 2 if known else np.full(3, np.nan)
    np.testing.assert_array_equal(found.centres[1], expected)
