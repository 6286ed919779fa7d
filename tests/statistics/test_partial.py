from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest

from bids_labelx.statistics.partial import partial_correlation_of_edges


def people(seed: int, n: int = 14, edges: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    covariates = np.column_stack((rng.uniform(20, 60, n), rng.integers(0, 2, n)))
    fd = 0.005 * covariates[:, 0] + rng.uniform(0, 0.3, n)
    z = fd[:, None] * rng.uniform(0, 2, edges) + 0.01 * covariates[:, :1]
    return z + rng.normal(0, 0.1, (n, edges)), fd, covariates


@pytest.mark.parametrize("q", [1, 2])
def test_each_edge_is_as_pingouin_has_it(q: int) -> None:
    z, fd, covariates = people(q)
    z[3, 1], z[[0, 5, 9], 4] = np.nan, np.nan
    r, n = partial_correlation_of_edges(z, fd, covariates[:, :q])
    names = ["age", "sex"][:q]
    for edge in range(z.shape[1]):
        table = pd.DataFrame(covariates[:, :q], columns=names).assign(fd=fd, z=z[:, edge]).dropna()
        judge = pingouin.partial_corr(table, "z", "fd", names)
        assert r[edge] == pytest.approx(judge["r"].iloc[0], abs=1e-10)
        assert n[edge] == judge["n"].iloc[0]


def test_without_covariates_it_is_pearsons_r() -> None:
    z, fd, covariates = people(3)
    z[2, 6] = np.nan
    r, _ = partial_correlation_of_edges(z, fd, covariates[:, :0])
    for edge in range(z.shape[1]):
        known = np.isfinite(z[:, edge])
        assert r[edge] == pytest.approx(np.corrcoef(z[known, edge], fd[known])[0, 1], abs=1e-12)


def test_what_only_the_covariate_explains_has_no_correlation_left() -> None:
    z, _, covariates = people(4)
    z[:, 0] = 3 * covariates[:, 0] - 2
    r, _ = partial_correlation_of_edges(z, covariates[:, 0] / 100, covariates)
    assert np.isnan(r).all()
    r, _ = partial_correlation_of_edges(z, np.arange(14.0) % 5, covariates)
    assert np.isnan(r[0])
    assert np.isfinite(r[1:]).all()


def test_too_few_participants_beyond_the_covariates_have_no_r() -> None:
    z, fd, covariates = people(5, n=6)
    z[0, 0] = np.nan
    r, n = partial_correlation_of_edges(z, fd, covariates)
    assert np.isnan(r[0])
    assert np.isfinite(r[1:]).all()
    np.testing.assert_array_equal(n, [5, *[6] * 7])
