from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.errors import BadDataError, MissingInputError, UsageError
from bids_labelx.meshes import find_meshes, hemisphere_of, kind_of, read_mesh, sphere

OCTAHEDRON = np.array(
    [(1, 0, 0), (-1, 0, 0), (0, 1.5, 0), (0, -1.5, 0), (0, 0, 1), (0, 0, -1)], dtype=np.float32
)
FACES = np.array(
    [
        *[(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4)],
        *[(2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)],
    ],
    dtype=np.int32,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TemplateFlow's folder, which is not there at first."""
    folder = tmp_path / "templateflow"
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(folder))
    return folder


def write(path: Path, extra: int = 0, faces: np.ndarray = FACES) -> Path:
    """Write a mesh of six vertices and some that belong to no triangle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.concatenate([OCTAHEDRON, np.full((extra, 3), 0.5, dtype=np.float32)])
    if ".gii" in path.name:
        arrays = [
            nib.gifti.GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
            nib.gifti.GiftiDataArray(faces, intent="NIFTI_INTENT_TRIANGLE"),
        ]
        nib.save(nib.GiftiImage(darrays=arrays), path)
    else:
        nib.freesurfer.write_geometry(path, points, faces)
    return path


@pytest.mark.parametrize("name", ["L.inflated.surf.gii", "L.inflated.surf.gii.gz", "lh.inflated"])
def test_a_mesh_is_read_from_gifti_and_freesurfer(tmp_path: Path, name: str) -> None:
    mesh = read_mesh(write(tmp_path / name))
    np.testing.assert_allclose(mesh.coordinates, OCTAHEDRON)
    np.testing.assert_array_equal(mesh.triangles, FACES)
    assert mesh.kind == "inflated"


def test_a_sphere_is_known_by_its_shape_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "L.midthickness.surf.gii"
    points = 100 * OCTAHEDRON / np.linalg.norm(OCTAHEDRON, axis=1, keepdims=True)
    arrays = [
        nib.gifti.GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(FACES, intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.GiftiImage(darrays=arrays), path)
    assert read_mesh(path).kind == "sphere"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as a mesh"),
        (b"not a mesh at all", "cannot be read as a mesh"),
        (b'<?xml version="1.0"?><GIFTI Version="1.0"></GIFTI>', "holds no mesh"),
    ],
)
def test_a_file_that_is_no_mesh_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "L.inflated.surf.gii"
    path.write_bytes(content)
    with pytest.raises(BadDataError, match=said) as caught:
        read_mesh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["L.inflated.surf.gii", "lh.inflated"])
def test_a_truncated_mesh_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadDataError, match="cannot be read as a mesh"):
        read_mesh(path)


def test_data_on_a_surface_are_not_taken_for_a_mesh(tmp_path: Path) -> None:
    path = tmp_path / "L.inflated.surf.gii"
    values = nib.gifti.GiftiDataArray(np.zeros(6, np.float32), intent="NIFTI_INTENT_SHAPE")
    nib.save(nib.GiftiImage(darrays=[values]), path)
    with pytest.raises(BadDataError, match="one array of coordinates and one of triangles"):
        read_mesh(path)


def test_triangles_of_vertices_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "L.inflated.surf.gii", faces=FACES + 1)
    with pytest.raises(BadDataError, match="corners 1 to 6, but there are 6 vertices"):
        read_mesh(path)


def test_a_missing_mesh_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"lh\.inflated cannot be read"):
        read_mesh(tmp_path / "lh.inflated")


@pytest.mark.parametrize(
    ("name", "hemisphere", "kind"),
    [
        ("tpl-fsLR_den-32k_hemi-L_veryinflated.surf.gii", "L", "veryinflated"),
        ("tpl-fsaverage_hemi-R_den-10k_inflated.surf.gii", "R", "inflated"),
        ("S1200.R.very_inflated_MSMAll.32k_fs_LR.surf.gii", "R", "veryinflated"),
        ("L.sphere.32k_fs_LR.surf.gii", "L", "sphere"),
        ("sub-01_hemi-L_space-fsLR_den-32k_desc-hcp_midthickness.surf.gii", "L", "midthickness"),
        ("rh.white", "R", "white"),
        ("lh.graymid", "L", "midthickness"),
        ("pial_left.gii.gz", "L", "pial"),
        ("sub-R_hemi-L_smoothwm.surf.gii", "L", "white"),
        ("S1200.L.flat.32k_fs_LR.surf.gii", "L", "flat"),
        ("fs_LR.surf.gii", "", ""),
    ],
)
def test_names_say_hemisphere_and_kind(name: str, hemisphere: str | None, kind: str) -> None:
    assert (hemisphere_of(Path(name)), kind_of(Path(name))) == (hemisphere, kind)


BOTH = {"L": 6, "R": 6}


def test_given_files_are_taken(tmp_path: Path) -> None:
    left, right = write(tmp_path / "lh.pial"), write(tmp_path / "x.R.pial.surf.gii")
    assert find_meshes("fsnative", BOTH, [left, right]) == {"L": left, "R": right}


def test_hemispheres_may_have_different_numbers_of_vertices(tmp_path: Path) -> None:
    left, right = write(tmp_path / "lh.pial", extra=2), write(tmp_path / "rh.pial")
    assert find_meshes("fsnative", {"L": 8, "R": 6}, [tmp_path]) == {"L": left, "R": right}


def test_one_hemisphere_alone_is_found(tmp_path: Path) -> None:
    write(tmp_path / "lh.pial")
    right = write(tmp_path / "rh.pial")
    assert find_meshes("fsnative", {"R": 6}, [tmp_path]) == {"R": right}


def test_in_a_folder_the_most_inflated_pair_is_taken(tmp_path: Path) -> None:
    for side in "LR":
        for kind in ("flat", "midthickness", "inflated", "sphere", "thickness.shape"):
            write(tmp_path / f"S.{side}.{kind}.32k_fs_LR.surf.gii")
    write(tmp_path / "S.L.very_inflated.32k_fs_LR.surf.gii")  # without its other hemisphere
    write(tmp_path / "S.L.inflated.164k_fs_LR.surf.gii", extra=1)
    found = find_meshes("fsLR", BOTH, [tmp_path])
    assert {side: path.name for side, path in found.items()} == {
        "L": "S.L.inflated.32k_fs_LR.surf.gii",
        "R": "S.R.inflated.32k_fs_LR.surf.gii",
    }


def test_meshes_with_another_number_of_vertices_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path / "lh.pial", extra=1)
    write(tmp_path / "rh.pial", extra=1)
    assert find_meshes("fsnative", BOTH, [tmp_path]) == {}


def test_a_pair_is_not_made_of_two_kinds(tmp_path: Path) -> None:
    write(tmp_path / "lh.pial")
    write(tmp_path / "rh.inflated")
    assert find_meshes("fsnative", BOTH, [tmp_path]) == {}


@pytest.mark.parametrize("space", ["fsaverage5", "fsaverage"])
def test_templateflow_s_folder_is_searched(home: Path, space: str) -> None:
    folder = home / "tpl-fsaverage"
    for side in "LR":
        for kind in ("sphere", "midthickness", "inflated"):
            write(folder / f"tpl-fsaverage_hemi-{side}_den-10k_{kind}.surf.gii")
            write(folder / f"tpl-fsaverage_hemi-{side}_den-41k_{kind}.surf.gii", extra=1)
    found = find_meshes(space, BOTH)
    assert {side: path.name for side, path in found.items()} == {
        "L": "tpl-fsaverage_hemi-L_den-10k_inflated.surf.gii",
        "R": "tpl-fsaverage_hemi-R_den-10k_inflated.surf.gii",
    }


def test_given_meshes_come_before_templateflow_s(tmp_path: Path, home: Path) -> None:
    for side in "LR":
        write(home / "tpl-fsLR" / f"tpl-fsLR_den-32k_hemi-{side}_veryinflated.surf.gii")
        write(tmp_path / "own" / f"{side}.sphere.surf.gii")
    found = find_meshes("fsLR", BOTH, [tmp_path / "own"])
    assert found["L"] == tmp_path / "own" / "L.sphere.surf.gii"
    assert find_meshes("fsLR", BOTH)["L"].parent == home / "tpl-fsLR"


def test_placeholders_that_were_not_downloaded_are_left_out(home: Path) -> None:
    for side in "LR":
        for kind in ("veryinflated", "midthickness"):
            write(home / "tpl-fsLR" / f"tpl-fsLR_den-32k_hemi-{side}_{kind}.surf.gii")
    (home / "tpl-fsLR" / "tpl-fsLR_den-32k_hemi-R_veryinflated.surf.gii").write_bytes(b"")
    assert kind_of(find_meshes("fsLR", BOTH)["L"]) == "midthickness"


def test_meshes_of_one_template_in_the_space_of_another_are_left_out(home: Path) -> None:
    folder = home / "tpl-fsLR"
    for side in "LR":
        write(folder / f"tpl-fsLR_space-fsaverage_hemi-{side}_den-32k_sphere.surf.gii")
    assert find_meshes("fsLR", BOTH) == {}


def test_without_any_mesh_none_is_found() -> None:
    assert find_meshes("fsLR", BOTH) == {}


def test_a_given_file_whose_name_says_no_hemisphere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "brain.surf.gii")
    with pytest.raises(UsageError, match=r"brain\.surf\.gii: the name says no hemisphere"):
        find_meshes("fsLR", BOTH, [path])


def test_a_given_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"--surface-mesh: .*lh\.inflated cannot be read"):
        find_meshes("fsLR", BOTH, [tmp_path / "lh.inflated"])


@pytest.mark.usefixtures("home")
def test_given_areas_of_vertices_are_no_meshes(tmp_path: Path) -> None:
    for hemi in "LR":
        (tmp_path / f"x.{hemi}.va.shape.gii").write_text("areas")
    given = [tmp_path / f"x.{hemi}.va.shape.gii" for hemi in "LR"]
    assert find_meshes("fsLR", {"L": 12, "R": 12}, given) == {}


def test_a_given_file_that_is_no_mesh_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "L.inflated.surf.gii"
    path.write_text("nothing of the kind")
    with pytest.raises(BadDataError, match="holds no mesh"):
        find_meshes("fsLR", BOTH, [path])


@pytest.mark.parametrize(
    ("n_vertices", "space"),
    [
        (32492, "fsLR"),
        (59292, "fsLR"),
        (163842, "fsLR"),
        (10242, "fsaverage5"),
        (40962, "fsaverage6"),
        (163842, "fsaverage"),
    ],
)
def test_the_sphere_of_a_template_has_its_number_of_vertices(n_vertices: int, space: str) -> None:
    mesh = sphere(n_vertices, "L", space)
    assert mesh is not None
    assert len(mesh.coordinates) == n_vertices
    np.testing.assert_allclose(np.linalg.norm(mesh.coordinates, axis=1), 100)
    assert mesh.kind == "sphere"


def test_hemispheres_of_fs_lr_mirror_each_other() -> None:
    left, right = (sphere(32492, side, "fsLR") for side in "LR")
    assert left is not None
    assert right is not None
    np.testing.assert_array_equal(left.coordinates, right.coordinates * (-1, 1, 1))


@pytest.mark.parametrize(
    ("n_vertices", "space"),
    [
        (32492, "fsnative"),
        (32491, "fsLR"),
        (0, "fsLR"),
        (32492, "fsaverage"),
        (2562, "fsaverage4"),
    ],
)
def test_there_is_no_sphere_where_the_order_of_its_vertices_is_not_known(
    n_vertices: int, space: str
) -> None:
    assert sphere(n_vertices, "L", space) is None
