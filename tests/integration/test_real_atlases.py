"""Every run of the real data with every atlas: columns, lost labels and their counts.

What is expected is worked out voxel by voxel in this file, with nilearn's resampling.
"""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn.image import resample_img

pytestmark = pytest.mark.integration

SPACE = "MNI152NLin2009cAsym"
HAXBY = "haxby-12runs"
SUBCORTEX = "ds000005-fmriprep-subcortex"
TWO = "real-fmriprep-like"
ATLASES = {
    "Gordon": 333,
    "AAL": 116,
    "Schaefer2018_seg-100Parcels7Networks": 100,
    "Schaefer2018_seg-200Parcels7Networks": 200,
    "Schaefer2018_seg-400Parcels7Networks": 400,
}


def start(dataset: Path, output: Path, *options: str) -> None:
    command = [sys.executable, "-m", "bids_labelx", str(dataset), str(output), "participant"]
    command += ["--denoise", "none", "--connectivity", "none", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def done(shared_data: Path, made_once: Callable[..., Path]) -> Path:
    """Outputs of the three datasets, each in a folder of its name."""
    return made_once("real-atlases", partial(do_all, shared_data))


def do_all(shared_data: Path, output: Path) -> None:
    dataset = shared_data / "atlases" / "atlas-dataset"
    start(shared_data / TWO, output / TWO, "--atlas-dataset", str(dataset))
    image = shared_data / HAXBY / "atlas" / "atlas-HarvardOxfordCort_res-25mm_dseg.nii.gz"
    start(shared_data / HAXBY, output / HAXBY, "--atlas", str(image), "--atlas-space", "native")
    (image,) = (shared_data / SUBCORTEX / "atlas").glob("*.nii.gz")
    start(
        shared_data / SUBCORTEX,
        output / SUBCORTEX,
        "--atlas",
        str(image),
        "--space",
        "MNI152NLin6Asym",
    )


def atlas_image(shared_data: Path, dataset: str, entities: str) -> Path:
    """The image of the atlas in an output's name."""
    if dataset != TWO:
        (image,) = (shared_data / dataset / "atlas").glob("*_dseg.nii.gz")
        return image
    folder = shared_data / "atlases" / "atlas-dataset" / f"tpl-{SPACE}" / "anat"
    return folder / f"tpl-{SPACE}_{entities}_res-02_dseg.nii.gz"


def names_of(image: Path) -> list[str]:
    """The names in a table, or those that an image without a table gives."""
    for table in image.parent.glob("*.tsv"):
        if image.parent.name != "atlas" and table.stem != image.name.partition(".")[0]:
            continue
        rows = [line.split("\t") for line in table.read_text().splitlines()]
        at = rows[0].index("name"), rows[0].index("index")
        return [row[at[0]] for row in rows[1:] if row[at[1]] != "0"]
    values = sorted(set(np.asarray(nib.load(image).dataobj).ravel()) - {0})
    return [f"label{int(value)}" for value in values]


def written(folder: Path) -> Iterator[tuple[Path, Path, str]]:
    """Of every series its table, that of its labels, and the entities of its atlas."""
    for series in sorted(folder.rglob("*_timeseries.tsv")):
        found = re.search(r"(atlas-[^_]+(_seg-[^_]+)?)_", series.name)
        assert found
        stem = series.name.replace("_stat-mean_desc-raw_timeseries.tsv", "_dseg.tsv")
        yield series, series.with_name(stem), found[1]


def expected_counts(image: Path, bold: Path, indices: list[int]) -> pd.DataFrame:
    """Voxels of each label on a run's grid, and those with a usable series in its mask."""
    run = nib.load(bold)
    atlas = nib.load(image)
    plain = nib.Nifti1Image(np.asarray(atlas.dataobj).squeeze().astype(float), atlas.affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        on_grid = resample_img(
            plain,
            run.affine,
            run.shape[:3],
            interpolation="nearest",
            copy_header=True,
            force_resample=False,
        )
    labels = np.rint(on_grid.get_fdata()).astype(int)
    mask = nib.load(str(bold).replace("desc-preproc_bold", "desc-brain_mask")).get_fdata() > 0
    data = run.get_fdata()
    usable = mask & np.isfinite(data).all(axis=3) & (data != 0).any(axis=3)
    # Where the atlas' voxels are on the run's grid.
    places = apply_affine(np.linalg.inv(run.affine) @ atlas.affine, np.indices(plain.shape).T)
    in_view = ((places >= -0.5) & (places <= np.array(run.shape[:3]) - 0.5)).all(axis=-1).T
    rows = []
    for index in indices:
        here = labels == index
        rows.append(
            {
                "voxels_atlas": int((plain.get_fdata() == index).sum()),
                "voxels_in_view": int(((plain.get_fdata() == index) & in_view).sum()),
                "voxels_grid": int(here.sum()),
                "voxels_in_mask": int((here & mask).sum()),
                "voxels_covered": int((here & usable).sum()),
            }
        )
    return pd.DataFrame(rows)


def expected_status(row: pd.Series) -> str:
    if row["voxels_atlas"] == 0:
        return "absent-from-image"
    if row["voxels_grid"] == 0:
        return "lost-in-resampling"
    if row["voxels_in_mask"] == 0:
        return "outside-mask"
    covered = row["voxels_covered"] / row["voxels_grid"]
    in_view = row["voxels_in_view"] / row["voxels_atlas"]
    return "ok" if in_view * covered >= 0.5 else "low-coverage"


@pytest.mark.parametrize(
    ("dataset", "runs", "atlases"), [(TWO, 2, ATLASES), (HAXBY, 12, None), (SUBCORTEX, 1, None)]
)
def test_every_series_of_an_atlas_has_the_columns_of_its_table(
    shared_data: Path, done: Path, dataset: str, runs: int, atlases: dict[str, int] | None
) -> None:
    expected = atlases or {"": {HAXBY: 21, SUBCORTEX: 19}[dataset]}
    columns: dict[str, list[list[str]]] = {}
    for series, _, entities in written(done / dataset):
        header = series.read_text(encoding="utf-8").partition("\n")[0].split("\t")
        columns.setdefault(entities, []).append(header)
    assert len(columns) == len(expected)
    for entities, headers in columns.items():
        assert len(headers) == runs
        assert all(header == headers[0] for header in headers)
        assert headers[0] == names_of(atlas_image(shared_data, dataset, entities))
        key = entities.removeprefix("atlas-") if atlases else ""
        assert len(headers[0]) == expected[key]


@pytest.mark.parametrize("dataset", [TWO, HAXBY, SUBCORTEX])
def test_lost_labels_are_those_of_brute_force_with_the_same_counts(
    shared_data: Path, done: Path, dataset: str
) -> None:
    seen: dict[str, int] = {}
    for series, labels, entities in written(done / dataset):
        table = pd.read_csv(labels, sep="\t", keep_default_na=False, na_values=["n/a"])
        stem = re.sub(r"_atlas-.*?(_res-[^_]+)?_stat-.*", r"\1", series.name)
        (bold,) = (shared_data / dataset).rglob(f"{stem}_desc-preproc_bold.nii.gz")
        image = atlas_image(shared_data, dataset, entities)
        expected = expected_counts(image, bold, table["index"].tolist())
        for column in ("voxels_atlas", "voxels_in_view", "voxels_grid", "voxels_covered"):
            assert table[column].tolist() == expected[column].tolist(), (series.name, column)
        status = expected.apply(expected_status, axis=1).tolist()
        assert table["status"].tolist() == status, series.name
        for word in status:
            seen[word] = seen.get(word, 0) + 1
        values = pd.read_csv(series, sep="\t", na_values=["n/a"])
        lost = [word != "ok" for word in status]
        assert values.isna().all().tolist() == lost
        assert values.isna().any().tolist() == lost
    assert seen.get("ok", 0) > 0
    if dataset == TWO:
        # The coarse grid and the short field of view do lose labels, or nothing is tested here.
        assert set(seen) >= {"ok", "low-coverage"}
        assert sum(seen.values()) == 2 * sum(ATLASES.values())
