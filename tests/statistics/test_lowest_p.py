"""The lowest p that permutations can give, beside scipy's exact tests of the largest effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from bids_labelx.statistics.exchange import draw_exchange
from bids_labelx.statistics.permutation import lowest_p, permute


@pytest.mark.parametrize("sizes", [(3, 3), (4, 4), (5, 5), (3, 4)])
def test_the_lowest_p_of_two_groups_is_that_of_scipy(sizes: tuple[int, int]) -> None:
    """Of groups that do not overlap, whose difference is as large as can be."""
    first, second = sizes
    design = np.column_stack([np.ones(first + second), np.arange(first + second) < first])
    weights = np.array([0.0, 1])
    exchange = draw_exchange(design, weights, 1000, seed=0)
    judge = permutation_test(
        (np.arange(first) + 100.0, np.arange(second)),
        lambda one, two: abs(one.mean() - two.mean()),
        alternative="greater",
        n_resamples=10**5,
    )
    # Of groups of other sizes the mirror image is only almost as large.
    assert lowest_p(exchange, design, weights) == pytest.approx(judge.pvalue)


@pytest.mark.parametrize("rows", [5, 6])
def test_the_lowest_p_of_differences_is_that_of_scipy(rows: int) -> None:
    design = np.ones((rows, 1))
    exchange = draw_exchange(design, np.ones(1), 1000, seed=0)
    judge = permutation_test(
        (np.arange(rows) + 1.0,),
        lambda one: abs(one.mean()),
        permutation_type="samples",
        alternative="greater",
        n_resamples=10**5,
    )
    assert lowest_p(exchange, design, np.ones(1)) == pytest.approx(judge.pvalue)


@pytest.mark.parametrize(
    ("covariate", "participants"), [(False, False), (True, False), (False, True)]
)
def test_the_lowest_p_is_reached_and_none_is_lower(covariate: bool, participants: bool) -> None:
    """By counting the orders that leave |t| as it is, of random edges and of a strong one."""
    rng, n = np.random.default_rng(0), 8
    value = np.arange(n) % 2
    columns = [value, *([rng.normal(size=n)] if covariate else [])]
    design = np.column_stack([*([] if participants else [np.ones(n)]), *columns])
    weights = np.eye(design.shape[1])[0 if participants else 1]
    labels = np.arange(n) // 2 if participants else None
    exchange = draw_exchange(design, weights, 10**5, seed=0, participants=labels)
    z = rng.normal(size=(n, 31))
    z[:, 0] = 50 * value + 0.1 * rng.normal(size=n)
    (t,) = permute(z, design, weights, exchange, [lambda t: t.copy()], participants=labels)
    p = (np.abs(t) >= np.abs(t[0]) * (1 - 1e-8)).mean(axis=0)
    assert p.min() == p[0] == lowest_p(exchange, design, weights, labels)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_few_permutations_have_a_high_lowest_p(n: int) -> None:
    design = np.column_stack([np.ones(20), np.random.default_rng(1).normal(size=20)])
    exchange = draw_exchange(design, np.array([0.0, 1]), n, seed=0)
    assert lowest_p(exchange, design, np.array([0.0, 1])) == 1 / n
