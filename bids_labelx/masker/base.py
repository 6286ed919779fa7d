"""Shared fit, transform and inverse transform of the maskers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bids_labelx.extraction.formats import Image, open_run_data
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.regions import STATISTICS, find_regions
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.standardize import STANDARDIZE, Standardize
from bids_labelx.masker.grayordinates import (
    check_kind,
    check_options,
    cifti_image,
    seconds_per_volume,
)
from bids_labelx.masker.images import SpaceImage, labels_image, mask_image, signals_image
from bids_labelx.masker.inputs import (
    is_3d,
    label_table,
    load_confounds,
    load_labels_img,
    load_mask_img,
    positional,
)
from bids_labelx.masker.run import (
    Recipe,
    RunSignals,
    extract_run,
    file_token,
    lay_labels,
    missing_message,
)

if TYPE_CHECKING:
    from bids_labelx.report.masker import MaskerReport

_TARGETS = ("data", "labels", None)
_CLEAN = "clean__"
_BUTTERWORTH = "butterworth__"


class BaseMasker(TransformerMixin, BaseEstimator):
    """Shared fit and transform; subclasses define `__init__`, which names their parameters."""

    labels_img: Image
    labels: list[str] | None
    background_label: int | float
    mask_img: Image | None
    smoothing_fwhm: Any
    standardize: Standardize
    standardize_confounds: bool
    high_variance_confounds: bool
    detrend: bool
    low_pass: float | None
    high_pass: float | None
    t_r: float | None
    dtype: Any
    resampling_target: Literal["data", "labels"] | None
    memory: Any
    memory_level: int
    verbose: int
    strategy: str
    reports: bool
    lut: Any
    lost_labels: Literal["nan"] | None
    cmap: Any

    def _store(self, parameters: dict[str, Any]) -> None:
        """Keep the constructor's arguments as they are; only `resampling_target` is checked."""
        parameters.pop("self")
        parameters.pop("__class__", None)
        extra = parameters.pop("kwargs")
        for name in extra:
            if not name.startswith(_CLEAN):
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}")
        for name, value in {**parameters, **extra}.items():
            setattr(self, name, value)
        self._check_target()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those that begin with ``clean__`` included."""
        extra = {name: value for name, value in vars(self).items() if name.startswith(_CLEAN)}
        return {**super().get_params(deep), **extra}

    def set_params(self, **params: Any) -> BaseMasker:
        """Set parameters by name, those that begin with ``clean__`` included."""
        for name in [name for name in params if name.startswith(_CLEAN)]:
            setattr(self, name, params.pop(name))
        super().set_params(**params)
        return self

    def fit(self, imgs: Any = None, y: None = None) -> BaseMasker:  # noqa: ARG002
        """Check the parameters, read the labels and resample them to the images' grid.

        Parameters
        ----------
        imgs : path, nibabel image or list of 3D ones, optional
            Images on the grid of those to transform; also drawn in the report.

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, labels are not whole numbers or their names do not fit them,
            no label is left, grids differ with ``resampling_target=None``, meshes differ, or one
            is a volume and another is on grayordinates.
        """
        self._recipe = recipe = self._make_recipe()
        space, name = recipe.labels_space, "labels_img"
        self._step = self.t_r
        if imgs is not None:
            series = cifti_image(imgs)
            data = open_run_data(imgs if series is None else series)
            check_kind(data, space)
            if self.t_r is None and series is not None:
                self._step = seconds_per_volume(series)
            if self.resampling_target != "labels":
                space, name = data.space, data.name
        labelled = lay_labels(recipe, space, name)
        self._messages: list[str] = []
        self._tell([missing_message(self._recipe, labelled)], stacklevel=3)
        self._report_images = imgs if self.reports else None
        self._labelled = labelled
        regions, background = self.lut_.iloc[1:], recipe.background
        self.labels_img_ = labels_image(labelled.labels, space, regions, background)
        self.region_atlas_ = labels_image(labelled.masked, space, regions, background)
        self.mask_img_ = None if labelled.mask is None else mask_image(labelled.mask, space)
        self._describe_columns(self._recipe.columns(labelled))
        return self

    def transform(
        self, imgs: Any, confounds: Any = None, sample_mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Extract and clean the signals of one run; see `transform_single_imgs`."""
        return self.transform_single_imgs(imgs, confounds, sample_mask)

    def transform_single_imgs(
        self, imgs: Any, confounds: Any = None, sample_mask: ArrayLike | None = None
    ) -> np.ndarray:
        """Extract and clean the signals of one run.

        Parameters
        ----------
        imgs : path, nibabel image, or list of 3D ones
            4D, or 3D for a single volume; or a CIFTI-2 series (``.dtseries.nii``) where the labels
            are on grayordinates.
        confounds : array of shape (n_volumes, n_confounds), DataFrame, path or list, optional
            Regressed out of the signals. A file is a table with tabs, commas or semicolons; the
            columns of a list are joined.
        sample_mask : array, optional
            The volumes to keep: one boolean for each, or the indices of those kept.

        Returns
        -------
        array of shape (n_kept, n_elements_)

        Raises
        ------
        NotFittedError, ValueError
            If `fit` was not called; if confounds or sample mask do not fit the run, or the
            labels not its grid.

        Warns
        -----
        UserWarning
            If labels are lost in resampling or labelled voxels are not finite, which counts as 0.
            On grayordinates, what is not finite takes no part, and a label without data is NaN.
        DeprecationWarning
            If the image is 3D: it gives an array of shape (1, n_elements_), where newer releases
            of nilearn give a vector.
        """
        self._check_fitted()
        result = imgs if isinstance(imgs, RunSignals) else self._run(imgs, confounds, sample_mask)
        self._tell(result.messages, stacklevel=4)
        self._describe_columns(result.columns)
        return result.signals

    def fit_transform(
        self,
        imgs: Any,
        *given: Any,
        y: Any = None,  # noqa: ARG002
        confounds: Any = None,
        sample_mask: Any = None,
    ) -> np.ndarray:
        """Fit to images, then extract and clean their signals.

        Besides the images it takes ``confounds`` and ``sample_mask``, by position in this order
        or by name, and scikit-learn's target, which is not used. The second positional argument
        is a target where it has one value per row, and confounds otherwise.
        """
        named = {"confounds": confounds, "sample_mask": sample_mask}
        return self.fit(imgs).transform(imgs, *positional(given, named))

    def inverse_transform(self, signals: ArrayLike) -> SpaceImage:
        """Give every voxel or vertex the signal of its region, and 0 outside regions and mask.

        Parameters
        ----------
        signals : array of shape (n_elements_,) or (n_volumes, n_elements_)

        Returns
        -------
        nibabel.Nifti1Image or nibabel.Cifti2Image
            3D or 4D, on the grid of `labels_img_`; or dense scalars or a dense series on its
            grayordinates, with rows `t_r` apart, else as far as in the series given to `fit`,
            else 1 s.
        """
        self._check_fitted()
        columns = np.asarray(signals, dtype=np.float64)
        ids = self._recipe.columns(self._labelled)
        if columns.ndim not in (1, 2) or columns.shape[-1] != ids.size:
            raise ValueError(f"signals need {ids.size} columns, found the shape {columns.shape}")
        space = self._labelled.space
        regions = find_regions(self._labelled.labels, ids, self._labelled.mask)
        values = np.zeros((space.n_elements, *columns.shape[:-1]))
        values[regions.elements] = columns.T[regions.columns]
        return signals_image(values, space, self._step)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Names of the columns; `input_features` is not used, scikit-learn wants it."""
        self._check_fitted()
        return np.array(list(self.region_names_.values()), dtype=object)

    def generate_report(self) -> MaskerReport:
        """Make a page with the regions over the mean image, their table, and the parameters.

        Of surfaces there is no figure. Before `fit`, or with ``reports=False``, the page says what
        is missing instead.
        """
        from bids_labelx.masker.page import make_page

        kind = type(self).__name__
        fitted, note = hasattr(self, "labels_img_"), None
        if not fitted:
            note = f"This {kind} has not been fitted: there is nothing to show yet."
        elif not self.reports:
            note = "No report was kept, as the masker was made with reports=False."
        shown = fitted and self.reports
        return make_page(
            kind,
            self.get_params(),
            labelled=self._labelled if shown else None,
            table=self.lut_.iloc[1:] if shown else None,
            images=self._report_images if shown else None,
            warnings=self._messages if fitted else [],
            note=note,
            cmap=self.cmap,
        )

    def _run(self, imgs: Any, confounds: Any, sample_mask: Any) -> RunSignals:
        """Extract and clean one run, or take the result from the cache."""
        if self.verbose > 0:
            print(f"{type(self).__name__}: {open_run_data(imgs).name}")
        table = load_confounds(confounds)
        extracted: RunSignals = self._cached()(
            imgs, file_token(imgs), table, sample_mask, self._recipe
        )
        if isinstance(self._recipe.labels_space, VolumeGrid) and is_3d(imgs):
            warnings.warn(
                "A 3D image gives an array of shape (1, n_elements_); starting in version 0.12, "
                "nilearn returns a 1D array for 3D inputs.",
                DeprecationWarning,
                stacklevel=4,
            )
        return extracted

    def _cached(self) -> Any:
        memory = self.memory
        if not hasattr(memory, "cache"):
            memory = Memory(location=memory, verbose=0)
        return memory.cache(extract_run) if self.memory_level > 0 else extract_run

    def _check_fitted(self) -> None:
        check_is_fitted(self, "labels_img_", msg="%(name)s has not been fitted. Call fit() first.")

    def _check_target(self) -> None:
        if self.resampling_target not in _TARGETS:
            raise ValueError(
                f"invalid value for 'resampling_target': {self.resampling_target!r}. "
                f"Valid ones are {_TARGETS}."
            )

    def _make_recipe(self) -> Recipe:
        """Read labels, names and mask; check every parameter."""
        self._check_target()
        if self.strategy not in STATISTICS:
            raise ValueError(f"Invalid strategy '{self.strategy}'. Valid ones are {STATISTICS}.")
        standards = (*STANDARDIZE, True, False, None)
        for name, known in {"standardize": standards, "lost_labels": (None, "nan")}.items():
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise ValueError(f"invalid value for '{name}': {value!r}. Valid ones are {known}.")
        if not float(self.background_label).is_integer():
            raise ValueError(f"background_label is a whole number, got {self.background_label}")
        background = int(self.background_label)
        labels, space, own = load_labels_img(self.labels_img, background)
        mask = None if self.mask_img is None else load_mask_img(self.mask_img)
        check_options(
            space, None if mask is None else mask[1], self.smoothing_fwhm, self.resampling_target
        )
        present = np.setdiff1d(labels, [background])
        self.lut_ = label_table(present, background, self.labels, self.lut, own)
        listed = self.lut_["index"].to_numpy(np.int64)[1:]
        dtype = self.dtype if self.dtype in (None, "auto") else np.dtype(self.dtype)
        return Recipe(
            labels=labels,
            labels_space=space,
            known=present,
            ids=listed if self.lost_labels == "nan" else present,
            mask=mask,
            background=background,
            strategy=self.strategy,
            resampling_target=self.resampling_target,
            smoothing_fwhm=None if isinstance(space, Grayordinates) else self.smoothing_fwhm,
            dtype=dtype,
            high_variance_confounds=self.high_variance_confounds,
            lost_labels=self.lost_labels,
            cleaning=self._cleaning(),
        )

    def _cleaning(self) -> dict[str, Any]:
        """Keyword arguments of `clean`, those after ``clean__`` included."""
        extra = {
            name.removeprefix(_CLEAN): value
            for name, value in vars(self).items()
            if name.startswith(_CLEAN)
        }
        butterworth = {
            name.removeprefix(_BUTTERWORTH): extra.pop(name)
            for name in list(extra)
            if name.startswith(_BUTTERWORTH)
        }
        filtered = self.low_pass is not None or self.high_pass is not None
        return {
            "t_r": self.t_r,
            "filter": "butterworth" if filtered else None,
            "low_pass": self.low_pass,
            "high_pass": self.high_pass,
            "detrend": self.detrend,
            "standardize": self.standardize,
            "standardize_confounds": self.standardize_confounds,
            "butterworth": butterworth or None,
            **extra,
        }

    def _describe_columns(self, columns: np.ndarray) -> None:
        names = dict(zip(self.lut_["index"], self.lut_["name"], strict=True))
        self.n_elements_ = int(columns.size)
        ids: dict[Any, int] = dict(enumerate(columns.tolist()))
        self.region_ids_ = {"background": self._recipe.background, **ids}
        self.region_names_ = {k: names[one] for k, one in ids.items()}

    def _tell(self, messages: Iterable[str], *, stacklevel: int) -> None:
        """Warn, and remember for the report."""
        for text in filter(None, messages):
            warnings.warn(text, stacklevel=stacklevel)
            if text not in self._messages:
                self._messages.append(text)
