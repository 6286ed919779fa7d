"""Runs on a voxel grid, smoothed or resampled to another grid as they are read.

A volume is computed when its block is asked for, in float64 and from itself alone, so memory
depends on the grids and the block size only, and the values on neither the block size nor the
number of processors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import scipy
from scipy import sparse

from bids_labelx.extraction.resample import interpolate, source_points, target_to_source
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.space import VolumeGrid, voxel_grid

# A Gaussian falls to half of its height at sqrt(2 ln 2) standard deviations to either side.
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

_VolumeFunction = Callable[[np.ndarray], np.ndarray]


def smooth_volumes(
    run: RunData,
    fwhm: float | Sequence[float | None] | np.ndarray | None,
    inside: np.ndarray | None = None,
) -> RunData:
    """Smooth every volume with a Gaussian.

    The kernel lies along the axes of the grid and is cut off at 4 standard deviations; beyond
    its edge, a volume is continued by reflection. Voxels that are not finite count as 0.

    Parameters
    ----------
    run
        The run.
    fwhm
        Full width at half maximum in mm: one for all axes of the grid or one for each. None and
        0 stand for no smoothing.
    inside : bool array of shape (n_elements,), optional
        A mask to stay inside of: a voxel in it is the mean of the voxels in it, weighted by the
        kernel, and one outside is 0. That is the smoothed product of volume and mask, divided by
        the smoothed mask. Unless given, voxels everywhere count.

    Returns
    -------
    RunData
        Stored as float64; `run` itself, non-finite voxels included, if no axis is smoothed.

    Raises
    ------
    TypeError
        If the run is not on a voxel grid.
    ValueError
        If a width is negative or not finite, or there is another number of them than 1 or 3.
    """
    grid = voxel_grid(run.space)
    sigmas = _sigmas(grid.affine, fwhm)
    if not sigmas.any():
        return run
    if inside is None:
        return _transformed(run, grid, partial(_smooth, sigmas), grid)
    mask = grid.to_volume(np.asarray(inside, dtype=bool))
    weights = _smooth(sigmas, mask.astype(np.float64, order="F"))
    return _transformed(run, grid, partial(_smooth_inside, sigmas, mask, weights), grid)


def resample_volumes(
    run: RunData, target: VolumeGrid, voxels: np.ndarray | None = None
) -> RunData:
    """Resample every volume to another grid by cubic spline interpolation.

    Beyond the outermost centres of the source's voxels there is 0. A spline overshoots where
    values change sharply; what it adds outside of the range of the whole image's values, 0
    included, is clipped. To find that range, the image is read once more before the first block.

    Voxels that are not finite take the mean of those face neighbours that are, in two rounds,
    and 0 further away, so that the spline is defined everywhere; a voxel of the target
    whose nearest one in the source is not finite is NaN.

    Parameters
    ----------
    run
        The run.
    target
        The other grid.
    voxels : integer array of shape (m,), optional
        Flat indices, in Fortran order, of the target's voxels that are wanted: where an axis
        turns, only those are computed, and the others are 0. All are unless given.

    Returns
    -------
    RunData
        Stored as float64; `run` itself if it is on this grid already, as by `VolumeGrid.same`.

    Raises
    ------
    TypeError
        If the run is not on a voxel grid.
    ValueError
        If the target lies wholly outside of the image, or one of the affines cannot be inverted.
    """
    grid = voxel_grid(run.space)
    if target.same(grid):
        return run
    matrix, offset = target_to_source(grid.affine, target.affine)
    if not grid.boxes_overlap(target):
        raise ValueError(f"{run.name}: no part of it lies inside the target grid: {target}")
    shape = target.shape
    if matrix.ndim == 1:
        spline = partial(_separable, _axis_weights(grid.shape, matrix, offset, shape))
    else:
        voxels = np.arange(target.n_elements) if voxels is None else voxels
        spline = partial(_at_points, source_points(matrix, offset, shape, voxels), voxels, shape)
    nearest = partial(interpolate, matrix=matrix, offset=offset, shape=shape, order=0)
    limits = cache(partial(_value_range, run))
    return _transformed(run, grid, partial(_resample, spline, nearest, limits), target)


def _transformed(
    run: RunData, grid: VolumeGrid, function: _VolumeFunction, target: VolumeGrid
) -> RunData:
    """Apply a function of single volumes, which may change its argument, as they are read."""
    read = partial(_transformed_blocks, run, grid, function, target)
    return run.unscaled(space=target, dtype=np.dtype(np.float64), read_blocks=read)


def _transformed_blocks(
    run: RunData, grid: VolumeGrid, function: _VolumeFunction, target: VolumeGrid, size: int
) -> Blocks:
    """Blocks of a function of each volume, in one buffer that is used again."""
    buffer = np.empty((min(size, run.n_volumes), target.n_elements))
    for first, raw in run.blocks(size):
        for row, stored in zip(buffer, raw, strict=False):
            target.to_volume(row)[:] = function(grid.to_volume(run.scale(stored)))
        yield first, buffer[: len(raw)]


def _sigmas(
    affine: np.ndarray, fwhm: float | Sequence[float | None] | np.ndarray | None
) -> np.ndarray:
    """Standard deviation of the kernel along each axis of the grid, in voxels."""
    parts = np.ravel(np.asarray(fwhm, dtype=object)).tolist()
    try:
        widths = np.array([0.0 if part is None else float(part) for part in parts])
    except (TypeError, ValueError):
        widths = np.array([np.nan])
    if widths.size not in (1, 3) or not np.all((widths >= 0) & (widths < np.inf)):
        raise ValueError(f"fwhm is a width in mm or one for each of 3 axes, got {fwhm!r}")
    voxel_sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all((voxel_sizes > 0) & (voxel_sizes < np.inf)):
        raise ValueError(f"the affine has no voxel sizes:\n{affine}")
    return widths / (_FWHM_PER_SIGMA * voxel_sizes)


def _smooth(sigmas: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Smooth a volume in place."""
    values[~np.isfinite(values)] = 0.0
    # SciPy iterates in C order, which is that of the transpose of a volume.
    work = values.T
    for axis, sigma in zip((2, 1, 0), sigmas, strict=True):
        if sigma > 0:
            scipy.ndimage.gaussian_filter1d(
                work, sigma, axis=axis, output=work, mode="reflect", truncate=4.0
            )
    return values


def _smooth_inside(
    sigmas: np.ndarray, mask: np.ndarray, weights: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Smooth the part of a volume inside a mask, whose smoothed mask is `weights`, in place."""
    values[~mask] = 0.0
    smooth = _smooth(sigmas, values)
    np.divide(smooth, weights, out=smooth, where=mask)
    smooth[~mask] = 0.0
    return smooth


def _value_range(run: RunData) -> tuple[float, float]:
    """Least and greatest value of all volumes and 0, NaN ignored."""
    low = high = 0.0
    for _, raw in run.blocks():
        ends = np.array([np.fmin.reduce(raw, axis=None), np.fmax.reduce(raw, axis=None)])
        ends = run.scale(ends)
        low, high = float(np.fmin(low, ends.min())), float(np.fmax(high, ends.max()))
    return low, high


def _resample(
    spline: _VolumeFunction,
    nearest: _VolumeFunction,
    limits: Callable[[], tuple[float, float]],
    values: np.ndarray,
) -> np.ndarray:
    """Resample a volume; see `resample_volumes`."""
    finite = np.isfinite(values)
    whole = bool(finite.all())
    resampled = spline(values if whole else _filled(values, finite))
    np.clip(resampled, *limits(), out=resampled)
    if not whole:
        resampled[nearest(~finite)] = np.nan
    return resampled


def _filled(values: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Fill what is not finite from its neighbours, two voxels deep, and with 0 beyond."""
    cross = scipy.ndimage.generate_binary_structure(3, 1).astype(np.float64)
    filled = np.where(finite, values, 0.0)
    known = finite
    for _ in range(2):
        counts = scipy.ndimage.correlate(known.astype(np.float64), cross, mode="constant")
        sums = scipy.ndimage.correlate(filled, cross, mode="constant")
        shell = ~known & (counts > 0)
        filled[shell] = sums[shell] / counts[shell]
        known = known | shell
    return filled


def _at_points(
    points: np.ndarray, voxels: np.ndarray, shape: tuple[int, int, int], values: np.ndarray
) -> np.ndarray:
    """Cubic spline interpolation of a volume at points, put in their voxels; 0 elsewhere."""
    result = np.zeros(math.prod(shape))
    result[voxels] = scipy.ndimage.map_coordinates(values, points, order=3, mode="constant")
    return result.reshape(shape, order="F")


def _axis_weights(
    source: tuple[int, int, int],
    matrix: np.ndarray,
    offset: np.ndarray,
    target: tuple[int, int, int],
) -> list[sparse.csr_array]:
    """Weight of each spline coefficient of an axis in each voxel of the target's axis.

    Where no axis turns, a cubic spline in three dimensions is one along each axis after the
    other: 12 products for a voxel and not 64. SciPy itself is asked for the weights, by
    interpolating unit vectors, so that its treatment of edges and ties is that of `interpolate`.

    Returns
    -------
    list of three arrays of shape (target, source)
    """
    weights = []
    for axis, length in enumerate(target):
        part = slice(axis, axis + 1)
        columns = [
            interpolate(unit, matrix[part], offset[part], (length,), order=3, prefilter=False)
            for unit in np.eye(source[axis])
        ]
        weights.append(sparse.csr_array(np.column_stack(columns)))
    return weights


def _separable(weights: Sequence[sparse.csr_array], values: np.ndarray) -> np.ndarray:
    """Cubic spline interpolation of a volume, one axis after the other."""
    result = scipy.ndimage.spline_filter(values, order=3, mode="constant")
    for one in weights:
        # The first axis is taken, and comes back as the last: after three turns all are in place.
        rest = result.shape[1:]
        result = (one @ result.reshape(len(result), -1)).reshape(-1, *rest)
        result = np.moveaxis(result, 0, -1)
    return result
