"""Small label images and runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from tiny import AFFINE, SHAPE


@pytest.fixture
def labels_img(labels: np.ndarray) -> Any:
    """Labels 2, 5 and 9 in slabs, background in the last."""
    return nib.Nifti1Image(labels, AFFINE)


@pytest.fixture
def make_run() -> Callable[..., Any]:
    """A run of random numbers about 100."""

    def make(n_volumes: int = 20, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        return nib.Nifti1Image(rng.normal(100, 5, (*SHAPE, n_volumes)), AFFINE)

    return make
