"""Tables of the group's page, made from the TSV files of the group level."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.group.rating_columns import CRITERION
from bids_labelx.measures.quality import FEW_DEGREES, FEW_MINUTES
from bids_labelx.outputs.states import FAILED
from bids_labelx.report.pages import Table
from bids_labelx.words import as_text, counted

MOST_LABELS = 50

# Names in words, and to what numbers are rounded; texts have no step.
_RUN_COLUMNS: dict[str, tuple[str, float | None]] = {
    "participant_id": ("participant", None),
    "session_id": ("session", None),
    "run": ("run", None),
    "atlas": ("atlas", None),
    "strategy": ("strategy", None),
    "state": ("state", None),
    "volumes": ("volumes", 1),
    "volumes_kept": ("volumes kept", 1),
    "minutes_kept": ("minutes kept", 0.01),
    "mean_fd": ("mean FD (mm)", 0.001),
    "max_fd": ("highest FD (mm)", 0.001),
    "fd_threshold": ("FD threshold (mm)", 0.01),
    "share_fd_above": ("share of volumes with FD above", 0.001),
    "mean_filtered_fd": ("mean filtered FD (mm)", 0.001),
    "share_filtered_fd_above": ("share of volumes with filtered FD above", 0.001),
    "mean_rmsd": ("mean RMSD (mm)", 0.001),
    "mean_std_dvars": ("mean standardised DVARS", 0.001),
    "degrees_of_freedom": ("degrees of freedom", 1),
    "effective_degrees_of_freedom": ("effective degrees of freedom", 0.1),
    "labels": ("labels", 1),
    "labels_lost": ("missing labels", 1),
    "min_coverage": ("lowest coverage", 0.001),
    "mean_tsnr": ("temporal SNR", 0.1),
    "few": ("remark", None),
    "why": ("reason of exclusion", None),
    "problem": ("problem", None),
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

_RATING_COLUMNS = {
    "strategy": "strategy",
    "participants": "participants",
    "participants_retest": "with repeats",
    "icc21_median": "ICC(2,1)",
    "icc21_low": "95 % CI, from",
    "icc21_high": "to",
    "icc31_median": "ICC(3,1)",
    "fingerprint": "share identified",
    "discriminability": "discriminability",
    "within": "z within networks",
    "between": "z between networks",
    "segregation": "segregation",
    "median_abs_qcfc": "median |QC-FC|",
    "mean_dof_lost": "loss of degrees of freedom",
}
# Ends of columns of what is predicted; see `columns.CRITERION`.
_SCORES = {
    "r": "r of predicted {}",
    "r2": "R² of {}",
    "auc": "AUC of {}",
    "balanced_accuracy": "balanced accuracy of {}",
}


def runs_data(quality: pd.DataFrame) -> dict[str, Any]:
    """Give the table of runs to the page's script.

    Parameters
    ----------
    quality
        As ``group_qc.tsv``.

    Returns
    -------
    dict
        ``caption``; ``columns``, those that are not empty, each with ``id``, ``name``, ``step``
        where it has numbers, and ``cells``, rounded to it and None for no value; and ``marks``,
        for each row why it is highlighted, empty where it is not.
    """
    common, runs = _common_entities(quality["run"])
    few = _few(quality)
    named = pd.Series([run or None for run in runs], quality.index, object)
    shown = quality.assign(run=named, few=few)
    names = {key: name for key, (name, _) in _RUN_COLUMNS.items()}
    thresholds = _column(quality, "fd_threshold").dropna().unique()
    if len(thresholds) == 1:
        for key in ("share_fd_above", "share_filtered_fd_above"):
            names[key] = names[key].replace(" above", f" > {thresholds[0]:g} mm")
        del names["fd_threshold"]
    columns: list[dict[str, Any]] = []
    for key in (key for key in names if key in shown and shown[key].notna().any()):
        column: dict[str, Any] = {"id": key, "name": names[key]}
        step = _RUN_COLUMNS[key][1]
        if step is None:
            column["cells"] = [None if pd.isna(one) else str(one) for one in shown[key]]
        else:
            column |= {"step": step, "cells": rounded(numbers(shown, key), step)}
        columns.append(column)
    marks = np.select(
        [
            _column(quality, "state") == FAILED,
            _column(quality, "problem").notna(),
            few.notna(),
            numbers(quality, "excluded") == 1,
        ],
        ["failed", "amber", "amber", "excluded"],
        "",
    )
    caption = f"{counted(len(quality), 'row')} (run × atlas × strategy)"
    caption += f"; all: {common}" if common else ""
    return {"caption": caption, "columns": columns, "marks": marks.tolist()}


def _few(quality: pd.DataFrame) -> pd.Series:
    """What is left too little of each run, in words; None where nothing is."""
    least = np.maximum(FEW_DEGREES, numbers(quality, "volumes") / 4)
    degrees = numbers(quality, "effective_degrees_of_freedom") < least
    minutes = numbers(quality, "minutes_kept") < FEW_MINUTES
    words = ["few degrees of freedom and minutes", "few degrees of freedom", "few minutes"]
    found = np.select([degrees & minutes, degrees, minutes], words, "")
    return pd.Series([one or None for one in found], quality.index, object)


def rounded(values: Iterable[float], step: float) -> list[float | None]:
    """Numbers as JSON has them, rounded to a power of ten; None where there is no finite one."""
    decimals = max(0, round(-math.log10(step)))
    return [round(float(one), decimals) if np.isfinite(one) else None for one in values]


def strategies_table(rows: pd.DataFrame, caption: str) -> Table:
    """Make the table of strategies from rows of ``group_…_qcfc.tsv``; see `qcfc_in_words`."""
    return _table(rows, _STRATEGY_COLUMNS, caption)


def ratings_table(rows: pd.DataFrame, caption: str) -> Table:
    """Make the table of strategies from rows of ``group_…_strategies.tsv``."""
    predicted = {
        name: text.format(name.removeprefix(CRITERION).removesuffix(f"_{end}"))
        for name in map(str, rows)
        for end, text in _SCORES.items()
        if name.startswith(CRITERION) and name.endswith(f"_{end}")
    }
    return _table(rows, _RATING_COLUMNS | predicted, caption)


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


def _table(rows: pd.DataFrame, columns: dict[str, str], caption: str) -> Table:
    """Make a table of those `columns` that are not empty, under their new names."""
    kept = [name for name in columns if name in rows and rows[name].notna().any()]
    cells = zip(*(map(as_text, rows[name]) for name in kept), strict=True)
    return Table(tuple(columns[name] for name in kept), tuple(cells), caption)


def _common_entities(runs: pd.Series) -> tuple[str, list[str]]:
    """The entities that all runs have in common, and each name without them."""
    parts = [run.split("_") for run in runs]
    everywhere = set(parts[0]).intersection(*parts) if parts else set()
    common = " ".join(one for one in parts[0] if one in everywhere) if parts else ""
    return common, [" ".join(p for p in own if p not in everywhere) for own in parts]


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name] if name in table else pd.Series(pd.NA, index=table.index, dtype=object)
