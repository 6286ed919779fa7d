"""Means of edges where rows lack some, beside statsmodels and numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from bids_labelx.statistics.edge_means import mean_of_rows, means_of_pairs, means_of_regions
from bids_labelx.statistics.networks import network_pairs


def edges(shape: tuple[int, int], missing: float, seed: int = 0) -> np.ndarray:
    """Edges of different strength, some without a value."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=shape) + 3 * rng.normal(size=shape[1])
    z[rng.random(shape) < missing] = np.nan
    return z


def judged(z: np.ndarray) -> np.ndarray:
    """The means of rows that statsmodels predicts, over all edges, from rows and edges."""
    rows, columns = np.nonzero(np.isfinite(z))
    data = pd.DataFrame({"z": z[rows, columns], "row": rows, "edge": columns})
    model = smf.ols("z ~ C(row) + C(edge)", data).fit()
    every = [(row, edge) for row in np.unique(rows) for edge in np.unique(columns)]
    asked = pd.DataFrame(every, columns=["row", "edge"])
    predicted = asked.assign(z=model.predict(asked)).groupby("row")["z"].mean()
    return predicted.reindex(range(len(z))).to_numpy()


@pytest.mark.parametrize("shape", [(14, 5), (5, 14)], ids=["more rows", "more edges"])
def test_means_are_those_of_an_additive_model_of_rows_and_edges(shape: tuple[int, int]) -> None:
    z = edges(shape, 0.3)
    z[3] = np.nan
    np.testing.assert_allclose(mean_of_rows(z), judged(z), atol=1e-9)


def test_without_missing_edges_they_are_plain_means() -> None:
    z = edges((6, 21), 0)
    np.testing.assert_allclose(mean_of_rows(z), z.mean(axis=1))
    matrices = np.full((6, 7, 7), np.nan)
    first, second = np.triu_indices(7, k=1)
    matrices[:, first, second] = matrices[:, second, first] = z
    np.testing.assert_allclose(means_of_regions(z, 7), np.nanmean(matrices, axis=2))
    networks = [*"aabbb", "n/a", "b"]
    pairs = network_pairs(networks)
    for k, (one, two) in enumerate(pairs.names):
        own = [
            {networks[i], networks[j]} == {one, two} for i, j in zip(first, second, strict=True)
        ]
        np.testing.assert_allclose(means_of_pairs(z, pairs)[:, k], z[:, own].mean(axis=1))


def test_rows_that_share_no_edge_with_the_most_have_no_mean() -> None:
    z = np.array([[1, 2, np.nan], [2, 4, np.nan], [np.nan, np.nan, 7], [np.nan] * 3])
    np.testing.assert_allclose(mean_of_rows(z), [1.5, 3, np.nan, np.nan])
    assert np.isnan(mean_of_rows(np.full((3, 2), np.nan))).all()


def hub(seed: int, participants: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Edges of 6 regions without any difference, and who is a patient.

    The edges of the first region are strong, and 8 of 15 patients lack it.
    """
    rng = np.random.default_rng(seed)
    first = np.triu_indices(6, k=1)[0]
    z = np.where(first == 0, 1.2, 0.1) + 0.2 * rng.normal(size=(participants, 15))
    patient = np.arange(participants) >= participants // 2
    lost = patient & (np.arange(participants) < participants // 2 + 8)
    z[np.ix_(lost, first == 0)] = np.nan
    return z, patient


def test_a_missing_region_makes_no_difference_of_groups_that_no_edge_has() -> None:
    """Of plain means over the edges of a row, all regions but the first would differ."""
    pairs = network_pairs(list("aaabbb"))
    p = []
    for seed in range(400):
        z, patient = hub(seed)
        means = np.hstack([means_of_regions(z, 6)[:, 1:], means_of_pairs(z, pairs)])
        p.append(stats.ttest_ind(means[patient], means[~patient]).pvalue)
    false = (np.array(p) < 0.05).mean(axis=0)
    # Four standard errors of a share of 5 % of 400.
    assert (np.abs(false - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)).all(), false
