"""Fisher z of all edges on disk, a row per participant or per run: what statistics are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bids_labelx.files import cannot_write
from bids_labelx.group.rows import MatrixFile, Row, RowKey, mean_motion
from bids_labelx.measures.connectivity import fisher_z
from bids_labelx.names import parse_name


class Unit(NamedTuple):
    """Whose edges a row has: labels without their keys, empty where there is none."""

    participant: str
    session: str = ""
    run: str = ""


@dataclass(frozen=True)
class EdgeRows:
    """Where the edges of one combination are.

    Attributes
    ----------
    entities
        What the matrices have in common; see `averaging.combination_of`.
    strategy
        The denoising strategy, as it was typed.
    names, networks
        Of the regions; no networks where the label table has none.
    points
        Mean centroids of the regions, mm, shape (n_regions, 3); NaN where there is none.
    units
        Of each row.
    mean_fd
        Of each row, mm, shape (n_rows,); NaN where it is not known.
    path
        The file: an ``_edges.h5``, or one of `edges_of_runs`.
    """

    entities: Mapping[str, str]
    strategy: str
    names: tuple[str, ...]
    networks: tuple[str, ...] | None
    points: np.ndarray
    units: tuple[Unit, ...]
    mean_fd: np.ndarray
    path: Path

    @property
    def n_edges(self) -> int:
        """How many edges there are above the diagonal."""
        return len(self.names) * (len(self.names) - 1) // 2

    def read(self, edges: slice = slice(None)) -> np.ndarray:
        """Fisher z of these edges, shape (n_rows, n_edges), float32; NaN where there is none.

        Edges are those of the matrix' upper triangle without the diagonal, row by row, as
        ``numpy.triu_indices(n_regions, k=1)`` gives them.
        """
        if self.path.suffix == ".h5":
            import h5py

            # A row is a chunk: without a cache no more of it is read than is asked for.
            with h5py.File(self.path, "r", locking=False, rdcc_nbytes=0) as file:
                return np.asarray(file["z"][:, edges])
        shape = len(self.units), self.n_edges
        return np.array(np.memmap(self.path, np.float32, "r", shape=shape)[:, edges])


@contextmanager
def edges_of_runs(
    path: Path, n_regions: int
) -> Iterator[tuple[Callable[[MatrixFile, np.ndarray], None], list[MatrixFile]]]:
    """Write the edges of single runs as plain float32, a run at a time.

    Yields
    ------
    add
        Takes a file and its correlations, shape (n_regions, n_regions).
    files
        Those that were added, in the order of the rows.

    Raises
    ------
    CannotWriteError
    """
    above = np.triu_indices(n_regions, k=1)
    files: list[MatrixFile] = []
    try:
        with path.open("wb") as handle:

            def add(file: MatrixFile, values: np.ndarray) -> None:
                handle.write(fisher_z(values)[above].astype(np.float32).tobytes())
                files.append(file)

            yield add, files
    except OSError as error:
        raise cannot_write(path, error) from error


def unit_of_run(file: MatrixFile) -> Unit:
    """Whose edges a single matrix has."""
    entities = parse_name(file.path).entities
    return Unit(file.participant, entities.get("ses", ""), entities.get("run", ""))


def motion_of(files: Sequence[Sequence[MatrixFile]], rows: Mapping[RowKey, Row]) -> np.ndarray:
    """Mean framewise displacement in mm behind each row of edges; NaN where it is not known."""
    found = (mean_motion([rows[one.row] for one in own], "fd") for own in files)
    return np.array([np.nan if fd is None else fd for fd in found])
