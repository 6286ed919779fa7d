"""Labels of runs as files: NIfTI, CIFTI-2 and GIFTI."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from surfaces import AFFINE, GRID, LEFT, N_VERTICES, RIGHT, axis_of, space_of

from bids_labelx.extraction.grayordinates import hemispheres
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.outputs.label_images import (
    existing_label_files,
    read_label_files,
    run_label_files,
    write_label_files,
    write_labels,
)

WHOLE = tuple(range(N_VERTICES))
REGIONS = pd.DataFrame({"index": [4, 2], "name": ["four", "two"], "color": ["#ff0000", "red"]})
TABLE = "sub-1_space-X_atlas-A_dseg.tsv"
SPACES: dict[str, tuple[Space, list[str]]] = {
    "volume": (VolumeGrid.of(GRID, AFFINE), ["sub-1_space-X_atlas-A_dseg.nii.gz"]),
    "grayordinates": (space_of(), ["sub-1_space-X_atlas-A_dseg.dlabel.nii"]),
    "pair": (
        hemispheres([("L", 12), ("R", 9)]),
        [f"sub-1_hemi-{hemi}_space-X_atlas-A_dseg.label.gii" for hemi in "LR"],
    ),
    "right": (hemispheres([("R", 9)]), ["sub-1_hemi-R_space-X_atlas-A_dseg.label.gii"]),
    "whole, the right one first": (
        space_of({RIGHT: WHOLE, LEFT: WHOLE}),
        ["sub-1_space-X_atlas-A_dseg.dlabel.nii"],
    ),
    "whole, and another": (
        space_of({LEFT: WHOLE, "CEREBELLUM": WHOLE}),
        ["sub-1_space-X_atlas-A_dseg.dlabel.nii"],
    ),
    "whole, shuffled": (
        space_of({LEFT: WHOLE[::-1]}),
        ["sub-1_space-X_atlas-A_dseg.dlabel.nii"],
    ),
}


def labels_for(space: Space) -> np.ndarray:
    return np.random.default_rng(2).choice([0, 2, 4], space.n_elements)


@pytest.mark.parametrize("kind", SPACES)
def test_labels_read_back_on_their_own_elements(tmp_path: Path, kind: str) -> None:
    space, names = SPACES[kind]
    labels = labels_for(space)
    files = write_label_files(tmp_path / TABLE, labels, space, REGIONS)
    assert [path.name for path in files] == names
    assert files == run_label_files(tmp_path / TABLE, space)
    assert files == existing_label_files(tmp_path / TABLE)
    found, own = read_label_files(files)
    assert found.tolist() == labels.tolist()
    assert space.same(own)


@pytest.mark.parametrize("kind", SPACES)
def test_the_same_labels_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    space, _ = SPACES[kind]
    first, second = (
        [path.read_bytes() for path in write_label_files(to, labels_for(space), space, REGIONS)]
        for to in (tmp_path / TABLE, tmp_path / "again" / TABLE)
    )
    assert first == second


def test_nibabel_reads_names_colours_and_elements_of_a_dlabel(tmp_path: Path) -> None:
    space = space_of()
    (path,) = write_label_files(tmp_path / TABLE, labels_for(space), space, REGIONS)
    image = nib.load(path)
    assert image.header.get_axis(1) == axis_of(space)
    found = image.header.get_axis(0).label[0]
    assert {key: name for key, (name, _) in found.items()} == {0: "???", 4: "four", 2: "two"}
    assert found[4][1] == (1, 0, 0, 1)
    assert image.get_fdata()[0].tolist() == labels_for(space).tolist()


def test_nibabel_reads_each_hemisphere_of_a_pair(tmp_path: Path) -> None:
    space = hemispheres([("L", 12), ("R", 9)])
    labels = labels_for(space)
    files = write_label_files(tmp_path / TABLE, labels, space, REGIONS)
    for path, part, name in zip(files, (labels[:12], labels[12:]), ("Left", "Right"), strict=True):
        image = nib.load(path)
        assert image.agg_data().tolist() == part.tolist()
        assert image.labeltable.get_labels_as_dict() == {0: "???", 4: "four", 2: "two"}
        assert image.meta["AnatomicalStructurePrimary"] == f"Cortex{name}"


def test_the_other_hemisphere_of_another_invocation_is_not_of_a_table(tmp_path: Path) -> None:
    """Runs of --hemi L and --hemi R in one output folder are runs of their own."""
    tables = {hemi: tmp_path / f"sub-1_hemi-{hemi}_space-X_atlas-A_dseg.tsv" for hemi in "LR"}
    written = {
        hemi: write_label_files(path, np.full(5, 4), hemispheres([(hemi, 5)]), REGIONS)
        for hemi, path in tables.items()
    }
    for hemi, path in tables.items():
        assert existing_label_files(path) == written[hemi]
        _, space = read_label_files(existing_label_files(path))
        assert space.same(hemispheres([(hemi, 5)]))


@pytest.mark.parametrize(
    ("largest", "dtype"), [(32767, np.int16), (32768, np.int32), (2**31, np.int64)]
)
def test_label_values_survive_and_the_same_labels_give_the_same_bytes(
    tmp_path: Path, largest: int, dtype: type
) -> None:
    labels = np.array([[[0, 9170, largest]]])
    affine = np.diag([2.0, 2, 2, 1])
    write_labels(tmp_path / "a.nii.gz", labels, affine)
    write_labels(tmp_path / "b.nii.gz", labels, affine)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == dtype
    assert (np.asarray(image.dataobj) == labels).all()
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
