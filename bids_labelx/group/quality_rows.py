"""The rows of ``group_qc.tsv``: one per run, atlas and strategy."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pandas as pd

from bids_labelx.errors import BadDataError, Failure
from bids_labelx.group.rows import Row, RowKey
from bids_labelx.measures.quality import qc_row
from bids_labelx.outputs.results import Series
from bids_labelx.outputs.states import DONE, FAILED, PARTLY_DONE

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
_NOT_NEGATIVE = (
    "RepetitionTime",
    "MeanFramewiseDisplacement",
    "MaxFramewiseDisplacement",
    "FramewiseDisplacementThreshold",
    "MeanFilteredFramewiseDisplacement",
    "MeanRMSDisplacement",
    "MeanStdDVARS",
)
_SHARES = ("ShareFramewiseDisplacementAbove", "ShareFilteredFramewiseDisplacementAbove")
# What `qc_row` gives, which a table has columns for where every run failed, too.
FIGURES = (
    *("volumes", "volumes_kept", "repetition_time", "minutes_kept"),
    *("mean_fd", "max_fd", "fd_threshold", "share_fd_above"),
    *("mean_filtered_fd", "share_filtered_fd_above", "mean_rmsd", "mean_std_dvars"),
    *("degrees_of_freedom", "effective_degrees_of_freedom"),
    *("labels", "labels_lost", "min_coverage", "mean_tsnr"),
)


def add_series(rows: dict[RowKey, Row], one: Series) -> RowKey:
    """Add the row of a series, which its statistics share, and give its key.

    `one` is as `check_figures` wants it.
    """
    entities = _row_entities(one.run, one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"])
    row = {**entities, **qc_row(one.sidecar, one.labels), "problem": None}
    rows.setdefault(_key(entities), row)
    return _key(entities)


def add_earlier(rows: dict[RowKey, Row], one: Series) -> None:
    """Say in the row of a run that failed that it has results from before, without figures."""
    entities = _row_entities(one.run, one.sidecar["Atlas"], one.sidecar["DenoisingStrategy"])
    text = "results from before it failed are there and are in no mean"
    rows.setdefault(_key(entities), entities)["problem"] = text


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
    table["state"] = [row_state(rows[key]) for key in sorted(rows)]
    last = [column for column in ("excluded", "why", "problem") if column in table]
    first = ["participant_id", "session_id", "run", "atlas", "strategy", "state"]
    return table[[*first, *table.columns.drop([*first, *last]), *last]]


def row_state(row: Row) -> str:
    """The state of a run, atlas and strategy: one of `states.STATES`."""
    if "labels" not in row:
        return FAILED
    return PARTLY_DONE if row.get("problem") else DONE


def check_figures(one: Series) -> None:
    """Check what the sidecar of a series says of its quality.

    Raises
    ------
    BadDataError
        Where it lacks a figure, or has something else in its place, or one that no run has.
    """
    sidecar = one.sidecar
    wrong = {
        **{key: "a text" for key in _TEXTS if not isinstance(sidecar.get(key), str)},
        **{
            key: "a number"
            for key in _NUMBERS
            if not (_is_number(sidecar.get(key)) or _unsaid(sidecar, key))
        },
        **{
            key: "a number or null"
            for key in _NUMBERS_OR_NONE
            if sidecar.get(key) is not None and not _is_number(sidecar[key])
        },
    } or _impossible(sidecar)
    if wrong:
        found = ", ".join(
            f"{key} is {reprlib.repr(sidecar[key])}, {expected} is expected"
            if key in sidecar
            else f"no {key}, {expected}"
            for key, expected in wrong.items()
        )
        raise BadDataError(
            f"{one.output / one.path.with_suffix('.json')}: {found}; "
            "run the participant level again"
        )


def _impossible(sidecar: Mapping[str, Any]) -> dict[str, str]:
    """Keys whose values, numbers where they should be, no run has, and what is expected."""
    volumes, kept = sidecar["NumberOfVolumes"], sidecar["NumberOfVolumesKept"]
    # With a band-pass filter, what it has in common with the regressors counts twice.
    least = -volumes if sidecar.get("Filter") == "butterworth" else 0
    limits = {
        **dict.fromkeys(_NOT_NEGATIVE, (0, math.inf)),
        **dict.fromkeys(_SHARES, (0, 1)),
        "NumberOfVolumesKept": (1, volumes),
        "DegreesOfFreedom": (least, kept),
        "EffectiveDegreesOfFreedom": (0, kept),
    }
    wrong = {
        key: f"a number from {low:g} to {high:g}"
        for key, (low, high) in limits.items()
        if sidecar.get(key) is not None and not low <= sidecar[key] <= high
    }
    mask = sidecar.get("SampleMask", ...)
    if mask is not ... and not _unsaid(sidecar, "SampleMask"):
        flags = mask if isinstance(mask, list) else []
        if (len(flags), sum(one is True for one in flags)) != (volumes, kept):
            wrong["SampleMask"] = f"a list of {volumes} truth values of which {kept} are true"
    return wrong


def _unsaid(sidecar: Mapping[str, Any], key: str) -> bool:
    """Whether another program made the series, and does not say this."""
    return "ResultsOf" in sidecar and sidecar.get(key) is None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
