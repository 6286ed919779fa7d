"""The labels maskers as in nilearn 0.14.1."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd

from bids_labelx.masker.inputs import Labels
from bids_labelx.masker.label_fit import LabelsMasker
from bids_labelx.masker.label_tables import checked_lut, checked_names
from bids_labelx.masker.many_runs import ManyRuns
from bids_labelx.nilearn_compat import conduct


class _Labels(conduct.OneRun, LabelsMasker):  # type: ignore[misc]
    """Names and columns as nilearn has them."""

    _WHAT = "labels"

    lost_labels: Literal["nan"] | None = None

    def _label_table(self, present: np.ndarray, image: Labels) -> pd.DataFrame:
        """Names of the labels in the image, ``unknown`` where they have none."""
        if self.labels and self.lut is not None:
            raise ValueError("Pass either labels or a lookup table (lut), not both")
        if self.lut is not None:
            given = checked_lut(self.lut, self._background)
            table = given.set_index("index").reindex(present).reset_index(names="index")
            return table.assign(name=table["name"].fillna("unknown"))[[*given.columns]]
        numbers = present.astype(np.float64) if image.decimals else present
        names = [str(one) for one in numbers.tolist()]
        if self.labels and not isinstance(self.labels, list):
            raise TypeError(f"'labels' must be a list. Got: {type(self.labels).__name__}")
        if self.labels and (listed := checked_names(self.labels)):
            names = listed + ["unknown"] * (present.size - len(listed))
            if len(listed) < present.size:
                warnings.warn(
                    "Too many indices for the names. Padding 'names' with 'unknown'.", stacklevel=6
                )
            elif len(listed) > present.size:
                warnings.warn(
                    "Too many names for the indices. Dropping excess names values.", stacklevel=6
                )
        return pd.DataFrame({"index": present, "name": names[: present.size]})

    def _told_of_kept(self) -> str:
        if not self.keep_masked_labels:
            return ""
        return 'In version 0.15.0, "keep_masked_labels" parameter will be removed.'

    def _describe_columns(self, columns: np.ndarray) -> None:
        super()._describe_columns(columns)
        if self._recipe.has_background:
            self.lut_ = self.lut_.sort_values("index", ignore_index=True)
        else:
            del self.region_ids_["background"]
            self.lut_ = self._table


class NiftiLabelsMasker(_Labels):
    """Regional signals of one run, as nilearn 0.14.1 has them.

    Parameters
    ----------
    labels_img : path or nibabel image, default=None
        Label image: 3D, whole numbers. `fit` needs it.
    labels : list of str, default=None
        Names of the regions in ascending order of their labels; ``Background`` is ignored. Excess
        names are dropped, and regions without one are called ``unknown``, with a warning.
    lut : pandas.DataFrame or path, default=None
        Table of labels with columns ``index`` and ``name``, or a file in any format of
        `bids_labelx.atlases.tables`; in place of `labels`. Labels without a row are ``unknown``.
    background_label : int or float, default=0
        Label of the background.
    mask_img : path or nibabel image, default=None
        Voxels outside are ignored.
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
    resampling_target : {"data", "labels", None}, default="data"
        ``"data"``: labels and mask are resampled to the grid of the images. ``"labels"``: images
        and mask are resampled to the grid of the labels. None: a ValueError where grids differ.
    memory : joblib.Memory, str or pathlib.Path, default=None
        Cache of results.
    memory_level : int, default=1
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    strategy : str, default="mean"
        How a region is reduced to one number: mean, median, sum, minimum, maximum, variance or
        standard_deviation.
    keep_masked_labels : bool, default=False
        Whether a label outside of the mask keeps a column, of zeros.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    cmap : str or matplotlib colormap, default=None
        Colours of the regions in the report.
    clean_args : dict, default=None
        Options of the cleaning, such as ``{"filter": "cosine"}``.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning.
    labels_ : list of int
        Label of each column, after that of the background where the image has it.
    labels_img_ : nibabel.Nifti1Image
        Labels on the grid of the images given to `fit`, or on their own.
    lut_ : pandas.DataFrame
        ``index`` and ``name`` of the labels in the image.
    mask_img_ : nibabel.Nifti1Image or None
        The mask on the same grid.
    memory_ : joblib.Memory
        The cache.
    n_elements_ : int
        Number of columns.
    region_atlas_ : nibabel.Nifti1Image
        `labels_img_` inside of the mask.
    region_ids_ : dict
        Label of each column, and of ``"background"`` where the image has it.
    region_names_ : dict of int to str
        Name of each column.
    """

    def __init__(
        self,
        labels_img: Any = None,
        labels: Any = None,
        lut: Any = None,
        background_label: Any = 0,
        mask_img: Any = None,
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
        memory: Any = None,
        memory_level: Any = 1,
        verbose: Any = 0,
        strategy: Any = "mean",
        keep_masked_labels: Any = False,
        reports: Any = True,
        cmap: Any = None,
        clean_args: Any = None,
    ) -> None:
        self._keep(locals())


class MultiNiftiLabelsMasker(  # type: ignore[misc]
    conduct.ManyRuns, ManyRuns, NiftiLabelsMasker
):
    """Regional signals of several runs, as nilearn 0.14.1 has them.

    Parameters
    ----------
    labels_img : path or nibabel image, default=None
        Label image: 3D, whole numbers. `fit` needs it.
    labels : list of str, default=None
        Names of the regions in ascending order of their labels; ``Background`` is ignored. Excess
        names are dropped, and regions without one are called ``unknown``, with a warning.
    lut : pandas.DataFrame or path, default=None
        Table of labels with columns ``index`` and ``name``, or a file in any format of
        `bids_labelx.atlases.tables`; in place of `labels`. Labels without a row are ``unknown``.
    background_label : int or float, default=0
        Label of the background.
    mask_img : path or nibabel image, default=None
        Voxels outside are ignored.
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
    resampling_target : {"data", "labels", None}, default="data"
        ``"data"``: labels and mask are resampled to the grid of the images. ``"labels"``: images
        and mask are resampled to the grid of the labels. None: a ValueError where grids differ.
    memory : joblib.Memory, str or pathlib.Path, default=None
        Cache of results.
    memory_level : int, default=1
        0 disables `memory`.
    verbose : int, default=0
        Above 0, prints what is being done.
    strategy : str, default="mean"
        How a region is reduced to one number: mean, median, sum, minimum, maximum, variance or
        standard_deviation.
    keep_masked_labels : bool, default=False
        Whether a label outside of the mask keeps a column, of zeros.
    reports : bool, default=True
        Whether `generate_report` may use the images given to `fit`.
    cmap : str or matplotlib colormap, default="CMRmap_r"
        Colours of the regions in the report.
    n_jobs : int, default=1
        Number of processes, a run each at a time; -1 for one per processor.
    clean_args : dict, default=None
        Options of the cleaning, such as ``{"filter": "cosine"}``.

    Attributes
    ----------
    clean_args_ : dict
        Options of the cleaning.
    labels_ : list of int
        Label of each column, after that of the background where the image has it.
    labels_img_ : nibabel.Nifti1Image
        Labels on the grid of the images given to `fit`, or on their own.
    lut_ : pandas.DataFrame
        ``index`` and ``name`` of the labels in the image.
    mask_img_ : nibabel.Nifti1Image or None
        The mask on the same grid.
    memory_ : joblib.Memory
        The cache.
    n_elements_ : int
        Number of columns.
    region_atlas_ : nibabel.Nifti1Image
        `labels_img_` inside of the mask.
    region_ids_ : dict
        Label of each column, and of ``"background"`` where the image has it.
    region_names_ : dict of int to str
        Name of each column.
    """

    def __init__(
        self,
        labels_img: Any = None,
        labels: Any = None,
        lut: Any = None,
        background_label: Any = 0,
        mask_img: Any = None,
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
        memory: Any = None,
        memory_level: Any = 1,
        verbose: Any = 0,
        strategy: Any = "mean",
        keep_masked_labels: Any = False,
        reports: Any = True,
        cmap: Any = "CMRmap_r",
        n_jobs: Any = 1,
        clean_args: Any = None,
    ) -> None:
        self._keep(locals())
