"""Denoising a run: what each strategy takes of its confounds, on region signals or on voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.denoise import (
    Denoising,
    Strategy,
    read_confounds,
    read_confounds_metadata,
    select,
)
from bids_labelx.errors import BadDataError, Failure, LabelxError
from bids_labelx.extraction.cleaner import Cleaner, prepare
from bids_labelx.extraction.coverage import covered_regions, reduce_covered, union, watch
from bids_labelx.extraction.reduce import Reduction
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.extraction.voxels import clean_voxels, gather_voxels, stored_voxels
from bids_labelx.measures.quality import FD_THRESHOLD, mean_temporal_snr, motion_summary
from bids_labelx.participant.extract import (
    Arrays,
    blaming,
    open_run,
    series_key,
    tables_with_coverage,
    without_lost,
)

# Statistics that are in the image's unit and have a signal-to-noise ratio in time.
_OF_INTENSITY = ("mean", "median", "sum")


def clean_run(
    arrays: Arrays,
    *,
    strategies: Sequence[Strategy],
    confounds: Path | None,
    missing: str,
    t_r: float | None,
    image_desc: str = "preproc",
    censor_output: str = "drop",
    min_minutes: float = 0.0,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Clean a run's signals by every strategy.

    Parameters
    ----------
    arrays
        Of `reduce_run`.
    strategies
        What to do, in the order of the results.
    confounds
        The confounds table; None where `missing` says why there is none.
    t_r
        Repetition time in seconds, where it is known.
    image_desc
        The ``desc-`` of the BOLD image.
    censor_output
        ``drop``: censored volumes have no row. ``nan``: their rows are NaN. ``interpolate``: they
        are interpolated between the first and the last kept volume, and NaN beyond.
    min_minutes
        A strategy that keeps less of the run is refused.

    Returns
    -------
    cleaned : dict
        For each atlas, statistic and strategy the signals, shape (n_kept, n_labels) with
        ``drop``, otherwise (n_volumes, n_labels).
    report : dict
        By strategy: ``columns``, ``kept`` (per volume), ``degrees_of_freedom``, ``motion``,
        ``outliers`` (columns of that table) and ``temporal_snr`` (by atlas and statistic); or
        ``problem``, the failure as JSON.

    Raises
    ------
    BadDataError
        Where no strategy could be done, with all reasons.
    """
    signals = {key: array for key, array in arrays.items() if key != "mean_image"}
    n_volumes = len(next(iter(signals.values())))
    chosen, report = _choose(
        strategies,
        n_volumes,
        confounds=confounds,
        missing=missing,
        t_r=t_r,
        image_desc=image_desc,
        censor_output=censor_output,
        min_minutes=min_minutes,
    )
    _add_temporal_snr(report, signals)
    cleaned = {
        f"{key}/{name}": _in_rows(_clean_known(series, cleaner), cleaner, censor_output)
        for name, cleaner in chosen.items()
        for key, series in signals.items()
    }
    return cleaned, report


def clean_and_reduce_run(
    bold: Path,
    mask: Path | None,
    labels: Sequence[Path],
    tables: Sequence[Path],
    statistics: Sequence[str],
    min_coverage: float,
    smoothing_fwhm: float | None = None,
    *,
    resample_mask: bool = False,
    strategies: Sequence[Strategy],
    confounds: Path | None,
    missing: str,
    t_r: float | None,
    image_desc: str = "preproc",
    censor_output: str = "drop",
    min_minutes: float = 0.0,
    standardize_voxels: bool = False,
    scratch: Path,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[pd.DataFrame], dict[str, Any]]:
    """Read a run once, clean its labelled voxels by every strategy, and reduce what is left.

    Parameters
    ----------
    bold, mask, labels, tables, statistics, min_coverage, smoothing_fwhm, resample_mask
        As for `reduce_run`.
    strategies, confounds, missing, t_r, image_desc, censor_output, min_minutes
        As for `clean_run`.
    standardize_voxels
        Bring each cleaned voxel to zero mean and unit variance (n - 1) before it is reduced,
        but not after `none`. A strategy's own standardisation is of the regions' signals, with
        or without.
    scratch
        A folder for the voxels' series, which the caller removes: the size of the labelled part
        of the run as it is stored, and 8 bytes for each of its numbers.

    Returns
    -------
    cleaned : dict
        As from `clean_run`.
    arrays : dict
        As from `reduce_run`: ``mean_image``, shape (x, y, z), and the signals before cleaning.
    tables : list of pandas.DataFrame
        As from `reduce_run`.
    report : dict
        As from `clean_run`.

    Raises
    ------
    BadDataError
        As from the two, and where the disk is full.
    """
    with blaming(bold):
        volumes, regions, before = open_run(
            bold, mask, labels, tables, resample_mask=resample_mask
        )
    chosen, report = _choose(
        strategies,
        volumes.n_volumes,
        confounds=confounds,
        missing=missing,
        t_r=t_r,
        image_desc=image_desc,
        censor_output=censor_output,
        min_minutes=min_minutes,
        standardize_voxels=standardize_voxels,
    )
    with blaming(bold):
        watched, seen = watch(volumes, union(regions))
        if smoothing_fwhm:
            watched = smooth_volumes(watched, smoothing_fwhm)
        series = gather_voxels(watched, seen, scratch / "voxels", mean_image=True)
    covered = [covered_regions(one, seen) for one in regions]
    counts = [np.bincount(one.columns, minlength=one.n_columns) for one in covered]
    after = tables_with_coverage(bold, before, regions, counts, min_coverage)
    raw = reduce_covered(stored_voxels(series), seen, regions, statistics)
    before_cleaning = {
        series_key(i, statistic): without_lost(signals, table)
        for i, table in enumerate(after)
        for statistic, signals in raw.signals[i].items()
    }
    _add_temporal_snr(report, before_cleaning)
    original: Reduction | None = None
    cleaned: dict[str, np.ndarray] = {}
    for name, cleaner in chosen.items():
        with blaming(bold):
            # One strategy after the other into the same file: the folder stays small.
            unit = standardize_voxels and name != "none"
            of_voxel = replace(cleaner, standardize="zscore_sample" if unit else None)
            kept = clean_voxels(series, of_voxel, scratch / "cleaned")
            reduced = reduce_covered(kept, seen, regions, statistics)
            if cleaner.standardize and not unit and original is None:
                original = raw
        for i, table in enumerate(after):
            for statistic, signals in reduced.signals[i].items():
                if original is not None:
                    signals = cleaner.scale(signals, original.signals[i][statistic])
                elif cleaner.standardize:
                    # Voxels at unit variance are themselves what standardising starts from.
                    signals = cleaner.scale(signals, _in_all_volumes(signals, cleaner))
                known = without_lost(signals, table)
                cleaned[series_key(i, statistic, name)] = _in_rows(known, cleaner, censor_output)
    assert series.mean_image is not None
    return cleaned, {"mean_image": series.mean_image, **before_cleaning}, after, report


def _choose(
    strategies: Sequence[Strategy],
    n_volumes: int,
    *,
    confounds: Path | None,
    missing: str,
    t_r: float | None,
    image_desc: str = "preproc",
    censor_output: str,
    min_minutes: float,
    standardize_voxels: bool = False,
) -> tuple[dict[str, Cleaner], dict[str, Any]]:
    """What each strategy makes of the confounds, which are read once, and the report on it."""
    table, metadata, source = None, {}, missing
    if confounds is not None:
        try:
            table, source = read_confounds(confounds), str(confounds)
            metadata = read_confounds_metadata(confounds)
        except LabelxError as error:
            # Strategies that need no table can still be done.
            source = str(error)
    chosen: dict[str, Cleaner] = {}
    report: dict[str, Any] = {}
    for strategy in strategies:
        try:
            denoising = select(
                strategy,
                table,
                n_volumes,
                source=source,
                t_r=t_r,
                metadata=metadata,
                image_desc=image_desc,
            )
            _check_minutes(strategy, denoising, source, t_r, min_minutes)
            cleaner = _prepare(strategy, denoising, source, t_r, censor_output)
            if standardize_voxels and cleaner.standardize == "psc":
                raise BadDataError(
                    f"--denoise {strategy.name} asks for percent signal change, which voxels "
                    "brought to unit variance by --standardize-voxels have none of; leave one out"
                )
        except LabelxError as error:
            failure = Failure.of(error, strategies=(strategy.name,))
            report[strategy.name] = {"problem": failure.to_json()}
            continue
        chosen[strategy.name] = cleaner
        report[strategy.name] = {
            "columns": list(denoising.columns),
            "kept": denoising.kept.tolist(),
            "degrees_of_freedom": cleaner.degrees_of_freedom,
            "motion": motion_summary(
                _motion(denoising, table),
                strategy.volumes.get("scrub", {}).get("fd_threshold", FD_THRESHOLD),
            ),
            "fd_source": denoising.fd_source,
            "outliers": _outliers(denoising, _motion(denoising, table)),
        }
    if not chosen:
        raise BadDataError("\n".join(entry["problem"]["message"] for entry in report.values()))
    return chosen, report


def _add_temporal_snr(report: dict[str, Any], signals: Arrays) -> None:
    """Note the temporal SNR of each atlas and statistic, over the volumes a strategy keeps."""
    for entry in report.values():
        if "problem" not in entry:
            kept = np.array(entry["kept"], dtype=bool)
            entry["temporal_snr"] = {
                key: mean_temporal_snr(series[kept])
                for key, series in signals.items()
                if key.rpartition("/")[2] in _OF_INTENSITY
            }


def _check_minutes(
    strategy: Strategy, chosen: Denoising, source: str, t_r: float | None, min_minutes: float
) -> None:
    if not min_minutes:
        return
    if t_r is None:
        raise BadDataError(
            f"{source}: --min-minutes needs the repetition time, which neither the sidecar nor "
            "the header of the run says"
        )
    minutes = int(chosen.kept.sum()) * t_r / 60
    if minutes < min_minutes:
        raise BadDataError(
            f"{source}: --denoise {strategy.name} keeps {minutes:.2f} minutes of the run "
            f"({int(chosen.kept.sum())} of {len(chosen.kept)} volumes), --min-minutes asks for "
            f"{min_minutes:g}"
        )


def _prepare(
    strategy: Strategy, chosen: Denoising, source: str, t_r: float | None, censor_output: str
) -> Cleaner:
    """The strategy as it is applied to this run.

    One degree of freedom goes with the mean, so two have to be left: with one, what remains of a
    signal beside its mean is rounding error, which would correlate like signal.
    """
    try:
        cleaner = prepare(
            len(chosen.kept),
            confounds=chosen.regressors if chosen.columns else None,
            sample_mask=chosen.kept,
            t_r=t_r,
            censored="interpolate" if censor_output == "interpolate" else "drop",
            **strategy.clean,
        )
    except ValueError as error:
        raise BadDataError(f"{source}: --denoise {strategy.name}: {error}") from error
    if cleaner.degrees_of_freedom < 2:
        kept = int(chosen.kept.sum())
        takers = "independent regressors" if cleaner.band_pass is None else "regressors and filter"
        raise BadDataError(
            f"{source}: --denoise {strategy.name} leaves no degree of freedom: {kept} volumes "
            f"kept, {kept - cleaner.degrees_of_freedom} taken by {takers}, one by the mean"
        )
    return cleaner


def _motion(chosen: Denoising, table: pd.DataFrame | None) -> pd.DataFrame:
    """Framewise displacement and standardised DVARS, a row per volume, as far as they are known.

    What the strategy went by comes before what stands in the table.
    """
    n_volumes = len(chosen.kept)
    own = {
        "framewise_displacement": chosen.framewise_displacement,
        "std_dvars": chosen.std_dvars,
    }
    columns: dict[str, Any] = {}
    for name, values in own.items():
        if values is not None:
            columns[name] = values
        elif table is not None and name in table and len(table) == n_volumes:
            columns[name] = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
    return pd.DataFrame(columns, index=range(n_volumes))


def _outliers(chosen: Denoising, motion: pd.DataFrame) -> dict[str, list[Any]]:
    """A row per volume: kept or not, the figures, and by which rules not."""
    columns = {"kept": chosen.kept.astype(int).tolist()}
    for name in map(str, motion):
        columns[name] = [None if np.isnan(value) else value for value in motion[name].tolist()]
    return {**columns, **{name: rule.astype(int).tolist() for name, rule in chosen.rules.items()}}


def _in_rows(cleaned: np.ndarray, cleaner: Cleaner, censor_output: str) -> np.ndarray:
    """The cleaned rows as they are, or among all volumes with NaN for those that have none."""
    return cleaned if censor_output == "drop" else _in_all_volumes(cleaned, cleaner)


def _in_all_volumes(cleaned: np.ndarray, cleaner: Cleaner) -> np.ndarray:
    """Rows of the cleaner among all volumes, NaN for the others."""
    whole = np.full((len(cleaner.rows), cleaned.shape[1]), np.nan)
    whole[cleaner.rows] = cleaned
    return whole


def _clean_known(series: np.ndarray, cleaner: Cleaner) -> np.ndarray:
    """Clean the columns that have a signal; those of lost labels stay NaN."""
    known = np.isfinite(series).all(axis=0)
    out = np.full((int(cleaner.rows.sum()), series.shape[1]), np.nan)
    out[:, known] = cleaner(series[:, known])
    return out
