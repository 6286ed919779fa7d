"""The group level: reads what participants wrote, never computes it again.

There is nothing to distribute in it, so it is no nipype graph. What it finds is put together in
`bids_labelx.group`; here are the console, the exit code, the figures and the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from bids_labelx import __version__
from bids_labelx.dataset import check_dataset
from bids_labelx.errors import LabelxError, MissingInputError, NoRunsError
from bids_labelx.failures import read_failures
from bids_labelx.group.collect import Collected, Combination, collect
from bids_labelx.group.edges import edges_file
from bids_labelx.group.exclusion import Limits, mark_excluded
from bids_labelx.group.matrices import AVERAGED, MeanMatrix, edges_name, matrix_name, mean_matrix
from bids_labelx.group.missing import never_done
from bids_labelx.group.qcfc import centroids, distances_between
from bids_labelx.group.quality_rows import add_problem, quality_table
from bids_labelx.group.records import Problem
from bids_labelx.group.strategy_rows import StrategySums
from bids_labelx.group.write import remove_others, write_coverage, write_matrix, write_strategies
from bids_labelx.images import read_data
from bids_labelx.outputs import write_text, write_tsv
from bids_labelx.report.pages import Picture, Table, group_page
from bids_labelx.results import participants_of
from bids_labelx.settings import Settings

_QC = Path("group_qc.tsv")


def run_group(settings: Settings) -> int:
    """Write the group's tables, matrices and page over the participants in the output folder.

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
    known = {*participants_of(output), *(one.entities["sub"] for one in failures)}
    wanted = sorted(set(settings.participant_label) or known)
    collected = collect(output, wanted, failures)
    problems = collected.problems
    if not collected.rows:
        details = "".join(f"\n{problem}" for problem in problems)
        raise NoRunsError(
            f"{output}: no time series in it; run the participant level first{details}"
        )
    coverage = write_coverage(output, collected.atlases)
    limits = Limits(settings.max_mean_fd, settings.min_minutes, settings.min_coverage_share)
    mark_excluded(collected.rows.values(), limits)
    matrices, pictures = _write_matrices(output, collected)
    table = quality_table(collected.rows)
    write_tsv(output / _QC, table)
    files = [_QC, *coverage, *matrices]
    remove_others(output, [*files, *(Path(picture.src) for picture in pictures)])
    absent = [] if settings.participant_label else never_done(settings.bids_dir, known)
    statuses = _statuses(wanted, collected, absent)
    page = _page(output, table, files, pictures, collected, statuses)
    write_text(output / "group.html", page)
    console.print(
        f"{table['participant_id'].nunique()} participants, {len(table)} rows in "
        f"{output / _QC}\n{len(coverage)} coverage tables, {len(pictures)} mean matrices"
        f"\nreport: {output / 'group.html'}",
        markup=False,
    )
    if absent:
        names = ", ".join(f"sub-{one}" for one in absent)
        console.print(f"in the input and not in the output: {names}", markup=False)
    for problem in problems:
        console.print(f"left out: {problem}", markup=False, style="red")
    return 1 if problems else 0


def _write_matrices(output: Path, collected: Collected) -> tuple[list[Path], list[Picture]]:
    """Write and draw the means, one after the other; what is broken goes to the problems."""
    tables: list[Path] = []
    pictures: list[Picture] = []
    rows = []
    for _, combination in sorted(collected.combinations.items()):
        names = combination.labels.names
        if len(names) == 1:
            continue  # One region is connected with nothing.
        files = [one for one in combination.files if not collected.rows[one.row].get("excluded")]
        sums = StrategySums(collected.rows, len(names))
        count = len({one.participant for one in files})
        with edges_file(output, combination.entities, names, collected.rows, count) as add_edges:
            mean, broken = mean_matrix(output, files, names, [sums.add, add_edges])
        for file, problem in broken:
            collected.problems.append(problem)
            add_problem(collected.rows[file.row], problem.text)
        if mean is not None:
            r = sums.correlations.r()
            tables += write_matrix(output, combination.entities, names, mean, r)
            tables.append(Path(edges_name(combination.entities)))
            row = sums.row(
                combination.entities,
                mean,
                combination.labels.networks,
                _distances(output, sums.label_image(), combination, collected),
            )
            rows.append((combination.entities, row))
            pictures.append(_draw(output, combination, mean))
    return [*write_strategies(output, rows), *tables], pictures


def _distances(
    output: Path, image: Path, combination: Combination, collected: Collected
) -> np.ndarray:
    """Between the labels of a run, in mm; NaN for all where its image is broken, which is told."""
    ids = combination.labels.ids
    try:
        labels, affine = read_data(output / image)
    except LabelxError as error:
        problem = Problem(image.parts[0].removeprefix("sub-"), str(error))
        if problem not in collected.problems:
            collected.problems.append(problem)
        return np.full((len(ids), len(ids)), np.nan)
    return distances_between(centroids(labels, affine, np.array(ids)))


def _draw(output: Path, combination: Combination, mean: MeanMatrix) -> Picture:
    from bids_labelx.report.figures import plot_matrix, save_figure

    entities = combination.entities
    measure = AVERAGED[entities["meas"]].partition(",")[0]
    atlas = "_".join(entities[key] for key in ("atlas", "seg", "scale") if key in entities)
    what = f"{measure}, {entities['stat']}, desc-{entities['desc']}"
    shown = [key for key in ("task", "cohort", "space", "res") if key in entities]
    where = " ".join(f"{key}-{entities[key]}" for key in shown)
    runs = f"{mean.runs} run{'s' if mean.runs > 1 else ''}"
    people = f"{mean.participants} participant{'s' if mean.participants > 1 else ''}"
    figure = plot_matrix(
        mean.mean,
        combination.labels.names,
        networks=combination.labels.networks,
        title=f"{people}: {what}",
        measure=f"mean Fisher z of the {measure}",
    )
    path = Path("figures", matrix_name(entities, "mean")).with_suffix(".svg")
    save_figure(figure, output / path)
    return Picture(
        path.as_posix(),
        f"Matrix of the mean Fisher z between regions of {atlas}: {what}",
        f"{atlas}, {where}: {what}; {runs} of {people}",
    )


def _statuses(
    wanted: Sequence[str], collected: Collected, absent: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Of each participant label, page and status in words; who has no results has no page."""
    problems: dict[str, list[str]] = {participant: [] for participant in wanted}
    for problem in collected.problems:
        problems[problem.participant].append(problem.text)
    found = []
    for participant, texts in problems.items():
        name = f"sub-{participant}"
        rows = [row for row in collected.rows.values() if row["participant_id"] == name]
        excluded = sum(row.get("excluded", 0) for row in rows)
        if excluded:
            texts.append(f"{excluded} of {len(rows)} runs and strategies excluded")
        found.append((name, f"{name}.html", "; ".join(texts) or "complete"))
    return found + [(f"sub-{one}", "", "in the input and not in the output") for one in absent]


def _page(
    output: Path,
    table: pd.DataFrame,
    files: Sequence[Path],
    pictures: Sequence[Picture],
    collected: Collected,
    participants: Sequence[tuple[str, str, str]],
) -> str:
    shown = table.dropna(axis="columns", how="all")
    rows = tuple(tuple(map(_cell, row)) for row in shown.itertuples(index=False))
    summary = [
        ("Participants", str(table["participant_id"].nunique())),
        ("Runs", str(len(table[["participant_id", "session_id", "run"]].drop_duplicates()))),
        ("Atlases", ", ".join(sorted(table["atlas"].unique()))),
        ("Denoising strategies", ", ".join(sorted(table["strategy"].unique()))),
        ("Output", str(output)),
    ]
    if collected.not_averaged:
        measures = ", ".join(sorted(collected.not_averaged))
        summary.append(("Not averaged", f"{measures}: Fisher's z is for correlations"))
    return group_page(
        tuple(summary),
        [Table(tuple(shown.columns), rows, "Quality of the runs")],
        participants,
        __version__,
        files=[path.as_posix() for path in files],
        pictures=pictures,
    )


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "n/a"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
