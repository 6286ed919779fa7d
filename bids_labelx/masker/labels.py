"""Regional signals the scikit-learn way; the numbers come from `bids_labelx.extraction`."""

from __future__ import annotations

from typing import Any, Literal

from joblib import Memory

from bids_labelx.extraction.formats import Image
from bids_labelx.extraction.standardize import Standardize
from bids_labelx.masker.label_fit import LabelsMasker
from bids_labelx.masker.many_runs import ManyRuns


class NiftiLabelsMasker(LabelsMasker):
    """Regional signals of one run: a column for each label of a label image.

    Parameters
    ----------
    labels_img : path or nibabel image
        3D, whole numbers; or label maps on surfaces and grayordinates (CIFTI-2, ``.dlabel.nii``),
        of several the one that a path with ``#`` and its name or number, from 1, says. `fit`
        needs it.
    labels : list of str, optional
        Names of the regions in ascending order of their labels; ``Background`` is ignored.
    background_label : int, default=0
        Label of the background.
    mask_img : path or nibabel image, optional
        Voxels outside are ignored. With labels on grayordinates, dense scalars or labels.
    smoothing_fwhm : float, optional
        Full width at half maximum, in mm, of the spatial smoothing before extraction; of volumes
        alone.
    standardize : {"zscore_sample", "zscore", "psc", True, False}, default=False
        See `bids_labelx.extraction.clean.prepare_cleaner`; True is ``zscore_sample``.
    standardize_confounds : bool, default=True
        Z-score confounds first.
    high_variance_confounds : bool, default=False
        Regress out the five strongest components of the 2 % of voxels that vary most (Behzadi et
        al., 2007, doi:10.1016/j.neuroimage.2007.04.042).
    detrend : bool, default=False
        Remove a linear trend from signals and confounds.
    low_pass, high_pass : float, optional
        Cut-off frequencies in Hz; what lies above, or below, is filtered out.
    t_r : float, optional
        Repetition time in seconds; a filter needs it.
    dtype : dtype or "auto", optional
        Type that the images' values are converted to before anything else; ``"auto"`` is int32 for
        whole numbers and float32 for others. Signals are float64, or float32 where `dtype` is.
    resampling_target : {"data", "labels", None}, default="data"
        ``"data"``: labels and mask are resampled to the grid of the images. ``"labels"``: images
        and mask are resampled to the grid of the labels. None: a ValueError where grids differ.
        Surfaces and grayordinates are never resampled: ``"labels"`` is refused there, the others
        match labels by structure and vertex, or structure and voxel.
    memory : joblib.Memory, str or pathlib.Path, optional
        Cache of results, so that the same call is not computed twice.
    memory_level : int, default=1
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done, and which image is being read.
    strategy : str, default="mean"
        How a region is reduced to one number: one of mean, median, sum, minimum, maximum,
        variance, standard_deviation. The last two divide by the number of voxels.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    lut : pandas.DataFrame or path, optional
        Table of labels with columns ``index`` and ``name``; in place of `labels`. A file may have
        any format of `bids_labelx.atlases.tables`. Where neither is given, the table beside the
        file of `labels_img` is read, if there is one.
    lost_labels : {None, "nan"}, default=None
        None: a label missing after resampling has no column, with a warning, and one outside of
        the mask has a column of zeros. ``"nan"``: every label of `lut`, or of the image, keeps its
        column, which is NaN where it is missing. In place of `lut` stands the label table of a
        ``.dlabel.nii`` where neither `lut` nor `labels` is given.
    cmap : str or matplotlib colormap, optional
        Colours of the regions in the report, in place of those of the label table's networks.
    keep_masked_labels : bool, default=True
        Whether a label outside of the mask keeps its column; False drops it, with a warning. With
        ``lost_labels="nan"`` it is kept.
    clean_args : dict, optional
        Options of the cleaning in place of those that begin with ``clean__``, without that
        beginning: ``{"filter": "cosine"}``.
    **kwargs
        ``clean__…`` goes to `bids_labelx.extraction.clean.prepare_cleaner`, within it
        ``clean__butterworth__…`` to the Butterworth filter.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning, from `clean_args` or those that begin with ``clean__``.
    labels_ : list of int
        Label of each column, after that of the background where the image has it.
    memory_ : joblib.Memory
        The cache.
    labels_img_, mask_img_ : nibabel.Nifti1Image or nibabel.Cifti2Image
        Labels and mask on the grid or grayordinates of the images given to `fit`, or on the
        labels' own if none were given. Without a mask, `mask_img_` is None.
    region_atlas_ : nibabel.Nifti1Image or nibabel.Cifti2Image
        `labels_img_` inside of the mask.
    lut_ : pandas.DataFrame
        ``index`` and ``name`` of all labels, the background first.
    n_elements_ : int
        Number of columns.
    region_ids_ : dict
        Label of each column, and of ``"background"``.
    region_names_ : dict of int to str
        Name of each column.

    Notes
    -----
    Columns are in ascending order of the labels. Where images on a grid other than that of `fit`
    are transformed, the attributes about columns describe the last transform.

    On grayordinates, vertices and voxels whose series is not finite or zero throughout are
    excluded, as on the command line, and a label without any other has a column of NaN, with a
    warning. In volumes they count as 0, as in nilearn.
    """

    def __init__(
        self,
        labels_img: Image | None = None,
        labels: list[str] | None = None,
        background_label: int | float = 0,
        mask_img: Image | None = None,
        smoothing_fwhm: Any = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        resampling_target: Literal["data", "labels"] | None = "data",
        memory: Any = Memory(location=None),  # noqa: B008
        memory_level: int = 1,
        verbose: int = 0,
        strategy: str = "mean",
        reports: bool = True,
        *,
        lut: Any = None,
        lost_labels: Literal["nan"] | None = None,
        cmap: Any = None,
        keep_masked_labels: bool = True,
        clean_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._store(locals())


class MultiNiftiLabelsMasker(ManyRuns, NiftiLabelsMasker):
    """Regional signals of several runs: for each a column for each label of a label image.

    `fit` and `transform` take a list of runs, and `transform` returns a list. Parameters and
    attributes are those of `NiftiLabelsMasker`, and one more parameter:

    Parameters
    ----------
    n_jobs : int, default=1
        Number of processes, a run each at a time; -1 for one per processor.
    """

    def __init__(
        self,
        labels_img: Image | None = None,
        labels: list[str] | None = None,
        background_label: int | float = 0,
        mask_img: Image | None = None,
        smoothing_fwhm: Any = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        high_variance_confounds: bool = False,
        detrend: bool = False,
        low_pass: float | None = None,
        high_pass: float | None = None,
        t_r: float | None = None,
        dtype: Any = None,
        resampling_target: Literal["data", "labels"] | None = "data",
        memory: Any = Memory(location=None),  # noqa: B008
        memory_level: int = 1,
        verbose: int = 0,
        strategy: str = "mean",
        reports: bool = True,
        n_jobs: int = 1,
        *,
        lut: Any = None,
        lost_labels: Literal["nan"] | None = None,
        cmap: Any = None,
        keep_masked_labels: bool = True,
        clean_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._store(locals())
