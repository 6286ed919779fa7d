"""What a researcher needs to know of a run before using it: coverage of labels and motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

OK = "ok"

# What a label table has for a region that belongs to no network.
NETWORKLESS = ("", "n/a")

# With fewer effective degrees of freedom, also than a quarter of the volumes, or fewer minutes,
# correlations are imprecise.
FEW_DEGREES, FEW_MINUTES = 20, 4


def coverage_table(
    table: pd.DataFrame,
    *,
    voxels_in_mask: np.ndarray,
    voxels_covered: np.ndarray,
    min_coverage: float,
    shares: np.ndarray | None = None,
) -> pd.DataFrame:
    """The label table of one run: the atlas' rows, with coverage and status of each label.

    Parameters
    ----------
    table
        One row per label, with ``voxels_atlas`` (in the atlas as stored), ``voxels_in_view``
        (those of them whose centre is inside the run's grid) and ``voxels_grid`` (on that grid).
    voxels_in_mask, voxels_covered
        Voxels inside the brain mask, and those of them with a usable series. Shape (n_labels,).
    min_coverage
        A label with a smaller coverage is missing.
    shares
        Of maps the coverage, which is of their weight. Shape (n_labels,).

    Returns
    -------
    pandas.DataFrame
        The same rows with ``voxels_covered``, ``coverage`` and ``status``: ``ok``,
        ``absent-from-image``, ``lost-in-resampling``, ``outside-mask`` or ``low-coverage``. Every
        status but ``ok`` means a missing label.

    Notes
    -----
    Coverage is the share of the label's volume in the atlas that has data: the share that is in
    view, counted in voxels of the atlas, times the share of that which is covered, counted in
    voxels of the run. It is 0 for a label without a voxel on the grid, and NaN for one that is
    absent from the image. Both shares are of one grid each, so that a label that gains or loses
    voxels by resampling, and is covered wholly, has a coverage of 1.
    """
    in_atlas, on_grid = (table[name].to_numpy() for name in ("voxels_atlas", "voxels_grid"))
    # One division, so that a half is a half.
    coverage = np.divide(
        table["voxels_in_view"].to_numpy() * voxels_covered,
        in_atlas * np.maximum(on_grid, 1),
        out=np.full(len(table), np.nan),
        where=in_atlas > 0,
    )
    if shares is not None:
        coverage = np.where(in_atlas > 0, shares, np.nan)
    status = np.select(
        [
            in_atlas == 0,
            on_grid == 0,
            voxels_in_mask == 0,
            (voxels_covered == 0) | (coverage < min_coverage),
        ],
        ["absent-from-image", "lost-in-resampling", "outside-mask", "low-coverage"],
        default=OK,
    )
    return table.assign(voxels_covered=voxels_covered, coverage=coverage, status=status)


FD_THRESHOLD = 0.5  # mm, as of Power et al. (2012, doi:10.1016/j.neuroimage.2011.10.018)


def motion_summary(
    confounds: pd.DataFrame | None, fd_threshold: float = FD_THRESHOLD
) -> dict[str, float | None]:
    """How much the head moved in a run: the figures of its sidecars.

    Over all volumes that have a value (the first has none), censored ones included; None where
    the table lacks the column.

    Parameters
    ----------
    confounds
        A row per volume: ``framewise_displacement`` (mm; Power et al., 2012), which no motion
        filter has changed, ``framewise_displacement_filtered`` where a strategy filters motion
        parameters, ``rmsd`` (mm; Jenkinson et al., 2002) and ``std_dvars``.
    fd_threshold
        In mm; the shares are of the volumes above it.
    """
    fd = _numbers(confounds, "framewise_displacement")
    filtered = _numbers(confounds, "framewise_displacement_filtered")
    rmsd = _numbers(confounds, "rmsd")
    dvars = _numbers(confounds, "std_dvars")
    return {
        "MeanFramewiseDisplacement": float(fd.mean()) if fd.size else None,
        "MaxFramewiseDisplacement": float(fd.max()) if fd.size else None,
        "FramewiseDisplacementThreshold": fd_threshold if fd.size else None,
        "ShareFramewiseDisplacementAbove": float((fd > fd_threshold).mean()) if fd.size else None,
        "MeanFilteredFramewiseDisplacement": float(filtered.mean()) if filtered.size else None,
        "ShareFilteredFramewiseDisplacementAbove": (
            float((filtered > fd_threshold).mean()) if filtered.size else None
        ),
        "MeanRMSDisplacement": float(rmsd.mean()) if rmsd.size else None,
        "MeanStdDVARS": float(dvars.mean()) if dvars.size else None,
    }


def mean_temporal_snr(signals: np.ndarray) -> float | None:
    """Mean over regions of a signal's mean over its standard deviation (n - 1) in time.

    Parameters
    ----------
    signals
        Before cleaning, shape (n_volumes, n_regions); a region with NaN or without any variation
        is ignored.

    Returns
    -------
    float or None
        None where no region is left.
    """
    known = signals[:, np.isfinite(signals).all(axis=0)].astype(np.float64)
    if len(known) < 2:
        return None
    spread = known.std(axis=0, ddof=1)
    varies = spread > 0
    return float((known.mean(axis=0)[varies] / spread[varies]).mean()) if varies.any() else None


def power_spectrum(
    series: np.ndarray, kept: np.ndarray, t_r: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the power of regional series by frequency, the mean over regions.

    The periodogram of each region, ``|sum_t x(t) exp(-2 pi i f t)|^2`` over the volumes kept
    (Deeming, 1975, doi:10.1007/BF00681947), over its sum and the distance of frequencies.

    Parameters
    ----------
    series
        Of the volumes kept, shape (n_kept, n_regions); a region with NaN or without any variation
        is ignored.
    kept
        Bool of shape (n_volumes,).
    t_r
        Repetition time in seconds.

    Returns
    -------
    frequencies : numpy.ndarray
        In Hz, ``k / (n_volumes t_r)`` from k = 1 up to half the sampling frequency.
    share : numpy.ndarray
        Per Hz, the same shape; NaN where no region is left.
    """
    n_volumes = len(kept)
    frequencies = np.fft.rfftfreq(n_volumes, t_r)[1:]
    centred = series - series.mean(axis=0)
    # A censored volume adds nothing to the sum.
    whole = np.zeros((n_volumes, series.shape[1]))
    whole[kept] = centred
    with np.errstate(invalid="ignore"):
        known = np.isfinite(centred).all(axis=0) & (np.ptp(series, axis=0) > 0)
    power = np.abs(np.fft.rfft(whole[:, known], axis=0)[1:]) ** 2
    if not known.any() or not len(frequencies):
        return frequencies, np.full(len(frequencies), np.nan)
    return frequencies, (power / power.sum(axis=0)).mean(axis=1) * (n_volumes * t_r)


def _numbers(confounds: pd.DataFrame | None, column: str) -> np.ndarray:
    if confounds is None or column not in confounds:
        return np.empty(0)
    values = pd.to_numeric(confounds[column], errors="coerce").to_numpy(float)
    return values[np.isfinite(values)]


def qc_row(sidecar: Mapping[str, Any], labels: pd.DataFrame) -> dict[str, Any]:
    """The quality figures of one time series, out of its sidecar and its label table.

    Numbers that the participant level could not know are None.
    """
    kept, t_r = sidecar["NumberOfVolumesKept"], sidecar.get("RepetitionTime")
    known = t_r is not None
    # A label that is absent from the image has no coverage in the table. Of one that has a signal
    # it is unknown where another program does not say it, and so is the lowest then.
    coverage = pd.to_numeric(labels["coverage"], errors="coerce")
    coverage = coverage.mask(coverage.isna() & (labels["status"] != OK), 0)
    return {
        "volumes": sidecar["NumberOfVolumes"],
        "volumes_kept": kept,
        "repetition_time": t_r,
        "minutes_kept": round(kept * t_r / 60, 4) if known else None,
        "mean_fd": sidecar.get("MeanFramewiseDisplacement"),
        "max_fd": sidecar.get("MaxFramewiseDisplacement"),
        "fd_threshold": sidecar.get("FramewiseDisplacementThreshold"),
        "share_fd_above": sidecar.get("ShareFramewiseDisplacementAbove"),
        "mean_filtered_fd": sidecar.get("MeanFilteredFramewiseDisplacement"),
        "share_filtered_fd_above": sidecar.get("ShareFilteredFramewiseDisplacementAbove"),
        "mean_rmsd": sidecar.get("MeanRMSDisplacement"),
        "mean_std_dvars": sidecar.get("MeanStdDVARS"),
        "degrees_of_freedom": sidecar["DegreesOfFreedom"],
        "effective_degrees_of_freedom": sidecar.get("EffectiveDegreesOfFreedom"),
        "labels": len(labels),
        "labels_lost": int((labels["status"] != OK).sum()),
        "min_coverage": float(coverage.min(skipna=False)),
        "mean_tsnr": sidecar.get("MeanTemporalSNR"),
    }
