"""The regions of an atlas in one space, and what a run is reduced to over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

STATISTICS = ("mean", "median", "sum", "minimum", "maximum", "variance", "standard_deviation")

Uncovered = Literal["exclude", "zero"]


@dataclass(frozen=True)
class Regions:
    """The elements of an atlas's labels in one space.

    Attributes
    ----------
    elements : intp array of shape (m,)
        Indices of the labelled elements, ascending; those of spheres that overlap more than once.
    columns : intp array of shape (m,)
        Column of each element's label.
    n_columns
        Number of columns, those without an element included.
    weights : float64 array of shape (m,), or None
        What each element counts in a mean; all the same where it is None.
    """

    elements: np.ndarray
    columns: np.ndarray
    n_columns: int
    weights: np.ndarray | None = None

    def take(self, chosen: np.ndarray) -> Regions:
        """The same columns with some of the elements, by a boolean array of shape (m,)."""
        weights = None if self.weights is None else self.weights[chosen]
        return Regions(self.elements[chosen], self.columns[chosen], self.n_columns, weights)

    def divisors(self, chosen: np.ndarray) -> np.ndarray:
        """What sums over some of the elements are divided by for a mean; shape (n_columns,)."""
        weights = None if self.weights is None else self.weights[chosen]
        total = np.bincount(self.columns[chosen], weights, minlength=self.n_columns)
        return np.where(total > 0, total, 1)


@dataclass(frozen=True)
class MapSignals:
    """The least squares fit of some maps to every volume.

    Attributes
    ----------
    signals : float64 array of shape (n_volumes, n_maps)
    coverage : float64 array of shape (n_maps,)
        Share of each map's absolute weight that was fitted, from 0 to 1.
    elements_covered : integer array of shape (n_maps,)
        How many elements each map was fitted over.
    nonfinite_elements
        Number of elements with a weight that are NaN or infinite in some volume.
    rank
        Of the maps that were fitted, which is how many these are.
    condition
        Condition number of these maps, each scaled to norm 1; 1 where there are none.
    """

    signals: np.ndarray
    coverage: np.ndarray
    elements_covered: np.ndarray
    nonfinite_elements: int
    rank: int
    condition: float


@dataclass(frozen=True)
class Reduction:
    """Signals of every atlas and statistic, with the elements that they are taken over.

    Attributes
    ----------
    signals : list of dict of float64 arrays of shape (n_volumes, n_columns)
        For each atlas, the signals of each statistic.
    elements_covered : list of integer arrays of shape (n_columns,)
        For each atlas, how many elements each column's statistics are taken over.
    nonfinite_elements
        Number of labelled elements that are NaN or infinite in some volume.
    mean_image : float64 array of shape (n_elements,), or None
        Mean over volumes, see `reduce_volumes`, non-finite values counted as 0.
    maps : list of MapSignals
        For each atlas of maps.
    """

    signals: list[dict[str, np.ndarray]]
    elements_covered: list[np.ndarray]
    nonfinite_elements: int
    mean_image: np.ndarray | None
    maps: list[MapSignals] = field(default_factory=list)


def find_regions(
    labels: np.ndarray,
    ids: np.ndarray,
    mask: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Regions:
    """Find the elements of the given labels.

    Parameters
    ----------
    labels : integer array of shape (n_elements,)
        The label of each element of a space.
    ids : integer array of shape (n,)
        Labels in the order of the columns. Each is looked up by its value; a missing one gets a
        column without elements.
    mask : bool array of shape (n_elements,), optional
        Elements outside are excluded.
    weights : float64 array of shape (n_elements,), optional
        What each element counts in a mean.

    Raises
    ------
    TypeError
        If labels or ids are not integers, or the mask is not boolean.
    ValueError
        If the shapes do not fit or a label is asked for twice.
    """
    ids = np.asarray(ids)
    if labels.dtype.kind not in "iu" or (ids.size and ids.dtype.kind not in "iu"):
        raise TypeError(f"labels and ids are integers, found {labels.dtype} and {ids.dtype}")
    if labels.ndim != 1 or ids.ndim != 1:
        raise ValueError(f"labels and ids are vectors, found {labels.shape} and {ids.shape}")
    flat = labels.astype(np.int64, copy=False)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order].astype(np.int64)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise ValueError(f"labels asked for more than once: {np.unique(twice).tolist()}")
    candidates = np.ones(flat.size, dtype=bool)
    if mask is not None:
        if mask.dtype != bool:
            raise TypeError(f"a mask is a boolean array, found {mask.dtype}")
        if mask.shape != labels.shape:
            raise ValueError(f"the mask's shape {mask.shape} is not the labels' {labels.shape}")
        candidates = mask
    if not ids.size:
        return Regions(np.empty(0, np.intp), np.empty(0, np.intp), 0)
    elements = np.flatnonzero(candidates)
    found = np.minimum(np.searchsorted(ordered, flat[elements]), ids.size - 1)
    wanted = ordered[found] == flat[elements]
    elements = elements[wanted]
    of_elements = None if weights is None else weights[elements]
    return Regions(elements, order[found[wanted]].astype(np.intp), ids.size, of_elements)
