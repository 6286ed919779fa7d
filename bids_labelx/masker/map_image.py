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
        """Part of the array; only the maps that it is of are made."""
        parts = list(key) if isinstance(key, tuple) else [key]
        for at in [at for at, one in enumerate(parts) if one is Ellipsis][:1]:
            parts[at : at + 1] = [slice(None)] * (self.ndim + 1 - len(parts))
        parts += [slice(None)] * (self.ndim - len(parts))
        whole = len(parts) > self.ndim
        if whole or not all(isinstance(one, (int, np.integer, slice)) for one in parts):
            return np.asarray(self)[key]
        numbers = np.arange(self._maps.n_maps)[parts[3]]
        chosen = MapsArray(self._maps.columns(np.atleast_1d(numbers)), self._grid)
        parts[3] = slice(None) if np.ndim(numbers) else 0
        return np.asarray(chosen)[tuple(parts)]


def maps_image(maps: Maps, grid: VolumeGrid) -> nib.Nifti1Image:
    """Image of maps on a grid."""
    return nib.Nifti1Image(MapsArray(maps, grid), grid.affine)
