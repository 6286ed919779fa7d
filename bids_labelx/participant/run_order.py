"""The order in which runs are concatenated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from pathlib import Path
from urllib.parse import unquote

from bids_labelx.content import is_listed
from bids_labelx.inputs.acquisition import acquisition_time
from bids_labelx.names import natural
from bids_labelx.outputs.results import Series

BY_TIME, BY_NAME = "acquisition time", "name"


def in_order(series: Sequence[Series], datasets: Mapping[str, Path]) -> tuple[list[Series], str]:
    """Series of several runs in the order of acquisition, else of their names, and by which.

    Times count where all runs have one of their own, with a date; without one where all are of one
    session. `datasets` are those that the runs may be in, by their names in BIDS URIs.

    Raises
    ------
    LabelxError
        Where a file with times cannot be read.
    """
    by_name = sorted(series, key=lambda one: natural(one.path.as_posix()))
    times = {one.path: _time(one, datasets) for one in by_name}
    dated = all(isinstance(found, datetime) for found in times.values())
    same_day = len({one.entities.get("ses") for one in series}) == 1 and all(
        isinstance(found, time) for found in times.values()
    )
    if (dated or same_day) and len(set(times.values())) == len(series):
        return sorted(by_name, key=lambda one: _iso(times[one.path])), BY_TIME
    return by_name, BY_NAME


def _iso(found: datetime | time | None) -> str:
    """A text that sorts as the times do."""
    return "" if found is None else found.isoformat(timespec="microseconds")


def _time(one: Series, datasets: Mapping[str, Path]) -> datetime | time | None:
    """When the image behind a series was acquired, where it is still there and something says."""
    for uri in one.sidecar.get("Sources", ()):
        _, name, within = uri.split(":", 2)
        # The image is the first of the sources.
        if (root := datasets.get(name)) is not None:
            bold = root / unquote(within)
            return acquisition_time(bold, root, datasets.values()) if is_listed(bold) else None
    return None
