"""Tables of regions for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_labelx.report.pages import Table
from bids_labelx.report.text import as_text


def region_table(
    ids: Sequence[int] | NDArray[np.integer],
    names: Sequence[str],
    labels: NDArray[np.integer],
    mask: NDArray[Any] | None,
    affine: NDArray[np.floating] | None,
    missing: Sequence[bool] | NDArray[np.bool_],
) -> pd.DataFrame:
    """Count the voxels of each region.

    Parameters
    ----------
    ids, names, missing
        Of each region, in the order of the rows: label, name, and whether it has no signal. No
        voxel of a missing region is counted.
    labels
        Labels of the elements of the images, of any shape.
    mask
        Elements where it is zero are not counted; of the same shape.
    affine
        Voxel indices to millimetres, shape (4, 4); None for vertices.

    Returns
    -------
    pandas.DataFrame
        Columns ``index``, ``name``, ``voxels`` and ``volume (mm³)``, or without an affine
        ``vertices and voxels``, the share in percent of the mask's elements or, without a mask,
        of those of all regions, and ``missing``, which is "yes" or empty.

    Raises
    ------
    ValueError
        If `ids`, `names` and `missing` differ in length.
    """
    inside = np.ones(labels.shape, dtype=bool) if mask is None else np.asarray(mask) != 0
    found, counts = np.unique(labels[inside], return_counts=True)
    count_of = dict(zip(found.tolist(), counts.tolist(), strict=True))
    known = np.asarray(ids, dtype=np.int64).tolist()
    if not len(known) == len(names) == len(missing):
        raise ValueError(
            f"{len(known)} ids, {len(names)} names and {len(missing)} entries in missing"
        )
    voxels = np.array([count_of.get(one, 0) for one in known], dtype=np.int64)
    voxels[np.asarray(missing, dtype=bool)] = 0
    whole = voxels.sum() if mask is None else inside.sum()
    of = "all regions" if mask is None else "the mask"
    counted: dict[str, NDArray[Any]] = {"vertices and voxels": voxels}
    if affine is not None:
        volume = voxels * abs(float(np.linalg.det(affine[:3, :3])))
        counted = {"voxels": voxels, "volume (mm³)": volume}
    return pd.DataFrame(
        {
            "index": known,
            "name": list(names),
            **counted,
            f"share of {of} (%)": 100 * voxels / max(whole, 1),
            "missing": ["yes" if one else "" for one in missing],
        }
    )


def table_of(regions: pd.DataFrame, caption: str) -> Table:
    """Make the table of a page from regions; numbers have three significant digits.

    Parameters
    ----------
    regions
        The columns of `region_table`, and any others.
    caption
        Caption of the table.
    """
    return Table(
        tuple(str(column) for column in regions.columns),
        tuple(tuple(map(as_text, row)) for row in regions.itertuples(index=False, name=None)),
        caption,
    )
