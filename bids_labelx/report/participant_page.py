"""A participant's report, made from the outputs: tables, sidecars, figures and logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from jinja2 import Environment

from bids_labelx._version import __version__
from bids_labelx.errors import Failure, LabelxError
from bids_labelx.files import write_text
from bids_labelx.measures.quality import OK
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs.failures import messages, read_failures
from bids_labelx.outputs.label_images import CIFTI, VOLUME, existing_label_files
from bids_labelx.outputs.paths import figure_path, report_figure, run_figure
from bids_labelx.outputs.results import (
    RESULT_ENTITIES,
    Series,
    concatenated_matrices,
    read_series,
    series_paths,
)
from bids_labelx.outputs.run_records import RunRecord, read_record
from bids_labelx.outputs.states import FAILED, state_of, state_words
from bids_labelx.report.methods import accounts_of, methods_text
from bids_labelx.report.pages import FigureFile, Part, RunSection, Table, participant_page
from bids_labelx.report.run_tables import (
    facts_of,
    missing_labels_table,
    region_tables,
    strategy_table,
)
from bids_labelx.report.text import counted, region_signals
from bids_labelx.settings import changed_options

_MOST_NAMED = 10

_STEPS = ("resample_atlas", "label_reduce", "clean_signal", "connectivity", "files", "figures")


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
    sections = [
        _section(title, found.get(title, []), failures.get(title, []))
        for title in sorted({*found, *failures})
    ]
    page = participant_page(
        participant,
        _summary(participant, series, list(known.values())),
        sections,
        methods_text(accounts_of(known.values()), templates),
        __version__,
        concatenated=_concatenated(output, participant),
        regions=region_tables(series),
        provenance=_provenance(series, known),
        durations=_durations(known),
        templates=templates,
    )
    path = output / f"sub-{participant}.html"
    write_text(path, page)
    return path


def run_title(entities: Mapping[str, str]) -> str:
    """A run's name without the participant: ``ses-a_task-rest_run-1``."""
    rest = {key: value for key, value in entities.items() if key != "sub"}
    return build_name(rest, "", "").removesuffix("_")


def _summary(
    participant: str,
    series: Sequence[Series],
    records: Sequence[RunRecord],
) -> tuple[tuple[str, str], ...]:
    return (
        ("Participant", f"sub-{participant}"),
        ("Atlases", ", ".join(sorted({one.sidecar["Atlas"] for one in series})) or "–"),
        ("Denoising strategies", ", ".join(_strategies(series)) or "–"),
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


def _strategies(series: Sequence[Series]) -> list[str]:
    return sorted({one.sidecar["DenoisingStrategy"] for one in series})


def _changed_settings(records: Sequence[RunRecord]) -> str:
    """The options of the invocations that made the results, one after the other."""
    made = {
        "\n".join(f"{name} {value}" for name, value in changed_options(one.options).items())
        for record in records
        for one in record.invocations.values()
    }
    if not made:
        return "unknown"
    return "\n\n".join(sorted(text or "none" for text in made))


def _section(title: str, series: Sequence[Series], failures: Sequence[Failure]) -> RunSection:
    error = messages(failures) or None
    trace = "\n".join(dict.fromkeys(one.trace for one in failures if one.trace))
    if not series:
        return RunSection(title, FAILED, error, trace, (), ())
    parts = [Part("Strategies", tables=(strategy_table(series),))]
    confounds = _existing(series[0].output, _confounds_figures(series))
    for _, of_atlas in groupby(series, lambda one: one.labels_path):
        group = list(of_atlas)
        atlas = group[0].sidecar["Atlas"]
        labels = _existing(group[0].output, _label_figures(group[0]))
        parts.append(
            Part(f"{atlas}: labels", tables=missing_labels_table(group[0]), figures=labels)
        )
        for what, figures in (
            ("series", _carpets(group)),
            ("connectivity", _of_strategies(group)),
        ):
            parts.append(Part(f"{atlas}: {what}", figures=_existing(group[0].output, figures)))
    parts.append(Part("Confounds", figures=confounds))
    kept = tuple(part for part in parts if part.tables or part.figures)
    # A matrix that could not be made leaves the rest of its strategy.
    whole = {name for one in failures if not one.measures for name in one.strategies}
    failed = {name for one in failures for name in one.strategies or ("unknown",)}
    done = [name for name in _strategies(series) if name not in whole]
    state, words = state_of(done, failed), state_words(done, failed)
    earlier = [name for name in _strategies(series) if name in whole]
    facts = (
        *facts_of(series[0]),
        *((("From an earlier invocation", ", ".join(earlier)),) if earlier else ()),
        *_warnings(series),
    )
    return RunSection(title, state, error, trace, facts, kept, words)


def _warnings(series: Sequence[Series]) -> tuple[tuple[str, str], ...]:
    """What was warned of while a run was cleaned, a line per strategy and warning."""
    found = {
        f"{one.sidecar['DenoisingStrategy']}: {text}"
        for one in series
        for text in one.sidecar.get("Warnings", ())
    }
    return (("Warnings", "\n".join(sorted(found))),) if found else ()


def _existing(output: Path, figures: Sequence[FigureFile]) -> tuple[FigureFile, ...]:
    """The figures that were drawn, with their tooltips if there are any."""
    found = []
    for one in figures:
        if (output / one.src).is_file():
            path = Path(one.src).with_suffix(".js")
            tooltips = path.as_posix() if (output / path).is_file() else ""
            found.append(replace(one, tooltips=tooltips))
    return tuple(found)


def _of_atlas(one: Series) -> dict[str, str]:
    """Entities of a series' run and atlas."""
    return {k: v for k, v in one.entities.items() if k not in RESULT_ENTITIES}


def _label_figures(one: Series) -> list[FigureFile]:
    atlas, entities = one.sidecar["Atlas"], _of_atlas(one)
    missing = int((one.labels["status"] != OK).sum())
    image = existing_label_files(one.output / one.labels_path)[0]
    if image.name.endswith(VOLUME):
        below, where, more = "Slices of the mean BOLD image", "on the mean BOLD image", ""
        undrawn = ""
        kind = "map's weight" if one.sidecar.get("AtlasType") == "maps" else "label's volume"
        share = f"a {kind} in the atlas that is in view, inside the mask, and has data"
    else:
        below, where = "The surfaces of the hemispheres", "on the surfaces of the hemispheres"
        more = "; subcortical labels are not in the picture" if image.name.endswith(CIFTI) else ""
        share = "a label's vertices and voxels in the atlas that the run has data of"
        drawn = (one.output / report_figure(entities, "dseg", ".png")).is_file()
        undrawn = "" if drawn else "; not drawn on surfaces: no mesh of them (--surface-mesh)"
    return [
        FigureFile(
            report_figure(entities, "dseg", ".png").as_posix(),
            f"{below} with the labels of {atlas} in colour",
            f"Labels of {atlas} {where}{more}",
        ),
        FigureFile(
            report_figure(entities, "coveragemap", ".png").as_posix(),
            f"{below} with each label of {atlas} in the colour of its coverage",
            f"Coverage of {atlas}: share of {share}{more}",
        ),
        FigureFile(
            report_figure(entities, "coverage", ".svg").as_posix(),
            f"Bars of the coverage of {counted(len(one.labels), 'label')} of {atlas} in order of "
            f"coverage; missing: {missing}",
            f"Coverage of {atlas} in order; missing: {missing} of "
            f"{counted(len(one.labels), 'label')}{undrawn}",
        ),
    ]


def _carpets(series: Sequence[Series]) -> list[FigureFile]:
    statistics = dict.fromkeys(one.entities["stat"] for one in series)
    atlas, entities = series[0].sidecar["Atlas"], _of_atlas(series[0])
    return [
        FigureFile(
            report_figure(entities, "carpet", ".png", stat=statistic).as_posix(),
            f"Motion and DVARS by volume, and below a row per region of {atlas} with its "
            f"{statistic} before and after each strategy",
            f"Series of {atlas}, {statistic}, a row per region, z-scored, light above the mean; "
            "censored volumes are grey",
        )
        for statistic in statistics
    ]


def _of_strategies(series: Sequence[Series]) -> list[FigureFile]:
    """Matrices and power spectrum of each strategy."""
    figures = []
    for one in series:
        atlas, strategy = one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"]
        what = f"{atlas}: {region_signals(one.sidecar['Statistic'], strategy)}"
        for path in one.matrices():
            measure = _measure(path)
            figures.append(
                FigureFile(
                    figure_path(path, ".svg").as_posix(),
                    f"Matrix of the {measure} between regions of {what}, with a histogram",
                    f"{measure.capitalize()} between regions of {what}",
                )
            )
        more = {key: one.entities[key] for key in ("stat", "desc")}
        figures.append(
            FigureFile(
                report_figure(_of_atlas(one), "spectrum", ".svg", **more).as_posix(),
                f"Power spectrum before and after denoising, {what}",
                f"Power spectrum, mean over regions of {what}",
            )
        )
    return figures


def _confounds_figures(series: Sequence[Series]) -> list[FigureFile]:
    run = series[0].run
    figures = [
        FigureFile(
            run_figure(run, "confounds", ".svg").as_posix(),
            "Matrix of the correlations between confounds",
            "Correlations between the confounds of the strategies (without cosines), the global "
            "signal, framewise displacement and DVARS",
        )
    ]
    labels = {one.entities["desc"]: one.sidecar for one in series}
    for desc, sidecar in labels.items():
        name, regressors = sidecar["DenoisingStrategy"], sidecar["ConfoundRegressors"]
        figures.append(
            FigureFile(
                run_figure(run, "design", ".svg", desc=desc).as_posix(),
                f"{counted(len(regressors), 'regressor')} of {name} as columns of grey, time "
                "running down",
                f"Regressors of {name}, z-scored; censored volumes are grey",
            )
        )
    return figures


def _concatenated(output: Path, participant: str) -> tuple[FigureFile, ...]:
    """Figures of the matrices over several runs."""
    figures: list[FigureFile] = []
    for path, sidecar in concatenated_matrices(output, participant):
        measure = _measure(path)
        what = (
            f"{sidecar['Atlas']}: "
            f"{region_signals(sidecar['Statistic'], sidecar['DenoisingStrategy'])}; "
            f"{counted(sidecar['NumberOfRuns'], 'run')} with "
            f"{counted(sidecar['NumberOfVolumesKept'], 'volume')}"
        )
        figures.append(
            FigureFile(
                figure_path(path, ".svg").as_posix(),
                f"Matrix of the {measure} between regions of {what}",
                ". ".join(
                    [
                        f"{measure.capitalize()} between regions of {what}",
                        *(f"Warning: {text}" for text in sidecar.get("Warnings", ())),
                    ]
                ),
            )
        )
    return _existing(output, figures)


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
    return (
        ("Command line", "\n".join(commands) or "unknown"),
        ("Last run finished", f"{max(finished)} UTC" if finished else "unknown"),
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


def _measure(path: Path) -> str:
    """The measure in a matrix' name, in words: ``meas-partialCorrelation``."""
    label = parse_name(path).entities.get("meas", "connectivity")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()
