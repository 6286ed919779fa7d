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
from bids_labelx.group.covariates import Covariates
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.mean_matrices import SubjectMatrix, edges_name, relationship
from bids_labelx.group.participant_columns import ParticipantColumns, columns_of, room_of
from bids_labelx.group.rows import Row, RowKey, mean_motion
from bids_labelx.measures.quality import NETWORKLESS

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
    networks: Sequence[str] | None = None,
    covariates: Covariates | None = None,
) -> Iterator[Callable[[SubjectMatrix], None]]:
    """Write the edges of one combination, a participant at a time; what is yielded adds one.

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
    networks
        Of the regions; None where the label table has none.
    covariates
        Whose columns the file has as well, if there are any; see `edges_table`.

    Raises
    ------
    CannotWriteError
        See `edges_table`.
    """
    above = np.triu_indices(len(names), k=1)
    about = {
        "Description": f"{relationship(combination)}, a row per participant",
        "SourceEntities": dict(combination),
        **(averaging or Averaging()).sidecar(),
    }
    path, session = output / edges_name(combination), combination.get("ses", "")
    with edges_table(path, names, networks, n_participants, about, covariates, session) as add_row:

        def add(subject: SubjectMatrix) -> None:
            own = [rows[one.row] for one in subject.files]
            minutes = [row["minutes_kept"] for row in own]
            fd = mean_motion(own, "fd")
            add_row(
                f"sub-{subject.participant}",
                subject.z[above],
                len(own),
                np.nan if fd is None else fd,
                np.nan if None in minutes else sum(minutes),
            )

        yield add


# Takes a participant's id, Fisher z of the edges, number of runs, mean FD (mm) and minutes kept.
AddRow = Callable[[str, np.ndarray, int, float, float], None]


@contextmanager
def edges_table(
    path: Path,
    names: Sequence[str],
    networks: Sequence[str] | None,
    n_participants: int,
    about: Mapping[str, Any],
    covariates: Covariates | None = None,
    session: str = "",
) -> Iterator[AddRow]:
    """Write a table of edges, a row at a time.

    Datasets: ``z`` (n_participants, n_edges), Fisher z as float32, NaN for an edge without value;
    ``region_1`` and ``region_2`` (n_edges,), the names of the regions, those of the matrix' upper
    triangle row by row, with ``network_1`` and ``network_2``, empty without a network;
    ``participant_id``, ``runs``, ``mean_fd`` (mm, mean over the runs, NaN where it is not known)
    and ``minutes_kept`` (all runs together), each (n_participants,); and in the group
    ``participants`` what the table of participants says of the same rows, a dataset per column:
    float64 with NaN, or text, empty where there is none.

    Parameters
    ----------
    path
        Of the file.
    names, networks
        Of the regions.
    n_participants
        How many rows there will be at most.
    about
        Attributes of the file; what is no text is written as JSON.
    covariates
        The table of participants; None where there is none.
    session
        Of the rows, without ``ses-``; empty where they are of several.

    Raises
    ------
    CannotWriteError
        Where the file cannot be written, or the disk has no room for it; nothing is left behind.
    """
    import h5py

    above = np.triu_indices(len(names), k=1)
    of_networks = ["" if one in NETWORKLESS else one for one in networks or [""] * len(names)]
    texts = {
        f"{what}_{k}": _encoded(own)
        for what, own in (("region", names), ("network", of_networks))
        for k in (1, 2)
    }
    with whole_file(path) as temporary:
        try:
            # Where a file system knows no locks, HDF5 would refuse to open the file.
            with h5py.File(temporary, "w", locking=False) as file:
                of_text = sum(one.itemsize + 1 for one in texts.values()) * len(above[0])
                of_columns = room_of(covariates, n_participants)
                of_rows = n_participants * (4 * len(above[0]) + 256) + 64 * _ROWS
                _reserve(temporary, of_text + of_columns + of_rows + 2**16)
                for key, value in about.items():
                    file.attrs[key] = value if isinstance(value, str) else json.dumps(value)
                for name, encoded in texts.items():
                    regions = above[int(name[-1]) - 1]
                    file.create_dataset(name, data=encoded[regions], compression="gzip")
                _grows(file, "z", np.float32, (len(above[0]),), "Fisher z")
                for name, kind, unit in (
                    ("participant_id", h5py.string_dtype(), ""),
                    ("runs", np.int64, "runs"),
                    ("mean_fd", np.float64, "mm"),
                    ("minutes_kept", np.float64, "min"),
                ):
                    _grows(file, name, kind, (), unit)
                participants: list[str] = []

                def add(
                    participant_id: str, z: np.ndarray, runs: int, mean_fd: float, minutes: float
                ) -> None:
                    for name, value in (
                        ("z", z),
                        ("participant_id", participant_id),
                        ("runs", runs),
                        ("mean_fd", mean_fd),
                        ("minutes_kept", minutes),
                    ):
                        dataset = file[name]
                        dataset.resize(len(dataset) + 1, axis=0)
                        dataset[-1] = value
                    participants.append(participant_id.removeprefix("sub-"))

                yield add
                if covariates is not None:
                    units = [Unit(participant, session) for participant in participants]
                    _write_columns(file, columns_of(covariates, units))
                file.flush()
                size = file.id.get_filesize()
            os.truncate(temporary, size)
        except OSError as error:
            # HDF5's own messages are long, and end with the system's.
            if disk_full(error):
                raise CannotWriteError(full_message(path, error)) from error
            raise CannotWriteError(f"{path}: cannot be written ({error})") from error


def _write_columns(file: Any, columns: ParticipantColumns) -> None:
    """Write what a table says of the participants; nothing where it says nothing of any."""
    group = file.create_group("participants", track_order=True)
    for key, value in columns.about.items():
        group.attrs[key] = value if isinstance(value, str) else json.dumps(value)
    for column, name in columns.names.items():
        values = columns.table[column]
        number = values.dtype == np.float64
        data = values.to_numpy() if number else _encoded([one or "" for one in values])
        group.create_dataset(name, data=data).attrs["Column"] = column


def _encoded(texts: Sequence[str]) -> np.ndarray:
    """Texts as HDF5 stores them, in UTF-8, each as long as the longest."""
    import h5py

    encoded = np.array([text.encode() for text in texts], dtype=np.bytes_)
    return encoded.astype(h5py.string_dtype(length=max(encoded.itemsize, 1)))


def _reserve(path: Path, size: int) -> None:
    """Take the room that the file will need at most, where the system can.

    HDF5 takes the whole process down where the disk is full when it closes a file.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno in _NO_SPACE:
                    raise OSError(
                        error.errno, f"{os.strerror(error.errno)}, it takes up to {size} bytes"
                    ) from None


def _grows(file: Any, name: str, kind: Any, of_row: tuple[int, ...], unit: str) -> None:
    """A dataset without rows; what is one row of `z` is one chunk."""
    chunk = (1, *of_row) if of_row else (_ROWS,)
    made = file.create_dataset(name, (0, *of_row), kind, maxshape=(None, *of_row), chunks=chunk)
    if unit:
        made.attrs["Units"] = unit
