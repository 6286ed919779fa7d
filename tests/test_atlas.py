from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlas import find_atlases, read_atlas, read_labels, read_table
from bids_labelx.errors import BadDataError, MissingInputError, SpaceError, UsageError

SPACE = "MNI152NLin2009cAsym"
WriteImage = Callable[..., Path]


def write_table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_tables_order_is_kept_and_voxels_are_matched_by_index(
    atlas_dataset: Path, labels: np.ndarray
) -> None:
    (atlas,) = find_atlases([], atlas_dataset, SPACE)
    assert atlas.key == "Slabs"
    assert atlas.table["name"].tolist() == ["nine", "two", "five"]
    counts = {value: int((labels == value).sum()) for value in (2, 5, 9)}
    assert atlas.table["voxels_atlas"].tolist() == [counts[9], counts[2], counts[5]]
    assert atlas.table["network"].tolist() == ["b", "a", "a"]


def test_an_atlas_is_looked_up_by_name_and_by_name_and_seg(shared_data: Path) -> None:
    folder = shared_data / "atlases" / "atlas-dataset"
    (aal,) = find_atlases(["AAL"], folder, SPACE)
    assert (aal.key, len(aal.table)) == ("AAL", 116)
    (schaefer,) = find_atlases(["Schaefer2018:200Parcels7Networks"], folder, SPACE)
    assert schaefer.key == "Schaefer2018_seg-200Parcels7Networks"
    assert len(schaefer.table) == 200
    with pytest.raises(UsageError, match="several fit"):
        find_atlases(["Schaefer2018"], folder, SPACE)
    assert len(find_atlases([], folder, SPACE)) == 5


def test_an_unknown_atlas_is_refused_with_those_that_are_there(atlas_dataset: Path) -> None:
    with pytest.raises(UsageError, match=r"Nope: not in .* there are Slabs"):
        find_atlases(["Nope"], atlas_dataset, SPACE)


def test_the_finest_resolution_of_an_atlas_is_taken(
    atlas_dataset: Path, write_image: WriteImage
) -> None:
    folder = atlas_dataset / f"tpl-{SPACE}" / "anat"
    coarse = np.zeros((3, 3, 3), np.int16)
    coarse[0] = 2
    write_image(
        folder / f"tpl-{SPACE}_atlas-Slabs_res-00_dseg.nii.gz", coarse, np.diag([6, 6, 6, 1.0])
    )
    (atlas,) = find_atlases([], atlas_dataset, SPACE)
    assert "res-01" in atlas.image.name


def test_labels_of_another_space_are_refused_unless_the_user_says_otherwise(
    atlas_dataset: Path,
) -> None:
    with pytest.raises(SpaceError, match=f"in {SPACE}, the runs are in MNI152NLin6Asym"):
        find_atlases(["Slabs"], atlas_dataset, "MNI152NLin6Asym")
    image = next(atlas_dataset.rglob("*_dseg.nii.gz"))
    with pytest.raises(SpaceError, match=f"in {SPACE}, the runs in MNI152NLin6Asym"):
        find_atlases([str(image)], None, "MNI152NLin6Asym")
    (atlas,) = find_atlases([str(image)], None, "MNI152NLin6Asym", atlas_space="MNI152NLin6Asym")
    assert atlas.key == "Slabs"


def test_an_image_whose_name_says_no_space_needs_the_user_to_say_it(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "my_regions.nii.gz", labels)
    with pytest.raises(SpaceError, match=f"--atlas-space {SPACE}"):
        find_atlases([str(image)], None, SPACE)
    (atlas,) = find_atlases([str(image)], None, SPACE, atlas_space=SPACE)
    assert atlas.key == "myRegions"
    assert atlas.table["index"].tolist() == [2, 5, 9]
    assert atlas.table["name"].tolist() == ["label2", "label5", "label9"]


def test_an_image_is_named_and_given_a_table_in_its_spec(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii", labels)
    table = write_table(tmp_path / "t.csv", 'index,name\n2,b\n5,"c, too"\n9,a\n')
    (atlas,) = find_atlases([f"Mine={image},{table}"], None, SPACE, atlas_space=SPACE)
    assert atlas.key == "Mine"
    assert atlas.table["name"].tolist() == ["b", "c, too", "a"]


def test_a_table_is_inherited_by_the_images_whose_entities_it_has(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    root = tmp_path / "ds"
    folder = root / f"tpl-{SPACE}" / "anat"
    for seg in ("one", "two"):
        write_image(folder / f"tpl-{SPACE}_atlas-A_seg-{seg}_res-1_dseg.nii.gz", labels)
    rows = "index\tname\n2\ta{0}\n5\tb{0}\n9\tc{0}\n"
    write_table(root / "atlas-A_dseg.tsv", rows.format("Root"))
    write_table(folder / "atlas-B_dseg.tsv", rows.format("Other"))
    write_table(folder / "atlas-A_seg-two_dseg.tsv", rows.format("Two"))
    one, two = find_atlases([], root, SPACE)
    assert one.table["name"].tolist() == ["aRoot", "bRoot", "cRoot"]
    assert two.table["name"].tolist() == ["aTwo", "bTwo", "cTwo"]
    # Outside of a dataset only the image's own folder counts.
    (alone,) = find_atlases([str(one.image)], None, SPACE)
    assert alone.table["name"].tolist() == ["label2", "label5", "label9"]


def test_another_images_table_is_never_taken(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "my_regions.nii.gz", labels)
    write_table(tmp_path / "other_regions.tsv", "index\tname\n2\ta\n5\tb\n9\tc\n")
    (atlas,) = find_atlases([str(image)], None, SPACE, atlas_space=SPACE)
    assert atlas.table_path is None


def test_two_tables_that_fit_equally_are_refused(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-A_seg-x_res-1_dseg.nii.gz", labels)
    for name in ("atlas-A_seg-x_dseg.tsv", "atlas-A_res-1_dseg.tsv"):
        write_table(tmp_path / name, "index\tname\n2\ta\n5\tb\n9\tc\n")
    with pytest.raises(BadDataError, match=r"several tables fit equally(.|\n)*res-1(.|\n)*seg-x"):
        find_atlases([str(image)], None, SPACE)


def test_one_name_for_two_atlases_is_refused(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii", labels)
    with pytest.raises(UsageError, match="asked for twice"):
        find_atlases([f"A={image}", f"A={image}"], None, SPACE, atlas_space=SPACE)


def test_missing_files_are_named(tmp_path: Path, write_image: WriteImage) -> None:
    with pytest.raises(MissingInputError, match=r"none\.nii"):
        find_atlases([str(tmp_path / "none.nii")], None, SPACE)
    image = write_image(tmp_path / "x.nii", np.ones((2, 2, 2), np.int16))
    with pytest.raises(MissingInputError, match=r"none\.tsv"):
        find_atlases([f"A={image},{tmp_path / 'none.tsv'}"], None, SPACE)


def test_a_label_that_the_table_lacks_stops_with_its_value(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii.gz", labels)
    table = write_table(tmp_path / "x.tsv", "index\tname\n2\ttwo\n9\tnine\n")
    with pytest.raises(BadDataError, match="labels that the table lacks: 5"):
        read_atlas(image, table)


def test_a_row_without_voxels_stays_in_the_table(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii.gz", labels)
    rows = "index\tname\n0\tbackground\n2\ta\n5\tb\n7\tghost\n9\tc\n"
    _, _, table = read_atlas(image, write_table(tmp_path / "x.tsv", rows))
    assert table["name"].tolist() == ["a", "b", "ghost", "c"]
    assert table["voxels_atlas"].tolist()[2] == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64, ">i4", ">f4"])
def test_label_values_survive_every_type_and_byte_order(tmp_path: Path, dtype: str) -> None:
    data = np.zeros((3, 3, 3), dtype)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = 9170, 1175, 1
    image = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
    image.header.set_data_dtype(dtype)
    nib.save(image, tmp_path / "x.nii")
    read, _ = read_labels(tmp_path / "x.nii")
    assert (read == data.astype(np.int64)).all()


def test_label_values_survive_a_scaled_header_and_large_ids(tmp_path: Path) -> None:
    # scl_slope written by hand: saving through nibabel would scale the values themselves.
    raw = bytearray(nib.Nifti1Image(np.array([[[0, 1, 2]]], np.int16), np.eye(4)).to_bytes())
    raw[112:116] = np.float32(1000).tobytes()
    (tmp_path / "scaled.nii").write_bytes(bytes(raw))
    assert read_labels(tmp_path / "scaled.nii")[0].ravel().tolist() == [0, 1000, 2000]
    large = np.array([[[0, 2**31 - 1, 2**31 + 7]]], np.int64)
    nib.save(nib.Nifti1Image(large, np.eye(4), dtype=np.int64), tmp_path / "large.nii")
    assert (read_labels(tmp_path / "large.nii")[0] == large).all()


@pytest.mark.parametrize(
    ("values", "found"), [([0, 1.5], "1.5"), ([0, -3], "-3"), ([1, np.nan], "nan")]
)
def test_values_that_are_no_labels_are_refused(
    tmp_path: Path, write_image: WriteImage, values: list[float], found: str
) -> None:
    image = write_image(tmp_path / "x.nii", np.array([[values]], np.float32))
    with pytest.raises(BadDataError, match=found):
        read_labels(image)


def test_a_probabilistic_atlas_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    image = write_image(tmp_path / "x.nii", np.zeros((2, 2, 2, 4), np.float32))
    with pytest.raises(BadDataError, match="probabilistic"):
        read_labels(image)


def test_an_image_of_background_only_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    with pytest.raises(BadDataError, match="no label in it"):
        read_atlas(write_image(tmp_path / "x.nii", np.zeros((2, 2, 2), np.int16)), None)


def test_a_truncated_image_is_refused(tmp_path: Path, write_image: WriteImage) -> None:
    data = np.random.default_rng(0).integers(0, 9, (20, 20, 20)).astype(np.int16)
    path = write_image(tmp_path / "x.nii.gz", data)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadDataError, match="truncated or corrupt"):
        read_labels(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tname\n1\ta\n", "no column index"),
        ("index\tlabel\n1\ta\n", "no column name"),
        ("index\tname\n1\ta\n1\tb\n", "index 1 stands in more than one row"),
        ("index\tname\n1\ta\n2\ta\n", "name a stands in more than one row"),
        ("index\tname\n1.5\ta\n", "found '1.5'"),
        ("index\tname\n-1\ta\n", "found '-1'"),
        ("index\tname\n1\t\n", "without a name"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        read_table(write_table(tmp_path / "t.tsv", text))


@pytest.mark.parametrize("name", ['with "quotes"', "a, b", "<script>", "Région", "NA", "n/a"])
def test_names_come_as_they_stand(tmp_path: Path, name: str) -> None:
    table = read_table(write_table(tmp_path / "t.tsv", f"index\tname\n3\t{name}\n"))
    assert table["name"].tolist() == [name]


def test_a_table_that_the_app_wrote_is_read_without_what_it_computed(tmp_path: Path) -> None:
    text = "index\tname\tnetwork\tvoxels_atlas\tstatus\n1\ta\tx\t5\tok\n"
    table = read_table(write_table(tmp_path / "t.tsv", text))
    assert table.columns.tolist() == ["index", "name", "network"]
    assert isinstance(table, pd.DataFrame)
