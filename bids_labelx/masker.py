"""Maskers with a scikit-learn face, standing on `bids_labelx.extraction`.

They follow the interface of nilearn's label maskers: same parameters, same defaults, same columns.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from nibabel.spatialimages import SpatialImage
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bids_labelx.extraction.clean import STANDARDIZE, Standardize, boolean_mask, clean
from bids_labelx.extraction.reduce import STATISTICS, find_regions, reduce_volumes
from bids_labelx.extraction.resample import exact_labels, labels_on_grid, same_grid
from bids_labelx.extraction.stream import Volumes, open_volumes, read_volume

Image = str | os.PathLike[str] | SpatialImage


@dataclass(frozen=True)
class _Atlas:
    """Labels and mask on one grid, and the labels that get a column."""

    labels: np.ndarray
    mask: np.ndarray | None
    affine: np.ndarray
    ids: np.ndarray


class _FitTransform:
    """Kept apart, as `_ManyRuns` is, from what scikit-learn's `set_output` wraps."""

    def fit_transform(
        self, imgs: Any, y: None = None, confounds: Any = None, sample_mask: Any = None
    ) -> Any:
        """Fit to the grid of the images and transform them; see `transform`."""
        fitted = self.fit(imgs, y)  # type: ignore[attr-defined]
        return fitted.transform(imgs, confounds=confounds, sample_mask=sample_mask)


class NiftiLabelsMasker(_FitTransform, TransformerMixin, BaseEstimator):
    """Regional signals of one run: a column for each label of a label image.

    Parameters
    ----------
    labels_img : path or nibabel image
        3D, one integer per region.
    labels : list of str, optional
        Names of the regions, in the order of their labels' values. An entry "Background" is
        passed over.
    background_label : int, default=0
        Value in `labels_img` that is no region.
    mask_img : path or nibabel image, optional
        3D; voxels where it is zero are left out.
    standardize : {"zscore_sample", "zscore", "psc", True, False}, default=False
        As in `bids_labelx.extraction.clean.clean`.
    standardize_confounds : bool, default=True
        Bring confounds to zero mean and unit variance before they are regressed out.
    detrend : bool, default=False
        Remove mean and linear trend.
    resampling_target : {"data", None}, default="data"
        "data": labels and mask are brought onto the grid of the images where they are on another.
        None: a ValueError is raised instead.
    strategy : str, default="mean"
        How a region is reduced to one number: one of mean, median, sum, minimum, maximum,
        variance, standard_deviation.

    Attributes
    ----------
    labels_img_, mask_img_ : nibabel.Nifti1Image
        Labels and mask on the grid of the images given to `fit`, or on the labels' own if none
        were given. Without a mask, `mask_img_` is None.
    n_elements_ : int
        Number of columns.
    region_ids_, region_names_ : dict of int to int and of int to str
        Label and name of each column; the name is the label where no names were given.

    Notes
    -----
    A label without a voxel left on the images' grid loses its column, with a warning. A label
    that lies outside of the mask keeps it, filled with zeros. Where images on a grid other than
    that of `fit` are transformed, the attributes about columns describe the last transform.
    """

    def __init__(
        self,
        labels_img: Image,
        labels: list[str] | None = None,
        background_label: int | float = 0,
        mask_img: Image | None = None,
        standardize: Standardize = False,
        standardize_confounds: bool = True,
        detrend: bool = False,
        resampling_target: Literal["data"] | None = "data",
        strategy: str = "mean",
    ) -> None:
        self.labels_img = labels_img
        self.labels = labels
        self.background_label = background_label
        self.mask_img = mask_img
        self.standardize = standardize
        self.standardize_confounds = standardize_confounds
        self.detrend = detrend
        self.resampling_target = resampling_target
        self.strategy = strategy

    def fit(self, imgs: Any = None, y: None = None) -> NiftiLabelsMasker:  # noqa: ARG002
        """Check the parameters, read the labels and bring them onto the images' grid.

        Parameters
        ----------
        imgs : path, nibabel image or list of them, optional
            The images to come, of which only the first one's grid is looked at.

        Raises
        ------
        TypeError, ValueError
            If a parameter is unknown, labels are not whole numbers, their number is not that of
            the names, no label is left, or grids differ with ``resampling_target=None``.
        """
        self._check_parameters()
        volumes, labels = _read_labels(self.labels_img, int(self.background_label))
        ids = np.setdiff1d(labels, [int(self.background_label)])
        if not ids.size:
            raise ValueError(f"{volumes.name}: there is no label but the background")
        self._names = _region_names(ids, self.labels)
        self._source = _Atlas(labels, None, volumes.affine, ids)
        self._mask = None if self.mask_img is None else _read_mask(self.mask_img)

        first = imgs[0] if isinstance(imgs, (list, tuple)) else imgs
        target = volumes if first is None else open_volumes(first)
        atlas = self._fitted = self._on_grid(target.shape, target.affine)
        self.labels_img_ = _image(atlas.labels, atlas.affine)
        self.mask_img_ = None if atlas.mask is None else _image(atlas.mask, atlas.affine)
        self._describe_columns(atlas)
        return self

    def transform(
        self, imgs: Any, confounds: Any = None, sample_mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Extract and clean the signals of one run; see `transform_single_imgs`."""
        return self.transform_single_imgs(imgs, confounds, sample_mask)

    def transform_single_imgs(
        self, imgs: Image, confounds: Any = None, sample_mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Extract and clean the signals of one run.

        Parameters
        ----------
        imgs : path or nibabel image
            4D, or 3D for a single volume.
        confounds : array of shape (n_volumes, n_confounds), DataFrame or path, optional
            Regressed out of the signals. A path leads to a table with tabs, commas or semicolons.
        sample_mask : array, optional
            The volumes to keep: one boolean for each, or the indices of those kept.

        Returns
        -------
        float64 array of shape (n_kept, n_elements_)

        Raises
        ------
        NotFittedError, ValueError
            If `fit` was not called; if confounds or sample mask do not fit the run, or the
            labels not its grid.

        Warns
        -----
        UserWarning
            If labels are lost in resampling or labelled voxels are not finite, which counts as 0.
        """
        self._check_fitted()
        volumes = open_volumes(imgs)
        atlas = self._fitted
        if not same_grid(atlas.labels.shape, atlas.affine, volumes.shape, volumes.affine):
            atlas = self._on_grid(volumes.shape, volumes.affine)
        regions = find_regions(atlas.labels, atlas.ids, atlas.mask)
        reduction = reduce_volumes(volumes, [regions], [self.strategy], uncovered="zero")
        if reduction.nonfinite_voxels:
            found = f"Non-finite values detected in {reduction.nonfinite_voxels} labelled voxels"
            warnings.warn(f"{volumes.name}: {found}; they count as zero.", stacklevel=3)
        self._describe_columns(atlas)
        return clean(
            reduction.signals[0][self.strategy],
            confounds=None if confounds is None else _read_confounds(confounds),
            sample_mask=boolean_mask(sample_mask, volumes.n_volumes),
            detrend=self.detrend,
            standardize=self.standardize,
            standardize_confounds=self.standardize_confounds,
        )

    def inverse_transform(self, signals: ArrayLike) -> nib.Nifti1Image:
        """Give every voxel the signal of its region, and 0 outside of regions and mask.

        Parameters
        ----------
        signals : array of shape (n_elements_,) or (n_volumes, n_elements_)

        Returns
        -------
        nibabel.Nifti1Image
            3D or 4D, on the grid of `labels_img_`.
        """
        self._check_fitted()
        columns = np.asarray(signals, dtype=np.float64)
        n = self.n_elements_
        if columns.ndim not in (1, 2) or columns.shape[-1] != n:
            raise ValueError(f"signals need {n} columns, found the shape {columns.shape}")
        atlas = self._fitted
        regions = find_regions(atlas.labels, np.array([*self.region_ids_.values()]), atlas.mask)
        voxels = np.zeros((atlas.labels.size, *columns.shape[:-1]))
        voxels[regions.voxels] = columns.T[regions.columns]
        shape = (*atlas.labels.shape, *columns.shape[:-1])
        return nib.Nifti1Image(voxels.reshape(shape, order="F"), atlas.affine)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Names of the columns; `input_features` is not used, scikit-learn wants it."""
        self._check_fitted()
        return np.array(list(self.region_names_.values()), dtype=object)

    def _check_fitted(self) -> None:
        check_is_fitted(self, "labels_img_", msg="%(name)s has not been fitted. Call fit() first.")

    def _check_parameters(self) -> None:
        if self.strategy not in STATISTICS:
            raise ValueError(f"Invalid strategy '{self.strategy}'. Valid ones are {STATISTICS}.")
        standards = (*STANDARDIZE, True, False, None)
        for name, known in {"resampling_target": ("data", None), "standardize": standards}.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"invalid value for '{name}': {value!r}. Valid ones are {known}.")
        if not float(self.background_label).is_integer():
            raise ValueError(f"background_label is a whole number, got {self.background_label}")

    def _on_grid(self, shape: tuple[int, int, int], affine: np.ndarray) -> _Atlas:
        """Labels and mask on a grid, resampled from their own where they are on another."""
        source, background = self._source, int(self.background_label)
        may = self.resampling_target == "data"
        labels = labels_on_grid(
            source.labels, source.affine, shape, affine, background=background, may_resample=may
        )
        ids = source.ids[np.isin(source.ids, labels)]
        if not ids.size:
            raise ValueError("No label left after resampling the label image to the data image.")
        lost = set(source.ids.tolist()) - set(ids.tolist())
        if lost:
            warnings.warn(
                "After resampling the label image to the data image, the following labels were "
                f"removed: {lost}. Label image only contains {np.unique(labels).size} labels "
                "(including background).",
                stacklevel=4,
            )
        mask = None
        if self._mask is not None:
            mask = labels_on_grid(*self._mask, shape, affine, may_resample=may, name="mask") > 0
            if not np.any(labels[mask] != background):
                raise ValueError("No label left after applying mask to the label image.")
        return _Atlas(labels, mask, affine, ids)

    def _describe_columns(self, atlas: _Atlas) -> None:
        self.n_elements_ = int(atlas.ids.size)
        self.region_ids_ = dict(enumerate(atlas.ids.tolist()))
        self.region_names_ = {k: self._names[one] for k, one in self.region_ids_.items()}


class _ManyRuns:
    """Transforming a list of runs one by one.

    A class of its own, so that scikit-learn's `set_output` wraps the table of each run, which
    `NiftiLabelsMasker.transform` returns, and not the list of them.
    """

    def transform(
        self, imgs: Any, confounds: Any = None, sample_mask: Any = None
    ) -> np.ndarray | list[np.ndarray]:
        """Extract and clean the signals of a list of runs, or of one; see `transform_imgs`.

        For a single run, confounds and sample mask are those of `transform_single_imgs`, or
        lists of one entry.
        """
        if isinstance(imgs, (list, tuple)):
            return self.transform_imgs(imgs, confounds=confounds, sample_mask=sample_mask)
        if isinstance(confounds, list):
            confounds = _one_per_run("confounds", confounds, 1)[0]
        if isinstance(sample_mask, list):
            sample_mask = _one_per_run("sample_mask", sample_mask, 1)[0]
        return super().transform(imgs, confounds, sample_mask)  # type: ignore[misc]

    def transform_imgs(
        self,
        imgs_list: Sequence[Image],
        confounds: Sequence[Any] | None = None,
        n_jobs: int = 1,
        sample_mask: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        """Extract and clean the signals of several runs.

        Parameters
        ----------
        imgs_list : list of paths and nibabel images
        confounds, sample_mask : list, optional
            One entry for each run, as for `transform_single_imgs`; None among them is allowed.
        n_jobs
            Number of runs read at the same time, in threads; -1 for one per processor.

        Returns
        -------
        list of arrays of shape (n_kept, n_elements_)
        """
        n = len(imgs_list)
        tables = _one_per_run("confounds", confounds, n)
        masks = _one_per_run("sample_mask", sample_mask, n)
        one_run = delayed(super().transform)  # type: ignore[misc]
        workers = Parallel(n_jobs=n_jobs, prefer="threads")
        return list(workers(one_run(*run) for run in zip(imgs_list, tables, masks, strict=True)))


class MultiNiftiLabelsMasker(_ManyRuns, NiftiLabelsMasker):  # type: ignore[misc]
    """Regional signals of several runs: for each a column for each label of a label image.

    Parameters and attributes are those of `NiftiLabelsMasker`; `transform` takes a list of runs
    and returns a list.
    """


def _one_per_run(what: str, values: Sequence[Any] | None, n_runs: int) -> Sequence[Any]:
    if values is None:
        return [None] * n_runs
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{what} is a list, one entry for each run; got {type(values).__name__}")
    n_given = len(values)
    if n_given != n_runs:
        raise ValueError(f"number of {what} ({n_given}) unequal to number of images ({n_runs})")
    return values


def _read_labels(image: Image, background: int) -> tuple[Volumes, np.ndarray]:
    """Read a label image as int64, NaN and infinity as background."""
    volumes, values = read_volume(image)
    finite = np.isfinite(values)
    if not finite.all():
        found = f"{volumes.name}: Non-finite values detected in the label image"
        warnings.warn(f"{found}; they count as background.", stacklevel=4)
        values = np.where(finite, values, background)
    return volumes, exact_labels(values, volumes.name)


def _image(values: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """Image of whole numbers, in the type that most programs read wherever they fit into it."""
    narrow = values.astype(np.int32)
    stored = narrow if np.array_equal(narrow, values) else values
    return nib.Nifti1Image(stored, affine, dtype=stored.dtype)


def _read_mask(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Read a mask as (array of 0 and 1, affine); NaN counts as outside."""
    volumes, values = read_volume(image)
    return ((values != 0) & ~np.isnan(values)).astype(np.uint8), volumes.affine


def _region_names(ids: np.ndarray, labels: list[str] | None) -> dict[int, str]:
    """Name of each label, in the order of their values."""
    if labels is None:
        return {one: str(one) for one in ids.tolist()}
    if not isinstance(labels, (list, tuple)) or not all(isinstance(one, str) for one in labels):
        raise TypeError(f"'labels' is a list of names, got {labels!r}")
    names = [one for one in labels if one.lower() != "background"]
    if len(names) != ids.size:
        found = f"names in 'labels' ({len(names)}) and regions in the label image ({ids.size})"
        raise ValueError(f"Mismatch between the number of {found}, background left out.")
    return dict(zip(ids.tolist(), names, strict=True))


def _read_confounds(confounds: Any) -> np.ndarray:
    """Confounds as a float64 array, from a path, a table or anything like an array."""
    where = "confounds"
    if isinstance(confounds, (str, os.PathLike)):
        where = os.fspath(confounds)
        separator = "\t" if where.lower().endswith(".tsv") else None
        # Read without a header first: then a header shows as text in the first row.
        confounds = pd.read_csv(where, sep=separator, header=None, dtype=str, engine="python")
        if pd.to_numeric(confounds.iloc[0], errors="coerce").isna().all():
            confounds = confounds.iloc[1:]
    try:
        return np.asarray(confounds, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{where}: confounds are numbers ({error})") from error
