"""Which volumes of a run are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def boolean_mask(sample_mask: ArrayLike | None, n_volumes: int) -> np.ndarray | None:
    """Turn a sample mask in either of its forms into a boolean vector.

    Parameters
    ----------
    sample_mask
        One boolean for each volume, or the indices of the kept ones in ascending order. None
        stays None.
    n_volumes
        Length of the run.

    Raises
    ------
    ValueError
        If it is neither of the two, or does not fit the run.
    """
    if sample_mask is None:
        return None
    given = np.asarray(sample_mask)
    if given.dtype == bool:
        return check_sample_mask(given, n_volumes)
    keep = np.zeros(n_volumes, dtype=bool)
    if not given.size:
        return check_sample_mask(keep, n_volumes)
    if given.ndim != 1 or given.dtype.kind not in "iu" or np.any(given[1:] <= given[:-1]):
        raise ValueError(
            "a sample mask is a vector of booleans, or of indices in ascending order, "
            f"each once; found {given.dtype} of shape {given.shape}"
        )
    if given[0] < 0 or given[-1] >= n_volumes:
        raise ValueError(
            f"sample mask indices run from 0 to {n_volumes - 1}, found {given[0]} to {given[-1]}"
        )
    keep[given] = True
    return keep


def check_sample_mask(sample_mask: np.ndarray | None, n_volumes: int) -> np.ndarray:
    """Boolean vector of the kept volumes, of which there is at least one."""
    if sample_mask is None:
        keep = np.ones(n_volumes, dtype=bool)
    else:
        keep = np.asarray(sample_mask)
        if keep.dtype != bool or keep.shape != (n_volumes,):
            raise ValueError(
                f"the sample mask is a boolean vector of {n_volumes} volumes, "
                f"found {keep.dtype} of shape {keep.shape}"
            )
    if not keep.any():
        raise ValueError(f"no volume is kept: the sample mask censors all {n_volumes}")
    return keep
