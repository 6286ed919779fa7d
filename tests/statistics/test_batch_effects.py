from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy.stats import f_oneway

from bids_labelx.statistics.batch_effects import (
    BatchMoments,
    batch_differences,
    chance_eta_squared,
)

SITES = np.repeat([0, 1, 2], [4, 6, 9])


def edges() -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.normal(0.3, 0.2, (len(SITES), 12)) + 0.1 * SITES[:, None] * rng.normal(size=12)
    z[rng.random(z.shape) < 0.1] = np.nan
    return z


def moments_of(z: np.ndarray) -> BatchMoments:
    moments = BatchMoments(3, z.shape[1])
    for site, row in zip(SITES, z, strict=True):
        moments.add(int(site), row)
    return moments


def test_it_is_the_analysis_of_variance_of_scipy_and_pingouin() -> None:
    z = edges()
    found = batch_differences(moments_of(z))
    for edge, values in enumerate(z.T):
        known = np.isfinite(values)
        groups = [values[known & (site == SITES)] for site in range(3)]
        expected = f_oneway(*groups)
        assert found.f[edge] == pytest.approx(expected.statistic, rel=1e-9)
        assert found.p[edge] == pytest.approx(expected.pvalue, rel=1e-9)
        table = pd.DataFrame({"z": values[known], "site": SITES[known].astype(str)})
        of = pingouin.anova(table, dv="z", between="site", effsize="n2")
        assert found.eta_squared[edge] == pytest.approx(of["n2"][0], abs=1e-6)


def test_a_batch_without_an_edge_does_not_count_for_it() -> None:
    z = edges()
    z[SITES == 1, 0] = np.nan
    z[SITES != 1, 1] = np.nan
    found = batch_differences(moments_of(z))
    values = [z[(site == SITES) & np.isfinite(z[:, 0]), 0] for site in (0, 2)]
    assert found.p[0] == pytest.approx(f_oneway(*values).pvalue, rel=1e-9)
    assert np.isnan([found.f[1], found.p[1], found.eta_squared[1]]).all()


def test_moments_are_those_of_numpy() -> None:
    z = edges()
    moments = moments_of(z)
    for site in range(3):
        own = z[site == SITES]
        assert (moments.n[site] == np.isfinite(own).sum(axis=0)).all()
        np.testing.assert_allclose(moments.mean[site], np.nanmean(own, axis=0))
        np.testing.assert_allclose(moments.squares[site] / moments.n[site], np.nanvar(own, axis=0))


def test_chance_is_what_noise_has() -> None:
    z = np.random.default_rng(1).normal(size=(len(SITES), 20_000))
    eta = batch_differences(moments_of(z)).eta_squared
    shares = np.array([0.1, 0.5, 0.9])
    below = (eta[:, None] <= chance_eta_squared(3, len(SITES), shares)).mean(axis=0)
    # Four standard errors of a share of 20,000.
    assert below == pytest.approx(shares, abs=0.014)
