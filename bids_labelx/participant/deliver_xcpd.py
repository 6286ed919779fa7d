"""A run's results under XCP-D's names: ``--output-names xcpd``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.denoise import AppliedStrategy, Strategy
from bids_labelx.denoise.motion import filter_motion
from bids_labelx.errors import UsageError
from bids_labelx.files import write_json, write_tsv
from bids_labelx.measures.connectivity import MEASURES
from bids_labelx.outputs.columns import describe_columns
from bids_labelx.outputs.compact import output_of
from bids_labelx.outputs.paths import bids_uri
from bids_labelx.outputs.sidecars import relmat_sidecar
from bids_labelx.outputs.xcpd import (
    COVERAGE_COLUMNS,
    PARAMETERS,
    QC_COLUMNS,
    XCPD_LINK,
    names_of,
    region_file,
    run_file,
    run_sidecar,
    write_xcpd_dataset,
)
from bids_labelx.participant.confounds import read_confounds
from bids_labelx.participant.plan import PlannedRun
from bids_labelx.participant.records import MatrixKey, RunResults, RunSource, SeriesKey

# Suffix and stat- of the tables of a run and atlas.
_OF_ATLAS = (
    ("timeseries", "mean"),
    ("relmat", "pearsoncorrelation"),
    ("bold", "coverage"),
)
# Suffix and desc- of the tables of a run.
_OF_RUN = (("motion", None), ("outliers", None), ("design", "preproc"), ("qc", "linc"))

# The atlas and the strategy that a file is of.
About = tuple[str, str]


def xcpd_paths(planned: PlannedRun, strategy: Strategy) -> list[Path]:
    """The tables of a run under XCP-D's names, within the output dataset.

    A strategy without regressors has no design.
    """
    entities = planned.run.entities
    of_atlases = [
        region_file(entities, atlas.entities, *names)
        for atlas in planned.atlases
        for names in _OF_ATLAS
    ]
    of_run = [names for names in _OF_RUN if names[0] != "design" or strategy.confounds]
    return [*of_atlases, *(run_file(entities, *names) for names in of_run)]


def start_xcpd_names(output: Path, runs: Sequence[PlannedRun]) -> None:
    """Write what describes the dataset, unless XCP-D's names do not tell runs or atlases apart.

    Tables of a run without a space, such as motion, are the same for all its spaces.

    Raises
    ------
    UsageError, CannotWriteError
    """
    if output_of(output) is not None:
        raise UsageError(
            f"--output-names xcpd: OUTPUT_DIR {output_of(output)} is compact (--compact), and "
            "readers of XCP-D's folders look for files; choose another OUTPUT_DIR, without "
            "--compact"
        )
    found: dict[Path, list[str]] = defaultdict(list)
    for planned in runs:
        for atlas in planned.atlases:
            path = region_file(planned.run.entities, atlas.entities, *_OF_ATLAS[0])
            found[path].append(f"{planned.run.name} with {atlas.key}")
    for path, several in found.items():
        if len(several) > 1:
            raise UsageError(
                f"--output-names xcpd: {' and '.join(several[:3])} would have the same name, "
                f"{path.name}: XCP-D's names have no res- and den-; choose one with --res, or one "
                "of the atlases"
            )
    write_xcpd_dataset(output)


def write_xcpd_run(
    planned: PlannedRun,
    strategy: Strategy,
    results: RunResults,
    output: Path,
    sidecars: Mapping[int, tuple[Path, dict[str, Any]]],
) -> dict[Path, About]:
    """Write a run's tables under XCP-D's names.

    Parameters
    ----------
    planned, strategy, results
        What was done to the run by the one strategy.
    output
        The output dataset.
    sidecars
        By position of the atlas, the time series under this app's name, and its sidecar.

    Returns
    -------
    dict
        What each file is of, by its path within the output dataset.
    """
    applied = results.denoised.applied[strategy.name]
    dummies = _dummies(applied)
    tables: dict[Path, tuple[pd.DataFrame, dict[str, Any], About]] = {}
    for i, (path, series) in sidecars.items():
        atlas, regions = planned.atlases[i], results.extracted.tables[i]
        about = (atlas.key, strategy.name)
        order = np.argsort(regions["index"].to_numpy(float), kind="stable")
        nodes = regions["name"].to_numpy()[order].tolist()
        key = SeriesKey(i, "mean", strategy.name)
        signals = results.denoised.signals[key][:, order]
        if len(signals) == len(applied.kept):
            signals = signals[dummies:]
        matrix = results.connected.matrices.get(MatrixKey(*key, "correlation"))
        source = [bids_uri(XCPD_LINK, Path(), path)]
        for suffix, stat in _OF_ATLAS:
            to = region_file(planned.run.entities, atlas.entities, suffix, stat)
            if suffix == "timeseries":
                left = f"{series['Description']}; dummy volumes at the start have no row"
                own = {**series, "Description": left, **names_of(), "DerivedFrom": source}
                tables[to] = pd.DataFrame(signals, columns=nodes), own, about
            elif suffix == "bold":
                coverage = regions["coverage"].fillna(0).to_numpy(float)[order]
                table = pd.DataFrame({"Node": nodes, "coverage": coverage})
                own = {**names_of(), "MinCoverage": series["MinCoverage"], "Sources": source}
                own |= describe_columns(table.columns, COVERAGE_COLUMNS)
                tables[to] = table, own, about
            elif matrix is not None:
                table = pd.DataFrame(matrix[np.ix_(order, order)], columns=nodes)
                table.insert(0, "Node", nodes)
                own = relmat_sidecar(MEASURES["correlation"][1], series, sources=source)
                own["Node"] = own.pop("name")
                tables[to] = table, {**own, **names_of()}, about
    censored = pd.DataFrame({"framewise_displacement": (~applied.kept[dummies:]).astype(int)})
    motion = _motion_table(planned.source, strategy, applied).iloc[dummies:]
    design = pd.DataFrame(applied.regressors, columns=list(applied.columns)).iloc[dummies:]
    of_run = {"motion": motion, "outliers": censored, "design": design}
    about = ("", strategy.name)
    for suffix, desc in _OF_RUN:
        if suffix == "design" and not strategy.confounds:
            continue
        to = run_file(planned.run.entities, suffix, desc)
        if suffix == "qc":
            quality = _quality(motion, applied.kept[dummies:], dummies)
            table = pd.DataFrame([{**planned.run.entities, **quality}])
            own = {**names_of(), "DenoisingStrategy": strategy.name}
            own |= describe_columns(QC_COLUMNS, QC_COLUMNS)
        else:
            table = of_run[suffix]
            own = run_sidecar(suffix, list(map(str, table)), strategy.name)
        tables[to] = table, own, about
    written: dict[Path, About] = {}
    for to, (table, own, about) in tables.items():
        # The table last: where it is, its sidecar is too.
        write_json(output / to.with_suffix(".json"), own)
        write_tsv(output / to, table)
        written |= dict.fromkeys((to, to.with_suffix(".json")), about)
    return written


def _dummies(applied: AppliedStrategy) -> int:
    """How many volumes at the start are dummies."""
    rule = applied.outliers.get("dummy")
    return 0 if rule is None else int(np.argmin(np.append(rule.to_numpy(int), 0)))


def _motion_table(source: RunSource, strategy: Strategy, applied: AppliedStrategy) -> pd.DataFrame:
    """Motion parameters and displacement, a row per volume, n/a where they are not known."""
    n_volumes = len(applied.kept)
    table = read_confounds(source).table
    nothing = np.full(n_volumes, np.nan)
    columns: dict[str, Any] = {}
    for name in PARAMETERS:
        columns[name] = nothing
        if table is not None and len(table) == n_volumes and name in table:
            columns[name] = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
    options = strategy.volumes.get("scrub", {}).get("motion_filter")
    if options and source.t_r is not None:
        raw = np.column_stack([columns[name] for name in PARAMETERS])
        filtered = filter_motion(raw, source.t_r, options)
        columns |= {f"{name}_filtered": filtered[:, i] for i, name in enumerate(PARAMETERS)}
    figures = ["rmsd", "framewise_displacement"]
    figures += ["framewise_displacement_filtered"] if options else []
    for name in figures:
        columns[name] = applied.outliers.get(name, nothing)
    return pd.DataFrame(columns)


def _quality(motion: pd.DataFrame, kept: np.ndarray, dummies: int) -> dict[str, Any]:
    """The figures of a run's quality; n/a for those that are not known."""
    fd, rmsd = motion["framewise_displacement"], motion["rmsd"]
    return {
        **dict.fromkeys(QC_COLUMNS, np.nan),
        "mean_fd": fd.mean(),
        "mean_fd_post_censoring": fd[kept].mean(),
        "mean_relative_rms": rmsd[kept].mean(),
        "max_relative_rms": rmsd[kept].max(),
        "num_dummy_volumes": dummies,
        "num_censored_volumes": int((~kept).sum()),
        "num_retained_volumes": int(kept.sum()),
    }
