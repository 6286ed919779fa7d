"""The figures of a run's report, drawn while its results are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.atlases.atlas import Atlas
from bids_labelx.denoise import Strategy, read_confounds_table
from bids_labelx.errors import LabelxError
from bids_labelx.measures.quality import NETWORKLESS, OK, power_spectrum
from bids_labelx.names import camel, parse_name
from bids_labelx.outputs.paths import figure_path, report_figure, run_figure
from bids_labelx.outputs.results import read_series
from bids_labelx.outputs.run_records import read_record
from bids_labelx.participant.deliver import About, Delivery, done_strategies, masked_labels
from bids_labelx.participant.matrices import draw_matrix, matrix_path, networks_of
from bids_labelx.participant.records import MatrixKey, RunResults, SeriesKey, SignalKey
from bids_labelx.report.text import region_signals

# Columns of the outliers table, as a carpet names them.
_FD, _FILTERED_FD, _DVARS = "FD (mm)", "filtered FD (mm)", "std. DVARS"
_MOTION = {
    "framewise_displacement": _FD,
    "framewise_displacement_filtered": _FILTERED_FD,
    "std_dvars": _DVARS,
}
# Columns that say something of a run, whether a strategy takes them or not.
_ALWAYS = ("global_signal", "framewise_displacement", "std_dvars")


def draw_run(delivery: Delivery, results: RunResults) -> dict[Path, About]:
    """Draw the figures of a run, with tooltips where they help.

    Returns
    -------
    dict
        What each file is of, by its path within the output dataset.
    """
    drawn = dict(_draw_confounds(delivery, results))
    for i, atlas in enumerate(delivery.planned.atlases):
        shared = _draw_labels(delivery, results, i, atlas)
        for statistic in delivery.settings.statistic:
            shared.append(_draw_carpet(delivery, results, i, statistic))
        drawn |= dict.fromkeys(shared, (atlas.key, ""))
        for statistic, strategy in done_strategies(delivery, results):
            own = _draw_spectrum(delivery, results, i, statistic, strategy)
            for measure in delivery.settings.measures:
                key = MatrixKey(i, statistic, strategy.name, measure)
                if key not in results.connected.matrices:
                    continue
                path = matrix_path(delivery.entities(atlas), statistic, strategy.label, measure)
                draw_matrix(
                    delivery.settings.output_dir,
                    path,
                    results.connected.matrices[key],
                    results.extracted.tables[i],
                    measure=measure,
                    what=region_signals(statistic, strategy.name),
                )
                own.append(figure_path(path, ".svg"))
            drawn |= dict.fromkeys(own, (atlas.key, strategy.name))
    tooltips = {path.with_suffix(".js"): about for path, about in drawn.items()}
    there = {p: a for p, a in tooltips.items() if (delivery.settings.output_dir / p).is_file()}
    return {**drawn, **there}


def _changes(strategy: Strategy) -> bool:
    """Whether a strategy does anything: before and after `none` is the same figure."""
    return strategy.name != "none"


def region_texts(table: pd.DataFrame) -> list[str]:
    """The tooltip of each label: name, network, coverage, status if it is missing."""
    texts = []
    for _, row in table.iterrows():
        parts = [str(row["name"])]
        if "network" in table and row["network"] not in NETWORKLESS:
            parts.append(row["network"])
        share = row["coverage"]
        parts.append("not in the image" if pd.isna(share) else f"coverage {share:.2f}")
        if row["status"] != OK:
            parts.append(str(row["status"]))
        texts.append(" · ".join(parts))
    return texts


def _draw_labels(delivery: Delivery, results: RunResults, i: int, atlas: Atlas) -> list[Path]:
    """The labels on the mean BOLD image or on surfaces, their coverage there, and as bars."""
    from bids_labelx.report.label_pictures import canvas_of, draw_labels, draw_values
    from bids_labelx.report.run_figures import plot_coverage
    from bids_labelx.report.tooltips import save_with_tooltips

    output, entities = delivery.settings.output_dir, delivery.entities(atlas)
    planned, table = delivery.planned, results.extracted.tables[i]
    masked, given = masked_labels(planned, results.labels[i]), delivery.settings.surface_mesh
    background = results.extracted.mean_image
    canvas = canvas_of(masked, planned.grid, planned.run.space, given, background)
    texts = dict(zip(table["index"].tolist(), region_texts(table), strict=True))
    in_order = [texts[label] for label in canvas.shown]
    paths = []
    if canvas.drawable and in_order:
        paths.append(report_figure(entities, "dseg", ".png"))
        save_with_tooltips(draw_labels(canvas), output / paths[-1], texts=in_order)
        paths.append(report_figure(entities, "coveragemap", ".png"))
        coverage = dict(zip(table["index"].tolist(), table["coverage"].tolist(), strict=True))
        figure = draw_values(canvas, coverage, measure="coverage", limits=(0, 1))
        save_with_tooltips(figure, output / paths[-1], texts=in_order)
    paths.append(report_figure(entities, "coverage", ".svg"))
    figure = plot_coverage(
        table["coverage"].to_numpy(float),
        table["name"].tolist(),
        (table["status"] != OK).to_numpy(),
        threshold=delivery.settings.min_coverage,
    )
    save_with_tooltips(figure, output / paths[-1], texts=list(texts.values()))
    return paths


def _draw_carpet(delivery: Delivery, results: RunResults, i: int, statistic: str) -> Path:
    from bids_labelx.report.run_figures import Cleaned, plot_carpet
    from bids_labelx.report.tooltips import save_with_tooltips

    table = results.extracted.tables[i]
    done = [one for what, one in done_strategies(delivery, results) if what == statistic]
    motion = _motion(results, done)
    cleaned = [
        Cleaned(
            one.name,
            results.denoised.applied[one.name].kept,
            results.denoised.kept_signals(SeriesKey(i, statistic, one.name)),
        )
        for one in done
        if _changes(one)
    ]
    for sidecar, rows in _others(delivery, i, statistic):
        kept = np.array(sidecar["SampleMask"], dtype=bool)
        cleaned.append(Cleaned(sidecar["DenoisingStrategy"], kept, rows))
    figure = plot_carpet(
        results.extracted.signals[SignalKey(i, statistic)],
        cleaned,
        networks=networks_of(table),
        motion=motion,
        thresholds=_thresholds(done),
    )
    entities = delivery.entities(delivery.planned.atlases[i])
    path = report_figure(entities, "carpet", ".png", stat=camel(statistic))
    save_with_tooltips(figure, delivery.settings.output_dir / path, texts=region_texts(table))
    return path


def _others(
    delivery: Delivery, i: int, statistic: str
) -> Iterator[tuple[Mapping[str, Any], np.ndarray]]:
    """Sidecars and kept rows of earlier invocations' series, of strategies other than today's."""
    output, planned = delivery.settings.output_dir, delivery.planned
    names = {"none", *(one.name for one in delivery.strategies)}
    try:
        record = read_record(output, planned.run.entities)
        for path, file in (record.files if record else {}).items():
            entities = parse_name(path).entities
            if file.strategy in names or file.atlas != planned.atlases[i].key:
                continue
            if path.endswith("_timeseries.tsv") and entities.get("stat") == camel(statistic):
                series = read_series(output, Path(path))
                yield series.sidecar, series.kept_rows()
    except LabelxError:
        # What is broken is told by the reports, and no reason to draw nothing.
        return


def _motion(results: RunResults, strategies: Sequence[Strategy]) -> dict[str, np.ndarray]:
    """Framewise displacement and DVARS of the run, by name with unit, as far as they are known."""
    found: dict[str, np.ndarray] = {}
    for strategy in strategies:
        outliers = results.denoised.applied[strategy.name].outliers
        for column, name in _MOTION.items():
            if column in outliers:
                found.setdefault(name, outliers[column].to_numpy(float))
    return {name: found[name] for name in _MOTION.values() if name in found}


def _thresholds(strategies: Sequence[Strategy]) -> dict[str, float]:
    """The lowest threshold of the strategies for each of the motion figures."""
    found: dict[str, float] = {}
    for strategy in strategies:
        scrub = strategy.volumes.get("scrub", {})
        fd = _FILTERED_FD if "motion_filter" in scrub else _FD
        for name, key in ((fd, "fd_threshold"), (_DVARS, "std_dvars_threshold")):
            if key in scrub:
                found[name] = min(scrub[key], found.get(name, scrub[key]))
    return found


def _draw_spectrum(
    delivery: Delivery, results: RunResults, i: int, statistic: str, strategy: Strategy
) -> list[Path]:
    """Power by frequency, before and after a strategy; none where that is the same."""
    from bids_labelx.report.figures import save_figure
    from bids_labelx.report.run_figures import plot_spectrum

    t_r = delivery.planned.source.t_r
    if t_r is None or not _changes(strategy):
        return []
    before = results.extracted.signals[SignalKey(i, statistic)]
    frequencies, share = power_spectrum(before, np.ones(len(before), dtype=bool), t_r)
    denoised, key = results.denoised, SeriesKey(i, statistic, strategy.name)
    kept = denoised.applied[strategy.name].kept
    after = power_spectrum(denoised.kept_signals(key), kept, t_r)[1]
    figure = plot_spectrum(
        frequencies,
        share,
        after,
        band=(strategy.clean.get("high_pass"), strategy.clean.get("low_pass")),
        title=f"Power spectrum, {region_signals(statistic, strategy.name)}",
    )
    path = report_figure(
        delivery.entities(delivery.planned.atlases[i]),
        "spectrum",
        ".svg",
        stat=camel(statistic),
        desc=strategy.label,
    )
    save_figure(figure, delivery.settings.output_dir / path)
    return [path]


def _draw_confounds(delivery: Delivery, results: RunResults) -> Iterator[tuple[Path, About]]:
    """Correlations between confounds, and the regressors of each strategy."""
    from bids_labelx.report.figures import plot_matrix, save_figure
    from bids_labelx.report.run_figures import correlate_confounds, plot_design
    from bids_labelx.report.tooltips import save_with_tooltips

    run, output = delivery.planned.run, delivery.settings.output_dir
    applied = results.denoised.applied
    taken = [(one, applied[one.name]) for one in delivery.strategies if one.name in applied]
    series: dict[str, np.ndarray] = {}
    for strategy, done in taken:
        names = list(done.columns)
        if names:
            path = run_figure(run.entities, "design", ".svg", desc=strategy.label)
            figure = plot_design(
                done.regressors, names, done.kept, title=f"Regressors of {strategy.name}"
            )
            save_figure(figure, output / path)
            yield path, ("", strategy.name)
        series |= dict(zip(names, done.regressors.T, strict=True))
    if not series:
        return
    others = _others(delivery, 0, delivery.settings.statistic[0])
    earlier = [name for sidecar, _ in others for name in sidecar["ConfoundRegressors"]]
    # One that no strategy took anything from may be broken, or of other volumes.
    used = any(run.confounds in done.files for _, done in taken)
    table = read_confounds_table(run.confounds) if run.confounds and used else pd.DataFrame()
    for name in (*earlier, *_ALWAYS):
        if name not in series and name in table:
            series[name] = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
    # Cosines are uncorrelated by construction, and many.
    shown = [name for name in series if "cosine" not in name or name in _ALWAYS]
    if len(shown) < 2:
        return
    figure = plot_matrix(
        correlate_confounds(np.column_stack([series[name] for name in shown])),
        shown,
        title="Correlations between confounds",
        limits=(-1, 1),
        measure="correlation",
    )
    path = run_figure(run.entities, "confounds", ".svg")
    save_with_tooltips(figure, output / path, names=shown)
    yield path, ("", "")
