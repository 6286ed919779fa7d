"""Extraction and cleaning of one run for a masker, as a function without state.

It runs in the caller's process, in a worker of `n_jobs`, or not at all where joblib has it cached.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nibabel.dataobj_images import DataobjImage
from threadpoolctl import threadpool_limits

from bids_labelx.extraction.clean import clean
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.run_data import Blocks, RunData
from bids_labelx.extraction.sample_mask import boolean_mask
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.extraction.variance import high_variance_confounds
from bids_labelx.masker.confounds import Confounds


@dataclass(frozen=True)
class Extracted:
    """Signals of one run before cleaning.

    Attributes
    ----------
    signals : array of shape (n_volumes, n_columns)
    columns : array of shape (n_columns,)
        What each column is of: a label, or the number of a map or a sphere.
    known : bool array of shape (n_columns,)
        Columns that have values; the others are NaN after cleaning.
    messages
        Texts of warnings for the user; empty ones are ignored.
    """

    signals: np.ndarray
    columns: np.ndarray
    known: np.ndarray
    messages: Iterable[str]


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Extraction and cleaning parameters; subclasses add those of the extraction.

    Attributes
    ----------
    smoothing_fwhm, dtype, high_variance_confounds
        As the masker's parameters.
    cleaning
        Keyword arguments of `bids_labelx.extraction.clean.clean`.
    """

    smoothing_fwhm: Any
    dtype: np.dtype | Literal["auto"] | None
    high_variance_confounds: bool
    cleaning: Mapping[str, Any]

    @abstractmethod
    def extract(self, data: RunData) -> Extracted:
        """Extract the signals of a run whose values have `dtype`.

        Raises
        ------
        OSError, TypeError, ValueError
            Where it cannot be read to its end, or something does not fit it.
        """


@dataclass(frozen=True)
class RunSignals:
    """Signals of one run.

    Attributes
    ----------
    signals : array of shape (n_kept, n_columns)
    columns : array of shape (n_columns,)
        See `Extracted`.
    messages
        Texts of warnings for the user.
    one_volume
        Whether the image was a single volume, in 3D.
    """

    signals: np.ndarray
    columns: np.ndarray
    messages: tuple[str, ...]
    one_volume: bool = False


def extract_run(
    image: Any,
    token: object,  # noqa: ARG001
    confounds: Confounds | None,
    sample_mask: Any,
    recipe: Recipe,
) -> RunSignals:
    """Extract and clean the signals of one run.

    Parameters
    ----------
    image
        Path, nibabel image, or list of 3D ones.
    token
        See `file_token`; part of joblib's cache key.
    confounds
        Table of confounds, or None.
    sample_mask
        Booleans or indices of the volumes to keep, or None.
    recipe
        Extraction and cleaning parameters.

    Raises
    ------
    OSError, TypeError, ValueError
        Where the image cannot be read to its end, or something does not fit it.
    """
    original = open_run_data(image)
    data = _converted(original, recipe.dtype)
    keep = boolean_mask(sample_mask, data.n_volumes)
    regressors = None if confounds is None else confounds.checked(data.n_volumes, keep)
    extracted = recipe.extract(data)
    if recipe.high_variance_confounds:
        own = high_variance_confounds(original)
        regressors = own if regressors is None else np.column_stack([own, regressors])
    known = extracted.known
    # On one thread, the numbers do not depend on the machine's cores; these matrices are small.
    with threadpool_limits(1):
        cleaned = clean(
            extracted.signals[:, known],
            confounds=regressors,
            sample_mask=keep,
            **recipe.cleaning,
        )
    signals = np.full((len(cleaned), known.size), np.nan)
    signals[:, known] = cleaned
    if data.dtype == np.float32 and recipe.dtype is not None:
        signals = signals.astype(np.float32)
    return RunSignals(signals, extracted.columns, tuple(filter(None, extracted.messages)))


def check_space(name: str, own: Space, target: Space) -> None:
    """Refuse a space that is not the target's, where nothing may be resampled."""
    if not target.same(own):
        shapes = isinstance(own, VolumeGrid) and own.shape != getattr(target, "shape", None)
        what = "incompatible shapes" if shapes else "different affine matrices"
        raise ValueError(
            f"Following field of view errors were detected: Images have {what}. The {name} is on "
            f"another grid than the target, and resampling is not allowed:\n{name}: {own}\n"
            f"target: {target}"
        )


def file_token(image: Any) -> object:
    """Path, size and modification time of each file, which change when the file does.

    None for an image in memory, whose content joblib hashes.
    """
    if isinstance(image, (list, tuple)):
        return [file_token(one) for one in image]
    if isinstance(image, DataobjImage):
        image = image.get_filename()
    if not isinstance(image, (str, os.PathLike)) or not Path(image).is_file():
        return None
    status = Path(image).stat()
    return (os.fspath(image), status.st_size, status.st_mtime_ns)


def _converted(data: RunData, dtype: np.dtype | Literal["auto"] | None) -> RunData:
    """Convert values to another type; ``auto`` is int32 for whole numbers, else float32.

    Whole numbers are what an image of integers without scaling holds.
    """
    if dtype is None:
        return data
    discrete = data.dtype.kind in "iub" and not data.scaled
    kind = np.dtype((np.int32 if discrete else np.float32) if dtype == "auto" else dtype)
    if kind == data.dtype and not data.scaled:
        return data

    def converted(blocks: Blocks) -> Blocks:
        for first, raw in blocks:
            yield first, data.scale(raw).astype(kind)

    series = data.read_series
    return replace(
        data.unscaled(dtype=kind, read_blocks=lambda size: converted(data.blocks(size))),
        read_series=None if series is None else lambda: converted(series()),
    )
