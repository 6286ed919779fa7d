"""How much edges differ between batches: one-way analysis of variance, from running moments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_labelx.extraction.welford import update_mean

Floats = NDArray[np.floating]


class BatchMoments:
    """Mean and sum of squares of each batch, edge by edge, over rows that are added one by one.

    Parameters
    ----------
    n_batches, n_edges
        How many there are.

    Attributes
    ----------
    n, mean, squares
        Values, their mean, and the sum of their squared deviations from it, shape (n_batches,
        n_edges).
    """

    def __init__(self, n_batches: int, n_edges: int) -> None:
        self.n = np.zeros((n_batches, n_edges), dtype=np.int64)
        self.mean = np.zeros((n_batches, n_edges))
        self.squares = np.zeros((n_batches, n_edges))

    def add(self, batch: int, z: Floats) -> None:
        """Add a row of a batch, by its position; NaN where it lacks an edge."""
        known = np.isfinite(z)
        self.n[batch] += known
        mean = self.mean[batch]
        values = np.where(known, z, mean)
        # In place, as `mean` is a view.
        before, after = update_mean(mean, values, np.maximum(self.n[batch], 1))
        self.squares[batch] += before * after


class BatchDifferences(NamedTuple):
    """One-way analysis of variance of each edge over batches.

    Attributes
    ----------
    f, p
        Fisher's F and its p value, shape (n_edges,); NaN where fewer than two batches have values,
        or there are no residual degrees of freedom or differences.
    eta_squared
        The share of the sum of squares that is between batches; the same.
    """

    f: Floats
    p: Floats
    eta_squared: Floats


def batch_differences(moments: BatchMoments) -> BatchDifferences:
    """Test each edge for differences between the means of batches.

    Batches without a value of an edge do not count for it.
    """
    from scipy.special import fdtrc

    n, total = moments.n, moments.n.sum(axis=0)
    groups = (n > 0).sum(axis=0)
    grand = (n * moments.mean).sum(axis=0) / np.maximum(total, 1)
    between = (n * (moments.mean - grand) ** 2).sum(axis=0)
    within = moments.squares.sum(axis=0)
    usable = (groups > 1) & (total > groups) & (within > 0)
    of = groups - 1, total - groups
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(usable, (between / of[0]) / (within / of[1]), np.nan)
        eta = np.where(usable, between / (between + within), np.nan)
    p = np.full(f.shape, np.nan)
    p[usable] = fdtrc(of[0][usable], of[1][usable], f[usable])
    return BatchDifferences(f, p, eta)


def chance_eta_squared(n_batches: int, n_rows: int, shares: Floats) -> Floats:
    """Quantiles of eta squared of normal values whose batches do not differ.

    It has a beta distribution with half the degrees of freedom between and within batches.

    Parameters
    ----------
    n_batches, n_rows
        How many there are.
    shares
        Which quantiles, from 0 to 1.
    """
    from scipy.special import betaincinv

    return betaincinv((n_batches - 1) / 2, (n_rows - n_batches) / 2, shares)
