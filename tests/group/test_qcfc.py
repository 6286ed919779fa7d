from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata

from bids_labelx.group.qcfc import (
    Correlations,
    distances_between,
    mean_points,
    p_values,
    summarize,
)

N = 5


def subjects(seed: int = 0, n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Fisher z (n, N, N) depending on motion, with lost edges; mean FD (n,)."""
    rng = np.random.default_rng(seed)
    fd = rng.uniform(0.05, 0.6, n)
    z = rng.normal(0, 0.1, (n, N, N)) + fd[:, None, None] * rng.uniform(0, 1, (N, N))
    z = (z + z.transpose(0, 2, 1)) / 2
    z[2, 1], z[2, :, 1] = np.nan, np.nan
    z[4:, 0, 3], z[4:, 3, 0] = np.nan, np.nan
    z[3:, 0, 4], z[3:, 4, 0] = np.nan, np.nan
    z[:, range(N), range(N)] = np.nan
    return z, fd


def added(z: np.ndarray, fd: np.ndarray) -> Correlations:
    running = Correlations(z.shape[1])
    for matrix, figure in zip(z, fd, strict=True):
        running.add(matrix, figure)
    return running


def test_r_of_an_edge_is_that_of_the_participants_that_have_it() -> None:
    z, fd = subjects()
    running = added(z, fd)
    r = running.r()
    for i in range(N):
        for j in range(N):
            known = np.isfinite(z[:, i, j])
            assert running.n[i, j] == known.sum()
            if known.sum() < 4:
                assert np.isnan(r[i, j])
                continue
            expected = np.corrcoef(z[known, i, j], fd[known])[0, 1]
            assert r[i, j] == pytest.approx(expected, rel=1e-10)
    assert running.n[0, 3] == 4
    assert np.isnan(r[0, 4])


def test_large_offsets_lose_no_digits_and_a_constant_has_no_r() -> None:
    z, fd = subjects(1)
    np.testing.assert_allclose(added(z + 1e5, fd + 1e5).r(), added(z, fd).r(), rtol=1e-6)
    assert np.isnan(added(z, np.full(len(fd), 0.2)).r()).all()


def test_the_figures_are_those_of_loops() -> None:
    z, fd = subjects(2)
    running = added(z, fd)
    points = np.random.default_rng(3).uniform(-50, 50, (N, 3))
    found = summarize(running.r(), running.n, distances_between(points))
    rs, ps, mm = [], [], []
    for i in range(N):
        for j in range(i + 1, N):
            known = np.isfinite(z[:, i, j])
            if known.sum() < 4:
                continue
            r, p = pearsonr(z[known, i, j], fd[known])
            rs.append(r)
            ps.append(p)
            mm.append(sum((a - b) ** 2 for a, b in zip(points[i], points[j], strict=True)) ** 0.5)
    assert found is not None
    assert found.median_abs == pytest.approx(sorted(map(abs, rs))[len(rs) // 2])
    # Benjamini & Hochberg: all up to the last p that is below its rank's share of 0.05.
    passed = [k for k, p in enumerate(sorted(ps), 1) if p <= 0.05 * k / len(ps)]
    assert found.share_significant == pytest.approx(max(passed, default=0) / len(ps))
    assert 0 < found.share_significant < 1
    expected = np.corrcoef(rankdata(rs), rankdata(mm))[0, 1]
    assert found.distance_dependence == pytest.approx(expected)
    assert len(rs) == 9


def test_without_an_edge_there_is_no_summary() -> None:
    z, fd = subjects(0, 3)
    running = added(z, fd)
    assert summarize(running.r(), running.n, np.ones((N, N))) is None
    assert p_values(np.array([1.0]), np.array([5]))[0] == 0


def test_the_mean_of_equal_points_is_exactly_these_and_counts_what_is_known() -> None:
    points = np.random.default_rng(0).normal(0, 50, (5, 3))
    np.testing.assert_array_equal(mean_points([points] * 7), points)
    other = points + 2
    other[1], points[4], other[4] = np.nan, np.nan, np.nan
    found = mean_points(iter([points, other]))
    np.testing.assert_allclose(found[[0, 2, 3]], points[[0, 2, 3]] + 1)
    np.testing.assert_array_equal(found[1], points[1])
    assert np.isnan(found[4]).all()
