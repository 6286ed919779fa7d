"""A masker's report: what it shows of the regions, of its parameters and of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from nibabel.dataobj_images import DataobjImage

from bids_labelx._version import __version__
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.spatial import resample_volumes
from bids_labelx.extraction.weighted import Maps
from bids_labelx.masker.label_run import LabelledSpace
from bids_labelx.pictures.panels import positions_of
from bids_labelx.report.masker import MaskerReport, masker_report

_UNDRAWN = (
    "The labels are on surfaces or grayordinates, of which no picture is drawn here: the regions "
    "are in the table alone."
)


@dataclass(frozen=True)
class DrawnRegions:
    """Regions as a table and, on a voxel grid, as a picture.

    Attributes
    ----------
    table
        ``index``, ``name``, ``missing``, ``network`` where there is one, and others.
    grid
        The voxels; None for surfaces and grayordinates.
    coded : int array of shape (n_elements,)
        The row of each element's region, from 1, and 0 where there is none.
    """

    table: pd.DataFrame
    grid: VolumeGrid | None
    coded: np.ndarray


def map_regions(
    maps: Maps, names: Sequence[str], grid: VolumeGrid, numbers: list[int] | None = None
) -> DrawnRegions:
    """Maps, or spheres: of each the voxels, share of weight, and centre of weight in mm.

    The picture shows each voxel in the colour of the map with the greatest absolute weight.
    `numbers` are those of the maps that are shown; all of them unless given.
    """
    numbers = list(range(maps.n_maps)) if numbers is None else numbers
    maps = maps.columns(np.array(numbers, dtype=np.intp))
    weights = abs(maps.weights)
    held = np.asarray(weights.sum(axis=0)).ravel()
    places = np.array(np.unravel_index(maps.elements, grid.shape, order="F"))
    millimetres = grid.affine[:3, :3] @ places + grid.affine[:3, 3:]
    with np.errstate(invalid="ignore"):
        centres = (weights.T @ millimetres.T) / held[:, np.newaxis]
    table = pd.DataFrame(
        {
            "index": numbers,
            "name": [names[number] for number in numbers],
            "voxels": maps.counts(),
            "share of weight inside (%)": 100 * maps.shares(),
            **{f"{axis} (mm)": centres[:, k] for k, axis in enumerate("xyz")},
            "missing": np.where(held > 0, "", "yes"),
        }
    )
    coded = np.zeros(grid.n_elements, dtype=np.int64)
    if numbers:
        greatest = np.asarray(weights.tocsr().argmax(axis=1)).ravel() + 1
        shown = np.diff(weights.tocsr().indptr) > 0
        coded[maps.elements] = np.where(shown, greatest, 0)
    return DrawnRegions(table, grid, coded)


def seed_regions(
    seeds: Sequence[Sequence[float]], numbers: list[int] | None = None
) -> DrawnRegions:
    """Seeds whose spheres are on no grid yet: those of some numbers, or all."""
    places = pd.DataFrame(np.array(seeds), columns=[f"{axis} (mm)" for axis in "xyz"])
    names = [f"seed {number}" for number in range(len(seeds))]
    table = places.assign(index=np.arange(len(seeds)), name=names, missing="")
    table = table[["index", "name", *places.columns, "missing"]]
    if numbers is not None:
        table = table.iloc[numbers]
    return DrawnRegions(table, None, np.empty(0))


def _label_regions(labelled: LabelledSpace, table: pd.DataFrame) -> DrawnRegions:
    space = labelled.space
    grid = space if isinstance(space, VolumeGrid) else None
    # No region is the background, whatever its label, and 0 is none for `positions_of`.
    origin = labelled.background
    coded = positions_of(labelled.labels - origin, table["index"].to_numpy() - origin)
    volume = None if grid is None else abs(float(np.linalg.det(grid.affine[:3, :3])))
    return DrawnRegions(region_table(table, coded, labelled.mask, volume), grid, coded)


def region_table(
    table: pd.DataFrame, coded: np.ndarray, mask: np.ndarray | None, volume: float | None
) -> pd.DataFrame:
    """Count the elements of each region that are inside a mask.

    Parameters
    ----------
    table
        Columns ``index`` and ``name``, and ``network`` where there is one.
    coded : int array of shape (n_elements,)
        The row of each element's region, from 1, and 0 where there is none.
    mask : bool array of shape (n_elements,), or None
    volume
        Of a voxel in mm³; None for vertices.

    Returns
    -------
    pandas.DataFrame
        Those columns, ``voxels`` and ``volume (mm³)``, or without a volume ``vertices and
        voxels``, the share in percent of the mask's elements or, without a mask, of those of all
        regions, and ``missing``, which is "yes" where no element is left, or empty.
    """
    known = [name for name in ("index", "name", "network") if name in table]
    inside = coded if mask is None else coded[mask]
    voxels = np.bincount(inside, minlength=len(table) + 1)[1:]
    whole = voxels.sum() if mask is None else inside.size
    counted: dict[str, np.ndarray] = {"vertices and voxels": voxels}
    if volume is not None:
        counted = {"voxels": voxels, "volume (mm³)": voxels * volume}
    share = f"share of {'all regions' if mask is None else 'the mask'} (%)"
    missing = np.where(voxels > 0, "", "yes")
    shares = 100 * voxels / max(whole, 1)
    return table[known].assign(**counted, **{share: shares}, missing=missing)


def make_page(
    title: str,
    parameters: dict[str, Any],
    *,
    labelled: LabelledSpace | None = None,
    table: pd.DataFrame | None = None,
    drawn: DrawnRegions | None = None,
    images: Any = None,
    warnings: Sequence[str] = (),
    note: str | None = None,
    cmap: Any = None,
) -> MaskerReport:
    """Make the page of a masker.

    Parameters
    ----------
    title, parameters
        Name of the class, and its parameters.
    labelled, table
        Labels and mask in the space of the images, and ``index`` and ``name`` of the regions; not
        given where there is nothing to show.
    drawn
        Maps or spheres, in place of labels.
    images
        Those whose mean the regions are drawn on.
    warnings, note, cmap
        See `bids_labelx.report.masker.masker_report`.
    """
    if labelled is not None and table is not None:
        drawn = _label_regions(labelled, table)
        note = _UNDRAWN if drawn.grid is None else note
    grid = None if drawn is None else drawn.grid
    return masker_report(
        title=title,
        parameters=[(name, _shown(value)) for name, value in sorted(parameters.items())],
        regions=None if drawn is None else drawn.table,
        grid=grid,
        coded=None if drawn is None else drawn.coded,
        background=None if grid is None else _mean_image(images, grid),
        warnings=warnings,
        note=note,
        version=__version__,
        cmap=cmap,
    )


def _mean_image(images: Any, grid: VolumeGrid) -> np.ndarray | None:
    """Mean of images on a grid; None where there are none."""
    if images is None:
        return None
    data = resample_volumes(open_run_data(images), grid)
    reduction = reduce_volumes(data, [], [], uncovered="zero", mean_image=True)
    assert reduction.mean_image is not None
    return reduction.mean_image


def _shown(value: Any) -> str:
    """A parameter's value as one line of text."""
    if isinstance(value, DataobjImage):
        return value.get_filename() or f"image of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
