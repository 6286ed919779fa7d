"""The data that a page draws its pictures from: numbers packed into scripts beside it.

Scripts, because a page that is opened from a disk may load scripts and cannot read data.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_labelx.errors import BadDataError
from bids_labelx.files import write_text

_BEGIN, _END = "labelx.take(", ");\n"
# Of more regions a matrix is drawn as means of neighbouring pairs: a screen has no more rows.
MOST_ROWS = 500
# A value is stored with about this share of the largest one, where no step is given.
_DIGITS = 3


def pack(
    values: NDArray[Any] | Sequence[float], step: float = 1.0, *, delta: bool = False
) -> dict[str, Any]:
    """Round numbers to multiples of a step, and pack them.

    Parameters
    ----------
    values
        Any shape; NaN where there is no value. Values beyond 127 steps (32,767 where one of them
        is larger and `delta` is not given) are clipped.
    step
        What is stored is rounded to a multiple of it.
    delta
        Store differences along the last axis, which are smaller for smooth series.

    Returns
    -------
    dict
        ``shape``, ``type``, ``step``, ``delta`` where it is one, and ``data``: base64 of deflated
        little-endian integers in C order. The lowest integer stands for a missing value.
    """
    values = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):
        steps = np.rint(values / step)
    whole = np.isfinite(steps)
    small = delta or np.abs(steps, where=whole, out=np.zeros_like(steps)).max(initial=0) <= 127
    kind = np.dtype("int8" if small else "<i2")
    most = np.iinfo(kind).max
    integers = np.full(values.shape, -most - 1, dtype=kind)
    integers[whole] = np.clip(steps[whole], -most, most)
    if delta and values.shape[-1]:
        # Modulo the range, so that the sums are the integers again, missing ones as well.
        integers[..., 1:] = np.diff(integers.view("u1"), axis=-1).view("i1")
    packed = pack_integers(integers)
    return {**packed, "step": step, **({"delta": True} if delta else {})}


def pack_integers(values: NDArray[Any]) -> dict[str, Any]:
    """Pack integers as they are: of one or two bytes, signed or not."""
    kind = values.dtype.newbyteorder("<")
    data = zlib.compress(np.ascontiguousarray(values, dtype=kind).tobytes(), 6)
    return {
        "shape": list(values.shape),
        "type": values.dtype.name,
        "step": 1,
        "data": base64.b64encode(data).decode("ascii"),
    }


def unpack(packed: Mapping[str, Any]) -> NDArray[Any]:
    """The numbers of `pack`, float64 with NaN for missing values; unsigned integers as such."""
    kind = np.dtype(packed["type"]).newbyteorder("<")
    flat = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), kind)
    integers = flat.reshape(packed["shape"])
    if kind.kind == "u":
        return integers.astype(np.dtype(packed["type"]))
    if packed.get("delta"):
        integers = np.add.accumulate(integers, axis=-1, dtype=kind)
    # Divided by the reciprocal where that is whole: 53 / 100 is 0.53, and 53 * 0.01 is not.
    step = packed["step"]
    values = integers / round(1 / step) if step < 1 else integers * float(step)
    return np.where(integers == np.iinfo(kind).min, np.nan, values)


def step_of(values: NDArray[Any]) -> float:
    """The power of ten that leaves about three digits to the largest absolute value."""
    finite = np.abs(values[np.isfinite(values)])
    top = float(finite.max(initial=0.0))
    return 10.0 ** (math.floor(math.log10(top)) - _DIGITS + 1) if top > 0 else 1.0


def pack_matrix(
    matrix: NDArray[Any], order: NDArray[np.integer], *, step: float | None = None
) -> dict[str, Any]:
    """Pack a symmetric matrix of regions in an order, averaged where it is too large to be seen.

    Parameters
    ----------
    matrix
        Shape (n, n); NaN where there is no value.
    order
        Positions of the regions in the order of the rows that are drawn.
    step
        See `pack`; by default about three digits of the largest value.

    Returns
    -------
    dict
        ``values``, the packed upper triangle with the diagonal, row by row; ``size``, the number
        of rows; ``order``; and ``block``, of how many regions each row is the mean. More than
        `MOST_ROWS` regions are averaged.
    """
    ordered = np.asarray(matrix, dtype=float)[np.ix_(order, order)]
    block = -(-len(order) // MOST_ROWS)
    if block > 1:
        ordered = _block_means(ordered, block)
    values = ordered[np.triu_indices(len(ordered))]
    packed = pack(values, step or step_of(values))
    return {"values": packed, "size": len(ordered), "order": order.tolist(), "block": block}


def unpack_matrix(packed: Mapping[str, Any]) -> NDArray[np.floating]:
    """The rows that `pack_matrix` has packed, shape (size, size)."""
    size = packed["size"]
    whole = np.empty((size, size))
    upper = np.triu_indices(size)
    whole[upper] = whole[upper[::-1]] = unpack(packed["values"])
    return whole


def _block_means(matrix: NDArray[np.floating], block: int) -> NDArray[np.floating]:
    """Means over blocks of rows and columns, of the pairs of different regions with a value."""
    starts = np.arange(0, len(matrix), block)
    values = matrix.copy()
    np.fill_diagonal(values, np.nan)
    known = np.isfinite(values)
    sums, counts = (
        np.add.reduceat(np.add.reduceat(one, starts, axis=0), starts, axis=1)
        for one in (np.where(known, values, 0.0), known.astype(float))
    )
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def script(content: Mapping[str, Any]) -> str:
    """A script that hands some content to the page that loads it, in ASCII."""
    # No "<" ends a script early, and no line separator ends a string.
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"{_BEGIN}{text}{_END}"


def write_script(path: Path, content: Mapping[str, Any]) -> None:
    """Write a page's data, whole or not at all.

    Raises
    ------
    CannotWriteError
        Where it cannot be written.
    """
    write_text(path, script(content))


def read_script(path: Path) -> dict[str, Any]:
    """Read a page's data back.

    Raises
    ------
    BadDataError
        Where the file is not there, or not as `write_script` writes it.
    """
    try:
        text = path.read_text(encoding="ascii")
        content = json.loads(text.removeprefix(_BEGIN).removesuffix(_END))
    except (OSError, ValueError) as error:
        raise BadDataError(
            f"{path}: cannot be read as data of a report ({error}); run the participant level "
            "again with --overwrite"
        ) from None
    return dict(content)
