"""What the maskers do as nilearn 0.14.1 does it, where our own do it otherwise.

The classes here are no transformers of scikit-learn, so that `set_output` wraps the tables that
`transform` returns, and neither lists of them nor the same table twice.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from joblib import Memory
from nibabel.spatialimages import SpatialImage
from sklearn.utils._set_output import _get_output_config

from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space
from bids_labelx.masker.images import mask_image
from bids_labelx.masker.inputs import is_confounds, is_one_run
from bids_labelx.masker.run import RunSignals

# Types of parameters, which are looked at in `fit`.
_NUMBER = (float, int, np.floating, np.integer, type(None))
_TYPES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("detrend", (bool,)),
    ("standardize_confounds", (bool,)),
    ("keep_masked_labels", (bool,)),
    ("keep_masked_maps", (bool,)),
    ("low_pass", _NUMBER),
    ("high_pass", _NUMBER),
    ("t_r", _NUMBER),
    ("smoothing_fwhm", _NUMBER),
    ("memory", (str, os.PathLike, Memory, type(None))),
    ("memory_level", (int, np.integer)),
    ("n_jobs", (int, np.integer)),
    ("verbose", (bool, int, np.integer)),
)
_STANDARDIZE = ("zscore_sample", "psc", True, False, None)
_ENGINES = ("matplotlib", "brainsprite")


class OneRun:
    """Calls and warnings of nilearn's maskers of a single run.

    Attributes
    ----------
    _WHAT
        What is resampled at transform time, for a warning.
    """

    _WHAT = ""

    def fit(self, imgs: Any = None, y: None = None) -> Any:  # noqa: ARG002
        """Check the parameters and prepare for the space of images.

        Parameters
        ----------
        imgs : path, nibabel image or list of 3D ones, optional
            Images on the grid of those to transform.
        y : None
            Not used.
        """
        for name, types in _TYPES:
            if hasattr(self, name) and not isinstance(getattr(self, name), types):
                kinds = ", ".join(one.__name__ for one in types)
                found = type(getattr(self, name)).__name__
                raise TypeError(f"'{name}' must be of type(s): {kinds}. Got: {found}")
        if self.standardize not in _STANDARDIZE:  # type: ignore[attr-defined]
            raise ValueError(
                f"'standardize' must be one of {_STANDARDIZE}. Got: {self.standardize!r}"  # type: ignore[attr-defined]
            )
        for name in ("labels_img", "maps_img", "mask_img"):
            if isinstance(image := getattr(self, name, None), (str, os.PathLike)):
                _check_images(image)
        if imgs is not None:
            imgs = _check_images(imgs)
        self._warn_of_level()
        return super().fit(imgs)  # type: ignore[misc]

    def transform(self, imgs: Any, confounds: Any = None, sample_mask: Any = None) -> Any:
        """Extract and clean the signals of images.

        Parameters
        ----------
        imgs : path, nibabel image or list of 3D ones
            4D; or 3D, which gives an array of shape (n_elements_,).
        confounds : array, DataFrame, path or list, optional
            Regressed out of the signals.
        sample_mask : array or list, optional
            The volumes to keep.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        if not isinstance(imgs, RunSignals):
            imgs = _check_images(imgs)
            self._warn_at_transform()
        return super().transform(imgs, confounds, sample_mask)  # type: ignore[misc]

    def fit_transform(
        self,
        imgs: Any,
        y: Any = None,
        confounds: Any = None,
        sample_mask: Any = None,
    ) -> Any:
        """Fit to images, then extract and clean their signals; `y` is not used."""
        _warn_of_target(y)
        return self.fit(imgs).transform(imgs, confounds=confounds, sample_mask=sample_mask)

    def inverse_transform(self, signals: Any) -> Any:
        """Give every voxel the signals of its columns, and 0 to those without one.

        Parameters
        ----------
        signals : array or data frame of shape (n_elements_,) or (n_volumes, n_elements_)
            A data frame of one row gives a 3D image, as an array of one dimension does.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        frame = hasattr(signals, "to_numpy")
        values = np.atleast_1d(signals.to_numpy().squeeze() if frame else np.asarray(signals))
        if values.dtype == bool:
            kind = np.dtype(np.int32)
            warnings.warn(f"Casting boolean input to {kind}", stacklevel=2)
            values = values.astype(kind)
        image = super().inverse_transform(values)  # type: ignore[misc]
        return _as_type(image, _target(values.dtype, self.dtype))  # type: ignore[attr-defined]

    def generate_report(
        self,
        engine: str = "matplotlib",
        title: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> Any:
        """Make a page with the regions over the mean image, their table, and the parameters.

        Parameters
        ----------
        engine
            Another one than ``matplotlib`` is ignored, with a warning.
        title
            Heading of the page; the name of the class unless given.
        **kwargs
            Not used.
        """
        if engine not in _ENGINES:
            raise ValueError(f"'engine' must be one of {_ENGINES}. Got: {engine!r}")
        for text in self._lacking():
            warnings.warn(text, stacklevel=2)
        return super().generate_report(engine=engine, title=title)  # type: ignore[misc]

    def _lacking(self) -> list[str]:
        """What a report does not show, and why."""
        fitted = self.__sklearn_is_fitted__()  # type: ignore[attr-defined]
        told = [] if fitted else ["This estimator has not been fit yet."]
        if not self.reports:  # type: ignore[attr-defined]
            return [*told, "\nReport generation not enabled!\nNo visual outputs created."]
        if fitted and self._report_images is None:  # type: ignore[attr-defined]
            kind = type(self).__name__
            told.append(f"No image provided to fit in {kind}: the regions have no background.")
        return told

    def _warn_at_transform(self) -> None:
        if self.standardize in (True, False):  # type: ignore[attr-defined]
            warnings.warn(
                "boolean values for 'standardize' will be deprecated in nilearn 0.15.0.\nUse "
                "'zscore_sample' instead of 'True' or use 'None' instead of 'False'.",
                FutureWarning,
                stacklevel=5,
            )
        if text := self._told_of_kept():
            warnings.warn(text, FutureWarning, stacklevel=5)

    def _told_of_kept(self) -> str:
        """The warning that masked regions keep a column; empty where they do not."""
        return ""

    def _warn_of_level(self) -> None:
        given = self._checked_memory().location is not None  # type: ignore[attr-defined]
        if self.memory_level == 0 and given:  # type: ignore[attr-defined]
            warnings.warn(
                "memory_level is currently set to 0 but a Memory object has been provided: "
                "nothing is cached.",
                stacklevel=3,
            )

    def _fit_to(self, data: RunData | None) -> tuple[Space | None, np.ndarray, list[str]]:
        fitted: tuple[Space | None, np.ndarray, list[str]] = super()._fit_to(data)  # type: ignore[misc]
        mask = self._recipe.mask  # type: ignore[attr-defined]
        if data is None and mask is not None and getattr(self, "resampling_target", "") == "data":
            # It is resampled to the images, which are not known yet.
            self.mask_img_ = mask_image(*mask)
        return fitted

    def _run(self, imgs: Any, confounds: Any, sample_mask: Any) -> RunSignals:
        """Extract one run, with a warning where something is resampled for the first time."""
        result: RunSignals = super()._run(imgs, confounds, sample_mask)  # type: ignore[misc]
        told = self._resampled(imgs)
        return replace(result, messages=(told, *result.messages)) if told else result

    def _resampled(self, imgs: Any) -> str:
        target = getattr(self, "resampling_target", None)
        if target in (None, "mask") or open_run_data(imgs).space.same(self._space):  # type: ignore[attr-defined]
            return ""
        if target == "data":
            return (
                f"Resampling {self._WHAT} at transform time. To avoid this warning, give the "
                "images to transform to fit() first, or call fit_transform()."
            )
        return (
            "Resampling images at transform time. To avoid this warning, resample the images "
            "beforehand or set resampling_target to 'data'."
        )

    def _volume_signals(self, signals: np.ndarray) -> np.ndarray:
        """Signals of a 3D image as a vector, unless they become a data frame."""
        plain = _get_output_config("transform", self)["dense"] == "default"
        return signals.squeeze() if plain else signals


class ManyRuns:
    """Calls of nilearn's maskers of several runs; the class of one run comes behind it."""

    def fit(self, imgs: Any = None, y: None = None) -> Any:
        """Check the parameters and prepare for the space of the first run.

        Parameters
        ----------
        imgs : list of paths and nibabel images, or one of them, optional
        y : None
            Not used.
        """
        if imgs is not None and not is_one_run(imgs):
            imgs = [_check_images(one) for one in imgs]
        self._runs_of_fit = len(imgs) if isinstance(imgs, list) else 1
        return super().fit(imgs, y)  # type: ignore[misc]

    def _lacking(self) -> list[str]:
        told: list[str] = super()._lacking()  # type: ignore[misc]
        if self.reports and getattr(self, "_runs_of_fit", 1) > 1:  # type: ignore[attr-defined]
            told.append(
                "A list of 4D subject images were provided to fit. Only first subject is shown in "
                "the report."
            )
        return told

    def transform(self, imgs: Any, confounds: Any = None, sample_mask: Any = None) -> Any:
        """Extract and clean the signals of a list of runs, or of one.

        Parameters
        ----------
        imgs : list of paths and nibabel images, or one of them
        confounds : list, optional
            One entry for each run.
        sample_mask : list, optional
            One entry for each run.
        """
        self._check_fitted()  # type: ignore[attr-defined]
        for name, value in {"confounds": confounds, "sample_mask": sample_mask}.items():
            if value is not None and not isinstance(value, list):
                kind = type(value).__name__
                raise TypeError(f"'{name}' must be a None or a list. Got {kind}.")
        if not is_one_run(imgs):
            imgs = [_check_images(one) for one in imgs]
            self._warn_at_transform()  # type: ignore[attr-defined]
        return super().transform(imgs, confounds, sample_mask)  # type: ignore[misc]

    def fit_transform(
        self,
        imgs: Any,
        y: Any = None,
        confounds: Any = None,
        sample_mask: Any = None,
        **fit_params: Any,
    ) -> Any:
        """Fit to a list of runs, then extract and clean their signals; `y` is not used."""
        _warn_of_target(y)
        imgs = imgs if is_one_run(imgs) else list(imgs)
        fitted = self.fit(imgs, y=y, **fit_params)
        return fitted.transform(imgs, confounds=confounds, sample_mask=sample_mask)


def _check_images(images: Any) -> Any:
    """Images, of which a path with wildcards is a list.

    Raises
    ------
    TypeError, ValueError
        Where it is no image nor a list of them, there is no such file, or an image has no voxel.
    """
    if isinstance(images, (str, os.PathLike)):
        name = os.fspath(images)
        if Path(name.partition("#")[0]).is_file():
            return images
        found = sorted(glob(name)) if has_magic(name) else []  # noqa: PTH207
        if not found:
            raise ValueError(f"File not found: {name!r}")
        return found
    if isinstance(images, SpatialImage):
        if not np.prod(images.shape):
            raise ValueError("The image is empty.")
        return images
    several = isinstance(images, Iterable) and not hasattr(images, "mesh")
    if not several or isinstance(images, (np.ndarray, pd.DataFrame, dict)):
        if isinstance(images, nib.Cifti2Image):
            return images
        raise TypeError(
            "input should be a NiftiLike object or an iterable of NiftiLike object. Got: "
            f"{type(images).__name__}"
        )
    return [_check_images(one) for one in images]


def _warn_of_target(y: Any) -> None:
    """Say that what looks like confounds, as in scripts for older releases, is not used."""
    if is_confounds(y):
        warnings.warn(
            "the second argument of fit_transform is a target, which is not used, and nothing is "
            "regressed out; give confounds by name: confounds=…",
            stacklevel=3,
        )


def _target(given: np.dtype, wanted: Any) -> np.dtype:
    """The type of an image, by that of the signals and the parameter `dtype`."""
    if wanted is None:
        return given
    if isinstance(wanted, str) and wanted == "auto":
        return np.dtype(np.int32 if given.kind == "i" else np.float32)
    return np.dtype(wanted)


def _as_type(image: Any, kind: np.dtype) -> Any:
    """The image with values of a type; CIFTI-2 images stay as they are."""
    if not isinstance(image, nib.Nifti1Image):
        return image
    values = np.asarray(image.dataobj).astype(kind)
    if kind == np.int64:
        warnings.warn("data has been converted to int32.", stacklevel=3)
        values = values.astype(np.int32)
    converted = nib.Nifti1Image(values, image.affine, dtype=values.dtype)
    converted.set_data_dtype(kind)
    return converted
