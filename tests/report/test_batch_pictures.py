from __future__ import annotations

from pathlib import Path

import pytest
from group_site import harmonised

from bids_labelx.report.batch_pictures import harmonisation_picture


def test_the_picture_has_the_numbers(tmp_path: Path) -> None:
    of = [harmonised(0), harmonised(1)]
    found = harmonisation_picture(tmp_path, of[0].edges.entities, of, static=False)
    (first, _) = found.data["strategies"]
    assert first["batches"] == [["A", 5, 0.3, 0.4], ["B", 4, 0.5, 0.4]]
    assert first["before"][-1] == pytest.approx(100 * of[0].before.quantiles[-1], abs=0.01)
    assert "simple 12.0 % and 1.5 %" in found.alt
    assert not list(tmp_path.iterdir())
