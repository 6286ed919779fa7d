from __future__ import annotations

import numpy as np
import pytest

from bids_labelx.group.evidence import HISTOGRAM, chance_median, summarize_edges


def edges(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """QC-FC and distances of n regions, symmetric; some of either are missing."""
    rng = np.random.default_rng(seed)
    r, mm = np.tanh(rng.normal(0.1, 0.4, (n, n))), rng.uniform(5, 150, (n, n))
    r, mm = np.triu(r, 1) + np.triu(r, 1).T, np.triu(mm, 1) + np.triu(mm, 1).T
    r[range(n), range(n)] = np.nan
    r[0, 2] = r[2, 0] = np.nan
    mm[1], mm[:, 1] = np.nan, np.nan
    return r, mm


def pairs(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def test_counts_are_those_of_a_loop_and_hold_the_ends() -> None:
    r, mm = edges(9)
    r[3, 4] = r[4, 3] = 1.0
    r[3, 5] = r[5, 3] = -1.0
    r[3, 6] = r[6, 3] = 0.0
    expected = [0] * 41
    for i, j in pairs(9):
        if not np.isnan(r[i, j]):
            expected[min(int((r[i, j] + 1) / 2 * 41), 40)] += 1
    found = summarize_edges(r, mm)
    assert found.counts.tolist() == expected
    assert found.edges == 36 - 1
    assert (expected[0], expected[40]) >= (1, 1)
    # The middle bar is about zero.
    assert HISTOGRAM[20] == pytest.approx(-HISTOGRAM[21])


def test_bins_have_equal_numbers_of_edges_and_quartiles_of_a_loop() -> None:
    n = 14
    r, mm = edges(n)
    found = summarize_edges(r, mm)
    both = sorted(
        (mm[i, j], r[i, j]) for i, j in pairs(n) if np.isfinite(r[i, j]) and np.isfinite(mm[i, j])
    )
    assert len(both) == 91 - 13 - 1
    np.testing.assert_array_equal(found.points, both)
    n_bins = len(both) // 10
    assert found.quartiles.shape == (3, n_bins)
    sizes = [len(both) // n_bins + (k < len(both) % n_bins) for k in range(n_bins)]
    start = 0
    for k, size in enumerate(sizes):
        own = both[start : start + size]
        start += size
        assert found.distance[k] == np.median([d for d, _ in own])
        for q, share in enumerate((0.25, 0.5, 0.75)):
            assert found.quartiles[q, k] == pytest.approx(np.quantile([v for _, v in own], share))


def test_size_does_not_grow_with_edges() -> None:
    few, many = (summarize_edges(*edges(n)) for n in (40, 80))
    assert few.distance.shape == many.distance.shape == (20,)
    assert few.points.shape == many.points.shape == (0, 2)
    assert (np.diff(many.distance) > 0).all()


def test_without_distances_edges_are_counted_alone() -> None:
    r, mm = edges(6)
    found = summarize_edges(r, np.full_like(mm, np.nan))
    assert found.edges == 14
    assert found.distance.shape == (0,)
    assert found.quartiles.shape == (3, 0)
    assert found.points.shape == (0, 2)


def test_without_r_there_is_nothing() -> None:
    r, mm = edges(6)
    found = summarize_edges(np.full_like(r, np.nan), mm)
    assert (found.edges, len(found.distance), len(found.points)) == (0, 0, 0)


@pytest.mark.parametrize("participants", [4, 8, 30])
def test_half_of_unrelated_figures_are_below_the_chance_level(participants: int) -> None:
    rng = np.random.default_rng(participants)
    x, y = rng.standard_normal((2, 20_000, participants))
    x, y = (one - one.mean(axis=1, keepdims=True) for one in (x, y))
    r = np.abs((x * y).sum(axis=1)) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    assert np.median(r) == pytest.approx(chance_median(participants), abs=0.01)


def test_chance_level_of_four_is_a_half() -> None:
    # With 2 degrees of freedom, r is uniform from -1 to 1.
    assert chance_median(4) == pytest.approx(0.5)
