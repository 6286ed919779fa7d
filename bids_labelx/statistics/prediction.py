"""Prediction of a participant's figure from edges: cross-validated ridge with nested folds.

All is done in the rows' products (n_rows, n_rows), which is exact: ridge regression, centring and
regression of confounds need nothing else of the edges, however many these are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

# Penalties that the inner folds choose from, times the mean square of a row of the fold.
PENALTIES = 10.0 ** np.arange(-3, 4)


@dataclass(frozen=True)
class NumericPrediction:
    """How well a number is predicted in rows that the model was not fitted to.

    Attributes
    ----------
    r
        Pearson correlation of predicted and true within a fold, mean over folds; by chance 0.
    r2
        ``1 - sum (y - predicted)^2 / sum (y - mean of the training rows)^2``, over all folds of a
        repetition, mean over these; by chance about 0 or below.
    """

    r: float
    r2: float


@dataclass(frozen=True)
class ClassPrediction:
    """How well two levels are told apart in rows that the model was not fitted to.

    Attributes
    ----------
    auc
        Area under the receiver operating characteristic within a fold, mean over folds.
    balanced_accuracy
        Mean of the shares of either level that are right, within a fold, mean over folds.
    """

    auc: float
    balanced_accuracy: float


def products_of(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """Products of rows, shape (n_rows, n_rows), over the edges that all have; and their number.

    Parameters
    ----------
    blocks
        Fisher z of some edges each, shape (n_rows, n_edges of the block); NaN where there is none.
    """
    total: np.ndarray | None = None
    edges = 0
    for block in blocks:
        z = np.asarray(block, dtype=np.float64)
        z = z[:, np.isfinite(z).all(axis=0)]
        # All models have an intercept: the edges' means do not matter, and take digits.
        z = z - z.mean(axis=0)
        total = z @ z.T if total is None else total + z @ z.T
        edges += z.shape[1]
    if total is None:
        raise ValueError("there is no block of edges")
    return total, edges


def fold_of_rows(
    groups: np.ndarray, n_folds: int, rng: np.random.Generator, levels: np.ndarray | None = None
) -> np.ndarray:
    """Divide rows into folds at random, those of a group together.

    Parameters
    ----------
    groups
        Of each row, shape (n_rows,): its participant.
    n_folds
        How many; there are at least as many groups.
    rng
        What the order of groups is drawn with.
    levels
        Of each row; the first one of a group counts. Each level is dealt out evenly over folds.

    Returns
    -------
    numpy.ndarray
        The fold of each row, shape (n_rows,), from 0.
    """
    names, first, of_row = np.unique(groups, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    if levels is not None:
        order = order[np.argsort(levels[first[order]], kind="stable")]
    folds = np.empty(len(names), dtype=np.int64)
    folds[order] = np.arange(len(names)) % n_folds
    return folds[of_row.ravel()]


def predict_number(
    products: np.ndarray,
    outcome: np.ndarray,
    groups: np.ndarray,
    confounds: np.ndarray | None = None,
    *,
    n_folds: int = 5,
    repetitions: int = 5,
    seed: int = 0,
) -> NumericPrediction:
    """Predict a number by ridge regression in folds that the model has not seen.

    The penalty is chosen in inner folds of the training rows, by the sum of squared errors.
    Confounds are regressed out of the edges by coefficients of the training rows alone (Snoek et
    al., 2019, doi:10.1016/j.neuroimage.2018.09.074), of the inner ones in inner folds. The outcome
    is left as it is.

    Parameters
    ----------
    products
        Of `products_of`.
    outcome
        Shape (n_rows,).
    groups
        Of each row; those of a group are never in two folds.
    confounds
        Shape (n_rows, n_confounds).
    n_folds, repetitions, seed
        Of outer and inner folds; how often rows are divided anew; of the draws.
    """
    fit = _Fit(products, outcome.astype(float), groups, _columns(confounds, len(outcome)), n_folds)
    rs, r2s = [], []
    for rng in _draws(seed, repetitions):
        errors = total = 0.0
        for test, predicted, middle in fit.outer(rng):
            true = outcome[test]
            rs.append(_pearson(predicted, true))
            errors += ((true - predicted) ** 2).sum()
            total += ((true - middle) ** 2).sum()
        r2s.append(1 - errors / total)
    known = [r for r in rs if np.isfinite(r)]
    return NumericPrediction(float(np.mean(known)) if known else np.nan, float(np.mean(r2s)))


def predict_level(
    products: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray,
    confounds: np.ndarray | None = None,
    *,
    n_folds: int = 5,
    repetitions: int = 5,
    seed: int = 0,
) -> ClassPrediction:
    """Tell two levels apart by ridge classification in folds that the model has not seen.

    Ridge regression on -1 and 1 with rows weighted so that both levels count equally in training.
    All else is as in `predict_number`.

    Parameters
    ----------
    products, groups, confounds, n_folds, repetitions, seed
        See `predict_number`. Folds have the levels in equal shares.
    second
        Whether a row has the second level, shape (n_rows,).
    """
    outcome = np.where(second, 1.0, -1.0)
    columns = _columns(confounds, len(outcome))
    fit = _Fit(products, outcome, groups, columns, n_folds, levels=outcome)
    aucs, accuracies = [], []
    for rng in _draws(seed, repetitions):
        for test, predicted, _ in fit.outer(rng):
            own = outcome[test] > 0
            if own.all() or not own.any():
                continue
            high, low = predicted[own], predicted[~own]
            wins = np.sign(high[:, None] - low)
            aucs.append((wins.mean() + 1) / 2)
            accuracies.append(((high > 0).mean() + (low <= 0).mean()) / 2)
    return ClassPrediction(
        float(np.mean(aucs)) if aucs else np.nan,
        float(np.mean(accuracies)) if accuracies else np.nan,
    )


@dataclass(frozen=True)
class _Fit:
    """What is the same in all folds."""

    products: np.ndarray
    outcome: np.ndarray
    groups: np.ndarray
    confounds: np.ndarray
    n_folds: int
    levels: np.ndarray | None = None

    def outer(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Of each fold its rows, what is predicted there, and the mean of the training rows."""
        rows = np.arange(len(self.outcome))
        for train, test in self._divided(rows, rng):
            errors = np.zeros(len(PENALTIES))
            for inner, left in self._divided(train, rng):
                predicted = self._predicted(inner, left, PENALTIES)
                weights = self._weights(left)
                errors += (weights * (self.outcome[left] - predicted) ** 2).sum(axis=1)
            best = PENALTIES[[errors.argmin()]]
            yield test, self._predicted(train, test, best)[0], float(self.outcome[train].mean())

    def _divided(
        self, rows: np.ndarray, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        levels = None if self.levels is None else self.levels[rows]
        folds = fold_of_rows(self.groups[rows], self.n_folds, rng, levels)
        for fold in range(self.n_folds):
            yield rows[folds != fold], rows[folds == fold]

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        """Equal, or such that both levels count equally."""
        if self.levels is None:
            return np.ones(len(rows))
        high = self.levels[rows] > 0
        counts = np.where(high, high.sum(), (~high).sum())
        return np.asarray(len(rows) / (2 * np.maximum(counts, 1)))

    def _predicted(self, train: np.ndarray, test: np.ndarray, penalties: np.ndarray) -> np.ndarray:
        """Predictions of ridge regression for each penalty, shape (n_penalties, n_test)."""
        both = np.concatenate((train, test))
        n = len(train)
        k = self.products[np.ix_(both, both)]
        k = _freed(k, np.linalg.pinv(self.confounds[train]), self.confounds[both], n)
        weights = self._weights(train)
        k = _freed(k, (weights / weights.sum())[None], np.ones((len(both), 1)), n)
        root = np.sqrt(weights)
        y = self.outcome[train]
        middle = weights @ y / weights.sum()
        values, vectors = np.linalg.eigh(root[:, None] * k[:n, :n] * root)
        values = np.maximum(values, 0)
        scale = values.mean() or 1.0
        turned = vectors.T @ (root * (y - middle))
        dual = vectors @ (turned[:, None] / (values[:, None] + scale * penalties))
        return np.asarray(middle + (k[n:, :n] @ (root[:, None] * dual)).T)


def _freed(products: np.ndarray, inverse: np.ndarray, columns: np.ndarray, n: int) -> np.ndarray:
    """Products of rows after a fit to columns, whose coefficients are those of the first n rows.

    With ``M = I - columns inverse [first n rows]``, it is ``M products M'``.
    """
    fitted = columns @ (inverse @ products[:n])
    left = products - fitted
    return np.asarray(left - (columns @ (inverse @ left[:, :n].T)).T)


def _columns(confounds: np.ndarray | None, n: int) -> np.ndarray:
    """The confounds and a constant, shape (n_rows, n_confounds + 1)."""
    if confounds is None or not confounds.shape[1]:
        return np.ones((n, 1))
    # Of one size: then no coefficient is lost to rounding.
    scale = np.maximum(confounds.std(axis=0), np.finfo(float).tiny)
    return np.column_stack((np.ones(n), (confounds - confounds.mean(axis=0)) / scale))


def _draws(seed: int, repetitions: int) -> Iterator[np.random.Generator]:
    yield from (np.random.default_rng([seed, number]) for number in range(repetitions))


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else np.nan
