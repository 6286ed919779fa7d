"""Fit and inverse transform of the maps maskers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from bids_labelx.extraction.formats import Image, open_run_data
from bids_labelx.extraction.maps import find_maps
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, voxel_grid
from bids_labelx.masker.base import BaseMasker
from bids_labelx.masker.images import mask_image
from bids_labelx.masker.inputs import file_name
from bids_labelx.masker.map_image import maps_image
from bids_labelx.masker.map_run import LaidMaps, MapRecipe, ResamplingTarget, lay
from bids_labelx.masker.page import DrawnRegions, map_regions


class MapsMasker(BaseMasker):
    """Signals of maps; subclasses define `__init__`."""

    _TARGETS: ClassVar[tuple[str | None, ...]] = ("mask", "maps", "data", None)

    maps_img: Image | None
    allow_overlap: bool
    resampling_target: ResamplingTarget
    keep_masked_maps: bool

    _recipe: MapRecipe
    _laid: LaidMaps

    def _make_recipe(self) -> MapRecipe:
        shared = self._shared()
        if self.mask_img is None and self.resampling_target == "mask":
            raise ValueError(
                "resampling_target has been set to 'mask' but no mask has been provided: give "
                "mask_img, or another resampling_target"
            )
        if self.maps_img is None:
            raise TypeError(
                "input should be a NiftiLike object: maps_img is None, and `fit` needs a 4D image "
                "of maps"
            )
        self._say(f"Loading regions from {file_name(self.maps_img)}")
        volumes = open_run_data(self.maps_img)
        maps_space = voxel_grid(volumes.space)
        maps = find_maps(volumes)
        if not maps.elements.size:
            raise ValueError(f"maps_img contains no map: {volumes.name} is 0 everywhere")
        narrow = volumes.dtype == np.float32 and not volumes.scaled
        return MapRecipe(
            maps=maps,
            maps_space=maps_space,
            least=float(np.finfo(np.float32 if narrow else np.float64).eps),
            mask=self._loaded_mask(),
            allow_overlap=self.allow_overlap,
            keep_masked_maps=self.keep_masked_maps,
            resampling_target=self.resampling_target,
            **shared,
        )

    def _fit_to(self, data: RunData | None) -> tuple[Space, np.ndarray, list[str]]:
        recipe, grid = self._recipe, self._recipe.grid(data)
        fitting = data is None and self.resampling_target == "data"
        self._laid = laid = lay(recipe, grid, fitting=fitting)
        if not grid.same(recipe.maps_space):
            self._say("Resampling regions")
        if recipe.mask is not None and not grid.same(recipe.mask[1]):
            self._say("Resampling mask")
        self._recipe = replace(recipe, laid=None if fitting else laid)
        self.mask_img_ = None if laid.mask is None else mask_image(laid.mask, grid)
        self.maps_img_ = maps_image(laid.every, grid)
        return grid, laid.columns, list(laid.messages)

    def _describe_columns(self, columns: np.ndarray) -> None:
        self.n_elements_ = int(columns.size)
        prefix = type(self).__name__.lower()
        self.region_names_ = {k: f"{prefix}{one}" for k, one in enumerate(columns.tolist())}

    def _spread(self, signals: np.ndarray) -> np.ndarray:
        maps = self._laid.maps
        values = np.zeros((maps.n_elements, *signals.shape[:-1]))
        values[maps.elements] = maps.weights @ signals.T
        return values

    def _page_parts(self) -> dict[str, Any]:
        return {"drawn": self._drawn()}

    def _drawn(self, numbers: list[int] | None = None) -> DrawnRegions:
        """Maps inside the mask for the report: those of some numbers, or all."""
        laid = self._laid
        inside = (
            laid.every if laid.mask is None else laid.every.take(laid.mask[laid.every.elements])
        )
        names = [f"map {number}" for number in range(inside.n_maps)]
        return map_regions(inside, names, laid.space, numbers)
