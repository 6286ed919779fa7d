"""Tables of seeds, images of maps with their tables, and how both are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from tiny import SHAPE, SPACE

from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.atlases.maps import read_map_table
from bids_labelx.atlases.seeds import read_seeds
from bids_labelx.atlases.sources import find_atlases
from bids_labelx.errors import BadDataError, UsageError

WriteImage = Callable[..., Path]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def dataset(atlas_dataset: Path, write_image: WriteImage) -> Path:
    """The atlas `Slabs` as labels and maps, and `Soft` as maps of two segmentations."""
    folder = atlas_dataset / f"tpl-{SPACE}" / "anat"
    maps = np.random.default_rng(0).random((*SHAPE, 2)).astype(np.float32)
    for name in ("atlas-Slabs_res-01", "atlas-Soft_seg-2", "atlas-Soft_seg-3"):
        write_image(folder / f"tpl-{SPACE}_{name}_probseg.nii.gz", maps)
    write(folder / f"tpl-{SPACE}_atlas-Soft_seg-2_probseg.tsv", "index\tname\n0\ta\n1\tb\n")
    return atlas_dataset


def test_a_name_is_of_the_maps_where_there_are_no_labels(dataset: Path) -> None:
    (found,) = find_atlases(["Soft:2"], dataset, SPACE)
    assert (found.kind, found.key) == ("maps", "Soft_seg-2")
    assert found.table_path is not None
    (found,) = find_atlases(["Slabs"], dataset, SPACE)
    assert found.kind == "labels"
    (found,) = find_atlases(["Slabs:probseg"], dataset, SPACE)
    assert found.kind == "maps"
    with pytest.raises(UsageError, match=r"say which\n--atlas Soft:2\n--atlas Soft:3$"):
        find_atlases(["Soft"], dataset, SPACE)


def test_all_atlases_of_a_dataset_are_each_once_as_labels_or_as_maps(dataset: Path) -> None:
    found = {one.key: one.kind for one in find_atlases([], dataset, SPACE)}
    assert found == {"Slabs": "labels", "Soft_seg-2": "maps", "Soft_seg-3": "maps"}


@pytest.mark.parametrize(
    ("name", "volumes", "kind"),
    [("a_dseg", 2, "labels"), ("a_probseg", 2, "maps"), ("a", 2, "maps"), ("a", 1, "labels")],
)
def test_a_4d_image_is_of_maps_unless_it_is_called_a_label_image(
    tmp_path: Path, write_image: WriteImage, name: str, volumes: int, kind: str
) -> None:
    image = write_image(tmp_path / f"{name}.nii.gz", np.ones((*SHAPE, volumes), np.float32))
    (found,) = find_atlases([str(image)], None, SPACE, SPACE)
    assert found.kind == kind


def test_a_fractional_label_image_is_refused_with_a_hint_to_maps(
    tmp_path: Path, write_image: WriteImage
) -> None:
    image = write_image(tmp_path / "a.nii.gz", np.full(SHAPE, 0.5, np.float32))
    with pytest.raises(BadDataError, match="probabilistic maps are given as a 4D image"):
        read_atlas(Atlas({"atlas": "a"}, None, image, None, tmp_path))


@pytest.mark.parametrize("first", [0, 1])
def test_rows_are_matched_with_volumes_by_their_index(
    tmp_path: Path, write_image: WriteImage, first: int
) -> None:
    image = write_image(tmp_path / "a.nii.gz", np.ones((*SHAPE, 3), np.float32))
    rows = "".join(f"{i + first}\tmap-{i}\n" for i in (2, 0, 1))
    table, volumes = read_map_table(image, write(tmp_path / "a.tsv", f"index\tname\n{rows}"))
    assert volumes.tolist() == [2, 0, 1]
    assert table["name"].tolist() == ["map-2", "map-0", "map-1"]


@pytest.mark.parametrize("indices", [(1, 2), (2, 3, 4), (0, 1, 3), (0, 1, 2, 3)])
def test_a_table_that_does_not_count_the_volumes_is_refused(
    tmp_path: Path, write_image: WriteImage, indices: tuple[int, ...]
) -> None:
    image = write_image(tmp_path / "a.nii.gz", np.ones((*SHAPE, 3), np.float32))
    rows = "".join(f"{i}\tmap-{i}\n" for i in indices)
    with pytest.raises(BadDataError, match="a row for each of the 3 volumes"):
        read_map_table(image, write(tmp_path / "a.tsv", f"index\tname\n{rows}"))


def test_seeds_have_numbers_names_and_a_radius_of_their_own_or_5_mm(tmp_path: Path) -> None:
    text = "X\tY\tZ\tradius\tnetwork\n1\t-2.5\t3\t\tdmn\n4\t5\t6\t8\tvis\n"
    table = read_seeds(write(tmp_path / "s.tsv", text))
    assert table["index"].tolist() == [1, 2]
    assert table["name"].tolist() == ["sphere1", "sphere2"]
    assert table[["x", "y", "z", "radius"]].to_numpy().tolist() == [[1, -2.5, 3, 5], [4, 5, 6, 8]]
    assert table["network"].tolist() == ["dmn", "vis"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\ty\n1\t2\n", "has the columns x, y, z"),
        ("x\ty\tz\n", "has the columns x, y, z"),
        ("x\ty\tz\n1\t2\tn/a\n", "line 2: z is a number in mm, found 'n/a'"),
        ("x\ty\tz\tradius\n1\t2\t3\t-1\n", "line 2: a radius is a length in mm, found -1"),
        ("x\ty\tz\tradius\n1\t2\t3\twide\n", "line 2: radius is a number in mm"),
        ("x\ty\tz\tname\n1\t2\t3\ta\n4\t5\t6\ta\n", "name a stands in more than one row"),
        ("index\tx\ty\tz\n0\t1\t2\t3\n", "count from 1"),
    ],
)
def test_a_broken_table_of_seeds_is_refused_by_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadDataError, match=message):
        read_seeds(write(tmp_path / "s.tsv", text))


@pytest.mark.parametrize("count", [64, 128, 256, 512, 1024])
def test_the_tables_of_difumo_in_templateflow_are_read(
    tmp_path: Path, write_image: WriteImage, count: int
) -> None:
    conf = pytest.importorskip("templateflow.conf")
    name = f"tpl-{SPACE}_atlas-DiFuMo_desc-{count}dimensions_probseg.tsv"
    with ZipFile(Path(conf.__file__).with_name("templateflow-skel.zip")) as archive:
        table_path = Path(archive.extract(f"tpl-{SPACE}/{name}", tmp_path))
    image = write_image(tmp_path / "a.nii.gz", np.ones((2, 2, 2, count), np.float32))
    table, volumes = read_map_table(image, table_path)
    assert volumes.tolist() == list(range(count))
    own = pd.read_csv(table_path, sep="\t")["Difumo_names"].str.strip()
    assert all(map(str.startswith, table["name"], own))
    assert table["name"].is_unique
