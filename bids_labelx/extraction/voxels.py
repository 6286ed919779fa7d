"""The series of single voxels, on disk: cleaned before they are reduced to labels.

A run comes volume by volume and cleaning wants whole series, so the run is turned around in a
file: the labelled voxels, as they are stored, in tiles of voxels whose volumes all lie together.
Each tile is read, cleaned, and written to a second file, whose volumes are then reduced like
those of any image. Of either file only a piece is in memory at a time, by plain reads and writes:
to write into a mapping kills the process when the disk is full, and mapped pages count as its
memory. Either is raw numbers, of use to nobody else; they belong into a temporary folder whose
owner removes it, after an error too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import FileIO
from pathlib import Path

import numpy as np

from bids_labelx.extraction.cleaner import Cleaner
from bids_labelx.extraction.coverage import Seen
from bids_labelx.extraction.reduce import reduce_volumes
from bids_labelx.extraction.stream import Volumes

# Numbers in a tile of whole series: 8 MB as float64, which arithmetic makes a few times of.
_TILE_NUMBERS = 1 << 20


@dataclass(frozen=True)
class _Tiles:
    """A matrix of volumes by voxels in a file, as one matrix for each tile of voxels."""

    file: Path
    n_volumes: int
    n_voxels: int
    width: int
    dtype: np.dtype

    def spans(self) -> Iterator[slice]:
        """The voxels of each tile; the last may hold fewer."""
        for first in range(0, self.n_voxels, self.width):
            yield slice(first, min(first + self.width, self.n_voxels))

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
class VoxelSeries:
    """The series of some voxels of a run, in a file.

    Attributes
    ----------
    volumes : Volumes
        The run that they come from.
    seen : Seen
        Which voxels they are, and which of them are covered.
    mean_image : float64 array of shape (x, y, z), or None
        As that of `reduce_volumes`.
    """

    volumes: Volumes
    seen: Seen
    mean_image: np.ndarray | None
    _tiles: _Tiles = field(repr=False)


def gather_voxels(
    volumes: Volumes,
    seen: Seen,
    file: Path,
    *,
    mean_image: bool = False,
    block: int | None = None,
) -> VoxelSeries:
    """Read a run once and put the series of some of its voxels into a file, as they are stored.

    Parameters
    ----------
    volumes, seen
        The run and the voxels, from `watch`; or what was made of the former since, by smoothing.
    file
        Where the series go: an ``int16`` run takes 2 bytes for each voxel and volume. What was
        there is overwritten. After an error, the half-written file is left to the caller.
    mean_image
        Take the mean over time of all voxels, too.
    block
        Volumes held in memory at a time, as for `Volumes.blocks`. The result does not depend on
        it.

    Raises
    ------
    OSError
        As from `Volumes.blocks`; and with the name of `file` if that cannot be written, be it
        that the folder is missing or the disk full.
    """
    width = max(64, _TILE_NUMBERS // volumes.n_volumes // 64 * 64)
    tiles = _Tiles(Path(file), volumes.n_volumes, seen.voxels.size, width, volumes.dtype)
    passing = replace(volumes, _read=partial(_storing_blocks, volumes, seen.voxels, tiles))
    picture = reduce_volumes(
        passing, [], [], uncovered="exclude", mean_image=mean_image, block=block
    ).mean_image
    return VoxelSeries(volumes, seen, picture, tiles)


def _storing_blocks(
    volumes: Volumes, voxels: np.ndarray, tiles: _Tiles, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks as they come, their voxels put into `tiles` on the way."""
    with tiles.file.open("wb", buffering=0) as stream:
        for first, raw in volumes.blocks(size):
            for span in tiles.spans():
                tiles.write(stream, span, first, raw.take(voxels[span], axis=1))
            yield first, raw


def stored_voxels(series: VoxelSeries) -> Volumes:
    """Give the gathered voxels as the volumes that they came from, 0 outside of them.

    Raises
    ------
    OSError
        When they are read, with the name of a file that cannot be.
    """
    read = partial(_tiled_blocks, series._tiles, series.seen.voxels, series.volumes.n_voxels)
    return replace(series.volumes, _read=read)


def clean_voxels(series: VoxelSeries, cleaner: Cleaner, file: Path) -> Volumes:
    """Clean the series of the covered voxels, each by itself.

    To several cleaners, give several files: the run is not read again.

    Parameters
    ----------
    series
        From `gather_voxels`; its file must still be there.
    cleaner
        From `prepare`, for as many volumes. What it warns of, it may warn of for every tile.
    file
        Where the cleaned series go, 8 bytes for each voxel and row of the result; as for
        `gather_voxels`. It is read whenever the result is, and must stay until then.

    Returns
    -------
    Volumes
        The cleaner's rows as volumes on the run's grid, float64, 0 outside the covered voxels.
        Since a covered voxel may be 0 throughout when it is cleaned, reduce them by
        `reduce_covered`.

    Raises
    ------
    OSError
        With the name of a file that cannot be read or written.
    ValueError
        If the cleaner is for another number of volumes, or the run is too short for its filter.

    Notes
    -----
    The result is that of `clean` but for rounding errors. Its last bits may depend on which
    other voxels there are, since products of matrices of other sizes may be rounded otherwise.
    """
    volumes, source, covered = series.volumes, series._tiles, series.seen.covered
    if cleaner.keep.size != volumes.n_volumes:
        raise ValueError(
            f"{volumes.name}: it has {volumes.n_volumes} volumes, but is to be cleaned as a run "
            f"of {cleaner.keep.size}"
        )
    target = replace(
        source,
        file=Path(file),
        n_volumes=int(np.count_nonzero(cleaner.rows)),
        dtype=np.dtype(np.float64),
    )
    with source.file.open("rb", buffering=0) as stream, target.file.open("wb", 0) as out:
        for span in source.spans():
            values = volumes.scale(source.read(stream, span, 0, source.n_volumes))
            # A series of ones is cleaned without warnings and without spoiling a product.
            missing = ~covered[span]
            values[:, missing] = 1.0
            cleaned = cleaner(values)
            cleaned[:, missing] = 0.0
            target.write(out, span, 0, cleaned)
    return replace(
        volumes,
        name=f"{volumes.name}, cleaned",
        n_volumes=target.n_volumes,
        slope=1.0,
        inter=0.0,
        dtype=target.dtype,
        _read=partial(_tiled_blocks, target, series.seen.voxels, volumes.n_voxels),
    )


def _tiled_blocks(
    tiles: _Tiles, voxels: np.ndarray, n_voxels: int, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of whole volumes, in one buffer that is used again."""
    buffer = np.zeros((min(size, tiles.n_volumes), n_voxels), tiles.dtype)
    with tiles.file.open("rb", buffering=0) as stream:
        for first in range(0, tiles.n_volumes, size):
            block = buffer[: tiles.n_volumes - first]
            for span in tiles.spans():
                part = tiles.read(stream, span, first, len(block))
                for row, values in zip(block, part, strict=True):
                    row[voxels[span]] = values
            yield first, block
