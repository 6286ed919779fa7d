from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_labelx.statistics.separation import edges_within, segregation, separation

NETWORKS = ["Vis", "Mot", "Vis", "n/a", "Mot", "Vis"]


def test_each_row_is_that_of_loops_over_pairs() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0.2, 0.5, (4, 15))
    z[1, [0, 5, 9]] = np.nan
    within = edges_within(NETWORKS, ("n/a",))
    found = separation([z[:, :4], z[:, 4:5], z[:, 5:]], within)
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    for row in range(4):
        kinds: dict[bool, list[float]] = {True: [], False: []}
        for (i, j), value in zip(pairs, z[row], strict=True):
            if "n/a" not in (NETWORKS[i], NETWORKS[j]) and np.isfinite(value):
                kinds[NETWORKS[i] == NETWORKS[j]].append(value)
        assert found.within[row] == pytest.approx(np.mean(kinds[True]))
        assert found.between[row] == pytest.approx(np.mean(kinds[False]))
        w, b = (np.mean([max(v, 0) for v in kinds[k]]) for k in (True, False))
        shown = found.within_positive[row], found.between_positive[row]
        assert shown == pytest.approx((w, b))


def test_networks_without_edges_between_them_are_wholly_segregated() -> None:
    within = edges_within(["a", "a", "b", "b"])
    z = np.where(within == 1, 0.5, -0.1)[None].repeat(2, axis=0)
    assert segregation(separation([z], within)) == 1
    assert segregation(separation([np.full((2, 6), 0.3)], within)) == 0


def test_segregation_is_the_ratio_of_means_over_rows() -> None:
    """One row has next to no edges within networks; the mean of ratios would be below -100."""
    within = edges_within(["a", "a", "b", "b"])
    z = np.where(within == 1, 0.5, 0.2)[None].repeat(9, axis=0)
    z[0, within == 1] = 1e-4
    z[1, within == 0] = -0.4
    expected = 1 - (8 * 0.2 / 9) / ((8 * 0.5 + 1e-4) / 9)
    assert segregation(separation([z], within)) == pytest.approx(expected)


@pytest.mark.parametrize("shift", np.linspace(0, 0.4, 9).round(2))
def test_there_is_none_where_edges_within_networks_are_noise(shift: float) -> None:
    within = edges_within(["a", "a", "b", "b"])
    z = np.random.default_rng(3).normal(0.1, 0.5, (12, 6)) + shift
    means = z[:, within == 1].mean(axis=1)
    clear = stats.ttest_1samp(means, 0).statistic > 2
    assert (segregation(separation([z], within)) is not None) == clear


def test_one_network_has_nothing_between() -> None:
    found = separation([np.full((2, 3), 0.4)], edges_within(["a", "a", "a"]))
    np.testing.assert_allclose(found.within, 0.4)
    assert np.isnan(found.between).all()
    assert segregation(found) is None
