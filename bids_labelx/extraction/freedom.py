"""How many independent numbers cleaning leaves in a series."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from bids_labelx.extraction.clean import Cleaner

# Volumes that the operator is applied to at once.
_BLOCK = 256


def effective_degrees_of_freedom(
    cleaner: Cleaner, *, removed: np.ndarray | None = None, rows: np.ndarray | None = None
) -> float:
    """Independent numbers in the kept volumes of a series of white noise, cleaned and centred.

    With A the linear operator from the run's volumes to the kept ones, cleaned and centred, and
    S = A Aᵀ, they are tr(S)² / tr(S²) (Satterthwaite, 1946, Biometrics Bulletin 2, 110-114;
    Worsley & Friston, 1995, doi:10.1006/nimg.1995.1023): n - 1 for n volumes to which nothing is
    done, and always about 1 / var(r) of the correlations r of independent series. A regressor in
    a filter's stop band takes nothing more, and a filter counts by the volumes that are kept.

    Parameters
    ----------
    cleaner
        What cleans the run.
    removed : array of shape (n_volumes, n_components), optional
        Regressors that were taken out of the image before.
    rows : array of indices, optional
        Which of the kept volumes are used, all unless given.

    Returns
    -------
    A number from 1, or 0 where nothing is left but rounding error.
    """
    n_volumes = len(cleaner.keep)
    inside = np.flatnonzero(cleaner.keep[cleaner.rows])
    inside = inside if rows is None else inside[rows]
    squares = np.zeros((len(inside), len(inside)))
    taken = None if removed is None else linalg.orth(removed)
    # A in blocks of columns: a long run has one matrix of n × n numbers in memory, not three.
    for start in range(0, n_volumes, _BLOCK):
        unit = np.eye(n_volumes, min(_BLOCK, n_volumes - start), -start)
        if taken is not None:
            unit -= taken @ (taken.T @ unit)
        block = cleaner.denoised(unit)[inside]
        block -= block.mean(axis=0)
        squares += block @ block.T
    total = float(np.trace(squares))
    if total <= n_volumes * np.finfo(float).eps:
        return 0.0
    return total**2 / float(np.einsum("ij,ij", squares, squares))
