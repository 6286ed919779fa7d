"""Fit and inverse transform of the spheres masker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, voxel_grid
from bids_labelx.masker.base import BaseMasker
from bids_labelx.masker.images import mask_image
from bids_labelx.masker.page import DrawnRegions, map_regions, seed_regions
from bids_labelx.masker.sphere_run import SphereRecipe


class SpheresMasker(BaseMasker):
    """Means over spheres around seeds; subclasses define `__init__`."""

    seeds: Sequence[Sequence[float]] | np.ndarray | None
    radius: float | None
    allow_overlap: bool
    cmap: Any = None

    _recipe: SphereRecipe

    def _make_recipe(self) -> SphereRecipe:
        shared = self._shared()
        self.seeds_ = _checked(self.seeds)
        return SphereRecipe(
            seeds=np.array(self.seeds_, dtype=np.float64),
            radius=self.radius,
            allow_overlap=self.allow_overlap,
            mask=self._loaded_mask(),
            **shared,
        )

    def _fit_to(self, data: RunData | None) -> tuple[Space | None, np.ndarray, list[str]]:
        mask, space = self._recipe.mask, None if data is None else voxel_grid(data.space)
        self.mask_img_ = None
        if mask is not None:
            space = voxel_grid(mask[1])
            self.mask_img_ = mask_image(mask[0], space)
        return space, np.arange(len(self.seeds_)), []

    def _describe_columns(self, columns: np.ndarray) -> None:
        self.n_elements_ = int(columns.size)
        prefix = type(self).__name__.lower()
        self.region_names_ = {k: f"{prefix}{one}" for k, one in enumerate(columns.tolist())}

    def _spread(self, signals: np.ndarray) -> np.ndarray:
        assert self._space is not None  # which `inverse_transform` has checked
        spheres = self._recipe.spheres(voxel_grid(self._space))
        counts = np.asarray(spheres.weights.sum(axis=1)).ravel()
        values = np.zeros((spheres.n_elements, *signals.shape[:-1]))
        values[spheres.elements] = ((spheres.weights @ signals.T).T / counts).T
        return values

    def _page_parts(self) -> dict[str, Any]:
        return {"drawn": self._drawn()}

    def _drawn(self, numbers: list[int] | None = None) -> DrawnRegions:
        """Spheres for the report: those of some numbers, or all."""
        if not isinstance(self._space, VolumeGrid):
            return seed_regions(self.seeds_, numbers)
        names = [f"seed {number} at {tuple(seed)}" for number, seed in enumerate(self.seeds_)]
        return map_regions(self._recipe.spheres(self._space), names, self._space, numbers)


def _checked(seeds: Any) -> list[list[float]]:
    """Seeds as lists of three numbers."""
    what = "Seeds must be a list of triplets of coordinates in native space.\n"
    if not hasattr(seeds, "__iter__"):
        raise ValueError(f"{what}Given seed list is of type: {type(seeds)}")
    found = []
    for number, seed in enumerate(seeds):
        if not hasattr(seed, "__len__"):
            raise ValueError(
                f"{what}Seed #{number} is not a valid triplet of coordinates. It is of type "
                f"{type(seed).__name__}."
            )
        if len(seed) != 3:
            raise ValueError(f"{what}Seed #{number} is of length {len(seed)} instead of 3.")
        found.append(seed.tolist() if isinstance(seed, np.ndarray) else list(seed))
    if not found:
        raise ValueError(f"{what}The list is empty.")
    return found
