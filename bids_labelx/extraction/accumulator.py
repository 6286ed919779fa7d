"""What sums over the volumes of a run have in common: the coverage of their elements."""

from __future__ import annotations

import numpy as np

from bids_labelx.extraction.run_data import Blank, RunData, still_blank


class Accumulator:
    """The values of some elements, block by block, and the elements' coverage so far.

    Attributes
    ----------
    elements : intp array of shape (m,)
        Their indices.
    finite : bool array of shape (m,)
        Elements that were finite in every volume so far.
    """

    def __init__(self, elements: np.ndarray, used: np.ndarray | None, *, additive: bool) -> None:
        self.elements = elements
        self.finite = np.ones(elements.size, dtype=bool)
        self._blank: Blank | None = None  # None before the first volume
        self._additive = additive
        self._exact_zeros = True  # of elements without data; else they do add to a sum
        # Without `used`, the first volume tells which elements are likely to be without data, so
        # that a run with empty margins is read once and not twice.
        self._used = used

    @property
    def covered(self) -> np.ndarray:
        """Elements that were finite in every volume and have data."""
        assert self._blank is not None  # an image has at least one volume
        covered = self.finite.copy()
        covered[self._blank.positions] = False
        return covered

    def spoiled(self, covered: np.ndarray) -> bool:
        """Whether the elements that were used are others than these."""
        assert self._used is not None  # an image has at least one volume
        wrong = self._used != covered
        if self._additive and self._exact_zeros:
            wrong &= covered | ~self.finite  # one of zeros may stay in a sum
        return bool(wrong.any())

    def _take(self, run: RunData, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The elements' values in a block, not finite ones as 0, and which elements are used."""
        stored = raw.take(self.elements, axis=1)
        values = run.scale(stored)
        finite = np.isfinite(values) if raw.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            self.finite &= finite.all(axis=0)
            values[~finite] = 0.0
        if self._used is None:
            self._used = np.ones(self.elements.size, bool) if finite is None else finite[0].copy()
            zero = run.reads_as_zero(stored[0])
            self._exact_zeros = not values[0, zero].any()
            if not (self._additive and self._exact_zeros):
                self._used &= ~zero
        self._blank = still_blank(run, stored, self._blank)
        return values, self._used
