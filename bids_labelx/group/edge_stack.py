"""Rows of edges averaged into others, such as the runs of a session; read in blocks of edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bids_labelx.group.edge_rows import EdgeRows

# Values of a block of edges, over all rows: 32 MB as float64.
_BLOCK = 2**22

# A row of edges: the place of its source, and of the row in it.
Place = tuple[int, int]


@dataclass(frozen=True)
class EdgeStack:
    """Rows each of which is the mean of rows of others.

    Attributes
    ----------
    sources
        Of the same regions.
    cells
        Of each row those that it is the mean of; such an edge counts where it has a value.
    weights
        Of each of these, above 0; empty where all count equally.
    """

    sources: tuple[EdgeRows, ...]
    cells: tuple[tuple[Place, ...], ...]
    weights: tuple[tuple[float, ...], ...] = ()

    @property
    def n_edges(self) -> int:
        """How many edges there are above the diagonal."""
        return self.sources[0].n_edges

    def read(self, edges: slice = slice(None)) -> np.ndarray:
        """Fisher z of these edges, shape (n_rows, n_edges), float64; NaN where there is none."""
        read = [source.read(edges) for source in self.sources]
        rows = []
        for number, cell in enumerate(self.cells):
            if len(cell) == 1:
                ((source, row),) = cell
                rows.append(read[source][row])
                continue
            parts = np.array([read[source][row] for source, row in cell], dtype=np.float64)
            known = np.isfinite(parts)
            own = self.weights[number] if self.weights else np.ones(len(cell))
            count = own @ known
            total = own @ np.where(known, parts, 0.0)
            rows.append(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
        return np.array(rows, dtype=np.float64)

    def blocks(self) -> Iterator[np.ndarray]:
        """All edges in blocks, see `read`."""
        rows = len(self.cells) + sum(len(one.units) for one in self.sources)
        size = max(1, _BLOCK // rows)
        for start in range(0, self.n_edges, size):
            yield self.read(slice(start, start + size))

    def of(self, rows: Sequence[int]) -> EdgeStack:
        """The stack of some of the rows."""
        weights = tuple(self.weights[row] for row in rows) if self.weights else ()
        return EdgeStack(self.sources, tuple(self.cells[row] for row in rows), weights)


def as_matrix(edges: np.ndarray, n_regions: int) -> np.ndarray:
    """Symmetric matrix (n_regions, n_regions) of a value per edge, NaN on the diagonal."""
    matrix = np.full((n_regions, n_regions), np.nan)
    above = np.triu_indices(n_regions, k=1)
    matrix[above] = edges
    matrix.T[above] = edges
    return matrix
