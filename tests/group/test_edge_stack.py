from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rows_of_edges import N_EDGES, edge_rows

from bids_labelx.group import edge_stack
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.edge_stack import EdgeStack, as_matrix

Z = np.random.default_rng(0).normal(0, 1, (5, N_EDGES)).astype(np.float32)


@pytest.fixture
def stack(tmp_path: Path) -> EdgeStack:
    """Three rows of two files: one by itself, one over both files, one over three."""
    Z[3, 2] = np.nan
    Z[[0, 3, 4], 7] = np.nan
    one = edge_rows(tmp_path, Z[:2], [Unit("1"), Unit("2")])
    two = edge_rows(tmp_path, Z[2:], [Unit("1"), Unit("2"), Unit("3")])
    cells = (((0, 1),), ((0, 0), (1, 1)), ((1, 0), (1, 1), (1, 2)))
    return EdgeStack((one, two), cells)


def test_a_row_is_the_mean_of_those_that_have_the_edge(stack: EdgeStack) -> None:
    found = stack.read()
    np.testing.assert_allclose(found[0], Z[1])
    for row, own in ((1, [0, 3]), (2, [2, 3, 4])):
        for edge in range(N_EDGES):
            known = [float(Z[k, edge]) for k in own if np.isfinite(Z[k, edge])]
            expected = sum(known) / len(known) if known else np.nan
            assert found[row, edge] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found[1, 7])


def test_blocks_are_all_edges_once(stack: EdgeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_stack, "_BLOCK", 24)
    blocks = list(stack.blocks())
    assert [block.shape[1] for block in blocks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.hstack(blocks), stack.read())
    np.testing.assert_array_equal(stack.of([2, 0]).read(), stack.read()[[2, 0]])


def test_a_matrix_has_each_edge_twice_and_no_diagonal() -> None:
    matrix = as_matrix(np.arange(6.0), 4)
    nan = np.nan
    expected = [[nan, 0, 1, 2], [0, nan, 3, 4], [1, 3, nan, 5], [2, 4, 5, nan]]
    np.testing.assert_array_equal(matrix, expected)
