"""Static figures of models, which print and pages without scripts show."""

from __future__ import annotations

import numpy as np

from bids_labelx.figures.matrices import plot_matrix
from bids_labelx.figures.models import plot_design


def test_above_the_diagonal_there_are_the_edges_that_survive_alone() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 4))
    values += values.T
    survive = np.zeros((4, 4), bool)
    survive[0, 2] = survive[2, 0] = True
    networks = ["a", "b", "a", "b"]
    axes = plot_matrix(values, list("wxyz"), networks=networks, title="t", survive=survive).axes[0]
    # Regions come by network: w, y, x, z, so that the survivor is beside the diagonal.
    order = [0, 2, 1, 3]
    expected = np.tril(values[np.ix_(order, order)])
    shown = np.ma.filled(axes.images[0].get_array(), 0)
    expected[0, 1] = values[0, 2]
    np.testing.assert_array_equal(shown, expected)


def test_each_column_of_a_design_has_the_scale_of_its_own() -> None:
    values = [[1, 20.0, 0], [1, 60, 1], [1, 30, 0]]
    names = {"columns": ["Intercept", "age $x$", "sex[T.M]"], "rows": ["sub-1", "sub-2", "sub-3"]}
    axes = plot_design({**names, "values": values}).axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown, [[0.5, 0, 0], [0.5, 1, 1], [0.5, 0.25, 0]])
    assert [one.get_text() for one in axes.get_yticklabels()] == names["rows"]
    assert [one.get_text() for one in axes.get_xticklabels()] == names["columns"]


def test_of_many_rows_some_are_named() -> None:
    rows = [f"sub-{k}" for k in range(100)]
    data = {"columns": ["age"], "rows": rows, "values": [[float(k)] for k in range(100)]}
    axes = plot_design(data).axes[0]
    assert [one.get_text() for one in axes.get_yticklabels()] == rows[::3]
