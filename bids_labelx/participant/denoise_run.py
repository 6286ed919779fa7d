"""Denoising a run by every strategy, on region signals or on voxels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bids_labelx.denoise import (
    AppliedStrategy,
    Denoising,
    Strategy,
    cleaning_steps,
    denoised_by,
)
from bids_labelx.errors import BadDataError, Failure, LabelxError
from bids_labelx.extraction.clean import Cleaner, prepare_cleaner
from bids_labelx.extraction.coverage import reduce_covered, union, watch
from bids_labelx.extraction.elements import clean_elements, gather_elements, stored_elements
from bids_labelx.extraction.freedom import effective_degrees_of_freedom
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.measures.quality import (
    FD_THRESHOLD,
    FEW_DEGREES,
    FEW_MINUTES,
    mean_temporal_snr,
    motion_summary,
)
from bids_labelx.participant.confounds import choose_confounds, read_confounds
from bids_labelx.participant.extract import (
    errors_naming,
    open_run,
    present_signals,
    tables_with_coverage,
)
from bids_labelx.participant.records import (
    AtlasOnGrid,
    Denoised,
    Extracted,
    RunSource,
    SeriesKey,
    SignalKey,
)
from bids_labelx.settings import DenoisingOptions, ExtractionOptions

# Statistics that are in the image's unit and have a signal-to-noise ratio in time.
_OF_INTENSITY = ("mean", "median", "sum")


def denoise_signals(
    extracted: Extracted,
    source: RunSource,
    strategies: Sequence[Strategy],
    options: DenoisingOptions,
) -> Denoised:
    """Denoise a run's region signals by every strategy.

    Raises
    ------
    BadDataError
        Where no strategy could be done, with all reasons.
    """
    n_volumes = len(next(iter(extracted.signals.values())))
    cleaners, applied, failures = _prepare_some(source, strategies, n_volumes, options)
    signals = {}
    for name, cleaner in cleaners.items():
        with _warnings_of(applied, name):
            for key, series in extracted.signals.items():
                cleaned = _clean_known(series, cleaner)
                signals[SeriesKey(*key, name)] = _in_rows(cleaned, cleaner, options)
    return Denoised(applied, failures, signals, _temporal_snr(applied, extracted.signals))


def denoise_voxels(
    source: RunSource,
    atlases: Sequence[AtlasOnGrid],
    strategies: Sequence[Strategy],
    extraction: ExtractionOptions,
    options: DenoisingOptions,
    scratch: Path,
) -> tuple[Extracted, Denoised]:
    """Read a run once, denoise its labelled voxels by every strategy, and reduce what is left.

    With `DenoisingOptions.standardize_voxels`, each denoised voxel is z-scored (n - 1) before it
    is reduced, but not after `none`. A strategy's own standardisation is of the region signals.

    `scratch` is a folder for the voxels' series, which the caller removes: the size of the
    labelled part of the run as it is stored, and 8 bytes for each of its numbers.

    Raises
    ------
    BadDataError
        As from `bids_labelx.participant.extract.reduce_run` and `denoise_signals`, and where the
        disk is full.
    """
    with errors_naming(source.bold):
        opened = open_run(source, atlases)
    volumes, regions, maps = opened.volumes, opened.regions, opened.maps
    cleaners, applied, failures = _prepare_some(source, strategies, volumes.n_volumes, options)
    with errors_naming(source.bold):
        watched, seen = watch(volumes, union([*regions, *maps]))
        if extraction.smoothing_fwhm:
            within = opened.inside if extraction.smooth_inside_mask else None
            watched = smooth_volumes(watched, extraction.smoothing_fwhm, within)
        series = gather_elements(watched, seen, scratch / "voxels", mean_image=True)
    how: dict[str, Any] = {"maps": maps, "least_share": extraction.min_coverage}
    with errors_naming(source.bold, opened):
        raw = reduce_covered(stored_elements(series), seen, regions, extraction.statistic, **how)
    tables = tables_with_coverage(source, opened, raw, extraction)
    assert series.mean_image is not None
    signals_before = opened.signals(raw)
    extracted = Extracted(present_signals(signals_before, tables), tables, series.mean_image)
    cleaned: dict[SeriesKey, np.ndarray] = {}
    for name, cleaner in cleaners.items():
        with errors_naming(source.bold), _warnings_of(applied, name):
            # One strategy after the other into the same file: the folder stays small.
            unit = options.standardize_voxels and name != "none"
            of_voxel = replace(cleaner, standardize="zscore_sample" if unit else None)
            kept = clean_elements(series, of_voxel, scratch / "cleaned")
            reduced = reduce_covered(kept, seen, regions, extraction.statistic, **how)
            for key, signals in present_signals(opened.signals(reduced), tables).items():
                if cleaner.standardize and not unit:
                    before_any = signals_before[key.atlas][key.statistic]
                    signals = cleaner.standardized(signals, before_any)
                elif cleaner.standardize:
                    # Z-scored voxels are themselves what standardising starts from.
                    signals = cleaner.standardized(signals, _in_all_volumes(signals, cleaner))
                cleaned[SeriesKey(*key, name)] = _in_rows(signals, cleaner, options)
    snr = _temporal_snr(applied, extracted.signals)
    return extracted, Denoised(applied, failures, cleaned, snr)


def _prepare_some(
    source: RunSource, strategies: Sequence[Strategy], n_volumes: int, options: DenoisingOptions
) -> Prepared:
    """What strategies make of the confounds; a BadDataError where none can be done."""
    prepared = prepare_strategies(source, strategies, n_volumes, options)
    if not prepared.cleaners:
        raise BadDataError("\n".join(one.message for one in prepared.failures))
    return prepared


class Prepared(NamedTuple):
    """How strategies are applied to a run, by their names, and of the others the failures."""

    cleaners: dict[str, Cleaner]
    applied: dict[str, AppliedStrategy]
    failures: tuple[Failure, ...]


def prepare_strategies(
    source: RunSource, strategies: Sequence[Strategy], n_volumes: int, options: DenoisingOptions
) -> Prepared:
    """What each strategy makes of the confounds, or why it makes nothing."""
    confounds = read_confounds(source)
    cleaners: dict[str, Cleaner] = {}
    applied: dict[str, AppliedStrategy] = {}
    failures: list[Failure] = []
    for strategy in strategies:
        caught: list[str] = []
        origin = confounds.origin
        try:
            joined, denoising = choose_confounds(strategy, confounds, source, n_volumes)
            _check_minutes(strategy, denoising, origin, source.t_r, options.min_minutes)
            with _recorded(caught):
                cleaner, effective = _prepare(strategy, denoising, origin, source.t_r, options)
        except LabelxError as error:
            failures.append(Failure.of(error, strategies=(strategy.name,)))
            continue
        cleaners[strategy.name] = cleaner
        motion = _motion(denoising, joined.table)
        fd_threshold = strategy.volumes.get("scrub", {}).get("fd_threshold", FD_THRESHOLD)
        main = source.confounds if strategy.needs_table else None
        remarks = _remarks(source, denoising, effective)
        applied[strategy.name] = AppliedStrategy(
            columns=denoising.columns,
            regressors=denoising.regressors,
            cleaner=cleaner,
            removed=denoising.removed,
            effective_degrees_of_freedom=effective,
            steps=tuple(cleaning_steps(cleaner, denoising)),
            motion=motion_summary(motion, fd_threshold),
            fd_source=denoising.fd_source,
            outliers=_outliers(denoising, motion),
            warnings=(*caught, *joined.remarks, *remarks),
            by_entry=denoising.by_entry,
            files=(*([] if main is None else [main]), *joined.files),
            positions=joined.positions,
        )
    return Prepared(cleaners, applied, tuple(failures))


def _remarks(source: RunSource, chosen: Denoising, effective: float) -> Iterator[str]:
    """Warnings of what a strategy leaves of a run and of what it did not find in its table."""
    n_volumes, n_kept, t_r = len(chosen.kept), int(chosen.kept.sum()), source.t_r
    if effective < max(FEW_DEGREES, n_volumes / 4):
        few = "fewer than 20" if effective < FEW_DEGREES else "less than a quarter"
        yield (
            f"few degrees of freedom: {effective:.3g} (effective) of {n_volumes} volumes are "
            f"left, {few}; correlations are imprecise"
        )
    if t_r is not None and n_kept * t_r / 60 < FEW_MINUTES:
        yield (
            f"few data: {n_kept * t_r / 60:.1f} minutes are left ({n_kept} of {n_volumes} "
            f"volumes), less than {FEW_MINUTES}; correlations are imprecise"
        )
    for entry, columns in chosen.by_entry.items():
        if not columns:
            yield f"no column of the tables is {entry}; nothing was regressed out for it"
    before = source.regressed or denoised_by(source.desc, source.producer)
    if before and not chosen.removed.shape[1]:
        yield (
            f"{before} has denoised the image before; the degrees of freedom do not count what "
            "that took, as no table that was read says it"
        )


@contextmanager
def _recorded(messages: list[str]) -> Iterator[None]:
    """Add the warnings of the block, each once; those that are not for users go their way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        if one.category is not UserWarning:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif str(one.message) not in messages:
            messages.append(str(one.message))


@contextmanager
def _warnings_of(applied: dict[str, AppliedStrategy], name: str) -> Iterator[None]:
    """Keep the warnings of the block with what a strategy did."""
    messages = list(applied[name].warnings)
    with _recorded(messages):
        yield
    applied[name] = replace(applied[name], warnings=tuple(messages))


def _temporal_snr(
    applied: Mapping[str, AppliedStrategy], signals: Mapping[SignalKey, np.ndarray]
) -> dict[SeriesKey, float | None]:
    """Mean temporal SNR of each atlas and statistic, over the volumes that a strategy keeps."""
    return {
        SeriesKey(*key, name): mean_temporal_snr(series[one.kept])
        for name, one in applied.items()
        for key, series in signals.items()
        if key.statistic in _OF_INTENSITY
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
    strategy: Strategy,
    chosen: Denoising,
    source: str,
    t_r: float | None,
    options: DenoisingOptions,
) -> tuple[Cleaner, float]:
    """The strategy as it is applied to this run, and the effective degrees of freedom it leaves.

    Two have to be left: with one, all signals are multiples of each other.
    """
    try:
        cleaner = prepare_cleaner(
            len(chosen.kept),
            confounds=chosen.regressors if chosen.columns else None,
            sample_mask=chosen.kept,
            t_r=t_r,
            dummy=chosen.n_dummies,
            censored="interpolate" if options.censor_output == "interpolate" else "drop",
            **strategy.cleaning,
        )
        # It cleans, so that a filter that cannot be run is found here, before any signal.
        effective = round(effective_degrees_of_freedom(cleaner, removed=chosen.removed), 3)
    except ValueError as error:
        raise BadDataError(f"{source}: --denoise {strategy.name}: {error}") from error
    if options.standardize_voxels and cleaner.standardize == "psc":
        raise BadDataError(
            f"--denoise {strategy.name} asks for percent signal change, which voxels that are "
            "z-scored by --standardize-voxels have none of; leave one out"
        )
    # Two volumes to which nothing was done are as they are.
    least = 2 if strategy.clean or chosen.columns else 1
    if effective < least:
        kept = int(chosen.kept.sum())
        takers = "regressors" if cleaner.band_pass is None else "regressors and filter"
        raise BadDataError(
            f"{source}: --denoise {strategy.name} leaves no degree of freedom to correlate: of "
            f"{kept} volumes kept, {takers} leave {effective:.3g} (effective, without the mean), "
            f"at least {least} are needed; choose a strategy with fewer regressors or without a "
            "filter for this run"
        )
    return cleaner, effective


def _motion(chosen: Denoising, table: pd.DataFrame | None) -> pd.DataFrame:
    """Framewise displacement, RMSD and standardised DVARS, a row per volume, where known.

    What the strategy went by comes before what stands in the table.
    """
    n_volumes = len(chosen.kept)
    own = {
        "framewise_displacement": chosen.framewise_displacement,
        "framewise_displacement_filtered": chosen.filtered_fd,
        "rmsd": None,
        "std_dvars": chosen.std_dvars,
    }
    columns: dict[str, Any] = {}
    for name, values in own.items():
        if values is not None:
            columns[name] = values
        elif table is not None and name in table and len(table) == n_volumes:
            columns[name] = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
    return pd.DataFrame(columns, index=range(n_volumes))


def _outliers(chosen: Denoising, motion: pd.DataFrame) -> pd.DataFrame:
    """A row per volume: its position, kept or not, the figures, and by which rules not."""
    kept = pd.DataFrame({"volume": range(len(chosen.kept)), "kept": chosen.kept.astype(int)})
    rules = pd.DataFrame({name: rule.astype(int) for name, rule in chosen.rules.items()})
    return pd.concat([kept, motion, rules], axis="columns")


def _in_rows(cleaned: np.ndarray, cleaner: Cleaner, options: DenoisingOptions) -> np.ndarray:
    """The cleaned rows as they are, or among all volumes with NaN for those that have none."""
    return cleaned if options.censor_output == "drop" else _in_all_volumes(cleaned, cleaner)


def _in_all_volumes(cleaned: np.ndarray, cleaner: Cleaner) -> np.ndarray:
    """Rows of the cleaner among all volumes, NaN for the others."""
    whole = np.full((len(cleaner.rows), cleaned.shape[1]), np.nan)
    whole[cleaner.rows] = cleaned
    return whole


def _clean_known(series: np.ndarray, cleaner: Cleaner) -> np.ndarray:
    """Clean the columns that have a signal; those of missing labels stay NaN."""
    known = np.isfinite(series).all(axis=0)
    out = np.full((int(cleaner.rows.sum()), series.shape[1]), np.nan)
    out[:, known] = cleaner(series[:, known])
    return out
