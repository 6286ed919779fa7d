"""Smoothing inside a mask takes nothing from outside it.

The judges are a weighted mean over all pairs of voxels, and signals that are known.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.participant.extract import reduce_run
from bids_labelx.participant.records import AtlasOnGrid, RunSource, SignalKey
from bids_labelx.settings import ExtractionOptions, make_settings

SHAPE = (9, 8, 7)
SIZES = (2.0, 2.5, 3.0)


def run_of(values: np.ndarray) -> RunData:
    return open_run_data(nib.Nifti1Image(values, np.diag([*SIZES, 1.0]), dtype=values.dtype))


def volumes_of(run: RunData, size: int | None = None) -> np.ndarray:
    blocks = [np.array(raw) for _, raw in run.blocks(size)]
    return np.concatenate(blocks).T.reshape((*SHAPE, -1), order="F")


def ball() -> np.ndarray:
    """A mask whose smoothed copies do not reach the edge of the grid, by the kernel's width."""
    places = np.moveaxis(np.indices(SHAPE), 0, -1)
    return np.linalg.norm(places - [4, 3.6, 3], axis=-1) < 2.6


@pytest.mark.parametrize("size", [1, 3])
def test_a_voxel_is_the_mean_of_those_in_the_mask_weighted_by_the_gaussian(size: int) -> None:
    fwhm = 1.8
    values = np.random.default_rng(0).normal(50, 9, (*SHAPE, 4))
    values[0] = np.nan
    mask = ball()
    smooth = volumes_of(smooth_volumes(run_of(values), fwhm, mask.ravel("F")), size)
    places = np.argwhere(mask)
    sigma = fwhm / np.array(SIZES) / (2 * np.sqrt(2 * np.log(2)))
    # As every Gaussian kernel in the field, it is cut off at four standard deviations.
    reach = np.floor(4 * sigma + 0.5)
    for place in places:
        steps = places - place
        weights = np.exp(-0.5 * (steps**2 / sigma**2).sum(axis=1)) * (abs(steps) <= reach).all(1)
        expected = weights @ values[tuple(places.T)] / weights.sum()
        np.testing.assert_allclose(smooth[tuple(place)], expected, rtol=1e-10)
    assert not smooth[~mask].any()


def test_what_is_outside_the_mask_changes_nothing_and_a_constant_stays() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random(SHAPE) < 0.6
    data = np.full((*SHAPE, 3), 7.0)
    data[~mask] = rng.normal(0, 1000, (int((~mask).sum()), 3))
    smooth = volumes_of(smooth_volumes(run_of(data), 6.0, mask.ravel("F")))
    np.testing.assert_allclose(smooth[mask], 7.0, rtol=1e-12)
    plain = volumes_of(smooth_volumes(run_of(data), 6.0))
    assert abs(plain[mask] - 7.0).max() > 10


def test_region_signals_of_a_run_are_free_of_noise_outside_its_mask(
    tmp_path: Path,
    write_image: Callable[..., Path],
    on_grid: AtlasOnGrid,
    data: np.ndarray,
    mask: np.ndarray,
) -> None:
    found = {}
    for outside in (0.0, 1e4):
        data[mask == 0] = outside + 1
        source = RunSource(
            write_image(tmp_path / "b.nii.gz", data), write_image(tmp_path / "m.nii.gz", mask)
        )
        for inside in (True, False):
            options = ExtractionOptions(smoothing_fwhm=8.0, smooth_inside_mask=inside)
            signals = reduce_run(source, [on_grid], options).signals[SignalKey(0, "mean")]
            found[outside, inside] = signals[:, [0, 1, 3]]
    np.testing.assert_allclose(found[0.0, True], found[1e4, True], rtol=1e-9)
    assert abs(found[0.0, False] - found[1e4, False]).max() > 1000


def test_without_a_width_or_a_mask_there_is_nothing_to_stay_inside_of() -> None:
    given = {
        "bids_dir": "in",
        "output_dir": "out",
        "analysis_level": "participant",
        "atlas": ["a.nii.gz"],
        "smooth_inside_mask": True,
    }
    with pytest.raises(Exception, match="without --smoothing-fwhm"):
        make_settings(given)
    with pytest.raises(Exception, match="--mask is none"):
        make_settings({**given, "smoothing_fwhm": "6", "mask": "none"})
    assert make_settings({**given, "smoothing_fwhm": "6"}).smooth_inside_mask
