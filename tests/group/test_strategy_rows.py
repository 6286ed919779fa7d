from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from bids_labelx.group.mean_matrices import MeanMatrix, SubjectMatrix
from bids_labelx.group.qcfc import distances_between
from bids_labelx.group.rows import MatrixFile
from bids_labelx.group.strategy_rows import StrategySums, modularity


def test_modularity_is_that_of_loops_over_pairs() -> None:
    mean = np.random.default_rng(0).normal(0.2, 0.4, (6, 6))
    mean = (mean + mean.T) / 2
    np.fill_diagonal(mean, np.nan)
    networks = ["a", "a", "b", "n/a", "b", "c"]
    kept = [0, 1, 2, 4, 5]
    weight = {(i, j): max(mean[i, j], 0) if i != j else 0.0 for i in kept for j in kept}
    twice_m = sum(weight.values())
    degree = {i: sum(weight[i, j] for j in kept) for i in kept}
    q = sum(
        weight[i, j] - degree[i] * degree[j] / twice_m
        for i in kept
        for j in kept
        if networks[i] == networks[j]
    )
    assert modularity(mean, networks) == pytest.approx(q / twice_m)
    assert modularity(-np.abs(mean), networks) is None


def test_a_row_has_subject_means_of_motion_and_distances_in_mm() -> None:
    rng = np.random.default_rng(1)
    places = {3: (0, 0, 0), 7: (5, 1, 2), 9: (2, 4, 5), 4: (1, 5, 0)}
    path = Path("sub-0_atlas-A_stat-mean_meas-correlation_desc-x_relmat.tsv")
    rows, z, fd = {}, [], []
    sums = StrategySums(rows, 4)
    for i in range(7):
        own = rng.uniform(0, 1, 1 + i % 2)
        for k, value in enumerate(own):
            rows[(str(i), str(k))] = {
                "strategy": "the one",
                "mean_fd": value,
                "volumes": 100,
                "degrees_of_freedom": 60 + i,
            }
        files = tuple(MatrixFile(str(i), path, (str(i), str(k))) for k in range(len(own)))
        matrix = rng.normal(0, 1, (4, 4))
        matrix = matrix + matrix.T
        np.fill_diagonal(matrix, np.nan)
        sums.add(SubjectMatrix(str(i), files, matrix))
        z.append(matrix)
        fd.append(own.mean())
    empty = np.full((4, 4), np.nan)
    points = np.array(list(places.values())) * [2.0, 3, 4]
    distances = distances_between(points)
    row = sums.row(
        {"atlas": "A", "desc": "x"}, MeanMatrix(empty, empty, empty, 10, 7, empty), None, distances
    )
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    r = [np.corrcoef([m[i, j] for m in z], fd)[0, 1] for i, j in pairs]
    mm = [float(np.linalg.norm(points[i] - points[j])) for i, j in pairs]
    assert row["median_abs_qcfc"] == pytest.approx(np.median(np.abs(r)))
    assert row["distance_dependence"] == pytest.approx(spearmanr(r, mm).statistic)
    lost = [40 - i for i in range(7) for _ in range(1 + i % 2)]
    assert row["mean_dof_lost"] == pytest.approx(sum(lost) / len(lost))
    assert (row["participants"], row["modularity"], row["desc"]) == (7, None, "x")
    assert row["strategy"] == "the one"
