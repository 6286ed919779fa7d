"""The content of JSON sidecars: what a file is, where it comes from, what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from platform import python_version
from typing import Any

import pandas as pd

from bids_labelx._version import __version__
from bids_labelx.denoise import AppliedStrategy, Strategy
from bids_labelx.outputs.paths import COLUMN_DESCRIPTIONS
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
    resolution: str | None,
    min_coverage: float,
    label_resampling: str,
) -> dict[str, Any]:
    """For the label image and its table, which share their name and so their sidecar."""
    described = {
        column: {"Description": COLUMN_DESCRIPTIONS.get(column, "As in the atlas' own table")}
        for column in table.columns
        if column not in ("index", "name")
    }
    return {
        "Description": "Labels on the grid of the run, inside its brain mask",
        "Sources": list(sources),
        "LabelResampling": label_resampling,
        "MinCoverage": min_coverage,
        **({"Resolution": resolution} if resolution else {}),
        **described,
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
    resolution: str | None,
    temporal_snr: float | None = None,
) -> dict[str, Any]:
    """For a time series, after a strategy that did what `applied` says."""
    rows = {
        "drop": "one row per kept volume",
        "nan": "one row per volume, n/a where it was censored",
        "interpolate": "one row per volume, interpolated where it was censored",
    }
    done = strategy.clean
    return {
        "Description": f"{statistic} of the voxels of each label, {rows[settings.censor_output]}",
        "SamplingFrequency": 1 / t_r if t_r else None,
        "RepetitionTime": t_r,
        "Statistic": statistic,
        "Atlas": atlas,
        "Sources": list(sources),
        "DenoisingStrategy": strategy.name,
        "DenoisingDescription": strategy.description,
        "ConfoundRegressors": list(applied.columns),
        "SampleMask": applied.kept.tolist(),
        "NumberOfVolumes": len(applied.kept),
        "NumberOfVolumesKept": applied.n_kept,
        "DegreesOfFreedom": applied.degrees_of_freedom,
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
        "LowPass": done.get("low_pass"),
        "HighPass": done.get("high_pass"),
        "Standardize": done.get("standardize") or "none",
        "StandardizeConfounds": True,
        "MinCoverage": settings.min_coverage,
        **({"Resolution": resolution} if resolution else {}),
        "SoftwareVersions": software_versions(),
    }


def relmat_sidecar(
    measure: str, series: Mapping[str, Any], *, sources: Sequence[str]
) -> dict[str, Any]:
    """For a matrix. `series` is the sidecar of the time series behind it."""
    kept = ("Statistic", "Atlas", "DenoisingStrategy", "NumberOfVolumesKept", "DegreesOfFreedom")
    return {
        "RelationshipMeasure": measure,
        "Weighted": True,
        "Directed": False,
        "ValidDiagonal": True,
        "StorageFormat": "Full",
        "Sources": list(sources),
        **{key: series[key] for key in kept},
        **({"Resolution": series["Resolution"]} if "Resolution" in series else {}),
        "SoftwareVersions": series["SoftwareVersions"],
    }
