from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.measures.spheres import fsaverage_sphere, fslr_sphere


@pytest.fixture(scope="module")
def workbench() -> str:
    found = shutil.which("wb_command")
    if found is None:
        pytest.skip("Connectome Workbench (wb_command) is not there")
    return found


def nilearn_sphere(hemisphere: str) -> tuple[np.ndarray, np.ndarray]:
    """FreeSurfer's own fsaverage5 sphere, as nilearn has it in its package."""
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        pytest.skip("nilearn's fsaverage5 meshes are not there")
    side = {"L": "left", "R": "right"}[hemisphere]
    folder = Path(package.origin).parent / "datasets" / "data" / "fsaverage5"
    image = nib.load(folder / f"sphere_{side}.gii.gz")
    return image.darrays[0].data, image.darrays[1].data


@pytest.mark.parametrize("hemisphere", ["L", "R"])
def test_the_sphere_of_fsaverage5_is_freesurfer_s(hemisphere: str) -> None:
    coordinates, triangles = fsaverage_sphere(5)
    expected, corners = nilearn_sphere(hemisphere)
    # Its coordinates have two decimals.
    np.testing.assert_allclose(100 * coordinates, expected, atol=0.02)
    np.testing.assert_array_equal(triangles, corners)


@pytest.mark.parametrize("level", [5, 6])
def test_a_finer_fsaverage_has_the_vertices_of_the_coarser_first(level: int) -> None:
    coarse, triangles = fsaverage_sphere(level)
    fine, _ = fsaverage_sphere(level + 1)
    np.testing.assert_allclose(fine[: len(coarse)], coarse, atol=1e-12)
    # The others are the middles of its edges, each once.
    pairs = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    middles = coarse[np.unique(pairs, axis=0)].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    assert len(fine) == len(coarse) + len(middles)
    order, same = np.lexsort(fine[len(coarse) :].round(9).T), np.lexsort(middles.round(9).T)
    np.testing.assert_allclose(fine[len(coarse) :][order], middles[same], atol=1e-9)


@pytest.mark.parametrize("divisions", [1, 2, 7, 57, 77, 128])
@pytest.mark.parametrize("hemisphere", ["L", "R"])
def test_the_sphere_of_fs_lr_has_workbench_s_order(
    workbench: str, tmp_path: Path, divisions: int, hemisphere: str
) -> None:
    coordinates, triangles = fslr_sphere(divisions, hemisphere)
    path = tmp_path / "sphere.surf.gii"
    make = [workbench, "-surface-create-sphere", str(len(coordinates)), str(path)]
    subprocess.run(make, check=True)
    if hemisphere == "L":
        subprocess.run([workbench, "-surface-flip-lr", str(path), str(path)], check=True)
    image = nib.load(path)
    np.testing.assert_array_equal(triangles, image.darrays[1].data)
    # Workbench moves vertices for equal areas, by less than a hundredth of the radius.
    distances = np.linalg.norm(100 * coordinates - image.darrays[0].data, axis=1)
    assert distances.max() < 1


@pytest.mark.parametrize("made", [fslr_sphere(7, "L"), fslr_sphere(7, "R"), fsaverage_sphere(3)])
def test_a_sphere_is_closed_and_its_triangles_face_outwards(
    made: tuple[np.ndarray, np.ndarray],
) -> None:
    coordinates, triangles = made
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=1), 1)
    # Each edge is run through once in either direction.
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {tuple(edge) for edge in edges} == {tuple(edge) for edge in edges[:, ::-1]}
    first, second, third = coordinates[triangles].transpose(1, 0, 2)
    normals = np.cross(second - first, third - first)
    assert ((normals * (first + second + third)).sum(axis=1) > 0).all()
