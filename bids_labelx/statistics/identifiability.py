"""Whether participants are told apart by their edges: fingerprinting and discriminability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np


@dataclass(frozen=True)
class Similarities:
    """How alike rows of edges are.

    Attributes
    ----------
    correlation
        Pearson correlation over edges between two rows, shape (n_rows, n_rows); NaN for a row
        that does not vary.
    distance
        Euclidean distance between two rows, the same shape.
    edges
        How many edges all rows have; both are over these.
    """

    correlation: np.ndarray
    distance: np.ndarray
    edges: int


@dataclass(frozen=True)
class Identification:
    """Fingerprinting accuracy.

    Attributes
    ----------
    accuracy
        Share of participants that are identified, mean over ordered pairs of repeats.
    chance
        What guessing gives: one over the number of participants.
    p
        Share of permutations of the participants whose accuracy is as high, the observed one
        among them.
    """

    accuracy: float
    chance: float
    p: float


def similarities(blocks: Iterable[np.ndarray]) -> Similarities:
    """Compare all rows with each other over the edges that all of them have.

    Parameters
    ----------
    blocks
        Fisher z of some edges each, shape (n_rows, n_edges of the block); NaN where there is none.
        Nothing but sums of products is kept.

    Raises
    ------
    ValueError
        Where there is no block.
    """
    products = sums = None
    edges = 0
    for block in blocks:
        z = np.asarray(block, dtype=np.float64)
        z = z[:, np.isfinite(z).all(axis=0)]
        # The rows' common part changes no distance, and takes digits; the sums have it again.
        middle = z.mean(axis=0)
        z = z - middle
        if products is None or sums is None:
            products, sums = np.zeros((len(z), len(z))), np.zeros(len(z))
            across, middles = np.zeros(len(z)), np.zeros(2)
        products += z @ z.T
        across += z @ middle
        sums += z.sum(axis=1)
        middles += middle.sum(), middle @ middle
        edges += z.shape[1]
    if products is None or sums is None:
        raise ValueError("there is no block of edges")
    squares = np.diag(products)
    # Of equal rows, rounding errors may leave less than nothing.
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0))
    whole = products + across[:, None] + across + middles[1]
    total = sums + middles[0]
    if not edges:
        return Similarities(np.full(whole.shape, np.nan), distance, 0)
    covariance = whole - np.outer(total, total) / edges
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    # What is left of a constant row is rounding error.
    deviation[np.diag(covariance) <= 1e-12 * np.diag(whole)] = np.nan
    correlation = np.clip(covariance / np.outer(deviation, deviation), -1, 1)
    return Similarities(correlation, distance, edges)


def fingerprint(
    correlation: np.ndarray, n_repeats: int, n_permutations: int = 1000, seed: int = 0
) -> Identification:
    """Identify each participant of one repeat among all of another one.

    The participant of the highest correlation is taken (Finn et al., 2015, doi:10.1038/nn.4135),
    for each ordered pair of repeats; where several are highest, each counts by its share.

    Parameters
    ----------
    correlation
        Between rows, shape (n_participants * n_repeats,) twice, the repeats of a participant next
        to each other; see `similarities`.
    n_repeats
        Of each participant, 2 at least.
    n_permutations, seed
        Of the participants of each repeat but the first.
    """
    n = len(correlation) // n_repeats
    by_repeat = correlation.reshape(n, n_repeats, n, n_repeats).transpose(1, 3, 0, 2)
    guesses = []
    for one, other in permutations(range(n_repeats), 2):
        found = np.nan_to_num(by_repeat[one, other], nan=-np.inf)
        best = found == found.max(axis=1, keepdims=True)
        guesses.append((one, other, best / best.sum(axis=1, keepdims=True)))

    def accuracy(orders: np.ndarray) -> float:
        shares = [guess[orders[one], orders[other]].mean() for one, other, guess in guesses]
        return float(np.mean(shares))

    rng = np.random.default_rng(seed)
    same = np.tile(np.arange(n), (n_repeats, 1))
    observed = accuracy(same)
    reached = 1
    for _ in range(n_permutations):
        orders = np.array([same[0], *(rng.permutation(n) for _ in range(n_repeats - 1))])
        reached += accuracy(orders) >= observed - 1e-12
    return Identification(observed, 1 / n, reached / (n_permutations + 1))


def discriminability(distance: np.ndarray, n_repeats: int) -> float:
    """Share of comparisons in which two repeats of a participant are nearer than to another one.

    Bridgeford et al. (2021, doi:10.1371/journal.pcbi.1009279): over all pairs of repeats of a
    participant, from either of them, and all rows of other participants. A tie counts half;
    chance is 0.5.

    Parameters
    ----------
    distance
        Between rows, in the order of `fingerprint`.
    n_repeats
        Of each participant, 2 at least.
    """
    n_rows = len(distance)
    participants = np.arange(n_rows) // n_repeats
    total, count = 0.0, 0
    for row in range(n_rows):
        same = participants == participants[row]
        others = np.sort(distance[row, ~same])
        same[row] = False
        for own in distance[row, same]:
            nearer, upto = (
                np.searchsorted(others, own, "left"),
                np.searchsorted(others, own, "right"),
            )
            total += len(others) - upto + (upto - nearer) / 2
            count += len(others)
    return float(total / count) if count else float("nan")
