"""ComBat beside neuroCombat where no value is missing, and beside brute force where some are."""

from __future__ import annotations

import contextlib
import io
import sys

import neuroCombat
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import root
from scipy.stats import f_oneway, pearsonr

from bids_labelx.errors import BadDataError
from bids_labelx.statistics import combat as module
from bids_labelx.statistics.combat import combat, estimate

SIZES = {"A": 7, "B": 12, "C": 20}
SITES = np.repeat(list(SIZES), list(SIZES.values()))
N, EDGES = len(SITES), 40


def covariates(seed: int = 1) -> pd.DataFrame:
    """Age, in numbers that float32 has exactly, and a category of three levels."""
    rng = np.random.default_rng(seed)
    age = rng.integers(72, 280, N) / 4
    return pd.DataFrame({"site": SITES, "age": age, "group": rng.choice(["p", "q", "r"], N)})


def design_of(table: pd.DataFrame, columns: list[str]) -> np.ndarray | None:
    if not columns:
        return None
    return pd.get_dummies(table[columns], drop_first=True).to_numpy(float)


def edges(seed: int = 2, effect: float = 1.0) -> np.ndarray:
    """Fisher z with batches that differ in mean and variance, and an effect of age."""
    rng = np.random.default_rng(seed)
    age = covariates()["age"].to_numpy()
    z = rng.normal(0.3, 0.2, EDGES) + rng.normal(0, 0.2, (N, EDGES))
    z += np.outer(age - age.mean(), rng.normal(0, 0.01 * effect, EDGES))
    for k, site in enumerate(SIZES):
        own = site == SITES
        spread = 0.7 + 0.4 * k
        z[own] = (z[own] - 0.3) * spread + 0.3 + rng.normal(0.15 * k, 0.1, EDGES)
    return z


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> object:
    """neuroCombat, which goes on until nothing changes any more."""
    own = sys.modules["neuroCombat.neuroCombat"]
    monkeypatch.setattr(own.it_sol, "__defaults__", (1e-12,))
    return neuroCombat.neuroCombat


@pytest.mark.parametrize(
    "columns", [[], ["age"], ["group"], ["age", "group"]], ids=["none", "age", "group", "both"]
)
def test_it_is_neurocombat_where_no_value_is_missing(judge, columns: list[str]) -> None:  # type: ignore[no-untyped-def]
    table, z = covariates(), edges()
    with contextlib.redirect_stdout(io.StringIO()):
        expected = judge(
            z.T.copy(),
            table,
            "site",
            categorical_cols=[one for one in columns if one == "group"],
            continuous_cols=[one for one in columns if one == "age"],
        )
    found, made = combat(z, SITES, design_of(table, columns))
    np.testing.assert_allclose(found, expected["data"].T, rtol=0, atol=1e-9)
    of = expected["estimates"]
    np.testing.assert_allclose(made.gamma_hat, of["gamma_hat"], atol=1e-9)
    np.testing.assert_allclose(made.delta_hat, of["delta_hat"], atol=1e-9)
    np.testing.assert_allclose(made.gamma_star, of["gamma.star"], atol=1e-9)
    np.testing.assert_allclose(made.delta_star, of["delta.star"], atol=1e-9)
    np.testing.assert_allclose(made.variance, of["var.pooled"][:, 0], atol=1e-12)
    assert made.counts.tolist() == list(SIZES.values())
    assert made.estimable.all()


def test_neurocombat_as_it_is_differs_by_its_tolerance_alone() -> None:
    z = edges()
    with contextlib.redirect_stdout(io.StringIO()):
        expected = neuroCombat.neuroCombat(z.T.copy(), covariates(), "site")
    np.testing.assert_allclose(combat(z, SITES)[0], expected["data"].T, rtol=0, atol=1e-5)


def test_rows_that_were_not_among_them_are_adjusted_by_the_estimates_of_neurocombat(
    judge,  # type: ignore[no-untyped-def]
) -> None:
    """Estimated in training, taken out of the others by hand: its own function is broken."""
    z, training = edges(), np.arange(N) % 3 > 0
    with contextlib.redirect_stdout(io.StringIO()):
        known = pd.DataFrame({"site": SITES[training]})
        of = judge(z[training].T.copy(), known, "site")["estimates"]
    _, made = combat(z[training], SITES[training])
    mean, sigma = of["stand.mean"][:, 0], np.sqrt(of["var.pooled"][:, 0])
    for k, site in enumerate(SIZES):
        own = z[~training][SITES[~training] == site]
        standard = ((own - mean) / sigma - of["gamma.star"][k]) / np.sqrt(of["delta.star"][k])
        np.testing.assert_allclose(made.adjusted(own, site), standard * sigma + mean, atol=1e-9)


def posterior(
    values: np.ndarray, mean: float, spread: float, a: float, b: float
) -> tuple[float, float]:
    """Where both conditional posterior means of Johnson et al. (2007) hold."""
    n = len(values)

    def wrong(guess: np.ndarray) -> list[float]:
        g, d = guess
        return [
            g * (n * spread + d) - (n * spread * values.mean() + d * mean),
            d * (n / 2 + a - 1) - (b + 0.5 * np.sum((values - g) ** 2)),
        ]

    solved = root(wrong, [values.mean(), values.var(ddof=1)], tol=1e-13)
    assert solved.success
    g, d = solved.x
    return float(g), float(d)


def brute_force(z: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """ComBat edge by edge over the rows that have it; posterior modes by a root finder."""
    parts = []
    for edge in range(z.shape[1]):
        known = np.isfinite(z[:, edge])
        own, sites = z[known, edge], SITES[known]
        indicators = np.column_stack([sites == site for site in SIZES]).astype(float)
        design = np.column_stack([indicators, covariates[known]])
        beta = np.linalg.pinv(design) @ own
        variance = np.mean((own - design @ beta) ** 2)
        expected = indicators.mean(axis=0) @ beta[: len(SIZES)]
        expected = expected + covariates[known] @ beta[len(SIZES) :]
        parts.append((known, sites, expected, np.sqrt(variance), (own - expected)))
    out = np.full_like(z, np.nan)
    for site in SIZES:
        of = [(left[sites == site] / sigma) for _, sites, _, sigma, left in parts]
        shifts, scales = np.array([v.mean() for v in of]), np.array([v.var(ddof=1) for v in of])
        mean, spread = shifts.mean(), shifts.var(ddof=1)
        m, s2 = scales.mean(), scales.var(ddof=1)
        a, b = m**2 / s2 + 2, m**3 / s2 + m
        for edge, values in enumerate(of):
            known, sites, expected, sigma, left = parts[edge]

            g, d = posterior(values, mean, spread, a, b)
            at = np.flatnonzero(known)[sites == site]
            own = sites == site
            adjusted = (left[own] / sigma - g) / np.sqrt(d) * sigma
            out[at, edge] = adjusted + expected[own]
    return out


def test_with_missing_values_it_is_brute_force_over_the_rows_that_have_the_edge() -> None:
    z = edges()
    holes = np.random.default_rng(3).random(z.shape) < 0.15
    holes[:, :10] = False
    z[holes] = np.nan
    of = design_of(covariates(), ["age", "group"])
    assert of is not None
    found, made = combat(z, SITES, of)
    assert made.estimable.all()
    assert (np.isnan(found) == holes).all()
    np.testing.assert_allclose(found, brute_force(z, of), rtol=0, atol=1e-8)


def test_an_edge_with_one_value_in_a_batch_is_missing_and_changes_no_other() -> None:
    z = edges()
    bad = z.copy()
    bad[1:7, 5] = np.nan
    found, made = combat(bad, SITES)
    assert np.flatnonzero(~made.estimable).tolist() == [5]
    assert np.isnan(found[:, 5]).all()
    others = np.delete(np.arange(EDGES), 5)
    np.testing.assert_allclose(found[:, others], combat(z[:, others], SITES)[0], atol=1e-12)


def test_an_edge_in_which_a_covariate_is_constant_is_missing() -> None:
    z, age = edges(), covariates()["age"].to_numpy().copy()
    rare = np.zeros(N)
    rare[[0, 9, 30]] = 1
    z[[0, 9, 30], 3] = np.nan
    _, made = combat(z, SITES, np.column_stack([age, rare]))
    assert np.flatnonzero(~made.estimable).tolist() == [3]


def test_a_constant_edge_is_missing() -> None:
    z = edges()
    z[:, 3] = 0.1
    _, made = combat(z, SITES)
    assert np.flatnonzero(~made.estimable).tolist() == [3]


def test_no_difference_between_batches_is_left_and_the_effect_of_age_is() -> None:
    rng = np.random.default_rng(5)
    sites, n = np.repeat(["A", "B", "C"], 60), 180
    # Older in C, so that removing batches without age would remove age.
    age = rng.normal(40, 10, n) + 8 * (sites == "C")
    slopes = rng.normal(0, 0.01, 100)
    noise = rng.normal(0, 0.1, (n, 100))
    truth = np.outer(age - age.mean(), slopes)
    z = 0.3 + truth + noise
    for site, shift, spread in (("A", 0.0, 0.7), ("B", 0.1, 1.0), ("C", -0.1, 1.8)):
        own = sites == site
        z[own] += shift + rng.normal(0, 0.05, 100) + (spread - 1) * noise[own]
    found, _ = combat(z, sites, age[:, None])
    groups = [[(v - truth)[sites == site] for site in "ABC"] for v in (z, found)]
    before, after = (f_oneway(*own).pvalue for own in groups)
    assert (before < 0.05).mean() > 0.9
    assert (after < 0.05).mean() < 0.05
    spreads = [[one.std(axis=0).mean() for one in own] for own in groups]
    assert max(spreads[0]) / min(spreads[0]) > 2
    assert max(spreads[1]) / min(spreads[1]) < 1.05
    assert pearsonr(slopes, np.polyfit(age, found, 1)[0]).statistic > 0.98
    assert np.polyfit(slopes, np.polyfit(age, found, 1)[0], 1)[0] == pytest.approx(1, abs=0.05)


def test_what_is_read_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    z = edges().astype(np.float32)
    z[4, 7] = np.nan
    whole, made = combat(z, SITES)
    monkeypatch.setattr(module, "_READ_AT_ONCE", 11 * N)
    monkeypatch.setattr(module, "_COMPUTED_AT_ONCE", 4 * N)
    read: list[slice] = []

    def some(part: slice) -> np.ndarray:
        read.append(part)
        return z[:, part]

    pieces = estimate(some, EDGES, SITES)
    assert [one.stop - one.start for one in read] == [11, 11, 11, 7]
    np.testing.assert_allclose(pieces.gamma_star, made.gamma_star, atol=1e-12)
    found = combat(z, SITES)[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)


def test_equal_variances_need_no_prior_of_them() -> None:
    """Two edges of which one is the other turned over: all variances of a batch are alike."""
    z = edges()[:, :1]
    found, made = combat(np.hstack([z, -z]), SITES)
    np.testing.assert_allclose(made.delta_star, made.delta_hat, rtol=1e-9)
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("sites", "columns", "message"),
    [
        (["A"] * 8, None, r"one batch only \(A\)"),
        (["A"] * 7 + ["B"], None, "batch B: fewer than 2 rows"),
        (["A"] * 4 + ["B"] * 4, [[1.0]] * 4 + [[0.0]] * 4, r"patients: the same for all rows"),
        (["A"] * 4 + ["B"] * 4, [[1.0]] * 8, r"patients: the same for all rows"),
        (
            ["A"] * 4 + ["B"] * 4,
            [[float(k), 2 * k + 5 * (k > 3)] for k in range(8)],
            r"months: a linear combination of the batches \(A, B\) and of patients",
        ),
    ],
    ids=["one", "few", "confounded", "constant", "collinear"],
)
def test_what_cannot_be_told_apart_is_refused(
    sites: list[str], columns: list[list[float]] | None, message: str
) -> None:
    z = np.random.default_rng(0).normal(size=(8, 6))
    of = None if columns is None else np.array(columns)
    with pytest.raises(BadDataError, match=message):
        combat(z, sites, of, ["patients", "months"][: 0 if of is None else of.shape[1]])


def test_a_single_edge_is_refused() -> None:
    with pytest.raises(BadDataError, match="1 of 1 can be estimated; at least 2"):
        combat(edges()[:, :1], SITES)
