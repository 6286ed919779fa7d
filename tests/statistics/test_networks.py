"""Edges averaged within and between networks."""

from __future__ import annotations

import numpy as np

from bids_labelx.statistics.networks import network_pairs, pair_means

NETWORKS = ["Vis", "DMN", "", "Vis", "n/a", "DMN", "SMN", "Vis"]


def by_hand(row: np.ndarray, networks: list[str], first: str, second: str) -> float:
    """Mean over regions i < j with these networks, from the matrix."""
    matrix = np.full((len(networks), len(networks)), np.nan)
    matrix[np.triu_indices(len(networks), k=1)] = row
    values = [
        matrix[i, j]
        for i in range(len(networks))
        for j in range(i + 1, len(networks))
        if sorted((networks[i], networks[j])) == sorted((first, second))
        and not np.isnan(matrix[i, j])
    ]
    return float(np.mean(values)) if values else np.nan


def random_edges(missing: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 28))
    z[rng.random(z.shape) < missing] = np.nan
    return z


def test_pairs_come_in_the_order_of_the_label_table_and_have_edges() -> None:
    """There is one region of SMN, and so no edge within it."""
    found = network_pairs(NETWORKS)
    assert found.names == (
        ("Vis", "Vis"),
        ("Vis", "DMN"),
        ("Vis", "SMN"),
        ("DMN", "DMN"),
        ("DMN", "SMN"),
    )
    np.testing.assert_array_equal(found.counts, [3, 6, 3, 1, 2])


def test_means_are_those_of_each_pair_by_hand() -> None:
    pairs = network_pairs(NETWORKS)
    for z in (random_edges(0), random_edges(0.4)):
        expected = [[by_hand(row, NETWORKS, *pair) for pair in pairs.names] for row in z]
        np.testing.assert_allclose(pair_means(z, pairs), expected)


def test_a_pair_without_a_value_has_no_mean() -> None:
    pairs = network_pairs(["a", "a", "b"])
    z = np.array([[np.nan, 1, 3], [2, np.nan, np.nan]])
    np.testing.assert_array_equal(pair_means(z, pairs), [[np.nan, 2], [2, np.nan]])


def test_regions_without_networks_have_no_pairs() -> None:
    pairs = network_pairs(["", "n/a", ""])
    assert pairs.names == ()
    assert pair_means(np.ones((2, 3)), pairs).shape == (2, 0)


def test_every_region_may_have_a_network() -> None:
    pairs = network_pairs(["b", "a", "b"])
    assert pairs.names == (("b", "b"), ("b", "a"))
    np.testing.assert_array_equal(pairs.of_edge, [1, 0, 1])
