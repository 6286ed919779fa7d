"""Labels of dlabel, label.gii and annot files, and the tables that they hold."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from surfaces import LEFT, MODELS, space_of, write_dlabel, write_dscalar, write_label_gii

from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.atlases.surface_labels import SurfaceLabels, other_file, read_surface_labels
from bids_labelx.errors import BadDataError, MissingInputError
from bids_labelx.extraction.grayordinates import hemispheres

SPACE = space_of()


def pair(folder: Path, left: dict[int, str], right: dict[int, str], end: str) -> list[Path]:
    """Files of both hemispheres, on 6 vertices each: each label, and background."""
    files = []
    for hemi, names in (("L", left), ("R", right)):
        keys = np.resize([0, *names], 6)
        path = folder / (f"{hemi.lower()}h.a.annot" if end == "annot" else f"a.{hemi}.label.gii")
        if end == "annot":
            table = [names.get(key, f"unused{key}") for key in range(max(names) + 1)]
            table[0] = names.get(0, "unknown")
            colours = [[key + 1, 0, 0, 0] for key in range(len(table))]
            nib.freesurfer.write_annot(path, keys, np.array(colours), table, fill_ctab=True)
        else:
            write_label_gii(path, keys, names)
        files.append(path)
    return files


def rows(found: SurfaceLabels) -> dict[int, str]:
    return dict(zip(found.table["index"].tolist(), found.table["name"].tolist(), strict=True))


def test_keys_of_one_name_are_one_label_of_both_hemispheres(tmp_path: Path) -> None:
    found = read_surface_labels(*pair(tmp_path, {1: "a", 2: "b"}, {1: "a", 3: "c"}, "gii"))
    assert rows(found) == {1: "a", 2: "b", 3: "c"}
    assert found.table["hemisphere"].tolist() == ["both", "L", "R"]
    assert found.values.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 3, 0, 1, 3]
    assert found.space == hemispheres([("L", 6), ("R", 6)])
    assert found.table["color"].tolist() == ["#336699"] * 3


def test_keys_of_other_names_are_raised_on_the_right(tmp_path: Path) -> None:
    found = read_surface_labels(*pair(tmp_path, {1: "a", 2: "b"}, {1: "c", 2: "d"}, "gii"))
    assert rows(found) == {1: "a", 2: "b", 3: "c", 4: "d"}
    assert found.values.tolist() == [0, 1, 2, 0, 1, 2, 0, 3, 4, 0, 3, 4]
    assert found.table["hemisphere"].tolist() == ["L", "L", "R", "R"]


def test_names_of_both_annotations_are_told_apart_by_hemisphere(tmp_path: Path) -> None:
    found = read_surface_labels(*pair(tmp_path, {1: "a", 2: "b"}, {1: "a", 2: "c"}, "annot"))
    assert rows(found) == {1: "L_a", 2: "b", 3: "R_a", 4: "c"}
    assert found.values.tolist() == [0, 1, 2, 0, 1, 2, 0, 3, 4, 0, 3, 4]
    assert found.table["color"].tolist()[0] == "#020000"


@pytest.mark.parametrize("end", ["gii", "annot"])
def test_files_are_sorted_by_hemisphere_whichever_is_given(tmp_path: Path, end: str) -> None:
    left, right = pair(tmp_path, {1: "a"}, {1: "b"}, end)
    assert other_file(left) == right
    assert other_file(right) == left
    first, second = read_surface_labels(left, right), read_surface_labels(right, left)
    assert first.values.tolist() == second.values.tolist()
    assert rows(first) == rows(second)


def test_one_hemisphere_alone_keeps_its_keys(tmp_path: Path) -> None:
    _, right = pair(tmp_path, {1: "a"}, {4: "b"}, "gii")
    found = read_surface_labels(right, None)
    assert rows(found) == {4: "b"}
    assert found.space == hemispheres([("R", 6)])


@pytest.mark.parametrize("end", ["gii", "annot"])
def test_a_region_of_key_0_is_told_to_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    read_surface_labels(*pair(tmp_path, {1: "a"}, {0: "Insula", 1: "b"}, end))
    assert "index 0 is background, so its row 'Insula' is ignored" in caplog.text


def test_a_background_is_one_in_both_hemispheres(tmp_path: Path) -> None:
    """Also where keys of the right hemisphere are raised, and 0 is background all the same."""
    files = pair(tmp_path, {1: "a", 5: "wall"}, {1: "b", 5: "wall"}, "gii")
    atlas = Atlas({"atlas": "A"}, None, files[0], None, tmp_path, files[1])
    labels, _, table = read_atlas(atlas, background=5)
    assert table["name"].tolist() == ["a", "b"]
    assert labels.tolist() == [0, 1, 0, 0, 1, 0, 0, 2, 0, 0, 2, 0]


def test_a_dlabels_own_table_is_taken_and_a_tsv_wins(tmp_path: Path) -> None:
    values = np.arange(SPACE.n_elements) % 3
    image = write_dlabel(tmp_path / "a.dlabel.nii", {"m": values}, SPACE)
    labels, space, table = read_atlas(Atlas({"atlas": "A"}, None, image, None, tmp_path))
    assert table["name"].tolist() == ["area1", "area2"]
    assert labels.tolist() == values.tolist()
    assert space == SPACE
    tsv = tmp_path / "a.tsv"
    tsv.write_text("index\tname\n2\ttwo\n1\tone\n")
    labels, _, table = read_atlas(Atlas({"atlas": "A"}, None, image, tsv, tmp_path))
    assert table["name"].tolist() == ["two", "one"]
    assert table["voxels_atlas"].tolist() == [(values == 2).sum(), (values == 1).sum()]


@pytest.mark.parametrize("background", [0, 2])
def test_key_0_is_never_a_region(tmp_path: Path, background: int) -> None:
    image = write_dlabel(tmp_path / "a.dlabel.nii", {"m": np.arange(23) % 4}, SPACE)
    atlas = Atlas({"atlas": "A"}, None, image, None, tmp_path)
    _, _, table = read_atlas(atlas, background=background)
    assert table["index"].tolist() == [key for key in (1, 2, 3) if key != background]


def test_fractions_are_no_labels(tmp_path: Path) -> None:
    values = np.full(SPACE.n_elements, 1.5)
    names = {1: "a"}
    image = write_dlabel(tmp_path / "a.dlabel.nii", {"m": values}, SPACE, names, dtype="f4")
    with pytest.raises(BadDataError, match=r"a\.dlabel\.nii.*1\.5"):
        read_surface_labels(image, None)


@pytest.mark.parametrize("name", ["x.dscalar.nii", "x.dlabel.nii"])
def test_scalar_maps_are_no_atlas(tmp_path: Path, name: str) -> None:
    image = write_dscalar(tmp_path / name, np.ones((1, SPACE.n_elements), "f4"), SPACE)
    with pytest.raises(BadDataError, match=r"x\..*: expected label maps \(dlabel\), found scalar"):
        read_surface_labels(image, None)


def test_a_nifti_file_of_the_name_of_a_dlabel_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "x.dlabel.nii"
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)), image)
    with pytest.raises(BadDataError, match=r"x\.dlabel\.nii: its name says CIFTI, and it is no"):
        read_surface_labels(image, None)


def test_a_cifti_1_file_is_refused(shared_data: Path) -> None:
    image = shared_data / "surfaces" / "cifti-1_to-be-refused.dlabel.nii"
    if not image.exists():
        pytest.skip("the real data on surfaces (shared/data/surfaces) are not there")
    with pytest.raises(BadDataError, match=r"cifti-1_to-be-refused\.dlabel\.nii.*CIFTI-2"):
        read_surface_labels(image, None)


def test_a_label_file_without_a_table_or_with_unknown_keys_is_refused(tmp_path: Path) -> None:
    image = write_label_gii(tmp_path / "a.L.label.gii", np.array([0, 1, 7]), {1: "a"})
    with pytest.raises(BadDataError, match=r"a\.L\.label\.gii: labels that its table lacks: 7"):
        read_surface_labels(image, None)
    arrays = [nib.gifti.GiftiDataArray(np.array([0, 1], np.int32))]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), image)
    with pytest.raises(BadDataError, match=r"a\.L\.label\.gii: no label table in it"):
        read_surface_labels(image, None)


def test_a_file_that_says_no_hemisphere_is_refused(tmp_path: Path) -> None:
    image = write_label_gii(tmp_path / "a.label.gii", np.array([0, 1]), {1: "a"})
    with pytest.raises(BadDataError, match=r"a\.label\.gii: the name says no hemisphere"):
        read_surface_labels(image, None)


def test_what_is_no_annotation_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "lh.a.annot"
    for content in (b"", b"\0\0\0\x05" * 3, b"<xml>" * 50):
        image.write_bytes(content)
        with pytest.raises(BadDataError, match=r"lh\.a\.annot: cannot be read as an annotation"):
            read_surface_labels(image, None)


def test_a_map_of_an_annotation_is_refused(tmp_path: Path) -> None:
    left, right = pair(tmp_path, {1: "a"}, {1: "b"}, "annot")
    with pytest.raises(BadDataError, match=r"#2 is for files of several maps"):
        read_surface_labels(left, right, "2")


def test_a_map_of_a_pair_is_chosen_in_both(tmp_path: Path) -> None:
    values = np.array([[0, 1, 1], [2, 2, 0]])
    names = {1: "a", 2: "b"}
    files = [
        write_label_gii(tmp_path / f"a.{hemi}.label.gii", values, names, ("one", "two"))
        for hemi in "LR"
    ]
    assert read_surface_labels(*files, "two").values.tolist() == [2, 2, 0] * 2
    with pytest.raises(BadDataError, match=r"a\.L\.label\.gii: 2 maps; say which"):
        read_surface_labels(*files)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    left, right = pair(tmp_path, {1: "a"}, {1: "b"}, "gii")
    right.unlink()
    right.symlink_to(".git/annex/objects/x")
    assert other_file(left) == right
    with pytest.raises(MissingInputError, match=r"a\.R\.label\.gii is a link"):
        read_surface_labels(left, right)


def test_impossible_vertices_are_refused(tmp_path: Path) -> None:
    space = space_of({**MODELS, LEFT: (0, 1, 99)})
    image = write_dlabel(tmp_path / "a.dlabel.nii", {"m": np.ones(space.n_elements, int)}, space)
    with pytest.raises(BadDataError, match=r"a\.dlabel\.nii: CORTEX_LEFT has an index outside"):
        read_surface_labels(image, None)
