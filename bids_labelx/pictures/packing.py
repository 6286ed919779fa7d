"""The data that a page draws its pictures from: numbers packed into scripts beside it.

Scripts, because a page that is opened from a disk may load scripts and cannot read data. A script
hands over one string, `labelx.take("…", n)`: deflated bytes, 15 bits in each UTF-16 unit, of which
`n` count. They are JSON, a zero byte, and all arrays one after the other; in the JSON an array's
``data`` is where it starts. In UTF-16, as base64 would be a quarter longer.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_labelx.errors import BadDataError
from bids_labelx.files import write_bytes

# Units are above the quotes and below the surrogates.
_FIRST_UNIT = 0x100
_SCRIPT = re.compile(r'\ufefflabelx\.take\("([^"]*)", (\d+)\);\n')
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
        ``shape``, ``type``, ``step``, ``delta`` where it is one, and ``data``: the bytes of
        little-endian integers in C order. The lowest integer stands for a missing value.
    """
    values = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):
        # As `numpy.round` does it.
        steps = np.rint(values * round(1 / step) if step < 1 else values / step)
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
    return {
        "shape": list(values.shape),
        "type": values.dtype.name,
        "step": 1,
        "data": np.ascontiguousarray(values, dtype=kind).tobytes(),
    }


def unpack(packed: Mapping[str, Any]) -> NDArray[Any]:
    """The numbers of `pack`, float64 with NaN for missing values; unsigned integers as such."""
    kind = np.dtype(packed["type"]).newbyteorder("<")
    flat = np.frombuffer(packed["data"], kind)
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


def as_base64(data: bytes) -> str:
    """Bytes of a packed array inside a page's own JSON: deflated, in base64."""
    return base64.b64encode(zlib.compress(data)).decode("ascii")


def script(content: Mapping[str, Any]) -> bytes:
    """A script that hands some content to the page that loads it, in UTF-16."""
    arrays: list[bytes] = []
    sizes = [0]

    def start(data: bytes) -> int:
        arrays.append(data)
        sizes.append(sizes[-1] + len(data))
        return sizes[-2]

    text = json.dumps(content, allow_nan=False, separators=(",", ":"), default=start)
    deflated = zlib.compress(b"\0".join((text.encode(), b"".join(arrays))))
    units = _to_units(deflated).tobytes().decode("utf-16-le")
    return f'\ufefflabelx.take("{units}", {len(deflated)});\n'.encode("utf-16-le")


def write_script(path: Path, content: Mapping[str, Any]) -> None:
    """Write a page's data, whole or not at all.

    Raises
    ------
    CannotWriteError
        Where it cannot be written.
    """
    write_bytes(path, script(content))


def read_script(path: Path) -> dict[str, Any]:
    """Read a page's data back.

    Raises
    ------
    BadDataError
        Where the file is not there, or not as `write_script` writes it.
    """
    try:
        found = _SCRIPT.fullmatch(path.read_bytes().decode("utf-16-le"))
        if found is None:
            raise ValueError("another beginning or end")
        units = np.frombuffer(found[1].encode("utf-16-le"), "<u2")
        deflated = _from_units(units)[: int(found[2])]
        text, _, data = zlib.decompress(deflated).partition(b"\0")
        content = json.loads(text)
    except (OSError, ValueError, zlib.error) as error:
        raise BadDataError(
            f"{path}: cannot be read as data of a report ({error}); run the participant level "
            "again with --overwrite"
        ) from None
    return dict(_with_arrays(content, data))


def _with_arrays(value: Any, data: bytes) -> Any:
    """A copy of JSON content with the bytes of its packed arrays."""
    if isinstance(value, list):
        return [_with_arrays(one, data) for one in value]
    if not isinstance(value, dict):
        return value
    if "shape" in value and "data" in value:
        start, kind = value["data"], np.dtype(value["type"])
        length = math.prod(value["shape"]) * kind.itemsize
        return {**value, "data": data[start : start + length]}
    return {key: _with_arrays(one, data) for key, one in value.items()}


def _to_units(data: bytes) -> NDArray[np.uint16]:
    """Bytes as UTF-16 units of 15 bits each."""
    groups = -(-len(data) // 15)
    whole = np.zeros((groups, 17), dtype=np.uint32)
    flat = np.zeros(groups * 15, dtype=np.uint8)
    flat[: len(data)] = np.frombuffer(data, np.uint8)
    whole[:, :15] = flat.reshape(groups, 15)
    units = np.empty((groups, 8), dtype="<u2")
    for k in range(8):
        byte, bit = divmod(15 * k, 8)
        three = (whole[:, byte] << 16) | (whole[:, byte + 1] << 8) | whole[:, byte + 2]
        units[:, k] = ((three >> (9 - bit)) & 0x7FFF) + _FIRST_UNIT
    return units.reshape(-1)


def _from_units(units: NDArray[np.uint16]) -> bytes:
    bits = (units.astype(np.uint16)[:, None] - _FIRST_UNIT) >> np.arange(14, -1, -1) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()
