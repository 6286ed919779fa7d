"""What can be given to a masker, and what its options beyond the reference page do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from joblib import Memory

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.masker import label_run

MakeRun = Callable[..., Any]


def test_a_path_an_image_and_a_list_of_volumes_give_the_same(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    run = make_run()
    nib.save(run, tmp_path / "run.nii.gz")
    volumes = [nib.Nifti1Image(run.get_fdata()[..., t], run.affine) for t in range(20)]
    for t, volume in enumerate(volumes):
        nib.save(volume, tmp_path / f"v{t:02}.nii")
    masker = NiftiLabelsMasker(labels_img)
    wanted = masker.fit_transform(run)
    paths = [str(path) for path in sorted(tmp_path.glob("v*.nii"))]
    for given in (tmp_path / "run.nii.gz", str(tmp_path / "run.nii.gz"), volumes, paths):
        np.testing.assert_allclose(masker.fit_transform(given), wanted, rtol=1e-12)


def test_several_runs_come_as_list_tuple_or_generator(labels_img: Any, make_run: MakeRun) -> None:
    runs = [make_run(seed=seed) for seed in range(3)]
    single = NiftiLabelsMasker(labels_img)
    wanted = [single.fit_transform(run) for run in runs]
    for given in (runs, tuple(runs), (run for run in runs)):
        found = MultiNiftiLabelsMasker(labels_img).fit_transform(given)
        assert len(found) == 3
        for one, expected in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, expected)


def test_confounds_come_in_every_form(tmp_path: Path, labels_img: Any, make_run: MakeRun) -> None:
    run = make_run()
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((20, 3)), columns=list("abc"))
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    table.to_csv(tmp_path / "c.csv", index=False)
    masker = NiftiLabelsMasker(labels_img).fit(run)
    wanted = masker.transform(run, confounds=table.to_numpy())
    parts = [table[["a"]].to_numpy(), table[["b", "c"]]]
    for given in (
        table,
        tmp_path / "c.tsv",
        str(tmp_path / "c.csv"),
        parts,
        table.values.tolist(),
    ):
        np.testing.assert_allclose(masker.transform(run, confounds=given), wanted, rtol=1e-9)
    table[1:].to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    with pytest.raises(ValueError, match=r"different lengths.* \(a, …\) has 20, .*c\.tsv .* 19"):
        masker.transform(run, confounds=[table, tmp_path / "c.tsv"])


def test_columns_of_confounds_that_are_no_numbers_are_named(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    masker = NiftiLabelsMasker(labels_img).fit(make_run())
    table = pd.DataFrame(np.zeros((20, 4)), columns=["csf", "state", "fd", "task"], dtype=object)
    table.loc[3:, "state"] = "rest"
    table.loc[5, "task"] = "nback"
    file = tmp_path / "c.tsv"
    table.to_csv(file, sep="\t", index=False)
    for given, where in ((table, "confounds"), (file, file)):
        words = rf"{where}: confounds are numbers \(column state has 'rest' in row 3, from 0; task"
        with pytest.raises(ValueError, match=f"{words} also"):
            masker.transform(make_run(), confounds=given)
    with pytest.raises(ValueError, match=r"\(column 1 has 'rest' in row 3, from 0; 3 also\)"):
        masker.transform(make_run(), confounds=table.to_numpy())


def test_one_sample_mask_serves_all_runs_or_each_has_its_own(
    labels_img: Any, make_run: MakeRun
) -> None:
    runs = [make_run(seed=seed) for seed in range(2)]
    masker = MultiNiftiLabelsMasker(labels_img).fit(runs)
    kept = np.arange(3, 15)
    for one in masker.transform(runs, sample_mask=kept):
        assert one.shape == (12, 3)
    assert [len(r) for r in masker.transform(runs, sample_mask=[kept, np.arange(5)])] == [12, 5]
    assert [len(r) for r in masker.transform(runs, sample_mask=[None, kept])] == [20, 12]


def test_a_3d_image_gives_one_row_and_a_deprecation_warning(
    labels_img: Any, make_run: MakeRun
) -> None:
    volume = nib.Nifti1Image(make_run().get_fdata()[..., 0], labels_img.affine)
    masker = NiftiLabelsMasker(labels_img).fit()
    with pytest.warns(DeprecationWarning, match="1D array for 3D inputs"):
        assert masker.transform(volume).shape == (1, 3)


def test_a_table_names_the_regions_by_their_label(
    tmp_path: Path, labels_img: Any, make_run: MakeRun
) -> None:
    table = pd.DataFrame(
        {
            "index": [0, 9, 2, 5],
            "name": ["outside", "nine", "two", "five"],
            "network": list("xyyz"),
        }
    )
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    for lut in (table, tmp_path / "t.tsv", str(tmp_path / "t.tsv")):
        masker = NiftiLabelsMasker(labels_img, lut=lut).fit(make_run())
        assert masker.region_names_ == {0: "two", 1: "five", 2: "nine"}
        assert masker.lut_["index"].tolist() == [0, 2, 5, 9]
        assert masker.lut_["network"].tolist()[1:] == ["y", "z", "y"]
    with pytest.raises(ValueError, match=r"lacks labels of the image: \[9\]"):
        NiftiLabelsMasker(labels_img, lut=table[table["index"] != 9]).fit()
    with pytest.raises(ValueError, match="not both"):
        NiftiLabelsMasker(labels_img, lut=table, labels=["a", "b", "c"]).fit()


def test_with_lost_labels_nan_every_label_keeps_its_column(
    labels_img: Any, make_run: MakeRun
) -> None:
    lut = pd.DataFrame({"index": [2, 4, 5, 9], "name": ["two", "ghost", "five", "nine"]})
    inside = np.ones(labels_img.shape, np.uint8)
    inside[4:] = 0
    mask = nib.Nifti1Image(inside, labels_img.affine)
    usual = NiftiLabelsMasker(labels_img, lut=lut, mask_img=mask).fit_transform(make_run())
    assert usual.shape == (20, 3)
    assert (usual[:, 2] == 0).all()
    masker = NiftiLabelsMasker(labels_img, lut=lut, mask_img=mask, lost_labels="nan")
    result = masker.fit_transform(make_run())
    assert masker.get_feature_names_out().tolist() == ["two", "ghost", "five", "nine"]
    assert np.isnan(result).all(axis=0).tolist() == [False, True, False, True]
    np.testing.assert_array_equal(result[:, [0, 2]], usual[:, :2])
    back = masker.inverse_transform(result).get_fdata()
    assert np.isfinite(back).all()


def test_a_label_lost_in_resampling_is_nan_or_dropped_with_a_warning(make_run: MakeRun) -> None:
    run = make_run()
    fine = np.zeros((24, 20, 16), np.int16)
    fine[:12], fine[12:] = 1, 3
    # One voxel, between the centres of the run's voxels.
    fine[2, 2, 2] = 2
    labels = nib.Nifti1Image(fine, run.affine @ np.diag([0.25, 0.25, 0.25, 1]))
    text = "After resampling the label image to the data image, the following labels"
    with pytest.warns(UserWarning, match=rf"{text} were removed: \{{2\}}.* contains 3 labels"):
        assert NiftiLabelsMasker(labels).fit_transform(run).shape == (20, 2)
    with pytest.warns(UserWarning, match=rf"{text} keep their column"):
        result = NiftiLabelsMasker(labels, lost_labels="nan").fit_transform(run)
    assert np.isnan(result).all(axis=0).tolist() == [False, True, False]


def test_dtype_is_what_the_images_values_are_converted_to(
    labels_img: Any, make_run: MakeRun
) -> None:
    run = make_run()
    whole = nib.Nifti1Image(run.get_fdata().astype(np.int16), run.affine)
    truncated = NiftiLabelsMasker(labels_img).fit_transform(whole)
    plain = NiftiLabelsMasker(labels_img).fit_transform(run)
    result = NiftiLabelsMasker(labels_img, dtype="int32").fit_transform(run)
    np.testing.assert_array_equal(result, truncated)
    assert not np.allclose(result, plain, rtol=1e-5)
    single = NiftiLabelsMasker(labels_img, dtype="auto").fit_transform(run)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, plain, rtol=1e-6)
    assert NiftiLabelsMasker(labels_img, dtype="auto").fit_transform(whole).dtype == np.float64


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often a run is really reduced."""
    calls: list[int] = []
    original = label_run.reduce_volumes

    def counting(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(label_run, "reduce_volumes", counting)
    return calls


def test_memory_spares_the_work_a_second_time_and_not_after_a_change(
    tmp_path: Path, labels_img: Any, make_run: MakeRun, counted: list[int]
) -> None:
    path = tmp_path / "run.nii.gz"
    nib.save(make_run(), path)
    for memory in (str(tmp_path / "a"), tmp_path / "b", Memory(tmp_path / "c", verbose=0)):
        counted.clear()
        first = NiftiLabelsMasker(labels_img, memory=memory).fit_transform(path)
        second = NiftiLabelsMasker(labels_img, memory=memory).fit_transform(path)
        np.testing.assert_array_equal(first, second)
        assert len(counted) == 1
        NiftiLabelsMasker(labels_img, memory=memory, strategy="median").fit_transform(path)
        assert len(counted) == 2
        NiftiLabelsMasker(labels_img, memory=memory, memory_level=0).fit_transform(path)
        assert len(counted) == 3
    nib.save(make_run(seed=1), path)
    os.utime(path, ns=(1, 1))
    changed = NiftiLabelsMasker(labels_img, memory=str(tmp_path / "a")).fit_transform(path)
    assert not np.allclose(changed, first)


def test_a_clean_option_reaches_the_cleaning(labels_img: Any, make_run: MakeRun) -> None:
    run = make_run(60)
    options = {"high_pass": 0.01, "low_pass": 0.1, "t_r": 2.0}
    plain = NiftiLabelsMasker(labels_img, **options).fit_transform(run)
    second = NiftiLabelsMasker(labels_img, clean__butterworth__order=2, **options)
    assert not np.allclose(second.fit_transform(run), plain)
    with pytest.raises(TypeError, match="nonsense"):
        NiftiLabelsMasker(labels_img, clean__nonsense=1).fit_transform(run)
