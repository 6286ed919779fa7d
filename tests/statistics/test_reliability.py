from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest

from bids_labelx.statistics.reliability import Intraclass, intraclass

# Table 2 of Shrout & Fleiss (1979): six targets, each rated by four judges.
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]


def repeats_of(seed: int, n: int, k: int, edges: int, shift: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    trait = rng.normal(0, 1, (n, 1, edges)) * np.linspace(0, 2, edges)
    return trait + rng.normal(0, 1, (n, k, edges)) + shift * np.arange(k)[:, None]


def of_edge(icc: Intraclass, edge: int) -> tuple[float, float, float]:
    return float(icc.value[edge]), float(icc.low[edge]), float(icc.high[edge])


def test_the_table_of_shrout_and_fleiss_has_the_published_numbers() -> None:
    found = intraclass(np.array(SHROUT_FLEISS, float)[:, :, None])
    # Estimates as in their table 4, intervals as of McGraw & Wong in R's psych.
    assert of_edge(found.icc21, 0) == pytest.approx((0.29, 0.019, 0.761), abs=0.0051)
    assert of_edge(found.icc31, 0) == pytest.approx((0.71, 0.342, 0.946), abs=0.0051)


@pytest.mark.parametrize(("n", "k"), [(5, 2), (12, 3), (30, 2)], ids=["5x2", "12x3", "30x2"])
def test_each_edge_is_as_pingouin_has_it(n: int, k: int) -> None:
    z = repeats_of(n + k, n, k, 6)
    found = intraclass(z)
    for edge in range(6):
        rows = [(i, j, z[i, j, edge]) for i in range(n) for j in range(k)]
        table = pd.DataFrame(rows, columns=["participant", "repeat", "z"])
        judge = pingouin.intraclass_corr(table, "participant", "repeat", "z").set_index("Type")
        for icc, kind in ((found.icc21, "ICC(A,1)"), (found.icc31, "ICC(C,1)")):
            value, low, high = of_edge(icc, edge)
            assert value == pytest.approx(judge.loc[kind, "ICC"], abs=1e-10)
            # Its interval has two decimals.
            assert (low, high) == pytest.approx(tuple(judge.loc[kind, "CI95"]), abs=0.0051)


def test_a_participant_without_an_edge_in_one_repeat_does_not_count_for_it_alone() -> None:
    z = repeats_of(3, 9, 2, 4)
    z[2, 1, 1] = z[5, 0, 1] = np.nan
    z[1:, 0, 2] = np.nan
    found = intraclass(z)
    np.testing.assert_array_equal(found.n, [9, 7, 1, 9])
    others = intraclass(np.delete(z, [2, 5], axis=0)[:, :, [1]])
    for mine, judge in ((found.icc21, others.icc21), (found.icc31, others.icc31)):
        assert of_edge(mine, 1) == pytest.approx(of_edge(judge, 0), rel=1e-12)
        assert np.isnan(of_edge(mine, 2)).all()
    whole = intraclass(z[:, :, [0, 3]])
    np.testing.assert_allclose(found.icc21.low[[0, 3]], whole.icc21.low, rtol=1e-12)


def test_a_shift_between_repeats_lowers_agreement_and_not_consistency() -> None:
    z = repeats_of(4, 10, 2, 5, shift=0)
    shifted = z + np.array([0.0, 3.0])[:, None]
    before, after = intraclass(z), intraclass(shifted)
    np.testing.assert_allclose(after.icc31.value, before.icc31.value, rtol=1e-9)
    assert (after.icc21.value[1:] < before.icc21.value[1:]).all()


def test_equal_repeats_are_perfect_and_constants_have_no_reliability() -> None:
    once = np.random.default_rng(5).normal(0, 1, (6, 1, 2))
    once[:, :, 1] = 0.25
    found = intraclass(np.repeat(once, 2, axis=1))
    assert found.icc21.value[0] == found.icc31.value[0] == 1
    assert found.icc31.low[0] == found.icc21.low[0] == 1
    assert np.isnan(found.icc31.value[1])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    # 2,000 edges of true ICC 0.5: 95 % ± 4 standard errors of the simulation.
    rng = np.random.default_rng(6)
    z = rng.normal(0, 1, (15, 1, 2000)) + rng.normal(0, 1, (15, 2, 2000))
    found = intraclass(z)
    for icc in (found.icc21, found.icc31):
        held = ((icc.low <= 0.5) & (icc.high >= 0.5)).mean()
        assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_one_repeat_is_refused() -> None:
    with pytest.raises(ValueError, match="2 repeats"):
        intraclass(np.zeros((4, 1, 3)))
