"""The data that a run's page is drawn from, written while the run's results are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.affines import obliquity

from bids_labelx.denoise import AppliedStrategy, Strategy, read_confounds_table
from bids_labelx.extraction.grayordinates import Grayordinates
from bids_labelx.extraction.space import Space, voxel_grid
from bids_labelx.measures.quality import power_spectrum
from bids_labelx.meshes import Mesh
from bids_labelx.names import camel
from bids_labelx.outputs.paths import report_figure, run_figure
from bids_labelx.participant.deliver import About, Delivery, done_strategies
from bids_labelx.participant.matrices import matrix_path, matrix_picture
from bids_labelx.participant.records import MatrixKey, RunResults, SeriesKey, SignalKey
from bids_labelx.participant.weights import read_labels
from bids_labelx.pictures.packing import write_script
from bids_labelx.pictures.panels import panels_of, region_geometry
from bids_labelx.pictures.run_data import (
    atlas_data,
    results_data,
    signals_data,
    strategy_data,
)
from bids_labelx.pictures.surface_views import FLAT_NOTE, View, meshes_of, views_of
from bids_labelx.report.static_figures import remove_figures

# Columns of the outliers table, as a page names them.
_FD, _FILTERED_FD, _DVARS = "FD (mm)", "filtered FD (mm)", "std. DVARS"
_MOTION = {
    "framewise_displacement": _FD,
    "framewise_displacement_filtered": _FILTERED_FD,
    "std_dvars": _DVARS,
}
# Radians by which a grid may be turned before a slice is elsewhere than it says.
_OBLIQUE = 0.01
# Columns that say something of a run, whether a strategy takes them or not.
_ALWAYS = ("global_signal", "framewise_displacement", "std_dvars")


def write_pictures(delivery: Delivery, results: RunResults) -> dict[Path, About]:
    """Write what the page of a run is drawn from; static figures of what was before are removed.

    Returns
    -------
    dict
        What each file is of, by its path within the output dataset.
    """
    written = {}
    remove_figures(delivery.settings.output_dir, delivery.planned.run.entities)
    for path, about, content in _contents(delivery, results):
        write_script(delivery.settings.output_dir / path, content)
        written[path] = about
    return written


def _contents(
    delivery: Delivery, results: RunResults
) -> Iterator[tuple[Path, About, dict[str, Any]]]:
    run = delivery.planned.run
    meshes = meshes_of(delivery.planned.grid, run.space, delivery.settings.surface_mesh)
    views = views_of(meshes)
    for strategy in delivery.strategies:
        applied = results.denoised.applied.get(strategy.name)
        if applied is not None:
            path = run_figure(run.entities, "report", ".js", desc=strategy.label)
            yield path, ("", strategy.name), _strategy(delivery, strategy, applied)
    for i, atlas in enumerate(delivery.planned.atlases):
        entities = delivery.entities(atlas)
        path = report_figure(entities, "report", ".js")
        yield path, (atlas.key, ""), _atlas(delivery, results, i, meshes, views)
        for statistic in delivery.settings.statistic:
            path = report_figure(entities, "report", ".js", stat=camel(statistic))
            signals = results.extracted.signals[SignalKey(i, statistic)]
            kept = np.ones(len(signals), dtype=bool)
            content = signals_data(
                atlas.key, statistic, signals, _spectrum(delivery, signals, kept)
            )
            yield path, (atlas.key, ""), content
        for statistic, strategy in done_strategies(delivery, results):
            more = {"stat": camel(statistic), "desc": strategy.label}
            path = report_figure(entities, "report", ".js", **more)
            content = _results(delivery, results, i, statistic, strategy)
            yield path, (atlas.key, strategy.name), content


def _strategy(delivery: Delivery, strategy: Strategy, applied: AppliedStrategy) -> dict[str, Any]:
    outliers = applied.outliers
    motion = {
        name: outliers[column].to_numpy(float)
        for column, name in _MOTION.items()
        if column in outliers
    }
    scrub = strategy.volumes.get("scrub", {})
    fd = _FILTERED_FD if "motion_filter" in scrub else _FD
    limits = {fd: scrub.get("fd_threshold"), _DVARS: scrub.get("std_dvars_threshold")}
    regressors = dict(zip(applied.columns, applied.regressors.T, strict=True))
    return strategy_data(
        strategy.name,
        applied.kept,
        t_r=delivery.planned.source.t_r,
        motion=motion,
        thresholds={name: limit for name, limit in limits.items() if limit is not None},
        regressors=regressors,
        confounds=_confounds(delivery.planned.run.confounds, applied, regressors),
    )


def _confounds(
    table: Path | None, applied: AppliedStrategy, regressors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The regressors, and columns that say something of a run; nothing of one of them alone."""
    # Cosines are uncorrelated by construction, and many.
    found = {name: curve for name, curve in regressors.items() if "cosine" not in name}
    # One that the strategy took nothing from may be broken, or of other volumes.
    if table is not None and table in applied.files:
        columns = read_confounds_table(table)
        for name in _ALWAYS:
            if name not in found and name in columns:
                found[name] = pd.to_numeric(columns[name], errors="coerce").to_numpy(float)
    return found if len(found) > 1 else {}


def _atlas(
    delivery: Delivery,
    results: RunResults,
    i: int,
    meshes: Mapping[str, Mesh],
    views: Sequence[View],
) -> dict[str, Any]:
    planned, table = delivery.planned, results.extracted.tables[i]
    space, labels = planned.grid, read_labels(results.labels[i])
    ids = table["index"].to_numpy()
    return atlas_data(
        planned.atlases[i].key,
        table,
        panels_of(labels, space, views, results.extracted.mean_image, ids),
        region_geometry(labels, space, ids, meshes),
        threshold=delivery.settings.min_coverage,
        element="vertex" if isinstance(space, Grayordinates) else "voxel",
        note=_note(space, meshes),
    )


def _note(space: Space, meshes: Mapping[str, Mesh]) -> str:
    """What is to be known of the pictures of an atlas."""
    if not isinstance(space, Grayordinates):
        if obliquity(voxel_grid(space).affine).max() < _OBLIQUE:
            return ""
        return (
            "Slices are along the axes of the run's oblique grid: their places in mm are those of "
            "their centres."
        )
    if not meshes:
        return "Not drawn: no mesh of the surfaces is known (--surface-mesh)."
    found = [FLAT_NOTE] if {mesh.kind for mesh in meshes.values()} == {"sphere"} else []
    if not all(model.is_surface for model in space.models):
        found.append("Subcortical regions are not in the picture.")
    return " ".join(found)


def _results(
    delivery: Delivery, results: RunResults, i: int, statistic: str, strategy: Strategy
) -> dict[str, Any]:
    atlas, table = delivery.planned.atlases[i], results.extracted.tables[i]
    kept = results.denoised.applied[strategy.name].kept
    series = results.denoised.kept_signals(SeriesKey(i, statistic, strategy.name))
    matrices = []
    for measure in delivery.settings.measures:
        matrix = results.connected.matrices.get(MatrixKey(i, statistic, strategy.name, measure))
        if matrix is not None:
            path = matrix_path(delivery.entities(atlas), statistic, strategy.label, measure)
            matrices.append(matrix_picture(matrix, table, measure, path))
    return results_data(
        atlas.key,
        statistic,
        strategy.name,
        series,
        matrices,
        spectrum=_spectrum(delivery, series, kept),
        band=(strategy.clean.get("high_pass"), strategy.clean.get("low_pass")),
    )


def _spectrum(
    delivery: Delivery, series: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    t_r = delivery.planned.source.t_r
    return None if t_r is None else power_spectrum(series, kept, t_r)
