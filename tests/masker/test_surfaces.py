"""The maskers on surfaces and grayordinates: CIFTI-2 in, CIFTI-2 out."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.cifti2 import BrainModelAxis, LabelAxis, ScalarAxis, SeriesAxis
from nilearn import maskers as oracle
from sklearn.base import clone
from tiny import AFFINE, BY_NUMPY

from bids_labelx import MultiNiftiLabelsMasker, NiftiLabelsMasker
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.run_data import Blocks
from bids_labelx.masker import label_run
from bids_labelx.masker import run as masker_run

N_VERTICES = 200  # of each hemisphere's mesh
GRID = (4, 3, 2)
STEP = 1.4
NAMES = {2: "two", 5: "five", 9: "nine", 11: "eleven"}
LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
DEEP = "CIFTI_STRUCTURE_THALAMUS_LEFT"

Element = tuple[str, tuple[int, ...]]


def surface(name: str, vertices: Sequence[int], count: int = N_VERTICES) -> BrainModelAxis:
    return BrainModelAxis(name, vertex=np.array(vertices), nvertices={name: count})


def voxels(indices: Any, affine: np.ndarray = AFFINE) -> BrainModelAxis:
    return BrainModelAxis(DEEP, voxel=np.array(indices), affine=affine, volume_shape=GRID)


# Of each mesh some vertices are left out, as the medial wall is.
OF_RUN = (
    surface(LEFT, range(170))
    + surface(RIGHT, range(3, 200))
    + voxels([(i, j, k) for i in range(4) for j in range(3) for k in range(2)])
)


def elements(axis: BrainModelAxis) -> list[Element]:
    """Structure, and vertex or voxel, of each element."""
    return [
        (str(name), (int(vertex),) if vertex >= 0 else tuple(voxel.tolist()))
        for name, vertex, voxel in zip(axis.name, axis.vertex, axis.voxel, strict=True)
    ]


def region(element: Element) -> int:
    """The label of an element, whatever file it is in: 2 and 5 on surfaces, 9 in both, 11 deep."""
    structure, index = element
    if structure == DEEP:
        return (11, 9, 0, 11)[index[0]]
    return (2, 0, 5, 9)[(index[0] // 5 + (structure == RIGHT)) % 4]


def dlabel(axis: BrainModelAxis, names: dict[int, str] | None = None) -> nib.Cifti2Image:
    table = {0: ("???", (0.0,) * 4)}
    table |= {key: (name, (0.5, 0.5, 0.5, 1.0)) for key, name in (names or NAMES).items()}
    values = np.array([[region(one) for one in elements(axis)]], np.int32)
    return nib.Cifti2Image(values, (LabelAxis(["regions"], [table]), axis))


def dtseries(values: np.ndarray, axis: BrainModelAxis = OF_RUN) -> nib.Cifti2Image:
    return nib.Cifti2Image(values, (SeriesAxis(0, STEP, len(values)), axis))


@pytest.fixture
def series() -> nib.Cifti2Image:
    """A run of random numbers about 100, 60 volumes."""
    return dtseries(np.random.default_rng(0).normal(100, 5, (60, len(OF_RUN))))


def brute_force(series: nib.Cifti2Image, strategy: str = "mean") -> np.ndarray:
    """The statistic of each label, over elements whose series are finite and not all zero."""
    values = np.asarray(series.dataobj, dtype=np.float64)
    wanted = np.array([region(one) for one in elements(series.header.get_axis(1))])
    used = np.isfinite(values).all(axis=0) & (values != 0).any(axis=0)
    return np.stack(
        [BY_NUMPY[strategy](values[:, (wanted == one) & used], axis=1) for one in NAMES], axis=1
    )


SHUFFLED = surface(RIGHT, range(199, 2, -1)) + voxels(OF_RUN.voxel[:-25:-1])
SHUFFLED += surface(LEFT, [*range(1, 170, 2), *range(0, 170, 2)])
# Without the subcortex and some vertices of the run, and with some that the run does not have.
OTHER_WALL = surface(LEFT, range(2, 200)) + surface(RIGHT, range(190))


@pytest.mark.parametrize("strategy", BY_NUMPY)
def test_statistics_are_over_the_elements_with_data_that_the_labels_name(
    strategy: str, series: nib.Cifti2Image
) -> None:
    values = np.asarray(series.dataobj)
    values[:, [0, 1, 180]] = 0.0
    values[7, [20, 300]] = np.nan
    values[3, 370] = np.inf
    masker = NiftiLabelsMasker(dlabel(SHUFFLED), strategy=strategy)
    with pytest.warns(UserWarning, match="in 3 labelled vertices or voxels; they take no part"):
        found = masker.fit_transform(series)
    np.testing.assert_allclose(found, brute_force(series, strategy), rtol=1e-12)
    assert list(masker.region_names_.values()) == list(NAMES.values())


def test_elements_are_matched_by_structure_and_index_whatever_their_order(
    series: nib.Cifti2Image,
) -> None:
    wanted = NiftiLabelsMasker(dlabel(OF_RUN)).fit_transform(series)
    assert elements(SHUFFLED) != elements(OF_RUN)
    assert set(elements(SHUFFLED)) == set(elements(OF_RUN))
    for target in ("data", None):
        masker = NiftiLabelsMasker(dlabel(SHUFFLED), resampling_target=target)
        np.testing.assert_array_equal(masker.fit_transform(series), wanted)


def test_labels_with_another_medial_wall_name_the_elements_that_both_have(
    series: nib.Cifti2Image,
) -> None:
    shared = [one in set(elements(OTHER_WALL)) for one in elements(OF_RUN)]
    labels = np.array([region(one) for one in elements(OF_RUN)]) * shared
    masker = NiftiLabelsMasker(dlabel(OTHER_WALL))
    found = masker.fit_transform(series)
    values = np.asarray(series.dataobj)
    for column, label in enumerate((2, 5, 9)):
        expected = values[:, labels == label].mean(axis=1)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(masker.labels_img_.dataobj)[0], labels)
    assert masker.labels_img_.header.get_axis(1) == OF_RUN


def test_paths_and_images_give_the_same(tmp_path: Path, series: nib.Cifti2Image) -> None:
    nib.save(dlabel(SHUFFLED), tmp_path / "a.dlabel.nii")
    nib.save(series, tmp_path / "a.dtseries.nii")
    wanted = NiftiLabelsMasker(dlabel(SHUFFLED)).fit_transform(series)
    for labels, run in (
        (tmp_path / "a.dlabel.nii", tmp_path / "a.dtseries.nii"),
        (str(tmp_path / "a.dlabel.nii"), str(tmp_path / "a.dtseries.nii")),
        (nib.load(tmp_path / "a.dlabel.nii"), nib.load(tmp_path / "a.dtseries.nii")),
    ):
        np.testing.assert_array_equal(NiftiLabelsMasker(labels).fit_transform(run), wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"detrend": True, "standardize": "zscore_sample"},
        {"standardize": "psc", "strategy": "median"},
        {"low_pass": 0.2, "high_pass": 0.02, "t_r": STEP},
        {"high_variance_confounds": True, "detrend": True},
        {"detrend": True, "standardize_confounds": False},
    ],
    ids=["zscore", "psc", "band", "compcor", "raw-confounds"],
)
def test_signals_are_cleaned_as_nilearn_cleans_the_same_numbers_in_a_volume(
    options: dict[str, Any], series: nib.Cifti2Image
) -> None:
    values, labels = np.asarray(series.dataobj), np.asarray(dlabel(OF_RUN).dataobj)
    volume = nib.Nifti1Image(values.T[:, None, None], np.eye(4))
    in_volume = nib.Nifti1Image(labels.T[:, None].astype(np.int32), np.eye(4))
    given = {
        "confounds": np.random.default_rng(1).standard_normal((60, 3)),
        "sample_mask": np.delete(np.arange(60), [0, 20, 21, 40]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.NiftiLabelsMasker(in_volume, **options).fit_transform(volume, **given)
        found = NiftiLabelsMasker(dlabel(OF_RUN), **options).fit_transform(series, **given)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_names_come_from_the_table_of_the_file_unless_given(series: nib.Cifti2Image) -> None:
    image = dlabel(OF_RUN, NAMES | {7: "nowhere"})
    own = NiftiLabelsMasker(image).fit(series)
    assert own.get_feature_names_out().tolist() == ["two", "five", "nine", "eleven"]
    assert own.lut_["name"].tolist() == ["Background", "two", "five", "nowhere", "nine", "eleven"]
    named = NiftiLabelsMasker(image, labels=list("abcd")).fit(series)
    assert named.get_feature_names_out().tolist() == list("abcd")
    lut = pd.DataFrame({"index": [11, 9, 5, 2], "name": list("wxyz")})
    assert NiftiLabelsMasker(image, lut=lut).fit().get_feature_names_out().tolist() == list("zyxw")
    every = NiftiLabelsMasker(image, lost_labels="nan")
    found = every.set_output(transform="pandas").fit_transform(series)
    assert found.columns.tolist() == ["two", "five", "nowhere", "nine", "eleven"]
    assert found.isna().any().tolist() == [False, False, True, False, False]


def test_of_several_maps_one_is_chosen(tmp_path: Path, series: nib.Cifti2Image) -> None:
    first = dlabel(OF_RUN)
    values = np.asarray(first.dataobj)
    table = first.header.get_axis(0).label[0]
    axis = LabelAxis(["one", "other"], [table, table])
    both = nib.Cifti2Image(np.concatenate([values, values[:, ::-1]]), (axis, OF_RUN))
    nib.save(both, tmp_path / "two.dlabel.nii")
    wanted = NiftiLabelsMasker(first).fit_transform(series)
    for which, same in (("one", True), ("1", True), ("other", False), ("2", False)):
        masker = NiftiLabelsMasker(f"{tmp_path / 'two.dlabel.nii'}#{which}")
        assert np.array_equal(masker.fit_transform(series), wanted) is same
    with pytest.raises(ValueError, match=r"2 maps; say which with FILE#MAP: 1 'one', 2 'other'"):
        NiftiLabelsMasker(tmp_path / "two.dlabel.nii").fit()
    with pytest.raises(ValueError, match="2 maps; give an image of the one that is wanted"):
        NiftiLabelsMasker(nib.Cifti2Image(both.dataobj, both.header)).fit()


def test_labels_that_the_data_do_not_have_are_told(series: nib.Cifti2Image) -> None:
    cortex = surface(LEFT, range(170)) + surface(RIGHT, range(3, 200))
    run = dtseries(np.asarray(series.dataobj)[:, : len(cortex)], cortex)
    masker = NiftiLabelsMasker(dlabel(OF_RUN))
    with pytest.warns(UserWarning, match=r"the following labels were removed: \{11\}"):
        found = masker.fit_transform(run)
    assert masker.get_feature_names_out().tolist() == ["two", "five", "nine"]
    with pytest.warns(UserWarning, match=r"keep their column, without values: \{11\}"):
        kept = NiftiLabelsMasker(dlabel(OF_RUN), lost_labels="nan").fit_transform(run)
    np.testing.assert_array_equal(kept[:, :3], found)
    assert np.isnan(kept[:, 3]).all()


def test_a_label_without_data_is_nan_and_spoils_no_other(series: nib.Cifti2Image) -> None:
    options = {"low_pass": 0.2, "t_r": STEP, "detrend": True, "standardize": "zscore_sample"}
    given = {
        "confounds": np.random.default_rng(1).standard_normal((60, 2)),
        "sample_mask": np.delete(np.arange(60), [5, 30]),
    }
    masker = NiftiLabelsMasker(dlabel(OF_RUN), **options)
    whole = masker.fit_transform(series, **given)
    labels = np.asarray(dlabel(OF_RUN).dataobj)[0]
    np.asarray(series.dataobj)[:, labels == 5] = 0.0
    with pytest.warns(UserWarning, match=r"the following labels has data, .* NaN: \{5\}"):
        found = masker.transform(series, **given)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, [0, 2, 3]], whole[:, [0, 2, 3]], rtol=1e-12)
    with pytest.raises(ValueError, match="no vertex or voxel with a label has data"):
        masker.transform(dtseries(np.zeros((60, len(OF_RUN)))))


def test_a_mask_is_matched_as_the_labels_are(series: nib.Cifti2Image) -> None:
    inside = np.array([[index[0] % 2 == 0 for _, index in elements(SHUFFLED)]], np.float32)
    mask = nib.Cifti2Image(inside, (ScalarAxis(["mask"]), SHUFFLED))
    masker = NiftiLabelsMasker(dlabel(OTHER_WALL + voxels(OF_RUN.voxel[-24:])), mask_img=mask)
    found = masker.fit_transform(series)
    kept = np.asarray(series.dataobj).copy()
    kept[:, [index[0] % 2 == 1 for _, index in elements(OF_RUN)]] = 0.0
    outside = [one not in set(elements(OTHER_WALL)) for one in elements(OF_RUN)[:-24]]
    kept[:, np.flatnonzero(outside)] = 0.0
    np.testing.assert_allclose(found, brute_force(dtseries(kept)), rtol=1e-12)
    assert np.array_equal(
        np.asarray(masker.region_atlas_.dataobj)[0] > 0,
        (np.asarray(masker.labels_img_.dataobj)[0] > 0)
        & (np.asarray(masker.mask_img_.dataobj)[0] == 1),
    )


@pytest.mark.parametrize("t_r", [None, 0.72])
def test_the_inverse_is_a_series_or_scalars_with_the_signals_of_the_regions(
    t_r: float | None, tmp_path: Path, series: nib.Cifti2Image
) -> None:
    masker = NiftiLabelsMasker(dlabel(SHUFFLED), t_r=t_r)
    signals = masker.fit_transform(series)
    nib.save(masker.inverse_transform(signals), tmp_path / "back.dtseries.nii")
    nib.save(masker.inverse_transform(signals[3]), tmp_path / "back.dscalar.nii")
    back, one = (nib.load(tmp_path / f"back.{kind}.nii") for kind in ("dtseries", "dscalar"))
    rows, axis = (back.header.get_axis(at) for at in (0, 1))
    assert (rows.step, rows.unit, axis) == (t_r or STEP, "SECOND", OF_RUN)
    by_label = dict(zip(NAMES, signals.T, strict=True)) | {0: np.zeros(60)}
    expected = np.stack([by_label[region(element)] for element in elements(OF_RUN)], axis=1)
    np.testing.assert_array_equal(back.get_fdata(), expected)
    assert isinstance(one.header.get_axis(0), ScalarAxis)
    np.testing.assert_array_equal(one.get_fdata(), expected[3:4])
    np.testing.assert_allclose(masker.transform(back), signals, rtol=1e-12)
    np.testing.assert_allclose(masker.transform(one), signals[3:4], rtol=1e-12)


def test_without_images_the_inverse_is_on_the_grayordinates_of_the_labels_a_second_apart() -> None:
    masker = NiftiLabelsMasker(dlabel(SHUFFLED)).fit()
    back = masker.inverse_transform(np.arange(8.0).reshape(2, 4))
    assert back.header.get_axis(1) == SHUFFLED
    assert back.header.get_axis(0).step == 1.0
    with pytest.raises(ValueError, match=r"Signals need 4 columns, found the shape \(2, 3\)"):
        masker.inverse_transform(np.zeros((2, 3)))


VOLUME = nib.Nifti1Image(np.ones((4, 3, 2), np.int32), AFFINE)
BOLD = nib.Nifti1Image(np.ones((4, 3, 2, 5)), AFFINE)


def larger_mesh() -> nib.Cifti2Image:
    return dtseries(np.ones((5, 9)), surface(LEFT, range(9), 250))


def moved_voxels() -> nib.Cifti2Image:
    return dtseries(np.ones((5, 1)), voxels([(0, 0, 0)], AFFINE + np.eye(4)))


def other_structure() -> nib.Cifti2Image:
    name = "CIFTI_STRUCTURE_CEREBELLUM"
    return dtseries(np.ones((5, 9)), surface(name, range(9)))


REFUSED: dict[str, tuple[dict[str, Any], Any, str]] = {
    "smoothing": (
        {"smoothing_fwhm": 6},
        None,
        r"smoothing_fwhm=6: surfaces .* not smoothed; smooth the series before, as with "
        r"wb_command -cifti-smoothing, and leave smoothing_fwhm=None",
    ),
    "resampling": (
        {"resampling_target": "labels"},
        None,
        "resampling_target='labels': surfaces .* not resampled; leave 'data', which matches",
    ),
    "mask": (
        {"mask_img": VOLUME},
        None,
        r"mask_img is a volume and labels_img is on grayordinates .*; give the mask as \.dscalar",
    ),
    "mask on grayordinates": (
        {"labels_img": VOLUME, "mask_img": dlabel(OF_RUN)},
        None,
        "mask_img is on grayordinates .* and labels_img is a volume.*; give the mask as a volume",
    ),
    "volumes": (
        {},
        BOLD,
        r"in-memory image: it is a volume and labels_img is on grayordinates .*"
        r"give images as \.dtseries\.nii, or labels as \.nii\.gz",
    ),
    "labels in a volume": (
        {"labels_img": VOLUME},
        dtseries(np.ones((5, len(OF_RUN)))),
        r"in-memory image: it is on grayordinates .* and labels_img is a volume.*"
        r"give images as \.nii\.gz, or labels as \.dlabel\.nii",
    ),
    "no labels": (
        {"labels_img": dtseries(np.ones((1, len(OF_RUN))))},
        None,
        r"expected label maps \(dlabel\), found a series \(dtseries\)",
    ),
    "no names": (
        {"labels_img": dlabel(OF_RUN, {2: "two", 5: "five"})},
        None,
        r"the label table of 'labels_img' lacks labels of the image: \[9, 11\]",
    ),
    "meshes": (
        {},
        larger_mesh(),
        "in-memory image: .*mesh of 200 vertices .* of 250 vertices",
    ),
    "grids": ({}, moved_voxels(), "in-memory image: the voxels of the labels are on another grid"),
    "structures": ({}, other_structure(), "in-memory image: no structure in common"),
}


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_is_refused_by_fit_in_a_sentence(kind: Any, case: str) -> None:
    options, images, words = REFUSED[case]
    masker = kind(**{"labels_img": dlabel(OF_RUN)} | options)
    with pytest.raises((TypeError, ValueError), match=f"(?s){words}"):
        masker.fit(images)


@pytest.mark.parametrize("case", ["volumes", "labels in a volume", "meshes", "grids"])
def test_images_of_another_kind_or_mesh_are_refused_by_transform(case: str) -> None:
    options, images, words = REFUSED[case]
    masker = NiftiLabelsMasker(**{"labels_img": dlabel(OF_RUN)} | options).fit()
    with pytest.raises((TypeError, ValueError), match=f"(?s){words}"):
        masker.transform(images)


def test_no_smoothing_is_no_reason_to_refuse(series: nib.Cifti2Image) -> None:
    plain = NiftiLabelsMasker(dlabel(OF_RUN)).fit_transform(series)
    zero = NiftiLabelsMasker(dlabel(OF_RUN), smoothing_fwhm=0).fit_transform(series)
    np.testing.assert_array_equal(zero, plain)


@pytest.mark.parametrize("kind", [NiftiLabelsMasker, MultiNiftiLabelsMasker])
def test_the_report_has_a_table_and_says_that_nothing_is_drawn(
    kind: Any, series: nib.Cifti2Image
) -> None:
    masker = kind(dlabel(OF_RUN, NAMES | {7: "nowhere"})).fit(series)
    page = str(masker.generate_report())
    assert "no picture is drawn" in page
    assert 'id="contents"' not in page
    assert "vertices and voxels" in page
    assert "1 of 5 missing" in page
    labels = np.asarray(dlabel(OF_RUN).dataobj)[0]
    assert f">{np.count_nonzero(labels == 11)}</td>" in page


def test_several_runs_on_processes_and_copies_of_the_masker(series: nib.Cifti2Image) -> None:
    runs = [series, dtseries(np.asarray(series.dataobj)[:30] + 1.0)]
    masker = MultiNiftiLabelsMasker(dlabel(SHUFFLED), n_jobs=2)
    found = masker.fit_transform(runs)
    for one, run in zip(found, runs, strict=True):
        np.testing.assert_allclose(one, brute_force(run), rtol=1e-12)
    np.testing.assert_array_equal(clone(masker).fit_transform(runs)[1], found[1])
    again = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(again.transform(runs)[0], found[0])


def test_memory_spares_the_reading_until_the_file_changes(
    tmp_path: Path, series: nib.Cifti2Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    nib.save(series, path := tmp_path / "a.dtseries.nii")
    reduced: list[str] = []
    original = label_run.reduce_volumes

    def counting(run: Any, *arguments: Any, **options: Any) -> Any:
        reduced.append(run.name)
        return original(run, *arguments, **options)

    monkeypatch.setattr(label_run, "reduce_volumes", counting)
    masker = NiftiLabelsMasker(dlabel(SHUFFLED), memory=str(tmp_path / "memory"))
    first = masker.fit_transform(path)
    np.testing.assert_array_equal(masker.fit_transform(path), first)
    assert len(reduced) == 1
    nib.save(dtseries(np.asarray(series.dataobj)[:50] + 1.0), path)
    assert masker.fit_transform(path).shape == (50, 4)
    for _ in range(2):
        masker.transform(series)
    assert len(reduced) == 3


@pytest.mark.parametrize(
    ("options", "readings"),
    [({}, 1), ({"dtype": "auto", "strategy": "variance"}, 1), ({"high_variance_confounds": 1}, 3)],
    ids=["plain", "dtype", "compcor"],
)
def test_series_are_read_once_and_twice_more_for_high_variance_confounds(
    options: dict[str, Any],
    readings: int,
    series: nib.Cifti2Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[str] = []

    def opened(image: Any) -> Any:
        data = open_run_data(image)

        def tiles() -> Blocks:
            counted.append("series")
            assert data.read_series is not None
            return data.read_series()

        def blocks(size: int) -> Blocks:
            counted.extend(["volumes"] * (1 + data.n_volumes // size))
            return data.read_blocks(size)

        return replace(data, read_series=tiles, read_blocks=blocks)

    monkeypatch.setattr(masker_run, "open_run_data", opened)
    NiftiLabelsMasker(dlabel(OF_RUN), **options).fit_transform(series)
    assert counted == ["series"] * readings


@pytest.mark.integration
@pytest.mark.parametrize(
    "atlas", ["Glasser_den-32k", "Aparc_den-32k", "GlasserSubcortical_den-91k"]
)
def test_real_runs_beside_workbench(atlas: str, shared_data: Path, tmp_path: Path) -> None:
    """Means are those of Workbench where all elements of a parcel have data."""
    workbench = shutil.which("wb_command")
    folder = shared_data / "surfaces"
    if workbench is None or not folder.is_dir():
        pytest.skip("needs wb_command and the folder surfaces of the real data")
    labels = folder / "atlases" / "tpl-fsLR" / f"tpl-fsLR_atlas-{atlas}_dseg.dlabel.nii"
    for run in sorted(folder.glob("fmriprep/sub-0*/func/*.dtseries.nii")):
        masker = NiftiLabelsMasker(labels)
        found = masker.set_output(transform="pandas").fit_transform(run)
        out = tmp_path / "out.ptseries.nii"
        command = [workbench, "-cifti-parcellate", str(run), str(labels), "COLUMN", str(out)]
        subprocess.run(command, check=True, capture_output=True)
        parcels = nib.load(out)
        expected = pd.DataFrame(parcels.get_fdata(), columns=parcels.header.get_axis(1).name)
        image = nib.load(run)
        axis = image.header.get_axis(1)
        blank = {
            one
            for one, empty in zip(elements(axis), ~image.get_fdata().any(axis=0), strict=True)
            if empty
        }
        atlas_image = nib.load(labels)
        of_atlas = elements(atlas_image.header.get_axis(1))
        keys = atlas_image.get_fdata()[0]
        partly = {keys[at] for at, one in enumerate(of_atlas) if one in blank}
        names = {key: name for key, (name, _) in atlas_image.header.get_axis(0).label[0].items()}
        whole = [name for key, name in names.items() if key not in partly and name in found]
        assert len(whole) > 0.8 * len(found.columns)
        np.testing.assert_allclose(found[whole], expected[whole], rtol=2e-6)
