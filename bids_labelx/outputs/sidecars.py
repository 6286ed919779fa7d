"""The content of JSON sidecars: what a file is, where it comes from, what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from platform import python_version
from typing import Any

import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.denoise import AppliedStrategy, Strategy
from bids_labelx.outputs.columns import (
    KIND_COLUMNS,
    LABEL_COLUMNS,
    LABEL_NAMES,
    OUTLIER_COLUMNS,
    PLAIN,
    describe_columns,
    describe_matrix,
    describe_series,
)
from bids_labelx.settings import Settings

_VERSIONED = ("numpy", "scipy", "nibabel", "pandas", "scikit-learn", "nipype", "pybids")


def software_versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "bids_labelx": __version__,
        "python": python_version(),
        **{name: version(name) for name in _VERSIONED},
    }


def dseg_sidecar(
    table: pd.DataFrame,
    *,
    sources: Sequence[str],
    sampling: Mapping[str, Any],
    min_coverage: float,
    label_resampling: str | None,
    kind: str = "labels",
) -> dict[str, Any]:
    """For the label image and its table, which share their name and so their sidecar.

    `kind` is what the atlas is made of, as `bids_labelx.atlases.atlas.Kind`.
    """
    known = {**LABEL_NAMES, **LABEL_COLUMNS, **KIND_COLUMNS.get(kind, {})}
    columns = describe_columns(table.columns, known)
    about: dict[str, Any] = {
        "Description": "Labels on the grid of the run, inside its brain mask"
        if label_resampling
        else "Labels of the vertices and voxels of the run",
        "LabelResampling": label_resampling or "none: matched by structure and vertex or voxel",
    }
    if kind == "maps":
        about = {
            "Description": "The map with the largest weight in each voxel of the run's grid, "
            "inside its brain mask; signals are fits of the maps themselves, …_probseg.nii.gz",
            "MapResampling": "linear",
        }
    elif kind == "spheres":
        about = {
            "Description": "Spheres on the grid of the run, inside its brain mask: voxels whose "
            "centre is not further from the seed than the radius, and the nearest voxel. A voxel "
            "of several spheres has the label of the nearest seed here, and counts in the signal "
            "of each",
            "Radius": sorted({float(one) for one in table["radius"]}),
        }
    return {
        **about,
        "Sources": list(sources),
        "MinCoverage": min_coverage,
        **sampling,
        **columns,
    }


def probseg_sidecar(
    *, sources: Sequence[str], sampling: Mapping[str, Any], table: str
) -> dict[str, Any]:
    """For maps on the grid of a run; `table` is the BIDS URI of their label table."""
    return {
        "Description": "Maps on the grid of the run, inside its brain mask: a volume for each row "
        "of the label table, in its order",
        "LabelTable": table,
        "Sources": list(sources),
        "MapResampling": "linear",
        **sampling,
    }


def timeseries_sidecar(
    settings: Settings,
    strategy: Strategy,
    applied: AppliedStrategy,
    *,
    statistic: str,
    atlas: str,
    t_r: float | None,
    sources: Sequence[str],
    sampling: Mapping[str, Any],
    versions: Mapping[str, str],
    kind: str = "labels",
    elements: str = "voxels",
    weights: str = "",
    temporal_snr: float | None = None,
    warnings: Sequence[str] = (),
    preprocessed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """For a time series, after a strategy that did what `applied` says.

    `preprocessed` is what is known of how the run was made: `preprocessing_facts`.
    """
    rows = {
        "drop": "one row per kept volume",
        "nan": "one row per volume, n/a where it was censored",
        "interpolate": "one row per volume, interpolated where it was censored",
    }
    done = strategy.cleaning
    # Rows that are left out within a run have no sampling frequency.
    whole = settings.censor_output != "drop" and applied.positions is None
    regular = whole or applied.regular
    standardize = done.get("standardize") or "none"
    what = f"{statistic} of the {elements} of each {'sphere' if kind == 'spheres' else 'label'}"
    reduced = f"{elements} of each region reduced to their {statistic.replace('_', ' ')}"
    if kind == "maps":
        what = "Least squares fit of all maps of the atlas to each volume"
        reduced = "all maps fitted to the voxels of each volume by least squares"
    return {
        "Description": f"{what}, {rows[settings.censor_output]}",
        "SamplingFrequency": (1 / t_r if t_r else None) if regular else "n/a",
        "RepetitionTime": t_r,
        "Units": _units(settings, strategy),
        "MeanKept": not applied.mean_removed,
        "Statistic": statistic,
        "Atlas": atlas,
        **({} if kind == "labels" else {"AtlasType": kind}),
        "Sources": list(sources),
        **(preprocessed or {}),
        "DenoisingStrategy": strategy.name,
        "DenoisingDescription": strategy.description,
        "DenoisingSource": strategy.source or None,
        "Steps": _steps(settings, strategy, applied, reduced),
        "Warnings": list(warnings),
        "ConfoundRegressors": list(applied.columns),
        **({"ConfoundEntries": dict(applied.by_entry)} if applied.by_entry else {}),
        "SampleMask": applied.kept.tolist(),
        "NumberOfVolumes": len(applied.kept),
        "NumberOfVolumesKept": applied.n_kept,
        "DegreesOfFreedom": applied.degrees_of_freedom,
        "EffectiveDegreesOfFreedom": applied.effective_degrees_of_freedom,
        **applied.motion,
        "MeanTemporalSNR": temporal_snr,
        "FramewiseDisplacementSource": applied.fd_source,
        "SmoothingFWHM": settings.smoothing_fwhm,
        "SmoothingInsideMask": settings.smooth_inside_mask,
        "CleanLevel": settings.clean_level,
        "StandardizeVoxels": settings.standardize_voxels and strategy.name != "none",
        "CensorOutput": settings.censor_output,
        "Detrend": done.get("detrend", False),
        "Filter": done.get("filter") or "none",
        "FilterOptions": dict(done.get("butterworth", {})),
        "Interpolation": interpolation_done(settings, strategy, applied),
        "LowPass": applied.low_pass,
        "HighPass": applied.high_pass,
        "Standardize": standardize,
        "StandardizeConfounds": done.get("standardize_confounds", True),
        "MinCoverage": settings.min_coverage,
        **({"ElementWeights": weights} if weights else {}),
        **sampling,
        **describe_series(_units(settings, strategy)),
        "SoftwareVersions": dict(versions),
    }


def preprocessing_facts(
    metadata: Mapping[str, Any], producers: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What is known of how a run was made, in the terms of BIDS.

    Parameters
    ----------
    metadata
        The sidecar of the image.
    producers
        By program and version, what of the run it made.
    """
    own = {key: metadata[key] for key in ("StartTime", "SliceTimingCorrected") if key in metadata}
    if producers:
        own["PreprocessedBy"] = {name: list(what) for name, what in producers.items()}
    return own


def interpolation_done(
    settings: Settings, strategy: Strategy, applied: AppliedStrategy
) -> str | None:
    """How censored volumes were interpolated; None where none were."""
    done = strategy.cleaning
    filled = settings.censor_output == "interpolate" or done.get("filter") == "butterworth"
    return done["interpolation"] if filled and not applied.kept.all() else None


def _units(settings: Settings, strategy: Strategy) -> str:
    """What the numbers of a series are in; a BOLD signal has no unit of its own."""
    standardize = strategy.clean.get("standardize")
    if standardize == "psc":
        return "percent"
    if standardize or (settings.standardize_voxels and strategy.name != "none"):
        return "z"
    return "arbitrary"


def _steps(
    settings: Settings, strategy: Strategy, applied: AppliedStrategy, reduction: str
) -> list[str]:
    """All that was done to the run, in order; `reduction` says how it became signals."""
    smoothed = settings.smoothing_fwhm
    start = [f"volumes smoothed to {smoothed:g} mm FWHM"] if smoothed else []
    reduced = [reduction]
    cleaned = list(applied.steps)
    if settings.clean_level == "voxel" and strategy.name != "none":
        if settings.standardize_voxels:
            cleaned.append("voxels z-scored (n - 1)")
        steps = [*start, *cleaned, *reduced]
    else:
        steps = [*start, *reduced, *cleaned]
    words = {
        "psc": "converted to percent of the mean",
        "zscore_sample": "z-scored (n - 1)",
        "zscore": "z-scored (n)",
    }
    standardize = strategy.clean.get("standardize")
    return [*steps, words[standardize]] if standardize in words else steps


def relmat_sidecar(
    measure: str, series: Mapping[str, Any], *, sources: Sequence[str]
) -> dict[str, Any]:
    """For a matrix. `series` is the sidecar of the time series behind it."""
    kept = (
        "Statistic",
        "Atlas",
        "DenoisingStrategy",
        "NumberOfVolumesKept",
        "DegreesOfFreedom",
        "EffectiveDegreesOfFreedom",
    )
    return {
        "RelationshipMeasure": measure,
        "Weighted": True,
        "Directed": False,
        "ValidDiagonal": True,
        "StorageFormat": "Full",
        "Sources": list(sources),
        **{key: series[key] for key in kept},
        **({"Resolution": series["Resolution"]} if "Resolution" in series else {}),
        **describe_matrix(_matrix_unit(measure, series)),
        "SoftwareVersions": series["SoftwareVersions"],
    }


def outliers_sidecar(table: pd.DataFrame) -> dict[str, Any]:
    """For the table of censored volumes."""
    return {
        "Description": "Which volumes are kept, and by which rules others are censored",
        **describe_columns(table.columns, OUTLIER_COLUMNS),
    }


def _matrix_unit(measure: str, series: Mapping[str, Any]) -> str:
    """The unit of a matrix: a covariance has that of the series, squared, all others none."""
    unit = series.get("Units", "arbitrary")
    return f"{unit}^2" if "covariance" in measure else PLAIN
