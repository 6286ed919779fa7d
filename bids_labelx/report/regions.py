"""Tables of regions for reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_labelx.report.pages import Table

SIGNIFICANT_DIGITS = 3


def region_table(
    ids: Sequence[int] | NDArray[np.integer],
    names: Sequence[str],
    labels: NDArray[np.integer],
    mask: NDArray[Any] | None,
    affine: NDArray[np.floating],
    lost: Sequence[bool] | NDArray[np.bool_],
) -> pd.DataFrame:
    """Say how large each region is.

    Parameters
    ----------
    ids, names, lost
        Of each region, in the order of the rows: label, name, and whether it has no signal. No
        voxel counts for a lost region.
    labels
        Labels on the grid of the images, shape (x, y, z).
    mask
        Voxels outside of it, where it is zero, do not count; shape (x, y, z).
    affine
        Voxel indices to millimetres, shape (4, 4).

    Returns
    -------
    pandas.DataFrame
        Columns ``index``, ``name``, ``voxels``, ``volume (mm³)``, the share in percent of the
        mask's voxels or, without a mask, of the voxels of all regions, and ``lost``, which is
        "yes" or empty.

    Raises
    ------
    ValueError
        If `ids`, `names` and `lost` are not of one length.
    """
    inside = np.ones(labels.shape, dtype=bool) if mask is None else np.asarray(mask) != 0
    found, counts = np.unique(labels[inside], return_counts=True)
    count_of = dict(zip(found.tolist(), counts.tolist(), strict=True))
    known = np.asarray(ids, dtype=np.int64).tolist()
    if not len(known) == len(names) == len(lost):
        raise ValueError(f"{len(known)} ids, {len(names)} names and {len(lost)} entries in lost")
    voxels = np.array([count_of.get(one, 0) for one in known], dtype=np.int64)
    voxels[np.asarray(lost, dtype=bool)] = 0
    whole = voxels.sum() if mask is None else inside.sum()
    of = "all regions" if mask is None else "the mask"
    return pd.DataFrame(
        {
            "index": known,
            "name": list(names),
            "voxels": voxels,
            "volume (mm³)": voxels * abs(float(np.linalg.det(affine[:3, :3]))),
            f"share of {of} (%)": 100 * voxels / max(whole, 1),
            "lost": ["yes" if gone else "" for gone in lost],
        }
    )


def table_of(regions: pd.DataFrame, caption: str) -> Table:
    """Regions as a page shows them: numbers with three significant digits.

    Parameters
    ----------
    regions
        The columns of `region_table`, and any others.
    caption
        Stands above.
    """
    return Table(
        tuple(str(column) for column in regions.columns),
        tuple(tuple(map(_cell, row)) for row in regions.itertuples(index=False, name=None)),
        caption,
    )


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() or math.isinf(value):
        return f"{value:.0f}"
    # Digits before the point are never rounded away.
    decimals = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"
