"""A participant's page out of an output folder."""

from __future__ import annotations

import re
from collections.abc import Callable

from bids_labelx.settings import Settings


def test_runs_stand_in_the_order_of_their_numbers(finished: Callable[..., Settings]) -> None:
    settings = finished("sub-01_task-rest_run-10", "sub-01_task-rest_run-2")
    page = (settings.output_dir / "sub-01.html").read_text(encoding="utf-8")
    assert re.findall(r'data-run="[^"]*_run-(\d+)_', page) == ["2", "10"]
