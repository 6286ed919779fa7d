"""The group level: reads what participants wrote, never computes it again.

It has nothing to distribute, so it is no nipype graph. `bids_labelx.group` has the numbers; here
are the console, the exit code, the figures and the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bids_labelx.app.annexed_datasets import content_fetched
from bids_labelx.app.compact import check_kind, plain_view
from bids_labelx.app.group_harmonized import (
    check_before,
    harmonize_all,
    participants_table,
    write_parquets,
)
from bids_labelx.app.group_means import write_matrices
from bids_labelx.app.group_models import check_models, told, write_models
from bids_labelx.app.group_others import made_by, told_of_other
from bids_labelx.app.group_ratings import chosen_columns, keeps_runs, rate_all, scratch_folder
from bids_labelx.app.invocation import environment, invocation_variables
from bids_labelx.errors import (
    ExitCode,
    MissingInputError,
    NoRunsError,
    exit_code,
)
from bids_labelx.group.account import record_names
from bids_labelx.group.averaging import RUN_WEIGHTS, separated
from bids_labelx.group.collect import Collected, collect
from bids_labelx.group.exclusion import Limits, count_excluded, mark_excluded
from bids_labelx.group.missing import participants_without_output
from bids_labelx.group.quality_rows import quality_table
from bids_labelx.group.statuses import participant_statuses, run_states
from bids_labelx.group.write import (
    record_files,
    remove_others,
    write_coverage,
    write_quality,
)
from bids_labelx.inputs.datasets import check_dataset
from bids_labelx.others.opening import LaidOut, open_results
from bids_labelx.outputs.description import check_output_folder, write_dataset_files
from bids_labelx.outputs.failures import failures_by_kind, read_failures, subject_of
from bids_labelx.outputs.place import check_links, check_place
from bids_labelx.outputs.results import participants_with_results
from bids_labelx.outputs.run_records import strategies_as_typed
from bids_labelx.outputs.states import states_in_words
from bids_labelx.report.citations import write_methods_files
from bids_labelx.report.group_methods import group_methods
from bids_labelx.report.group_models import model_parts
from bids_labelx.report.group_page import GroupContent, write_group_report
from bids_labelx.report.harmonize_words import harmonised_in_short
from bids_labelx.settings import Settings
from bids_labelx.suggestions import labels_not_there
from bids_labelx.words import counted, enumerated

# Runs of which one message is told that are named beside it.
_MOST_NAMED = 5
# Gaps that are told one by one.
_MOST_TOLD = 50


def run_group(settings: Settings) -> int:
    """Write the group's tables, matrices and page over the participants in the output folder.

    With ``--results`` over those in another program's folder.

    Returns
    -------
    int
        0, or 1 where something of a participant failed, is broken or missing; the others are in.
        With ``--allow-missing`` 0 all the same.

    Raises
    ------
    MissingInputError, NoRunsError
        Where there is no output of the participant level.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    # What fetches content goes by the invocation.
    with (
        environment(invocation_variables()),
        content_fetched(settings, console, of_participants=False),
    ):
        check_dataset(settings.bids_dir)
        _check_output(settings)
        if settings.results is None:
            with plain_view(settings, None, whole=False) as inside:
                return _summarise(inside, None, console)
        with scratch_folder(settings) as folder:
            other = open_results(settings.results, folder, settings.participant_label)
            return _summarise(settings, other, console)


def _check_output(settings: Settings) -> None:
    """Refuse an output folder that this level cannot work on.

    Raises
    ------
    MissingInputError, UsageError
    """
    output = settings.output_dir
    if not output.is_dir() and settings.results is None:
        raise MissingInputError(
            f"{output}: there is no such folder; run the participant level first"
        )
    read = {} if settings.results is None else {"--results": settings.results}
    check_place({"BIDS_DIR": settings.bids_dir, **read}, output, {})
    if output.is_dir():
        check_output_folder(output)
        check_links(output, (), follow=settings.follow_links)
        check_kind(output)


def _summarise(settings: Settings, other: LaidOut | None, console: Console) -> int:
    """The group level over the results in the output folder or those of another program."""
    output = settings.output_dir
    root = other.folder if other else output
    failures = other.failures if other else read_failures(output)
    failed = {one.entities["sub"] for one in failures}
    known = {*participants_with_results(root), *failed, *record_names(root)}
    wanted = sorted(set(settings.participant_label) or known)
    collected = collect(root, wanted, failures, settings.averaged_over)
    if not collected.rows:
        where = settings.results or output
        if known and (problem := labels_not_there(settings.participant_label, known, where)):
            raise NoRunsError(problem)
        details = "".join(f"\n{subject_of(one)}: {one.message}" for one in collected.problems)
        raise NoRunsError(
            f"{where}: no time series in it; run the participant level first{details}"
        )
    limits = Limits(settings.max_mean_fd, settings.min_minutes, settings.min_coverage_share)
    mark_excluded(collected.rows.values(), limits)
    names = sorted({str(row["strategy"]) for row in collected.rows.values()})
    strategies = strategies_as_typed(collected.invocations.values(), names)
    covariates, notes = participants_table(settings, collected)
    check_before(settings, collected, covariates)
    check_models(collected, settings)
    chosen = chosen_columns(collected, settings)
    if other:
        # As the participant level does for its own results.
        sources = {other.dataset: other.about}
        links = {"results": other.dataset}
        write_dataset_files(output, sources=sources, links=links, descriptions={})
    coverage = write_coverage(output, collected.atlases)
    record_files(output, coverage)
    with scratch_folder(settings) as scratch:
        runs_folder = scratch if keeps_runs(collected, settings) else None
        tables_of = covariates, chosen
        made = write_matrices(output, collected, settings, strategies, runs_folder, *tables_of)
        rated, tables = rate_all(output, made, collected, settings, chosen, scratch)
        harmonised = harmonize_all(output, made, settings, covariates)
        parquet = write_parquets(output, made, harmonised, collected, settings)
        edges = made.runs if settings.model and settings.model_rows == "run" else made.participants
        if settings.harmonize:
            edges = [one.edges for one in harmonised]
        modelled = write_models(console, output, edges, settings)
    if other:
        told_of_other(other, collected)
        made.notes = [*other.notes, *map(other.told, made.notes)]
    table = quality_table(collected.rows)
    files = [
        *(write_quality(output, table), *coverage, *tables, *made.files),
        *(path for one in harmonised for path in one.files),
        *(*parquet, *modelled.files),
    ]
    absent = (
        [] if settings.participant_label else participants_without_output(settings.bids_dir, known)
    )
    static = settings.report_figures != "none"
    content = GroupContent(
        quality=table,
        limits=limits,
        excluded_by=count_excluded(collected.rows.values(), limits),
        coverage={name: sums.table() for name, sums in collected.atlases.items()},
        evidence=made.evidence,
        rated=rated,
        matrices=made.matrices,
        labels={name: [] if other else sums.paths for name, sums in collected.atlases.items()},
        strategies=strategies,
        participants=_statuses(output, wanted, collected, absent),
        states=states_in_words(Counter(run_states(collected.rows.values()).values())),
        failures=[one.within(output) for one in collected.failures],
        problems=[one.within(output) for one in collected.problems],
        absent=absent,
        averaged=_averaged(settings, collected),
        run_weights=enumerated(made.weights or [RUN_WEIGHTS[settings.run_weights]]),
        findings=[*map(harmonised_in_short, harmonised), *map(told, modelled.results)],
        notes=list(dict.fromkeys([*notes, *made.notes, *modelled.notes])),
        not_averaged=sorted(collected.not_averaged),
        files=[path.as_posix() for path in files],
        harmonised=harmonised,
        models=model_parts(output, modelled.results, strategies, static=static),
        made_by=made_by(other) if other else None,
    )
    methods = group_methods(content, settings, modelled.results, _apart(collected))
    content = replace(content, methods=methods)
    write_methods_files(output / "logs", "CITATION_group", methods)
    _tell(console, output, content, collected)
    figures = write_group_report(output, content, static=static)
    remove_others(output, [*files, Path("group.html"), *figures])
    console.print(f"report: {output / 'group.html'}", markup=False)
    if settings.allow_missing:
        return ExitCode.DONE
    return exit_code([*collected.failures, *collected.problems])


def _tell(
    console: Console,
    output: Path,
    content: GroupContent,
    collected: Collected,
) -> None:
    """Print what was done, and of each kind of failure what it is and how many there are."""
    table = content.quality
    console.print(
        f"{counted(table['participant_id'].nunique(), 'participant')}; {content.states}; "
        f"{counted(len(table), 'row')} in {output / 'group_qc.tsv'}\n"
        f"{counted(len(content.coverage), 'coverage table')}, "
        f"{counted(len(content.matrices), 'mean matrix', 'mean matrices')}",
        markup=False,
    )
    console.print(f"averaged over: {content.averaged}", markup=False)
    for line in content.findings:
        console.print(line, markup=False)
    for note in content.notes:
        console.print(f"note: {note}", markup=False)
    if content.absent:
        names = ", ".join(f"sub-{one}" for one in content.absent)
        console.print(f"in the input and not in the output: {names}", markup=False)
    for subjects, message in failures_by_kind(collected.failures):
        named = ", ".join(subjects[:_MOST_NAMED])
        if len(subjects) > _MOST_NAMED:
            named += f" and {len(subjects) - _MOST_NAMED:,} more"
        console.print(f"failed: {named}: {message}", markup=False, style="red")
    for one in collected.problems[:_MOST_TOLD]:
        line = f"{subject_of(one)}: {one.message}"
        console.print(f"missing or broken: {line}", markup=False, style="red")
    more = len(collected.problems) - _MOST_TOLD
    if more > 0:
        where = output / "group_qc.tsv"
        console.print(f"missing or broken: {more:,} more, see {where}", markup=False, style="red")


def _averaged(settings: Settings, collected: Collected) -> str:
    """What the matrices of a participant are averaged over, and by what they are separate."""
    over = enumerated(settings.averaged_over or ("nothing",))
    apart = _apart(collected)
    return f"{over}; separate matrices by {enumerated(apart)}" if apart else over


def _apart(collected: Collected) -> list[str]:
    return separated([one.entities for one in collected.combinations.values()])


def _statuses(
    output: Path, wanted: Sequence[str], collected: Collected, absent: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Of each participant label, page if there is one, and status."""
    failures = [one.within(output) for one in (*collected.failures, *collected.problems)]
    statuses = participant_statuses(wanted, collected.rows.values(), failures)
    pages = {name: f"{name}.html" for name in statuses if (output / f"{name}.html").is_file()}
    found = [(name, pages.get(name, ""), text) for name, text in statuses.items()]
    return found + [(f"sub-{one}", "", "in the input and not in the output") for one in absent]
