"""``group_regions.parquet``: a row for each run, atlas, strategy, statistic and region."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bids_labelx.errors import Failure, LabelxError
from bids_labelx.group.collect import Collected
from bids_labelx.group.parquet import parquet_writer
from bids_labelx.group.quality_rows import add_failure
from bids_labelx.measures.quality import NETWORKLESS
from bids_labelx.outputs.results import read_series

NAME = "group_regions.parquet"
# Rows in memory at once, and so in a row group.
_AT_ONCE = 200_000
_TEXTS = (
    *("participant_id", "session_id", "run", "atlas", "strategy", "statistic"),
    *("index", "region", "network", "status"),
)
_NUMBERS = ("mean", "std", "coverage")
_WHAT = "Signals of regions: a row for each run, atlas, strategy, statistic and region"
_UNITS = {
    "mean": "that of the time series, over the volumes kept",
    "std": "that of the time series, over the volumes kept (n - 1)",
    "coverage": "share of the label's volume",
}


def write_region_table(output: Path, collected: Collected) -> Path:
    """Write mean and standard deviation of each region's signal, one time series at a time.

    Columns: ``participant_id``, ``session_id``, ``run``, ``atlas``, ``strategy``, ``statistic``,
    ``index`` (as text), ``region``, ``network``, ``mean`` and ``std`` over the volumes kept,
    ``coverage``, ``status`` and ``excluded``. A missing region has a row without mean and ``std``.

    Parameters
    ----------
    output
        The output dataset.
    collected
        What is in it. A series that cannot be read goes to its problems and its row.

    Returns
    -------
    pathlib.Path
        Within the output dataset.

    Raises
    ------
    CannotWriteError
    """
    import pyarrow as pa

    fields = [pa.field(name, pa.string()) for name in _TEXTS]
    fields += [pa.field(name, pa.float64()) for name in _NUMBERS]
    fields.append(pa.field("excluded", pa.bool_()))
    schema, about = pa.schema(fields), {"Description": _WHAT, "Columns": json.dumps(_UNITS)}
    waiting: list[pd.DataFrame] = []
    with parquet_writer(output / NAME, schema, about, texts=_TEXTS) as writer:

        def write() -> None:
            if waiting:
                whole = pd.concat(waiting, ignore_index=True)
                writer.write_table(pa.Table.from_pandas(whole, schema, preserve_index=False))
                waiting.clear()

        for path, row in collected.series.items():
            try:
                waiting.append(_regions(collected.root, path, dict(collected.rows[row])))
            except LabelxError as error:
                participant = row[0].removeprefix("sub-")
                failure = Failure.of(error, entities={"sub": participant})
                collected.problems.append(failure)
                add_failure(collected.rows[row], failure)
            if sum(map(len, waiting)) >= _AT_ONCE:
                write()
        write()
    return Path(NAME)


def _regions(root: Path, path: Path, row: dict[str, object]) -> pd.DataFrame:
    """The rows of one time series."""
    one = read_series(root, path)
    values = one.kept_rows()
    labels = one.labels
    several = len(values) > 1
    network = labels["network"] if "network" in labels else pd.Series([""] * len(labels))
    return pd.DataFrame(
        {
            **{name: row[name] for name in _TEXTS[:5]},
            "statistic": one.sidecar["Statistic"],
            "index": labels["index"].astype(str),
            "region": labels["name"],
            "network": network.where(~network.isin(NETWORKLESS), None),
            "status": labels["status"],
            "mean": values.mean(axis=0),
            "std": values.std(axis=0, ddof=1) if several else np.nan,
            "coverage": pd.to_numeric(labels["coverage"], errors="coerce"),
            "excluded": bool(row.get("excluded")),
        }
    )
