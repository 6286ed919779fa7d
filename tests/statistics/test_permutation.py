"""Permutation of residuals, beside a slow version, scipy and nilearn."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from nilearn.mass_univariate import permuted_ols
from scipy import stats
from sklearn.utils import check_random_state

from bids_labelx.statistics.exchange import Exchange, draw_exchange, orders, restrict, signs
from bids_labelx.statistics.linear import fit
from bids_labelx.statistics.permutation import largest_t, p_of_largest, permute

N, EDGES = 18, 6


def every_t(t: np.ndarray) -> np.ndarray:
    return t.copy()


def edges(seed: int, missing: float = 0.0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.normal(0.3, 0.2, (n, EDGES))
    z[rng.random(z.shape) < missing] = np.nan
    return z


def slow_t(y: np.ndarray, design: np.ndarray, weights: np.ndarray) -> float:
    """The t of one edge, by the normal equations."""
    design, weights = np.asarray(design, float), np.asarray(weights, float)
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ y
    left = y - design @ coefficients
    dof = len(y) - np.linalg.matrix_rank(design)
    return float(
        weights @ coefficients / np.sqrt(left @ left / dof * (weights @ inverse @ weights))
    )


def slow_freedman_lane(
    y: np.ndarray, design: np.ndarray, weights: np.ndarray, moved: np.ndarray, flips: bool
) -> list[float]:
    """Of one edge the t of each rearrangement, with all that is left out above."""
    weights = np.asarray(weights, float)
    free = np.linalg.svd(weights[np.newaxis])[2][1:].T
    nuisance = design @ free
    fitted = nuisance @ np.linalg.pinv(nuisance) @ y if nuisance.size else np.zeros(len(y))
    left = y - fitted
    data = [one * left if flips else left[one] for one in moved]
    return [slow_t(one + fitted, design, weights) for one in data]


def rearrangements(exchange: Exchange, rows: np.ndarray) -> np.ndarray:
    every = slice(None)
    if exchange.kind == "sign flips":
        return signs(exchange, every, rows)
    return orders(exchange, every, restrict(exchange, rows))


RNG = np.random.default_rng(0)
AGE, GROUP, SITE = RNG.uniform(18, 80, N), np.arange(N) % 2, np.repeat([0, 1, 2], N // 3)
PERSON = np.repeat(np.arange(N // 3), 3)
FULL = np.column_stack([np.ones(N), AGE, GROUP, SITE == 1, SITE == 2]).astype(float)
CASES: dict[str, tuple] = {
    "a covariate": (FULL, [0, 1, 0, 0, 0], {}),
    "one site against another": (FULL, [0, 0, 0, 1, -1], {}),
    "within sites": (FULL, [0, 1, 0, 0, 0], {"blocks": SITE}),
    "whole families": (FULL[:, :3], [0, 0, 1], {"blocks": PERSON, "whole": True}),
    "without full rank": (np.column_stack([FULL, 1 - GROUP]), [0, 1, 0, 0, 0, 0], {}),
    "a mean": (np.ones((N, 1)), [1], {}),
    "a mean with covariates": (FULL[:, :3], [1, 45, 0.5], {}),
    "a mean of whole families": (np.ones((N, 1)), [1], {"blocks": PERSON, "whole": True}),
}


@pytest.mark.parametrize("missing", [0, 0.15], ids=["whole", "rows missing"])
@pytest.mark.parametrize("case", CASES)
def test_each_permutation_gives_the_t_of_a_slow_freedman_lane(case: str, missing: float) -> None:
    design, weights, options = CASES[case]
    z = edges(1, missing)
    exchange = draw_exchange(design, weights, 40, seed=2, **options)
    (found,) = permute(z, design, weights, exchange, [every_t])
    assert found.shape == (len(exchange), EDGES)
    for edge in range(EDGES):
        rows = np.flatnonzero(~np.isnan(z[:, edge]))
        moved = rearrangements(exchange, rows)
        expected = slow_freedman_lane(
            z[rows, edge], design[rows], weights, moved, exchange.kind == "sign flips"
        )
        np.testing.assert_allclose(found[:, edge], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("missing", [0, 0.15], ids=["whole", "rows missing"])
def test_own_intercepts_are_those_of_a_column_for_each_participant(missing: float) -> None:
    z, columns = edges(3, missing), np.column_stack([np.tile([0, 1, 2], N // 3), AGE])
    exchange = draw_exchange(columns, [1, 0.1], 40, seed=4, participants=PERSON)
    (found,) = permute(z, columns, [1, 0.1], exchange, [every_t], participants=PERSON)
    design = np.column_stack([columns, PERSON[:, np.newaxis] == np.arange(N // 3)])
    weights = np.array([1, 0.1, *np.zeros(N // 3)])
    for edge in range(EDGES):
        rows = np.flatnonzero(~np.isnan(z[:, edge]))
        moved = rearrangements(exchange, rows)
        expected = slow_freedman_lane(z[rows, edge], design[rows], weights, moved, flips=False)
        np.testing.assert_allclose(found[:, edge], expected, rtol=1e-7, atol=1e-9)


def test_the_first_is_what_least_squares_give() -> None:
    z = edges(5, 0.1)
    z[:, 2] = 0.5
    weights = CASES["a covariate"][1]
    exchange = draw_exchange(FULL, weights, 3, seed=0)
    (found,) = permute(z, FULL, weights, exchange, [every_t])
    np.testing.assert_allclose(found[0], fit(z, FULL, weights).t)
    assert np.isnan(found[:, 2]).all()


def test_results_do_not_depend_on_threads_and_progress_is_told() -> None:
    z, weights = edges(6, 0.1), CASES["a covariate"][1]
    exchange = draw_exchange(FULL, weights, 100, seed=0)
    told: list[int] = []
    one, two = (
        permute(z, FULL, weights, exchange, [every_t, largest_t], n_jobs=n, progress=told.append)
        for n in (1, 2)
    )
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    assert told[: len(told) // 2] == told[len(told) // 2 :] == sorted(set(told))
    assert told[-1] == 100


def test_blocks_of_edges_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    z, weights = edges(6, 0.1), CASES["a covariate"][1]
    exchange = draw_exchange(FULL, weights, 100, seed=0)
    (whole,) = permute(z, FULL, weights, exchange, [every_t])
    for module in ("linear", "permutation"):
        monkeypatch.setattr(f"bids_labelx.statistics.{module}._EDGES_AT_ONCE", 1)
    (single,) = permute(z, FULL, weights, exchange, [every_t])
    np.testing.assert_allclose(single, whole, rtol=1e-11)
    p_whole, p_single = (
        p_of_largest(one[0], np.nanmax(np.abs(one), axis=1)) for one in (whole, single)
    )
    np.testing.assert_array_equal(p_whole, p_single)


@pytest.mark.parametrize("first", [4, 3])
def test_all_divisions_of_two_groups_give_the_exact_p_of_scipy(first: int) -> None:
    z, group = edges(7, n=9), np.arange(9) < first
    design = np.column_stack([np.ones(9), group]).astype(float)
    exchange = draw_exchange(design, [0, 1], 10_000, seed=0)
    assert len(exchange) == comb(9, first)
    (found,) = permute(z, design, [0, 1], exchange, [every_t])
    exact = stats.permutation_test(
        (z[group], z[~group]),
        lambda a, b, axis: np.abs(stats.ttest_ind(a, b, axis=axis).statistic),
        n_resamples=np.inf,
        alternative="greater",
    )
    p = [p_of_largest(t[:1], np.abs(t))[0] for t in found.T]
    np.testing.assert_allclose(p, exact.pvalue)


def test_all_signs_give_the_exact_p_of_scipy() -> None:
    z = edges(8, n=8)
    exchange = draw_exchange(np.ones((8, 1)), [1], 10_000, seed=0)
    (found,) = permute(z, np.ones((8, 1)), [1], exchange, [every_t])
    exact = stats.permutation_test(
        (z,),
        lambda a, axis: np.abs(stats.ttest_1samp(a, 0, axis=axis).statistic),
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="greater",
    )
    p = [p_of_largest(t[:1], np.abs(t))[0] for t in found.T]
    np.testing.assert_allclose(p, exact.pvalue)


@pytest.mark.parametrize("covariates", [False, True], ids=["alone", "with covariates"])
def test_the_same_permutations_give_the_largest_t_of_nilearn(covariates: bool) -> None:
    z, n_permutations, seed = edges(9), 60, 5
    confounds = FULL[:, 2:] if covariates else None
    theirs = permuted_ols(AGE, z, confounds, n_perm=n_permutations, random_state=seed)
    # The permutations that it draws: of the design, each from the one before.
    rng = check_random_state(check_random_state(seed).randint(1, np.iinfo(np.int32).max - 1))
    order, values = np.arange(N), [np.arange(N)]
    for _ in range(n_permutations):
        order = order[rng.permutation(N)]
        values.append(np.argsort(order))
    design = FULL if covariates else FULL[:, :2]
    weights = np.eye(design.shape[1])[1]
    exchange = Exchange(
        "permutations", np.arange(N), np.zeros(N, int), np.array(values), 10**9, False
    )
    t, largest = permute(z, design, weights, exchange, [every_t, largest_t])
    np.testing.assert_allclose(t[0], theirs["t"][0])
    np.testing.assert_allclose(largest[1:], theirs["h0_max_t"][0])
    np.testing.assert_allclose(
        -np.log10(p_of_largest(t[0], largest)), theirs["logp_max_t"][0], atol=1e-12
    )


@pytest.mark.parametrize("case", ["a covariate", "a mean"])
def test_family_wise_p_are_those_of_nilearn_within_the_error_of_drawing(case: str) -> None:
    n, rng = 2000, np.random.default_rng(10)
    z = edges(10)
    z[:, 0] += 0.005 * AGE
    if case == "a mean":
        z -= np.array([0.25, 0.3, 0.35, 0.2, 0.3, 0.1])
        design, weights = np.ones((N, 1)), np.array([1.0])
        theirs = permuted_ols(design, z, n_perm=n, random_state=int(rng.integers(99)))
    else:
        design, weights = FULL, np.array(CASES[case][1])
        theirs = permuted_ols(AGE, z, FULL[:, 2:], n_perm=n, random_state=int(rng.integers(99)))
    exchange = draw_exchange(design, weights, n, seed=0)
    (largest,) = permute(z, design, weights, exchange, [largest_t])
    p = p_of_largest(fit(z, design, weights).t, largest)
    other = 10 ** -theirs["logp_max_t"][0]
    assert (p < 0.05).any()
    assert (p > 0.2).any()
    error = np.sqrt(2 * other * (1 - other) / n)
    assert (np.abs(p - other) < 4 * error + 2 / n).all()


def test_the_identity_counts_and_ties_do() -> None:
    largest = np.array([3.0, 1.0, 2.0, 3.0 * (1 - 1e-12)])
    found = p_of_largest(np.array([[-3.0, 2.5], [0.5, np.nan]]), largest)
    np.testing.assert_array_equal(found, [[0.5, 0.5], [1, np.nan]])


def test_a_permutation_that_divides_the_groups_wholly_counts_and_has_a_number() -> None:
    """Two of the six divisions leave no residuals; the data are one of the other four."""
    z, design = np.array([[0.1, 0.3, 0.1, 0.3]]).T, np.repeat(np.eye(2), 2, axis=0)
    z[3] += 1e-9
    exchange = draw_exchange(design, [1, -1], 100, seed=0)
    (largest,) = permute(z, design, [1, -1], exchange, [largest_t])
    assert np.isfinite(largest).all()
    assert (largest > 1e6).sum() == 2


def test_no_edge_can_be_tested() -> None:
    weights = [0, 1]
    exchange = draw_exchange(FULL[:, :2], weights, 5, seed=0)
    (found,) = permute(np.full((N, 2), np.nan), FULL[:, :2], weights, exchange, [every_t])
    assert found.shape == (5, 2)
    assert np.isnan(found).all()


def test_rearrangements_of_other_rows_are_refused() -> None:
    exchange = draw_exchange(FULL[:9, :2], [0, 1], 5, seed=0)
    with pytest.raises(ValueError, match="of 9 rows for 18 rows"):
        permute(edges(0), FULL[:, :2], [0, 1], exchange, [every_t])
