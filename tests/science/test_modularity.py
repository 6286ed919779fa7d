"""Modularity by Rubinov & Sporns (2011); judges: sums over pairs, bctpy, and a planted network."""

from __future__ import annotations

import bct
import numpy as np
import pytest

from bids_labelx.group.strategy_rows import modularity, signed_modularity


def random_network(seed: int) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 20))
    weights = rng.normal(0.1, 0.5, (n, n))
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    return weights, [str(one) for one in rng.integers(1, 4, n)]


@pytest.mark.parametrize("seed", range(5))
def test_signed_modularity_is_that_of_sums_over_pairs(seed: int) -> None:
    w, networks = random_network(seed)
    n = len(w)
    total = {}
    excess = {}
    for sign in (1, -1):
        strength = [sum(max(sign * w[i, j], 0) for j in range(n)) for i in range(n)]
        total[sign] = sum(strength)
        excess[sign] = sum(
            max(sign * w[i, j], 0) - strength[i] * strength[j] / total[sign]
            for i in range(n)
            for j in range(n)
            if networks[i] == networks[j]
        )
    q = excess[1] / total[1] - excess[-1] / (total[1] + total[-1])
    assert signed_modularity(w, networks) == pytest.approx(q, abs=1e-12)
    assert modularity(w, networks) == pytest.approx(excess[1] / total[1], abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_signed_modularity_is_that_of_bctpy(seed: int) -> None:
    """Its qtype of that paper is ``sta``."""
    w, networks = random_network(seed)
    _, q = bct.modularity_und_sign(w, np.array([int(one) for one in networks]), qtype="sta")
    assert signed_modularity(w, networks) == pytest.approx(q, abs=1e-12)


def test_without_negative_edges_both_are_the_same_and_without_positive_ones_there_is_none() -> (
    None
):
    w, networks = random_network(1)
    assert signed_modularity(np.abs(w), networks) == modularity(np.abs(w), networks)
    assert signed_modularity(-np.abs(w), networks) is None


def planted(n_networks: int, per_network: int, between: float) -> np.ndarray:
    """Correlations of 0.5 within networks."""
    same = np.kron(np.eye(n_networks), np.ones((per_network, per_network)))
    r = np.where(same > 0, 0.5, between)
    np.fill_diagonal(r, 1)
    return r


def mean_z(r: np.ndarray, *, global_signal: bool) -> np.ndarray:
    """Mean Fisher z of 10 runs of 150 volumes, after regression of the global signal or not."""
    rng = np.random.default_rng(0)
    z = []
    for _ in range(10):
        series = rng.standard_normal((150, len(r))) @ np.linalg.cholesky(r).T
        if global_signal:
            design = np.column_stack([np.ones(150), series.mean(axis=1)])
            series = series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
        z.append(np.arctanh(np.corrcoef(series.T) - np.eye(len(r))))
    return np.asarray(np.mean(z, axis=0))


def test_both_rise_after_global_signal_regression_though_networks_are_as_separated_as_before() -> (
    None
):
    """What the group's page warns of."""
    r = planted(6, 6, between=0.1)
    networks = [str(i // 6) for i in range(36)]
    truth = np.arctanh(r - np.eye(36))
    before, after = (mean_z(r, global_signal=one) for one in (False, True))
    for measure in (modularity, signed_modularity):
        expected = measure(truth, networks)
        assert expected is not None
        assert measure(before, networks) == pytest.approx(expected, abs=0.03)
        found = measure(after, networks)
        assert found is not None
        assert found > expected + 0.3
    # No edge between networks is positive any more: 1 - 1/6, whatever the truth.
    assert modularity(after, networks) == pytest.approx(1 - 1 / 6, abs=0.01)
