"""Atlases: a label image, maps or seeds with their table, checked against each other.

The table's rows, in its order, are the columns of every time series. Labels are matched by index,
never by position, and a mismatch is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bids_labelx.atlases.maps import read_map_table
from bids_labelx.atlases.seeds import read_seeds
from bids_labelx.atlases.surface_labels import is_surface_atlas, read_surface_labels
from bids_labelx.atlases.tables import BACKGROUND, read_table, select_labels
from bids_labelx.errors import BadDataError
from bids_labelx.extraction.resample import exact_labels
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.images import open_image, read_data
from bids_labelx.names import sort_entities

LOGGER = logging.getLogger("bids_labelx")

# What an atlas is made of.
Kind = Literal["labels", "maps", "spheres"]


@dataclass(frozen=True)
class Atlas:
    """The files of an atlas, and its entities.

    Attributes
    ----------
    entities
        ``atlas`` and, where it has them, ``seg`` and ``scale``.
    space
        The space of its labels; None where it is not known.
    image, table_path
        The files; a table of None is made from the image.
    other
        The file of the right hemisphere, where there is one for each.
    which
        Of several maps in the image the name of the one, or its number from 1 on.
    kind
        A label image; maps, one in each volume; or a table of the seeds of spheres.
    root
        The folder to which BIDS URIs of both are relative.
    """

    entities: Mapping[str, str]
    space: str | None
    image: Path
    table_path: Path | None
    root: Path
    other: Path | None = None
    which: str = ""
    kind: Kind = "labels"

    @property
    def files(self) -> list[Path]:
        """All files."""
        return [one for one in (self.image, self.other, self.table_path) if one is not None]

    @property
    def key(self) -> str:
        """The atlas' unique name: ``Schaefer2018_seg-100Parcels7Networks``."""
        first, *rest = sort_entities(self.entities).items()
        return "_".join([first[1], *(f"{k}-{v}" for k, v in rest)])


def read_atlas_table(atlas: Atlas, background: int = BACKGROUND) -> pd.DataFrame:
    """The table of an atlas of any kind, checked: a row per label, map or sphere.

    `background` is of label images alone.

    Raises
    ------
    BadDataError
        As from `read_atlas`, `read_map_table` and `read_seeds`.
    """
    if atlas.kind == "maps":
        return read_map_table(atlas.image, atlas.table_path)[0]
    if atlas.kind == "spheres":
        return read_seeds(atlas.image)
    return read_atlas(atlas, background=background)[2]


def read_atlas(
    atlas: Atlas, *, background: int = BACKGROUND, wanted: Sequence[str] = ()
) -> tuple[np.ndarray, Space, pd.DataFrame]:
    """Read labels with their table, and check them against each other.

    Without a table, the label table of a file of surfaces is taken; labels of a volume are named
    ``label1``, … by their index. `background` is an additional background value of the image,
    beside 0; `wanted` are labels by index or name, by default all.

    Returns
    -------
    labels : int64 array of shape (n_elements,)
        Those of the table; elsewhere 0.
    space
        The elements that they are on.
    table : pandas.DataFrame
        A row per label in the table's order: ``index``, ``name``, its other columns, and
        ``voxels_atlas``, the label's elements in the image.

    Raises
    ------
    BadDataError
        Where image or table are invalid, the image has labels that the table lacks, or none of
        those wanted exists.
    """
    image, table_path = atlas.image, atlas.table_path
    labels, space, own_table = _read_labels(atlas, background)
    if background != BACKGROUND:
        labels = np.where(labels == background, BACKGROUND, labels)
    present, counts = np.unique(labels, return_counts=True)
    counts = counts[present != BACKGROUND]
    present = present[present != BACKGROUND]
    table = own_table if table_path is None else _checked_table(table_path, background)
    if table is None:
        table = pd.DataFrame({"index": present, "name": [f"label{i}" for i in present]})
    unknown = np.setdiff1d(present, table["index"].to_numpy(np.int64))
    if unknown.size:
        counted_from_0 = np.isin(present - 1, [*table["index"], background]).all()
        advice = (
            "each of its labels less one has a row: if the table counts from 0 and the image "
            "from 1, add 1 to every index of the table"
            if counted_from_0 and background == BACKGROUND
            else "add a row for each"
        )
        raise BadDataError(
            f"{table_path or image}: the image {image.name} has labels that the table lacks: "
            f"{_list_values(unknown)}; {advice}"
        )
    if table.empty:
        raise BadDataError(f"{image}: no label in it (all voxels are {background})")
    if wanted:
        table, _ = select_labels(table, wanted)
        if table.empty:
            raise BadDataError(f"{table_path or image}: no label {' or '.join(wanted)} in it")
    ids = table["index"].to_numpy(np.int64)
    voxels = pd.Series(counts, index=present).reindex(ids, fill_value=0).to_numpy(np.int64)
    labels = np.where(np.isin(labels, ids), labels, BACKGROUND)
    return labels, space, table.assign(voxels_atlas=voxels)


def _read_labels(atlas: Atlas, background: int) -> tuple[np.ndarray, Space, pd.DataFrame | None]:
    """The labels, their space and, where the file has one, its label table."""
    if is_surface_atlas(atlas.image):
        return read_surface_labels(atlas.image, atlas.other, atlas.which, background)
    if atlas.which:
        raise BadDataError(f"{atlas.image}: #{atlas.which} is for maps of a .dlabel.nii")
    labels, affine = read_label_image(atlas.image)
    return labels.ravel(order="F"), VolumeGrid.of(labels.shape, affine), None


def _checked_table(path: Path, background: int) -> pd.DataFrame:
    table = read_table(path, background=background)
    if (table["index"] == BACKGROUND).any():
        # 0 marks voxels outside of an image or a mask.
        raise BadDataError(
            f"{path}: {BACKGROUND} is a label here, as --background-label is {background}, but "
            "it has to be free for what is outside of the brain; renumber it in image and table"
        )
    return table


def _list_values(values: np.ndarray, most: int = 20) -> str:
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f", … ({len(values)} in all)" if len(values) > most else "")


def read_label_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a label image as integers; values that are not finite count as background.

    Returns
    -------
    labels : numpy.ndarray of int64, shape (x, y, z)
    affine : numpy.ndarray, shape (4, 4), voxel indices to mm

    Raises
    ------
    BadDataError
        Where the image is not 3D, or a value is fractional or negative.
    """
    shape = open_image(path).shape
    if set(shape[3:]) - {1}:
        raise BadDataError(
            f"{path}: a label image has 3 dimensions, this one has shape {shape}; probabilistic "
            "atlases (a map per volume) are called …_probseg.nii.gz"
        )
    data, affine = read_data(path)
    finite = np.isfinite(data)
    if not finite.all():
        LOGGER.warning(
            "%s: NaN or infinite in %d voxels, taken as background", path, (~finite).sum()
        )
        data = np.where(finite, data, BACKGROUND)
    try:
        labels = exact_labels(data, str(path))
    except ValueError as error:
        raise BadDataError(
            f"{error}; probabilistic maps are given as a 4D image, one in each volume, that is "
            "called …_probseg.nii.gz"
        ) from None
    if labels.min() < 0:
        raise BadDataError(f"{path}: labels are whole numbers from 0, found {labels.min()}")
    return labels, affine
