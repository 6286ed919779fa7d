"""Signals of spheres the scikit-learn way; the numbers come from `extraction.spheres`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid, voxel_grid
from bids_labelx.extraction.standardize import Standardize
from bids_labelx.masker.base import BaseMasker
from bids_labelx.masker.images import mask_image
from bids_labelx.masker.inputs import load_mask_img
from bids_labelx.masker.page import map_regions, seed_regions
from bids_labelx.masker.sphere_run import SphereRecipe


class NiftiSpheresMasker(BaseMasker):
    """Means over spheres around seeds.

    Parameters
    ----------
    seeds : list of triplets of numbers
        x, y, z of each in mm, in the space of the images.
    radius : float, optional
        In mm. A sphere is the voxels whose centre is not further away, and always the one nearest
        to the seed; that alone unless given.
    mask_img : path or nibabel image, optional
        Voxels outside are ignored.
    allow_overlap : bool, default=False
        False: a ValueError where spheres share a voxel.
    smoothing_fwhm, standardize, standardize_confounds, high_variance_confounds, detrend, \
low_pass, high_pass, t_r, dtype, memory, verbose, reports, clean_args, **kwargs
        As for `NiftiMapsMasker`.
    memory_level : int, default=1
        0 disables `memory`.

    Attributes
    ----------
    seeds_ : list of list of float
        The seeds.
    mask_img_ : nibabel.Nifti1Image or None
        The mask.
    n_elements_ : int
        Number of columns, which is that of the seeds.
    region_names_ : dict of int to str
        Name of each column: that of the class and the number of the seed, from 0.

    Notes
    -----
    `inverse_transform` puts signals on the grid of the mask or, without one, of the images given
    to `fit`. A voxel of several spheres gets the mean of their signals.
    """

    _recipe: SphereRecipe
    cmap: Any = None

    def __init__(
        self,
        seeds: Sequence[Sequence[float]] | np.ndarray | None = None,
        radius: float | None = None,
        mask_img: Image | None = None,
        allow_overlap: bool = False,
        smoothing_fwhm: Any = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: int = 1,
        verbose: int = 0,
        reports: bool = True,
        clean_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._store(locals())

    def _make_recipe(self) -> SphereRecipe:
        shared = self._shared()
        self.seeds_ = _checked(self.seeds)
        return SphereRecipe(
            seeds=np.array(self.seeds_, dtype=np.float64),
            radius=self.radius,
            allow_overlap=self.allow_overlap,
            mask=None if self.mask_img is None else load_mask_img(self.mask_img),
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
        if not isinstance(self._space, VolumeGrid):
            return {"drawn": seed_regions(self.seeds_)}
        names = [f"seed {number} at {tuple(seed)}" for number, seed in enumerate(self.seeds_)]
        return {"drawn": map_regions(self._recipe.spheres(self._space), names, self._space)}


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
