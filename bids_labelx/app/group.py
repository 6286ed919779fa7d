"""The group level: reads what participants wrote, never computes it again.

It has nothing to distribute, so it is no nipype graph. `bids_labelx.group` has the numbers; here
are the console, the exit code, the figures and the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from bids_labelx.errors import Failure, LabelxError, MissingInputError, NoRunsError, exit_code
from bids_labelx.files import write_tsv
from bids_labelx.group.averaging import RUN_WEIGHTS, averaging, separated
from bids_labelx.group.collect import Collected, Combination, collect
from bids_labelx.group.edges import edges_file
from bids_labelx.group.evidence import Evidence
from bids_labelx.group.exclusion import Limits, count_excluded, mark_excluded
from bids_labelx.group.mean_matrices import MeanMatrix, edges_name, mean_matrix, perfect_pairs
from bids_labelx.group.missing import participants_without_output
from bids_labelx.group.qcfc import distances_between, mean_points
from bids_labelx.group.quality_rows import add_failure, quality_table
from bids_labelx.group.strategy_rows import StrategySums
from bids_labelx.group.write import (
    remove_others,
    write_coverage,
    write_mean_matrix,
    write_strategies,
)
from bids_labelx.images import read_data
from bids_labelx.inputs.dataset import check_dataset
from bids_labelx.names import build_name
from bids_labelx.outputs.description import check_output_folder
from bids_labelx.outputs.failures import read_failures, subject_of
from bids_labelx.outputs.place import check_links, check_place
from bids_labelx.outputs.results import participants_of
from bids_labelx.report.group_figure_files import (
    all_but_strategy,
    atlas_of,
    draw_mean_matrix,
    draw_missing,
)
from bids_labelx.report.group_page import GroupContent, write_group_report
from bids_labelx.report.pages import FigureFile
from bids_labelx.report.text import counted, enumerated
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
    check_place(settings.bids_dir, output, {})
    check_output_folder(output)
    check_links(output, (), follow=settings.follow_links)
    failures = read_failures(output)
    known = {*participants_of(output), *(one.entities["sub"] for one in failures)}
    wanted = sorted(set(settings.participant_label) or known)
    collected = collect(output, wanted, failures, settings.averaged_over)
    if not collected.rows:
        details = "".join(f"\n{_line(one)}" for one in collected.problems)
        raise NoRunsError(
            f"{output}: no time series in it; run the participant level first{details}"
        )
    coverage = write_coverage(output, collected.atlases)
    limits = Limits(settings.max_mean_fd, settings.min_minutes, settings.min_coverage_share)
    mark_excluded(collected.rows.values(), limits)
    made = _write_matrices(output, collected, settings)
    missing = _draw_missing(output, collected)
    table = quality_table(collected.rows)
    write_tsv(output / _QC, table)
    files = [_QC, *coverage, *made.files]
    notes = list(dict.fromkeys(made.notes))
    absent = (
        [] if settings.participant_label else participants_without_output(settings.bids_dir, known)
    )
    content = GroupContent(
        quality=table,
        limits=limits,
        excluded_by=count_excluded(collected.rows.values(), limits),
        coverage={name: sums.table() for name, sums in collected.atlases.items()},
        evidence=made.evidence,
        matrices=made.figures,
        missing=missing,
        participants=_statuses(output, wanted, collected, absent),
        problems=[one.within(output) for one in collected.problems],
        absent=absent,
        averaged=_averaged(settings, collected),
        run_weights=enumerated(made.weights or [RUN_WEIGHTS[settings.run_weights]]),
        notes=notes,
        not_averaged=sorted(collected.not_averaged),
        files=[path.as_posix() for path in files],
    )
    remove_others(output, [*files, *write_group_report(output, content)])
    console.print(
        f"{counted(table['participant_id'].nunique(), 'participant')}, "
        f"{counted(len(table), 'row')} in {output / _QC}\n"
        f"{counted(len(coverage), 'coverage table')}, "
        f"{counted(len(made.figures), 'mean matrix', 'mean matrices')}"
        f"\nreport: {output / 'group.html'}",
        markup=False,
    )
    console.print(f"averaged over: {content.averaged}", markup=False)
    for note in notes:
        console.print(f"note: {note}", markup=False)
    if absent:
        names = ", ".join(f"sub-{one}" for one in absent)
        console.print(f"in the input and not in the output: {names}", markup=False)
    for one in collected.problems:
        console.print(f"missing or broken: {_line(one)}", markup=False, style="red")
    return exit_code(collected.problems)


def _line(failure: Failure) -> str:
    return f"{subject_of(failure)}: {failure.message}"


@dataclass
class _Made:
    """What was written and drawn of the combinations."""

    files: list[Path] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    figures: list[tuple[str, FigureFile]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # As the files call them, each once.
    weights: dict[str, None] = field(default_factory=dict)


def _write_matrices(output: Path, collected: Collected, settings: Settings) -> _Made:
    """Write and draw the means, one after the other; what is broken goes to the failures."""
    made = _Made()
    for combination in _in_order(collected.combinations.values()):
        entities, names = combination.entities, combination.labels.names
        if len(names) == 1:
            continue  # One region is connected with nothing.
        files = [one for one in combination.files if not collected.rows[one.row].get("excluded")]
        if not files:
            continue
        sums = StrategySums(collected.rows, len(names), settings.qcfc_motion)
        count = len({one.participant for one in files})
        how = averaging(files, collected.rows, settings.averaged_over, settings.run_weights)
        with edges_file(output, entities, names, collected.rows, count, how) as add_edges:
            mean, broken = mean_matrix(output, files, names, [sums.add, add_edges], how)
        for file, failure in broken:
            collected.failures.append(failure)
            add_failure(collected.rows[file.row], failure)
        if mean is not None:
            r, networks = sums.correlations.r(), combination.labels.networks
            made.files += write_mean_matrix(output, entities, names, mean, r, settings.qcfc_motion)
            made.files.append(Path(edges_name(entities)))
            points = mean_points(combination.centroids[file.path] for file in files)
            distances = distances_between(points)
            evidence = sums.evidence(entities, mean, networks, distances)
            made.evidence.append(evidence)
            made.notes += _notes(mean, names)
            made.weights[how.weights_in_words] = None
            strategy = evidence.row["strategy"]
            figure = draw_mean_matrix(output, entities, mean, names, networks, strategy)
            made.figures.append((atlas_of(entities), figure))
    rows = [(one.entities, one.row) for one in made.evidence]
    made.files = [*write_strategies(output, rows), *made.files]
    return made


def _notes(mean: MeanMatrix, names: Sequence[str]) -> list[str]:
    """What a user has to know of a mean."""
    notes = [mean.averaging.note] if mean.averaging.note else []
    pairs = perfect_pairs(mean.perfect, names)
    if pairs:
        first = " and ".join(pairs[0])
        notes.append(
            f"{counted(int(np.triu(mean.perfect).sum()), 'correlation')} of ±1 in "
            f"{counted(len(pairs), 'pair')} of regions, such as {first}, n/a in the means: are "
            "regions identical?"
        )
    return notes


def _in_order(combinations: Iterable[Combination]) -> list[Combination]:
    """Those that differ in the strategy alone next to each other."""

    def key(one: Combination) -> tuple[str, str]:
        return build_name(all_but_strategy(one.entities), "", ""), one.entities.get("desc", "")

    return sorted(combinations, key=key)


def _draw_missing(output: Path, collected: Collected) -> dict[str, FigureFile]:
    """Draw, in the label image of an atlas' first run, how often each label is missing."""
    drawn = {}
    for name, sums in collected.atlases.items():
        table = sums.table()
        shares = table["lost_in_runs"] / table["runs"]
        if not shares.any():
            continue
        image = sums.path.with_suffix(".nii.gz").relative_to(output)
        read = _label_image(output, image, collected)
        if read is not None:
            by_name = dict(zip(sums.names, shares, strict=True))
            drawn[name] = draw_missing(output, name, *read, sums.ids, by_name)
    return drawn


def _label_image(
    output: Path, image: Path, collected: Collected
) -> tuple[np.ndarray, np.ndarray] | None:
    """The labels of a run and their affine; None where the image is broken, a failure."""
    try:
        return read_data(output / image)
    except LabelxError as error:
        failure = Failure.of(error, entities={"sub": image.parts[0].removeprefix("sub-")})
        if failure not in collected.failures:
            collected.failures.append(failure)
        return None


def _averaged(settings: Settings, collected: Collected) -> str:
    """What the matrices of a participant are averaged over, and by what they are separate."""
    over = enumerated(settings.averaged_over or ("nothing",))
    apart = separated([one.entities for one in collected.combinations.values()])
    return f"{over}; separate matrices by {enumerated(apart)}" if apart else over


def _statuses(
    output: Path, wanted: Sequence[str], collected: Collected, absent: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Of each participant label, page if there is one, and status."""
    texts: dict[str, list[str]] = {f"sub-{participant}": [] for participant in wanted}
    for failure in collected.problems:
        texts[subject_of(failure)].append(failure.within(output).message)
    excluded: dict[str, list[int]] = {name: [] for name in texts}
    for row in collected.rows.values():
        excluded[row["participant_id"]].append(row.get("excluded", 0))
    found = []
    for name, own in texts.items():
        if any(excluded[name]):
            own.append(
                f"{sum(excluded[name])} of {len(excluded[name])} runs and strategies excluded"
            )
        page = f"{name}.html"
        found.append(
            (name, page if (output / page).is_file() else "", "; ".join(own) or "complete")
        )
    return found + [(f"sub-{one}", "", "in the input and not in the output") for one in absent]
