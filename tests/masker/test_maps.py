"""The maps maskers beside nilearn's, and what they refuse and tell."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Memory
from nilearn import maskers as oracle
from scipy import ndimage
from sklearn.base import clone

from bids_labelx import MultiNiftiMapsMasker, NiftiMapsMasker

SHAPE, N_VOLUMES, T_R = (9, 8, 7), 40, 2.0
AFFINES = {
    "diagonal": np.diag([3.0, 3.0, 4.0, 1.0]),
    "flipped": np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 4, 5], [0, 0, 0, 1]]),
    "oblique": np.array(
        [[2.9, 0.4, 0.1, -10], [-0.4, 2.9, 0.3, 4], [0, -0.3, 4.0, 7], [0, 0, 0, 1]]
    ),
}


def image_of(values: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(values, affine, dtype=values.dtype)


def maps_image(affine: np.ndarray, n_maps: int = 4, shape: Any = SHAPE, seed: int = 0) -> Any:
    """Blobs that overlap."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    maps = np.zeros((*shape, n_maps))
    for k in range(n_maps):
        centre = rng.uniform(0.2, 0.8, 3) * shape
        apart = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
        maps[..., k] = np.where(apart < 9, np.exp(-apart / 6), 0)
    return image_of(maps, affine)


def run_image(affine: np.ndarray, seed: int = 0, n_volumes: int = N_VOLUMES) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((*SHAPE, n_volumes)).cumsum(axis=-1)
    return image_of(800 + 20 * rng.standard_normal((*SHAPE, 1)) + 5 * values, affine)


def mask_image(affine: np.ndarray, shape: Any = SHAPE, share: float = 0.8) -> Any:
    inside = np.random.default_rng(2).random(shape) < share
    return image_of(inside.astype(np.uint8), affine)


def both(maps: Any, run: Any, given: dict[str, Any] | None = None, **options: Any) -> Any:
    """Our numbers and nilearn's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = NiftiMapsMasker(maps, **options).fit_transform(run, **(given or {}))
        theirs = oracle.NiftiMapsMasker(maps, **options).fit_transform(run, **(given or {}))
    return ours, theirs


def assert_equal(result: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert result.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result / scale, expected / scale, rtol=0, atol=tolerance)


@st.composite
def cases(draw: st.DrawFn) -> Any:
    """Images on grids of their own, a mask, and every parameter that changes numbers."""
    grids = sorted(AFFINES)
    own = AFFINES[draw(st.sampled_from(grids))]
    near = own @ np.diag([0.9, 1.1, 1.05, 1.0])
    near[:3, 3] += 0.7
    target = draw(st.sampled_from(["data", "maps", "mask", None]))
    other = target is not None and draw(st.booleans())
    maps = maps_image(
        near if other else own,
        draw(st.integers(1, 5)),
        (8, 8, 8) if other else SHAPE,
        draw(st.integers(0, 20)),
    )
    options: dict[str, Any] = {"resampling_target": target}
    if target == "mask" or draw(st.booleans()):
        moved = target is not None and draw(st.booleans())
        grid = own @ np.diag([1.2, 0.9, 0.95, 1]) if moved else own
        options["mask_img"] = mask_image(grid, (9, 9, 8) if moved else SHAPE)
    options["keep_masked_maps"] = draw(st.booleans())
    options["smoothing_fwhm"] = draw(st.sampled_from([None, 5.0]))
    options["standardize"] = draw(st.sampled_from([False, None, "zscore_sample", "psc"]))
    options["detrend"] = draw(st.booleans())
    options["high_variance_confounds"] = draw(st.booleans())
    run: dict[str, Any] = {}
    if draw(st.booleans()):
        run["confounds"] = np.random.default_rng(3).standard_normal((N_VOLUMES, 3)).cumsum(axis=0)
    options |= draw(
        st.sampled_from(
            [
                {},
                {"high_pass": 0.02, "t_r": T_R},
                {"low_pass": 0.1, "high_pass": 0.01, "t_r": T_R},
            ]
        )
    )
    if "t_r" not in options and draw(st.booleans()):
        run["sample_mask"] = np.setdiff1d(np.arange(N_VOLUMES), [0, 11, 12, 39])
    return maps, run_image(own, draw(st.integers(0, 5))), run, options


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_numbers_are_nilearns_whatever_the_parameters(case: Any) -> None:
    maps, image, run, options = case
    ours, theirs = both(maps, image, run, **options)
    assert_equal(ours, theirs, 1e-5 if options["standardize"] == "psc" else 1e-6)


@pytest.mark.parametrize("given", ["image", "path", "list"])
def test_maps_are_taken_in_every_form(given: str, tmp_path: Path) -> None:
    affine = AFFINES["oblique"]
    maps, run = maps_image(affine), run_image(affine)
    expected = oracle.NiftiMapsMasker(maps, standardize=None).fit_transform(run)
    nib.save(maps, tmp_path / "maps.nii.gz")
    form = {
        "image": maps,
        "path": tmp_path / "maps.nii.gz",
        "list": [image_of(one, affine) for one in np.moveaxis(maps.get_fdata(), -1, 0)],
    }[given]
    masker = NiftiMapsMasker(form)
    assert_equal(masker.fit_transform(run), expected)
    np.testing.assert_allclose(masker.maps_img_.get_fdata(), maps.get_fdata())


def test_several_runs_at_once_and_in_processes() -> None:
    affine = AFFINES["flipped"]
    maps, runs = maps_image(affine), [run_image(affine, seed) for seed in range(3)]
    tables = [np.random.default_rng(k).standard_normal((N_VOLUMES, 2)) for k in range(3)]
    options: dict[str, Any] = {"standardize": "zscore_sample", "detrend": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.MultiNiftiMapsMasker(maps, **options).fit_transform(runs, confounds=tables)
    for n_jobs in (1, 2):
        ours = MultiNiftiMapsMasker(maps, n_jobs=n_jobs, **options)
        for one, wanted in zip(ours.fit_transform(runs, confounds=tables), theirs, strict=True):
            assert_equal(one, wanted)


@pytest.mark.parametrize("masked", [False, True])
def test_inverse_transform_adds_up_the_maps(masked: bool) -> None:
    affine = AFFINES["oblique"]
    maps, run = maps_image(affine), run_image(affine)
    mask = mask_image(affine) if masked else None
    signals = np.random.default_rng(1).standard_normal((6, 4))
    ours = NiftiMapsMasker(maps, mask).fit(run)
    theirs = oracle.NiftiMapsMasker(maps, mask).fit(run)
    for one in (signals, signals[0]):
        result = ours.inverse_transform(one)
        expected = theirs.inverse_transform(one)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.get_fdata(), expected.get_fdata(), atol=1e-12)
        np.testing.assert_array_equal(result.affine, affine)


def test_what_was_put_into_the_brain_is_extracted_again_without_masked_maps() -> None:
    affine = AFFINES["diagonal"]
    maps = maps_image(affine)
    inside = np.asarray(maps.dataobj)[..., 2] == 0
    masker = NiftiMapsMasker(maps, image_of(inside.astype("u1"), affine))
    with pytest.warns(UserWarning, match=r"indices were removed: \{2\}"):
        masker.fit()
    assert masker.n_elements_ == 3
    assert masker.get_feature_names_out().tolist() == [f"niftimapsmasker{k}" for k in (0, 1, 3)]
    signals = np.random.default_rng(0).standard_normal((5, 3))
    with pytest.warns(UserWarning, match="removed"):
        again = masker.transform(masker.inverse_transform(signals))
    np.testing.assert_allclose(again, signals, atol=1e-12)


def test_a_masked_map_keeps_a_column_of_zeros_where_asked_for() -> None:
    affine = AFFINES["diagonal"]
    maps, run = maps_image(affine), run_image(affine)
    inside = np.asarray(maps.dataobj)[..., 2] == 0
    masker = NiftiMapsMasker(maps, image_of(inside.astype("u1"), affine), keep_masked_maps=True)
    with pytest.warns(UserWarning, match=r"have no voxel.*: \{2\}\. Their signals are 0"):
        signals = masker.fit_transform(run)
    assert signals.shape == (N_VOLUMES, 4)
    assert (signals[:, 2] == 0).all()
    assert (signals[:, [0, 1, 3]] != 0).all()


def test_a_map_that_is_lost_between_the_voxels_is_told() -> None:
    maps = np.zeros((20, 20, 20, 2))
    maps[5, 5, 5, 0] = 1
    maps[:, :10, :, 1] = 1
    masker = NiftiMapsMasker(image_of(maps, np.diag([1.0, 1, 1, 1])))
    with pytest.warns(UserWarning, match=r"no voxel, or are outside of the grid: \{0\}"):
        masker.fit(image_of(np.ones((5, 5, 5, 3)), np.diag([4.0, 4, 4, 1])))
    assert masker.maps_img_.shape == (5, 5, 5, 2)


def test_attributes_are_those_of_nilearn() -> None:
    affine = AFFINES["flipped"]
    fine = affine @ np.diag([0.5, 0.5, 0.5, 1])
    maps, run, mask = (
        maps_image(fine, shape=(18, 16, 14)),
        run_image(affine),
        mask_image(fine, (18, 16, 14)),
    )
    ours = NiftiMapsMasker(maps, mask).fit(run)
    theirs = oracle.NiftiMapsMasker(maps, mask).fit(run)
    assert ours.n_elements_ == theirs.n_elements_ == 4
    np.testing.assert_allclose(
        ours.maps_img_.get_fdata(), theirs.maps_img_.get_fdata(), atol=1e-12
    )
    np.testing.assert_array_equal(ours.mask_img_.get_fdata(), theirs.mask_img_.get_fdata())
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


@pytest.mark.parametrize("kind", ["NiftiMapsMasker", "MultiNiftiMapsMasker"])
def test_parameters_and_defaults_are_those_of_nilearn(kind: str) -> None:
    ours = inspect.signature(
        {k.__name__: k for k in (NiftiMapsMasker, MultiNiftiMapsMasker)}[kind]
    )
    theirs = inspect.signature(getattr(oracle, kind))
    given = {name: one.default for name, one in ours.parameters.items() if name != "kwargs"}
    assert given == {name: one.default for name, one in theirs.parameters.items()}
    assert list(given) == list(theirs.parameters)


def test_overlap_is_refused_where_it_is_not_allowed() -> None:
    affine = AFFINES["diagonal"]
    maps = np.zeros((*SHAPE, 3))
    maps[:3, ..., 0], maps[4:6, ..., 1], maps[5:, ..., 2] = 1, 1, 1
    run = run_image(affine)
    with pytest.raises(ValueError, match=r"Overlap detected in the maps, in 56 .* maps 1 and 2"):
        NiftiMapsMasker(image_of(maps, affine), allow_overlap=False).fit_transform(run)
    maps[5, ..., 1] = 0
    assert_equal(*both(image_of(maps, affine), run, allow_overlap=False))


def test_collinear_maps_are_named_by_their_number_in_the_image() -> None:
    affine = AFFINES["diagonal"]
    values = np.asarray(maps_image(affine, 5).dataobj).copy()
    inside = np.asarray(values)[..., 1] == 0  # map 1 is lost
    values[..., 4] = 2 * values[..., 2]
    masker = NiftiMapsMasker(image_of(values, affine), image_of(inside.astype("u1"), affine))
    with pytest.warns(UserWarning, match="removed"):
        masker.fit()
    with pytest.raises(ValueError, match=r"rank of 4 maps is 3.*counted from 0: 2, 4\."):
        masker.transform(run_image(affine))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"maps_img": None}, TypeError, "maps_img is None"),
        ({"resampling_target": "mask"}, ValueError, "no mask has been provided"),
        ({"resampling_target": "labels"}, ValueError, "resampling_target"),
        ({"standardize": "z"}, ValueError, "standardize"),
        ({"clean_args": {"nothing": 1}}, TypeError, "nothing"),
        ({"maps_img": image_of(np.zeros((*SHAPE, 2)), np.eye(4))}, ValueError, "contains no map"),
    ],
)
def test_wrong_parameters_are_refused(options: Any, error: Any, message: str) -> None:
    affine = AFFINES["diagonal"]
    with pytest.raises(error, match=message):
        NiftiMapsMasker(**{"maps_img": maps_image(affine), **options}).fit_transform(
            run_image(affine)
        )


def test_grids_that_differ_are_refused_where_nothing_may_be_resampled() -> None:
    maps, run = maps_image(AFFINES["diagonal"]), run_image(AFFINES["flipped"])
    with pytest.raises(ValueError, match="The maps image is on another grid"):
        NiftiMapsMasker(maps, resampling_target=None).fit(run)
    with pytest.raises(ValueError, match="The mask is on another grid"):
        NiftiMapsMasker(maps, mask_image(AFFINES["flipped"]), resampling_target=None).fit()
    apart = np.diag([3.0, 3, 4, 1])
    apart[:3, 3] = 500
    with pytest.raises(ValueError, match="No map left after resampling"):
        NiftiMapsMasker(maps).fit(image_of(np.ones((*SHAPE, 2)), apart))
    corner = np.zeros(SHAPE, "u1")
    corner[0, 0, 0] = 1
    nothing = image_of(corner, AFFINES["diagonal"])
    with pytest.raises(ValueError, match="No map left after applying mask"):
        NiftiMapsMasker(maps, nothing).fit(run_image(AFFINES["diagonal"]))


def test_voxels_that_are_not_finite_count_as_zero_with_a_warning() -> None:
    affine = AFFINES["diagonal"]
    maps, run = maps_image(affine), run_image(affine)
    voxel = tuple(np.argwhere(np.asarray(maps.dataobj)[..., 0] > 0)[0])
    np.asarray(run.dataobj)[voxel][3] = np.nan
    with pytest.warns(UserWarning, match="Non-finite values detected in 1 voxels of the maps"):
        ours = NiftiMapsMasker(maps).fit_transform(run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal(ours, oracle.NiftiMapsMasker(maps).fit_transform(run))


def test_results_are_cached(tmp_path: Path) -> None:
    affine = AFFINES["diagonal"]
    nib.save(run_image(affine), tmp_path / "run.nii.gz")
    memory = Memory(tmp_path / "cache", verbose=0)
    masker = NiftiMapsMasker(maps_image(affine), memory=memory, memory_level=1)
    first = masker.fit_transform(tmp_path / "run.nii.gz")
    again = clone(masker).fit_transform(tmp_path / "run.nii.gz")
    np.testing.assert_array_equal(first, again)
    assert len(list((tmp_path / "cache").rglob("output.pkl"))) == 1


def test_the_report_shows_maps_and_a_picture() -> None:
    affine = AFFINES["diagonal"]
    maps, run = maps_image(affine), run_image(affine)
    masker = NiftiMapsMasker(maps, mask_image(affine))
    assert "not been fitted" in str(masker.generate_report())
    page = str(masker.fit(run).generate_report())
    for text in ('id="contents"', "map 3", "share of weight inside", "resampling_target"):
        assert text in page
    assert 'id="contents"' not in str(
        NiftiMapsMasker(maps, reports=False).fit(run).generate_report()
    )


def test_names_reach_pandas() -> None:
    affine = AFFINES["diagonal"]
    masker = NiftiMapsMasker(maps_image(affine)).set_output(transform="pandas")
    table = masker.fit_transform(run_image(affine))
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == [f"niftimapsmasker{k}" for k in range(4)]


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resampling_target": "maps", "smoothing_fwhm": 6.0},
        {"standardize": "zscore_sample", "detrend": True, "high_variance_confounds": True},
        {"low_pass": 0.1, "high_pass": 0.01, "t_r": 2.5},
    ],
    ids=["plain", "maps", "compcor", "band"],
)
def test_a_real_run_with_maps_made_of_an_atlas(shared_data: Path, options: Any) -> None:
    folder = shared_data / "atlases" / "atlas-dataset" / "tpl-MNI152NLin2009cAsym" / "anat"
    (atlas,) = folder.glob("*_seg-100Parcels7Networks_res-02_dseg.nii.gz")
    func = shared_data / "real-fmriprep-like" / "sub-01" / "func"
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc"
    # Of float64: nilearn keeps the type of the image, float32 here, where it smooths or resamples.
    opened = nib.load(func / f"{stem}-preproc_bold.nii.gz")
    run = image_of(opened.get_fdata(), opened.affine)
    # Every second voxel: a grid of its own, on which nilearn resamples fast.
    affine = nib.load(atlas).affine @ np.diag([2, 2, 2, 1])
    labels = np.asarray(nib.load(atlas).dataobj)[::2, ::2, ::2]
    maps = np.stack(
        [
            ndimage.gaussian_filter((labels == label).astype(float), 1.0)
            for label in range(1, 101, 8)
        ],
        axis=-1,
    )
    maps[maps < 0.05] = 0
    mask = str(func / f"{stem}-brain_mask.nii.gz")
    table = pd.read_csv(func / "sub-01_task-rest_desc-confounds_timeseries.tsv", sep="\t")
    given = {"confounds": table[["trans_x", "rot_z", "csf"]].to_numpy()}
    assert_equal(*both(image_of(maps, affine), run, given, mask_img=mask, **options))


def test_a_3d_image_gives_one_row_with_the_warning_of_the_page() -> None:
    affine = AFFINES["diagonal"]
    run = run_image(affine)
    volume = image_of(run.get_fdata()[..., 0], affine)
    masker = NiftiMapsMasker(maps_image(affine)).fit(volume)
    with pytest.warns(DeprecationWarning, match="3D image"):
        signals = masker.transform(volume)
    assert signals.shape == (1, 4)
    np.testing.assert_allclose(signals[0], masker.transform(run)[0])
