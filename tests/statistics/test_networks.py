"""Edges averaged within and between networks."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.stats import binom, ttest_ind

from bids_labelx.statistics.networks import averaged, network_pairs, pair_means

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


def of_all_edges(z: np.ndarray) -> np.ndarray:
    return np.nanmean(z, axis=1, keepdims=True)


def test_an_average_of_all_edges_is_their_mean() -> None:
    z, pairs = random_edges(0), network_pairs(NETWORKS)
    np.testing.assert_allclose(averaged(z, partial(pair_means, pairs=pairs)), pair_means(z, pairs))
    np.testing.assert_allclose(averaged(z, of_all_edges), of_all_edges(z))


def test_an_average_of_rows_that_lack_edges_is_that_of_their_deviations() -> None:
    z = np.array([[1, 5, np.nan], [3, np.nan, np.nan], [np.nan, np.nan, np.nan], [2, 9, np.nan]])
    # Edges have the means 2 and 7, of which 4.5 is the mean.
    expected = [4.5 + (-1 - 2) / 2, 4.5 + 1, np.nan, 4.5 + (0 + 2) / 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_allclose(averaged(z, of_all_edges)[:, 0], expected)


def test_a_strong_edge_that_patients_lack_makes_no_difference_of_averages() -> None:
    """Judge: scipy's t test on 400 data sets without an effect, and on one with an effect."""
    patient, lacking = np.arange(30) >= 15, np.arange(30) >= 22
    strong = np.array([1.2, 0.1, 0.1, 0.1, 0.1])
    rng, found = np.random.default_rng(0), np.empty((400, 2))
    for p in found:
        z = strong + 0.2 * rng.normal(size=(30, 5))
        z[lacking, 0] = np.nan
        for k, mean in enumerate((of_all_edges(z), averaged(z, of_all_edges))):
            p[k] = ttest_ind(mean[patient, 0], mean[~patient, 0]).pvalue
    plain, ours = (found < 0.05).sum(axis=0)
    low, high = binom.interval(0.99, 400, 0.05)
    assert low <= ours <= high
    assert plain > 200
    z = np.tile(strong, (30, 1)) + 0.3 * patient[:, None]
    z[lacking, 0] = np.nan
    mean = averaged(z, of_all_edges)[:, 0]
    assert mean[patient].mean() - mean[~patient].mean() == pytest.approx(0.3, rel=0.05)
