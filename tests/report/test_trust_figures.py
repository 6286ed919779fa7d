from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rated_rows import row

from bids_labelx.group.trust import RatedStrategies
from bids_labelx.report.trust_figures import plot_trust, trust_panels, trust_picture

ROWS: list[dict[str, Any]] = [
    {
        **row("simple", criterion_age_r=0.25, criterion_age_r2=0.1),
        "icc31_q1": 0.2,
        "icc31_q3": 0.6,
    },
    {**row("scrub", segregation=None, criterion_age_r=-0.1), "icc31_q1": -0.1, "icc31_q3": 0.4},
]


def test_there_is_a_panel_for_each_measure_with_the_rows_values() -> None:
    panels = {one.label: one for one in trust_panels(ROWS)}
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
    (one,) = trust_panels([{"strategy": "simple", "segregation": 0.5}])
    assert one.label == "system segregation"
    assert trust_panels([{"strategy": "simple"}]) == []


def test_the_figure_has_the_bars_and_the_lines_of_chance() -> None:
    panels = trust_panels(ROWS)
    figure = plot_trust(["simple", "scrub"], panels)
    axes = {own.get_title(): own for own in figure.axes}
    assert list(axes) == [one.label for one in panels]
    widths = [bar.get_width() for bar in axes["discriminability"].patches]
    assert widths == pytest.approx([0.8, 0.8])
    spans = [line.get_xdata() for line in axes["ICC(2,1), agreement"].lines]
    assert [0.3, 0.5] in [list(map(float, span)) for span in spans]
    at = [float(line.get_xdata()[0]) for line in axes["discriminability"].lines]
    assert 0.5 in at
    assert [text.get_text() for text in axes["system segregation"].texts] == ["0.80", "n/a"]


def test_the_picture_has_its_numbers_for_the_script_and_in_words(tmp_path: Path) -> None:
    known = {"task": "rest", "atlas": "A", "stat": "mean", "meas": "correlation"}
    entities = [{**known, "desc": name} for name in ("simple", "scrub")]
    rated = RatedStrategies(entities, ROWS, [], ("a",), ())
    (tmp_path / "figures").mkdir()
    picture = trust_picture(tmp_path, rated, static=True)
    assert picture is not None
    assert picture.data["strategies"] == ["simple", "scrub"]
    by_label = {one["label"]: one for one in picture.data["panels"]}
    assert by_label["system segregation"]["values"] == [0.8, None]
    assert by_label["ICC(2,1), agreement"]["spans"] == [[0.3, 0.5], [0.3, 0.5]]
    assert "system segregation: simple 0.80, scrub n/a" in picture.alt
    (file,) = picture.files
    assert (tmp_path / file.src).is_file()
    assert file.src == "figures/group_task-rest_atlas-A_stat-mean_meas-correlation_trust.svg"
    none = RatedStrategies(entities[:1], [{"strategy": "simple"}], [], ("a",), ())
    assert trust_picture(tmp_path, none, static=True) is None
