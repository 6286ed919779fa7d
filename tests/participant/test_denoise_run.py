"""Denoising of a run, on region signals and on voxels, from files to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny import AFFINE, N_VOLUMES, SHAPE, confounds_table

from bids_labelx import denoise
from bids_labelx.denoise import override, read_strategies
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.stored import LocalFile
from bids_labelx.files import disk_full
from bids_labelx.outputs.failures import messages
from bids_labelx.participant import confounds
from bids_labelx.participant.denoise_run import denoise_signals, denoise_voxels
from bids_labelx.participant.extract import reduce_run
from bids_labelx.participant.records import (
    AtlasOnGrid,
    Denoised,
    Extracted,
    RunSource,
    SeriesKey,
    SignalKey,
)
from bids_labelx.settings import DenoisingOptions, ExtractionOptions

WriteImage = Callable[..., Path]


def denoised_alone(
    series: np.ndarray,
    names: list[str],
    confounds: Path | None,
    t_r: float | None = 2.0,
    **options,
) -> Denoised:
    """Signals of one atlas after some strategies."""
    extracted = Extracted({MEAN: series}, (), np.zeros(SHAPE))
    source = RunSource(Path("bold.nii.gz"), confounds=confounds, t_r=t_r)
    return denoise_signals(extracted, source, read_strategies(names), DenoisingOptions(**options))


MEAN = SignalKey(0, "mean")


def test_cleaning_leaves_residuals_that_do_not_correlate_with_any_confound(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    table = confounds_table(rng)
    path = tmp_path / "c.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    series = rng.standard_normal((N_VOLUMES, 3)) + 50
    series[:, 1] = np.nan
    denoised = denoised_alone(series, ["simple"], path)
    out, applied = denoised.signals[SeriesKey(*MEAN, "simple")], denoised.applied["simple"]
    assert out.shape == (N_VOLUMES - 1, 3)
    assert np.isnan(out[:, 1]).all()
    # Brute force: least squares on centred regressors, over the kept volumes.
    filled = table[list(applied.columns)].bfill().to_numpy()[1:]
    design = filled - filled.mean(axis=0)
    for column in (0, 2):
        kept = series[1:, column]
        weights, *_ = np.linalg.lstsq(design, kept - kept.mean(), rcond=1e-10)
        np.testing.assert_allclose(out[:, column], kept - design @ weights, atol=1e-8)
    rank = np.linalg.matrix_rank(design, tol=1e-8)
    assert applied.degrees_of_freedom == N_VOLUMES - 1 - rank
    outliers = applied.outliers
    assert outliers["kept"].tolist() == [0] + [1] * (N_VOLUMES - 1)
    assert outliers["dummy"].tolist() == [1] + [0] * (N_VOLUMES - 1)


def test_a_strategy_that_cannot_be_done_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    pd.DataFrame({"csf": np.zeros(10)}).to_csv(path, sep="\t", index=False)
    series = np.random.default_rng(0).standard_normal((10, 2))
    denoised = denoised_alone(series, ["none", "simple"], path)
    assert list(denoised.signals) == [SeriesKey(*MEAN, "none")]
    (failure,) = denoised.failures
    assert failure.strategies == ("simple",)
    assert "white_matter" in failure.message
    assert str(path) in failure.message


def test_a_broken_confounds_table_stops_only_what_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("")
    denoised = denoised_alone(np.ones((10, 2)), ["none", "simple"], path)
    assert list(denoised.applied) == ["none"]
    assert "c.tsv: cannot be read" in messages(denoised.failures)


def test_a_strategy_that_leaves_no_degree_of_freedom_is_refused(tmp_path: Path) -> None:
    table = confounds_table(np.random.default_rng(0))
    noise = np.random.default_rng(1).standard_normal(table.shape)
    path = tmp_path / "c.tsv"
    (table.fillna(0) + noise).drop(columns="non_steady_state_outlier00").head(20).to_csv(
        path, sep="\t", index=False
    )
    with pytest.raises(BadDataError, match="of 20 volumes kept, regressors leave 0"):
        denoised_alone(np.ones((20, 2)), ["simple"], path)


@pytest.fixture
def given(
    tmp_path: Path,
    write_image: WriteImage,
    on_grid: AtlasOnGrid,
    data: np.ndarray,
    mask: np.ndarray,
) -> dict:
    """A run with gaps, and all that `denoise_voxels` wants to know."""
    data[2, 0, 0] = 0
    data[3, 0, 0, 7] = np.nan
    path = tmp_path / "c.tsv"
    table = confounds_table(np.random.default_rng(0))
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    (tmp_path / "scratch").mkdir()
    bold = write_image(tmp_path / "b.nii.gz", data)
    inside = write_image(tmp_path / "m.nii.gz", mask)
    return {
        "source": RunSource(bold, inside, confounds=path, t_r=2.0),
        "atlases": [on_grid],
        "strategies": read_strategies(["none", "simple"]),
        "extraction": ExtractionOptions(statistic=("mean", "sum", "median")),
        "options": DenoisingOptions(),
        "scratch": tmp_path / "scratch",
    }


def at_region_level(given: dict) -> tuple[Extracted, Denoised]:
    """What `reduce_run` and then `denoise_signals` make of it."""
    extracted = reduce_run(given["source"], given["atlases"], given["extraction"])
    return extracted, denoise_signals(
        extracted, given["source"], given["strategies"], given["options"]
    )


@pytest.mark.parametrize(("smoothing_fwhm", "inside"), [(None, False), (5.0, False), (5.0, True)])
def test_mean_and_sum_of_cleaned_voxels_are_the_cleaned_mean_and_sum(
    given: dict, smoothing_fwhm: float | None, inside: bool
) -> None:
    given["extraction"] = replace(
        given["extraction"], smoothing_fwhm=smoothing_fwhm, smooth_inside_mask=inside
    )
    extracted, denoised = denoise_voxels(**given)
    before, expected = at_region_level(given)
    assert set(denoised.signals) == set(expected.signals)
    for key, signals in denoised.signals.items():
        if key.statistic in ("mean", "sum"):
            np.testing.assert_allclose(signals, expected.signals[key], rtol=1e-6)
    assert denoised.temporal_snr == expected.temporal_snr
    assert list(denoised.applied) == list(expected.applied) == ["none", "simple"]
    for name, applied in denoised.applied.items():
        assert applied.columns == expected.applied[name].columns
        assert applied.degrees_of_freedom == expected.applied[name].degrees_of_freedom
        assert applied.motion == expected.applied[name].motion
        pd.testing.assert_frame_equal(applied.outliers, expected.applied[name].outliers)
    pd.testing.assert_frame_equal(extracted.tables[0], before.tables[0])
    np.testing.assert_allclose(extracted.mean_image, before.mean_image)


def simple(statistic: str) -> SeriesKey:
    return SeriesKey(0, statistic, "simple")


def voxels_by_brute_force(given: dict, denoised: Denoised, series: np.ndarray) -> np.ndarray:
    """Series (n_volumes, n_voxels) less the confounds, by least squares over all but volume 0."""
    confounds = pd.read_csv(given["source"].confounds, sep="\t")
    design = confounds[list(denoised.applied["simple"].columns)].bfill().to_numpy()[1:]
    design = design - design.mean(axis=0)
    weights, *_ = np.linalg.lstsq(design, series[1:] - series[1:].mean(axis=0), rcond=1e-10)
    return series[1:] - design @ weights


def test_the_median_is_that_of_voxels_cleaned_by_least_squares(
    given: dict, data: np.ndarray, mask: np.ndarray, labels: np.ndarray
) -> None:
    _, denoised = denoise_voxels(**given)
    usable = (mask > 0) & np.isfinite(data).all(axis=3) & (data != 0).any(axis=3)
    for column, label in ((0, 9), (1, 2), (3, 5)):
        series = data[usable & (labels == label)].astype(float).T
        expected = np.median(voxels_by_brute_force(given, denoised, series), axis=1)
        np.testing.assert_allclose(
            denoised.signals[simple("median")][:, column], expected, atol=1e-6
        )
    assert np.isnan(denoised.signals[simple("median")][:, 2]).all()


@pytest.mark.parametrize("standardize", ["zscore_sample", "zscore", "psc"])
def test_a_strategy_standardises_regions_at_either_level(given: dict, standardize: str) -> None:
    given["strategies"] = override(given["strategies"], clean={"standardize": standardize})
    cleaned, expected = denoise_voxels(**given)[1].signals, at_region_level(given)[1].signals
    for statistic in ("mean", "sum"):
        key = simple(statistic)
        np.testing.assert_allclose(cleaned[key], expected[key], rtol=1e-6, atol=1e-9)
    median = cleaned[simple("median")][:, 0]
    assert not np.allclose(median, expected[simple("median")][:, 0], rtol=1e-3)
    if standardize != "psc":
        ddof = 1 if standardize == "zscore_sample" else 0
        np.testing.assert_allclose(median.std(ddof=ddof), 1)


@pytest.mark.parametrize("standardize", [None, "zscore"])
def test_standardised_voxels_are_those_of_brute_force(
    given: dict, data: np.ndarray, mask: np.ndarray, labels: np.ndarray, standardize: str | None
) -> None:
    if standardize:
        given["strategies"] = override(given["strategies"], clean={"standardize": standardize})
    plain = denoise_voxels(**given)[1].signals
    given["options"] = DenoisingOptions(standardize_voxels=True)
    _, denoised = denoise_voxels(**given)
    usable = (mask > 0) & np.isfinite(data).all(axis=3) & (data != 0).any(axis=3)
    reduce = {"mean": np.mean, "sum": np.sum, "median": np.median}
    for column, label in ((0, 9), (1, 2), (3, 5)):
        series = data[usable & (labels == label)].astype(float).T
        voxels = voxels_by_brute_force(given, denoised, series)
        units = (voxels - voxels.mean(axis=0)) / voxels.std(axis=0, ddof=1)
        for statistic, over_voxels in reduce.items():
            expected = over_voxels(units, axis=1)
            if standardize:
                expected = (expected - expected.mean()) / expected.std()
            got = denoised.signals[simple(statistic)][:, column]
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
            assert not np.allclose(got, plain[simple(statistic)][:, column], rtol=1e-3)
    # The strategy that does nothing does not do this either.
    for statistic in reduce:
        key = SeriesKey(0, statistic, "none")
        np.testing.assert_array_equal(denoised.signals[key], plain[key])


def test_percent_of_voxels_at_unit_variance_is_refused(given: dict) -> None:
    given["strategies"] = override(given["strategies"], clean={"standardize": "psc"})
    given["options"] = DenoisingOptions(standardize_voxels=True)
    _, denoised = denoise_voxels(**given)
    assert {key.strategy for key in denoised.signals} == {"none"}
    assert "simple asks for percent signal change" in messages(denoised.failures)


@pytest.mark.parametrize("level", ["region", "voxel"])
def test_one_reading_of_run_and_confounds_serves_all_strategies_and_statistics(
    given: dict, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run without gaps: a voxel that has data in some volumes only makes for a second reading.
    image = nib.Nifti1Image(np.random.default_rng(0).normal(9, 1, (*SHAPE, N_VOLUMES)), AFFINE)
    nib.save(image, given["source"].bold)
    opened: list[str] = []
    plain_open, plain_read = LocalFile.open, denoise.read_confounds_table

    def counting_open(file: LocalFile) -> object:
        opened.append(file.name)
        return plain_open(file)

    def counting_read(path: Path) -> pd.DataFrame:
        opened.append(Path(path).name)
        return plain_read(path)

    monkeypatch.setattr(LocalFile, "open", counting_open)
    monkeypatch.setattr(confounds, "read_confounds_table", counting_read)
    if level == "region":
        at_region_level(given)
    else:
        denoise_voxels(**given)
    assert opened.count("b.nii.gz") == 1
    assert opened.count("c.tsv") == 1


def test_a_full_disk_is_named_and_not_blamed_on_the_run(given: dict) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no disk that is always full (/dev/full)")
    (given["scratch"] / "voxels").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*/voxels'") as raised:
        denoise_voxels(**given)
    assert disk_full(raised.value)


def test_voxels_are_not_gathered_where_no_strategy_can_be_done(given: dict) -> None:
    given["strategies"] = read_strategies(["simple"])
    source = replace(given["source"], confounds=None, missing_confounds="there is no table")
    given["source"] = source
    with pytest.raises(BadDataError, match="there is no table"):
        denoise_voxels(**given)
    assert not list(given["scratch"].iterdir())


def with_outliers(tmp_path: Path) -> dict:
    """Signals whose volumes 0, 10 and 39 a strategy leaves out, and how to clean them."""
    table = confounds_table(np.random.default_rng(0))
    table["framewise_displacement"] = 0.1
    table.loc[[10, 39], "framewise_displacement"] = 3.0
    path = tmp_path / "c.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    own = tmp_path / "mine.toml"
    own.write_text(
        'confounds = {motion = "basic"}\n'
        "volumes = {non_steady_state = true, scrub = {fd_threshold = 1.0}}\n"
    )
    return {
        "series": np.random.default_rng(1).normal(50, 1, (N_VOLUMES, 3)),
        "names": [str(own)],
        "confounds": path,
    }


def test_censored_volumes_have_no_row_or_one_of_nan_or_an_interpolated_one(tmp_path: Path) -> None:
    given = with_outliers(tmp_path)
    kept = np.ones(N_VOLUMES, bool)
    kept[[0, 10, 39]] = False
    (dropped,) = denoised_alone(**given).signals.values()
    denoised = denoised_alone(**given, censor_output="nan")
    assert denoised.applied["mine"].kept.tolist() == kept.tolist()
    assert len(dropped) == N_VOLUMES - 3
    (with_nan,) = denoised.signals.values()
    np.testing.assert_array_equal(denoised.kept_signals(SeriesKey(*MEAN, "mine")), dropped)
    np.testing.assert_array_equal(with_nan[kept], dropped)
    assert np.isnan(with_nan[~kept]).all()
    (whole,) = denoised_alone(**given, censor_output="interpolate").signals.values()
    np.testing.assert_allclose(whole[kept], dropped)
    assert np.isfinite(whole[10]).all()
    assert np.isnan(whole[[0, 39]]).all()


def test_outliers_say_of_each_volume_by_which_rule_it_goes(tmp_path: Path) -> None:
    table = denoised_alone(**with_outliers(tmp_path)).applied["mine"].outliers
    assert list(table) == [
        "volume", "kept", "framewise_displacement", "std_dvars", "dummy", "fd", "dvars",
        "short_segment",
    ]  # fmt: skip
    assert table["volume"].tolist() == list(range(N_VOLUMES))
    assert np.flatnonzero(table["dummy"]).tolist() == [0]
    assert np.flatnonzero(table["fd"]).tolist() == [10, 39]
    assert np.flatnonzero(table["kept"] == 0).tolist() == [0, 10, 39]
    assert not table[["dvars", "short_segment"]].to_numpy().any()


def test_a_run_with_too_few_minutes_is_refused(tmp_path: Path) -> None:
    given = with_outliers(tmp_path)
    # 37 volumes of 2 s are 1.23 minutes.
    assert denoised_alone(**given, min_minutes=1.2).signals
    with pytest.raises(BadDataError, match=r"keeps 1\.23 minutes .*37 of 40.* asks for 1\.25"):
        denoised_alone(**given, min_minutes=1.25)
    with pytest.raises(BadDataError, match="--min-minutes needs the repetition time"):
        denoised_alone(**given, t_r=None, min_minutes=1.0)


def test_a_filter_without_a_repetition_time_is_refused_by_name(tmp_path: Path) -> None:
    given = with_outliers(tmp_path)
    own = tmp_path / "mine.toml"
    own.write_text(own.read_text() + 'clean = {filter = "butterworth", low_pass = 0.1}\n')
    with pytest.raises(BadDataError, match="--denoise mine: the butterworth filter needs t_r"):
        denoised_alone(**given, t_r=None)


def test_a_filter_that_is_too_long_for_the_run_takes_no_other_strategy_with_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "band.toml"
    path.write_text('[clean]\nfilter = "butterworth"\nlow_pass = 0.1\nhigh_pass = 0.01\n')
    series = np.random.default_rng(0).standard_normal((12, 2))
    key = SignalKey(0, "mean")
    extracted = Extracted({key: series}, (), np.empty(0))
    source = RunSource(tmp_path / "b.nii.gz", t_r=2.0)
    strategies = read_strategies(["none", str(path)])
    denoised = denoise_signals(extracted, source, strategies, DenoisingOptions())
    (failure,) = denoised.failures
    assert failure.strategies == ("band",)
    assert "over 12 volumes: there have to be more than 15" in failure.message
    np.testing.assert_array_equal(denoised.signals[SeriesKey(*key, "none")], series)
