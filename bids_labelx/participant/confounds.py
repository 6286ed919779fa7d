"""The confounds of a run, and what a strategy takes from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from bids_labelx.denoise import (
    Denoising,
    Joined,
    Strategy,
    check_image,
    join_tables,
    read_confounds_metadata,
    read_confounds_table,
    select,
)
from bids_labelx.errors import LabelxError
from bids_labelx.participant.records import RunSource


class RunConfounds(NamedTuple):
    """The confounds table of a run, the JSON beside it, and its path, or why it is missing."""

    table: pd.DataFrame | None
    metadata: Mapping[str, Any]
    origin: str


def read_confounds(source: RunSource) -> RunConfounds:
    """Read the confounds table of a run; one that cannot be read counts as missing.

    Strategies that need no table, or no JSON beside it, can still be done.
    """
    if source.confounds is None:
        return RunConfounds(None, {}, source.missing_confounds)
    try:
        table = read_confounds_table(source.confounds)
    except LabelxError as error:
        return RunConfounds(None, {}, str(error))
    try:
        metadata = read_confounds_metadata(source.confounds)
    except LabelxError as error:
        return RunConfounds(table, {}, f"{source.confounds} ({error})")
    return RunConfounds(table, metadata, str(source.confounds))


def choose_confounds(
    strategy: Strategy, confounds: RunConfounds, source: RunSource, n_volumes: int
) -> tuple[Joined, Denoising]:
    """What a strategy takes from the tables of a run.

    Raises
    ------
    MissingInputError, BadDataError
        As from `bids_labelx.denoise.join_tables` and `bids_labelx.denoise.select`.
    """
    check_image(strategy, source.desc, source.producer, source.regressed)
    joined = join_tables(
        strategy,
        confounds.table,
        n_volumes,
        source=confounds.origin,
        tables=source.tables,
        missing=source.missing_tables,
    )
    chosen = select(
        strategy,
        confounds.table,
        n_volumes,
        source=confounds.origin,
        t_r=source.t_r,
        metadata=confounds.metadata,
        image_desc=source.desc,
        producer=source.producer,
        joined=joined,
    )
    return joined, chosen
