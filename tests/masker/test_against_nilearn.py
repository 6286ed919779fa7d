"""The maskers' numbers beside nilearn's, over the options and many kinds of images.

Where nilearn is known to be wrong, or the two differ on purpose, the combination is left out here
and judged by brute force elsewhere: see docs/explanation/differences.md.
"""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn import maskers as oracle

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.extraction.regions import STATISTICS

SHAPE, N_VOLUMES, T_R = (9, 8, 7), 60, 2.0

AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "negative": np.diag([-3.0, -3.0, -4.0, 1.0]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}


def label_image(affine: np.ndarray, shape: tuple[int, ...] = SHAPE, dtype: str = "i4") -> Any:
    """Blocks of labels with gaps in their values, up to 10,000."""
    values = np.array([0, 2, 5, 11, 700, 10_000])
    blocks = np.random.default_rng(4).integers(0, len(values), [-(-n // 2) for n in shape])
    labels = np.repeat(np.repeat(np.repeat(blocks, 2, 0), 2, 1), 2, 2)
    labels = values[labels[: shape[0], : shape[1], : shape[2]]].astype(dtype)
    return nib.Nifti1Image(labels, affine)


def run_image(affine: np.ndarray, kind: str = "f8", seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    smooth = rng.standard_normal((*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    values = 800 + 20 * rng.standard_normal((*SHAPE, 1)) + 5 * smooth
    endian = ">" if kind.startswith(">") else "<"
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(np.dtype(kind))
    image = nib.Nifti1Image(values.astype(kind), affine, header)
    return nib.Nifti1Image.from_bytes(image.to_bytes())


def mask_image(affine: np.ndarray) -> Any:
    inside = np.random.default_rng(2).random(SHAPE) < 0.8
    return nib.Nifti1Image(inside.astype(np.uint8), affine)


def confounds() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((N_VOLUMES, 4)).cumsum(axis=0)


def both(
    labels: Any, image: Any, *, run: dict[str, Any] | None = None, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Our numbers and nilearn's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.NiftiLabelsMasker(labels, keep_masked_labels=True, **_theirs(options))
        expected = theirs.fit_transform(image, **(run or {}))
        result = NiftiLabelsMasker(labels, **options).fit_transform(image, **(run or {}))
    if options.get("standardize") == "zscore":
        expected = expected * np.sqrt(len(expected) / (len(expected) - 1))
    return result, expected


def _theirs(options: dict[str, Any]) -> dict[str, Any]:
    """The 0.14 spelling of ``clean__…``."""
    extra = {k.removeprefix("clean__"): v for k, v in options.items() if k.startswith("clean__")}
    rest = {k: v for k, v in options.items() if not k.startswith("clean__")}
    if rest.get("standardize") == "zscore":
        # 0.14 has it no more: the same with n - 1 degrees of freedom, see `both`.
        rest["standardize"] = "zscore_sample"
    return {**rest, "clean_args": extra} if extra else rest


def assert_equal(result: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert result.shape == expected.shape
    scale = np.abs(expected).max(axis=0, keepdims=True)
    np.testing.assert_allclose(result / scale, expected / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("kind", ["f8", "f4", "i2", "u1", ">i2", ">f4"])
def test_every_statistic_on_every_kind_of_image(affine: str, kind: str) -> None:
    labels = label_image(AFFINES[affine])
    image = run_image(AFFINES[affine], kind)
    # nilearn computes in float32 where the image is float32.
    tolerance = 1e-4 if kind.endswith("f4") else 1e-6
    for strategy, masked in product(STATISTICS, (False, True)):
        mask = {"mask_img": mask_image(AFFINES[affine])} if masked else {}
        assert_equal(*both(labels, image, strategy=strategy, **mask), tolerance)


@pytest.mark.parametrize("scaling", [(0.5, 0.0), (0.02, 300.0), (3.0, -7.0)])
def test_scaled_headers(scaling: tuple[float, float], tmp_path: Any) -> None:
    image = run_image(AFFINES["oblique"], "f8")
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(*scaling)
    nib.save(image, tmp_path / "run.nii.gz")
    for strategy in STATISTICS:
        assert_equal(
            *both(label_image(AFFINES["oblique"]), tmp_path / "run.nii.gz", strategy=strategy)
        )


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_labels_of_integer_and_float_type(dtype: str) -> None:
    labels = label_image(AFFINES["flipped"], dtype="i4")
    values = np.asarray(labels.dataobj)
    if dtype == "u1":
        values = values % 251
    labels = nib.Nifti1Image(values.astype(dtype), labels.affine)
    assert_equal(*both(labels, run_image(AFFINES["flipped"])))


@pytest.mark.parametrize("standardize", [False, "zscore_sample", "zscore", "psc"])
@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize(
    "filtered",
    [
        {},
        {"low_pass": 0.1, "t_r": T_R},
        {"high_pass": 0.01, "t_r": T_R},
        {"low_pass": 0.1, "high_pass": 0.01, "t_r": T_R},
        {"high_pass": 0.01, "t_r": T_R, "clean__filter": "cosine"},
        {"low_pass": 0.1, "high_pass": 0.02, "t_r": T_R, "clean__butterworth__order": 2},
    ],
    ids=["none", "low", "high", "band", "cosine", "order"],
)
@pytest.mark.parametrize("with_confounds", [False, True])
def test_every_way_of_cleaning(
    standardize: Any, detrend: bool, filtered: dict[str, Any], with_confounds: bool
) -> None:
    affine = AFFINES["oblique"]
    run = {"confounds": confounds()} if with_confounds else {}
    # Unstandardised confounds take a part of the mean, which a percentage then is not of.
    for standardize_confounds in (True,) if standardize == "psc" else (True, False):
        options = {
            "standardize": standardize,
            "detrend": detrend,
            "standardize_confounds": standardize_confounds,
            **filtered,
        }
        # A low-pass moves the mean by as much, and nilearn's percentage is of the mean after it.
        tolerance = 1e-5 if standardize == "psc" else 1e-6
        images = label_image(affine), run_image(affine)
        assert_equal(*both(*images, run=run, **options), tolerance)


@pytest.mark.parametrize(
    "filtered", [{}, {"high_pass": 0.01, "t_r": T_R, "clean__filter": "cosine"}]
)
@pytest.mark.parametrize("detrend", [False, True])
def test_censoring_without_a_butterworth_filter(filtered: dict[str, Any], detrend: bool) -> None:
    affine = AFFINES["diagonal"]
    kept = np.setdiff1d(np.arange(N_VOLUMES), [0, 1, 17, 18, 42, 59])
    run = {"confounds": confounds(), "sample_mask": kept}
    options = {"detrend": detrend, "standardize": "zscore_sample", **filtered}
    assert_equal(*both(label_image(affine), run_image(affine), run=run, **options))


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("fwhm", [4.0, 9.0])
def test_smoothing(affine: str, fwhm: float) -> None:
    labels, image = label_image(AFFINES[affine]), run_image(AFFINES[affine])
    for strategy in ("mean", "median", "standard_deviation"):
        assert_equal(*both(labels, image, smoothing_fwhm=fwhm, strategy=strategy))


@pytest.mark.parametrize("affine", AFFINES)
def test_labels_brought_onto_the_grid_of_the_data(affine: str) -> None:
    fine = AFFINES[affine] @ np.diag([0.5, 0.5, 0.5, 1])
    labels = label_image(fine, (18, 16, 14))
    assert_equal(*both(labels, run_image(AFFINES[affine])))


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("masked", [False, True])
def test_data_brought_onto_the_grid_of_the_labels(affine: str, masked: bool) -> None:
    coarse = AFFINES[affine] @ np.diag([1.7, 1.6, 1.5, 1])
    coarse[:3, 3] += 0.4
    labels = label_image(coarse, (5, 5, 4))
    mask = {"mask_img": mask_image(AFFINES[affine])} if masked else {}
    options = {"resampling_target": "labels", **mask}
    assert_equal(*both(labels, run_image(AFFINES[affine]), **options))


def test_high_variance_confounds() -> None:
    affine = AFFINES["diagonal"]
    # Of float64, as nilearn finds the components of integers in float32.
    labels, image = label_image(affine), run_image(affine)
    assert_equal(*both(labels, image, high_variance_confounds=True))
    run = {"confounds": confounds()}
    assert_equal(*both(labels, image, run=run, high_variance_confounds=True, detrend=True))


def test_everything_at_once() -> None:
    affine = AFFINES["oblique"]
    fine = affine @ np.diag([0.5, 0.5, 0.5, 1])
    options = {
        "mask_img": mask_image(affine),
        "smoothing_fwhm": 5.0,
        "standardize": "zscore_sample",
        "high_variance_confounds": True,
        "detrend": True,
        "low_pass": 0.1,
        "high_pass": 0.01,
        "t_r": T_R,
        "strategy": "median",
    }
    run = {"confounds": confounds()}
    labels = label_image(fine, (18, 16, 14))
    assert_equal(*both(labels, run_image(affine), run=run, **options))


def test_several_runs_at_once_and_in_processes() -> None:
    affine = AFFINES["flipped"]
    labels = label_image(affine)
    runs = [run_image(affine, "i2", seed) for seed in range(3)]
    tables = [confounds() + seed for seed in range(3)]
    options = {"standardize": "zscore_sample", "detrend": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.MultiNiftiLabelsMasker(labels, **options)
        expected = theirs.fit_transform(runs, confounds=tables)
    for n_jobs in (1, 2):
        ours = MultiNiftiLabelsMasker(labels, n_jobs=n_jobs, **options)
        for result, wanted in zip(
            ours.fit_transform(runs, confounds=tables), expected, strict=True
        ):
            assert_equal(result, wanted)


def test_inverse_transform() -> None:
    affine = AFFINES["oblique"]
    labels, image, mask = label_image(affine), run_image(affine), mask_image(affine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.NiftiLabelsMasker(labels, mask_img=mask, keep_masked_labels=True)
        signals = theirs.fit_transform(image)
        expected = theirs.inverse_transform(signals).get_fdata()
        expected_3d = theirs.inverse_transform(signals[0]).get_fdata()
    ours = NiftiLabelsMasker(labels, mask_img=mask).fit(image)
    np.testing.assert_allclose(ours.inverse_transform(signals).get_fdata(), expected)
    np.testing.assert_allclose(ours.inverse_transform(signals[0]).get_fdata(), expected_3d)
