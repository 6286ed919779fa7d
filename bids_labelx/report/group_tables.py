"""Tables of the group's page, made from the TSV files of the group level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bids_labelx.report.pages import Table
from bids_labelx.report.text import as_text, counted

MOST_RUNS = 5000
MOST_LABELS = 50

_RUN_COLUMNS = {
    "participant_id": "participant",
    "session_id": "session",
    "run": "run",
    "atlas": "atlas",
    "strategy": "strategy",
    "state": "state",
    "volumes": "volumes",
    "volumes_kept": "volumes kept",
    "minutes_kept": "minutes kept",
    "mean_fd": "mean FD (mm)",
    "max_fd": "highest FD (mm)",
    "fd_threshold": "FD threshold (mm)",
    "share_fd_above": "share of volumes with FD above",
    "mean_filtered_fd": "mean filtered FD (mm)",
    "share_filtered_fd_above": "share of volumes with filtered FD above",
    "mean_rmsd": "mean RMSD (mm)",
    "mean_std_dvars": "mean standardised DVARS",
    "degrees_of_freedom": "degrees of freedom",
    "labels": "labels",
    "labels_lost": "missing labels",
    "min_coverage": "lowest coverage",
    "mean_tsnr": "temporal SNR",
    "why": "reason of exclusion",
    "problem": "problem",
}

_STRATEGY_COLUMNS = {
    "strategy": "strategy",
    "participants": "participants",
    "edges": "edges",
    "median_abs_qcfc": "median |QC-FC|",
    "share_significant": "share significant (FDR)",
    "distance_dependence": "rho with distance",
    "mean_dof_lost": "loss of degrees of freedom",
    "modularity": "modularity (positive edges)",
    "signed_modularity": "signed modularity",
}


def runs_table(quality: pd.DataFrame, pages: Mapping[str, str]) -> tuple[Table, frozenset[int]]:
    """Make the table of runs, and give its rows that failed or are excluded.

    Of more than `MOST_RUNS` rows, failed ones are shown first, then excluded ones, then those with
    the highest mean FD.

    Parameters
    ----------
    quality
        As ``group_qc.tsv``.
    pages
        Path of a participant's page, if there is one, by ``participant_id``.
    """
    total = len(quality)
    quality = quality.reset_index(drop=True)
    failed = _column(quality, "problem").notna()
    excluded = numbers(quality, "excluded") == 1
    if total > MOST_RUNS:
        order = pd.DataFrame(
            {"failed": ~failed, "excluded": ~excluded, "fd": -numbers(quality, "mean_fd")}
        ).sort_values(["failed", "excluded", "fd"], kind="stable", na_position="last")
        chosen = order.index[:MOST_RUNS]
        quality, failed, excluded = quality.loc[chosen], failed[chosen], excluded[chosen]
    common, runs = _common_entities(quality["run"])
    shown = quality.assign(run=runs)
    if not any(runs):
        shown = shown.drop(columns="run")
    columns = dict(_RUN_COLUMNS)
    thresholds = _column(quality, "fd_threshold").dropna().unique()
    if len(thresholds) == 1:
        for column, what in (("share_fd_above", "FD"), ("share_filtered_fd_above", "filtered FD")):
            columns[column] = f"share of volumes with {what} > {thresholds[0]:g} mm"
        del columns["fd_threshold"]
    caption = f"{counted(total, 'row')} (run × atlas × strategy)"
    if total > MOST_RUNS:
        caption += (
            f"; shown: the {MOST_RUNS:,} that failed, are excluded or have the highest mean FD"
        )
    if common:
        caption += f"; all: {common}"
    links = tuple(pages.get(participant, "") for participant in quality["participant_id"])
    marked = np.flatnonzero((failed | excluded).to_numpy())
    return _table(shown, columns, caption, links), frozenset(marked.tolist())


def strategies_table(rows: pd.DataFrame, caption: str) -> Table:
    """Make the table of strategies from rows of ``group_…_qcfc.tsv``; see `qcfc_in_words`."""
    return _table(rows, _STRATEGY_COLUMNS, caption)


def missing_table(coverage: pd.DataFrame, atlas: str) -> Table | None:
    """Make a table of the labels missing most often, at most `MOST_LABELS`; None without any.

    Parameters
    ----------
    coverage
        As ``group_atlas-…_coverage.tsv``.
    atlas
        Its name, for the caption.
    """
    missing = coverage[coverage["lost_in_runs"] > 0]
    if missing.empty:
        return None
    most_first = missing.sort_values(
        ["lost_in_runs", "mean_coverage"], ascending=[False, True], kind="stable"
    ).head(MOST_LABELS)
    runs = int(coverage["runs"].iloc[0])
    columns = {
        "name": "label",
        "index": "index",
        "network": "network",
        "lost_in_runs": f"missing in runs (of {runs:,})",
        "mean_coverage": "mean coverage",
        "min_coverage": "lowest coverage",
    }
    caption = f"Labels of {atlas} missing in a run: {len(missing):,} of {len(coverage):,}"
    if len(missing) > MOST_LABELS:
        caption += f", the {MOST_LABELS} missing most often"
    return _table(most_first, columns, caption)


def numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as float64, NaN where there is no value; all NaN where there is no such column."""
    return pd.to_numeric(_column(table, name), errors="coerce").astype(float)


def _table(
    rows: pd.DataFrame, columns: dict[str, str], caption: str, links: Sequence[str] = ()
) -> Table:
    """Make a table of those `columns` that are not empty, under their new names."""
    kept = [name for name in columns if name in rows and rows[name].notna().any()]
    cells = zip(*(map(as_text, rows[name]) for name in kept), strict=True)
    return Table(tuple(columns[name] for name in kept), tuple(cells), caption, tuple(links))


def _common_entities(runs: pd.Series) -> tuple[str, list[str]]:
    """The entities that all runs have in common, and each name without them."""
    parts = [run.split("_") for run in runs]
    everywhere = set(parts[0]).intersection(*parts) if parts else set()
    common = " ".join(one for one in parts[0] if one in everywhere) if parts else ""
    return common, [" ".join(p for p in own if p not in everywhere) for own in parts]


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(pd.NA, index=table.index, dtype=object)
