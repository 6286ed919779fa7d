"""Rows of edges on disk, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.rows import MatrixFile, Row, RowKey

NAMES = ("a", "b", "c", "d", "e")
NETWORKS = ("Vis", "Vis", "Mot", "Mot", "n/a")
N_EDGES = 10
POINTS = np.random.default_rng(9).normal(0, 40, (5, 3))


def edge_rows(
    folder: Path,
    z: np.ndarray,
    units: Sequence[Unit],
    desc: str = "simple",
    **entities: str,
) -> EdgeRows:
    """Edges (n_rows, 10) in a file of their own."""
    path = folder / f"{desc}-{len(list(folder.iterdir()))}.float32"
    path.write_bytes(np.asarray(z, np.float32).tobytes())
    known = {"task": "rest", "atlas": "A", "stat": "mean", "meas": "correlation", "desc": desc}
    unknown = np.full(len(units), np.nan)
    what = {**entities, **known}, desc, NAMES, NETWORKS, POINTS, tuple(units), unknown, path
    return EdgeRows(*what)


def files_of(units: Sequence[Unit], desc: str = "simple") -> list[tuple[MatrixFile, ...]]:
    """The one matrix behind each row."""
    return [(MatrixFile(u.participant, Path(f"{'_'.join(u)}.tsv"), (*u, desc)),) for u in units]


def quality_of(
    files: Sequence[Sequence[MatrixFile]], motion: Sequence[float | None], lost: float = 10
) -> dict[RowKey, Row]:
    """A row of the quality table for each matrix."""
    pairs = zip((one for own in files for one in own), motion, strict=True)
    return {file.row: _row(fd, lost) for file, fd in pairs}


def _row(fd: float | None, lost: float) -> Row:
    known: Mapping[str, float | None] = {
        "mean_fd": fd,
        "volumes": 100,
        "degrees_of_freedom": 100 - lost,
        "effective_degrees_of_freedom": None,
    }
    return dict(known)
