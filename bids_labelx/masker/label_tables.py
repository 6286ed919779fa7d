"""The table of a masker's labels: from names, a table, or the one beside the label image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.atlases.sources import find_table
from bids_labelx.atlases.tables import read_table
from bids_labelx.errors import LabelxError
from bids_labelx.extraction.resample import exact_labels


def label_table(
    present: np.ndarray,
    background: int,
    labels: Sequence[str] | None,
    lut: pd.DataFrame | str | os.PathLike[str] | None,
    own: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table of labels but the background: ``index``, ``name`` and what else `lut` has.

    Parameters
    ----------
    present
        The labels in the image, ascending, without the background.
    background
        Its value.
    labels
        Names in ascending order of the labels; ``Background`` among them is ignored.
    lut
        A table with ``index`` and ``name``, or a path to one.
    own
        The label table that the image holds; taken where neither of the two is given.

    Raises
    ------
    ValueError
        Where both are given, names are too many or too few, or the table is wrong or lacks a
        label of the image.
    TypeError
        Where `labels` is no list of names.
    """
    if labels is not None and lut is not None:
        raise ValueError("Pass either labels or a lookup table (lut), not both")
    chosen = lut if lut is not None or labels is not None else own
    if chosen is not None:
        table = checked_lut(chosen, background)
        unknown = np.setdiff1d(present, table["index"].to_numpy())
        if unknown.size:
            what = "the label table of 'labels_img'" if lut is None else "'lut'"
            if isinstance(lut, (str, os.PathLike)):
                what = os.fspath(lut)
            raise ValueError(f"{what} lacks labels of the image: {unknown.tolist()}")
    else:
        names = [str(one) for one in present.tolist()]
        if labels is not None:
            names = checked_names(labels)
            if len(names) != present.size:
                raise ValueError(
                    f"Mismatch between the number of names in 'labels' ({len(names)}) and regions "
                    f"in the label image ({present.size}), background excluded."
                )
        table = pd.DataFrame({"index": present, "name": names})
    return table


def checked_names(labels: Sequence[str]) -> list[str]:
    """Names without that of the background; a TypeError where they are no list of texts."""
    if not isinstance(labels, (list, tuple)):
        raise TypeError(f"'labels' must be a list of names. Got {labels!r}")
    if not all(isinstance(one, str) for one in labels):
        raise TypeError(
            f"All elements of 'labels' must be a string, as they are names. Got {labels}"
        )
    return [one for one in labels if one.lower() != "background"]


def checked_lut(lut: pd.DataFrame | str | os.PathLike[str], background: int) -> pd.DataFrame:
    """A table of labels, or that of a file, without the background, by ascending labels."""
    if isinstance(lut, pd.DataFrame):
        table, where = lut, "'lut'"
    else:
        where = os.fspath(lut)
        table = _read_lut_file(Path(where), background)
    lacking = {"index", "name"} - set(table.columns)
    if lacking:
        raise ValueError(f"{where}: no column {' nor '.join(sorted(lacking))}")
    values = pd.to_numeric(table["index"])
    table, values = table[values != background], values[values != background]
    index = exact_labels(values.to_numpy(), where)
    if len(set(index.tolist())) != len(index):
        raise ValueError(f"{where}: a label stands in more than one row")
    table = table.assign(index=index, name=table["name"].astype(str))
    # Ascending, as the columns are: the class documents them in the order of the labels.
    return table.sort_values("index", ignore_index=True)


def _read_lut_file(path: Path, background: int) -> pd.DataFrame:
    try:
        return read_table(path, background=background)
    except LabelxError as error:
        raise ValueError(str(error)) from None


def table_beside(image: Any) -> Path | None:
    """The label table of a file, found as for ``--atlas`` on the command line; or None.

    Raises
    ------
    ValueError
        Where several tables could be meant.
    """
    if not isinstance(image, (str, os.PathLike)):
        return None
    try:
        return find_table(Path(os.fspath(image)).absolute())
    except LabelxError as error:
        raise ValueError(str(error)) from None


def with_background(table: pd.DataFrame, background: int, given: Any = None) -> pd.DataFrame:
    """The table with the row of the background first, that of the table given if it has one."""
    first = pd.DataFrame({"index": [background], "name": ["Background"]})
    if isinstance(given, pd.DataFrame):
        own = given[pd.to_numeric(given["index"]) == background].head(1)
        first = own.assign(index=background, name="Background") if len(own) else first
    return pd.concat([first, table], ignore_index=True)[[*table.columns]]
