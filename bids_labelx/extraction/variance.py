"""Confounds from the voxels of highest variance, in bounded memory.

Vessels, the edge of the brain and other sources of noise vary more than grey matter does; the
leading temporal components of those voxels are the tCompCor regressors of Behzadi et al. (2007,
doi:10.1016/j.neuroimage.2007.04.042). The image is read twice: once for every voxel's variance,
once for the series of the few that are chosen.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg

from bids_labelx.extraction.filters import remove_trend
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.welford import update_mean

# Voxels that are worked on together: what is kept of them stays in the processor's cache.
_VOXELS = 1 << 14

_EPS = float(np.finfo(np.float64).eps)


def high_variance_confounds(
    run: RunData,
    *,
    n_confounds: int = 5,
    percentile: float = 2.0,
    detrend: bool = True,
    mask: np.ndarray | None = None,
    block: int | None = None,
) -> np.ndarray:
    """Leading temporal components of the voxels with the highest variance.

    Memory is that of a block of stored values, four numbers per voxel, and the chosen voxels'
    series. No number depends on `block`.

    Parameters
    ----------
    run
        The run; read twice.
    n_confounds
        Number of components.
    percentile
        Share of the voxels to take, in percent, those of highest variance.
    detrend
        Remove mean and linear trend from every series first. Without, the mean is part of the
        series: the brightest voxels are chosen, and the first component is close to constant.
    mask : bool array of shape (n_elements,), optional
        Elements to choose from. Non-finite values count as 0 inside of a mask; without a mask a
        voxel that has one is excluded. Both are as in nilearn.
    block
        Volumes to read at a time, as for `RunData.blocks`.

    Returns
    -------
    float64 array of shape (n_volumes, n_confounds)
        Orthonormal columns, the strongest first, each with its largest value positive. There
        are fewer where the chosen voxels have fewer independent components.

    Raises
    ------
    TypeError
        If the mask is not boolean.
    ValueError
        If the mask's length is not the run's or it is empty, or a number is out of range.
    OSError
        If the image cannot be read to its end.

    Warns
    -----
    UserWarning
        If there are fewer components than were asked for.
    """
    if n_confounds < 1:
        raise ValueError(f"at least one confound has to be asked for, found {n_confounds}")
    if not 0 <= percentile <= 100:
        raise ValueError(f"a percentile is between 0 and 100, found {percentile}")
    voxels = None if mask is None else _voxels_of(mask, run.n_elements)
    power = _mean_squares(run, voxels, detrend=detrend, block=block)
    chosen = _highest(power, percentile)
    if voxels is not None:
        chosen = voxels[chosen]
    series = _series(run, chosen, masked=mask is not None, block=block)
    if detrend:
        series = remove_trend(series)
    confounds = _components(series)[:, :n_confounds]
    if confounds.shape[1] < n_confounds:
        warnings.warn(
            f"{run.name}: {n_confounds} confounds of high variance were asked for, but the "
            f"{chosen.size} voxel(s) chosen have {confounds.shape[1]} independent component(s)",
            stacklevel=2,
        )
    return confounds


def _voxels_of(mask: np.ndarray, n_elements: int) -> np.ndarray:
    """Indices of the elements inside a mask."""
    if mask.dtype != bool:
        raise TypeError(f"a mask is a boolean array, found {mask.dtype}")
    if mask.shape != (n_elements,):
        raise ValueError(f"the mask's shape {mask.shape} is not the run's ({n_elements},)")
    voxels = np.flatnonzero(mask)
    if not voxels.size:
        raise ValueError("the mask is empty")
    return voxels


def _highest(power: np.ndarray, percentile: float) -> np.ndarray:
    """Indices of the given share of the finite values, those above the rest."""
    finite = np.isfinite(power)
    if not finite.any():
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(finite & (power > np.percentile(power[finite], 100.0 - percentile)))


def _mean_squares(
    run: RunData, voxels: np.ndarray | None, *, detrend: bool, block: int | None
) -> np.ndarray:
    """Mean square of every voxel's series, or of what a straight line leaves of it.

    Mean, sum of squared deviations and product with time are brought up to date with every
    volume; see `update_mean`.
    """
    if run.read_series is not None:
        return _mean_squares_of_series(run, run.read_series(), voxels, detrend=detrend)
    n_voxels = run.n_elements if voxels is None else voxels.size
    mean, squares, slope = np.zeros((3, n_voxels))
    for first, raw in run.blocks(block):
        for start in range(0, n_voxels, _VOXELS):
            part = slice(start, min(start + _VOXELS, n_voxels))
            values = run.scale(raw[:, part if voxels is None else voxels[part]])
            if voxels is not None:
                np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
            with np.errstate(invalid="ignore"):
                if detrend:
                    _update(values, first, mean[part], squares[part], slope[part])
                else:
                    for row in values:
                        squares[part] += row * row
    n_volumes = run.n_volumes
    if detrend and n_volumes > 1:
        # Divided by the sum of squares of 0, 1, ..., n - 1 around their mean.
        with np.errstate(invalid="ignore"):
            squares -= slope**2 * (12 / (n_volumes * (n_volumes**2 - 1)))
    return squares / n_volumes


def _mean_squares_of_series(
    run: RunData, tiles: Blocks, voxels: np.ndarray | None, *, detrend: bool
) -> np.ndarray:
    """The same of whole series, tile by tile."""
    power = np.empty(run.n_elements)
    for first, raw in tiles:
        values = run.scale(raw).T
        if voxels is not None:
            np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
        with np.errstate(invalid="ignore"):
            rest = remove_trend(values) if detrend else values
            power[first : first + len(raw)] = np.mean(rest**2, axis=0)
    return power if voxels is None else power[voxels]


def _update(
    values: np.ndarray, first: int, mean: np.ndarray, squares: np.ndarray, slope: np.ndarray
) -> None:
    """Take volumes into the running mean, squared deviations and product with time."""
    for n, row in enumerate(values, start=first + 1):
        before, after = update_mean(mean, row, n)
        squares += before * after
        # This volume's time is n - 1, and the mean of those before it is n / 2 less.
        slope += (n / 2) * after


def _series(run: RunData, chosen: np.ndarray, *, masked: bool, block: int | None) -> np.ndarray:
    """Series of some voxels, of shape (n_volumes, n_chosen)."""
    series = np.empty((run.n_volumes, chosen.size))
    if run.read_series is not None:
        for first, raw in run.read_series():
            span = slice(*np.searchsorted(chosen, [first, first + len(raw)]))
            series[:, span] = run.scale(raw[chosen[span] - first]).T
    else:
        for first, raw in run.blocks(block):
            series[first : first + len(raw)] = run.scale(raw[:, chosen])
    return np.nan_to_num(series, copy=False, posinf=0.0, neginf=0.0) if masked else series


def _components(series: np.ndarray) -> np.ndarray:
    """Left singular vectors with a singular value above 0, the strongest first.

    They are the eigenvectors of the volumes' inner products with one another, a matrix as wide
    as the run is long, however many voxels were chosen.
    """
    powers, vectors = linalg.eigh(series @ series.T)
    independent = powers > powers[-1] * max(series.shape) * _EPS
    vectors = vectors[:, independent][:, ::-1]
    peaks = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[np.newaxis], axis=0)
    return vectors * np.sign(peaks)
