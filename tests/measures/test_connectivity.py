from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance

from bids_labelx.measures.connectivity import (
    MEASURES,
    choose_volumes,
    concatenate,
    correlation,
    covariance,
    fisher_z,
    mean_fisher_z,
    partial_correlation,
    perfect_correlations,
    precision,
)
from bids_labelx.names import camel

Measure = Callable[[np.ndarray], np.ndarray]
every_measure = pytest.mark.parametrize(
    "measure", [function for function, _ in MEASURES.values()], ids=list(MEASURES)
)


def mixed_signals(n_volumes: int, n_regions: int, seed: int = 0) -> np.ndarray:
    """Signals that share something, of scales from 0.1 to 30 around means far from zero."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_regions, n_regions)) + 2 * np.eye(n_regions)
    signals = rng.standard_normal((n_volumes, n_regions)) @ mixing
    return signals * np.geomspace(0.1, 30, n_regions) + 100 * rng.standard_normal(n_regions)


def zscored(signals: np.ndarray) -> np.ndarray:
    scored: np.ndarray = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=1)
    return scored


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """By the definition, in plain sums."""
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    var_a = sum((x - mean_a) ** 2 for x in a)
    var_b = sum((y - mean_b) ** 2 for y in b)
    return float(cov / (var_a * var_b) ** 0.5)


def shrunk_covariance(signals: np.ndarray) -> np.ndarray:
    """Ledoit & Wolf (2004), section 3.3, term by term; their norm is divided by p."""
    n, p = signals.shape
    centred = signals - signals.mean(axis=0)
    s = np.zeros((p, p))
    for row in centred:
        s += np.outer(row, row) / n
    m = sum(s[i, i] for i in range(p)) / p
    d2 = ((s - m * np.eye(p)) ** 2).sum() / p
    b_bar2 = sum(((np.outer(row, row) - s) ** 2).sum() / p for row in centred) / n**2
    b2 = min(b_bar2, d2)
    return b2 / d2 * m * np.eye(p) + (d2 - b2) / d2 * s


def expected_precision(signals: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(shrunk_covariance(zscored(signals)))
    expected = np.empty_like(inverse)
    deviations = [np.sqrt(((c - c.mean()) ** 2).sum() / (len(c) - 1)) for c in signals.T]
    for i, first in enumerate(deviations):
        for j, second in enumerate(deviations):
            expected[i, j] = inverse[i, j] / (first * second)
    return expected


def partial_of(inverse: np.ndarray) -> np.ndarray:
    expected = np.eye(len(inverse))
    for i in range(len(inverse)):
        for j in range(len(inverse)):
            if i != j:
                expected[i, j] = -inverse[i, j] / np.sqrt(inverse[i, i] * inverse[j, j])
    return expected


def test_every_entry_is_pearsons_correlation_by_its_definition() -> None:
    signals = np.random.default_rng(1).standard_normal((30, 5)) * [1, 1e-3, 1e6, 2, 3] + 1e3
    matrix = correlation(signals)
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == pytest.approx(pearson(signals[:, i], signals[:, j]), abs=1e-9)


def test_every_entry_is_the_covariance_by_its_definition() -> None:
    signals = mixed_signals(30, 5)
    matrix = covariance(signals)
    for i in range(5):
        for j in range(5):
            a, b = signals[:, i], signals[:, j]
            products = [(x - sum(a) / 30) * (y - sum(b) / 30) for x, y in zip(a, b, strict=True)]
            assert matrix[i, j] == pytest.approx(sum(products) / 29, rel=1e-9)


# More volumes than regions, and fewer.
@pytest.mark.parametrize("n_volumes", [60, 12])
def test_precision_and_partial_correlation_follow_ledoit_and_wolf(n_volumes: int) -> None:
    signals = mixed_signals(n_volumes, 20)
    expected = expected_precision(signals)
    np.testing.assert_allclose(precision(signals), expected, rtol=1e-8)
    np.testing.assert_allclose(partial_correlation(signals), partial_of(expected), atol=1e-10)


def test_correlations_that_chance_explains_are_shrunk_to_nothing() -> None:
    """Where b exceeds d, and the formula holds it back."""
    rng = np.random.default_rng(0)
    base = np.linalg.qr(rng.standard_normal((10, 4)) - 0.5)[0]
    signals = base - base.mean(axis=0)
    signals[:, 1] += 0.1 * signals[:, 0]
    assert np.abs(np.triu(correlation(signals), 1)).max() > 0.05
    np.testing.assert_allclose(partial_correlation(signals), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(precision(signals), expected_precision(signals), atol=1e-10)


@pytest.mark.parametrize("n_volumes", [150, 20])
@pytest.mark.parametrize("kind", ["precision", "partial correlation"])
def test_nilearn_has_the_same_numbers_for_standardised_signals(kind: str, n_volumes: int) -> None:
    signals = zscored(mixed_signals(n_volumes, 40))
    theirs = ConnectivityMeasure(kind=kind).fit_transform([signals])[0]
    ours = MEASURES[kind.replace(" ", "-")][0](signals)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_nilearn_has_the_same_numbers_without_shrinkage() -> None:
    signals = mixed_signals(50, 10)
    for kind, ours in (
        ("correlation", correlation(signals)),
        ("covariance", covariance(signals) * 49 / 50),
    ):
        theirs = ConnectivityMeasure(EmpiricalCovariance(), kind=kind).fit_transform([signals])
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-10, atol=1e-10)


def test_a_region_s_scale_matters_to_nilearns_partial_correlation_and_not_to_ours() -> None:
    signals = zscored(mixed_signals(40, 10))
    larger = signals * np.array([100.0, *[1.0] * 9])
    np.testing.assert_allclose(
        partial_correlation(larger), partial_correlation(signals), atol=1e-12
    )
    measure = ConnectivityMeasure(kind="partial correlation")
    theirs, of_larger = measure.fit_transform([signals, larger])
    assert np.abs(of_larger - theirs).max() > 0.1


def test_precision_is_in_the_inverse_unit_of_covariance() -> None:
    signals = mixed_signals(40, 6)
    scale = np.array([1.0, 10.0, 0.01, 3.0, 1e4, 1.0])
    expected = precision(signals) / np.outer(scale, scale)
    np.testing.assert_allclose(precision(signals * scale), expected, rtol=1e-10)


def test_standardised_signals_bring_partial_correlations_nearer_to_the_truth() -> None:
    """The choice that nilearn leaves to the caller, at the spread of regions of real runs.

    Its error is 1.10 times ours on average; in means over 40 draws this varies by 0.012.
    """
    ours, raw = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        loadings = rng.standard_normal((50, 50)) * (rng.random((50, 50)) < 0.06)
        inverse = loadings @ loadings.T + np.eye(50)
        truth = partial_of(inverse)
        # Not by the default, an SVD: where singular values are equal, BLAS decides on the vectors.
        signals = rng.multivariate_normal(
            np.zeros(50), np.linalg.inv(inverse), 100, method="cholesky"
        )
        signals *= np.exp(0.6 * rng.standard_normal(50))
        theirs = ConnectivityMeasure(kind="partial correlation").fit_transform([signals])[0]
        ours.append(np.sqrt(((partial_correlation(signals) - truth) ** 2).mean()))
        raw.append(np.sqrt(((theirs - truth) ** 2).mean()))
    assert np.mean(raw) > 1.05 * np.mean(ours)


@every_measure
@pytest.mark.parametrize("lost", [[0], [5], [2, 3], [0, 1, 2, 3, 5]], ids=str)
def test_lost_regions_are_nan_and_the_others_the_same_to_the_last_bit(
    measure: Measure, lost: list[int]
) -> None:
    signals = mixed_signals(300, 6)
    others = [i for i in range(6) if i not in lost]
    alone = measure(signals[:, others])
    assert np.isfinite(alone).all()
    signals[:, lost] = np.nan
    matrix = measure(signals)
    assert np.isnan(matrix[lost]).all()
    assert np.isnan(matrix[:, lost]).all()
    np.testing.assert_array_equal(matrix[np.ix_(others, others)], alone)


@every_measure
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6 / 3])
def test_a_region_that_does_not_vary_is_as_good_as_lost(measure: Measure, constant: float) -> None:
    signals = mixed_signals(25, 5)
    signals[:, 2] = np.nan
    expected = measure(signals)
    signals[:, 2] = constant
    np.testing.assert_array_equal(measure(signals), expected)


@every_measure
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_loses_its_region_and_no_other(
    measure: Measure, value: float
) -> None:
    signals = mixed_signals(25, 5)
    signals[7, 4] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix = measure(signals)
    assert np.isnan(matrix[4]).all()
    np.testing.assert_array_equal(matrix[:4, :4], measure(signals[:, :4]))


@every_measure
def test_without_any_region_left_all_is_nan(measure: Measure) -> None:
    matrix = measure(np.full((10, 3), np.nan))
    assert matrix.shape == (3, 3)
    assert np.isnan(matrix).all()


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (correlation, 1),
        (partial_correlation, 1),
        (covariance, 10 / 3),
        # The covariance that is inverted is over n.
        (precision, 4 / 10),
    ],
)
def test_a_region_alone(measure: Measure, expected: float) -> None:
    signal = np.array([[1.0], [2.0], [4.0], [5.0]])  # deviations -2, -1, 1, 2
    np.testing.assert_allclose(measure(signal), [[expected]], rtol=1e-12)


@every_measure
@pytest.mark.parametrize("n_volumes", [200, 10])
def test_the_matrix_is_exactly_symmetric_and_float64(measure: Measure, n_volumes: int) -> None:
    matrix = measure(mixed_signals(n_volumes, 31))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, matrix.T)


@every_measure
def test_float32_signals_are_computed_in_float64(measure: Measure) -> None:
    signals = mixed_signals(40, 5).astype(np.float32)
    np.testing.assert_array_equal(measure(signals), measure(signals.astype(np.float64)))


@every_measure
def test_the_order_in_memory_changes_no_bit(measure: Measure) -> None:
    signals = mixed_signals(300, 7)
    expected = measure(signals)
    np.testing.assert_array_equal(measure(np.asfortranarray(signals)), expected)
    np.testing.assert_array_equal(measure(np.repeat(signals, 2, axis=1)[:, ::2]), expected)


@every_measure
def test_the_signals_stay_as_they_are(measure: Measure) -> None:
    signals = mixed_signals(40, 7)
    before = signals.copy()
    measure(signals)
    np.testing.assert_array_equal(signals, before)


@pytest.mark.parametrize("measure", [correlation, partial_correlation])
def test_correlations_are_one_on_the_diagonal_and_nowhere_beyond(measure: Measure) -> None:
    signals = np.random.default_rng(3).standard_normal((15, 8))
    signals[:, 7] = 3 * signals[:, 0] + 2
    matrix = measure(signals)
    assert (np.diag(matrix) == 1).all()
    assert np.abs(matrix).max() == 1


def test_two_regions_of_one_signal_correlate_perfectly() -> None:
    signals = np.random.default_rng(3).standard_normal((15, 3))
    signals[:, 2] = 3 * signals[:, 0] + 2
    assert correlation(signals)[0, 2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("measure", "fewest"),
    [(correlation, 3), (partial_correlation, 3), (covariance, 2), (precision, 3)],
)
def test_too_few_volumes_are_refused(measure: Measure, fewest: int) -> None:
    signals = mixed_signals(fewest, 4)
    assert np.isfinite(measure(signals)).all()
    message = f"at least {fewest} volumes, there are {fewest - 1}"
    with pytest.raises(ValueError, match=message):
        measure(signals[:-1])


@every_measure
def test_an_array_that_is_no_table_is_refused(measure: Measure) -> None:
    with pytest.raises(ValueError, match=r"shape \(9,\)"):
        measure(np.arange(9.0))


@pytest.mark.parametrize("measure", [partial_correlation, precision])
def test_signals_that_leave_nothing_to_shrink_and_no_inverse_are_refused(
    measure: Measure,
) -> None:
    flip = np.tile([1.0, -1.0], 10)
    with pytest.raises(ValueError, match="not defined"):
        measure(np.column_stack([flip, -flip, flip]))


@pytest.mark.parametrize("measure", [partial_correlation, precision])
@pytest.mark.parametrize("n_volumes", [10, 20, 100, 334])
def test_rounding_errors_between_signals_of_two_values_are_no_inverse(
    measure: Measure, n_volumes: int
) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        flip = rng.permutation(np.repeat([1.0, -1.0], n_volumes // 2))
        with pytest.raises(ValueError, match="not defined"):
            measure(np.column_stack([flip, rng.normal(0, 9) * flip + rng.normal(0, 99)]))


def test_measures_have_labels_of_letters_and_names_of_their_own() -> None:
    assert list(MEASURES) == ["correlation", "partial-correlation", "covariance", "precision"]
    assert all(camel(name).isalnum() for name in MEASURES)
    short = [name.partition(",")[0] for _, name in MEASURES.values()]
    assert len(set(short)) == len(MEASURES)


def test_scikit_learn_is_loaded_by_the_measures_that_need_it_only() -> None:
    code = (
        "import sys, numpy; from bids_labelx.measures.connectivity import *; x = numpy.eye(5);"
        "correlation(x); before = 'sklearn' in sys.modules; precision(x);"
        "print(before, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def runs_of(*lengths: int, n_regions: int = 4) -> list[np.ndarray]:
    return [mixed_signals(n, n_regions, seed=n) for n in lengths]


def test_concatenated_runs_are_z_scores_of_each() -> None:
    runs = runs_of(20, 7, 30)
    whole = concatenate(runs)
    assert whole.shape == (57, 4)
    for run, part in zip(runs, np.split(whole, [20, 27]), strict=True):
        for column, scores in zip(run.T, part.T, strict=True):
            mean = sum(column) / len(column)
            deviation = (sum((x - mean) ** 2 for x in column) / (len(column) - 1)) ** 0.5
            np.testing.assert_allclose(scores, [(x - mean) / deviation for x in column])


def test_the_correlation_over_runs_is_the_mean_of_theirs_by_degrees_of_freedom() -> None:
    runs = runs_of(20, 7, 30)
    expected = sum((len(run) - 1) * np.corrcoef(run.T) for run in runs) / (57 - 3)
    np.testing.assert_allclose(correlation(concatenate(runs)), expected, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, 5.0])
def test_a_region_lost_or_constant_in_one_run_is_lost_in_all(value: float) -> None:
    runs = runs_of(20, 7, 30)
    expected = concatenate([run[:, [0, 1, 3]] for run in runs])
    runs[1][:, 2] = value
    whole = concatenate(runs)
    assert np.isnan(whole[:, 2]).all()
    np.testing.assert_array_equal(whole[:, [0, 1, 3]], expected)


def test_one_run_is_concatenated_too_and_stays_as_it_is() -> None:
    (run,) = runs_of(20)
    before = run.copy()
    np.testing.assert_allclose(concatenate([run]), zscored(run), atol=1e-12)
    np.testing.assert_array_equal(run, before)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "no runs"),
        ([np.ones((9, 3)), np.ones((9, 4))], r"\[3, 4\]"),
        ([np.ones((9, 3)), np.ones((1, 3))], "at least 2 volumes, there are 1"),
    ],
)
def test_runs_that_do_not_fit_are_refused(runs: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        concatenate(runs)


@pytest.mark.parametrize("n", [1, 9, 10])
def test_the_first_volumes_are_the_first_rows(n: int) -> None:
    series = mixed_signals(10, 3)
    rows = choose_volumes(len(series), n)
    np.testing.assert_array_equal(series[rows], [series[i] for i in range(n)])


@pytest.mark.parametrize("n", [1, 9, 10])
def test_drawn_volumes_are_different_ones_in_their_order_and_the_same_by_the_same_seed(
    n: int,
) -> None:
    rows = choose_volumes(10, n, (3, 4)).tolist()
    assert rows == sorted(set(rows))
    assert len(rows) == n
    assert set(rows) <= set(range(10))
    assert rows == choose_volumes(10, n, (3, 4)).tolist()
    assert set(rows) >= set(choose_volumes(10, max(n - 1, 1), (3, 4)).tolist())


@pytest.mark.parametrize("n", [11, 0, -1])
@pytest.mark.parametrize("seed", [None, (1,)])
def test_volumes_that_are_not_there_are_refused(n: int, seed: tuple[int] | None) -> None:
    with pytest.raises(ValueError, match=f"{n} volumes are asked for, there are 10"):
        choose_volumes(10, n, seed)


def test_fisher_z_is_half_the_logarithm_of_the_odds() -> None:
    matrix = correlation(mixed_signals(30, 5))
    z = fisher_z(matrix)
    assert np.isnan(np.diag(z)).all()
    for i, j in zip(*np.triu_indices(5, 1), strict=True):
        r = matrix[i, j]
        assert z[i, j] == z[j, i] == pytest.approx(0.5 * np.log((1 + r) / (1 - r)))


@pytest.mark.parametrize("r", [1.0, -1.0, 1 + 1e-9, 1 - 1e-9, -1 + 1e-7])
def test_a_perfect_correlation_has_no_fisher_z(r: float) -> None:
    matrix = np.array([[1, r, 0.3], [r, 1, 0.999998], [0.3, 0.999998, 1]])
    perfect = [[False, True, False], [True, False, False], [False, False, False]]
    np.testing.assert_array_equal(perfect_correlations(matrix), perfect)
    z = fisher_z(matrix)
    assert np.isnan(z[0, 1])
    assert np.isnan(z[1, 0])
    assert z[0, 2] == pytest.approx(np.arctanh(0.3))
    assert z[1, 2] == pytest.approx(np.arctanh(0.999998))


def test_what_is_missing_is_not_perfect() -> None:
    assert not perfect_correlations(np.full((3, 3), np.nan)).any()


def test_fisher_z_keeps_lost_regions_and_its_argument() -> None:
    signals = mixed_signals(30, 4)
    signals[:, 1] = np.nan
    matrix = correlation(signals)
    before = matrix.copy()
    z = fisher_z(matrix)
    assert np.isnan(z[1]).all()
    assert np.isfinite(z[0, [2, 3]]).all()
    np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\)"),
        (np.ones(4), r"shape \(4,\)"),
        (np.array([[1, 1.1], [1.1, 1]]), "there is one of 1.1"),
        (np.array([[1, -np.inf], [-np.inf, 1]]), "correlations are expected"),
    ],
)
def test_what_is_no_correlation_matrix_has_no_fisher_z(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fisher_z(matrix)


def test_the_mean_counts_the_matrices_that_have_each_edge() -> None:
    signals = [mixed_signals(30, 4, seed) for seed in range(3)]
    signals[0][:, 1] = np.nan
    for one in signals:
        one[:, 3] = np.nan
    matrices = [correlation(one) for one in signals]
    mean, n = mean_fisher_z((matrix, 1) for matrix in matrices)
    assert n.tolist() == [[0, 2, 3, 0], [2, 0, 2, 0], [3, 2, 0, 0], [0, 0, 0, 0]]
    assert np.issubdtype(n.dtype, np.integer)
    np.testing.assert_array_equal(np.isnan(mean), n == 0)
    for i, j, used in ((0, 1, (1, 2)), (0, 2, (0, 1, 2)), (1, 2, (1, 2))):
        expected = sum(np.arctanh(matrices[k][i, j]) for k in used) / len(used)
        assert mean[i, j] == mean[j, i] == pytest.approx(expected)


def test_weights_are_of_the_matrices_that_have_an_edge() -> None:
    signals = [mixed_signals(30, 3, seed) for seed in range(3)]
    signals[1][:, 2] = np.nan
    matrices, weights = [correlation(one) for one in signals], [1.5, 40.0, 3.0]
    mean, n = mean_fisher_z(zip(matrices, weights, strict=True))
    assert n[0, 1] == 3
    z = [np.arctanh(one[0, 1]) for one in matrices]
    assert mean[0, 1] == pytest.approx(np.average(z, weights=weights))
    z = [np.arctanh(matrices[k][0, 2]) for k in (0, 2)]
    assert mean[0, 2] == pytest.approx(np.average(z, weights=[1.5, 3.0]))


def test_the_mean_holds_few_matrices_at_a_time() -> None:
    size = 200 * 200 * 8

    def many() -> Iterator[tuple[np.ndarray, float]]:
        for _ in range(100):
            yield np.full((200, 200), 0.5), 1.0

    tracemalloc.start()
    mean_fisher_z(many())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * size


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ([], "no matrices"),
        ([np.eye(3), np.eye(4)], r"different shapes: \(3, 3\) and \(4, 4\)"),
        # The shape that broadcasts.
        ([np.eye(3), np.eye(1)], "different shapes"),
        ([np.eye(3), 2 * np.ones((3, 3))], "correlations are expected"),
    ],
)
def test_matrices_that_have_no_mean_are_refused(matrices: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_fisher_z((one, 1.0) for one in matrices)
