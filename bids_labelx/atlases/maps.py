"""Atlases of maps: a 4D image with a map in each volume, and its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.atlases.tables import read_table
from bids_labelx.errors import BadDataError
from bids_labelx.images import open_image

# No index is below 0: of maps there is no background.
_NO_BACKGROUND = -1


def read_map_table(image: Path, table_path: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of an atlas of maps, and the volume of each row.

    Rows are matched with volumes by their index, which counts these from 0 or from 1. Without a
    table, maps are named ``map1``, … in the order of the volumes.

    Returns
    -------
    table : pandas.DataFrame
        As from `read_table`.
    volumes : int array of shape (n_maps,)
        The volume of each row, from 0.

    Raises
    ------
    BadDataError
        Where there is not one row for each volume.
    """
    shape = open_image(image).shape
    if len(shape) not in (3, 4):
        raise BadDataError(
            f"{image}: an image of maps has 4 dimensions, a map in each volume; found {shape}"
        )
    count = shape[3] if len(shape) == 4 else 1
    if table_path is None:
        numbers = np.arange(1, count + 1)
        table = pd.DataFrame({"index": numbers, "name": [f"map{i}" for i in numbers]})
        return table, numbers - 1
    table = read_table(table_path, background=_NO_BACKGROUND)
    indices = table["index"].to_numpy(np.int64)
    first = int(indices.min(initial=1))
    if len(table) != count or sorted(indices) != list(range(first, first + count)) or first > 1:
        found = f"{indices.min()} to {indices.max()}" if len(table) else "none"
        raise BadDataError(
            f"{table_path}: a table of maps has a row for each of the {count} volumes of "
            f"{image.name}, whose index counts these from 0 or from 1; found {len(table)} rows, "
            f"index {found}"
        )
    return table, indices - first
