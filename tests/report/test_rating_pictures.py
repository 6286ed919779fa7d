from __future__ import annotations

from pathlib import Path

import pytest
from rated_rows import ROWS

from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.report.rating_pictures import rating_panels, rating_picture


def test_there_is_a_panel_for_each_measure_with_the_rows_values() -> None:
    panels = {one.label: one for one in rating_panels(ROWS)}
    assert list(panels) == [
        "ICC(2,1), agreement",
        "ICC(3,1), consistency",
        "participants identified",
        "discriminability",
        "system segregation",
        "median |QC-FC|",
        "r of predicted age",
    ]
    assert panels["ICC(3,1), consistency"].spans == [(0.2, 0.6), (-0.1, 0.4)]
    # Both on one scale.
    assert (
        panels["ICC(2,1), agreement"].ends == panels["ICC(3,1), consistency"].ends == (-0.1, 0.6)
    )
    assert panels["system segregation"].values == [0.8, None]
    assert panels["participants identified"].chance == pytest.approx(1 / 24)
    assert panels["r of predicted age"].ends == (-0.1, 1.0)
    assert panels["r of predicted age"].chance == 0


def test_what_no_strategy_has_has_no_panel() -> None:
    (one,) = rating_panels([{"strategy": "simple", "segregation": 0.5}])
    assert one.label == "system segregation"
    assert rating_panels([{"strategy": "simple"}]) == []


def test_the_picture_has_its_numbers_for_the_script_and_in_words(tmp_path: Path) -> None:
    known = {"task": "rest", "atlas": "A", "stat": "mean", "meas": "correlation"}
    entities = [{**known, "desc": name} for name in ("simple", "scrub")]
    rated = RatedStrategies(entities, ROWS, [], ("a",), ())
    (tmp_path / "figures").mkdir()
    picture = rating_picture(tmp_path, rated, static=True)
    assert picture is not None
    assert picture.data["strategies"] == ["simple", "scrub"]
    by_label = {one["label"]: one for one in picture.data["panels"]}
    assert by_label["system segregation"]["values"] == [0.8, None]
    assert by_label["ICC(2,1), agreement"]["spans"] == [[0.3, 0.5], [0.3, 0.5]]
    assert "system segregation: simple 0.80, scrub n/a" in picture.alt
    (file,) = picture.files
    assert (tmp_path / file.src).is_file()
    assert file.src == "figures/group_task-rest_atlas-A_stat-mean_meas-correlation_ratings.svg"
    none = RatedStrategies(entities[:1], [{"strategy": "simple"}], [], ("a",), ())
    assert rating_picture(tmp_path, none, static=True) is None
