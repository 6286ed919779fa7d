"""Least squares of edges, beside statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bids_labelx.statistics.linear import fdr, fit, with_dof

N, EDGES = 24, 12


def random_edges(seed: int, missing: float = 0.0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.normal(0.3, 0.2, (n, EDGES))
    z[rng.random(z.shape) < missing] = np.nan
    return z


def random_design(seed: int, n: int = N) -> np.ndarray:
    """Intercept, age in years, two groups, three sites, and age by group."""
    rng = np.random.default_rng(seed)
    age, group, site = rng.uniform(18, 80, n), rng.integers(0, 2, n), np.arange(n) % 3
    return np.column_stack([np.ones(n), age, group, site == 1, site == 2, age * group])


CONTRASTS = {
    "a column": [0, 1, 0, 0, 0, 0],
    "one site against another": [0, 0, 0, 1, -1, 0],
    "a group at an age": [0, 0, 1, 0, 0, 45],
    "all": [1, 50, 0.5, 1 / 3, 1 / 3, 25],
}


@pytest.mark.parametrize("missing", [0, 0.2], ids=["whole", "rows missing"])
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_contrast_is_that_of_statsmodels(contrast: str, missing: float) -> None:
    z, design, weights = random_edges(1, missing), random_design(2), np.array(CONTRASTS[contrast])
    found = fit(z, design, weights)
    for edge in range(EDGES):
        rows = ~np.isnan(z[:, edge])
        theirs = sm.OLS(z[rows, edge], design[rows]).fit()
        test = theirs.t_test(weights)
        expected = [test.effect.item(), test.tvalue.item(), test.pvalue.item()]
        got = [found.beta[edge], found.t[edge], found.p[edge]]
        np.testing.assert_allclose(got, expected, rtol=1e-8)
        assert (found.n[edge], found.dof[edge]) == (rows.sum(), theirs.df_resid)


def test_a_design_without_full_rank_gives_what_its_other_form_does() -> None:
    z, group = random_edges(3), np.arange(N) % 2
    means = np.column_stack([group == 0, group == 1])
    found = fit(z, np.column_stack([np.ones(N), means]), [0, -1, 1])
    expected = fit(z, means, [-1, 1])
    np.testing.assert_allclose(found.t, expected.t)
    np.testing.assert_array_equal(found.dof, N - 2)


def test_a_contrast_that_the_design_does_not_determine_has_no_value() -> None:
    group = np.arange(N) % 2
    design = np.column_stack([np.ones(N), group == 0, group == 1])
    found = fit(random_edges(3), design, [0, 0, 1])
    assert np.isnan([found.beta, found.t, found.p]).all()
    np.testing.assert_array_equal(found.n, N)


def test_one_group_left_among_the_rows_of_an_edge_gives_it_no_value() -> None:
    z, group = random_edges(4), np.arange(N) % 2
    z[group == 1, 2] = np.nan
    found = fit(z, np.column_stack([np.ones(N), group]), [0, 1])
    np.testing.assert_array_equal(np.isnan(found.t), np.arange(EDGES) == 2)
    assert found.n[2] == N // 2


def test_two_samples_are_those_of_scipy() -> None:
    z, group = random_edges(5), np.arange(N) % 3 == 0
    found = fit(z, np.column_stack([np.ones(N), group]), [0, 1])
    expected = stats.ttest_ind(z[group], z[~group])
    np.testing.assert_allclose([found.t, found.p], [expected.statistic, expected.pvalue])
    np.testing.assert_allclose(found.beta, z[group].mean(axis=0) - z[~group].mean(axis=0))


def test_one_sample_is_that_of_scipy_with_missing_rows() -> None:
    z = random_edges(6, 0.3)
    found = fit(z, np.ones((N, 1)), [1])
    expected = stats.ttest_1samp(z, 0, nan_policy="omit")
    np.testing.assert_allclose([found.t, found.p], [expected.statistic, expected.pvalue])


def test_paired_sessions_are_those_of_scipy() -> None:
    z = random_edges(7)
    participants, session = np.repeat(np.arange(N // 2), 2), np.tile([0, 1], N // 2)
    found = fit(z, session[:, np.newaxis], [1], participants)
    expected = stats.ttest_rel(z[session == 1], z[session == 0])
    np.testing.assert_allclose([found.t, found.p], [expected.statistic, expected.pvalue])
    np.testing.assert_array_equal(found.dof, N // 2 - 1)


@pytest.mark.parametrize("missing", [0, 0.2], ids=["whole", "rows missing"])
def test_intercepts_of_participants_are_those_of_a_column_for_each(missing: float) -> None:
    """Unequal numbers of sessions; also where an edge has lost sessions of some."""
    z, rng = random_edges(8, missing), np.random.default_rng(9)
    participants = np.repeat(np.arange(8), [1, 2, 2, 3, 3, 4, 4, 5])
    design = np.column_stack([np.ones(N), rng.normal(size=N), rng.uniform(18, 80, N)])
    found = fit(z, design, [0, 1, 0.5], np.array(list("hgfedcba"))[participants])
    columns = np.column_stack([np.eye(8)[participants], design[:, 1:]])
    for edge in range(EDGES):
        rows = ~np.isnan(z[:, edge])
        used = columns[rows][:, columns[rows].any(axis=0)]
        theirs = sm.OLS(z[rows, edge], used).fit()
        test = theirs.t_test(np.r_[np.zeros(used.shape[1] - 2), 1, 0.5])
        np.testing.assert_allclose(found.t[edge], test.tvalue.item(), rtol=1e-8)
        np.testing.assert_allclose(found.p[edge], test.pvalue.item(), rtol=1e-8)
        assert found.dof[edge] == theirs.df_resid


def test_a_contrast_between_participants_with_own_intercepts_has_no_value() -> None:
    participants = np.repeat(np.arange(N // 2), 2)
    age = np.random.default_rng(0).uniform(18, 80, N // 2)[participants]
    found = fit(random_edges(10), age[:, np.newaxis], [1], participants)
    assert np.isnan(found.t).all()
    np.testing.assert_array_equal(found.dof, N // 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_without_residuals_have_no_t(dtype: type) -> None:
    z, design = random_edges(11).astype(dtype), random_design(12)
    z[:, 0] = 0.1
    z[:, 1] = 0
    z[:, 2] = design[:, 2]
    z[:, 3] = design[:, 0] - 0.01 * design[:, 1]
    found = fit(z, design, CONTRASTS["a column"])
    np.testing.assert_array_equal(np.isnan(found.t), np.arange(EDGES) < 4)
    assert np.isfinite(found.t[4:]).all()


def test_too_few_rows_have_no_t() -> None:
    z, design = random_edges(13), random_design(14)[:, :3]
    z[3:, 0] = np.nan
    z[4:, 1] = np.nan
    z[:, 2] = np.nan
    found = fit(z, design, [0, 1, 0])
    np.testing.assert_array_equal(np.isnan(found.t), np.isin(np.arange(EDGES), [0, 2]))
    np.testing.assert_array_equal(found.n[:3], [3, 4, 0])
    np.testing.assert_array_equal(found.dof[:3], [0, 1, 0])


def test_years_far_from_zero_and_small_units_do_no_harm() -> None:
    """As statsmodels does with the same columns centred and scaled."""
    z, rng = random_edges(15), np.random.default_rng(16)
    year, distance = rng.uniform(2010, 2012, N), rng.normal(size=N)
    found = fit(z, np.column_stack([np.ones(N), year, distance * 1e-9]), [0, 1, 0])
    columns = np.column_stack([np.ones(N), year - 2011, distance])
    expected = [sm.OLS(edge, columns).fit().tvalues[1] for edge in z.T]
    np.testing.assert_allclose(found.t, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("design", "weights", "participants", "words"),
    [
        (np.ones((N - 1, 1)), [1], None, "as many rows"),
        (np.ones((N, 1)), [1, 0], None, "shape \\(2,\\) for a design with 1"),
        (np.full((N, 1), np.nan), [1], None, "missing"),
        (np.ones((N, 1)), [0], None, "all weights"),
        (np.ones((N, 1)), [1], np.arange(3), "3 labels of participants for 24 rows"),
    ],
    ids=["rows", "weights", "missing", "zeros", "participants"],
)
def test_what_does_not_go_together_is_refused(
    design: np.ndarray, weights: list[float], participants: np.ndarray | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit(random_edges(0), design, weights, participants)


def test_false_discovery_rates_are_those_of_statsmodels() -> None:
    p = np.random.default_rng(17).uniform(size=(4, 5)) ** 2
    p[1, 2] = p[3, 0] = np.nan
    adjusted, known = fdr(p), ~np.isnan(p)
    np.testing.assert_allclose(adjusted[known], multipletests(p[known], method="fdr_bh")[1])
    assert np.isnan(adjusted[~known]).all()


def test_no_p_value_is_adjusted_where_there_is_none() -> None:
    assert np.isnan(fdr(np.full(3, np.nan))).all()


def test_a_t_with_other_degrees_of_freedom_has_about_the_same_p() -> None:
    t, dof = np.linspace(-6, 6, 25), np.array([10, 15, 30, 60])[:, np.newaxis]
    found = with_dof(t, dof, 60)
    np.testing.assert_allclose(found, stats.t.isf(stats.t.sf(t, dof), 60), rtol=0.004, atol=1e-12)
    np.testing.assert_allclose(found[-1], t, atol=1e-12)


def test_a_t_with_one_degree_of_freedom_is_no_larger_than_its_p_says() -> None:
    t = np.array([-15, -3, 3, 15])
    found, exact = with_dof(t, 1, 60), stats.t.isf(stats.t.sf(t, 1), 60)
    np.testing.assert_allclose(found, exact, rtol=0.07)
    assert (np.abs(found) < np.abs(exact)).all()
