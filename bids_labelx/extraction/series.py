"""Label statistics of a run whose file holds whole series one after another, as CIFTI-2 does.

All atlases are reduced in one reading, tile by tile. The tiles depend on the number of volumes
alone, so the same run gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array

from bids_labelx.extraction.regions import Reduction, Regions
from bids_labelx.extraction.run_data import RunData

# Numbers that the elements of the labels whose medians are taken together have in all.
_MEDIAN_NUMBERS = 1 << 23


def reduce_series(
    run: RunData,
    regions: Sequence[Regions],
    statistics: Sequence[str],
    *,
    every: bool,
    mean_image: bool,
) -> Reduction:
    """Reduce a run as `reduce_volumes` does.

    The run is read once. For the median, which needs all elements of a label at once, it is read
    again for as many labels of an atlas as fit into about 64 MB.

    Parameters
    ----------
    run
        With `RunData.read_series`.
    regions, statistics, mean_image
        As for `reduce_volumes`.
    every
        Whether elements without data or with values that are not finite count, the latter as 0.
    """
    sums = [_Sums(one, run.n_volumes, statistics) for one in regions]
    mean = np.zeros(run.n_elements) if mean_image else None
    covered = np.ones(run.n_elements, dtype=bool)
    finite = np.ones(run.n_elements, dtype=bool)
    for first, raw in _tiles(run):
        part = slice(first, first + len(raw))
        values = run.scale(raw)
        if raw.dtype.kind == "f":
            known = np.isfinite(raw)
            finite[part] = known.all(axis=1)
            if not finite[part].all():
                values[~known] = 0.0
        covered[part] = finite[part] & ~_blank(run, raw)
        if mean is not None:
            mean[part] = values.mean(axis=1)
        for one in sums:
            one.add(values, first, None if every else covered[part])
    labelled = np.unique(
        np.concatenate([np.empty(0, np.intp), *(one.elements for one in regions)])
    )
    counts, signals = [], []
    for one, region in zip(sums, regions, strict=True):
        used = np.ones(region.elements.size, bool) if every else covered[region.elements]
        count = np.bincount(region.columns[used], minlength=region.n_columns)
        found = one.signals(count, region.divisors(used), every=every)
        if "median" in statistics:
            found["median"] = _medians(run, region.take(used))
            found["median"][:, count == 0] = 0.0 if every else np.nan
        counts.append(count)
        signals.append({name: found[name] for name in statistics})
    return Reduction(signals, counts, int((~finite[labelled]).sum()), mean)


def _tiles(run: RunData) -> Iterator[tuple[int, np.ndarray]]:
    assert run.read_series is not None  # as the caller looked at
    return run.read_series()


def _blank(run: RunData, raw: np.ndarray) -> np.ndarray:
    """Which series are stored as one value throughout that reads as zero."""
    blank = run.reads_as_zero(raw[:, 0])
    candidates = np.flatnonzero(blank)
    blank[candidates] = (raw[candidates] == raw[candidates, :1]).all(axis=1)
    return blank


class _Sums:
    """What the statistics of an atlas but the median are made of, over the elements so far.

    Arrays have the shape (n_columns, n_volumes).
    """

    def __init__(self, regions: Regions, n_volumes: int, statistics: Sequence[str]) -> None:
        self._regions = regions
        self._wanted = set(statistics)
        shape = (regions.n_columns, n_volumes)
        self._spread = bool(self._wanted & {"variance", "standard_deviation"})
        weighted = regions.weights is not None and "mean" in self._wanted
        self._weighted = np.zeros(shape) if weighted else None
        self._total = np.zeros(shape) if self._spread or self._wanted & {"mean", "sum"} else None
        self._squares = np.zeros(shape) if self._spread else None
        self._lowest = np.full(shape, np.inf) if "minimum" in self._wanted else None
        self._highest = np.full(shape, -np.inf) if "maximum" in self._wanted else None
        self._count = np.zeros(regions.n_columns, dtype=np.int64)
        kept = (self._squares, self._lowest, self._highest)
        self._gathering = any(one is not None for one in kept)

    def add(self, values: np.ndarray, first: int, covered: np.ndarray | None) -> None:
        """Add the series of the elements from `first` on; of those covered, or all if None."""
        regions = self._regions
        span = slice(*np.searchsorted(regions.elements, [first, first + len(values)]))
        rows, columns = regions.elements[span] - first, regions.columns[span]
        used = np.arange(rows.size) if covered is None else np.flatnonzero(covered[rows])
        if not used.size:
            return
        order = used[np.argsort(columns[used], kind="stable")]
        rows, columns = rows[order], columns[order]
        starts = np.flatnonzero(np.diff(columns, prepend=-1))
        present, counts = columns[starts], np.diff(starts, append=columns.size)
        if self._weighted is not None:
            assert regions.weights is not None  # else there would be no such sum
            self._weighted[present] += _sums(values, rows, starts, regions.weights[span][order])
        total = np.empty(0)
        if self._total is not None:
            total = _sums(values, rows, starts, np.ones(rows.size))
        if self._gathering:
            part = values[rows]
            if self._squares is not None:
                self._add_squares(part, starts, present, counts, total)
            self._add_extremes(part, starts, present)
        if self._total is not None:
            self._total[present] += total
        self._count[present] += counts

    def _add_extremes(self, part: np.ndarray, starts: np.ndarray, present: np.ndarray) -> None:
        if self._lowest is not None:
            lowest = np.minimum.reduceat(part, starts, axis=0)
            self._lowest[present] = np.minimum(self._lowest[present], lowest)
        if self._highest is not None:
            highest = np.maximum.reduceat(part, starts, axis=0)
            self._highest[present] = np.maximum(self._highest[present], highest)

    def _add_squares(
        self,
        part: np.ndarray,
        starts: np.ndarray,
        present: np.ndarray,
        counts: np.ndarray,
        total: np.ndarray,
    ) -> None:
        """Add squared deviations, those of the tile from its own mean (Chan et al., 1979)."""
        assert self._total is not None and self._squares is not None  # noqa: PT018
        now, before = counts[:, None], self._count[present][:, None]
        mean = total / now
        deviations = part - np.repeat(mean, counts, axis=0)
        deviations *= deviations
        difference = mean - self._total[present] / np.maximum(before, 1)
        self._squares[present] += np.add.reduceat(deviations, starts, axis=0)
        self._squares[present] += difference**2 * (before * now / (before + now))

    def signals(
        self, count: np.ndarray, divisors: np.ndarray, *, every: bool
    ) -> dict[str, np.ndarray]:
        """The statistics, each of shape (n_volumes, n_columns)."""
        found: dict[str, np.ndarray | None] = {
            "sum": self._total,
            "minimum": self._lowest,
            "maximum": self._highest,
        }
        divisor = np.maximum(count, 1)[:, None]
        weighted = self._total if self._weighted is None else self._weighted
        if weighted is not None:
            found["mean"] = weighted / divisors[:, None]
        if self._squares is not None:
            found["variance"] = self._squares / divisor
            found["standard_deviation"] = np.sqrt(self._squares / divisor)
        signals = {}
        for name, values in found.items():
            if values is not None and name in self._wanted:
                signals[name] = np.ascontiguousarray(values.T)
                signals[name][:, count == 0] = 0.0 if every else np.nan
        return signals


def _sums(
    values: np.ndarray, rows: np.ndarray, starts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Weighted sums of the rows of each column, which begin at `starts`; a row for each.

    A sparse product takes a third of the time of gathering the rows and adding them up.
    """
    ends = np.append(starts, rows.size)
    chosen = csr_array((weights, rows, ends), shape=(starts.size, len(values)))
    return np.asarray(chosen @ values)


def _medians(run: RunData, regions: Regions) -> np.ndarray:
    """Medians of the labels, shape (n_volumes, n_columns); 0 of those without an element."""
    medians = np.zeros((run.n_volumes, regions.n_columns))
    counts = np.bincount(regions.columns, minlength=regions.n_columns)
    for columns in _groups(counts * run.n_volumes):
        chosen = np.isin(regions.columns, columns)
        elements, own = regions.elements[chosen], regions.columns[chosen]
        gathered = np.empty((elements.size, run.n_volumes))
        for first, raw in _tiles(run):
            span = slice(*np.searchsorted(elements, [first, first + len(raw)]))
            values = run.scale(raw[elements[span] - first])
            values[~np.isfinite(values)] = 0.0
            gathered[span] = values
        for column in columns:
            medians[:, column] = np.median(gathered[own == column], axis=0)
    return medians


def _groups(numbers: np.ndarray) -> Iterator[list[int]]:
    """Columns that have elements, as many together as have few enough numbers."""
    group: list[int] = []
    for column in np.flatnonzero(numbers).tolist():
        if group and numbers[[*group, column]].sum() > _MEDIAN_NUMBERS:
            yield group
            group = []
        group.append(column)
    if group:
        yield group
