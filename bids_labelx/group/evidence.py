"""QC-FC summarised for a page, in a size that does not grow with edges or participants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bids_labelx.group.rows import Row

# The middle bar is about zero.
HISTOGRAM = np.linspace(-1, 1, 42)
MOST_BINS = 20
# Quartiles of fewer edges say little.
FEWEST_IN_BIN = 10
# More points than this overlap.
MOST_POINTS = 500


@dataclass(frozen=True)
class EdgeSummary:
    """QC-FC of one combination's edges, those above the diagonal that have an r.

    Attributes
    ----------
    counts
        Number of edges by r, shape (41,); see `HISTOGRAM`.
    distance
        Median distance in mm of the edges in each bin, shape (n_bins,), rising. Bins have equal
        numbers of edges, give or take one.
    quartiles
        25th, 50th and 75th percentile of r in each bin, shape (3, n_bins).
    points
        Distance in mm and r of every edge, shape (n, 2); n is 0 where there are more than 500.
    """

    counts: np.ndarray
    distance: np.ndarray
    quartiles: np.ndarray
    points: np.ndarray

    @property
    def edges(self) -> int:
        """The number of edges with an r."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Evidence:
    """How well one strategy does over the participants of one combination.

    Attributes
    ----------
    entities
        Of the combination; see `averaging.combination_of`.
    row
        Its row in ``group_…_qcfc.tsv``.
    edges
        Distribution of QC-FC, and its dependence on distance.
    lost
        Lowest, mean and highest loss of degrees of freedom of a run.
    volumes
        Mean number of volumes of a run, censored ones included.
    covariate_columns
        How many columns of covariates QC-FC holds constant.
    """

    entities: Mapping[str, str]
    row: Row
    edges: EdgeSummary
    lost: tuple[float, float, float]
    volumes: float
    covariate_columns: int = 0

    @property
    def chance(self) -> float:
        """Median ``|r|`` of edges that are unrelated to motion; see `chance_median`."""
        return chance_median(self.row["participants"] - self.covariate_columns)


def summarize_edges(r: np.ndarray, distances: np.ndarray) -> EdgeSummary:
    """Summarise the edges of one combination.

    Parameters
    ----------
    r
        Of `qcfc.Correlations`, shape (n_regions, n_regions); NaN where there is none.
    distances
        In mm, the same shape; NaN where a region has no centroid. Such edges are counted and have
        no place among the distances.
    """
    above = np.triu(np.isfinite(r), k=1)
    counts, _ = np.histogram(r[above], HISTOGRAM)
    both = above & np.isfinite(distances)
    order = np.argsort(distances[both], kind="stable")
    mm, values = distances[both][order], r[both][order]
    n_bins = min(MOST_BINS, max(1, len(mm) // FEWEST_IN_BIN)) if len(mm) else 0
    parts = np.array_split(np.arange(len(mm)), n_bins) if n_bins else []
    quartiles = [np.percentile(values[part], (25, 50, 75)) for part in parts]
    return EdgeSummary(
        counts,
        np.array([np.median(mm[part]) for part in parts]),
        np.array(quartiles).reshape(-1, 3).T,
        np.column_stack((mm, values)) if len(mm) <= MOST_POINTS else np.empty((0, 2)),
    )


def chance_median(participants: int) -> float:
    """Median ``|r|`` of two unrelated variables.

    ``t / sqrt(n - 2 + t^2)`` with t the 0.75 quantile of Student's t with n - 2 degrees of
    freedom, which ``r sqrt((n - 2) / (1 - r^2))`` follows where both are normal and independent.

    Parameters
    ----------
    participants
        How many there are, 3 at least.
    """
    from scipy.stats import t

    quantile = float(t.ppf(0.75, participants - 2))
    return quantile / float(np.sqrt(participants - 2 + quantile**2))
