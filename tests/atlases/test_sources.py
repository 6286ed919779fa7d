from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_labelx.atlases.atlas import Atlas, read_atlas
from bids_labelx.atlases.fetch import fetch_atlas
from bids_labelx.atlases.sources import find_atlases
from bids_labelx.errors import BadDataError, MissingInputError, SpaceError, UsageError
from bids_labelx.inputs.matching import parse_path

SPACE = "MNI152NLin2009cAsym"
WriteImage = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_templateflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TemplateFlow folder of the test's own, which is not there yet."""
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))
    return tmp_path / "templateflow"


def write_table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table_of(atlas: Atlas) -> pd.DataFrame:
    return read_atlas(atlas)[2]


def test_the_tables_order_is_kept_and_voxels_are_matched_by_index(
    atlas_dataset: Path, labels: np.ndarray
) -> None:
    (atlas,) = find_atlases([], atlas_dataset, SPACE)
    assert atlas.key == "Slabs"
    assert table_of(atlas)["name"].tolist() == ["nine", "two", "five"]
    counts = {value: int((labels == value).sum()) for value in (2, 5, 9)}
    assert table_of(atlas)["voxels_atlas"].tolist() == [counts[9], counts[2], counts[5]]
    assert table_of(atlas)["network"].tolist() == ["b", "a", "a"]


def test_an_atlas_is_looked_up_by_name_and_by_name_and_seg(shared_data: Path) -> None:
    folder = shared_data / "atlases" / "atlas-dataset"
    (aal,) = find_atlases(["AAL"], folder, SPACE)
    assert (aal.key, len(table_of(aal))) == ("AAL", 116)
    (schaefer,) = find_atlases(["Schaefer2018:200Parcels7Networks"], folder, SPACE)
    assert schaefer.key == "Schaefer2018_seg-200Parcels7Networks"
    assert len(table_of(schaefer)) == 200
    with pytest.raises(UsageError, match="several fit") as caught:
        find_atlases(["Schaefer2018"], folder, SPACE)
    _, *lines = str(caught.value).splitlines()
    assert len(lines) > 1
    for line in lines:
        (atlas,) = find_atlases([line.removeprefix("--atlas ")], folder, SPACE)
        assert atlas.entities["atlas"] == "Schaefer2018"
    assert len(find_atlases([], folder, SPACE)) == 5


def test_an_unknown_atlas_is_refused_with_those_that_are_there(atlas_dataset: Path) -> None:
    with pytest.raises(UsageError, match=r"Nope: not in .* there are Slabs"):
        find_atlases(["Nope"], atlas_dataset, SPACE)
    with pytest.raises(UsageError, match=r"--atlas slab, did you mean Slabs: not in"):
        find_atlases(["slab"], atlas_dataset, SPACE)


def test_a_folder_and_a_file_in_each_others_place_are_refused_with_the_option(
    atlas_dataset: Path,
) -> None:
    with pytest.raises(UsageError, match=f"a folder, .* give --atlas-dataset {atlas_dataset}$"):
        find_atlases([str(atlas_dataset)], None, SPACE)
    image = next(atlas_dataset.glob("**/*_dseg.nii.gz"))
    with pytest.raises(MissingInputError, match=f"a file, .* give --atlas {image}$"):
        find_atlases([], image, SPACE)
    with pytest.raises(SpaceError, match=rf"no atlas in space X; did you mean {atlas_dataset}$"):
        find_atlases([], atlas_dataset.parent, "X")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my_atlas_space-S_dseg.nii.gz", "myAtlas"),
        ("mine_space-S_res-2.nii.gz", "mine"),
        ("space-S_dseg.nii.gz", "spaceSDseg"),
        ("A-1_x_space-S_labels.nii.gz", "A1X"),
        ("space-S_atlas-Own_dseg.nii.gz", "Own"),
    ],
)
def test_an_atlas_without_a_name_is_called_like_its_image_without_entities(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray, file: str, name: str
) -> None:
    image = write_image(tmp_path / file, labels)
    (atlas,) = find_atlases([str(image)], None, "S")
    assert atlas.entities["atlas"] == name


def test_a_file_that_is_not_there_is_refused_with_the_one_that_is_like_it(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "slabs_dseg.nii.gz", labels)
    with pytest.raises(MissingInputError, match=rf"slab_dseg\.nii\.gz, did you mean {image}$"):
        find_atlases([f"{tmp_path}/slab_dseg.nii.gz"], None, SPACE)
    with pytest.raises(MissingInputError, match=rf"and no folder {tmp_path}/nowhere$"):
        find_atlases([f"{tmp_path}/nowhere/slabs_dseg.nii.gz"], None, SPACE)


def test_the_same_atlas_in_the_space_of_the_runs_is_named_before_atlas_space(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    def path(space: str, name: str = "A") -> Path:
        return tmp_path / f"tpl-{space}" / f"tpl-{space}_atlas-{name}_res-01_dseg.nii.gz"

    other = write_image(path("MNI152NLin6Asym"), labels)
    write_image(path(SPACE, "B"), labels)
    with pytest.raises(SpaceError, match=f"Take the file of this atlas in {SPACE}, with tpl-"):
        find_atlases([str(other)], None, SPACE)
    same = write_image(path(SPACE), labels)
    with pytest.raises(SpaceError) as caught:
        find_atlases([str(other)], None, SPACE)
    text = str(caught.value)
    assert f"Take the same atlas in {SPACE}: --atlas {same}" in text
    assert text.index("--atlas ") < text.index("--atlas-space")
    assert find_atlases([str(same)], None, SPACE)[0].image == same


def test_labels_of_a_volume_are_not_said_to_fit_surfaces(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / f"tpl-{SPACE}_atlas-A_dseg.nii.gz", labels)
    with pytest.raises(SpaceError) as caught:
        find_atlases([str(image)], None, "fsLR")
    text = str(caught.value)
    assert text.endswith(
        f"{SPACE}, a volume, the runs in fsLR (32492 vertices a hemisphere), a surface"
    )


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


@pytest.mark.parametrize("spelt", ["MNI152NLin6Asym", "MNI152NLin6ASym"])
def test_a_template_is_one_however_it_is_spelt(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray, spelt: str
) -> None:
    run = parse_path(tmp_path / f"sub-1_space-{spelt}_bold.nii.gz", tmp_path).entities["space"]
    named = write_image(tmp_path / "space-MNI152NLin6ASym_regions.nii.gz", labels)
    assert len(find_atlases([str(named)], None, run)) == 1
    other = write_image(tmp_path / "regions.nii.gz", labels)
    assert len(find_atlases([str(other)], None, run, atlas_space=spelt)) == 1


def test_an_image_whose_name_says_no_space_needs_the_user_to_say_it(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "my_regions.nii.gz", labels)
    with pytest.raises(SpaceError, match=f"--atlas-space {SPACE}"):
        find_atlases([str(image)], None, SPACE)
    (atlas,) = find_atlases([str(image)], None, SPACE, atlas_space=SPACE)
    assert atlas.key == "myRegions"
    assert table_of(atlas)["index"].tolist() == [2, 5, 9]
    assert table_of(atlas)["name"].tolist() == ["label2", "label5", "label9"]


def test_an_image_is_named_and_given_a_table_in_its_spec(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "x.nii", labels)
    table = write_table(tmp_path / "t.csv", 'index,name\n2,b\n5,"c, too"\n9,a\n')
    (atlas,) = find_atlases([f"Mine={image},{table}"], None, SPACE, atlas_space=SPACE)
    assert atlas.key == "Mine"
    assert table_of(atlas)["name"].tolist() == ["b", "c, too", "a"]


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
    assert table_of(one)["name"].tolist() == ["aRoot", "bRoot", "cRoot"]
    assert table_of(two)["name"].tolist() == ["aTwo", "bTwo", "cTwo"]
    # Outside of a dataset only the image's own folder counts.
    (alone,) = find_atlases([str(one.image)], None, SPACE)
    assert table_of(alone)["name"].tolist() == ["label2", "label5", "label9"]


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


@pytest.fixture
def templateflow(no_templateflow: Path, write_image: WriteImage, labels: np.ndarray) -> Path:
    """A folder as TemplateFlow's client leaves it: what was not downloaded is empty."""
    folder = no_templateflow / f"tpl-{SPACE}"
    folder.mkdir(parents=True)
    name = f"tpl-{SPACE}_res-{{}}_atlas-Slabs_desc-{{}}_dseg.nii.gz"
    write_image(folder / name.format("02", "three"), labels)
    (folder / name.format("01", "three")).touch()
    (folder / name.format("01", "four")).touch()
    rows = "index\tname\n9\tnine\n2\ttwo\n5\tfive\n"
    write_table(folder / f"tpl-{SPACE}_atlas-Slabs_desc-three_dseg.tsv", rows)
    (folder / f"tpl-{SPACE}_atlas-Slabs_desc-four_dseg.tsv").touch()
    (no_templateflow / "tpl-Other").mkdir()
    (no_templateflow / "tpl-Other/tpl-Other_res-01_atlas-Slabs_desc-three_dseg.nii.gz").touch()
    return no_templateflow


def test_a_name_is_looked_up_in_templateflows_folder(templateflow: Path) -> None:
    (atlas,) = find_atlases(["Slabs:three"], None, SPACE)
    # Its desc- tells segmentations apart, as seg- does in BIDS; the finest that is there is taken.
    assert atlas.key == "Slabs_seg-three"
    assert "res-02" in atlas.image.name
    assert table_of(atlas)["name"].tolist() == ["nine", "two", "five"]
    assert atlas.root == templateflow


def test_what_was_not_downloaded_is_refused_with_the_command_that_does_it(
    templateflow: Path,
) -> None:
    command = f"bids_labelx --fetch-atlas Slabs:four --space {SPACE}"
    with pytest.raises(MissingInputError, match=rf"not downloaded.*\n{command}"):
        find_atlases(["Slabs:four"], None, SPACE)
    for seg in ("one", "two"):
        write_table(
            templateflow / f"tpl-{SPACE}/tpl-{SPACE}_atlas-Empty_desc-{seg}_dseg.nii.gz", ""
        )
    with pytest.raises(MissingInputError, match=r"none is here; .*\n.*\nThere are") as caught:
        find_atlases(["Empty"], None, SPACE)
    assert "Empty:one, Empty:two" in str(caught.value)
    # The image alone is not enough.
    (table,) = templateflow.rglob("*three_dseg.tsv")
    table.write_text("")
    with pytest.raises(MissingInputError, match=r"three_dseg\.tsv is empty"):
        find_atlases(["Slabs:three"], None, SPACE)


@pytest.mark.usefixtures("templateflow")
def test_an_atlas_dataset_comes_before_templateflow(atlas_dataset: Path) -> None:
    (atlas,) = find_atlases(["Slabs"], atlas_dataset, SPACE)
    assert atlas.root == atlas_dataset
    with pytest.raises(UsageError, match=r"Nope: not in .*there are Slabs; not in TemplateFlow's"):
        find_atlases(["Nope"], atlas_dataset, SPACE)
    with pytest.raises(UsageError, match="--atlas slabs:thre, did you mean Slabs:three: not in"):
        find_atlases(["slabs:thre"], atlas_dataset, SPACE)
    with pytest.raises(SpaceError, match=f"in {SPACE}, Other, the runs are in T1w"):
        find_atlases(["Slabs:three"], None, "T1w")


def test_without_any_place_to_look_a_name_is_refused(no_templateflow: Path) -> None:
    with pytest.raises(UsageError, match=f"no --atlas-dataset nor .*{no_templateflow}"):
        find_atlases(["Slabs"], None, SPACE)


def test_a_cohort_is_part_of_the_space(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    folder = tmp_path / "ds" / "tpl-MNIInfant" / "cohort-2" / "anat"
    image = write_image(folder / "tpl-MNIInfant_cohort-2_atlas-A_res-1_dseg.nii.gz", labels)
    (atlas,) = find_atlases([], tmp_path / "ds", "MNIInfant+2")
    assert atlas.image == image
    with pytest.raises(SpaceError, match=r"no atlas in space MNIInfant\+1"):
        find_atlases([], tmp_path / "ds", "MNIInfant+1")


@pytest.mark.parametrize("ending", [".csv", ".txt", ".nii.txt", ".lut"])
def test_a_table_of_another_format_beside_the_image_is_found(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray, ending: str
) -> None:
    image = write_image(tmp_path / "slabs.nii.gz", labels)
    table = write_table(tmp_path / f"slabs{ending}", "index,name\n2,a\n5,b\n9,c\n")
    (atlas,) = find_atlases([str(image)], None, SPACE, atlas_space=SPACE)
    assert atlas.table_path == table
    assert table_of(atlas)["name"].tolist() == ["a", "b", "c"]
    other = write_table(tmp_path / "slabs.xml", "<atlas/>")
    with pytest.raises(BadDataError, match=rf"several tables fit equally(.|\n)*{other.name}"):
        find_atlases([str(image)], None, SPACE, atlas_space=SPACE)


def test_one_name_from_two_folders_is_refused(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    one = write_image(tmp_path / "one" / f"space-{SPACE}_atlas-A_seg-x_dseg.nii.gz", labels)
    two = write_image(tmp_path / "two" / f"space-{SPACE}_atlas-A_seg-y_dseg.nii.gz", labels)
    with pytest.raises(UsageError, match=f"A comes from {one.parent} and from {two.parent}"):
        find_atlases([str(one), str(two)], None, SPACE)


def test_image_and_table_of_two_folders_have_one_root(
    tmp_path: Path, write_image: WriteImage, labels: np.ndarray
) -> None:
    image = write_image(tmp_path / "one" / "x.nii", labels)
    (tmp_path / "two").mkdir()
    table = write_table(tmp_path / "two" / "t.tsv", "index\tname\n2\ta\n5\tb\n9\tc\n")
    (atlas,) = find_atlases([f"A={image},{table}"], None, SPACE, atlas_space=SPACE)
    assert atlas.root == tmp_path


@pytest.fixture(scope="module")
def client_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    """What TemplateFlow's client knows of its archive, in a folder of these tests."""
    conf = pytest.importorskip("templateflow.conf")
    root = tmp_path_factory.mktemp("fetched") / "templateflow"
    return conf.cache.TemplateFlowCache(conf.cache.CacheConfig(root=root, autoupdate=False))


@pytest.fixture
def downloaded(client_cache: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that TemplateFlow's client would have fetched from the network."""
    from templateflow import api

    monkeypatch.setattr(api._client, "cache", client_cache)
    fetched: list[str] = []

    def fetch(_: object, path: Path) -> None:
        fetched.append(path.name)
        path.write_bytes(b"x")

    monkeypatch.setattr("templateflow.client._s3_get", fetch)
    return fetched


def test_an_atlas_is_fetched_in_every_resolution_with_its_table(downloaded: list[str]) -> None:
    paths = fetch_atlas("Schaefer2018:100Parcels7Networks", SPACE)
    stem = f"tpl-{SPACE}_{{}}atlas-Schaefer2018_desc-100Parcels7Networks_dseg"
    expected = [f"{stem.format(res)}.nii.gz" for res in ("res-01_", "res-02_")]
    expected.append(f"{stem.format('')}.tsv")
    assert sorted(path.name for path in paths) == sorted(expected)
    # The client comes with the small tables; what it had to fetch are the images.
    assert sorted(downloaded) == expected[:2]
    assert all(path.stat().st_size for path in paths)


def test_a_table_of_all_segmentations_is_fetched_with_one(downloaded: list[str]) -> None:
    names = {path.name for path in fetch_atlas("HOCPA:th25", "MNI152NLin6Asym")}
    assert set(downloaded) == {name for name in names if name.endswith(".nii.gz")}
    assert "tpl-MNI152NLin6Asym_atlas-HOCPA_dseg.tsv" in names
    assert not [name for name in names if "th50" in name]


def test_maps_are_fetched_where_there_are_no_labels_or_by_their_suffix(
    downloaded: list[str],
) -> None:
    names = {path.name for path in fetch_atlas("DiFuMo:64dimensions", "MNI152NLin6Asym")}
    stem = "tpl-MNI152NLin6Asym_{}atlas-DiFuMo_desc-64dimensions_probseg"
    assert names >= {f"{stem.format('res-02_')}.nii.gz", f"{stem.format('')}.tsv"}
    fetch_atlas("HOCPA:probseg", "MNI152NLin6Asym")
    assert all("_probseg" in name for name in downloaded)
    downloaded.clear()
    fetch_atlas("HOCPA:th25", "MNI152NLin6Asym")
    assert all("_desc-th25_dseg" in name for name in downloaded)


def test_an_atlas_that_templateflow_lacks_is_refused_with_those_it_has(
    downloaded: list[str],
) -> None:
    with pytest.raises(UsageError, match=r"has none in .*; it has .*Schaefer2018:1000Parcels17N"):
        fetch_atlas("Nope", SPACE)
    assert not downloaded


@pytest.mark.usefixtures("downloaded")
def test_a_network_that_fails_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("templateflow.client._s3_get", fail)
    with pytest.raises(MissingInputError, match=r"cannot be downloaded.*no route to host"):
        fetch_atlas("MASSP20", SPACE)
