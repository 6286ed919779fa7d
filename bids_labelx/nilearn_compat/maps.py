"""The maps maskers as in nilearn 0.14.1."""

from __future__ import annotations

from typing import Any

from bids_labelx.masker.many_runs import ManyRuns
from bids_labelx.masker.map_fit import MapsMasker
from bids_labelx.nilearn_compat import conduct
from bids_labelx.nilearn_compat.weighted import Weighted


class NiftiMapsMasker(Weighted, conduct.OneRun, MapsMasker):  # type: ignore[misc]
    """Signals of maps that may overlap, as nilearn 0.14.1 has them.

    Parameters
    ----------
    maps_img : path or nibabel image, default=None
        Maps: 4D, one per volume. `fit` needs it.
    mask_img : path or nibabel image, default=None
        Voxels outside are ignored.
    allow_overlap : bool, default=True
        False: a ValueError where two maps have a positive weight in one voxel.
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
    resampling_target : {"data", "mask", "maps", None}, default="data"
        The grid that images, maps and mask are resampled to. None: a ValueError where they differ.
    keep_masked_maps : bool, default=False
        Whether a map outside of the mask keeps a column, of zeros.
    memory : joblib.Memory, str or pathlib.Path, default=None
        Cache of results.
    memory_level : int, default=0
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    cmap : str or matplotlib colormap, default="CMRmap_r"
        Colours of the maps in the report.
    clean_args : dict, default=None
        Options of the cleaning, such as ``{"filter": "cosine"}``.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning.
    maps_img_ : nibabel.Nifti1Image
        Maps on the grid of the images given to `fit`, or on their own.
    mask_img_ : nibabel.Nifti1Image or None
        The mask on the same grid.
    memory_ : joblib.Memory
        The cache.
    n_elements_ : int
        Number of columns.
    region_names_ : dict of int to str
        Name of each column.
    """

    _WHAT = "maps"
    _SHOWS = "displayed_maps"

    def __init__(
        self,
        maps_img: Any = None,
        mask_img: Any = None,
        allow_overlap: Any = True,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: Any = True,
        high_variance_confounds: Any = False,
        detrend: Any = False,
        low_pass: Any = None,
        high_pass: Any = None,
        t_r: Any = None,
        dtype: Any = None,
        resampling_target: Any = "data",
        keep_masked_maps: Any = False,
        memory: Any = None,
        memory_level: Any = 0,
        verbose: Any = 0,
        reports: Any = True,
        cmap: Any = "CMRmap_r",
        clean_args: Any = None,
    ) -> None:
        self._keep(locals())

    def _told_of_kept(self) -> str:
        if not self.keep_masked_maps or self.mask_img is None:
            return ""
        return (
            'Applying "mask_img" before signal extraction may result in empty signals of maps, '
            "which keep their columns.\n"
            '"keep_masked_maps" parameter will be removed in version 0.15. '
            'Set "keep_masked_maps=False" to silence this warning.'
        )


class MultiNiftiMapsMasker(  # type: ignore[misc]
    conduct.ManyRuns, ManyRuns, NiftiMapsMasker
):
    """Signals of maps in several runs, as nilearn 0.14.1 has them.

    Parameters
    ----------
    maps_img : path or nibabel image, default=None
        Maps: 4D, one per volume. `fit` needs it.
    mask_img : path or nibabel image, default=None
        Voxels outside are ignored.
    allow_overlap : bool, default=True
        False: a ValueError where two maps have a positive weight in one voxel.
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
    resampling_target : {"data", "mask", "maps", None}, default="data"
        The grid that images, maps and mask are resampled to. None: a ValueError where they differ.
    keep_masked_maps : bool, default=False
        Whether a map outside of the mask keeps a column, of zeros.
    memory : joblib.Memory, str or pathlib.Path, default=None
        Cache of results.
    memory_level : int, default=0
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    cmap : str or matplotlib colormap, default="CMRmap_r"
        Colours of the maps in the report.
    n_jobs : int, default=1
        Number of processes, a run each at a time; -1 for one per processor.
    clean_args : dict, default=None
        Options of the cleaning, such as ``{"filter": "cosine"}``.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning.
    maps_img_ : nibabel.Nifti1Image
        Maps on the grid of the images given to `fit`, or on their own.
    mask_img_ : nibabel.Nifti1Image or None
        The mask on the same grid.
    memory_ : joblib.Memory
        The cache.
    n_elements_ : int
        Number of columns.
    region_names_ : dict of int to str
        Name of each column.
    """

    def __init__(
        self,
        maps_img: Any = None,
        mask_img: Any = None,
        allow_overlap: Any = True,
        smoothing_fwhm: Any = None,
        standardize: Any = False,
        standardize_confounds: Any = True,
        high_variance_confounds: Any = False,
        detrend: Any = False,
        low_pass: Any = None,
        high_pass: Any = None,
        t_r: Any = None,
        dtype: Any = None,
        resampling_target: Any = "data",
        keep_masked_maps: Any = False,
        memory: Any = None,
        memory_level: Any = 0,
        verbose: Any = 0,
        reports: Any = True,
        cmap: Any = "CMRmap_r",
        n_jobs: Any = 1,
        clean_args: Any = None,
    ) -> None:
        self._keep(locals())
