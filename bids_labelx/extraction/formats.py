"""Images opened for reading, each by the reader that is registered for its format."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from bids_labelx.extraction import cifti, sliced, streamed
from bids_labelx.extraction.headers import CiftiFile, file_state, load_image
from bids_labelx.extraction.run_data import RunData, stack_volumes
from bids_labelx.extraction.stored import Stored, load_stored

Image = str | os.PathLike[str] | SpatialImage | nib.Cifti2Image


class Format(NamedTuple):
    """A reader: which nibabel images it is for, and how it opens one with a name."""

    recognises: Callable[[Any], bool]
    open: Callable[[str, Any], RunData]


# The first that recognises an image opens it. A format is a module and a line here.
FORMATS = (
    Format(cifti.is_cifti, cifti.open_cifti),
    Format(streamed.is_streamed, streamed.open_streamed),
    Format(sliced.is_on_grid, sliced.open_sliced),
)


def open_run_data(image: Image | Sequence[Image]) -> RunData:
    """Open an image for reading volume by volume; reads headers only.

    Files of NIfTI, Analyze, FreeSurfer and dense CIFTI-2 are read once from beginning to end,
    gzipped or not, and any other format or array is sliced through nibabel. A nibabel image whose
    data still lie in a file is read from that file.

    Parameters
    ----------
    image
        Path or nibabel image with 3 dimensions or 4, or more where only one of the further ones
        is longer than 1. Or a list or tuple of images of one volume each, all on one grid, which
        are the volumes of a run in the order given, with their scalings applied. Or a path with
        wildcards of `glob`: the sorted list of the files that match, unless a file has that name.

    Raises
    ------
    OSError
        If the file cannot be read as an image, or is too small for what its header says. When it
        is read, also if it ends early or has more data than its header says, if its compressed
        data are damaged, or if it changes meanwhile.
    TypeError
        If `image` is neither a path nor a nibabel image of a known format, or an image in a list
        has several volumes.
    ValueError
        If the image is not 3D or 4D, is empty, or holds complex or colour values; if a list is
        empty or its images are on different grids; if no file matches the wildcards.
    """
    if isinstance(image, (list, tuple)):
        return stack_volumes([_open_image(one) for one in image])
    if isinstance(image, (str, os.PathLike)) and glob.has_magic(pattern := os.fspath(image)):
        path = Path(pattern).expanduser()
        if not path.exists():
            files = sorted(glob.glob(str(path)))  # noqa: PTH207, whose advice needs a relative path
            if not files:
                raise ValueError(f"no file is called, or matches the pattern, {pattern!r}")
            return stack_volumes([_open_image(file) for file in files])
    return _open_image(cast(Image, image))


def open_stored_data(file: Stored) -> RunData:
    """Open an image of NIfTI or CIFTI-2 that is on no disk; its header is read, see `Stored`.

    Raises
    ------
    OSError, TypeError, ValueError
        As from `open_run_data`.
    """
    image = load_stored(file)
    if isinstance(image, CiftiFile):
        return cifti.open_cifti(str(file), image, file)
    return streamed.open_streamed(str(file), image, file)


def read_map(image: Image) -> tuple[RunData, np.ndarray]:
    """Read an image of a single volume: a mask, or labels.

    Returns
    -------
    data : RunData
        The image's description.
    values : array of shape (n_elements,)
        As stored where the image holds unscaled integers, so that they stay exact; float64
        otherwise.

    Raises
    ------
    OSError, TypeError, ValueError
        As from `open_run_data`, and a ValueError if there is more than one volume.
    """
    data = open_run_data(image)
    if data.n_volumes != 1:
        raise ValueError(f"{data.name}: expected a 3D image, found {data.n_volumes} volumes")
    # To the end of the one block there is: only there is the checksum compared.
    for _, raw in data.blocks(1):
        values = data.scale(raw) if data.dtype.kind == "f" or data.scaled else np.array(raw)
    return data, values[0]


def _open_image(image: Image) -> RunData:
    """Open one image; see `open_run_data`."""
    if not isinstance(image, (str, os.PathLike)):
        name = getattr(image, "get_filename", lambda: None)() or "in-memory image"
        return _open_loaded(name, image)
    name = os.fspath(image)
    before = file_state(name)
    data = _open_loaded(name, load_image(name))
    if file_state(name) != before:
        raise OSError(f"{name}: changed while its header was read; run again")
    return data


def _open_loaded(name: str, image: Any) -> RunData:
    for one in FORMATS:
        if one.recognises(image):
            return one.open(name, image)
    raise TypeError(
        f"{name}: expected a path or a nibabel image on a 3D grid or of grayordinates, found "
        f"{type(image).__name__}"
    )
