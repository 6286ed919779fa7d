"""A masker's report: what it shows of the regions, of its parameters and of its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from nibabel.dataobj_images import DataobjImage

from bids_labelx._version import __version__
from bids_labelx.extraction.formats import open_run_data
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.space import VolumeGrid
from bids_labelx.extraction.spatial import resample_volumes
from bids_labelx.masker.label_run import LabelledSpace
from bids_labelx.report.masker import MaskerReport, masker_report
from bids_labelx.report.regions import region_table

_UNDRAWN = (
    "The labels are on surfaces or grayordinates, of which no picture is drawn here: the regions "
    "are in the table alone."
)


def make_page(
    title: str,
    parameters: dict[str, Any],
    *,
    labelled: LabelledSpace | None = None,
    table: pd.DataFrame | None = None,
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
    images
        Those whose mean the regions are drawn on.
    warnings, note, cmap
        See `bids_labelx.report.masker.masker_report`.
    """
    regions, grid = None, None
    if labelled is not None and table is not None:
        space = labelled.space
        grid = space if isinstance(space, VolumeGrid) else None
        inside = labelled.labels if labelled.mask is None else labelled.labels[labelled.mask]
        regions = region_table(
            table["index"].tolist(),
            table["name"].tolist(),
            labelled.labels,
            labelled.mask,
            None if grid is None else grid.affine,
            (~table["index"].isin(inside)).tolist(),
        )
        note = _UNDRAWN if grid is None else note
    return masker_report(
        title=title,
        parameters=[(name, _shown(value)) for name, value in sorted(parameters.items())],
        regions=regions,
        background=None if grid is None else _mean_image(images, grid),
        labels=None if grid is None or labelled is None else grid.to_volume(labelled.coded),
        affine=None if grid is None else grid.affine,
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
    return grid.to_volume(reduction.mean_image)


def _shown(value: Any) -> str:
    """A parameter's value as one line of text."""
    if isinstance(value, DataobjImage):
        return value.get_filename() or f"image of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
