"""What the small runs of the tests are like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

SHAPE = (6, 5, 4)
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -6], [0, 0, 3, -6], [0, 0, 0, 1]])
N_VOLUMES = 40
SPACE = "MNI152NLin2009cAsym"

# Each statistic over the elements of a region, by numpy.
BY_NUMPY: dict[str, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "median": np.median,
    "sum": np.sum,
    "minimum": np.min,
    "maximum": np.max,
    "variance": np.var,
    "standard_deviation": np.std,
}

MOTION = [
    f"{series}{tail}"
    for series in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    for tail in ("", "_derivative1", "_power2", "_derivative1_power2")
]


def confounds_table(rng: np.random.Generator, n_volumes: int = N_VOLUMES) -> pd.DataFrame:
    """A confounds table with what the strategy `simple` wants, but few cosines."""
    columns = [*MOTION, "csf", "white_matter", "cosine00", "framewise_displacement", "std_dvars"]
    # Few columns are independent, so that a short run keeps degrees of freedom.
    base = rng.standard_normal((n_volumes, 8))
    mixed = base @ rng.standard_normal((8, len(columns)))
    table = pd.DataFrame(mixed, columns=columns)
    table[["framewise_displacement", "std_dvars"]] = rng.random((n_volumes, 2))
    table["non_steady_state_outlier00"] = np.eye(n_volumes)[0]
    empty = [c for c in columns if "derivative1" in c or c in columns[-2:]]
    table.loc[0, empty] = np.nan
    return table
