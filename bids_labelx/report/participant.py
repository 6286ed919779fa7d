"""A participant's report, put together from what was written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from bids_labelx import __version__
from bids_labelx.errors import LabelxError
from bids_labelx.failures import read_failures
from bids_labelx.names import build_name, parse_name
from bids_labelx.outputs import figure_path, write_text
from bids_labelx.quality import OK, qc_row
from bids_labelx.report.pages import Picture, RunSection, Table, participant_page
from bids_labelx.results import Series, matrices_of_several_runs, read_series, series_paths

_SHOWN_LOST = 50

_STRATEGY_HEADER = (
    "Atlas",
    "Statistic",
    "Strategy",
    "Volumes kept",
    "Regressors",
    "Degrees of freedom",
    "Labels lost",
    "Lowest coverage",
)


def write_participant_report(output: Path, participant: str, *, methods: str) -> Path:
    """Write ``sub-XX.html`` for all runs of a participant in the output dataset.

    Parameters
    ----------
    output
        The output dataset.
    participant
        Label without ``sub-``.
    methods
        Plain text.
    """
    series: list[Series] = []
    broken: dict[str, str] = {}
    for path in series_paths(output, participant):
        try:
            series.append(read_series(output, path))
        except LabelxError as error:
            broken[path.name] = str(error)
    found = {
        title: list(group)
        for title, group in groupby(
            sorted(series, key=lambda one: run_title(one.run)), lambda one: run_title(one.run)
        )
    }
    failures = read_failures(output, participant)
    problems = {**broken, **{run_title(one.entities): one.problem for one in failures}}
    sections = [
        _section(title, found.get(title, []), problems.get(title))
        for title in sorted({*found, *problems})
    ]
    summary = (
        ("Participant", f"sub-{participant}"),
        ("Atlases", ", ".join(sorted({one.sidecar["Atlas"] for one in series})) or "–"),
        (
            "Denoising strategies",
            ", ".join(sorted({one.sidecar["DenoisingStrategy"] for one in series})) or "–",
        ),
        ("Labels lost in any run", str(len(_lost_anywhere(series)))),
    )
    path = output / f"sub-{participant}.html"
    page = participant_page(
        participant,
        summary,
        sections,
        methods,
        __version__,
        together=_together(output, participant),
    )
    write_text(path, page)
    return path


def run_title(entities: Mapping[str, str]) -> str:
    """A run's name without the participant, for headings: ``ses-a_task-rest_run-1``."""
    rest = {key: value for key, value in entities.items() if key != "sub"}
    return build_name(rest, "", "").removesuffix("_")


def _together(output: Path, participant: str) -> list[Picture]:
    """The matrices over several runs."""
    pictures: list[Picture] = []
    for path, sidecar in matrices_of_several_runs(output, participant):
        picture = figure_path(path, ".svg")
        if not (output / picture).is_file():
            continue
        measure = _measure(path)
        what = (
            f"{sidecar['Atlas']}, {sidecar['Statistic']}, strategy "
            f"{sidecar['DenoisingStrategy']}, {sidecar['NumberOfRuns']} runs with "
            f"{sidecar['NumberOfVolumesKept']} volumes"
        )
        pictures.append(
            Picture(
                picture.as_posix(),
                f"Matrix of the {measure} between regions: {what}",
                f"{measure[0].upper()}{measure[1:]} between regions: {what}",
            )
        )
    return pictures


def _lost_anywhere(series: Sequence[Series]) -> set[tuple[str, str]]:
    return {
        (one.sidecar["Atlas"], name)
        for one in series
        for name in one.labels.loc[one.labels["status"] != OK, "name"]
    }


def _section(title: str, series: Sequence[Series], error: str | None) -> RunSection:
    if not series:
        return RunSection(title, "failed", error, (), (), ())
    first = series[0].sidecar
    t_r = first["RepetitionTime"]
    facts = [
        ("Source", next(iter(first["Sources"]), "").partition(":")[2].partition(":")[2]),
        ("Volumes", str(first["NumberOfVolumes"])),
        ("Repetition time", f"{t_r:g} s" if t_r else "not known"),
        ("Duration", f"{first['NumberOfVolumes'] * t_r / 60:.1f} min" if t_r else "not known"),
        ("Mean framewise displacement", _unit(first["MeanFramewiseDisplacement"], "mm")),
        ("Maximum framewise displacement", _unit(first["MaxFramewiseDisplacement"], "mm")),
        ("Mean standardised DVARS", _unit(first["MeanStdDVARS"], "")),
    ]
    tables = [Table(_STRATEGY_HEADER, tuple(map(_strategy_row, series)), "What was extracted")]
    pictures: list[Picture] = []
    for _, of_atlas in groupby(series, lambda one: one.labels_path):
        group = list(of_atlas)
        tables += _lost_table(group[0])
        pictures += _pictures(group)
    return RunSection(
        title,
        "failed" if error else "done",
        error,
        tuple(facts),
        tuple(tables),
        tuple(pictures),
    )


def _unit(value: float | None, unit: str) -> str:
    return "not known" if value is None else f"{value:.3g} {unit}".strip()


def _strategy_row(one: Series) -> tuple[str, ...]:
    row = qc_row(one.sidecar, one.labels)
    return (
        one.sidecar["Atlas"],
        one.sidecar["Statistic"],
        one.sidecar["DenoisingStrategy"],
        f"{row['volumes_kept']} of {row['volumes']}",
        str(len(one.sidecar["ConfoundRegressors"])),
        str(row["degrees_of_freedom"]),
        f"{row['labels_lost']} of {row['labels']}",
        f"{row['min_coverage']:.2f}",
    )


def _lost_table(one: Series) -> list[Table]:
    lost = one.labels[one.labels["status"] != OK]
    if lost.empty:
        return []
    columns = ["index", "name", "status", "voxels_grid", "voxels_covered", "coverage"]
    shown = lost[columns].head(_SHOWN_LOST)
    shown["coverage"] = [_two_digits(text) for text in shown["coverage"]]
    rows = tuple(tuple(row) for row in shown.itertuples(index=False))
    more = f", the first {_SHOWN_LOST} of {len(lost)}" if len(lost) > _SHOWN_LOST else ""
    return [Table(tuple(columns), rows, f"Labels lost, {one.sidecar['Atlas']}{more}")]


def _two_digits(text: str) -> str:
    return text if text == "n/a" else f"{float(text):.2f}"


def _pictures(series: Sequence[Series]) -> list[Picture]:
    """The labels once, then each strategy's matrices; those that were drawn."""
    atlas = series[0].sidecar["Atlas"]
    pictures = [
        Picture(
            series[0].labels_figure.as_posix(),
            f"Slices of the mean BOLD image with the labels of {atlas} in colour",
            f"Labels of {atlas} on the mean BOLD image",
        )
    ]
    for one in series:
        strategy, statistic = one.sidecar["DenoisingStrategy"], one.sidecar["Statistic"]
        for path in one.matrices():
            what = f"{atlas}, {statistic}, strategy {strategy}"
            measure = _measure(path)
            pictures.append(
                Picture(
                    figure_path(path, ".svg").as_posix(),
                    f"Matrix of the {measure} between regions: {what}",
                    f"{measure.capitalize()} between regions: {what}",
                )
            )
    return [p for p in pictures if (series[0].output / p.src).is_file()]


def _measure(path: Path) -> str:
    """What a matrix' name says that it is, in words: ``meas-partialCorrelation``."""
    label = parse_name(path).entities.get("meas", "connectivity")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()
