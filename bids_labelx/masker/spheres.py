"""Signals of spheres the scikit-learn way; the numbers come from `extraction.spheres`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.standardize import Standardize
from bids_labelx.masker.sphere_fit import SpheresMasker


class NiftiSpheresMasker(SpheresMasker):
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
