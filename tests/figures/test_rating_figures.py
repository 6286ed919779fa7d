from __future__ import annotations

import pytest
from rated_rows import ROWS

from bids_labelx.figures.ratings import plot_ratings
from bids_labelx.report.rating_pictures import rating_panels


def test_the_figure_has_the_bars_and_the_lines_of_chance() -> None:
    panels = rating_panels(ROWS)
    figure = plot_ratings(["simple", "scrub"], panels)
    axes = {own.get_title(): own for own in figure.axes}
    assert list(axes) == [one.label for one in panels]
    widths = [bar.get_width() for bar in axes["discriminability"].patches]
    assert widths == pytest.approx([0.8, 0.8])
    spans = [line.get_xdata() for line in axes["ICC(2,1), agreement"].lines]
    assert [0.3, 0.5] in [list(map(float, span)) for span in spans]
    at = [float(line.get_xdata()[0]) for line in axes["discriminability"].lines]
    assert 0.5 in at
    assert [text.get_text() for text in axes["system segregation"].texts] == ["0.80", "n/a"]
