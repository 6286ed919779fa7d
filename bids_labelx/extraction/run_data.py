"""A run as a sequence of flat arrays of values in time, read in blocks.

Memory depends on the number of elements and the block size only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bids_labelx.extraction.space import Space

_BLOCK_ELEMENTS = 1 << 22

# Shares of a step of the scaling within which a value reads as zero: a half, and what slope and
# intercept are off by as float32 of the header, with stored values up to 2^15 from the intercept.
_ZERO_STEPS = 0.5 + 2 * 2**15 * float(np.finfo(np.float32).eps)

Blocks = Iterator[tuple[int, np.ndarray]]


@dataclass(frozen=True)
class RunData:
    """A run, or anything else with one value per element and volume, as it is stored.

    Attributes
    ----------
    name
        The path, or ``in-memory image``; for messages.
    space
        The elements that each volume has a value of.
    n_volumes
        Number of volumes; 1 for a single map, such as a mask.
    dtype
        Data type of the stored values, with its byte order.
    read_blocks
        Gives what `blocks` does for a size.
    slope, inter
        ``value = slope * stored + inter``.
    read_series
        Where the file holds whole series one after another: gives these, tile by tile, as pairs of
        the first element and an array of shape (m, n_volumes), valid until the next is asked for.
        How long a tile is depends on the number of volumes alone.
    """

    name: str
    space: Space
    n_volumes: int
    dtype: np.dtype
    read_blocks: Callable[[int], Blocks] = field(repr=False)
    slope: float = 1.0
    inter: float = 0.0
    read_series: Callable[[], Blocks] | None = field(default=None, repr=False)

    @property
    def n_elements(self) -> int:
        """Number of values in one volume."""
        return self.space.n_elements

    @property
    def scaled(self) -> bool:
        """Whether values differ from what is stored."""
        return self.slope != 1.0 or self.inter != 0.0

    def blocks(self, size: int | None = None) -> Blocks:
        """Yield the volumes in their order, up to `size` at a time.

        Parameters
        ----------
        size
            Volumes in a block; the last block may hold fewer. Unless given, as many as make up
            about 4 million values, which is 32 MB as float64.

        Yields
        ------
        first : int
            Index of the block's first volume.
        raw : array of shape (n, n_elements), of the stored data type
            Stored values, unscaled, in the order of the space. The array is valid until the next
            block is asked for: its memory may then be used again. It may be read-only.

        Raises
        ------
        ValueError
            If `size` is below 1.
        OSError
            If the file ends early or its compressed data are damaged.
        """
        if size is None:
            size = max(1, _BLOCK_ELEMENTS // self.n_elements)
        if size < 1:
            raise ValueError(f"a block holds at least 1 volume, got a size of {size}")
        return self.read_blocks(size)

    def scale(self, raw: np.ndarray) -> np.ndarray:
        """Turn stored values into values: ``slope * raw + inter``, a new float64 array."""
        values = raw.astype(np.float64)
        if self.slope != 1.0:
            values *= self.slope
        if self.inter != 0.0:
            values += self.inter
        return values

    def reads_as_zero(self, raw: np.ndarray) -> np.ndarray:
        """Whether stored values are 0, within half a step of the scaling.

        A zero that is stored as an integer with slope and intercept becomes the nearest level,
        which may read as -0.05. Without a scaling, 0 alone is 0.
        """
        if not self.scaled:
            return np.asarray(raw == 0)
        step = abs(self.slope)
        if self.dtype.kind == "f":
            step *= float(np.spacing(self.dtype.type(abs(self.inter / self.slope))))
        return np.asarray(np.abs(self.scale(raw)) <= _ZERO_STEPS * step)

    def with_blocks(self, read_blocks: Callable[[int], Blocks]) -> RunData:
        """Give a copy that is read in another way."""
        return replace(self, read_blocks=read_blocks, read_series=None)

    def unscaled(self, **changes: Any) -> RunData:
        """Give a copy with some attributes changed, whose stored values need no scaling."""
        return replace(self, slope=1.0, inter=0.0, read_series=None, **changes)


class Blank(NamedTuple):
    """Elements without data over the volumes read so far.

    Attributes
    ----------
    positions : intp array of shape (k,)
        Those whose stored value has always been the same and reads as zero.
    stored : array of shape (k,)
        That value.
    """

    positions: np.ndarray
    stored: np.ndarray


def still_blank(run: RunData, raw: np.ndarray, before: Blank | None) -> Blank:
    """Elements without data up to the end of a block, by those before it, None at the first.

    Parameters
    ----------
    run
        Whose scaling it is.
    raw : array of shape (n, m)
        Stored values of the same m elements in each block.
    """
    if before is None:
        positions = np.flatnonzero(run.reads_as_zero(raw[0]))
        before = Blank(positions, raw[0, positions])
    positions, stored = before
    # Row by row: most elements have data, which the first volumes tell.
    for row in raw:
        same = row[positions] == stored
        positions, stored = positions[same], stored[same]
    return Blank(positions, stored)


def stack_volumes(parts: Sequence[RunData]) -> RunData:
    """Give images of one volume each, all in one space, as the volumes of one run."""
    if not parts:
        raise ValueError("expected an image or a list of 3D images, found an empty list")
    first = parts[0]
    for index, part in enumerate(parts):
        if part.n_volumes != 1:
            raise TypeError(
                "Input data has incompatible dimensionality: Expected dimension is 4D and you "
                "provided a list of 4D images (5D). Each image of a list is one volume, but "
                f"image #{index} ({part.name}) has {part.n_volumes}."
            )
        if not first.space.same(part.space):
            raise ValueError(
                f"Field of view of image #{index} ({part.name}) is not that of image #0 "
                f"({first.name}):\nimage #{index}: {part.space}\nimage #0: {first.space}"
            )
    dtype = np.result_type(*(np.float64 if part.scaled else part.dtype for part in parts))
    name = first.name if len(parts) == 1 else f"{first.name} and {len(parts) - 1} more"
    read = partial(_stacked_blocks, parts, dtype)
    return first.unscaled(name=name, n_volumes=len(parts), dtype=dtype, read_blocks=read)


def _stacked_blocks(parts: Sequence[RunData], dtype: np.dtype, size: int) -> Blocks:
    """Blocks of a run whose volumes are images of their own, in a buffer that is used again."""
    buffer = np.empty((min(size, len(parts)), parts[0].n_elements), dtype)
    for first in range(0, len(parts), size):
        block = buffer[: len(parts) - first]
        for row, part in zip(block, parts[first : first + size], strict=True):
            # Asked for to the end, a compressed file is checked to its end.
            for _, raw in part.blocks(1):
                row[:] = part.scale(raw[0]) if part.scaled else raw[0]
        yield first, block
