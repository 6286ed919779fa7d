"""The maskers: nilearn's numbers, scikit-learn's manners."""

from __future__ import annotations

import inspect
import pickle
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nilearn import maskers as oracle
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.extraction.regions import STATISTICS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RUN = DATA / "real-fmriprep-like" / "sub-01" / "func"
MNI = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-4_desc"
SCHAEFER = (
    DATA
    / "atlases"
    / "atlas-dataset"
    / "tpl-MNI152NLin2009cAsym"
    / "anat"
    / "tpl-MNI152NLin2009cAsym_atlas-Schaefer2018_seg-100Parcels7Networks_res-02_dseg.nii.gz"
)
AFFINE = np.array([[-2.0, 0.3, 0, 10], [0.2, 3.0, 0, -20], [0, 0.4, 4.0, 5], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def by_nilearn(labels_img, imgs, *, confounds=None, sample_mask=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker = oracle.NiftiLabelsMasker(labels_img, keep_masked_labels=True, **options)
        return masker.fit_transform(imgs, confounds=confounds, sample_mask=sample_mask)


def labels_of(masker):
    """The label of each column."""
    return [masker.region_ids_[k] for k in range(masker.n_elements_)]


def label_image(values=(0, 3, 7, 12, 9170), shape=SHAPE, affine=AFFINE, seed=0, dtype="int32"):
    labels = np.random.default_rng(seed).choice(np.array(values), shape).astype(dtype)
    return nib.Nifti1Image(labels, affine, dtype=labels.dtype)


def run_image(n_volumes=20, shape=SHAPE, affine=AFFINE, seed=1, dtype="f4"):
    rng = np.random.default_rng(seed)
    values = rng.normal(500, 40, (*shape, n_volumes)).astype(dtype)
    return nib.Nifti1Image(values, affine)


def mask_image(seed=2):
    inside = np.random.default_rng(seed).random(SHAPE) < 0.7
    return nib.Nifti1Image(inside.astype(np.uint8), AFFINE)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dtype=st.sampled_from(["i2", "f4", "u1"]),
    order=st.sampled_from("<>"),
    scaled=st.booleans(),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    strategy=st.sampled_from(STATISTICS),
    masked=st.booleans(),
    elsewhere=st.booleans(),
    seed=st.integers(0, 99),
)
def test_signals_of_a_file_are_those_of_nilearn(
    tmp_path, dtype, order, scaled, suffix, strategy, masked, elsewhere, seed
):
    values = np.random.default_rng(seed).normal(120, 20, (*SHAPE, 5)).astype(dtype)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    image = nib.Nifti1Image(values, AFFINE, header)
    if scaled:
        image.header.set_slope_inter(0.013, 40.0)
    path = tmp_path / f"run{suffix}"
    nib.save(image, path)
    affine = AFFINE @ np.diag([0.8, 0.9, 0.7, 1.0]) if elsewhere else AFFINE
    labels = label_image(seed=seed, affine=affine)
    options = {"strategy": strategy, "mask_img": mask_image(seed) if masked else None}
    result = NiftiLabelsMasker(labels, **options).fit_transform(path)
    expected = by_nilearn(labels, path, **options)
    # nilearn computes float32 images in float32.
    np.testing.assert_allclose(result, expected, rtol=1e-4 if "i" in strategy else 1e-6)


@pytest.mark.parametrize("standardize", [False, True, "zscore_sample", "psc"])
@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("censor", [False, True])
def test_cleaned_signals_are_those_of_nilearn(standardize, detrend, censor):
    labels, image = label_image(), run_image(dtype="f8")
    options = {
        "confounds": np.random.default_rng(0).normal(size=(20, 3)),
        "sample_mask": np.delete(np.arange(20), [0, 5, 6]) if censor else None,
        "standardize": standardize,
        "detrend": detrend,
    }
    at_transform = {k: options.pop(k) for k in ("confounds", "sample_mask")}
    result = NiftiLabelsMasker(labels, **options).fit_transform(image, **at_transform)
    expected = by_nilearn(labels, image, **options, **at_transform)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the repository")
@pytest.mark.parametrize("strategy", ["mean", "standard_deviation", "median"])
def test_signals_of_a_real_run_are_those_of_nilearn(strategy):
    bold, mask = RUN / f"{MNI}-preproc_bold.nii.gz", RUN / f"{MNI}-brain_mask.nii.gz"
    table = pd.read_table(RUN / "sub-01_task-rest_desc-confounds_timeseries.tsv")
    columns = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    confounds = table[[*columns, "csf", "white_matter"]]
    options = {"mask_img": mask, "strategy": strategy, "standardize": "zscore_sample"}
    masker = NiftiLabelsMasker(SCHAEFER, **options)
    result = masker.fit_transform(bold, confounds=confounds)
    expected = by_nilearn(SCHAEFER, bold, confounds=confounds, **options)
    assert result.shape[1] == masker.n_elements_ == 100
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def test_columns_are_ordered_by_label_and_named():
    names = ["left", "right", "up", "down"]
    labels, image = label_image(), run_image()
    for given_names in (names, ["Background", *names]):
        masker = NiftiLabelsMasker(labels, labels=given_names).fit(image)
        assert masker.region_ids_ == {"background": 0, 0: 3, 1: 7, 2: 12, 3: 9170}
        assert masker.region_names_ == dict(enumerate(names))
        assert masker.get_feature_names_out().tolist() == names
        assert masker.n_elements_ == 4
    masker = NiftiLabelsMasker(labels).fit()
    assert masker.region_names_ == {0: "3", 1: "7", 2: "12", 3: "9170"}


def test_names_that_are_not_one_for_each_region_are_refused():
    with pytest.raises(ValueError, match=r"Mismatch.*\(3\).*\(4\)"):
        NiftiLabelsMasker(label_image(), labels=["a", "b", "c"]).fit()
    with pytest.raises(TypeError, match="names"):
        NiftiLabelsMasker(label_image(), labels=[1, 2, 3, 4]).fit()  # type: ignore[list-item]


@pytest.mark.parametrize("background", [7, 0.0, -1])
def test_the_background_label_has_no_column(background):
    masker = NiftiLabelsMasker(label_image(), background_label=background)
    result = masker.fit_transform(run_image())
    expected = [one for one in (0, 3, 7, 12, 9170) if one != background]
    assert labels_of(masker) == expected
    assert masker.region_ids_["background"] == background
    assert result.shape == (20, len(expected))


def test_a_background_other_than_zero_fills_what_resampling_leaves_empty():
    labels = label_image(values=(1, 2))
    labels = nib.Nifti1Image(np.asarray(labels.dataobj), np.eye(4))
    image = run_image(shape=(9, 9, 9), affine=np.eye(4))
    masker = NiftiLabelsMasker(labels, background_label=1)
    masker.fit_transform(image)
    assert masker.region_ids_ == {"background": 1, 0: 2}
    assert np.unique(masker.labels_img_.dataobj).tolist() == [1, 2]


def test_a_label_lost_in_resampling_is_dropped_with_a_warning():
    labels = np.zeros((9, 9, 9), np.int32)
    labels[:4], labels[4:], labels[3, 3, 3] = 5, 6, 77
    image = run_image(shape=(5, 5, 5), affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    masker = NiftiLabelsMasker(nib.Nifti1Image(labels, np.eye(4)), labels=["a", "b", "c"])
    message = (
        "After resampling the label image to the data image, "
        r"the following labels were removed: \{77\}"
    )
    with pytest.warns(UserWarning, match=message):
        result = masker.fit_transform(image)
    assert result.shape == (20, 2)
    assert masker.region_names_ == {0: "a", 1: "b"}
    # The same where the image is seen at transform for the first time.
    with pytest.warns(UserWarning, match=message):
        np.testing.assert_array_equal(masker.fit().transform(image), result)
    assert masker.n_elements_ == 2


def test_a_label_outside_of_the_mask_is_a_column_of_zeros():
    labels = label_image()
    inside = np.asarray(labels.dataobj) != 7
    mask = nib.Nifti1Image(inside.astype(np.uint8), AFFINE)
    result = NiftiLabelsMasker(labels, mask_img=mask).fit_transform(run_image())
    assert not result[:, 1].any()
    assert result[:, [0, 2, 3]].all()
    np.testing.assert_allclose(result, by_nilearn(labels, run_image(), mask_img=mask), rtol=1e-6)


def test_a_mask_on_another_grid_is_resampled():
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0])
    inside = np.random.default_rng(0).random((12, 14, 16)) < 0.5
    mask = nib.Nifti1Image(inside.astype(np.uint8), affine)
    labels, image = label_image(), run_image()
    masker = NiftiLabelsMasker(labels, mask_img=mask)
    result = masker.fit_transform(image)
    np.testing.assert_allclose(result, by_nilearn(labels, image, mask_img=mask), rtol=1e-6)
    assert masker.mask_img_.shape == SHAPE


def test_nothing_left_is_refused():
    empty = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE)
    with pytest.raises(ValueError, match="The mask is invalid as it is empty"):
        NiftiLabelsMasker(label_image(), mask_img=empty).fit()
    elsewhere = nib.Nifti1Image((np.asarray(label_image().dataobj) == 0).astype(np.uint8), AFFINE)
    with pytest.raises(ValueError, match="No label left after applying mask"):
        NiftiLabelsMasker(label_image(), mask_img=elsewhere).fit(run_image())
    with pytest.raises(ValueError, match="no label but the background"):
        NiftiLabelsMasker(empty).fit()
    far = AFFINE.copy()
    far[:3, 3] += 1000
    with pytest.raises(ValueError, match="No label left after resampling"):
        NiftiLabelsMasker(label_image()).fit(run_image(affine=far))


def test_non_finite_values_count_as_zero_with_a_warning():
    image = run_image(dtype="f8")
    image.get_fdata()[2, 3, 4, 5] = np.nan
    image.get_fdata()[1, 1, 1] = np.inf
    values = np.asarray(image.dataobj)
    repaired = nib.Nifti1Image(np.where(np.isfinite(values), values, 0), AFFINE)
    labels = nib.Nifti1Image(np.full(SHAPE, 4, np.int16), AFFINE)
    with pytest.warns(UserWarning, match="Non-finite values detected in 2 labelled voxels"):
        result = NiftiLabelsMasker(labels).fit_transform(nib.Nifti1Image(values, AFFINE))
    np.testing.assert_allclose(result, NiftiLabelsMasker(labels).fit_transform(repaired))


def test_without_resampling_target_another_grid_is_refused_with_both_grids():
    labels = label_image()
    moved = AFFINE.copy()
    moved[0, 3] += 1
    masker = NiftiLabelsMasker(labels, resampling_target=None)
    np.testing.assert_array_equal(
        masker.fit_transform(run_image()), NiftiLabelsMasker(labels).fit_transform(run_image())
    )
    for attempt in (masker.fit, masker.fit().transform):
        with pytest.raises(
            ValueError, match=r"shape \(6, 7, 8\), affine[\s\S]*target: shape"
        ) as e:
            attempt(run_image(affine=moved))
        assert str(AFFINE) in str(e.value)
        assert str(moved) in str(e.value)
    mask = nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), AFFINE)
    with pytest.raises(ValueError, match=r"mask: shape \(5, 5, 5\)"):
        NiftiLabelsMasker(labels, mask_img=mask, resampling_target=None).fit()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "mode"}, "Invalid strategy 'mode'"),
        ({"standardize": "z"}, "invalid value for 'standardize'"),
        ({"background_label": 0.5}, "background_label"),
    ],
)
def test_wrong_parameters_are_refused_at_fit_and_not_before(options, message):
    masker = NiftiLabelsMasker(label_image(), **options)
    with pytest.raises(ValueError, match=message):
        masker.fit()


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_a_wrong_resampling_target_is_refused_in_the_constructor_and_at_fit(kind):
    with pytest.raises(ValueError, match="invalid value for 'resampling_target'"):
        kind(label_image(), resampling_target="mask")
    masker = kind(label_image()).set_params(resampling_target="mask")
    with pytest.raises(ValueError, match="invalid value for 'resampling_target'"):
        masker.fit()


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_an_unfitted_masker_says_so(kind):
    masker = kind(label_image())
    for attempt in (
        lambda: masker.transform(run_image()),
        lambda: masker.transform_single_imgs(run_image()),
        lambda: masker.inverse_transform(np.zeros(4)),
        lambda: masker.get_feature_names_out(),
    ):
        with pytest.raises(
            NotFittedError, match=rf"{kind.__name__} instance is not fitted yet\. "
        ):
            attempt()


def test_labels_of_any_kind_that_are_whole_numbers_are_taken(tmp_path):
    image = run_image()
    expected = NiftiLabelsMasker(label_image()).fit_transform(image)
    plain = np.asarray(label_image().dataobj)
    scaled = nib.Nifti1Image((plain // 1).astype(np.int16), AFFINE)
    scaled.header.set_slope_inter(2.0, 10.0)
    nib.save(scaled, tmp_path / "scaled.nii.gz")
    large = nib.Nifti1Image(plain.astype(np.int64) + 2**40 * (plain > 0), AFFINE, dtype="int64")
    holed = np.where(plain == 0, np.nan, plain)
    for labels, background in (
        (nib.Nifti1Image(plain.astype("f4"), AFFINE), 0),
        (nib.Nifti1Image(plain.astype(">i4"), AFFINE), 0),
        (nib.Nifti1Image(plain[..., np.newaxis], AFFINE), 0),
        (tmp_path / "scaled.nii.gz", int(nib.load(tmp_path / "scaled.nii.gz").get_fdata().min())),
        (large, 0),
    ):
        masker = NiftiLabelsMasker(labels, background_label=background)
        np.testing.assert_array_equal(masker.fit_transform(image), expected)
    assert labels_of(masker) == [2**40 + one for one in (3, 7, 12, 9170)]
    assert masker.labels_img_.get_data_dtype() == np.int64
    with pytest.warns(UserWarning, match=r"Non-finite values detected\. In the label image"):
        result = NiftiLabelsMasker(nib.Nifti1Image(holed, AFFINE)).fit_transform(image)
    np.testing.assert_array_equal(result, expected)


def test_fractional_and_4d_labels_are_refused():
    with pytest.raises(ValueError, match=r"whole numbers, found 0\.5"):
        NiftiLabelsMasker(nib.Nifti1Image(np.full(SHAPE, 0.5), AFFINE)).fit()
    message = "Expected dimension is 3D and you provided a 4D image"
    with pytest.raises(TypeError, match=message):
        NiftiLabelsMasker(run_image()).fit()


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ","), (".csv", ";")])
def test_confounds_are_taken_from_arrays_tables_and_files(tmp_path, header, suffix, separator):
    confounds = np.random.default_rng(0).normal(size=(20, 3))
    table = pd.DataFrame(confounds, columns=["a", "b", "c"])
    table.to_csv(tmp_path / f"c{suffix}", sep=separator, index=False, header=header)
    masker = NiftiLabelsMasker(label_image()).fit()
    expected = masker.transform(run_image(), confounds=confounds)
    for form in (table, confounds.tolist(), tmp_path / f"c{suffix}", str(tmp_path / f"c{suffix}")):
        result = masker.transform(run_image(), confounds=form)
        np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_confounds_that_do_not_fit_are_refused(tmp_path):
    masker = NiftiLabelsMasker(label_image()).fit()
    table = pd.DataFrame({"a": [np.nan, *range(19)], "b": np.arange(20.0)})
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False, na_rep="n/a")
    for confounds, message in (
        (np.zeros((19, 2)), "20 volumes"),
        (tmp_path / "c.tsv", "NaN"),
        (table.assign(b="text"), "numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            masker.transform(run_image(), confounds=confounds)


def test_a_boolean_sample_mask_is_one_of_indices():
    masker = NiftiLabelsMasker(label_image(), detrend=True).fit()
    keep = np.ones(20, bool)
    keep[[0, 4, 5]] = False
    result = masker.transform(run_image(), sample_mask=keep)
    assert result.shape == (17, 4)
    np.testing.assert_array_equal(
        masker.transform(run_image(), sample_mask=np.flatnonzero(keep)), result
    )


@pytest.mark.parametrize("masked", [False, True])
def test_inverse_transform_gives_each_voxel_the_signal_of_its_region(masked):
    labels, mask = label_image(), mask_image()
    masker = NiftiLabelsMasker(labels, mask_img=mask if masked else None).fit(run_image())
    signals = np.random.default_rng(0).normal(size=(3, 4))
    result = masker.inverse_transform(signals)
    values, inside = np.asarray(labels.dataobj), np.asarray(mask.dataobj) > 0
    expected = np.zeros((*SHAPE, 3))
    for column, label in enumerate((3, 7, 12, 9170)):
        expected[(values == label) & (inside if masked else True)] = signals[:, column]
    np.testing.assert_array_equal(result.get_fdata(), expected)
    np.testing.assert_array_equal(result.affine, AFFINE)
    one = masker.inverse_transform(signals[1])
    np.testing.assert_array_equal(one.get_fdata(), expected[..., 1])
    with pytest.raises(ValueError, match="4 columns"):
        masker.inverse_transform(signals[:, :3])


def test_what_was_inverted_is_extracted_again():
    masker = NiftiLabelsMasker(label_image()).fit()
    signals = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_allclose(masker.transform(masker.inverse_transform(signals)), signals)


def test_a_3d_image_gives_one_row():
    image = nib.Nifti1Image(np.asarray(run_image().dataobj)[..., 0], AFFINE)
    result = NiftiLabelsMasker(label_image()).fit_transform(image)
    np.testing.assert_array_equal(
        result, NiftiLabelsMasker(label_image()).fit_transform(run_image())[:1]
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_several_runs_are_each_what_the_single_masker_makes_of_them(n_jobs):
    runs = [run_image(seed=k, n_volumes=10 + k) for k in range(3)]
    confounds = [np.random.default_rng(k).normal(size=(10 + k, 2)) for k in range(3)]
    masks = [None, np.arange(3, 11), np.arange(12) > 1]
    single = NiftiLabelsMasker(label_image(), standardize="zscore_sample").fit()
    multi = MultiNiftiLabelsMasker(label_image(), standardize="zscore_sample").fit(runs)
    result = multi.transform_imgs(runs, confounds, n_jobs=n_jobs, sample_mask=masks)
    assert [len(one) for one in result] == [10, 8, 10]
    for one, *run in zip(result, runs, confounds, masks, strict=True):
        np.testing.assert_array_equal(one, single.transform(*run))
    again = multi.fit_transform(runs, confounds=confounds, sample_mask=masks)
    for one, other in zip(result, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_multi_masker_takes_a_single_run_too():
    multi = MultiNiftiLabelsMasker(label_image()).fit()
    confounds = np.random.default_rng(0).normal(size=(20, 2))
    expected = NiftiLabelsMasker(label_image()).fit().transform(run_image(), confounds)
    np.testing.assert_array_equal(multi.transform(run_image(), confounds), expected)
    np.testing.assert_array_equal(multi.transform(run_image(), [confounds]), expected)


def test_one_entry_of_confounds_and_masks_is_wanted_for_each_run():
    multi = MultiNiftiLabelsMasker(label_image()).fit()
    runs = [run_image(), run_image()]
    with pytest.raises(ValueError, match=r"number of confounds \(1\) unequal to .* images \(2\)"):
        multi.transform(runs, confounds=[None])
    with pytest.raises(ValueError, match=r"number of sample_mask \(3\)"):
        multi.transform(runs, sample_mask=[None] * 3)
    with pytest.raises(TypeError, match="ndarray"):
        multi.transform(runs, confounds=np.zeros((20, 2)))


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_set_output_gives_tables_with_the_names_of_the_regions(kind, tmp_path):
    nib.save(run_image(), tmp_path / "run.nii.gz")
    masker = kind(label_image(), labels=list("abcd")).set_output(transform="pandas")
    table = masker.fit_transform(tmp_path / "run.nii.gz")
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == list("abcd")
    np.testing.assert_array_equal(
        table.to_numpy(), NiftiLabelsMasker(label_image()).fit_transform(run_image())
    )
    np.testing.assert_allclose(masker.transform(masker.inverse_transform(table)), table.to_numpy())
    if kind is MultiNiftiLabelsMasker:
        tables = masker.fit_transform([run_image(), str(tmp_path / "run.nii.gz")])
        assert [one.columns.tolist() for one in tables] == [list("abcd")] * 2


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_parameters_are_stored_as_given_and_survive_clone_and_pickle(kind):
    labels, names = label_image(), list("abcd")
    cleaning = {"clean__filter": "cosine", "clean__butterworth__order": 3}
    masker = kind(labels, names, strategy="median", high_pass=0.01, t_r=2.0, **cleaning)
    assert masker.get_params()["labels_img"] is labels
    assert masker.labels is names
    assert cleaning.items() <= masker.get_params().items()
    copy = clone(masker)
    compared = set(masker.get_params()) - {"labels_img", "memory"}
    assert {k: copy.get_params()[k] for k in compared} == {
        k: masker.get_params()[k] for k in compared
    }
    masker.fit()
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(masker)).transform(run_image()), masker.transform(run_image())
    )
    copy.set_params(clean__filter=None, strategy="mean", high_pass=None)
    assert copy.get_params()["clean__filter"] is None
    np.testing.assert_array_equal(
        copy.fit().transform(run_image()), NiftiLabelsMasker(labels).fit_transform(run_image())
    )


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_a_parameter_that_does_not_exist_is_refused(kind):
    with pytest.raises(TypeError, match="no parameter 'standardise'"):
        kind(label_image(), standardise=True)
    with pytest.raises(ValueError, match="standardise"):
        kind(label_image()).set_params(standardise=True)


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_parameters_stand_in_the_order_and_with_the_defaults_of_the_reference_page(kind):
    page = {
        "labels_img": None,
        "labels": None,
        "background_label": 0,
        "mask_img": None,
        "smoothing_fwhm": None,
        "standardize": False,
        "standardize_confounds": True,
        "high_variance_confounds": False,
        "detrend": False,
        "low_pass": None,
        "high_pass": None,
        "t_r": None,
        "dtype": None,
        "resampling_target": "data",
        "memory": "Memory(location=None)",
        "memory_level": 1,
        "verbose": 0,
        "strategy": "mean",
        "reports": True,
        "n_jobs": 1,
    }
    if kind is NiftiLabelsMasker:
        del page["n_jobs"]
    parameters = list(inspect.signature(kind).parameters.values())
    given = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in given] == list(page)
    for parameter in given:
        default = parameter.default
        default = repr(default) if parameter.name == "memory" else default
        assert default == page[parameter.name], parameter.name
    assert [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] == [
        "lut",
        "lost_labels",
        "cmap",
        "keep_masked_labels",
        "clean_args",
    ]
