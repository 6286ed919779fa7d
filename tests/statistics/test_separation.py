from __future__ import annotations

import numpy as np
import pytest

from bids_labelx.statistics.separation import edges_within, separation

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
        assert found.segregation[row] == pytest.approx((w - b) / w)


def test_networks_without_edges_between_them_are_wholly_segregated() -> None:
    within = edges_within(["a", "a", "b", "b"])
    z = np.where(within == 1, 0.5, -0.1)[None]
    assert separation([z], within).segregation[0] == 1
    assert separation([np.full((1, 6), 0.3)], within).segregation[0] == 0


def test_one_network_has_nothing_between() -> None:
    found = separation([np.full((2, 3), 0.4)], edges_within(["a", "a", "a"]))
    np.testing.assert_allclose(found.within, 0.4)
    assert np.isnan([found.between, found.segregation]).all()
