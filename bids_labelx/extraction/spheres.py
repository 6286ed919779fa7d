"""Spheres around seeds: their voxels on a grid, and the mean of each in one pass over a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bids_labelx.extraction.regions import Uncovered
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.weighted import Maps, maps_of, weighted_sums

# A centre that is as far from the seed as the radius belongs to the sphere, whatever the last
# digits of affine and seed: in mm.
_ROUNDING = 1e-6

_SHOWN = 5


@dataclass(frozen=True)
class SphereSignals:
    """The mean over some spheres of every volume.

    Attributes
    ----------
    signals : float64 array of shape (n_volumes, n_spheres)
    elements_covered : integer array of shape (n_spheres,)
        How many elements each mean is taken over.
    nonfinite_elements
        Number of elements in a sphere that are NaN or infinite in some volume.
    """

    signals: np.ndarray
    elements_covered: np.ndarray
    nonfinite_elements: int


def find_spheres(
    grid: VolumeGrid,
    seeds: ArrayLike,
    radius: float | Sequence[float] | np.ndarray | None = None,
    *,
    inside: np.ndarray | None = None,
    allow_overlap: bool = True,
) -> Maps:
    """Find the voxels of a sphere around each seed.

    They are those whose centre is not further from the seed than the radius, and the one nearest
    to the seed.

    Parameters
    ----------
    grid
        The voxels.
    seeds : array of shape (n_spheres, 3)
        Their x, y, z in mm, in the space that the grid's affine leads to.
    radius
        In mm: one for all spheres or one for each. The nearest voxel alone unless given.
    inside : bool array of shape (n_elements,), optional
        A mask; voxels outside take no part.
    allow_overlap
        Whether a voxel may be in several spheres.

    Returns
    -------
    Maps
        Each voxel of a sphere has the weight 1.

    Raises
    ------
    ValueError
        If a seed is no place in space, its sphere has no voxel in the image or the mask, a radius
        is negative or not finite, or spheres overlap that must not.
    """
    places = _places(seeds)
    widths = _widths(radius, len(places))
    inverse = np.linalg.inv(grid.affine)
    columns = [sphere_voxels(grid, inverse, *one) for one in zip(places, widths, strict=True)]
    _refuse_empty(columns, places, inside)
    maps = maps_of([(one, np.ones(one.size)) for one in columns], grid.n_elements, inside)
    if not allow_overlap:
        _refuse_overlap(maps, places)
    return maps


def average_spheres(
    run: RunData, spheres: Maps, *, uncovered: Uncovered, block: int | None = None
) -> SphereSignals:
    """Take the mean of every volume over each sphere.

    Parameters
    ----------
    run
        The run.
    spheres
        From `find_spheres`, on the grid of `run`.
    uncovered, block
        As for `reduce_volumes`.

    Raises
    ------
    OSError
        As from `RunData.blocks`.
    ValueError
        If `uncovered` is unknown or spheres are not of this space.
    """
    found = weighted_sums(run, spheres, uncovered=uncovered, block=block)
    counts = spheres.take(found.covered).counts()
    signals = found.sums / np.maximum(counts, 1)
    signals[:, counts == 0] = 0.0 if uncovered == "zero" else np.nan
    return SphereSignals(signals, counts, found.nonfinite_elements)


def _places(seeds: ArrayLike) -> np.ndarray:
    """Seeds as an array of shape (n_spheres, 3)."""
    places = np.asarray(seeds, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 3 or not len(places):
        raise ValueError(
            "seeds are a list of triplets of coordinates in mm, found an array of shape "
            f"{places.shape}"
        )
    for number in np.flatnonzero(~np.isfinite(places).all(axis=1)):
        raise ValueError(f"seed #{number} is not a place: {tuple(places[number].tolist())}")
    return places


def _widths(radius: float | Sequence[float] | np.ndarray | None, count: int) -> np.ndarray:
    """The radius of each sphere; 0 for the nearest voxel alone."""
    widths = np.asarray(0.0 if radius is None else radius, dtype=np.float64)
    if widths.shape not in ((), (count,)) or not np.all((widths >= 0) & (widths < np.inf)):
        raise ValueError(f"the radius is a length in mm or one for each seed, got {radius!r}")
    return np.broadcast_to(widths, (count,))


def sphere_voxels(
    grid: VolumeGrid, inverse: np.ndarray, seed: np.ndarray, radius: float
) -> np.ndarray:
    """Flat indices of a sphere's voxels, ascending; see `find_spheres`.

    `inverse` is that of the grid's affine.
    """
    affine, shape = grid.affine, np.array(grid.shape)
    centre = inverse[:3, :3] @ seed + inverse[:3, 3]
    reach = (radius + _ROUNDING) * np.linalg.norm(inverse[:3, :3], axis=1)
    low = np.clip(np.ceil(centre - reach), 0, shape).astype(int)
    high = np.clip(np.floor(centre + reach) + 1, 0, shape).astype(int)
    axes = [np.arange(*span) for span in zip(low, high, strict=True)]
    box = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    apart = affine[:3, :3] @ box + (affine[:3, 3] - seed)[:, np.newaxis]
    voxels = box[:, (apart**2).sum(axis=0) <= (radius + _ROUNDING) ** 2]
    nearest = np.round(centre)
    if np.all((nearest >= 0) & (nearest < shape)):
        voxels = np.column_stack([voxels, nearest.astype(int)])
    return np.unique(np.ravel_multi_index(tuple(voxels), grid.shape, order="F"))


def _refuse_empty(
    columns: list[np.ndarray], places: np.ndarray, inside: np.ndarray | None
) -> None:
    """Refuse spheres without a voxel, by their number and place."""
    lost = [number for number, one in enumerate(columns) if not one.size]
    where = "the image"
    if not lost and inside is not None:
        lost = [number for number, one in enumerate(columns) if not inside[one].any()]
        where = "the mask"
    if lost:
        shown = [f"#{number} at {tuple(places[number].tolist())}" for number in lost[:_SHOWN]]
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise ValueError(
            f"These spheres are empty, they lie outside of {where}: seed {', '.join(shown)}"
            f"{more}. Seeds are x, y, z in mm, in the space of the image; correct or remove them."
        )


def _refuse_overlap(maps: Maps, places: np.ndarray) -> None:
    """Refuse spheres that share a voxel, naming the first two."""
    rows = maps.weights.tocsr()
    shared = np.flatnonzero(np.diff(rows.indptr) > 1)
    if shared.size:
        first, second = np.sort(rows[[shared[0]]].indices)[:2]
        raise ValueError(
            f"Overlap detected between spheres, first of seed #{first} at "
            f"{tuple(places[first].tolist())} and #{second} at "
            f"{tuple(places[second].tolist())}: take a smaller radius, or allow_overlap=True."
        )
