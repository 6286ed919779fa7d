"""Connectivity matrices: computed and written, of a run or of several concatenated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.files import write_json, write_tsv
from bids_labelx.measures.connectivity import MEASURES, choose_volumes
from bids_labelx.names import SPATIAL, build_name, camel
from bids_labelx.outputs.paths import output_path
from bids_labelx.outputs.results import ATLAS_ENTITIES, RESULT_ENTITIES
from bids_labelx.outputs.sidecars import relmat_sidecar
from bids_labelx.participant.records import Connected, Denoised, MatrixKey
from bids_labelx.pictures.run_data import matrix_data, networks_of
from bids_labelx.settings import ConnectivityOptions

# In what the results of a run differ that are of the same volumes.
_NOT_OF_THE_RUN = (*SPATIAL, *ATLAS_ENTITIES, *RESULT_ENTITIES)


def connect_run(
    denoised: Denoised, options: ConnectivityOptions, run: Mapping[str, str]
) -> Connected:
    """The matrices of a run, (n_labels, n_labels), of the volumes kept and of some of them.

    `run` are the run's entities, by which volumes are drawn. A matrix that cannot be made of its
    series, which has too few volumes, say, is among the failures, each reason once.
    """
    matrices, failures = {}, {}
    for key in denoised.signals:
        series = denoised.kept_signals(key)
        for measure, first in wanted_matrices(options, len(series)):
            rows = exact_rows(options, len(series), first, run)
            part = series if rows is None else series[rows]
            try:
                matrices[MatrixKey(*key, measure, first)] = MEASURES[measure][0](part)
            except ValueError as error:
                reason = BadDataError(f"{measure} after {key.strategy}: {error}")
                about = {"strategies": (key.strategy,), "measures": (measure,)}
                failures[str(reason)] = Failure.of(reason, **about)
    return Connected(matrices, tuple(failures.values()))


def wanted_matrices(options: ConnectivityOptions, kept: int) -> list[tuple[str, int | None]]:
    """Measures, each of all volumes kept and of exactly so many, where there are as many."""
    numbers = [None, *(n for n in options.exact_volumes if n <= kept)]
    return list(product(options.measures, numbers))


def exact_rows(
    options: ConnectivityOptions, n_kept: int, number: int | None, run: Mapping[str, str]
) -> np.ndarray | None:
    """Positions among the volumes kept of those for a matrix of exactly so many; None for all.

    Drawn ones are the same for every space, atlas, statistic and measure, and others for each run.
    """
    if number is None:
        return None
    if options.exact_volumes_from == "first":
        return choose_volumes(n_kept, number)
    name = build_name({k: v for k, v in run.items() if k not in _NOT_OF_THE_RUN}, "bold", "")
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return choose_volumes(n_kept, number, (options.random_seed, own))


def exact_sidecar(options: ConnectivityOptions, rows: np.ndarray | None) -> dict[str, Any]:
    """What the sidecar of a matrix of exactly so many volumes has besides; see `exact_rows`."""
    if rows is None:
        return {}
    drawn = options.exact_volumes_from == "random"
    return {
        "NumberOfVolumesUsed": len(rows),
        "VolumeSelection": options.exact_volumes_from,
        **({"RandomSeed": options.random_seed} if drawn else {}),
        "VolumesUsed": rows.tolist(),
    }


def exact_words(options: ConnectivityOptions, number: int) -> str:
    """Which volumes of those kept are taken, in words."""
    drawn = options.exact_volumes_from == "random"
    return f"{number} drawn at random" if drawn else f"the first {number}"


def matrix_path(
    entities: Mapping[str, str],
    statistic: str,
    label: str,
    measure: str,
    number: int | None = None,
    chosen: str = "first",
) -> Path:
    """The table of a matrix, within the output dataset.

    `entities` are those of run and atlas, `label` is the ``desc-`` of the strategy; `number`
    and `chosen` as in `matrix_label`.
    """
    return output_path(
        entities,
        "relmat",
        ".tsv",
        stat=camel(statistic),
        meas=camel(measure),
        desc=matrix_label(label, number, chosen),
    )


def matrix_label(label: str, number: int | None, chosen: str = "first") -> str:
    """The ``desc-`` label of a matrix of all volumes kept, or of exactly so many.

    `chosen` says of which, as `ConnectivityOptions.exact_volumes_from`.
    """
    return label if number is None else f"{label}{chosen.capitalize()}{number}"


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


def matrix_picture(
    matrix: np.ndarray, labels: pd.DataFrame, measure: str, path: Path
) -> dict[str, Any]:
    """A matrix between the rows of a label table, as a page draws it."""
    words = MEASURES[measure][1].partition(",")[0]
    return matrix_data(matrix, networks_of(labels), measure=measure, words=words, file=path)
