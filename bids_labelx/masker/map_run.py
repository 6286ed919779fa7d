"""What is extracted with maps: maps and mask on the run's grid, and their least squares fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from bids_labelx.extraction.maps import CollinearMapsError, fit_maps, lay_maps
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, lay_mask, voxel_grid
from bids_labelx.extraction.spatial import resample_volumes, smooth_volumes
from bids_labelx.extraction.weighted import Maps
from bids_labelx.masker.run import Extracted, Recipe, check_space

ResamplingTarget = Literal["data", "mask", "maps"] | None


@dataclass(frozen=True)
class LaidMaps:
    """Maps and mask on one grid.

    Attributes
    ----------
    space
        The grid.
    every : Maps
        All maps, the voxels outside of the mask included.
    maps : Maps
        Those of the columns, inside the mask.
    columns : int array of shape (n_columns,)
        The number of each column's map, from 0.
    mask : bool array of shape (n_elements,), or None
    messages
        Texts of warnings, some of them empty.
    """

    space: VolumeGrid
    every: Maps
    maps: Maps
    columns: np.ndarray
    mask: np.ndarray | None
    messages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MapRecipe(Recipe):
    """Extraction and cleaning parameters of the maps masker.

    Attributes
    ----------
    maps, maps_space
        The maps on their own grid.
    least
        Weights below are taken for 0 where maps may not overlap.
    mask
        Whether each element is inside, and their space; or None.
    allow_overlap, keep_masked_maps, resampling_target
        As the masker's parameters.
    laid
        Maps and mask on the grid of `fit`, so that they are not resampled for each run.
    """

    maps: Maps
    maps_space: VolumeGrid
    least: float
    mask: tuple[np.ndarray, Space] | None
    allow_overlap: bool
    keep_masked_maps: bool
    resampling_target: ResamplingTarget
    laid: LaidMaps | None = None

    def grid(self, data: RunData | None) -> VolumeGrid:
        """The grid that signals of some images are extracted on; of the maps if there are none.

        Raises
        ------
        TypeError
            If the images are not on a voxel grid.
        ValueError
            Where grids differ and nothing may be resampled.
        """
        target = self.maps_space
        if self.resampling_target == "mask":
            assert self.mask is not None  # which the masker has checked
            return voxel_grid(self.mask[1])
        if self.resampling_target != "maps" and data is not None:
            target = voxel_grid(data.space)
        if self.resampling_target is None:
            check_space("maps image", self.maps_space, target)
            if self.mask is not None:
                check_space("mask", self.mask[1], target)
        return target

    def extract(self, data: RunData) -> Extracted:
        """Signals of the maps, on the grid of the run, the mask or the maps."""
        name = data.name
        grid = self.grid(data)
        laid = self.laid
        if laid is None or not laid.space.same(grid):
            laid = lay(self, grid)
        if not self.allow_overlap:
            _refuse_overlap(laid.every, self.least)
        # Smoothing needs the neighbours of the maps' voxels, too.
        wanted = laid.maps.elements if self.smoothing_fwhm is None else None
        data = resample_volumes(data, grid, wanted)
        if self.smoothing_fwhm is not None:
            data = smooth_volumes(data, self.smoothing_fwhm)
        try:
            # On one thread, the numbers do not depend on the machine's cores.
            with threadpool_limits(1):
                fitted = fit_maps(data, laid.maps, uncovered="zero")
        except CollinearMapsError as error:
            maps = laid.columns[error.columns].tolist()
            raise CollinearMapsError(maps, error.rank, laid.columns.size) from None
        messages = list(laid.messages)
        if fitted.nonfinite_elements:
            messages.append(
                f"{name}: Non-finite values detected in {fitted.nonfinite_elements} voxels of the "
                "maps; they count as zero."
            )
        known = np.ones(laid.columns.size, dtype=bool)
        return Extracted(fitted.signals, laid.columns, known, messages)


def lay(recipe: MapRecipe, grid: VolumeGrid, *, fitting: bool = False) -> LaidMaps:
    """Maps and mask on a grid, resampled where their own is another.

    Parameters
    ----------
    fitting
        Whether the maps' own grid stands for that of images to come, so that a mask without any
        map is no error yet.

    Raises
    ------
    ValueError
        Where no map is left.
    """
    every = lay_maps(recipe.maps, recipe.maps_space, grid)
    if not every.elements.size:
        raise ValueError("No map left after resampling maps_img.")
    numbers = np.arange(every.n_maps)
    if recipe.mask is None:
        return LaidMaps(grid, every, every, numbers, None, (_empty_message(recipe, every),))
    mask = lay_mask(grid, *recipe.mask)
    inside = every.take(mask[every.elements])
    kept = inside.counts() > 0
    if not kept.any():
        if fitting:
            return LaidMaps(grid, every, inside, numbers, mask, ())
        raise ValueError("No map left after applying mask to the maps image.")
    message = "" if kept.all() else _masked_message(numbers[~kept], numbers.size)
    if recipe.keep_masked_maps:
        return LaidMaps(grid, every, inside, numbers, mask, (_empty_message(recipe, inside),))
    return LaidMaps(grid, every, inside.columns(numbers[kept]), numbers[kept], mask, (message,))


def _empty_message(recipe: MapRecipe, maps: Maps) -> str:
    """The warning for maps that have a column and no voxel."""
    empty = np.flatnonzero(maps.counts() == 0)
    if not empty.size:
        return ""
    where = "outside of the grid" if recipe.mask is None else "outside of the mask or the grid"
    return (
        f"Maps with the following indices have no voxel, or are {where}: {set(empty.tolist())}. "
        "Their signals are 0."
    )


def _masked_message(removed: np.ndarray, n_maps: int) -> str:
    return (
        "After applying mask to the maps image, maps with the following indices were removed: "
        f"{set(removed.tolist())}. The masked maps image only contains {n_maps - removed.size} of "
        f"{n_maps} maps."
    )


def _refuse_overlap(maps: Maps, least: float) -> None:
    """Refuse maps of which two have a positive weight in one voxel, naming the first two."""
    rows = (maps.weights >= least).tocsr()
    shared = np.flatnonzero(np.diff(rows.indptr) > 1)
    if shared.size:
        first, second = np.sort(rows[[shared[0]]].indices)[:2]
        raise ValueError(
            f"Overlap detected in the maps, in {shared.size} voxels, first of maps {first} and "
            f"{second}; it may come from resampling. Give maps without it, or allow_overlap=True."
        )
