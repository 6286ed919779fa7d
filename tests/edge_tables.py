"""Tables of participants, and files of edges beside them, without any runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.files import write_tsv
from bids_labelx.group.averaging import Averaging
from bids_labelx.group.covariates import Covariates, read_covariates
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.edges import edges_file
from bids_labelx.group.mean_matrices import SubjectMatrix, edges_name
from bids_labelx.group.rows import MatrixFile, Row, RowKey

ENTITIES = {"atlas": "A", "stat": "mean", "meas": "correlation", "desc": "simple"}
NAMES = ("a", "ü", "c--d", "x", "y", "z")
NETWORKS = ("Vis", "n/a", "Mot", "Mot", "Vis", "Mot")


def table(folder: Path, columns: Mapping[str, Sequence[object]]) -> Covariates:
    """Write ``participants.tsv`` into a folder, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tsv(folder / "participants.tsv", pd.DataFrame(columns))
    return read_covariates(folder)


def write_edges(
    output: Path,
    z: np.ndarray,
    covariates: Covariates | None = None,
    names: Sequence[str] = NAMES,
    networks: Sequence[str] | None = NETWORKS,
) -> EdgeRows:
    """Write edges of participants 00, 01…, each with one run; shape (n_participants, n_edges)."""
    labels = [f"{k:02d}" for k in range(len(z))]
    rows: dict[RowKey, Row] = {
        (label,): {"mean_fd": 0.1 + k / 64, "minutes_kept": None if k == 1 else 5.0 + k}
        for k, label in enumerate(labels)
    }
    above = np.triu_indices(len(names), k=1)
    with edges_file(
        output, ENTITIES, names, rows, len(z), Averaging(), networks, covariates
    ) as add:
        for label, values in zip(labels, z, strict=True):
            square = np.full((len(names), len(names)), np.nan)
            square[above] = values
            square.T[above] = values
            add(SubjectMatrix(label, (MatrixFile(label, Path("x.tsv"), (label,)),), square))
    return EdgeRows(
        ENTITIES,
        "simple",
        tuple(names),
        None if networks is None else tuple(networks),
        np.zeros((len(names), 3)),
        tuple(Unit(label) for label in labels),
        np.array([row["mean_fd"] for row in rows.values()]),
        output / edges_name(ENTITIES),
    )
