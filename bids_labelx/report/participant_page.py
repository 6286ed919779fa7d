"""A participant's report, made from the outputs: tables, sidecars, data scripts and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bids_labelx._version import __version__
from bids_labelx.errors import Failure, LabelxError
from bids_labelx.files import write_text
from bids_labelx.measures.quality import OK
from bids_labelx.names import build_name, natural
from bids_labelx.outputs.failures import messages, read_failures
from bids_labelx.outputs.results import Series, concatenated_matrices, read_series, series_paths
from bids_labelx.outputs.run_records import RunRecord, read_record
from bids_labelx.outputs.states import FAILED, state_of, state_words
from bids_labelx.report.accounts import accounts_of
from bids_labelx.report.citations import as_plain
from bids_labelx.report.methods import methods_of
from bids_labelx.report.page_contents import (
    concatenated_contents,
    run_contents,
    strategies_in_order,
)
from bids_labelx.report.pages import Part, RunSection, Table, participant_page
from bids_labelx.report.run_tables import facts_of, missing_labels_table, strategy_table
from bids_labelx.report.static_figures import (
    existing_figures,
    figures_of_matrices,
    measure_of,
)
from bids_labelx.settings import changed_options

_MOST_NAMED = 10

_STEPS = ("resample_atlas", "label_reduce", "clean_signal", "connectivity", "files", "pictures")
_CONCATENATED = ("Atlas", "Strategy", "Statistic", "Measure", "Runs", "Volumes", "Warnings")


def write_participant_report(
    output: Path, participant: str, templates: Environment | None = None
) -> Path:
    """Write ``sub-XX.html`` for all runs of a participant in the output dataset.

    Parameters
    ----------
    output
        The output dataset.
    participant
        Label without ``sub-``.
    templates
        See `bids_labelx.report.pages.render_template`.
    """
    series: list[Series] = []
    failures: dict[str, list[Failure]] = {}
    for path in series_paths(output, participant):
        try:
            series.append(read_series(output, path))
        except LabelxError as error:
            failures[path.name] = [Failure.of(error)]
    found: dict[str, list[Series]] = {}
    for one in series:
        found.setdefault(run_title(one.run), []).append(one)
    for failure in read_failures(output, participant):
        failures.setdefault(run_title(failure.entities), []).append(failure)
    known: dict[str, RunRecord] = {}
    for title, of in sorted(found.items()):
        try:
            record = read_record(output, of[0].run)
        except LabelxError as error:
            failures.setdefault(title, []).append(Failure.of(error))
            continue
        if record is not None:
            known[title] = record
    matrices = concatenated_matrices(output, participant)
    concatenated = concatenated_contents(output, matrices)
    sections = []
    for title in sorted({*found, *failures}, key=natural):
        own = [known[title]] if title in known else []
        order = strategies_in_order(found.get(title, []), own)
        sections.append(_section(title, found.get(title, []), failures.get(title, []), order))
    order = strategies_in_order(series, list(known.values()))
    contents = {
        "participant": f"sub-{participant}",
        "strategies": order,
        "runs": [one.contents for one in sections if one.contents],
        "concatenated": concatenated,
    }
    page = participant_page(
        participant,
        _summary(participant, series, order, list(known.values())),
        sections,
        as_plain(methods_of(accounts_of(known.values()), templates)),
        __version__,
        contents=contents,
        concatenated=_concatenated(output, matrices),
        provenance=_provenance(series, known),
        durations=_durations(known),
        templates=templates,
    )
    path = output / f"sub-{participant}.html"
    write_text(path, page)
    return path


def draw_participant(output: Path, participant: str) -> None:
    """Draw the static figures of all runs of a participant, from the data of their page.

    Raises
    ------
    LabelxError
        Where a file behind them is broken or gone; those before it are drawn.
    """
    # matplotlib is loaded where figures are asked for alone.
    from bids_labelx.figures.from_scripts import draw_concatenated, draw_figures

    runs: dict[str, list[Series]] = {}
    for path in series_paths(output, participant):
        one = read_series(output, path)
        runs.setdefault(run_title(one.run), []).append(one)
    for title, series in runs.items():
        record = read_record(output, series[0].run)
        order = strategies_in_order(series, [] if record is None else [record])
        draw_figures(output, run_contents(title, "", sorted(series, key=_by(order))))
    matrices = concatenated_matrices(output, participant)
    draw_concatenated(output, concatenated_contents(output, matrices))


def run_title(entities: Mapping[str, str]) -> str:
    """A run's name without the participant: ``ses-a_task-rest_run-1``."""
    rest = {key: value for key, value in entities.items() if key != "sub"}
    return build_name(rest, "", "").removesuffix("_")


def _summary(
    participant: str,
    series: Sequence[Series],
    order: Sequence[str],
    records: Sequence[RunRecord],
) -> tuple[tuple[str, str], ...]:
    return (
        ("Participant", f"sub-{participant}"),
        ("Atlases", ", ".join(sorted({one.sidecar["Atlas"] for one in series})) or "–"),
        ("Denoising strategies", ", ".join(order) or "–"),
        ("Labels missing in any run", _missing_anywhere(series)),
        ("Settings other than the defaults", _changed_settings(records)),
    )


def _missing_anywhere(series: Sequence[Series]) -> str:
    """The number of labels missing in any run and the first names, a line per atlas."""
    missing: dict[str, dict[str, None]] = {}
    for one in series:
        names = one.labels.loc[one.labels["status"] != OK, "name"]
        missing.setdefault(one.sidecar["Atlas"], {}).update(dict.fromkeys(names))
    lines = []
    for atlas, found in sorted(missing.items()):
        more = ", …" if len(found) > _MOST_NAMED else ""
        shown = ", ".join(list(found)[:_MOST_NAMED])
        lines.append(f"{atlas}: {len(found)}{f' ({shown}{more})' if found else ''}")
    return "\n".join(lines) or "–"


def _changed_settings(records: Sequence[RunRecord]) -> str:
    """The options of the invocations that made the results, one after the other."""
    made = {
        "\n".join(f"{name} {value}" for name, value in changed_options(one.options).items())
        for record in records
        for one in record.invocations.values()
    }
    if not made:
        return "none, as no run is done"
    return "\n\n".join(sorted(text or "none" for text in made))


def _section(
    title: str, series: Sequence[Series], failures: Sequence[Failure], order: Sequence[str]
) -> RunSection:
    error = messages(failures) or None
    trace = "\n".join(dict.fromkeys(one.trace for one in failures if one.trace))
    if not series:
        return RunSection(title, FAILED, error, trace, (), ())
    series = sorted(series, key=_by(order))
    contents = run_contents(title, "", series)
    table, remarked = strategy_table(series)
    parts = [
        Part("Strategies", tables=(table,), remarked=remarked),
        *_missing(series),
        Part("Figures", figures=existing_figures(series[0].output, series[0].run), static=True),
    ]
    kept = tuple(part for part in parts if part.tables or part.figures)
    # A matrix that could not be made leaves the rest of its strategy.
    whole = {name for one in failures if not one.measures for name in one.strategies}
    failed = {name for one in failures for name in one.strategies or ("unknown",)}
    done = [name for name in order if name not in whole]
    state, words = state_of(done, failed), state_words(done, failed)
    earlier = [name for name in order if name in whole]
    facts = (
        *facts_of(series[0]),
        *((("From an earlier invocation", ", ".join(earlier)),) if earlier else ()),
    )
    return RunSection(title, state, error, trace, facts, kept, words, {**contents, "state": state})


def _by(order: Sequence[str]) -> Callable[[Series], tuple[str, int]]:
    """Sort series by atlas, and then by strategy."""
    return lambda one: (str(one.labels_path), order.index(one.sidecar["DenoisingStrategy"]))


def _missing(series: Sequence[Series]) -> Iterator[Part]:
    """The table of labels missing of each atlas that lacks one."""
    for _, of_atlas in groupby(series, lambda one: one.labels_path):
        one = next(of_atlas)
        tables = missing_labels_table(one)
        if tables:
            yield Part(f"{one.sidecar['Atlas']}: missing labels", tables=tables, static=True)


def _concatenated(
    output: Path, matrices: Sequence[tuple[Path, Mapping[str, Any]]]
) -> tuple[Part, ...]:
    """The matrices over several runs: of what they are, and what was warned of."""
    rows = [
        (
            sidecar["Atlas"],
            sidecar["DenoisingStrategy"],
            sidecar["Statistic"],
            measure_of(path),
            str(sidecar["NumberOfRuns"]),
            str(sidecar["NumberOfVolumesKept"]),
            "; ".join(sidecar.get("Warnings", ())) or "–",
        )
        for path, sidecar in matrices
    ]
    if not rows:
        return ()
    links = tuple(path.as_posix() for path, _ in matrices)
    figures = figures_of_matrices(output, [path for path, _ in matrices])
    table = Table(_CONCATENATED, tuple(rows), "Matrices over several runs", links)
    return (Part(tables=(table,)), *((Part(figures=figures, static=True),) if figures else ()))


def _provenance(
    series: Sequence[Series], runs: Mapping[str, RunRecord]
) -> tuple[tuple[str, str], ...]:
    versions = {
        name: version
        for one in series
        for name, version in one.sidecar.get("SoftwareVersions", {}).items()
    }
    invocations = [made for one in runs.values() for made in one.invocations.values()]
    commands = dict.fromkeys(one.command for one in invocations)
    finished = [one.finished for one in invocations]
    if not invocations:
        return (("No run is done", "logs/settings.toml has the options of the last invocation"),)
    return (
        ("Command line", "\n".join(commands)),
        ("Last run finished", f"{max(finished)} UTC"),
        ("Versions", ", ".join(f"{n} {v}" for n, v in versions.items()) or "unknown"),
    )


def _durations(runs: Mapping[str, RunRecord]) -> Table | None:
    if not runs:
        return None
    rows = []
    for title, one in runs.items():
        seconds = [one.seconds.get(step) for step in _STEPS]
        rows.append((title, *("–" if value is None else f"{value:.2f}" for value in seconds)))
    return Table(("Run", *_STEPS), tuple(rows), "Duration of each step (s)")
