"""The spheres masker as in nilearn 0.14.1."""

from __future__ import annotations

from typing import Any

from bids_labelx.masker.sphere_fit import SpheresMasker
from bids_labelx.nilearn_compat import conduct
from bids_labelx.nilearn_compat.weighted import Weighted


class NiftiSpheresMasker(Weighted, conduct.OneRun, SpheresMasker):  # type: ignore[misc]
    """Means over spheres around seeds, as nilearn 0.14.1 has them.

    Parameters
    ----------
    seeds : list of triplets of numbers, default=None
        x, y, z of each in mm, in the space of the images. `fit` needs them.
    radius : float, default=None
        In mm. The voxel nearest to the seed alone unless given.
    mask_img : path or nibabel image, default=None
        Voxels outside are ignored.
    allow_overlap : bool, default=False
        False: a ValueError where spheres share a voxel.
    smoothing_fwhm : float, default=None
        Full width at half maximum, in mm, of the spatial smoothing before extraction.
    standardize : {"zscore_sample", "psc", True, False, None}, default=False
        See `bids_labelx.extraction.clean.prepare_cleaner`; True is ``zscore_sample``.
    standardize_confounds : bool, default=True
        Z-score confounds first.
    high_variance_confounds : bool, default=False
        Regress out the five strongest components of the 2 % of voxels that vary most.
    detrend : bool, default=False
        Remove a linear trend from signals and confounds.
    low_pass : float, default=None
        Frequency in Hz above which signals are filtered out.
    high_pass : float, default=None
        Frequency in Hz below which signals are filtered out.
    t_r : float, default=None
        Repetition time in seconds; a filter needs it.
    dtype : dtype or "auto", default=None
        Type that the images' values are converted to before anything else; ``"auto"`` is int32 for
        whole numbers and float32 for others.
    memory : joblib.Memory, str or pathlib.Path, default=None
        Cache of results.
    memory_level : int, default=1
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    clean_args : dict, default=None
        Options of the cleaning, such as ``{"filter": "cosine"}``.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning.
    mask_img_ : nibabel.Nifti1Image or None
        The mask.
    memory_ : joblib.Memory
        The cache.
    n_elements_ : int
        Number of columns.
    region_names_ : dict of int to str
        Name of each column.
    seeds_ : list of list of float
        The seeds.
    """

    _SHOWS = "displayed_spheres"

    def __init__(
        self,
        seeds: Any = None,
        radius: Any = None,
        mask_img: Any = None,
        allow_overlap: Any = False,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: Any = True,
        high_variance_confounds: Any = False,
        detrend: Any = False,
        low_pass: Any = None,
        high_pass: Any = None,
        t_r: Any = None,
        dtype: Any = None,
        memory: Any = None,
        memory_level: Any = 1,
        verbose: Any = 0,
        reports: Any = True,
        clean_args: Any = None,
    ) -> None:
        self._keep(locals())
