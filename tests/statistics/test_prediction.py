from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from bids_labelx.statistics.prediction import (
    PENALTIES,
    fold_of_rows,
    predict_level,
    predict_number,
    products_of,
)

N, EDGES, FOLDS = 40, 25, 4


def people(seed: int, effect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Edges, outcome, motion (a column), and participants with two rows each."""
    rng = np.random.default_rng(seed)
    groups = np.arange(N) // 2
    outcome = np.repeat(rng.normal(0, 1, N // 2), 2)
    motion = np.abs(rng.normal(0.3, 0.1, (N, 1)))
    x = effect * outcome[:, None] * rng.normal(0, 1, EDGES) + 3 * motion + 0.5
    return x + rng.normal(0, 1, (N, EDGES)), outcome, motion, groups


def freed(x: np.ndarray, c: np.ndarray, train: np.ndarray) -> np.ndarray:
    return x - LinearRegression().fit(c[train], x[train]).predict(c)


def penalties(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Those of a fold's training rows: the mean square of a weighted, centred row."""
    centred = x - np.average(x, axis=0, weights=weights)
    return PENALTIES * (weights[:, None] * centred**2).sum() / len(x)


def test_a_number_is_predicted_as_by_a_pipeline_of_scikit_learn() -> None:
    x, y, c, groups = people(0, 0.4)
    rng = np.random.default_rng([7, 0])
    rs, errors, total = [], 0.0, 0.0
    outer = fold_of_rows(groups, FOLDS, rng)
    for fold in range(FOLDS):
        train, test = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        inner = fold_of_rows(groups[train], FOLDS, rng)
        losses = np.zeros(len(PENALTIES))
        for part in range(FOLDS):
            fit, left = train[inner != part], train[inner == part]
            own = freed(x, c, fit)
            for k, alpha in enumerate(penalties(own[fit], np.ones(len(fit)))):
                model = Ridge(alpha).fit(own[fit], y[fit])
                losses[k] += ((model.predict(own[left]) - y[left]) ** 2).sum()
        own = freed(x, c, train)
        alpha = penalties(own[train], np.ones(len(train)))[losses.argmin()]
        predicted = Ridge(alpha).fit(own[train], y[train]).predict(own[test])
        rs.append(np.corrcoef(predicted, y[test])[0, 1])
        errors += ((predicted - y[test]) ** 2).sum()
        total += ((y[train].mean() - y[test]) ** 2).sum()
    products, edges = products_of([x[:, :9], x[:, 9:]])
    found = predict_number(products, y, groups, c, n_folds=FOLDS, repetitions=1, seed=7)
    assert edges == EDGES
    assert found.r == pytest.approx(np.mean(rs), abs=1e-8)
    assert found.r2 == pytest.approx(1 - errors / total, abs=1e-8)


def test_levels_are_told_apart_as_by_a_classifier_of_scikit_learn() -> None:
    x, y, c, groups = people(1, 0.5)
    second = y > 0.4
    assert 6 <= second.sum() <= N - 6
    levels = np.where(second, 1.0, -1.0)
    rng = np.random.default_rng([3, 0])
    aucs, accuracies = [], []
    outer = fold_of_rows(groups, FOLDS, rng, levels)

    def model_of(own: np.ndarray, rows: np.ndarray, penalty: int) -> RidgeClassifier:
        shares = np.where(second[rows], second[rows].mean(), 1 - second[rows].mean())
        alpha = penalties(own[rows], 0.5 / shares)[penalty]
        return RidgeClassifier(alpha=alpha, class_weight="balanced").fit(own[rows], second[rows])

    for fold in range(FOLDS):
        train, test = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        inner = fold_of_rows(groups[train], FOLDS, rng, levels[train])
        losses = np.zeros(len(PENALTIES))
        for part in range(FOLDS):
            fit, left = train[inner != part], train[inner == part]
            own = freed(x, c, fit)
            counts = np.where(second[left], second[left].sum(), (~second[left]).sum())
            for k in range(len(PENALTIES)):
                off = model_of(own, fit, k).decision_function(own[left]) - levels[left]
                losses[k] += (len(left) / (2 * counts) * off**2).sum()
        own = freed(x, c, train)
        model = model_of(own, train, losses.argmin())
        aucs.append(roc_auc_score(second[test], model.decision_function(own[test])))
        accuracies.append(balanced_accuracy_score(second[test], model.predict(own[test])))
    products, _ = products_of([x])
    found = predict_level(products, second, groups, c, n_folds=FOLDS, repetitions=1, seed=3)
    assert found.auc == pytest.approx(np.mean(aucs), abs=1e-10)
    assert found.balanced_accuracy == pytest.approx(np.mean(accuracies), abs=1e-10)
    assert found.auc > 0.6


def test_rows_of_a_participant_are_in_one_fold_and_levels_in_equal_shares() -> None:
    groups = np.repeat(np.arange(20), 3)
    levels = np.where(groups % 4 == 0, 1.0, -1.0)
    folds = fold_of_rows(groups, 5, np.random.default_rng(0), levels)
    for group in range(20):
        assert len(set(folds[groups == group])) == 1
    for fold in range(5):
        assert (levels[folds == fold] > 0).sum() == 3
        assert (folds == fold).sum() == 12
    assert (folds != fold_of_rows(groups, 5, np.random.default_rng(1), levels)).any()


def test_the_same_seed_gives_the_same_numbers() -> None:
    x, y, c, groups = people(2, 0.2)
    products, _ = products_of([x])
    one, two, other = (predict_number(products, y, groups, c, seed=s) for s in (1, 1, 2))
    assert one == two != other


def test_an_effect_is_found() -> None:
    x, y, c, groups = people(3, 2.0)
    products, _ = products_of([x])
    assert predict_number(products, y, groups, c).r > 0.8
    assert predict_level(products, y > 0, groups, c).auc > 0.9


def test_repeats_do_not_give_away_their_participant() -> None:
    # Edges tell participants apart and nothing else: in folds that split these, any outcome of a
    # participant would be predicted.
    found, split = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.arange(N) // 2
        x = np.repeat(rng.normal(0, 1, (N // 2, EDGES)), 2, axis=0)
        y = np.repeat(rng.normal(0, 1, N // 2), 2)
        products, _ = products_of([x + rng.normal(0, 0.1, x.shape)])
        found.append(predict_number(products, y, groups, repetitions=1, seed=seed).r)
        split.append(predict_number(products, y, np.arange(N), repetitions=1, seed=seed).r)
    assert np.mean(split) > 0.3
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(60))


def test_noise_that_goes_with_motion_is_not_predicted_once_motion_is_regressed_out() -> None:
    with_, without = [], []
    for seed in range(60):
        rng = np.random.default_rng(500 + seed)
        motion = rng.uniform(0, 1, (N, 1))
        y = motion[:, 0] + rng.normal(0, 0.2, N)
        x = 3 * motion * rng.normal(0, 1, EDGES) + rng.normal(0, 1, (N, EDGES))
        products, _ = products_of([x])
        rows = np.arange(N)
        with_.append(predict_number(products, y, rows, motion, repetitions=1, seed=seed).r)
        without.append(predict_number(products, y, rows, repetitions=1, seed=seed).r)
    assert np.mean(without) > 0.5
    assert np.mean(with_) < 4 * np.std(with_) / np.sqrt(60)


def test_without_an_effect_the_average_is_chance() -> None:
    rs, aucs, shares = [], [], []
    for seed in range(100):
        x, y, c, groups = people(1000 + seed, 0)
        products, _ = products_of([x])
        rs.append(predict_number(products, y, groups, c, repetitions=1, seed=seed).r)
        level = predict_level(products, y > 0, groups, c, repetitions=1, seed=seed)
        aucs.append(level.auc)
        shares.append(level.balanced_accuracy)
    for values, chance in ((rs, 0), (aucs, 0.5), (shares, 0.5)):
        assert np.mean(values) == pytest.approx(chance, abs=4 * np.std(values) / np.sqrt(100))
