"""QC-FC: how connectivity correlates with motion over participants.

Ciric et al. (2017, doi:10.1016/j.neuroimage.2017.03.020) and Parkes et al. (2018,
doi:10.1016/j.neuroimage.2017.12.073): the correlation over participants of each edge with their
motion, and its dependence on the distance between the two regions. Motion is one figure of a run
that no strategy changes (see `rows.MOTION`): with figures of their own, strategies could not be
compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bids_labelx.extraction.welford import update_mean

# With three participants, one degree of freedom is left, and any r is as good as any other.
FEWEST = 4

_ALPHA = 0.05


class Correlations:
    """Running Pearson correlation of each edge with one figure per participant.

    Nothing but means and sums of products of deviations is kept. A participant without an edge
    does not count for that edge alone.

    Parameters
    ----------
    n_regions
        Of each matrix, which has the shape (n_regions, n_regions).
    """

    def __init__(self, n_regions: int) -> None:
        shape = (n_regions, n_regions)
        self.n = np.zeros(shape, dtype=np.int64)
        self._x, self._y, self._xx, self._yy, self._xy = (np.zeros(shape) for _ in range(5))

    def add(self, z: np.ndarray, figure: float) -> None:
        """Add a participant: Fisher z, NaN where there is none, and motion in mm."""
        known = np.isfinite(z)
        self.n += known
        count = np.maximum(self.n, 1)
        x, x_after = update_mean(self._x, np.where(known, z, self._x), count)
        y, y_after = update_mean(self._y, np.where(known, figure, self._y), count)
        self._xx += x * x_after
        self._yy += y * y_after
        self._xy += x * y_after

    def r(self) -> np.ndarray:
        """Shape (n_regions, n_regions); NaN below `FEWEST` participants or without variation."""
        products = np.sqrt(self._xx * self._yy)
        known = (self.n >= FEWEST) & (products > 0)
        r = np.divide(self._xy, products, out=np.full(products.shape, np.nan), where=known)
        return np.clip(r, -1.0, 1.0)


@dataclass(frozen=True)
class QcFc:
    """QC-FC of one combination, over the edges above the diagonal that have an r.

    Attributes
    ----------
    median_abs
        Median of ``|r|``.
    share_significant
        Share of edges with p below 0.05 after Benjamini & Hochberg (1995).
    distance_dependence
        Spearman's rho between r and the distance of the regions' centroids in mm; NaN where
        fewer than 3 edges have both.
    """

    median_abs: float
    share_significant: float
    distance_dependence: float


def p_values(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Two-sided p of Pearson's r over `n`: ``t = r sqrt((n - 2) / (1 - r^2))`` with n - 2."""
    from scipy.stats import t

    with np.errstate(divide="ignore"):
        statistic = np.abs(r) * np.sqrt((n - 2) / (1 - r**2))
    return np.asarray(2 * t.sf(statistic, n - 2))


def summarize(r: np.ndarray, n: np.ndarray, distances: np.ndarray) -> QcFc | None:
    """The figures of one combination.

    Parameters
    ----------
    r, n
        Of `Correlations`, shape (n_regions, n_regions).
    distances
        In mm, the same shape; NaN where a region has no centroid.

    Returns
    -------
    QcFc or None
        None where no edge has an r.
    """
    from scipy.stats import false_discovery_control, spearmanr

    above = np.triu(np.isfinite(r), k=1)
    if not above.any():
        return None
    adjusted = false_discovery_control(p_values(r[above], n[above]), method="bh")
    both = above & np.isfinite(distances)
    rho = float("nan")
    if both.sum() > 2 and np.ptp(r[both]) > 0 and np.ptp(distances[both]) > 0:
        rho = float(spearmanr(r[both], distances[both]).statistic)
    return QcFc(float(np.median(np.abs(r[above]))), float((adjusted < _ALPHA).mean()), rho)


def distances_between(points: np.ndarray) -> np.ndarray:
    """Euclidean distances between points (n, 3), shape (n, n), in their unit."""
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=-1))


def mean_points(sets: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of sets of points (n, 3), by point; of equal sets it is exactly these.

    A point that is NaN in a set does not count there; the mean is NaN where it is in all of them.
    """
    mean: np.ndarray | None = None
    for points in sets:
        if mean is None:
            mean, count = np.zeros_like(points), np.zeros_like(points)
        known = np.isfinite(points)
        count += known
        update_mean(mean, np.where(known, points, mean), np.maximum(count, 1))
    if mean is None:
        raise ValueError("there is no set of points")
    return np.where(count > 0, mean, np.nan)
