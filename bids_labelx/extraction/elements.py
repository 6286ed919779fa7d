"""The series of single elements, cleaned on disk before they are reduced to labels.

A run is stored volume by volume and cleaning needs whole series, so the run is transposed in a
file: the stored values of the labelled elements, in tiles of elements whose volumes all lie
together. Each tile is read, cleaned, and written to a second file, whose volumes are then reduced
like those of any image. Only a piece of either file is in memory at a time, by plain reads and
writes: writing into a mapping kills the process when the disk is full, and mapped pages count as
its memory. Both files hold raw numbers without a header; they belong into a temporary folder that
the caller removes, after an error too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import FileIO
from pathlib import Path

import numpy as np

from bids_labelx.extraction.clean import Cleaner
from bids_labelx.extraction.coverage import Coverage
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.run_data import Blocks, RunData

# Numbers in a tile of whole series: 8 MB as float64, which arithmetic makes a few times of.
_TILE_NUMBERS = 1 << 20


@dataclass(frozen=True)
class _Tiles:
    """A matrix of volumes by elements in a file, as one matrix for each tile of elements."""

    file: Path
    n_volumes: int
    n_elements: int
    width: int
    dtype: np.dtype

    def spans(self) -> Iterator[slice]:
        """The elements of each tile; the last may hold fewer."""
        for first in range(0, self.n_elements, self.width):
            yield slice(first, min(first + self.width, self.n_elements))

    def write(self, stream: FileIO, span: slice, first: int, values: np.ndarray) -> None:
        """Write some volumes of a tile, from the volume `first` on."""
        left = np.ascontiguousarray(values).view(np.uint8).reshape(-1).data
        self._seek(stream, span, first)
        try:
            while left:
                left = left[stream.write(left) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.file)) from error

    def read(self, stream: FileIO, span: slice, first: int, count: int) -> np.ndarray:
        """Read `count` volumes of a tile, from the volume `first` on."""
        values = np.empty((count, span.stop - span.start), self.dtype)
        left = values.view(np.uint8).reshape(-1).data
        self._seek(stream, span, first)
        while left:
            read = stream.readinto(left)
            if not read:
                raise OSError(f"{self.file}: ends early; did something else write to it?")
            left = left[read:]
        return values

    def _seek(self, stream: FileIO, span: slice, first: int) -> None:
        numbers = span.start * self.n_volumes + first * (span.stop - span.start)
        stream.seek(numbers * self.dtype.itemsize)


@dataclass(frozen=True)
class ElementSeries:
    """The series of some elements of a run, in a file.

    Attributes
    ----------
    run : RunData
        The run that they come from.
    seen : Coverage
        Which elements they are, and which of them are covered.
    mean_image : float64 array of shape (n_elements,), or None
        As that of `reduce_volumes`.
    """

    run: RunData
    seen: Coverage
    mean_image: np.ndarray | None
    _tiles: _Tiles = field(repr=False)


def gather_elements(
    run: RunData,
    seen: Coverage,
    file: Path,
    *,
    mean_image: bool = False,
    block: int | None = None,
) -> ElementSeries:
    """Read a run once and write the stored series of some of its elements to a file.

    Parameters
    ----------
    run, seen
        The run, as it is or smoothed, and the elements, from `watch`.
    file
        An ``int16`` run takes 2 bytes for each element and volume. An existing file is
        overwritten. After an error, the half-written file is left to the caller.
    mean_image
        Take the mean over time of all elements, too.
    block
        Volumes held in memory at a time, as for `RunData.blocks`. The result does not depend on
        it.

    Raises
    ------
    OSError
        As from `RunData.blocks`; and with the name of `file` if that cannot be written, because
        its folder is missing or the disk is full.
    """
    width = max(64, _TILE_NUMBERS // run.n_volumes // 64 * 64)
    tiles = _Tiles(Path(file), run.n_volumes, seen.elements.size, width, run.dtype)
    stored = run.with_blocks(partial(_storing_blocks, run, seen.elements, tiles))
    mean = reduce_volumes(
        stored, [], [], uncovered="exclude", mean_image=mean_image, block=block
    ).mean_image
    return ElementSeries(run, seen, mean, tiles)


def _storing_blocks(run: RunData, elements: np.ndarray, tiles: _Tiles, size: int) -> Blocks:
    """Blocks as they come; writes their elements to `tiles` on the way."""
    with tiles.file.open("wb", buffering=0) as stream:
        for first, raw in run.blocks(size):
            for span in tiles.spans():
                tiles.write(stream, span, first, raw.take(elements[span], axis=1))
            yield first, raw


def stored_elements(series: ElementSeries) -> RunData:
    """Give the gathered elements as a run in the space that they came from, 0 elsewhere.

    Raises
    ------
    OSError
        When they are read, with the name of a file that cannot be.
    """
    read = partial(_tiled_blocks, series._tiles, series.seen.elements, series.run.n_elements)
    return series.run.with_blocks(read)


def clean_elements(series: ElementSeries, cleaner: Cleaner, file: Path) -> RunData:
    """Clean the series of each covered element.

    With several cleaners, give several files: the run is not read again.

    Parameters
    ----------
    series
        From `gather_elements`; its file must still be there.
    cleaner
        From `prepare_cleaner`, for as many volumes. It may repeat a warning for every tile.
    file
        Takes 8 bytes for each element and row of the result; as for `gather_elements`. It is
        read whenever the result is, and must stay until then.

    Returns
    -------
    RunData
        The cleaner's rows as volumes in the run's space, float64, 0 outside the covered elements.
        Since a covered element may be 0 throughout when it is cleaned, reduce them by
        `reduce_covered`.

    Raises
    ------
    OSError
        With the name of a file that cannot be read or written.
    ValueError
        If the cleaner is for another number of volumes, or the run is too short for its filter.

    Notes
    -----
    The result is that of `clean` except for rounding errors. Its last bits may depend on which
    other elements there are, since products of matrices of other sizes may be rounded otherwise.
    """
    run, source, covered = series.run, series._tiles, series.seen.covered
    if cleaner.keep.size != run.n_volumes:
        raise ValueError(
            f"{run.name}: it has {run.n_volumes} volumes, but the cleaner is for a run of "
            f"{cleaner.keep.size}"
        )
    target = replace(
        source,
        file=Path(file),
        n_volumes=int(np.count_nonzero(cleaner.rows)),
        dtype=np.dtype(np.float64),
    )
    with source.file.open("rb", buffering=0) as stream, target.file.open("wb", 0) as out:
        for span in source.spans():
            values = run.scale(source.read(stream, span, 0, source.n_volumes))
            # A series of ones is cleaned without warnings and without spoiling a product.
            missing = ~covered[span]
            values[:, missing] = 1.0
            cleaned = cleaner(values)
            cleaned[:, missing] = 0.0
            target.write(out, span, 0, cleaned)
    read = partial(_tiled_blocks, target, series.seen.elements, run.n_elements)
    return run.unscaled(
        name=f"{run.name}, cleaned",
        n_volumes=target.n_volumes,
        dtype=target.dtype,
        read_blocks=read,
    )


def _tiled_blocks(tiles: _Tiles, elements: np.ndarray, n_elements: int, size: int) -> Blocks:
    """Blocks of whole volumes, in one buffer that is used again."""
    buffer = np.zeros((min(size, tiles.n_volumes), n_elements), tiles.dtype)
    with tiles.file.open("rb", buffering=0) as stream:
        for first in range(0, tiles.n_volumes, size):
            block = buffer[: tiles.n_volumes - first]
            for span in tiles.spans():
                part = tiles.read(stream, span, first, len(block))
                for row, values in zip(block, part, strict=True):
                    row[elements[span]] = values
            yield first, block
