"""``group_…_edges.h5``: all participants' edges in one table, for machine learning.

HDF5, and not Parquet: an edge is a column, and 400 regions have 79,800 of them.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bids_labelx.errors import CannotWriteError
from bids_labelx.files import disk_full, full_message, whole_file
from bids_labelx.group.averaging import Averaging
from bids_labelx.group.mean_matrices import SubjectMatrix, edges_name, relationship
from bids_labelx.group.rows import Row, RowKey, mean_motion

# Rows of what is one value per participant, in one piece of the file.
_ROWS = 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def edges_file(
    output: Path,
    combination: Mapping[str, str],
    names: Sequence[str],
    rows: Mapping[RowKey, Row],
    n_participants: int,
    averaging: Averaging | None = None,
) -> Iterator[Callable[[SubjectMatrix], None]]:
    """Write the edges of one combination, a participant at a time; what is yielded adds one.

    Datasets: ``z`` (n_participants, n_edges), Fisher z as float32, NaN for an edge without value;
    ``region_1`` and ``region_2`` (n_edges,), the names of the regions, those of the matrix' upper
    triangle row by row; ``participant_id``, ``runs``, ``mean_fd`` (mm, mean over the runs, NaN
    where it is not known) and ``minutes_kept`` (all runs together), each (n_participants,).

    Parameters
    ----------
    output
        The output dataset.
    combination
        What the matrices have in common; see `averaging.combination_of`.
    names
        Of the regions.
    rows
        Those of the quality table.
    n_participants
        How many will be added at most.
    averaging
        How the runs of a participant are averaged, which the file says.

    Raises
    ------
    CannotWriteError
        Where the file cannot be written, or the disk has no room for it; nothing is left behind.
    """
    import h5py

    path = output / edges_name(combination)
    above = np.triu_indices(len(names), k=1)
    text = h5py.string_dtype()
    encoded = np.array([name.encode() for name in names])
    encoded = encoded.astype(h5py.string_dtype(length=encoded.itemsize))
    with whole_file(path) as temporary:
        try:
            # Where a file system knows no locks, HDF5 would refuse to open the file.
            with h5py.File(temporary, "w", locking=False) as file:
                _reserve(temporary, len(above[0]), n_participants, encoded.itemsize)
                file.attrs["Description"] = f"{relationship(combination)}, a row per participant"
                file.attrs["SourceEntities"] = json.dumps(dict(combination))
                for key, value in (averaging or Averaging()).sidecar().items():
                    file.attrs[key] = value if isinstance(value, str) else json.dumps(value)
                for name, regions in zip(("region_1", "region_2"), above, strict=True):
                    file.create_dataset(name, data=encoded[regions], compression="gzip")
                _grows(file, "z", np.float32, (len(above[0]),))
                for name, kind in (
                    ("participant_id", text),
                    ("runs", np.int64),
                    ("mean_fd", np.float64),
                    ("minutes_kept", np.float64),
                ):
                    _grows(file, name, kind, ())

                def add(subject: SubjectMatrix) -> None:
                    own = [rows[one.row] for one in subject.files]
                    minutes = [row["minutes_kept"] for row in own]
                    known = None not in minutes
                    fd = mean_motion(own, "fd")
                    for name, value in (
                        ("z", subject.z[above]),
                        ("participant_id", f"sub-{subject.participant}"),
                        ("runs", len(own)),
                        ("mean_fd", np.nan if fd is None else fd),
                        ("minutes_kept", sum(minutes) if known else np.nan),
                    ):
                        dataset = file[name]
                        dataset.resize(len(dataset) + 1, axis=0)
                        dataset[-1] = value

                yield add
                file.flush()
                size = file.id.get_filesize()
            os.truncate(temporary, size)
        except OSError as error:
            # HDF5's own messages are long, and end with the system's.
            if disk_full(error):
                raise CannotWriteError(full_message(path, error)) from error
            raise CannotWriteError(f"{path}: cannot be written ({error})") from error


def _reserve(path: Path, n_edges: int, n_participants: int, name_size: int) -> None:
    """Take the room that the file will need at most, where the system can.

    HDF5 takes the whole process down where the disk is full when it closes a file.
    """
    of_rows = n_participants * (4 * n_edges + 256) + 64 * _ROWS
    size = of_rows + 2 * n_edges * (name_size + 1) + 2**16
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno in _NO_SPACE:
                    raise OSError(
                        error.errno, f"{os.strerror(error.errno)}, it takes up to {size} bytes"
                    ) from None


def _grows(file: Any, name: str, kind: Any, of_row: tuple[int, ...]) -> None:
    """A dataset without rows; what is one row of `z` is one chunk."""
    chunk = (1, *of_row) if of_row else (_ROWS,)
    file.create_dataset(name, (0, *of_row), kind, maxshape=(None, *of_row), chunks=chunk)
