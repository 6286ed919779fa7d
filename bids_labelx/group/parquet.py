"""Edges as Parquet: the same as ``group_…_edges.h5``, a column for each edge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bids_labelx.errors import CannotWriteError
from bids_labelx.files import disk_full, full_message, whole_file
from bids_labelx.group.edge_rows import EdgeRows
from bids_labelx.group.participant_columns import distinct

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Values of edges that are in memory at once, and so in a row group: with tens of thousands of
# columns each row group costs a reader as much as its values.
_AT_ONCE = 2**27
# Rows that are turned into columns at once.
_TURNED = 64
_BETWEEN = "--"
_FIRST = ("participant_id",)
_LAST = ("runs", "mean_fd", "minutes_kept")


def write_edges_parquet(output: Path, rows: EdgeRows) -> Path:
    """Write the file of edges of a combination as Parquet, some rows at a time.

    Columns: ``participant_id``, those of the table of participants, ``runs``, ``mean_fd`` (mm),
    ``minutes_kept``, and for each edge a float32 ``REGION_1--REGION_2``. Names that occur twice
    get a number. The schema's metadata have units, entities, regions and networks.

    Parameters
    ----------
    output
        The output dataset.
    rows
        Those of an ``_edges.h5``.

    Returns
    -------
    pathlib.Path
        Within the output dataset.

    Raises
    ------
    CannotWriteError
    """
    import pyarrow as pa

    path = rows.path.with_suffix(".parquet")
    with h5py.File(rows.path, "r", locking=False) as file:
        others = [
            (name, pa.array(values, pa.string() if values.dtype == object else None))
            for name, values in _columns(file)
        ]
        names = [name for name, _ in others]
        edges = edge_names(rows.names, names)
        first = [one for one in others if one[0] not in _LAST]
        last = [one for one in others if one[0] in _LAST]
        fields = [pa.field(name, values.type) for name, values in [*first, *last]]
        fields += [pa.field(name, pa.float32()) for name in edges]
        schema, about = pa.schema(fields), _metadata(file, rows)
        count = len(file["z"])
        at_once = max(_AT_ONCE // max(len(edges), 1), 1)
        # What is noise does not compress.
        with parquet_writer(path, schema, about, texts=names, compression="none") as writer:
            for start in range(0, count, at_once):
                own = slice(start, min(start + at_once, count))
                arrays = [values[own] for _, values in [*first, *last]]
                # NaN stays NaN, which scikit-learn and pandas take for missing as well.
                arrays += [pa.array(column) for column in _turned(file["z"], own)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return path.relative_to(output)


@contextmanager
def parquet_writer(
    path: Path,
    schema: pa.Schema,
    about: Mapping[str, str],
    *,
    texts: Sequence[str],
    compression: str = "snappy",
) -> Iterator[pq.ParquetWriter]:
    """Write a Parquet file whole or not at all; each table that is written is a row group.

    Parameters
    ----------
    path
        Of the file.
    schema
        Its columns.
    about
        Its metadata.
    texts
        Columns whose values repeat, or that are looked up.
    compression
        As pyarrow calls it.

    Raises
    ------
    CannotWriteError
        Where it cannot be written, or the disk is full; nothing is left behind.
    """
    import pyarrow.parquet as pq

    with whole_file(path) as temporary:
        try:
            # The schema once more, for Arrow, would be as large as the values of a row.
            options: dict[str, Any] = {"store_schema": False, "compression": compression}
            options |= {"use_dictionary": list(texts), "write_statistics": list(texts)}
            with pq.ParquetWriter(temporary, schema, **options) as writer:
                yield writer
                writer.add_key_value_metadata(dict(about))
        except OSError as error:
            if disk_full(error):
                raise CannotWriteError(full_message(path, error)) from error
            raise CannotWriteError(f"{path}: cannot be written ({error})") from error


def _turned(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """These rows of a dataset, a row of the result for each of its columns."""
    found = np.empty((dataset.shape[1], rows.stop - rows.start), dataset.dtype)
    for start in range(rows.start, rows.stop, _TURNED):
        own = slice(start, min(start + _TURNED, rows.stop))
        found[:, own.start - rows.start : own.stop - rows.start] = dataset[own].T
    return found


def edge_names(regions: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Columns of edges, those of the upper triangle row by row: ``REGION_1--REGION_2``.

    Parameters
    ----------
    regions
        Names, which may contain anything.
    taken
        Columns that there are beside them.
    """
    above = np.triu_indices(len(regions), k=1)
    pairs = zip(*(one.tolist() for one in above), strict=True)
    return distinct([f"{regions[i]}{_BETWEEN}{regions[j]}" for i, j in pairs], taken)


def _columns(file: h5py.File) -> list[tuple[str, np.ndarray]]:
    """What is one value per participant: id, the table of participants, what the app measured."""
    own = {name: _values(file[name]) for name in (*_FIRST, *_LAST)}
    of_table = file.get("participants", {})
    named = [(str(one.attrs["Column"]), _values(one)) for one in of_table.values()]
    names = distinct([name for name, _ in named], list(own))
    table = {name: values for name, (_, values) in zip(names, named, strict=True)}
    return [
        *((name, own[name]) for name in _FIRST),
        *table.items(),
        *((name, own[name]) for name in _LAST),
    ]


def _values(dataset: h5py.Dataset) -> np.ndarray:
    """Numbers, or texts with None where there is none."""
    if h5py.check_string_dtype(dataset.dtype) is None:
        return np.asarray(dataset[:])
    texts = dataset.asstr()[:].tolist()
    return np.array([text or None for text in texts], dtype=object)


def _metadata(file: h5py.File, rows: EdgeRows) -> dict[str, str]:
    """What the file of edges says of itself, and which regions and networks edges are of."""
    attributes = {key: str(value) for key, value in file.attrs.items()}
    units = {name: str(one.attrs["Units"]) for name, one in file.items() if "Units" in one.attrs}
    edges = units.pop("z")
    return {
        **attributes,
        "Units": json.dumps({"edges": edges, **units}),
        "Edges": f"REGION_1{_BETWEEN}REGION_2: the upper triangle of the matrix, row by row",
        "Regions": json.dumps(list(rows.names), ensure_ascii=False),
        "Networks": json.dumps(list(rows.networks or ()), ensure_ascii=False),
    }
