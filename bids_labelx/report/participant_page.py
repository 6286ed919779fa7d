"""A participant's report, put together from what was written: tables, sidecars, figures, logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from bids_labelx._version import __version__
from bids_labelx.errors import Failure, LabelxError
from bids_labelx.files import write_text
from bids_labelx.measures.quality import OK
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs.failures import messages, read_failures
from bids_labelx.outputs.paths import figure_path, report_figure, run_figure
from bids_labelx.outputs.provenance import Provenance, read_provenance
from bids_labelx.outputs.results import (
    RESULT_ENTITIES,
    Series,
    concatenated_matrices,
    read_series,
    series_paths,
)
from bids_labelx.report.pages import Part, Picture, RunSection, Table, participant_page
from bids_labelx.report.run_tables import (
    facts_of,
    missing_labels_table,
    region_tables,
    strategy_table,
)
from bids_labelx.settings import changed_options, read_options

_NAMED_LOST = 10

_STEPS = {
    "resample_atlas": "atlas onto grid",
    "label_reduce": "label_reduce",
    "clean_signal": "clean_signal",
    "connectivity": "connectivity",
    "files": "files",
    "figures": "figures",
}


def write_participant_report(output: Path, participant: str) -> Path:
    """Write ``sub-XX.html`` for all runs of a participant in the output dataset.

    Parameters
    ----------
    output
        The output dataset.
    participant
        Label without ``sub-``.
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
    sections = [
        _section(title, found.get(title, []), failures.get(title, []))
        for title in sorted({*found, *failures})
    ]
    made = {title: read_provenance(output, of[0].run) for title, of in sorted(found.items())}
    known = {title: one for title, one in made.items() if one is not None}
    page = participant_page(
        participant,
        _summary(output, participant, series, sections),
        sections,
        _methods(output),
        __version__,
        together=_together(output, participant),
        regions=region_tables(series),
        made=_made(series, known),
        steps=_steps(known),
    )
    path = output / f"sub-{participant}.html"
    write_text(path, page)
    return path


def run_title(entities: Mapping[str, str]) -> str:
    """A run's name without the participant, for headings: ``ses-a_task-rest_run-1``."""
    rest = {key: value for key, value in entities.items() if key != "sub"}
    return build_name(rest, "", "").removesuffix("_")


def _summary(
    output: Path, participant: str, series: Sequence[Series], sections: Sequence[RunSection]
) -> tuple[tuple[str, str], ...]:
    failed = sum(section.status == "failed" for section in sections)
    return (
        ("Participant", f"sub-{participant}"),
        ("Runs", f"{len(sections)} found, {len(sections) - failed} done, {failed} failed"),
        ("Atlases", ", ".join(sorted({one.sidecar["Atlas"] for one in series})) or "–"),
        ("Denoising strategies", ", ".join(_strategies(series)) or "–"),
        ("Labels lost in any run", _lost_anywhere(series)),
        ("Settings that differ from the defaults", _changed_settings(output)),
    )


def _lost_anywhere(series: Sequence[Series]) -> str:
    """How many labels some run lost, and the first of them by name, a line per atlas."""
    lost: dict[str, dict[str, None]] = {}
    for one in series:
        gone = one.labels.loc[one.labels["status"] != OK, "name"]
        lost.setdefault(one.sidecar["Atlas"], {}).update(dict.fromkeys(gone))
    lines = []
    for atlas, names in sorted(lost.items()):
        more = ", …" if len(names) > _NAMED_LOST else ""
        shown = ", ".join(list(names)[:_NAMED_LOST])
        lines.append(f"{atlas}: {len(names)}{f' ({shown}{more})' if names else ''}")
    return "\n".join(lines) or "–"


def _strategies(series: Sequence[Series]) -> list[str]:
    return sorted({one.sidecar["DenoisingStrategy"] for one in series})


def _changed_settings(output: Path) -> str:
    try:
        changed = changed_options(read_options(output / "logs" / "settings.toml"))
    except LabelxError:
        return "not known"
    return "\n".join(f"{name} {value}" for name, value in changed.items()) or "none"


def _methods(output: Path) -> str:
    try:
        text = (output / "logs" / "CITATION.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "not known"
    return text.removeprefix("# Methods")


def _section(title: str, series: Sequence[Series], failures: Sequence[Failure]) -> RunSection:
    error = messages(failures) or None
    trace = "\n".join(dict.fromkeys(one.trace for one in failures if one.trace))
    if not series:
        return RunSection(title, "failed", error, trace, (), ())
    parts = [Part("Strategies", tables=(strategy_table(series),))]
    confounds = _there(series[0].output, _confounds_pictures(series))
    for _, of_atlas in groupby(series, lambda one: one.labels_path):
        group = list(of_atlas)
        atlas = group[0].sidecar["Atlas"]
        labels = _there(group[0].output, _label_pictures(group[0]))
        parts.append(
            Part(f"{atlas}: labels", tables=missing_labels_table(group[0]), pictures=labels)
        )
        for what, pictures in (
            ("series", _carpets(group)),
            ("connectivity", _of_strategies(group)),
        ):
            there = _there(group[0].output, pictures)
            parts.append(Part(f"{atlas}: {what}", pictures=there))
    if confounds:
        parts.append(Part("Confounds", pictures=confounds))
    kept = tuple(part for part in parts if part.tables or part.pictures)
    return RunSection(
        title, "failed" if error else "done", error, trace, facts_of(series[0]), kept
    )


def _there(output: Path, pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures that were drawn, with what is under the pointer where that is beside them."""
    found = []
    for picture in pictures:
        if (output / picture.src).is_file():
            hover = Path(picture.src).with_suffix(".js")
            beside = hover.as_posix() if (output / hover).is_file() else ""
            found.append(Picture(picture.src, picture.alt, picture.caption, beside))
    return tuple(found)


def _of_atlas(one: Series) -> dict[str, str]:
    """Entities of a series' run and atlas."""
    return {k: v for k, v in one.entities.items() if k not in RESULT_ENTITIES}


def _label_pictures(one: Series) -> list[Picture]:
    atlas, entities = one.sidecar["Atlas"], _of_atlas(one)
    lost = int((one.labels["status"] != OK).sum())
    return [
        Picture(
            report_figure(entities, "dseg", ".png").as_posix(),
            f"Slices of the mean BOLD image with the labels of {atlas} in colour",
            f"Labels of {atlas} on the mean BOLD image",
        ),
        Picture(
            report_figure(entities, "coveragemap", ".png").as_posix(),
            f"Slices of the mean BOLD image with each label of {atlas} in the colour of its "
            "coverage",
            f"Coverage of {atlas}: share of a label's voxels that are inside the mask and have a "
            "signal",
        ),
        Picture(
            report_figure(entities, "coverage", ".svg").as_posix(),
            f"Bars of the coverage of {len(one.labels)} labels of {atlas}, the least covered "
            f"first; {lost} are lost",
            f"Coverage of {atlas}, the least covered labels first; {lost} of {len(one.labels)} "
            "labels are lost",
        ),
    ]


def _carpets(series: Sequence[Series]) -> list[Picture]:
    statistics = dict.fromkeys(one.entities["stat"] for one in series)
    atlas, entities = series[0].sidecar["Atlas"], _of_atlas(series[0])
    return [
        Picture(
            report_figure(entities, "carpet", ".png", stat=statistic).as_posix(),
            f"Motion and DVARS by volume, and below a row per region of {atlas} with its "
            f"{statistic} before and after each strategy",
            f"Series of {atlas}, {statistic}, a row per region, each at unit variance, light "
            "above its mean; volumes that a strategy leaves out are grey",
        )
        for statistic in statistics
    ]


def _of_strategies(series: Sequence[Series]) -> list[Picture]:
    """Each strategy's matrices and power spectrum."""
    pictures = []
    for one in series:
        atlas, strategy = one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"]
        what = f"{atlas}, {one.sidecar['Statistic']}, strategy {strategy}"
        for path in one.matrices():
            measure = _measure(path)
            pictures.append(
                Picture(
                    figure_path(path, ".svg").as_posix(),
                    f"Matrix of the {measure} between regions, with a histogram: {what}",
                    f"{measure.capitalize()} between regions: {what}",
                )
            )
        more = {key: one.entities[key] for key in ("stat", "desc")}
        pictures.append(
            Picture(
                report_figure(_of_atlas(one), "spectrum", ".svg", **more).as_posix(),
                f"Power of the regions' series by frequency, before and after: {what}",
                f"Power by frequency, mean over regions: {what}",
            )
        )
    return pictures


def _confounds_pictures(series: Sequence[Series]) -> list[Picture]:
    run = series[0].run
    pictures = [
        Picture(
            run_figure(run, "confounds", ".svg").as_posix(),
            "Matrix of the correlations between confounds",
            "Correlations between the confounds that strategies take, without cosines, and with "
            "the global signal, framewise displacement and DVARS",
        )
    ]
    labels = {one.entities["desc"]: one.sidecar for one in series}
    for desc, sidecar in labels.items():
        name, count = sidecar["DenoisingStrategy"], len(sidecar["ConfoundRegressors"])
        pictures.append(
            Picture(
                run_figure(run, "design", ".svg", desc=desc).as_posix(),
                f"The {count} regressors of {name} as columns of grey, time running down",
                f"Regressors of {name}, each at unit variance; volumes left out are grey",
            )
        )
    return pictures


def _together(output: Path, participant: str) -> list[Picture]:
    """The matrices over several runs."""
    pictures: list[Picture] = []
    for path, sidecar in concatenated_matrices(output, participant):
        measure = _measure(path)
        what = (
            f"{sidecar['Atlas']}, {sidecar['Statistic']}, strategy "
            f"{sidecar['DenoisingStrategy']}, {sidecar['NumberOfRuns']} runs with "
            f"{sidecar['NumberOfVolumesKept']} volumes"
        )
        pictures.append(
            Picture(
                figure_path(path, ".svg").as_posix(),
                f"Matrix of the {measure} between regions: {what}",
                f"{measure[0].upper()}{measure[1:]} between regions: {what}",
            )
        )
    return list(_there(output, pictures))


def _made(series: Sequence[Series], runs: Mapping[str, Provenance]) -> tuple[tuple[str, str], ...]:
    versions = {
        name: version
        for one in series
        for name, version in one.sidecar.get("SoftwareVersions", {}).items()
    }
    commands = dict.fromkeys(one.command for one in runs.values())
    finished = [one.finished for one in runs.values()]
    return (
        ("Command line", "\n".join(commands) or "not known"),
        ("Last run finished", f"{max(finished)} UTC" if finished else "not known"),
        ("Versions", ", ".join(f"{n} {v}" for n, v in versions.items()) or "not known"),
    )


def _steps(runs: Mapping[str, Provenance]) -> Table | None:
    if not runs:
        return None
    rows = []
    for title, one in runs.items():
        seconds = [one.seconds.get(step) for step in _STEPS]
        rows.append((title, *("–" if value is None else f"{value:.2f}" for value in seconds)))
    return Table(("Run", *_STEPS.values()), tuple(rows), "Seconds that each step took")


def _measure(path: Path) -> str:
    """What a matrix' name says that it is, in words: ``meas-partialCorrelation``."""
    label = parse_name(path).entities.get("meas", "connectivity")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()
