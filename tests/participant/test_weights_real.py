"""Maps and spheres of real runs beside nilearn's maskers."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMapsMasker, NiftiSpheresMasker

from bids_labelx.atlases.atlas import Atlas, Kind
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.participant.extract import reduce_run, resample_atlas
from bids_labelx.participant.records import AtlasOnGrid, RunSource, SignalKey
from bids_labelx.settings import ExtractionOptions, LabelOptions

SEEDS = [(0, -52, 27), (-5, 49, 18), (45, -64, 31), (-45, -68, 35), (2, 10, 40), (34, 2, 6)]
RADII = [5.0, 8.0, 6.0, 10.0, 5.0, 12.0]


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A real run, and its mask without voxels that have no data, which nilearn would take in."""
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc-"
    func = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    bold = nib.load(func / f"{stem}preproc_bold.nii.gz")
    mask = nib.load(func / f"{stem}brain_mask.nii.gz")
    data = bold.get_fdata()
    inside = (mask.get_fdata() > 0) & (np.ptp(data, axis=3) > 0)
    path = tmp_path_factory.mktemp("real") / "mask.nii.gz"
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), mask.affine), path)
    return func / f"{stem}preproc_bold.nii.gz", path


def signals_of(image: Path, kind: Kind, run: tuple[Path, Path], folder: Path) -> np.ndarray:
    bold, mask = run
    header = nib.load(bold)
    to = AtlasOnGrid(folder / "a.npz", folder / "a.tsv")
    atlas = Atlas({"atlas": "a"}, None, image, None, folder, kind=kind)
    resample_atlas(atlas, VolumeGrid.of(header.shape, header.affine), LabelOptions(), to)
    found = reduce_run(RunSource(bold, mask), [to], ExtractionOptions(min_coverage=0))
    return found.signals[SignalKey(0, "mean")]


def in_float64(bold: Path) -> nib.Nifti1Image:
    image = nib.load(bold)
    return nib.Nifti1Image(image.get_fdata(), image.affine)


@pytest.mark.parametrize("size", [4.0, 3.0])
def test_maps_of_a_real_run_are_nilearns(
    run: tuple[Path, Path], tmp_path: Path, size: float
) -> None:
    affine = np.diag([size, size, size, 1])
    affine[:3, 3] = nib.load(run[0]).affine[:3, 3]
    shape = tuple(int(n) for n in np.array([196, 232, 196]) / size)
    places = nib.affines.apply_affine(affine, np.argwhere(np.ones(shape)))
    maps = [np.exp(-((places - seed) ** 2).sum(axis=1) / 400) for seed in SEEDS]
    volumes = np.stack([np.where(m > 0.05, m, 0).reshape(shape) for m in maps], axis=-1)
    image = tmp_path / "a_probseg.nii.gz"
    nib.save(nib.Nifti1Image(volumes, affine), image)
    masker = NiftiMapsMasker(image, mask_img=run[1], resampling_target="data", standardize=None)
    expected = masker.fit_transform(in_float64(run[0]))
    found = signals_of(image, "maps", run, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_spheres_of_a_real_run_are_nilearns(run: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "seeds.tsv"
    rows = ["\t".join(map(str, (*seed, r))) for seed, r in zip(SEEDS, RADII, strict=True)]
    path.write_text("\n".join(["x\ty\tz\tradius", *rows]) + "\n")
    found = signals_of(path, "spheres", run, tmp_path)
    for column, (seed, radius) in enumerate(zip(SEEDS, RADII, strict=True)):
        masker = NiftiSpheresMasker([seed], radius, mask_img=run[1], standardize=None)
        expected = masker.fit_transform(in_float64(run[0]))
        np.testing.assert_allclose(found[:, [column]], expected, rtol=1e-6)
