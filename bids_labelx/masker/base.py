"""What all maskers share: parameters, cleaning, cache, one run, and their order of calls."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bids_labelx.extraction.formats import Image, open_run_data
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space
from bids_labelx.extraction.standardize import STANDARDIZE, Standardize
from bids_labelx.masker.clean_args import CLEAN, checked_clean_args, cleaning_of
from bids_labelx.masker.confounds import load_confounds
from bids_labelx.masker.grayordinates import cifti_image, seconds_per_volume
from bids_labelx.masker.images import SpaceImage, signals_image
from bids_labelx.masker.inputs import file_name, is_3d, load_mask_img, one_mask, positional
from bids_labelx.masker.run import Recipe, RunSignals, extract_run, file_token
from bids_labelx.masker.tags import MaskerInputTags

if TYPE_CHECKING:
    from bids_labelx.report.masker import MaskerReport


class BaseMasker(TransformerMixin, BaseEstimator, ABC):
    """Shared fit and transform of the maskers.

    A kind of masker defines `__init__`, which names the parameters and calls `_store`, and

    - `_make_recipe`: checks the parameters and reads what signals are extracted with
    - `_fit_to`: lays that out in the space of the images, and sets the attributes
    - `_describe_columns`: sets `n_elements_` and what names the columns
    - `_spread`: gives the elements of the space the signals of their columns
    - `_page_parts`: what the report shows

    Attributes
    ----------
    _TARGETS
        The values that `resampling_target` may have; empty where there is no such parameter.
    """

    _TARGETS: ClassVar[tuple[str | None, ...]] = ()

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
    memory: Any
    memory_level: int
    verbose: int
    reports: bool
    cmap: Any
    clean_args: dict[str, Any] | None

    n_elements_: int
    region_names_: dict[int, str]
    _recipe: Recipe
    _space: Space | None
    _columns: np.ndarray
    _step: float | None
    _messages: list[str]

    @abstractmethod
    def _make_recipe(self) -> Recipe:
        """Check every parameter, and read the files among them."""

    @abstractmethod
    def _fit_to(self, data: RunData | None) -> tuple[Space | None, np.ndarray, list[str]]:
        """Lay out what signals are extracted with, and set the attributes.

        Returns the space of the signals if it is known yet, what each column is of, and texts of
        warnings.
        """

    @abstractmethod
    def _describe_columns(self, columns: np.ndarray) -> None:
        """Set the attributes about columns, of which each is of a label, map or sphere."""

    @abstractmethod
    def _spread(self, signals: np.ndarray) -> np.ndarray:
        """Values of shape (n_elements, …) out of signals of shape (…, n_elements_)."""

    @abstractmethod
    def _page_parts(self) -> dict[str, Any]:
        """What `bids_labelx.masker.page.make_page` shows of a fitted masker."""

    def _store(self, parameters: dict[str, Any]) -> None:
        """Keep the constructor's arguments as they are; only `resampling_target` is checked."""
        extra = parameters.pop("kwargs")
        for name in extra:
            if not name.startswith(CLEAN):
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}")
        self._keep({**parameters, **extra})
        self._check_target()

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Keep arguments as they are; these are the constructor's local variables."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, those that begin with ``clean__`` included."""
        extra = {name: value for name, value in vars(self).items() if name.startswith(CLEAN)}
        return {**super().get_params(deep), **extra}

    def set_params(self, **params: Any) -> BaseMasker:
        """Set parameters by name, those that begin with ``clean__`` included."""
        for name in [name for name in params if name.startswith(CLEAN)]:
            setattr(self, name, params.pop(name))
        super().set_params(**params)
        return self

    def fit(self, imgs: Any = None, y: None = None) -> BaseMasker:  # noqa: ARG002
        """Check the parameters and prepare for the space of images.

        Parameters
        ----------
        imgs : path, nibabel image or list of 3D ones, optional
            Images on the grid of those to transform; also drawn in the report.

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, or the images and the files among the parameters do not fit
            each other; see the class.
        """
        extra = {k: v for k, v in vars(self).items() if k.startswith(CLEAN)}
        self.clean_args_ = checked_clean_args(self.clean_args, extra)
        self.memory_ = self._checked_memory()
        self._recipe = self._make_recipe()
        self._step, data = self.t_r, None
        if imgs is not None:
            series = cifti_image(imgs)
            data = open_run_data(imgs if series is None else series)
            self._say(f"Loading data from {data.name}")
            if self.t_r is None and series is not None:
                self._step = seconds_per_volume(series)
        self._space, self._columns, messages = self._fit_to(data)
        self._messages = []
        self._tell(messages, stacklevel=3)
        self._report_images = imgs if self.reports else None
        self._describe_columns(self._columns)
        self._say("Finished fit")
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
        sample_mask : array or list, optional
            The volumes to keep: one boolean for each, or the indices of those kept; or a list of
            one such vector.

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
            If labels are missing after resampling or labelled voxels are not finite, which counts
            as 0. On grayordinates, series that are not finite are excluded, and a label without
            data is NaN.
        DeprecationWarning
            If the image is 3D: it gives an array of shape (1, n_elements_), where newer releases
            of nilearn give a vector.
        """
        self._check_fitted()
        result = imgs if isinstance(imgs, RunSignals) else self._run(imgs, confounds, sample_mask)
        self._tell(result.messages, stacklevel=4)
        self._describe_columns(result.columns)
        return self._volume_signals(result.signals) if result.one_volume else result.signals

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
        """Give every voxel or vertex the signals of its columns, and 0 to those without one.

        Parameters
        ----------
        signals : array or data frame of shape (n_elements_,) or (n_volumes, n_elements_)

        Returns
        -------
        nibabel.Nifti1Image or nibabel.Cifti2Image
            3D or 4D, on the grid of `fit`; or dense scalars or a dense series on its
            grayordinates, with rows `t_r` apart, else as far as in the series given to `fit`,
            else 1 s.
        """
        self._check_fitted()
        columns, wanted = np.asarray(signals, dtype=np.float64), self._columns.size
        if columns.ndim not in (1, 2) or columns.shape[-1] != wanted:
            raise ValueError(
                "Input to 'inverse_transform' has wrong shape. Signals need "
                f"{wanted} columns, found the shape {columns.shape}"
            )
        if self._space is None:
            raise ValueError(
                "Please provide mask_img, or images to fit: 'inverse_transform' needs a grid to "
                "put signals on"
            )
        self._say("Computing image from signals")
        return signals_image(self._spread(columns), self._space, self._step)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Names of the columns; `input_features`, for scikit-learn, has no effect."""
        self._check_fitted()
        return np.array(list(self.region_names_.values()), dtype=object)

    def generate_report(
        self, engine: str = "matplotlib", title: str | None = None
    ) -> MaskerReport:
        """Make a page with the regions over the mean image, their table, and the parameters.

        A region clicked in the picture is shown in the table, and the other way round. Of surfaces
        there is no picture. Before `fit`, or with ``reports=False``, the page says what
        is missing instead.

        Parameters
        ----------
        engine
            Accepted for compatibility; another one than ``matplotlib`` is ignored with a warning.
        title
            Heading of the page; the name of the class unless given.
        """
        from bids_labelx.masker.page import make_page

        if engine != "matplotlib":
            warnings.warn(
                f"engine={engine!r} is not available and ignored: the page draws the regions",
                stacklevel=2,
            )
        kind = type(self).__name__
        fitted, note = self.__sklearn_is_fitted__(), None
        if not fitted:
            note = f"This {kind} has not been fitted: there is nothing to show yet."
        elif not self.reports:
            note = "No report was kept, as the masker was made with reports=False."
        shown = {}
        if fitted and self.reports:
            shown = {**self._page_parts(), "images": self._report_images}
        return make_page(
            kind if title is None else title,
            self.get_params(),
            **shown,
            warnings=self._messages if fitted else [],
            note=note,
            cmap=self.cmap,
        )

    def _run(self, imgs: Any, confounds: Any, sample_mask: Any) -> RunSignals:
        """Extract and clean one run, or take the result from the cache."""
        if self.verbose > 0:
            self._say(f"Loading data from {open_run_data(imgs).name}")
        table = load_confounds(confounds)
        self._say("Extracting region signals")
        extracted: RunSignals = self._cached()(
            imgs, file_token(imgs), table, one_mask(sample_mask), self._recipe
        )
        self._say("Cleaning extracted signals")
        one_volume = not isinstance(self._space, Grayordinates) and is_3d(imgs)
        return replace(extracted, one_volume=one_volume)

    def _volume_signals(self, signals: np.ndarray) -> np.ndarray:
        """Give back the signals of a 3D image, of shape (1, n_elements_)."""
        warnings.warn(
            "A 3D image gives an array of shape (1, n_elements_); starting in version 0.12, "
            "nilearn returns a 1D array for 3D inputs.",
            DeprecationWarning,
            stacklevel=4,
        )
        return signals

    def _cached(self) -> Any:
        return self._checked_memory().cache(extract_run) if self.memory_level > 0 else extract_run

    def _checked_memory(self) -> Any:
        memory = self.memory
        return memory if hasattr(memory, "cache") else Memory(location=memory, verbose=0)

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print(f"{type(self).__name__}: {text}")

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags, which say that this is a masker and takes images."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "masker"
        tags.input_tags = MaskerInputTags()
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_elements_")

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def _check_target(self) -> None:
        if self._TARGETS:
            self._check_among("resampling_target", self._TARGETS)

    def _check_among(self, name: str, known: tuple[Any, ...]) -> None:
        """Refuse a value of a parameter that is none of those known."""
        value = getattr(self, name)
        if value not in known:
            raise ValueError(
                f"invalid value for '{name}': {value!r}; '{name}' must be one of {known}"
            )

    def _shared(self) -> dict[str, Any]:
        """The attributes that every `Recipe` has, out of the parameters, which are checked."""
        self._check_target()
        self._check_among("standardize", (*STANDARDIZE, True, False, None))
        if self.dtype in (bool, "bool"):
            raise TypeError("'dtype' cannot be bool")
        return {
            "smoothing_fwhm": self.smoothing_fwhm,
            "dtype": self.dtype if self.dtype in (None, "auto") else np.dtype(self.dtype),
            "high_variance_confounds": self.high_variance_confounds,
            "cleaning": cleaning_of(self),
        }

    def _loaded_mask(self) -> tuple[np.ndarray, Space] | None:
        """Whether each element is inside the mask, and their space; None without a mask."""
        if self.mask_img is None:
            return None
        self._say(f"Loading mask from {file_name(self.mask_img)}")
        return load_mask_img(self.mask_img)

    def _tell(self, messages: Iterable[str], *, stacklevel: int) -> None:
        """Warn, and remember for the report."""
        for text in filter(None, messages):
            warnings.warn(text, stacklevel=stacklevel)
            if text not in self._messages:
                self._messages.append(text)
