from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from group_site import (
    COUNT,
    STRATEGIES,
    content,
    coverage,
    data_of,
    entities,
    quality,
    write_group,
)

from bids_labelx.errors import Failure
from bids_labelx.group.exclusion import Limits, count_excluded
from bids_labelx.pictures.packing import read_script
from bids_labelx.report.group_figure_files import quality_pictures
from bids_labelx.report.group_page import MOST_WARNINGS, files_by_kind, write_group_report
from bids_labelx.report.group_tables import (
    MOST_LABELS,
    missing_table,
    rounded,
    runs_data,
    strategies_table,
)


def page(folder: Path, **changes: Any) -> str:
    write_group_report(folder, content(**changes), static=False)
    return (folder / "group.html").read_text(encoding="utf-8")


def columns(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in data["columns"]}


def test_table_of_runs_is_the_quality_table_rounded() -> None:
    rows = quality()
    found = columns(runs_data(rows))
    for key, decimals in (("mean_fd", 3), ("minutes_kept", 2), ("volumes_kept", 0)):
        assert found[key]["step"] == pytest.approx(10**-decimals)
        assert [f"{one:.{decimals}f}" for one in found[key]["cells"]] == [
            f"{one:.{decimals}f}" for one in rows[key]
        ]
    for key in ("participant_id", "strategy", "why"):
        assert found[key]["cells"] == [None if pd.isna(one) else one for one in rows[key]]


def test_empty_columns_and_what_all_runs_share_are_left_out() -> None:
    data = runs_data(quality())
    assert {"session_id", "run", "fd_threshold", "problem"}.isdisjoint(columns(data))
    assert data["caption"] == "90 rows (run × atlas × strategy); all: task-rest space-MNI"
    names = [one["name"] for one in data["columns"]]
    assert "share of volumes with FD > 0.5 mm" in names
    runs = ["task-rest_run-1_space-MNI", "task-rest_run-2_space-MNI", "task-rest_space-MNI"] * 30
    data = runs_data(quality(run=runs))
    assert columns(data)["run"]["cells"][:3] == ["run-1", "run-2", None]
    assert data["caption"].endswith("; all: task-rest space-MNI")


def test_different_thresholds_keep_their_column() -> None:
    found = columns(runs_data(quality(fd_threshold=[0.5, 0.5, 0.2] * COUNT)))
    assert found["share_fd_above"]["name"] == "share of volumes with FD above"
    assert found["fd_threshold"]["cells"][:3] == [0.5, 0.5, 0.2]


def test_rows_are_marked_by_the_worst_that_is_known_of_them() -> None:
    rows = quality(2)
    rows["state"] = ["failed", "partly done", *["done"] * 4]
    rows["problem"] = ["broken", "broken", *[None] * 4]
    rows["excluded"] = [0, 0, 1, 1, 0, 0]
    rows["volumes"] = 200
    # A quarter of the volumes is 50; then 4 minutes.
    rows["effective_degrees_of_freedom"] = [9.0, 9.0, 49.9, 50.0, 50.0, 50.0]
    rows["minutes_kept"] = [5.0, 5.0, 5.0, 5.0, 3.99, 4.0]
    data = runs_data(rows)
    assert data["marks"] == ["failed", "amber", "amber", "excluded", "amber", ""]
    assert columns(data)["few"]["cells"][2:] == [
        "few degrees of freedom",
        None,
        "few minutes",
        None,
    ]


def test_numbers_without_a_value_or_beyond_json_are_null() -> None:
    assert rounded([0.12345, np.nan, np.inf, -2], 0.01) == [0.12, None, None, -2.0]


def test_strategies_come_as_they_were_typed(tmp_path: Path) -> None:
    html = page(tmp_path)
    data = data_of(html)
    assert columns(data["runs"])["strategy"]["cells"][:3] == list(STRATEGIES)
    minutes = next(one for one in data["pictures"] if one.get("measure") == "minutes kept")
    assert [one["title"] for one in minutes["panels"]] == list(STRATEGIES)
    assert "<dd>simple, 24P, &lt;script&gt;" in html


def test_bars_hold_every_run_once_as_numpy_counts_them(tmp_path: Path) -> None:
    rows = quality()
    pictures = quality_pictures(tmp_path, rows, Limits(max_mean_fd=0.25), static=False)
    data = pictures[0].data
    (panel,) = data["panels"]
    once = rows[rows["strategy"] == "simple"]
    for counts, excluded in zip(panel["counts"], (0, 1), strict=True):
        values = once["mean_fd"][once["excluded"] == excluded].to_numpy(float)
        assert counts == np.histogram(values, data["edges"])[0].tolist()
        assert sum(counts) == len(values)
    assert min(abs(np.array(data["edges"]) - 0.25)) < 1e-9
    # Each dot leads to a row of its own run.
    own = [rows["mean_fd"].round(3)[row] for row in panel["rows"]]
    assert own == panel["values"]
    assert list(tmp_path.iterdir()) == []


def test_a_run_counts_once_and_is_excluded_with_any_strategy(tmp_path: Path) -> None:
    rows = quality(3).query("strategy != '24P'").reset_index(drop=True)
    rows["excluded"] = [0, 0, 0, 0, 0, 1]
    rows["mean_fd"] = [0.1, 0.1, 0.2, None, 0.5, 0.5]
    fd, minutes, *_ = quality_pictures(tmp_path, rows, Limits(max_mean_fd=0.4), static=True)
    assert "3 runs, median 0.200, from 0.100 to 0.500, 1 excluded; limit 0.4" in fd.alt
    assert "simple: 3 runs" in minutes.alt
    assert (tmp_path / fd.files[0].src).is_file()


def test_runs_without_a_value_are_counted_in_the_caption(tmp_path: Path) -> None:
    rows = quality(3)
    rows["mean_fd"] = [0.1] * 3 + [None] * 6
    first = quality_pictures(tmp_path, rows, Limits(), static=False)[0]
    assert first.caption == "Mean FD (mm) per run; 2 runs without a value"
    # Without any value there is no picture.
    without = quality_pictures(tmp_path, quality(3, mean_fd=None), Limits(), static=False)
    assert [one.data["measure"] for one in without][:1] == ["minutes kept"]


def test_rows_of_failures_alone_make_a_page(tmp_path: Path) -> None:
    rows = quality(3)[["participant_id", "session_id", "run", "atlas", "strategy"]]
    html = page(
        tmp_path,
        quality=rows.assign(problem="no confounds", state="failed"),
        coverage={},
        matrices=[],
        evidence=[],
    )
    assert "9 of 9 rows (run × atlas × strategy)" in html
    assert "No run has quality measures." in html
    assert "There is no mean matrix." in html
    assert "There is no label table." in html
    assert "There is no matrix to compare strategies by." in html


def test_missing_labels_come_by_how_often_and_only_they() -> None:
    table = missing_table(coverage(), "A")
    assert table is not None
    assert table.header[:4] == ("label", "index", "network", "missing in runs (of 30)")
    assert [row[1] for row in table.rows] == ["30", "60", "20", "50"]
    assert table.caption == "Labels of A missing in a run: 4 of 6"
    assert missing_table(coverage().assign(lost_in_runs=0), "A") is None
    many = missing_table(pd.concat([coverage().assign(lost_in_runs=1)] * 12), "A")
    assert many is not None
    assert len(many.rows) == MOST_LABELS
    assert many.caption.endswith("72 of 72, the 50 missing most often")


def test_strategies_without_qcfc_lose_its_columns() -> None:
    row = {"strategy": "a", "participants": 2, "median_abs_qcfc": None, "mean_dof_lost": 34.0}
    table = strategies_table(pd.DataFrame([row]), "c")
    assert table.header == ("strategy", "participants", "loss of degrees of freedom")
    assert table.rows == (("a", "2", "34"),)


def test_the_summary_says_what_excluded_and_what_is_missing(tmp_path: Path) -> None:
    rows = quality(1)
    rows["excluded"] = [1, 0, 0]
    rows["problem"] = [None, "x", "y"]
    rows["state"] = ["done", "partly done", "failed"]
    html = page(
        tmp_path,
        quality=rows,
        excluded_by={"--max-mean-fd 0.2": 1, "--min-minutes 5": 0},
        absent=["09"],
        not_averaged=["covariance"],
    )
    assert (
        "1 of 3 rows (run × atlas × strategy): 1 by --max-mean-fd 0.2, 0 by --min-minutes 5"
        in html
    )
    assert "<dt>Without outputs</dt><dd>sub-09</dd>" in html
    assert "<dd>2 (1 partly) of 3 rows (run × atlas × strategy)</dd>" in html
    assert "<dt>State</dt><dd>30 runs: 28 done, 1 partly done, 1 failed</dd>" in html
    assert "covariance: Fisher&#39;s z applies to correlations only" in html


def test_dots_lead_to_pages_where_there_are_pages(tmp_path: Path) -> None:
    assert "Each dot is a run, and leads to its participant&#39;s page." in page(tmp_path)
    without = [(label, "", "done") for label in ("01", "02")]
    html = page(tmp_path, participants=without)
    assert "Each dot is a run." in html
    assert "leads to its participant" not in html


def test_of_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    problems = [Failure(f"problem {i}", {"sub": "0"}) for i in range(MOST_WARNINGS + 3)]
    html = page(tmp_path, problems=problems)
    assert f"problem {MOST_WARNINGS - 1}<" in html
    assert f"problem {MOST_WARNINGS}<" not in html
    assert "and 3 more" in html


def test_failures_of_one_kind_are_one_warning(tmp_path: Path) -> None:
    failures = [
        Failure(f"sub-{i}/x.tsv: {i} rows", {"sub": f"{i}", "task": "rest"}, ("simple",), ("A",))
        for i in range(30)
    ]
    html = page(tmp_path, failures=failures)
    assert "sub-0_task-rest_bold: sub-0/x.tsv: 0 rows (and 29 more such)" in html
    assert "more: see runs" not in html


def test_files_are_grouped_by_combination() -> None:
    files = [
        "group_qc.tsv",
        "group_atlas-A_qcfc.tsv",
        "group_task-rest_atlas-A_desc-x_stat-mean_relmat.tsv",
        "group_task-rest_atlas-A_desc-x_edges.h5",
        "group_task-rest_atlas-A_desc-y_edges.h5",
        "group_task-rest_atlas-A_desc-y_edges.parquet",
        "group_task-rest_atlas-A_desc-y_harm-combat_edges.h5",
        "group_task-rest_atlas-A_desc-y_harm-combat_stat-n_relmat.tsv",
    ]
    assert files_by_kind(files) == [
        ("Tables", files[:2]),
        ("task-rest atlas-A desc-x", files[2:4]),
        ("task-rest atlas-A desc-y", files[4:6]),
        ("task-rest atlas-A desc-y harm-combat", files[6:]),
    ]


def test_atlases_without_a_missing_label_say_so(tmp_path: Path) -> None:
    name = "group_atlas-A_coverage.tsv"
    html = page(tmp_path, coverage={name: coverage().assign(lost_in_runs=0)})
    assert "None of 6 labels is missing in any of 30 runs." in html
    assert f'Whole table: <a href="{name}">' in html


@pytest.mark.figures
def test_figures_are_drawn_where_they_are_wanted_and_the_page_is_the_same(tmp_path: Path) -> None:
    with_them, without = tmp_path / "a", tmp_path / "b"
    drawn = write_group(with_them)
    assert {path.suffix for path in drawn} == {".svg", ".png", ".js"}
    written = {path.relative_to(with_them) for path in (with_them / "figures").iterdir()}
    assert written == set(drawn)
    few = write_group(without, static=False)
    assert {path.suffix for path in few} == {".js"}
    for path in few:
        assert (with_them / path).read_bytes() == (without / path).read_bytes()
    one, other = ((one / "group.html").read_text() for one in (with_them, without))
    assert "<img" in one
    assert "<img" not in other
    for key in ("runs", "participants"):
        assert data_of(one)[key] == data_of(other)[key]


def test_no_image_of_a_participant_is_in_the_data_of_the_group(tmp_path: Path) -> None:
    write_group(tmp_path, static=False)
    own = read_script(next((tmp_path / "sub-00").rglob("*_report.js")))
    copied = read_script(tmp_path / "figures" / "group_atlas-A_lost_report.js")
    assert set(copied) == {"kind", "panels"}
    for panel, of_run in zip(copied["panels"], own["panels"], strict=True):
        assert of_run["background"] is not None
        assert panel["background"] is None
        assert panel["regions"] == of_run["regions"]


def test_a_broken_or_missing_picture_of_the_atlas_leaves_the_bars(tmp_path: Path) -> None:
    data = data_of(page(tmp_path))
    missing = [one for one in data["pictures"] if one["kind"] == "missing"]
    assert "src" not in missing[0]
    assert missing[0]["lost"] == coverage()["lost_in_runs"].tolist()
    write_group(tmp_path, static=False)
    script = next((tmp_path / "sub-00").rglob("*_report.js"))
    script.write_text("half")
    assert "src" not in next(
        one for one in data_of(page(tmp_path))["pictures"] if one["kind"] == "missing"
    )


def test_limits_are_counted_one_by_one_and_failed_runs_not() -> None:
    def row(fd: float | None, minutes: float) -> Mapping[str, Any]:
        return {"mean_fd": fd, "minutes_kept": minutes, "labels": 10, "labels_lost": 1}

    rows = [row(0.1, 6), row(0.3, 4), row(None, 6), {"problem": "failed"}]
    counts = count_excluded([dict(one) for one in rows], Limits(0.2, 5.0, 0.5))
    assert counts == {"--max-mean-fd 0.2": 2, "--min-minutes 5": 1, "--min-coverage-share 0.5": 0}
    assert count_excluded([dict(row(0.1, 6))], Limits()) == {}


def test_a_thousand_participants_stay_below_three_megabytes(tmp_path: Path) -> None:
    people = [(f"sub-{i:04d}", f"sub-{i:04d}.html", "done") for i in range(1000)]
    rows = quality(1000)
    html = page(tmp_path, quality=rows, participants=people)
    assert len(columns(data_of(html)["runs"])["mean_fd"]["cells"]) == 3000
    assert len(html.encode()) < 1_000_000
    assert entities(0)["atlas"] in html
