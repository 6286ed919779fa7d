from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from bids_labelx.statistics.identifiability import discriminability, fingerprint, similarities


def rows_of(seed: int, n: int, k: int, trait: float, edges: int = 30) -> np.ndarray:
    """Rows of edges (n * k, edges), the repeats of a participant next to each other."""
    rng = np.random.default_rng(seed)
    own = np.repeat(rng.normal(0, trait, (n, 1, edges)), k, axis=1)
    return (0.4 + own + rng.normal(0, 1, (n, k, edges))).reshape(n * k, edges)


def test_correlations_and_distances_are_those_of_the_edges_that_all_rows_have() -> None:
    rows = rows_of(0, 4, 2, 1)
    rows[3, 7] = rows[0, 22] = np.nan
    found = similarities([rows[:, :10], rows[:, 10:11], rows[:, 11:]])
    kept = np.delete(rows, [7, 22], axis=1)
    assert found.edges == 28
    np.testing.assert_allclose(found.correlation, np.corrcoef(kept), rtol=1e-10)
    loops = [[np.sqrt(np.square(a - b).sum()) for b in kept] for a in kept]
    np.testing.assert_allclose(found.distance, loops, rtol=1e-10, atol=1e-6)


@pytest.mark.parametrize("k", [2, 3])
def test_identification_is_that_of_loops(k: int) -> None:
    rows = rows_of(1, 7, k, 0.5)
    shares = []
    for one, other in permutations(range(k), 2):
        for i in range(7):
            r = [np.corrcoef(rows[i * k + one], rows[j * k + other])[0, 1] for j in range(7)]
            shares.append(np.argmax(r) == i)
    found = fingerprint(similarities([rows]).correlation, k, 20)
    assert found.accuracy == pytest.approx(np.mean(shares))
    assert 0 < found.accuracy < 1
    assert found.chance == 1 / 7


@pytest.mark.parametrize("k", [2, 3])
def test_discriminability_is_that_of_loops(k: int) -> None:
    rows = rows_of(2, 6, k, 0.4)
    wins = []
    for i in range(6):
        for a, b in permutations(range(k), 2):
            own = np.linalg.norm(rows[i * k + a] - rows[i * k + b])
            for j in set(range(6)) - {i}:
                for c in range(k):
                    wins.append(own < np.linalg.norm(rows[i * k + a] - rows[j * k + c]))
    found = discriminability(similarities([rows]).distance, k)
    assert found == pytest.approx(np.mean(wins))
    assert 0.5 < found < 1


def test_the_distances_of_a_small_example_by_hand() -> None:
    # Two participants, two repeats: 0 and 1; 3 and 5. From 0: 1 < 3, 1 < 5. From 1: 1 < 2, 1 < 4.
    # From 3: 2 < 3, 2 = 2. From 5: 2 < 5, 2 < 4. One of eight is a tie.
    places = np.array([0.0, 1, 3, 5])
    assert discriminability(np.abs(places[:, None] - places), 2) == 7.5 / 8


def test_participants_far_apart_are_told_apart_and_equal_rows_are_not() -> None:
    far = rows_of(3, 8, 2, 20)
    found = similarities([far])
    assert fingerprint(found.correlation, 2, 200).accuracy == 1
    assert fingerprint(found.correlation, 2, 200).p == pytest.approx(1 / 201)
    assert discriminability(found.distance, 2) == 1
    assert discriminability(np.zeros((16, 16)), 2) == 0.5
    same = fingerprint(np.ones((16, 16)), 2, 50)
    assert same.accuracy == pytest.approx(1 / 8)
    assert same.p == 1


def test_participants_who_are_no_different_are_found_by_chance() -> None:
    accuracies, shares, ps = [], [], []
    for seed in range(200):
        found = similarities([rows_of(1000 + seed, 10, 2, 0)])
        by_finger = fingerprint(found.correlation, 2, 99, seed)
        accuracies.append(by_finger.accuracy)
        ps.append(by_finger.p)
        shares.append(discriminability(found.distance, 2))
    assert np.mean(accuracies) == pytest.approx(0.1, abs=4 * np.std(accuracies) / np.sqrt(200))
    assert np.mean(shares) == pytest.approx(0.5, abs=4 * np.std(shares) / np.sqrt(200))
    # A binomial count of p <= 0.05 is no more than 4 standard errors above what it should be.
    assert np.mean(np.array(ps) <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_a_permutation_p_is_that_of_all_orders_of_few_participants() -> None:
    rows = rows_of(5, 4, 2, 0.7)
    correlation = similarities([rows]).correlation
    forth, back = correlation[::2, 1::2].argmax(axis=1), correlation[1::2, ::2].argmax(axis=1)
    hits = []
    for order in permutations(range(4)):
        there = np.argsort(order)
        hits.append(sum(forth == order) + sum(back == there))
    exact = np.mean(np.array(hits) >= hits[0])
    found = fingerprint(correlation, 2, 4000)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 4000))
