"""What nilearn 0.14 takes on top of the reference page of 0.10, in our classes."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from nilearn import maskers as oracle
from nilearn._utils.tags import accept_niimg_input, is_masker
from sklearn.base import clone

import bids_labelx
from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker

MakeRun = Callable[..., Any]
KINDS = [NiftiLabelsMasker, MultiNiftiLabelsMasker]

# Labels 2, 5 and 9 in the formats of `bids_labelx.atlases.tables`.
TABLES = {
    "bids.tsv": "index\tname\n2\tone\n5\ttwo\n9\tthree\n",
    "words.csv": "roi,label\n2,one\n5,two\n9,three\n",
    "freesurfer.txt": "2 one 1 2 3 0\n5 two 4 5 6 0\n9 three 7 8 9 0\n",
    "workbench.txt": "one\n2 1 2 3 255\ntwo\n5 4 5 6 255\nthree\n9 7 8 9 255\n",
    "itksnap.label": '2 1 2 3 1 1 1 "one"\n5 4 5 6 1 1 1 "two"\n9 7 8 9 1 1 1 "three"\n',
    "fsl.lut": "2 0.1 0.2 0.3 one\n5 0.4 0.5 0.6 two\n9 0.7 0.8 0.9 three\n",
    "mricron.txt": "2 one 20\n5 two 50\n9 three 90\n",
    "fsl.xml": (
        '<atlas><header><type>Label</type></header><data><label index="2">one</label>'
        '<label index="5">two</label><label index="9">three</label></data></atlas>'
    ),
}
NAMES = ["one", "two", "three"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_nilearn_is_taken(kind: Any) -> None:
    theirs = inspect.signature(getattr(oracle, kind.__name__)).parameters
    assert set(theirs) <= set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_clean_args_are_the_options_that_begin_with_clean(
    kind: Any, labels_img: Any, make_run: MakeRun
) -> None:
    run = make_run(60)
    options = {"high_pass": 0.02, "low_pass": 0.1, "t_r": 2.0}
    dashed = kind(labels_img, clean__butterworth__order=2, **options)
    masker = kind(labels_img, clean_args={"butterworth__order": 2}, **options)
    np.testing.assert_array_equal(masker.fit_transform(run), dashed.fit_transform(run))
    assert masker.clean_args_ == dashed.clean_args_ == {"butterworth__order": 2}
    assert clone(masker).clean_args == {"butterworth__order": 2}
    assert kind(labels_img).fit(run).clean_args_ == {}


def test_clean_args_are_checked(labels_img: Any) -> None:
    both = NiftiLabelsMasker(labels_img, clean_args={"filter": "cosine"}, clean__filter="cosine")
    with pytest.raises(ValueError, match="mutually exclusive; give filter in clean_args"):
        both.fit()
    with pytest.raises(TypeError, match=r"no option 'filtre'; it has .*filter"):
        NiftiLabelsMasker(labels_img, clean_args={"filtre": "cosine"}).fit()
    with pytest.raises(TypeError, match="clean_args is a dict"):
        NiftiLabelsMasker(labels_img, clean_args=["filter"]).fit()  # type: ignore[arg-type]


def test_a_masked_label_is_dropped_without_keep_masked_labels(
    labels_img: Any, make_run: MakeRun
) -> None:
    inside = (np.asarray(labels_img.dataobj) != 5).astype(np.uint8)
    options = {"mask_img": nib.Nifti1Image(inside, labels_img.affine)}
    kept = NiftiLabelsMasker(labels_img, **options).fit_transform(make_run())
    masker = NiftiLabelsMasker(labels_img, keep_masked_labels=False, **options)
    with pytest.warns(UserWarning, match=r"the following labels were removed: \{5\}"):
        found = masker.fit_transform(make_run())
    np.testing.assert_array_equal(found, kept[:, [0, 2]])
    assert masker.region_names_ == {0: "2", 1: "9"}
    assert masker.labels_ == [0, 2, 9]
    back = masker.inverse_transform(found).get_fdata()
    assert (back[inside == 0] == 0).all()
    lost = NiftiLabelsMasker(
        labels_img, keep_masked_labels=False, lost_labels="nan", **options
    ).fit_transform(make_run())
    assert np.isnan(lost).all(axis=0).tolist() == [False, True, False]


def test_without_a_label_image_fit_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="labels_img is None"):
        NiftiLabelsMasker().fit()


@pytest.mark.parametrize("table", TABLES)
def test_lut_is_a_table_in_any_format(tmp_path: Path, labels_img: Any, table: str) -> None:
    (tmp_path / table).write_text(TABLES[table], encoding="utf-8")
    for lut in (tmp_path / table, str(tmp_path / table)):
        masker = NiftiLabelsMasker(labels_img, lut=lut).fit()
        assert list(masker.region_names_.values()) == NAMES


def test_the_table_beside_the_atlas_is_found(tmp_path: Path, labels_img: Any) -> None:
    image = tmp_path / "tpl-X_res-02_atlas-Y_dseg.nii.gz"
    nib.save(labels_img, image)
    assert list(NiftiLabelsMasker(image).fit().region_names_.values()) == ["2", "5", "9"]
    # BIDS: that of the atlas in any resolution.
    (tmp_path / "tpl-X_atlas-Y_dseg.tsv").write_text(TABLES["bids.tsv"], encoding="utf-8")
    assert list(NiftiLabelsMasker(image).fit().region_names_.values()) == NAMES
    given = NiftiLabelsMasker(image, labels=["a", "b", "c"]).fit()
    assert list(given.region_names_.values()) == ["a", "b", "c"]
    (tmp_path / "tpl-X_atlas-Y_dseg.tsv").write_text("index\tname\n2\tone\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"_dseg\.tsv lacks labels of the image: \[5, 9\]"):
        NiftiLabelsMasker(image).fit()


def test_memory_may_be_none_and_is_an_attribute(tmp_path: Path, labels_img: Any) -> None:
    assert NiftiLabelsMasker(labels_img, memory=None).fit().memory_.location is None
    masker = NiftiLabelsMasker(labels_img, memory=str(tmp_path)).fit()
    assert isinstance(masker.memory_, Memory)
    assert masker.memory_.location == str(tmp_path)


@pytest.mark.parametrize("standardize", [None, False])
def test_standardize_none_is_false(
    labels_img: Any, make_run: MakeRun, standardize: bool | None
) -> None:
    found = NiftiLabelsMasker(labels_img, standardize=standardize).fit_transform(make_run())
    np.testing.assert_array_equal(found, NiftiLabelsMasker(labels_img).fit_transform(make_run()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "mask",
    [
        [1, 2, 4],
        [[1, 2, 4]],
        [np.array([1, 2, 4])],
        [k in (1, 2, 4) for k in range(20)],
        [[k in (1, 2, 4) for k in range(20)]],
        [np.isin(np.arange(20), [1, 2, 4])],
        (1, 2, 4),
    ],
    ids=str,
)
def test_sample_masks_come_as_lists(
    labels_img: Any, make_run: MakeRun, kind: Any, mask: Any
) -> None:
    masker = kind(labels_img).fit()
    wanted = NiftiLabelsMasker(labels_img).fit_transform(make_run())[[1, 2, 4]]
    np.testing.assert_allclose(masker.transform(make_run(), sample_mask=mask), wanted)


def test_several_sample_masks_of_one_run_are_refused(labels_img: Any, make_run: MakeRun) -> None:
    masker = NiftiLabelsMasker(labels_img).fit()
    with pytest.raises(ValueError, match=r"number of sample_mask \(2\) unequal"):
        masker.transform(make_run(), sample_mask=[[1, 2], [3, 4]])


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_the_inverse_takes_data_frames(labels_img: Any, container: str) -> None:
    module = pytest.importorskip(container)
    signals = np.random.default_rng(0).random((4, 3))
    masker = NiftiLabelsMasker(labels_img).fit()
    frame = module.DataFrame({name: signals[:, k] for k, name in enumerate("abc")})
    np.testing.assert_array_equal(
        masker.inverse_transform(frame).get_fdata(), masker.inverse_transform(signals).get_fdata()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nilearn_and_scikit_learn_take_it_for_a_masker(labels_img: Any, kind: Any) -> None:
    assert is_masker(kind(labels_img))
    assert accept_niimg_input(kind(labels_img))


def test_a_report_has_a_title_and_ignores_other_engines(labels_img: Any) -> None:
    masker = NiftiLabelsMasker(labels_img).fit()
    assert "NiftiLabelsMasker" in str(masker.generate_report())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "My regions" in str(masker.generate_report(title="My regions"))
    with pytest.warns(UserWarning, match="engine='brainsprite' is not available"):
        masker.generate_report(engine="brainsprite")


def test_the_package_lists_its_maskers() -> None:
    assert dir(bids_labelx) == sorted(bids_labelx.__all__)
    assert all(hasattr(bids_labelx, name) for name in dir(bids_labelx))
    assert {"NiftiLabelsMasker", "MultiNiftiLabelsMasker", "__version__"} <= set(dir(bids_labelx))


def test_confounds_without_a_value_are_named_with_their_file(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    table = pd.DataFrame(
        np.random.default_rng(0).random((20, 3)),
        columns=["trans_x", "trans_x_derivative1", "framewise_displacement"],
    )
    table.iloc[0, 1:] = np.nan
    path = tmp_path / "sub-01_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    masker = NiftiLabelsMasker(labels_img).fit()
    columns = "in trans_x_derivative1, framewise_displacement"
    for given, where in ((path, str(path)), (table, "confounds"), ([path], str(path))):
        with pytest.raises(ValueError, match=rf"{columns} \(in 1 .* number 0, .*fill") as told:
            masker.transform(make_run(), confounds=given)
        assert str(told.value).startswith(where)
    # Where the volume is left out, nothing is missing.
    kept = np.arange(1, 20)
    found = masker.transform(make_run(), confounds=path, sample_mask=kept)
    wanted = masker.transform(make_run(), confounds=table.fillna(5.0), sample_mask=kept)
    np.testing.assert_allclose(found, wanted)


def test_confounds_of_another_length_are_named_with_both_lengths(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    np.savetxt(tmp_path / "rp_run.txt", np.random.default_rng(0).random((19, 6)))
    masker = NiftiLabelsMasker(labels_img).fit()
    with pytest.raises(ValueError, match=r"rp_run.txt: .*19 rows, where the run has 20 volumes"):
        masker.transform(make_run(), confounds=tmp_path / "rp_run.txt")


@pytest.mark.parametrize("separator", ["  ", "\t", " ", ",", ";"])
@pytest.mark.parametrize("name", ["rp_run.txt", "mcf.par"])
def test_motion_files_of_spm_and_fsl_have_no_header(
    tmp_path: Path, labels_img: Any, make_run: MakeRun, name: str, separator: str
) -> None:
    motion = np.random.default_rng(0).standard_normal((20, 6)) / 10
    np.savetxt(tmp_path / name, motion, fmt="%16.7e", delimiter=separator)
    masker = NiftiLabelsMasker(labels_img).fit()
    wanted = masker.transform(make_run(), confounds=motion)
    found = masker.transform(make_run(), confounds=tmp_path / name)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_header_of_numbers_behind_that_of_the_row_numbers_is_one(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    table = pd.DataFrame(np.random.default_rng(0).random((20, 3)))
    table.to_csv(tmp_path / "c.csv")
    masker = NiftiLabelsMasker(labels_img).fit()
    np.testing.assert_allclose(
        masker.transform(make_run(), confounds=tmp_path / "c.csv"),
        masker.transform(make_run(), confounds=table),
    )
