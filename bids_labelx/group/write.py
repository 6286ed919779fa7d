"""Files of the group level: writing them, and removing those of an earlier invocation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.files import write_json, write_tsv
from bids_labelx.group.coverage_sums import CoverageSums, coverage_name
from bids_labelx.group.mean_matrices import MeanMatrix, matrix_name, matrix_sidecar
from bids_labelx.group.rows import Row
from bids_labelx.names import sort_entities

_MADE = (
    "group_atlas-*_coverage.tsv",
    "group_*_stat-mean_relmat.*",
    "group_*_stat-std_relmat.*",
    "group_*_stat-n_relmat.*",
    "group_*_stat-qcfc_relmat.*",
    "group_atlas-*_qcfc.tsv",
    "group_*_edges.h5",
    "figures/group_*_relmat.svg",
    "figures/group_*_relmat.js",
    "figures/group_*_hist.svg",
    "figures/group_*_qcfc.svg",
    "figures/group_*_distance.svg",
    "figures/group_*_cost.svg",
    "figures/group_*_lost.png",
    "figures/group_*_lost.js",
)


def write_coverage(output: Path, atlases: Mapping[str, CoverageSums]) -> list[Path]:
    """Write a table per atlas; the paths are within the output dataset."""
    for name, sums in atlases.items():
        write_tsv(output / name, sums.table())
    return [Path(name) for name in atlases]


def write_mean_matrix(
    output: Path,
    combination: Mapping[str, str],
    names: Sequence[str],
    mean: MeanMatrix,
    qcfc: np.ndarray,
    motion: str = "fd",
) -> list[Path]:
    """Write mean, standard deviation, number of participants and QC-FC, each with its JSON.

    `motion` is what QC-FC is with, a key of `rows.MOTION`.

    Returns
    -------
    list of pathlib.Path
        The four tables, within the output dataset.
    """
    written = []
    tables = {"mean": mean.mean, "std": mean.std, "n": mean.n, "qcfc": qcfc}
    for statistic, values in tables.items():
        path = output / f"{matrix_name(combination, statistic)}.tsv"
        sidecar = matrix_sidecar(combination, statistic, mean, names, motion)
        write_json(path.with_suffix(".json"), sidecar)
        write_tsv(path, _table(values, names), index=True)
        written.append(path.relative_to(output))
    return written


def write_strategies(output: Path, rows: Iterable[tuple[Mapping[str, str], Row]]) -> list[Path]:
    """Write a table per atlas, a row per combination; the paths are within the output dataset."""
    by_name: dict[str, list[tuple[Mapping[str, str], Row]]] = defaultdict(list)
    for entities, row in rows:
        by_name[coverage_name(entities).replace("_coverage.", "_qcfc.")].append((entities, row))
    for name, own in by_name.items():
        table = pd.DataFrame([row for _, row in own])
        # Those that the first row lacks would come last.
        keys = sort_entities({key: "" for entities, _ in own for key in entities})
        first = [key for key in keys if key in table]
        write_tsv(output / name, table[[*first, *table.columns.drop(first)]])
    return [Path(name) for name in by_name]


def _table(values: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(names, name="name"), columns=list(names))


def remove_others(output: Path, written: Iterable[Path]) -> None:
    """Remove the group's tables, matrices and figures that only an earlier invocation made.

    Parameters
    ----------
    output
        The output dataset.
    written
        Files of this invocation, within the output dataset; the JSON beside a table counts, too.
    """
    kept = {path for one in written for path in (one, one.with_suffix(".json"))}
    for pattern in _MADE:
        for path in output.glob(pattern):
            if path.relative_to(output) not in kept:
                path.unlink(missing_ok=True)
