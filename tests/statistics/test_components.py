"""Network-based statistics, beside networkx and bctpy."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from bct.nbs import nbs_bct
from scipy.stats import false_discovery_control

from bids_labelx.statistics.components import (
    constrained_nbs,
    largest_component,
    mean_t,
    network_based_statistic,
)
from bids_labelx.statistics.exchange import Exchange
from bids_labelx.statistics.linear import fit
from bids_labelx.statistics.networks import network_pairs
from bids_labelx.statistics.permutation import permute

REGIONS, THRESHOLD = 12, 1.6
ABOVE = np.triu_indices(REGIONS, k=1)


def random_t(seed: int) -> np.ndarray:
    t = np.random.default_rng(seed).normal(size=(30, len(ABOVE[0])))
    t[:, ::9] = np.nan
    return t


def slow_components(t: np.ndarray) -> list[set[int]]:
    """Edges of each component, by networkx."""
    edges = [edge for edge in range(len(t)) if abs(t[edge]) > THRESHOLD]
    graph = nx.Graph([(ABOVE[0][edge], ABOVE[1][edge]) for edge in edges])
    return [
        {edge for edge in edges if ABOVE[0][edge] in regions}
        for regions in nx.connected_components(graph)
    ]


def test_components_are_those_of_networkx() -> None:
    seen = set()
    for t in random_t(1):
        found = network_based_statistic(t, REGIONS, THRESHOLD, np.array([1]))
        expected = slow_components(t)
        seen.add(len(expected))
        parts = [set(np.flatnonzero(found.of_edge == one + 1)) for one in range(len(found.sizes))]
        assert sorted(map(sorted, parts)) == sorted(map(sorted, expected))
        assert found.sizes.tolist() == sorted(map(len, expected), reverse=True)
        assert [len(one) for one in parts] == found.sizes.tolist()
        assert (found.of_edge[~(np.abs(t) > THRESHOLD)] == 0).all()
    assert len(seen) > 2


def test_the_largest_component_is_that_of_networkx() -> None:
    t = random_t(2)
    t[3] = 0
    expected = [max(map(len, slow_components(row)), default=0) for row in t]
    np.testing.assert_array_equal(largest_component(REGIONS, THRESHOLD)(t), expected)
    assert expected[3] == 0
    assert len(set(expected)) > 3


def test_p_is_the_share_of_permutations_with_a_component_of_that_size() -> None:
    t = np.zeros(len(ABOVE[0]))
    # 0-1, 0-2, 1-2 and 5-6.
    t[(ABOVE[0] < 3) & (ABOVE[1] < 3)] = -4
    t[(ABOVE[0] == 5) & (ABOVE[1] == 6)] = 4
    found = network_based_statistic(t, REGIONS, 3.1, np.array([3, 1, 0, 2, 7]))
    assert found.sizes.tolist() == [3, 1]
    np.testing.assert_allclose(found.p, [0.4, 0.8])


def test_nothing_above_the_threshold_is_no_component() -> None:
    found = network_based_statistic(np.zeros(len(ABOVE[0])), REGIONS, 3.1, np.array([0, 2]))
    assert (found.sizes.tolist(), found.p.tolist()) == ([], [])
    assert not found.of_edge.any()


def bct_permutations(n: int, count: int, seed: int) -> np.ndarray:
    """The identity, and those that bctpy draws, of the rows."""
    rng = np.random.RandomState(seed)
    return np.array([np.arange(n), *(rng.permutation(n) for _ in range(count))])


def test_two_groups_with_the_same_permutations_are_those_of_bctpy() -> None:
    rng, first, n, count, threshold = np.random.default_rng(4), 9, 20, 50, 2.2
    z = rng.normal(size=(n, len(ABOVE[0])))
    z[:first, ABOVE[1] < 4] += 1.5
    z[:first, (ABOVE[0] == 8) & (ABOVE[1] == 9)] -= 3
    matrices = np.zeros((REGIONS, REGIONS, n))
    matrices[ABOVE] = z.T
    matrices += matrices.transpose(1, 0, 2)
    p, adjacency, null = nbs_bct(
        matrices[..., :first], matrices[..., first:], threshold, k=count, seed=7
    )
    design = np.column_stack([np.ones(n), np.arange(n) < first]).astype(float)
    values = bct_permutations(n, count, 7)
    exchange = Exchange("permutations", np.arange(n), np.zeros(n, int), values, 10**9, False)
    (largest,) = permute(z, design, [0, 1], exchange, [largest_component(REGIONS, threshold)])
    np.testing.assert_array_equal(largest[1:], null)
    t = fit(z, design, [0, 1]).t
    found = network_based_statistic(t, REGIONS, threshold, largest)
    theirs = adjacency[ABOVE].astype(int)
    assert len(p) == len(found.sizes) > 1
    for number, own in enumerate(p, start=1):
        (ours,) = set(found.of_edge[theirs == number])
        assert (found.of_edge == ours).sum() == (theirs == number).sum()
        # bctpy does not count the data as they are.
        assert found.p[ours - 1] == pytest.approx((own * count + 1) / (count + 1))


def test_pairs_of_networks_are_tested_by_their_mean_t() -> None:
    pairs = network_pairs(["a", "b", "c", ""] * 3)
    t = random_t(5)
    t[0, pairs.of_edge == 1] += 2
    null = mean_t(pairs)(t)
    found = constrained_nbs(null)
    means = np.array([[np.nanmean(row[pairs.of_edge == one]) for one in range(6)] for row in t])
    np.testing.assert_allclose(found.t, means[0])
    size = np.abs(means)
    p = (size >= size[0]).mean(axis=0)
    np.testing.assert_allclose(found.p, p)
    np.testing.assert_allclose(found.p_fdr, false_discovery_control(p))
    largest = size.max(axis=1, keepdims=True)
    np.testing.assert_allclose(found.p_fwe, (largest >= size[0]).mean(axis=0))
    assert found.p_fwe[1] < 0.1 < found.p_fwe.max()


def test_means_that_are_equal_but_for_rounding_are_equal() -> None:
    null = np.array([[0.5, 2.0], [-0.5 * (1 - 1e-12), 1.0], [0.1, -2.0 * (1 - 1e-12)], [0, 0]])
    found = constrained_nbs(null)
    np.testing.assert_allclose(found.p, [0.5, 0.5])
    np.testing.assert_allclose(found.p_fwe, [0.75, 0.5])


def test_a_pair_without_a_tested_edge_has_no_p() -> None:
    pairs = network_pairs(["a", "a", "b"])
    found = constrained_nbs(mean_t(pairs)(np.array([[np.nan, 2, 1], [np.nan, 0, 1]])))
    np.testing.assert_array_equal(found.p, [np.nan, 0.5])
    np.testing.assert_array_equal(found.p_fwe, [np.nan, 0.5])
    np.testing.assert_array_equal(found.p_fdr, [np.nan, 0.5])
