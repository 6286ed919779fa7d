"""Opening a run, on a voxel grid or on surfaces, and what its header says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from nibabel.spatialimages import SpatialImage

from bids_labelx.errors import BadDataError
from bids_labelx.extraction.cifti import is_cifti, step_of
from bids_labelx.extraction.formats import open_run_data, open_stored_data
from bids_labelx.extraction.gifti import GiftiFile, open_gifti, open_hemispheres
from bids_labelx.extraction.headers import load_image
from bids_labelx.extraction.run_data import RunData
from bids_labelx.extraction.space import Space, VolumeGrid
from bids_labelx.extraction.stored import load_stored
from bids_labelx.images import open_image
from bids_labelx.inputs.matching import GIFTI
from bids_labelx.inputs.repetition_time import gifti_time, header_time
from bids_labelx.inputs.run import Run
from bids_labelx.names import hemisphere_of
from bids_labelx.participant.records import RunSource
from bids_labelx.remote.mirror import remote_series


class Header(NamedTuple):
    """What the files of a run say before they are read.

    Attributes
    ----------
    space
        The elements that each volume has a value of.
    n_volumes, itemsize
        Volumes, and bytes of a stored value.
    t_r
        Repetition time in seconds, where they have one.
    """

    space: Space
    n_volumes: int
    itemsize: int
    t_r: float | None


def open_series(bold: Path, beside: Path | None = None) -> RunData:
    """Open the series of a run.

    Raises
    ------
    OSError, TypeError, ValueError
        As from `open_run_data` and `open_hemispheres`.
    """
    if not bold.name.endswith(GIFTI):
        series = remote_series(bold)
        return open_stored_data(series) if series else open_run_data(bold)
    files = [bold] if beside is None else [bold, beside]
    return open_hemispheres({hemisphere_of(path.name): _open_gifti(path) for path in files})


def _open_gifti(path: Path) -> GiftiFile:
    return open_gifti(remote_series(path) or path)


def open_source(source: RunSource) -> RunData:
    """Open the series of what the steps of a run read; see `open_series`."""
    return open_series(source.bold, source.beside)


def read_headers(run: Run) -> Header:
    """What the files of a run say.

    Raises
    ------
    MissingInputError, BadDataError
        Where they cannot be opened, or are not a series of the kind that their names say.
    """
    return _surfaces(run) if run.on_surfaces else _volumes(run, open_image(run.bold))


def _volumes(run: Run, image: SpatialImage) -> Header:
    # More dimensions than four are fine where all but one have length 1, as SPM writes them.
    if len(image.shape) < 4 or sum(length > 1 for length in image.shape[3:]) > 1:
        raise BadDataError(
            f"{run.name}: a BOLD run has 4 dimensions, this image has shape {image.shape}"
        )
    return Header(
        VolumeGrid.of(image.shape, image.affine),
        int(np.prod(image.shape[3:])),
        image.get_data_dtype().itemsize,
        header_time(image.header),
    )


def _surfaces(run: Run) -> Header:
    try:
        if run.bold.name.endswith(GIFTI):
            files = [_open_gifti(path) for path in run.images]
            steps = {gifti_time(one.metadata) for one in files}
            if len(steps) > 1:
                raise BadDataError(
                    f"{run.name}: TimeStep of its hemispheres differs: "
                    + " and ".join(one.metadata.get("TimeStep", "none") for one in files)
                )
            (t_r,) = steps
        else:
            series = remote_series(run.bold)
            image: Any = load_stored(series) if series else load_image(str(run.bold))
            if not is_cifti(image):
                raise BadDataError(
                    f"{run.bold}: its name says CIFTI, and it is {type(image).__name__}; a "
                    "CIFTI-2 dense series is expected"
                )
            t_r = step_of(str(run.bold), image)
        data = open_series(run.bold, run.beside)
    except (OSError, ValueError) as error:
        raise BadDataError(str(error)) from error
    return Header(data.space, data.n_volumes, data.dtype.itemsize, t_r)
