from __future__ import annotations

import numpy as np
from group_site import harmonised

from bids_labelx.figures.batches import plot_batches


def test_the_figure_has_a_row_per_strategy_with_the_batches() -> None:
    figure = plot_batches([harmonised(0), harmonised(1)])
    left, right = figure.axes[:2]
    assert len(figure.axes) == 4
    before, after, _ = (line.get_ydata() for line in left.lines)
    np.testing.assert_allclose(before, 100 * harmonised(0).before.quantiles)
    np.testing.assert_allclose(after, 100 * harmonised(0).after.quantiles)
    assert [one.get_text() for one in right.get_yticklabels()] == ["A (5)", "B (4)"]
