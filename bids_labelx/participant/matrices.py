"""Connectivity matrices: computed, written and drawn, of a run or of several concatenated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError
from bids_labelx.files import write_json, write_tsv
from bids_labelx.measures.connectivity import MEASURES, first_volumes
from bids_labelx.names import camel
from bids_labelx.outputs.paths import figure_path, output_path
from bids_labelx.outputs.sidecars import relmat_sidecar
from bids_labelx.participant.records import Denoised, MatrixKey
from bids_labelx.settings import ConnectivityOptions


def connect_run(denoised: Denoised, options: ConnectivityOptions) -> dict[MatrixKey, np.ndarray]:
    """The matrices of a run, (n_labels, n_labels), of the volumes kept and of the first of them.

    Raises
    ------
    BadDataError
        Where a series has too few volumes.
    """
    matrices = {}
    for key in denoised.signals:
        series = denoised.kept_signals(key)
        for measure, first in wanted_matrices(options, len(series)):
            part = series if first is None else first_volumes(series, first)
            try:
                matrices[MatrixKey(*key, measure, first)] = MEASURES[measure][0](part)
            except ValueError as error:
                raise BadDataError(f"{measure} after {key.strategy}: {error}") from error
    return matrices


def wanted_matrices(options: ConnectivityOptions, kept: int) -> list[tuple[str, int | None]]:
    """Measures, each of all volumes kept and of the first so many, where there are as many."""
    numbers = [None, *(n for n in options.exact_volumes if n <= kept)]
    return list(product(options.measures, numbers))


def matrix_path(
    entities: Mapping[str, str],
    statistic: str,
    label: str,
    measure: str,
    first: int | None = None,
) -> Path:
    """The table of a matrix, within the output dataset.

    `entities` are those of run and atlas, `label` is the ``desc-`` of the strategy; `first` where
    the matrix is of the first so many volumes only.
    """
    return output_path(
        entities,
        "relmat",
        ".tsv",
        stat=camel(statistic),
        meas=camel(measure),
        desc=matrix_label(label, first),
    )


def matrix_label(label: str, first: int | None) -> str:
    """The ``desc-`` label of a matrix of all volumes kept, or of the first so many."""
    return label if first is None else f"{label}First{first}"


def write_matrix(
    output: Path,
    path: Path,
    matrix: np.ndarray,
    names: Sequence[str],
    *,
    measure: str,
    series: Mapping[str, Any],
    sources: Sequence[str],
    nodes: str,
    more: Mapping[str, Any],
) -> None:
    """Write a matrix, (n, n), with its sidecar.

    `series` is the sidecar of the time series behind it, and `more` what is other than in there;
    `sources` and `nodes` are BIDS URIs of the series and of the label table.
    """
    sidecar = relmat_sidecar(MEASURES[measure][1], {**series, **more}, sources=sources)
    table = pd.DataFrame(matrix, index=pd.Index(names, name="name"), columns=list(names))
    # The table last: where it is, its sidecar is too.
    write_json(output / path.with_suffix(".json"), {**sidecar, "NodeFiles": nodes, **more})
    write_tsv(output / path, table, index=True)


def draw_matrix(
    output: Path,
    path: Path,
    matrix: np.ndarray,
    labels: pd.DataFrame,
    *,
    measure: str,
    what: str,
) -> None:
    """Draw a matrix between the rows of a label table, made of the series `what`."""
    from bids_labelx.report.figures import matrix_order, plot_matrix
    from bids_labelx.report.tooltips import save_with_tooltips

    names, networks = labels["name"].tolist(), networks_of(labels)
    shown = MEASURES[measure][1].partition(",")[0]
    figure = plot_matrix(
        matrix,
        names,
        networks=networks,
        title=f"{shown[0].upper()}{shown[1:]} of {what}",
        limits=(-1, 1) if "correlation" in measure else None,
        measure=shown,
    )
    order = matrix_order(networks, len(names))
    ordered = names if order is None else [names[i] for i in order]
    save_with_tooltips(figure, output / figure_path(path, ".svg"), names=ordered)


def networks_of(labels: pd.DataFrame) -> list[str] | None:
    """The network of each row of a label table, where it has that column."""
    return labels["network"].tolist() if "network" in labels else None
