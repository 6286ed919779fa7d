from __future__ import annotations

from typing import Any

import pytest

from bids_labelx.group.exclusion import Limits, mark_excluded

ROW = {"mean_fd": 0.3, "minutes_kept": 4.0, "labels": 10, "labels_lost": 2}


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(), None),
        (Limits(0.3, 4.0, 0.8), None),
        (Limits(max_mean_fd=0.29), "mean FD 0.3 mm, at most 0.29 mm"),
        (Limits(min_minutes=4.5), "minutes kept 4, at least 4.5"),
        (Limits(min_coverage_share=0.81), "share of labels left 0.8, at least 0.81"),
        (
            Limits(0.1, 5.0),
            "mean FD 0.3 mm, at most 0.1 mm; minutes kept 4, at least 5",
        ),
    ],
)
def test_a_run_is_excluded_beyond_a_limit_and_not_at_it(limits: Limits, why: str | None) -> None:
    row: dict[str, Any] = dict(ROW)
    mark_excluded([row], limits)
    assert (row["excluded"], row["why"]) == (int(why is not None), why)


def test_what_is_not_known_excludes_and_what_failed_is_not_judged() -> None:
    row: dict[str, Any] = {**ROW, "mean_fd": None, "minutes_kept": None}
    failed: dict[str, Any] = {"problem": "cut off"}
    mark_excluded([row, failed], Limits(0.5, 1.0))
    assert row["why"] == "mean FD not known, at most 0.5 mm; minutes kept not known, at least 1"
    assert failed == {"problem": "cut off"}
    free: dict[str, Any] = {**ROW, "mean_fd": None, "minutes_kept": None}
    mark_excluded([free], Limits())
    assert free["excluded"] == 0
