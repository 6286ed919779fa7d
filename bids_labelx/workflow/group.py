"""The group level: reads what participants wrote, never computes it again.

There is nothing to distribute in it, so it is no nipype graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from bids_labelx import __version__
from bids_labelx.dataset import check_dataset
from bids_labelx.errors import LabelxError, MissingInputError, NoRunsError
from bids_labelx.failures import Failure, read_failures
from bids_labelx.outputs import write_text, write_tsv
from bids_labelx.quality import qc_row
from bids_labelx.report.pages import Table, group_page
from bids_labelx.results import participants_of, read_series, series_paths
from bids_labelx.settings import Settings


def run_group(settings: Settings) -> int:
    """Write ``group_qc.tsv`` and ``group.html`` over the participants in the output folder.

    Returns
    -------
    int
        0, or 1 where something of a participant is broken or missing; the others are in.

    Raises
    ------
    MissingInputError, NoRunsError
        Where there is no output of the participant level.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    check_dataset(settings.bids_dir)
    output = settings.output_dir
    if not output.is_dir():
        raise MissingInputError(
            f"{output}: there is no such folder; run the participant level first"
        )
    failures = read_failures(output)
    wanted = settings.participant_label or tuple(
        sorted({*participants_of(output), *(one.entities["sub"] for one in failures)})
    )
    rows: list[dict[str, Any]] = []
    problems: dict[str, list[str]] = {}
    for participant in wanted:
        of_participant = [one for one in failures if one.entities["sub"] == participant]
        found, broken = _read_participant(output, participant, of_participant)
        rows += found
        if broken:
            problems[participant] = broken
    if not rows:
        details = "".join(f"\n{text}" for texts in problems.values() for text in texts)
        raise NoRunsError(
            f"{output}: no time series in it; run the participant level first{details}"
        )
    # Types that have a missing value, so that counts stay whole numbers.
    table = pd.DataFrame(rows).convert_dtypes()
    table = table[[*table.columns.drop("problem"), "problem"]]
    write_tsv(output / "group_qc.tsv", table)
    write_text(output / "group.html", _page(settings, table, wanted, problems))
    console.print(
        f"{table['participant_id'].nunique()} participants, {len(table)} rows in "
        f"{output / 'group_qc.tsv'}\nreport: {output / 'group.html'}",
        markup=False,
    )
    for texts in problems.values():
        for text in texts:
            console.print(f"left out: {text}", markup=False, style="red")
    return 1 if problems else 0


def _read_participant(
    output: Path, participant: str, failures: Sequence[Failure]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row per run, atlas and strategy, and what is wrong with this participant's output."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    broken: list[str] = []
    paths = series_paths(output, participant)
    if not paths:
        broken.append(f"sub-{participant}: no time series")
    for path in paths:
        try:
            one = read_series(output, path)
        except LabelxError as error:
            broken.append(f"sub-{participant}: {error}")
            continue
        sidecar = one.sidecar
        row = {
            **_whose(one.run, sidecar["Atlas"], sidecar["DenoisingStrategy"]),
            **qc_row(sidecar, one.labels),
            "problem": None,
        }
        # The statistics of one atlas and strategy share all these figures.
        rows.setdefault(tuple(map(str, row.values()))[:5], row)
    for failure in failures:
        for atlas, (strategy, problem) in product(failure.atlases, failure.problems.items()):
            row = _whose(failure.entities, atlas, strategy)
            # A message has lines; a cell has none.
            row = rows.setdefault(tuple(map(str, row.values())), row)
            row["problem"] = " ".join(problem.split())
    return [rows[key] for key in sorted(rows)], broken


def _whose(run: Mapping[str, str], atlas: str, strategy: str) -> dict[str, Any]:
    """The columns that tell rows apart."""
    rest = {key: value for key, value in run.items() if key not in ("sub", "ses")}
    return {
        "participant_id": f"sub-{run['sub']}",
        "session_id": f"ses-{run['ses']}" if "ses" in run else None,
        "run": "_".join(f"{key}-{value}" for key, value in rest.items()),
        "atlas": atlas,
        "strategy": strategy,
    }


def _page(
    settings: Settings,
    table: pd.DataFrame,
    wanted: tuple[str, ...],
    problems: dict[str, list[str]],
) -> str:
    shown = table.dropna(axis="columns", how="all")
    rows = tuple(tuple(map(_cell, row)) for row in shown.itertuples(index=False))
    summary = (
        ("Participants", str(table["participant_id"].nunique())),
        ("Runs", str(len(table[["participant_id", "session_id", "run"]].drop_duplicates()))),
        ("Atlases", ", ".join(sorted(table["atlas"].unique()))),
        ("Denoising strategies", ", ".join(sorted(table["strategy"].unique()))),
        ("Output", str(settings.output_dir)),
    )
    participants = [
        (
            f"sub-{participant}",
            f"sub-{participant}.html",
            "; ".join(problems.get(participant, [])) or "complete",
        )
        for participant in wanted
    ]
    tables = [Table(tuple(shown.columns), rows, "Quality of the runs")]
    return group_page(summary, tables, participants, __version__)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "n/a"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
