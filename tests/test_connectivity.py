from __future__ import annotations

import numpy as np
import pytest

from bids_labelx.connectivity import correlation


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """By the definition, in plain sums."""
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    var_a = sum((x - mean_a) ** 2 for x in a)
    var_b = sum((y - mean_b) ** 2 for y in b)
    return float(cov / (var_a * var_b) ** 0.5)


def test_every_entry_is_pearsons_correlation_by_its_definition() -> None:
    signals = np.random.default_rng(1).standard_normal((30, 5)) * [1, 1e-3, 1e6, 2, 3] + 1e3
    matrix = correlation(signals)
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == pytest.approx(pearson(signals[:, i], signals[:, j]), abs=1e-9)


def test_lost_and_constant_regions_are_nan_and_the_others_untouched() -> None:
    signals = np.random.default_rng(2).standard_normal((20, 5))
    alone = correlation(signals[:, [0, 2, 4]])
    signals[:, 1] = np.nan
    signals[:, 3] = 0.1
    matrix = correlation(signals)
    assert np.isnan(matrix[[1, 3]]).all()
    assert np.isnan(matrix[:, [1, 3]]).all()
    np.testing.assert_allclose(matrix[np.ix_([0, 2, 4], [0, 2, 4])], alone, atol=1e-14)


def test_the_matrix_is_exactly_symmetric_with_ones_and_within_one() -> None:
    signals = np.random.default_rng(3).standard_normal((15, 8))
    signals[:, 7] = 3 * signals[:, 0] + 2
    matrix = correlation(signals)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert np.abs(matrix).max() == 1
    assert matrix[0, 7] == pytest.approx(1)


def test_fewer_than_three_volumes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 volumes, there are 2"):
        correlation(np.ones((2, 4)))
