"""Atlases of maps and spheres on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, SHAPE, SPACE

from bids_labelx.app.group import run_group
from bids_labelx.app.participant import run_participants
from bids_labelx.errors import LabelxError
from bids_labelx.settings import Settings

NAMES = ("front", "back", "lost")
STEM = f"sub-01_task-rest_space-{SPACE}"


def weights() -> np.ndarray:
    """Three smooth maps that overlap; the third lies where the mask of the runs is not."""
    x = np.arange(SHAPE[0])[:, None, None] + np.zeros(SHAPE)
    y = np.arange(SHAPE[1])[None, :, None] + np.zeros(SHAPE)
    lost = np.where(x == 0, 1.0 + y, 0)
    return np.stack([np.exp(-((x - 2) ** 2) / 3), y * (x > 1) / 4.0, lost], axis=-1)


def write_maps(
    root: Path, write_image: Callable[..., Path], first: int = 1, data: np.ndarray | None = None
) -> Path:
    """An image of maps with its table, in the space of the runs; the table in another order."""
    stem = root / f"tpl-{SPACE}" / "anat" / f"tpl-{SPACE}_atlas-Soft_res-01_probseg"
    image = write_image(
        stem.with_suffix(".nii.gz"), (weights() if data is None else data).astype(np.float32)
    )
    table = pd.DataFrame(
        {"index": np.arange(3) + first, "name": NAMES, "network": ["a", "b", "b"]}
    )
    table.iloc[[2, 0, 1]].to_csv(stem.with_suffix(".tsv"), sep="\t", index=False)
    return image


def write_seeds(root: Path) -> Path:
    """Three spheres: one of 3.5 mm, one of the default that overlaps it, one far outside."""
    path = root / f"space-{SPACE}_spheres.tsv"
    path.write_text(
        "x\ty\tz\tradius\tname\tnetwork\n"
        "0\t0\t0\t3.5\tmiddle\ta\n-3\t0\t0\tn/a\tnear\ta\n500\t0\t0\t6\tfar\tb\n"
    )
    return path


def done(settings: Settings) -> str:
    with redirect_stderr(StringIO()) as told:
        code = run_participants(settings)
    assert code == 0, told.getvalue()
    return told.getvalue()


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)


@pytest.fixture
def study(
    tmp_path: Path, add_run: Callable[..., Path], write_image: Callable[..., Path]
) -> Settings:
    for number, run in enumerate(("sub-01_task-rest", "sub-02_task-rest")):
        add_run(tmp_path / "ds", run, seed=number)
    maps = write_maps(tmp_path / "atlases", write_image)
    seeds = write_seeds(tmp_path)
    return Settings(
        tmp_path / "ds",
        tmp_path / "out",
        "participant",
        atlas=(str(maps), f"Balls={seeds}"),
        denoise=("none", "simple"),
        connectivity=("correlation",),
    )


def volumes_of(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """The run's series, shape (n_volumes, n_voxels), and whether a voxel is in its mask."""
    func = settings.bids_dir / "sub-01" / "func"
    data = nib.load(func / f"{STEM}_desc-preproc_bold.nii.gz").get_fdata()
    mask = nib.load(func / f"{STEM}_desc-brain_mask.nii.gz").get_fdata() > 0
    return data.reshape(-1, data.shape[-1]).T, mask.ravel()


def test_maps_are_fitted_by_least_squares_and_a_map_outside_the_mask_is_missing(
    study: Settings,
) -> None:
    done(study)
    func = study.output_dir / "sub-01" / "func"
    series = read(func / f"{STEM}_atlas-Soft_stat-mean_desc-raw_timeseries.tsv")
    assert list(series) == ["lost", "front", "back"]
    assert series["lost"].isna().all()
    data, mask = volumes_of(study)
    own = weights().astype(np.float32).reshape(-1, 3)[:, :2]
    expected = np.linalg.lstsq(own[mask].astype(float), data[:, mask].T, rcond=None)[0].T
    np.testing.assert_allclose(series[["front", "back"]], expected, rtol=1e-6)
    table = read(func / f"{STEM}_atlas-Soft_dseg.tsv")
    assert table["index"].tolist() == [3, 1, 2]
    assert table["name"].tolist() == ["lost", "front", "back"]
    assert table["status"].tolist() == ["outside-mask", "ok", "ok"]
    share = own[mask].sum(axis=0) / own.sum(axis=0)
    np.testing.assert_allclose(table["coverage"], [0, *share], atol=1e-6)
    maps = nib.load(func / f"{STEM}_atlas-Soft_probseg.nii.gz")
    assert maps.shape == (*SHAPE, 3)
    np.testing.assert_array_equal(maps.affine, AFFINE)
    inside = np.where(mask[:, None], weights().astype(np.float32).reshape(-1, 3), 0)
    np.testing.assert_array_equal(maps.get_fdata().reshape(-1, 3), inside[:, [2, 0, 1]])


def test_spheres_are_means_over_their_voxels_and_may_overlap(study: Settings) -> None:
    done(study)
    func = study.output_dir / "sub-01" / "func"
    series = read(func / f"{STEM}_atlas-Balls_stat-mean_desc-raw_timeseries.tsv")
    assert list(series) == ["middle", "near", "far"]
    assert series["far"].isna().all()
    data, mask = volumes_of(study)
    places = nib.affines.apply_affine(AFFINE, np.argwhere(np.ones(SHAPE)))
    for name, seed, radius in (("middle", (0, 0, 0), 3.5), ("near", (-3, 0, 0), 5.0)):
        inside = (np.linalg.norm(places - seed, axis=1) <= radius) & mask
        np.testing.assert_allclose(series[name], data[:, inside].mean(axis=1), rtol=1e-6)
    table = read(func / f"{STEM}_atlas-Balls_dseg.tsv")
    assert table["index"].tolist() == [1, 2, 3]
    assert table["status"].tolist() == ["ok", "ok", "lost-in-resampling"]
    sidecar = json.loads((func / f"{STEM}_atlas-Balls_dseg.json").read_text())
    assert "counts in the signal of each" in sidecar["Description"]
    assert not (func / f"{STEM}_atlas-Balls_probseg.nii.gz").exists()


def test_cleaning_voxels_or_signals_of_maps_and_spheres_is_the_same(study: Settings) -> None:
    done(study)
    voxel = replace(study, output_dir=study.output_dir.with_name("voxel"), clean_level="voxel")
    done(voxel)
    for atlas in ("Soft", "Balls"):
        name = f"sub-01/func/{STEM}_atlas-{atlas}_stat-mean_desc-simple_timeseries.tsv"
        one, other = read(study.output_dir / name), read(voxel.output_dir / name)
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_group_level_takes_maps_and_spheres(study: Settings) -> None:
    done(study)
    with redirect_stderr(StringIO()):
        assert run_group(replace(study, analysis_level="group")) == 0
    for atlas, missing in (("Soft", "lost"), ("Balls", "far")):
        matrix = (
            "sub-0{}_task-rest_space-{}_atlas-{}_stat-mean_meas-correlation_desc-raw_relmat.tsv"
        )
        z = []
        for number in (1, 2):
            name = matrix.format(number, SPACE, atlas)
            table = read(study.output_dir / f"sub-0{number}" / "func" / name)
            z.append(np.arctanh(table.drop(columns="name").to_numpy(float)[np.triu_indices(3, 1)]))
        (mean,) = study.output_dir.glob(f"group_*atlas-{atlas}*desc-raw*mean*relmat.tsv")
        table = read(mean)
        assert table[missing].isna().all()
        found = table.drop(columns="name").to_numpy(float)[np.triu_indices(3, 1)]
        np.testing.assert_allclose(found, np.mean(z, axis=0), rtol=1e-4)


@pytest.mark.parametrize("statistic", ["median", "sum"])
def test_another_statistic_than_the_mean_of_maps_is_refused(
    study: Settings, statistic: str
) -> None:
    with pytest.raises(LabelxError, match=f"--statistic {statistic}: Soft has maps"):
        run_participants(replace(study, statistic=("mean", statistic)))


def test_a_table_that_counts_from_0_gives_the_same_and_keeps_its_index(
    study: Settings, write_image: Callable[..., Path]
) -> None:
    done(study)
    image = Path(study.atlas[0])
    write_maps(image.parents[2], write_image, first=0)
    other = replace(study, output_dir=study.output_dir.with_name("other"))
    done(other)
    name = f"sub-01/func/{STEM}_atlas-Soft_stat-mean_desc-raw_timeseries.tsv"
    assert (study.output_dir / name).read_bytes() == (other.output_dir / name).read_bytes()
    table = read(other.output_dir / f"sub-01/func/{STEM}_atlas-Soft_dseg.tsv")
    assert table["index"].tolist() == [3, 1, 2]
    assert table["index_in_file"].tolist() == [2, 0, 1]


def test_some_of_the_maps_have_the_signals_of_the_fit_of_all(study: Settings) -> None:
    done(study)
    some = replace(
        study,
        output_dir=study.output_dir.with_name("some"),
        labels=("back", "1"),
        atlas=study.atlas,
    )
    done(some)
    name = f"sub-01/func/{STEM}_atlas-Soft_stat-mean_desc-raw_timeseries.tsv"
    whole, part = read(study.output_dir / name), read(some.output_dir / name)
    pd.testing.assert_frame_equal(part, whole[["front", "back"]])


def test_collinear_maps_fail_the_run_by_their_names(
    study: Settings, write_image: Callable[..., Path]
) -> None:
    maps = weights()
    maps[..., 1] = 3 * maps[..., 0]
    write_maps(Path(study.atlas[0]).parents[2], write_image, data=maps)
    with redirect_stderr(StringIO()) as told:
        assert run_participants(replace(study, atlas=study.atlas[:1])) == 1
    text = " ".join(told.getvalue().split())
    assert "maps are collinear inside the mask of this run" in text
    assert "front, back" in text


def test_a_table_without_a_row_for_each_map_is_refused(study: Settings) -> None:
    image = Path(study.atlas[0])
    table = image.with_name(image.name.replace(".nii.gz", ".tsv"))
    table.write_text("index\tname\n1\tfront\n2\tback\n")
    with pytest.raises(LabelxError, match=r"a row for each of the 3 volumes .* found 2 rows"):
        run_participants(study)


def test_maps_and_spheres_of_another_space_are_refused(study: Settings) -> None:
    seeds = Path(study.atlas[1].partition("=")[2])
    other = seeds.rename(seeds.with_name("space-MNI152NLin6Asym_spheres.tsv"))
    with pytest.raises(LabelxError, match="MNI152NLin6Asym"):
        run_participants(replace(study, atlas=(str(other),)))
    nameless = other.rename(other.with_name("spheres.tsv"))
    with pytest.raises(LabelxError, match="its name says no space"):
        run_participants(replace(study, atlas=(str(nameless),)))
    done(replace(study, atlas=(str(nameless),), atlas_space=SPACE))
    assert list((study.output_dir / "sub-01" / "func").glob("*_atlas-spheres_*_timeseries.tsv"))
