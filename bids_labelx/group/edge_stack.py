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
        Of each row those that it is the mean of, equally weighted; such an edge counts where it
        has a value.
    """

    sources: tuple[EdgeRows, ...]
    cells: tuple[tuple[Place, ...], ...]

    @property
    def n_edges(self) -> int:
        """How many edges there are above the diagonal."""
        return self.sources[0].n_edges

    def read(self, edges: slice = slice(None)) -> np.ndarray:
        """Fisher z of these edges, shape (n_rows, n_edges), float64; NaN where there is none."""
        read = [source.read(edges) for source in self.sources]
        rows = []
        for cell in self.cells:
            parts = np.array([read[source][row] for source, row in cell], dtype=np.float64)
            known = np.isfinite(parts)
            count = known.sum(axis=0)
            total = np.where(known, parts, 0.0).sum(axis=0)
            rows.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        return np.array(rows)

    def blocks(self) -> Iterator[np.ndarray]:
        """All edges in blocks, see `read`."""
        rows = len(self.cells) + sum(len(one.units) for one in self.sources)
        size = max(1, _BLOCK // rows)
        for start in range(0, self.n_edges, size):
            yield self.read(slice(start, start + size))

    def of(self, rows: Sequence[int]) -> EdgeStack:
        """The stack of some of the rows."""
        return EdgeStack(self.sources, tuple(self.cells[row] for row in rows))


def as_matrix(edges: np.ndarray, n_regions: int) -> np.ndarray:
    """Symmetric matrix (n_regions, n_regions) of a value per edge, NaN on the diagonal."""
    matrix = np.full((n_regions, n_regions), np.nan)
    above = np.triu_indices(n_regions, k=1)
    matrix[above] = edges
    matrix.T[above] = edges
    return matrix
