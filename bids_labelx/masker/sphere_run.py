"""What is extracted with spheres: their voxels on the run's grid, and the mean of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, lay_mask, voxel_grid
from bids_labelx.extraction.spatial import smooth_volumes
from bids_labelx.extraction.spheres import average_spheres, find_spheres
from bids_labelx.extraction.weighted import Maps
from bids_labelx.masker.run import Extracted, Recipe


@dataclass(frozen=True, kw_only=True)
class SphereRecipe(Recipe):
    """Extraction and cleaning parameters of the spheres masker.

    Attributes
    ----------
    seeds : array of shape (n_seeds, 3)
        In mm.
    radius, allow_overlap
        As the masker's parameters.
    mask
        Whether each element is inside, and their space; or None.
    """

    seeds: np.ndarray
    radius: float | None
    allow_overlap: bool
    mask: tuple[np.ndarray, Space] | None

    def spheres(self, grid: VolumeGrid) -> Maps:
        """The spheres on a grid.

        Raises
        ------
        ValueError
            As from `find_spheres`.
        """
        inside = None if self.mask is None else lay_mask(grid, *self.mask)
        return find_spheres(
            grid, self.seeds, self.radius, inside=inside, allow_overlap=self.allow_overlap
        )

    def extract(self, data: RunData) -> Extracted:
        """Means over the spheres on the grid of the run."""
        name, spheres = data.name, self.spheres(voxel_grid(data.space))
        if self.smoothing_fwhm is not None:
            data = smooth_volumes(data, self.smoothing_fwhm)
        averaged = average_spheres(data, spheres, uncovered="zero")
        message = ""
        if averaged.nonfinite_elements:
            message = (
                f"{name}: Non-finite values detected in {averaged.nonfinite_elements} voxels of "
                "the spheres; they count as zero."
            )
        numbers = np.arange(spheres.n_maps)
        return Extracted(averaged.signals, numbers, np.ones(numbers.size, bool), [message])
