"""All tests of one contrast, from the same permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, pearsonr

from bids_labelx.statistics.components import largest_component, mean_t
from bids_labelx.statistics.exchange import draw_exchange
from bids_labelx.statistics.inference import infer
from bids_labelx.statistics.linear import fdr, fit
from bids_labelx.statistics.networks import network_pairs
from bids_labelx.statistics.permutation import largest_t, p_of_largest, permute

REGIONS, N = 7, 20
Z = np.random.default_rng(0).normal(size=(N, REGIONS * (REGIONS - 1) // 2))
DESIGN = np.column_stack([np.ones(N), np.arange(N) % 2, np.random.default_rng(1).normal(size=N)])
AGE = np.array([0.0, 0, 1])


def test_the_parts_are_those_of_the_same_permutations() -> None:
    """Each of the summaries alone, and the same seed."""
    pairs, blocks = network_pairs(["a", "a", "b", "b", "b", "", "a"]), np.arange(N) // 5
    found = infer(
        Z,
        DESIGN,
        AGE,
        n_regions=REGIONS,
        pairs=pairs,
        n_permutations=50,
        blocks=blocks,
        threshold=1.2,
        seed=3,
    )
    assert found.permuted is not None
    assert found.permuted.networks is not None
    exchange = draw_exchange(DESIGN, AGE, 50, seed=3, blocks=blocks)
    t = fit(Z, DESIGN, AGE).t
    (largest,) = permute(Z, DESIGN, AGE, exchange, [largest_t])
    (sizes,) = permute(Z, DESIGN, AGE, exchange, [largest_component(REGIONS, 1.2)])
    (means,) = permute(Z, DESIGN, AGE, exchange, [mean_t(pairs)])
    np.testing.assert_array_equal(found.fit.t, t)
    np.testing.assert_array_equal(found.permuted.largest_t, largest)
    np.testing.assert_array_equal(found.permuted.p_fwe, p_of_largest(t, largest))
    np.testing.assert_array_equal(found.permuted.largest_component, sizes)
    np.testing.assert_array_equal(found.permuted.networks.t, means[0])
    np.testing.assert_array_equal(found.p, found.fit.p)
    np.testing.assert_array_equal(found.p_fdr, fdr(found.fit.p))


def test_with_whole_blocks_p_is_the_share_of_all_orders_of_blocks() -> None:
    """Brute force over the 120 orders of five blocks of four rows, by scipy."""
    blocks, value = np.repeat(np.arange(5), 4), np.repeat([0.3, 1.2, -0.8, 2.0, 0.1], 4)
    z = Z.copy()
    z[:, 0] += value
    found = infer(
        z,
        np.column_stack([np.ones(N), value]),
        np.array([0.0, 1]),
        n_regions=REGIONS,
        n_permutations=120,
        blocks=blocks,
        whole=True,
    )
    rows = np.arange(N).reshape(5, 4)
    orders = [rows[list(order)].ravel() for order in permutations(range(5))]
    for edge in range(5):
        r = np.array([abs(pearsonr(value, z[order, edge]).statistic) for order in orders])
        assert found.p[edge] == pytest.approx((r >= r[0] - 1e-9).mean())
    np.testing.assert_allclose(found.p_fdr, false_discovery_control(found.p))
    assert found.fit.p[0] < found.p[0]


@pytest.mark.parametrize("n", [0, 10], ids=["no permutations", "no edge"])
def test_nothing_is_permuted_where_nothing_is_asked_for_or_no_edge_can_be_tested(n: int) -> None:
    z = np.full_like(Z, np.nan) if n else Z
    found = infer(z, DESIGN, AGE, n_regions=REGIONS, n_permutations=n)
    assert found.permuted is None
    np.testing.assert_array_equal(found.fit.t, fit(z, DESIGN, AGE).t)


def test_without_networks_there_are_no_pairs() -> None:
    found = infer(Z, DESIGN, AGE, n_regions=REGIONS, n_permutations=10)
    assert found.permuted is not None
    assert found.permuted.networks is None


def test_what_cannot_be_exchanged_is_refused_and_without_permutations_is_not() -> None:
    blocks = np.arange(N)
    with pytest.raises(ValueError, match="nothing can be permuted"):
        infer(Z, DESIGN, AGE, n_regions=REGIONS, n_permutations=10, blocks=blocks)
    assert infer(Z, DESIGN, AGE, n_regions=REGIONS, n_permutations=0, blocks=blocks)


def test_edges_with_few_rows_do_not_hide_the_others() -> None:
    """Four rows leave two degrees of freedom, with which a t of 10 is nothing."""
    rng, design, weights = np.random.default_rng(4), DESIGN[:, ::2], np.array([0.0, 1])
    z, few = rng.normal(size=Z.shape), np.arange(10)
    z[:, 15] += 2 * design[:, 1]
    for edge in few:
        z[rng.permutation(N)[4:], edge] = np.nan
    found = infer(z, design, weights, n_regions=REGIONS, n_permutations=500, threshold=3.5)
    assert found.permuted is not None
    np.testing.assert_array_equal(found.permuted.p_fwe < 0.05, np.arange(Z.shape[1]) == 15)
    assert (np.abs(found.fit.t[few]) > 3.5).any()
    np.testing.assert_array_equal(np.flatnonzero(found.permuted.components.of_edge), [15])
    assert found.permuted.components.p[0] < 0.05
    # That of the data as they are is that of an edge with all rows.
    np.testing.assert_allclose(found.permuted.largest_t[0], np.abs(found.fit.t[15]))
    exchange = draw_exchange(design, weights, 500, seed=0)
    (largest,) = permute(z, design, weights, exchange, [largest_t])
    assert (p_of_largest(found.fit.t, largest) > 0.05).all()
