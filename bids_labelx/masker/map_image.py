"""Maps as an image whose data are made when they are asked for."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np

from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.weighted import Maps


class MapsArray:
    """Maps as nibabel wants the data of an image, of shape (x, y, z, n_maps).

    A thousand maps as an array have gigabytes; most of their weights are 0.
    """

    is_proxy = True
    dtype = np.dtype(np.float64)
    ndim = 4

    def __init__(self, maps: Maps, grid: VolumeGrid) -> None:
        self._maps, self._grid = maps, grid
        self.shape = (*grid.shape, maps.n_maps)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        """All maps as an array."""
        values = np.zeros((self._maps.n_elements, self._maps.n_maps), dtype or self.dtype)
        values[self._maps.elements] = self._maps.weights.toarray()
        return values.reshape(self.shape, order="F")

    def __getitem__(self, key: Any) -> np.ndarray:
        """Part of the array; of one map, ``[..., number]``, that map alone is made."""
        if isinstance(key, tuple) and len(key) == 2 and key[0] is Ellipsis:
            number = key[1]
            if isinstance(number, (int, np.integer)):
                chosen = np.array([range(self._maps.n_maps)[number]])
                one = MapsArray(self._maps.columns(chosen), self._grid)
                return np.asarray(one)[..., 0]
        return np.asarray(self)[key]


def maps_image(maps: Maps, grid: VolumeGrid) -> nib.Nifti1Image:
    """Image of maps on a grid."""
    return nib.Nifti1Image(MapsArray(maps, grid), grid.affine)
