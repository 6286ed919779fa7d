"""A run, and what a masker of ours or of nilearn makes of it."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
SHAPE = (6, 7, 8)


def make_run(n_volumes: int = 40, seed: int = 1, dtype: Any = np.float64) -> Any:
    """A run of noise about 100."""
    values = np.random.default_rng(seed).normal(100, 5, (*SHAPE, n_volumes))
    return nib.Nifti1Image(values.astype(dtype), AFFINE, dtype=dtype)


def outcome(kind: str, module: Any, options: dict[str, Any], call: dict[str, Any]) -> Any:
    """Signals and attributes, or the type of the exception; and the warnings."""
    call = dict(call)
    imgs = call.pop("imgs", None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            masker = getattr(module, kind)(**options)
            signals = masker.fit_transform(make_run() if imgs is None else imgs, **call)
        except Exception as error:
            return type(error), None, None
    # nilearn says some things twice.
    heard = {(w.category.__name__, str(w.message).split(".")[0][:50]) for w in told}
    return masker, signals, {one for one in heard if one[0] != "RuntimeWarning"}
