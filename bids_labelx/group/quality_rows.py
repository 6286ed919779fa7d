"""The rows of ``group_qc.tsv``: one per run, atlas and strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pandas as pd

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.group.rows import Row, RowKey
from bids_labelx.measures.quality import qc_row
from bids_labelx.outputs.results import Series

_TEXTS = ("Atlas", "DenoisingStrategy")
_NUMBERS = ("NumberOfVolumes", "NumberOfVolumesKept", "DegreesOfFreedom")
_NUMBERS_OR_NONE = (
    "RepetitionTime",
    "MeanFramewiseDisplacement",
    "MaxFramewiseDisplacement",
    "FramewiseDisplacementThreshold",
    "ShareFramewiseDisplacementAbove",
    "MeanFilteredFramewiseDisplacement",
    "ShareFilteredFramewiseDisplacementAbove",
    "MeanRMSDisplacement",
    "MeanStdDVARS",
    "MeanTemporalSNR",
    "EffectiveDegreesOfFreedom",
)
# What `qc_row` gives, which a table has columns for where every run failed, too.
FIGURES = (
    *("volumes", "volumes_kept", "minutes_kept", "mean_fd", "max_fd", "fd_threshold"),
    *("share_fd_above", "mean_filtered_fd", "share_filtered_fd_above", "mean_rmsd"),
    *("mean_std_dvars", "degrees_of_freedom", "effective_degrees_of_freedom"),
    *("labels", "labels_lost", "min_coverage", "mean_tsnr"),
)


def add_series(rows: dict[RowKey, Row], one: Series) -> RowKey:
    """Add the row of a series, which its statistics share, and give its key.

    Raises
    ------
    BadDataError
        Where the sidecar lacks a figure, or has something else in its place.
    """
    _check(one)
    entities = _row_entities(one.run, one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"])
    row = {**entities, **qc_row(one.sidecar, one.labels), "problem": None}
    rows.setdefault(_key(entities), row)
    return _key(entities)


def add_failures(rows: dict[RowKey, Row], failures: Iterable[Failure]) -> None:
    """Add failures to the rows of their atlases and strategies, which are made if need be."""
    for failure in failures:
        for atlas, strategy in product(failure.atlases, failure.strategies):
            entities = _row_entities(failure.entities, atlas, strategy)
            add_failure(rows.setdefault(_key(entities), entities), failure)


def add_failure(row: Row, failure: Failure) -> None:
    """Note a failure in a row, after those that it has."""
    # A message has lines; a cell has none.
    line = " ".join(failure.message.split())
    row["problem"] = f"{row['problem']}; {line}" if row.get("problem") else line


def quality_table(rows: Mapping[RowKey, Row]) -> pd.DataFrame:
    """All rows, sorted, exclusion and failure last; counts are whole numbers or have no value."""
    table = pd.DataFrame([rows[key] for key in sorted(rows)]).convert_dtypes()
    table = table.assign(**{name: float("nan") for name in FIGURES if name not in table})
    last = [column for column in ("excluded", "why", "problem") if column in table]
    return table[[*table.columns.drop(last), *last]]


def _check(one: Series) -> None:
    sidecar = one.sidecar
    wrong = {
        **{key: "a text" for key in _TEXTS if not isinstance(sidecar.get(key), str)},
        **{key: "a number" for key in _NUMBERS if not _is_number(sidecar.get(key))},
        **{
            key: "a number or null"
            for key in _NUMBERS_OR_NONE
            if sidecar.get(key) is not None and not _is_number(sidecar[key])
        },
    }
    if wrong:
        found = ", ".join(
            f"{key} is {sidecar[key]!r}, {expected} is expected"
            if key in sidecar
            else f"no {key}, {expected}"
            for key, expected in wrong.items()
        )
        raise BadDataError(
            f"{one.output / one.path.with_suffix('.json')}: {found}; "
            "run the participant level again"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(entities: Row) -> RowKey:
    return tuple(map(str, entities.values()))


def _row_entities(run: Mapping[str, str], atlas: str, strategy: str) -> Row:
    """The columns that tell rows apart."""
    rest = {key: value for key, value in run.items() if key not in ("sub", "ses")}
    return {
        "participant_id": f"sub-{run['sub']}",
        "session_id": f"ses-{run['ses']}" if "ses" in run else None,
        "run": "_".join(f"{key}-{value}" for key, value in rest.items()),
        "atlas": atlas,
        "strategy": strategy,
    }
