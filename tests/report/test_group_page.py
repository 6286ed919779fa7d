from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import Failure
from bids_labelx.group.exclusion import Limits, count_excluded
from bids_labelx.report.group_figure_files import quality_figures
from bids_labelx.report.group_page import (
    MOST_WARNINGS,
    GroupContent,
    files_by_kind,
    write_group_report,
)
from bids_labelx.report.group_tables import (
    MOST_LABELS,
    MOST_RUNS,
    missing_table,
    runs_table,
    strategies_table,
)


def quality(n: int = 3, **columns: Any) -> pd.DataFrame:
    """A row per participant, with one strategy."""
    usual: dict[str, Any] = {
        "participant_id": [f"sub-{i}" for i in range(n)],
        "session_id": None,
        "run": "task-rest_space-MNI",
        "atlas": "A",
        "strategy": "simple",
        "state": "done",
        "volumes": 200,
        "minutes_kept": 6.5,
        "mean_fd": np.linspace(0.1, 0.5, n),
        "fd_threshold": 0.5,
        "share_fd_above": 0.02,
        "labels": 10,
        "labels_lost": 1,
        "min_coverage": 0.25,
        "excluded": 0,
        "why": None,
        "problem": None,
    }
    return pd.DataFrame({**usual, **columns}).convert_dtypes()


def coverage(lost: list[int], **columns: Any) -> pd.DataFrame:
    n = len(lost)
    usual = {
        "index": range(1, n + 1),
        "name": [f"r{i}" for i in range(n)],
        "runs": 4,
        "mean_coverage": np.linspace(1, 0.5, n),
        "min_coverage": 0.25,
        "lost_in_runs": lost,
    }
    return pd.DataFrame({**usual, **columns})


def content(**changes: Any) -> GroupContent:
    usual: dict[str, Any] = {
        "quality": quality(),
        "limits": Limits(),
        "excluded_by": {},
        "coverage": {"group_atlas-A_coverage.tsv": coverage([0, 2])},
        "evidence": [],
        "matrices": [],
        "missing": {},
        "participants": [("sub-0", "sub-0.html", "done")],
        "states": "3 runs: 3 done, 0 partly done, 0 failed",
        "failures": [],
        "problems": [],
        "averaged": "run",
        "run_weights": "equal",
        "notes": [],
        "absent": [],
        "not_averaged": [],
        "files": ["group_qc.tsv"],
    }
    return GroupContent(**(usual | changes))


def page(tmp_path: Path, **changes: Any) -> str:
    write_group_report(tmp_path, content(**changes))
    return (tmp_path / "group.html").read_text()


def test_runs_have_readable_columns_without_those_that_are_empty() -> None:
    table, marked = runs_table(quality(), {"sub-1": "sub-1.html"})
    assert table.header == (
        *("participant", "atlas", "strategy", "state", "volumes", "minutes kept", "mean FD (mm)"),
        *("share of volumes with FD > 0.5 mm", "labels", "missing labels", "lowest coverage"),
    )
    assert table.caption == "3 rows (run × atlas × strategy); all: task-rest space-MNI"
    assert table.links == ("", "sub-1.html", "")
    assert table.rows[0][:6] == ("sub-0", "A", "simple", "done", "200", "6.50")
    assert marked == frozenset()


def test_what_runs_have_in_common_is_said_once() -> None:
    names = ["task-rest_run-1_space-MNI", "task-rest_run-2_space-MNI", "task-rest_space-MNI"]
    table, _ = runs_table(quality(run=names), {})
    assert [row[1] for row in table.rows] == ["run-1", "run-2", ""]
    assert table.caption.endswith("; all: task-rest space-MNI")


def test_different_thresholds_keep_their_column() -> None:
    table, _ = runs_table(quality(fd_threshold=[0.5, 0.5, 0.2]), {})
    assert table.header[7:9] == ("FD threshold (mm)", "share of volumes with FD above")


def test_failed_and_excluded_are_marked_with_the_reason() -> None:
    rows = quality(excluded=[0, 1, None], why=[None, "FD", None], problem=[None, None, "broken"])
    table, marked = runs_table(rows, {})
    assert marked == {1, 2}
    assert table.header[-2:] == ("reason of exclusion", "problem")
    assert [row[-2:] for row in table.rows] == [("n/a", "n/a"), ("FD", "n/a"), ("n/a", "broken")]


def test_of_very_many_runs_those_worth_a_look_are_shown(tmp_path: Path) -> None:
    n = MOST_RUNS + 10
    fd: list[float | None] = [0.001 * i for i in range(n)]
    fd[0] = None
    excluded, problem = [0] * n, [None] * n
    excluded[3], problem[5] = 1, "broken"
    rows = quality(n, mean_fd=fd, excluded=excluded, problem=problem)
    table, marked = runs_table(rows, {})
    shown = [row[0] for row in table.rows]
    assert len(shown) == MOST_RUNS
    assert shown[:4] == ["sub-5", "sub-3", f"sub-{n - 1}", f"sub-{n - 2}"]
    assert "sub-0" not in shown
    assert marked == {0, 1}
    assert "5,010 rows (run × atlas × strategy); shown: the 5,000" in table.caption
    html = page(tmp_path, quality=rows)
    assert 'Whole table: <a href="group_qc.tsv">' in html
    assert 'Whole table: <a href="group_qc.tsv">' not in page(tmp_path)


def test_rows_of_failures_alone_make_a_page(tmp_path: Path) -> None:
    rows = quality()[["participant_id", "session_id", "run", "atlas", "strategy"]]
    html = page(tmp_path, quality=rows.assign(problem="no confounds", state="failed"), coverage={})
    assert "3 of 3 rows (run × atlas × strategy)" in html
    assert "No run has quality measures." in html
    assert "There is no label table." in html
    assert "There is no matrix to compare strategies by." in html


def test_missing_labels_come_by_how_often_and_only_they() -> None:
    table = missing_table(coverage([0, 1, 3, 1], network=list("abcd")), "A")
    assert table is not None
    assert table.header[:4] == ("label", "index", "network", "missing in runs (of 4)")
    assert [row[0] for row in table.rows] == ["r2", "r3", "r1"]
    assert table.caption == "Labels of A missing in a run: 3 of 4"
    assert missing_table(coverage([0, 0]), "A") is None
    many = missing_table(coverage([1] * 70), "A")
    assert many is not None
    assert len(many.rows) == MOST_LABELS
    assert many.caption.endswith("70 of 70, the 50 missing most often")


def test_strategies_without_qcfc_lose_its_columns() -> None:
    row = {"strategy": "a", "participants": 2, "median_abs_qcfc": None, "mean_dof_lost": 34.0}
    table = strategies_table(pd.DataFrame([row]), "c")
    assert table.header == ("strategy", "participants", "loss of degrees of freedom")
    assert table.rows == (("a", "2", "34"),)


def test_a_run_counts_once_and_is_excluded_with_any_strategy(tmp_path: Path) -> None:
    rows = pd.concat(
        [quality(), quality(strategy="scrub", excluded=[0, 0, 1], mean_fd=[0.1, None, 0.5])]
    )
    fd, minutes, *_ = quality_figures(tmp_path, rows, Limits(max_mean_fd=0.4))
    assert "3 runs, median 0.300, from 0.100 to 0.500, 1 excluded; limit 0.4" in fd.alt
    assert "scrub: 3 runs" in minutes.alt
    assert "simple: 3 runs, median 6.50, from 6.50 to 6.50, 0 excluded" in minutes.alt
    assert (tmp_path / fd.src).is_file()


def test_runs_without_a_value_are_counted_in_the_caption(tmp_path: Path) -> None:
    unknown = quality(mean_fd=[0.1, None, None])
    assert quality_figures(tmp_path, unknown, Limits())[0].caption == (
        "Mean FD (mm) per run; 2 runs without a value"
    )
    # Without any value there is no figure.
    figures = quality_figures(tmp_path, quality(mean_fd=None), Limits())
    assert len(figures) == 3
    assert figures[0].src == "figures/group_minuteskept_hist.svg"


def test_the_summary_says_what_excluded_and_what_is_missing(tmp_path: Path) -> None:
    html = page(
        tmp_path,
        quality=quality(
            excluded=[1, 0, 0], problem=[None, "x", "y"], state=["done", "partly done", "failed"]
        ),
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
    assert "<dt>State</dt><dd>3 runs: 3 done, 0 partly done, 0 failed</dd>" in html
    assert "covariance: Fisher&#39;s z applies to correlations only" in html


def test_of_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    html = page(
        tmp_path,
        problems=[Failure(f"problem {i}", {"sub": "0"}) for i in range(MOST_WARNINGS + 3)],
    )
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
    ]
    assert files_by_kind(files) == [
        ("Tables", files[:2]),
        ("task-rest atlas-A desc-x", files[2:4]),
        ("task-rest atlas-A desc-y", files[4:]),
    ]


def test_atlases_without_a_missing_label_say_so(tmp_path: Path) -> None:
    html = page(tmp_path, coverage={"group_atlas-A_coverage.tsv": coverage([0, 0])})
    assert "None of 2 labels is missing in any of 4 runs." in html
    assert 'Whole table: <a href="group_atlas-A_coverage.tsv">' in html


def test_limits_are_counted_one_by_one_and_failed_runs_not() -> None:
    def row(fd: float | None, minutes: float) -> Mapping[str, Any]:
        return {"mean_fd": fd, "minutes_kept": minutes, "labels": 10, "labels_lost": 1}

    rows = [row(0.1, 6), row(0.3, 4), row(None, 6), {"problem": "failed"}]
    counts = count_excluded([dict(one) for one in rows], Limits(0.2, 5.0, 0.5))
    assert counts == {"--max-mean-fd 0.2": 2, "--min-minutes 5": 1, "--min-coverage-share 0.5": 0}
    assert count_excluded([dict(row(0.1, 6))], Limits()) == {}
