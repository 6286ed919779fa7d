"""Group-level exclusion: excluded runs keep their row, and are in no mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bids_labelx.group.rows import Row


@dataclass(frozen=True)
class Limits:
    """Limits that a run has to meet after a strategy; None or 0 sets none.

    Attributes
    ----------
    max_mean_fd
        Mean framewise displacement, in mm, at most.
    min_minutes
        Minutes kept, at least.
    min_coverage_share
        Share of the atlas' labels that are not missing, at least.
    """

    max_mean_fd: float | None = None
    min_minutes: float = 0.0
    min_coverage_share: float = 0.0


def reasons(row: Row, limits: Limits) -> list[str]:
    """Why a run is excluded; a limit on an unknown value excludes, too."""
    found = []
    fd, minutes = row["mean_fd"], row["minutes_kept"]
    if limits.max_mean_fd is not None and (fd is None or fd > limits.max_mean_fd):
        met = "not known" if fd is None else f"{fd:.4g} mm"
        found.append(f"mean FD {met}, at most {limits.max_mean_fd:g} mm")
    if limits.min_minutes and (minutes is None or minutes < limits.min_minutes):
        met = "not known" if minutes is None else f"{minutes:.4g}"
        found.append(f"minutes kept {met}, at least {limits.min_minutes:g}")
    share = 1 - row["labels_lost"] / row["labels"]
    if share < limits.min_coverage_share:
        found.append(f"share of labels left {share:.4g}, at least {limits.min_coverage_share:g}")
    return found


def mark_excluded(rows: Iterable[Row], limits: Limits) -> None:
    """Put ``excluded`` (0 or 1) and ``why`` into each row; not into those of runs that failed."""
    for row in rows:
        if "labels" in row:
            found = reasons(row, limits)
            row["excluded"] = int(bool(found))
            row["why"] = "; ".join(found) or None


def count_excluded(rows: Iterable[Row], limits: Limits) -> dict[str, int]:
    """How many rows each limit that asks for something excludes, by the option that sets it.

    A row may fail several; those of runs that failed are not counted.
    """
    known = [row for row in rows if "labels" in row]
    each = {
        f"--max-mean-fd {limits.max_mean_fd}": Limits(max_mean_fd=limits.max_mean_fd),
        f"--min-minutes {limits.min_minutes:g}": Limits(min_minutes=limits.min_minutes),
        f"--min-coverage-share {limits.min_coverage_share:g}": Limits(
            min_coverage_share=limits.min_coverage_share
        ),
    }
    return {
        option: sum(bool(reasons(row, one)) for row in known)
        for option, one in each.items()
        if one != Limits()
    }
