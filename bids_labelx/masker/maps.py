"""Signals of maps the scikit-learn way; the numbers come from `bids_labelx.extraction.maps`."""

from __future__ import annotations

from typing import Any

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.standardize import Standardize
from bids_labelx.masker.many_runs import ManyRuns
from bids_labelx.masker.map_fit import MapsMasker
from bids_labelx.masker.map_run import ResamplingTarget


class NiftiMapsMasker(MapsMasker):
    """Signals of maps that may overlap: the least squares fit of all maps to every volume.

    Parameters
    ----------
    maps_img : path, nibabel image or list of 3D ones
        4D, a map per volume: weights, which may be negative. Not finite ones count as 0.
    mask_img : path or nibabel image, optional
        Voxels outside are ignored.
    allow_overlap : bool, default=True
        False: a ValueError where two maps have a positive weight in one voxel.
    smoothing_fwhm : float, optional
        Full width at half maximum, in mm, of the spatial smoothing of images before extraction.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}, default=False
        See `bids_labelx.extraction.clean.prepare_cleaner`; True is ``zscore_sample``.
    standardize_confounds : bool, default=True
        Z-score confounds first.
    high_variance_confounds : bool, default=False
        Regress out the five strongest components of the 2 % of voxels that vary most.
    detrend : bool, default=False
        Remove a linear trend from signals and confounds.
    low_pass, high_pass : float, optional
        Cut-off frequencies in Hz; what lies above, or below, is filtered out.
    t_r : float, optional
        Repetition time in seconds; a filter needs it.
    dtype : dtype or "auto", optional
        Type that the images' values are converted to before anything else; ``"auto"`` is int32 for
        whole numbers and float32 for others. Signals are float64, or float32 where `dtype` is.
    resampling_target : {"data", "mask", "maps", None}, default="data"
        The grid that all are resampled to: images by cubic splines, maps by linear interpolation,
        the mask by nearest neighbour. None: a ValueError where grids differ.
    keep_masked_maps : bool, default=False
        False: a map outside of the mask has no column, with a warning. True: its column is 0.
    memory : joblib.Memory, str or pathlib.Path, optional
        Cache of results, so that the same call is not computed twice.
    memory_level : int, default=0
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    cmap : str or matplotlib colormap, optional
        Colours of the maps in the report.
    clean_args : dict, optional
        Further arguments of `bids_labelx.extraction.clean.prepare_cleaner`.
    **kwargs
        ``clean__…`` in place of `clean_args`.

    Attributes
    ----------
    maps_img_ : nibabel.Nifti1Image
        Maps on the grid of the images given to `fit`, on the mask's with
        ``resampling_target="mask"``, otherwise on their own. Its data are computed on first
        access.
    mask_img_ : nibabel.Nifti1Image or None
        The mask on this grid.
    n_elements_ : int
        Number of columns.
    region_names_ : dict of int to str
        Name of each column: that of the class and the number of the map, from 0.

    Notes
    -----
    Weights are kept sparse, and a run is read block by block; memory does not grow with its
    length. Maps that are combinations of others are a ValueError that names them.
    """

    def __init__(
        self,
        maps_img: Image | None = None,
        mask_img: Image | None = None,
        allow_overlap: bool = True,
        smoothing_fwhm: Any = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        resampling_target: ResamplingTarget = "data",
        keep_masked_maps: bool = False,
        memory: Any = None,
        memory_level: int = 0,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "CMRmap_r",
        clean_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._store(locals())


class MultiNiftiMapsMasker(ManyRuns, NiftiMapsMasker):
    """Signals of maps in several runs.

    `fit` and `transform` take a list of runs, and `transform` returns a list. Parameters and
    attributes are those of `NiftiMapsMasker`, and one more parameter:

    Parameters
    ----------
    n_jobs : int, default=1
        Number of processes, a run each at a time; -1 for one per processor.
    """

    def __init__(
        self,
        maps_img: Image | None = None,
        mask_img: Image | None = None,
        allow_overlap: bool = True,
        smoothing_fwhm: Any = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        resampling_target: ResamplingTarget = "data",
        keep_masked_maps: bool = False,
        memory: Any = None,
        memory_level: int = 0,
        verbose: int = 0,
        reports: bool = True,
        cmap: Any = "CMRmap_r",
        n_jobs: int = 1,
        clean_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._store(locals())
