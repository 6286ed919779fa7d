from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from surfaces import (
    LEFT,
    MODELS,
    N_VERTICES,
    RIGHT,
    space_of,
    write_mesh,
    write_shape_gii,
)

from bids_labelx.areas import element_weights, find_areas, find_places, read_areas, vertex_areas
from bids_labelx.errors import BadDataError
from bids_labelx.meshes import Mesh, read_mesh, sphere


def icosahedron(hemi: str) -> tuple[np.ndarray, np.ndarray]:
    """A mesh of a dozen vertices that is no ball: stretched along x."""
    mesh = sphere(N_VERTICES, hemi, "fsLR")
    assert mesh is not None
    return mesh.coordinates * [2, 1, 1], mesh.triangles


def test_a_vertex_has_a_third_of_each_triangle_around_it() -> None:
    # Two right triangles of areas 0.5 and 3, by hand.
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 6.0]])
    mesh = Mesh(places, np.array([[0, 1, 2], [0, 1, 3]]), "")
    np.testing.assert_allclose(vertex_areas(mesh) * 3, [3.5, 3.5, 0.5, 3])


def test_areas_are_those_of_workbench(tmp_path: Path) -> None:
    program = shutil.which("wb_command")
    if program is None:
        pytest.skip("wb_command of Connectome Workbench is not on the PATH")
    mesh = sphere(642, "L", "fsLR")
    assert mesh is not None
    mesh = Mesh(mesh.coordinates * [1, 2, 0.5] + mesh.coordinates[::-1] * 0.1, mesh.triangles, "")
    path = write_mesh(tmp_path / "x.L.midthickness.surf.gii", mesh.coordinates, mesh.triangles)
    out = tmp_path / "x.L.va.shape.gii"
    subprocess.run([program, "-surface-vertex-areas", path, out], check=True)
    np.testing.assert_allclose(vertex_areas(read_mesh(path)), read_areas(out), rtol=1e-4)


def test_vertices_weigh_their_area_and_voxels_their_volume(tmp_path: Path) -> None:
    space = space_of()
    areas = {hemi: np.arange(1, N_VERTICES + 1) * factor for hemi, factor in (("L", 1), ("R", 10))}
    files = {
        hemi: write_shape_gii(tmp_path / f"x.{hemi}.va.shape.gii", found)
        for hemi, found in areas.items()
    }
    weights = element_weights(space, files)
    wanted = [*(areas["L"][i] for i in MODELS[LEFT]), *(areas["R"][i] for i in MODELS[RIGHT])]
    assert weights[: len(wanted)].tolist() == wanted
    np.testing.assert_allclose(weights[len(wanted) :], 8)


def test_files_of_areas_come_before_meshes_and_inflated_ones_do_not_count(tmp_path: Path) -> None:
    meshes = {
        (hemi, kind): write_mesh(tmp_path / f"x.{hemi}.{kind}.surf.gii", *icosahedron(hemi))
        for hemi in "LR"
        for kind in ("inflated", "midthickness")
    }
    vertices = dict.fromkeys("LR", N_VERTICES)
    given = list(meshes.values())
    found = find_areas(vertices, given)
    assert found == {hemi: meshes[hemi, "midthickness"] for hemi in "LR"}
    assert find_areas(vertices, [tmp_path]) == found
    own = write_shape_gii(tmp_path / "x.L.va.shape.gii", np.ones(N_VERTICES))
    assert find_areas(vertices, [*given, own])["L"] == own
    inflated = [path for (_, kind), path in meshes.items() if kind == "inflated"]
    with pytest.raises(BadDataError, match="no areas of the 12 vertices of hemisphere L; give"):
        find_areas(vertices, inflated)
    with pytest.raises(BadDataError, match=r"of the 13 vertices of hemisphere R.*has 12"):
        find_areas({"R": 13}, given)
    with pytest.raises(BadDataError, match="positive numbers"):
        read_areas(write_shape_gii(tmp_path / "y.L.va.shape.gii", np.array([1.0, -1, 2])))
    assert find_places(space_of(), given) == {
        LEFT: meshes["L", "midthickness"],
        RIGHT: meshes["R", "midthickness"],
    }
    assert find_places(space_of(), inflated) == {}
