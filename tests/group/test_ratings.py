from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from rows_of_edges import N_EDGES, NETWORKS, POINTS, edge_rows, files_of, quality_of
from scipy.stats import pearsonr, spearmanr

from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.covariates import read_covariates
from bids_labelx.group.edge_rows import Unit
from bids_labelx.group.ratings import HowRated, RatedStrategies, StrategyEdges, rate_strategies
from bids_labelx.group.rows import Row, RowKey

N = 12
PAIRS = list(zip(*np.triu_indices(5, k=1), strict=True))
SESSIONS = ("a", "b")


def study(seed: int = 0, trait: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Edges (N, 2 sessions, 10 edges) that depend on motion, and motion (N, 2)."""
    rng = np.random.default_rng(seed)
    fd = rng.uniform(0.05, 0.5, (N, 1)) + rng.uniform(0, 0.05, (N, 2))
    own = rng.normal(0, trait, (N, 1, N_EDGES))
    return 0.3 + own + rng.normal(0, 0.3, (N, 2, N_EDGES)) + fd[:, :, None], fd


def strategy(
    folder: Path, z: np.ndarray, fd: np.ndarray, desc: str, without: Sequence[Unit] = ()
) -> tuple[StrategyEdges, dict[RowKey, Row]]:
    """A strategy with a combination for each session, and its rows of the quality table."""
    edges, sources, rows = [], [], {}
    for number, session in enumerate(SESSIONS):
        units = [Unit(f"{i:02d}", session) for i in range(N)]
        kept = [i for i, unit in enumerate(units) if unit not in without]
        own = [units[i] for i in kept]
        edges.append(edge_rows(folder, z[kept, number], own, desc, ses=session))
        sources.append(files_of(own, desc))
        rows |= quality_of(sources[-1], fd[kept, number].tolist(), lost=10 + number)
    entities = {key: value for key, value in edges[0].entities.items() if key != "ses"}
    files = tuple([file for (file,) in own] for own in sources)
    return StrategyEdges(entities, tuple(edges), tuple(sources), tuple(edges), files), rows


def rated(
    folder: Path,
    *own: tuple[StrategyEdges, dict[RowKey, Row]],
    chosen: ChosenColumns | None = None,
) -> RatedStrategies:
    rows = {key: row for _, one in own for key, row in one.items()}
    how = HowRated(folder, rows, folder, chosen=chosen or ChosenColumns(), permutations=200)
    return rate_strategies([one for one, _ in own], how)


def test_reliability_is_that_of_pingouin_over_sessions(tmp_path: Path) -> None:
    z, fd = study()
    found = rated(tmp_path, strategy(tmp_path, z, fd, "simple"))
    (row,) = found.rows
    known = row["retest"], row["participants_retest"], row["repeats"], row["edges_retest"]
    assert known == ("sessions", N, 2, N_EDGES)
    judges = []
    for edge in range(N_EDGES):
        cells = [(i, k, np.float32(z[i, k, edge])) for i in range(N) for k in range(2)]
        table = pd.DataFrame(cells, columns=["participant", "repeat", "z"])
        judge = pingouin.intraclass_corr(table, "participant", "repeat", "z").set_index("Type")
        judges.append((judge.loc["ICC(A,1)", "ICC"], judge.loc["ICC(C,1)", "ICC"]))
    for column, name in enumerate(("icc21", "icc31")):
        values = sorted(judge[column] for judge in judges)
        assert row[f"{name}_median"] == pytest.approx((values[4] + values[5]) / 2, abs=1e-5)
        low, high = row[f"{name}_q1"], row[f"{name}_q3"]
        assert (low, high) == pytest.approx(np.percentile(values, (25, 75)), abs=1e-5)
        assert row[f"{name}_low"] < row[f"{name}_median"] < row[f"{name}_high"]
    for edge, (i, j) in enumerate(PAIRS):
        assert found.icc21[0][i, j] == pytest.approx(judges[edge][0], abs=1e-5)


def test_participants_are_identified_as_by_loops(tmp_path: Path) -> None:
    z, fd = study(1, trait=0.2)
    (row,) = rated(tmp_path, strategy(tmp_path, z, fd, "simple")).rows
    hits, wins = [], []
    for one, other in permutations(range(2)):
        for i in range(N):
            r = [np.corrcoef(z[i, one], z[j, other])[0, 1] for j in range(N)]
            hits.append(np.argmax(r) == i)
            own = np.linalg.norm(z[i, one] - z[i, other])
            for j in set(range(N)) - {i}:
                wins += [own < np.linalg.norm(z[i, one] - z[j, k]) for k in range(2)]
    assert row["fingerprint"] == pytest.approx(np.mean(hits))
    assert row["discriminability"] == pytest.approx(np.mean(wins))
    assert row["fingerprint_chance"] == 1 / N
    assert 0 < row["fingerprint_p"] <= 1
    assert row["edges_compared"] == N_EDGES


def test_networks_qcfc_and_cost_are_of_the_average_of_a_participant(tmp_path: Path) -> None:
    z, fd = study(2)
    z[0, 1, 2] = np.nan
    (row,) = rated(tmp_path, strategy(tmp_path, z, fd, "simple")).rows
    z[0, 1, 2] = z[0, 0, 2]
    mean, moved = z.mean(axis=1), fd.mean(axis=1)
    figures = []
    for own in mean:
        kinds: dict[bool, list[float]] = {True: [], False: []}
        for (i, j), value in zip(PAIRS, own, strict=True):
            if "n/a" not in (NETWORKS[i], NETWORKS[j]):
                kinds[NETWORKS[i] == NETWORKS[j]].append(value)
        w, b = (np.mean(np.maximum(kinds[k], 0)) for k in (True, False))
        figures.append((np.mean(kinds[True]), np.mean(kinds[False]), w, b))
    *means, w, b = np.mean(figures, axis=0)
    np.testing.assert_allclose([row["within"], row["between"]], means, rtol=1e-5)
    assert row["segregation"] == pytest.approx((w - b) / w, rel=1e-5)
    r = [pearsonr(mean[:, edge], moved).statistic for edge in range(N_EDGES)]
    mm = [np.linalg.norm(POINTS[i] - POINTS[j]) for i, j in PAIRS]
    assert row["median_abs_qcfc"] == pytest.approx(np.median(np.abs(r)), rel=1e-5)
    assert row["distance_dependence"] == pytest.approx(spearmanr(r, mm).statistic)
    assert row["mean_dof_lost"] == 10.5


def test_all_strategies_are_rated_on_the_participants_and_sessions_that_all_have(
    tmp_path: Path,
) -> None:
    z, fd = study(3)
    gone = [Unit("02", "a"), Unit("02", "b"), Unit("05", "b")]
    both = rated(
        tmp_path,
        strategy(tmp_path, z, fd, "simple"),
        strategy(tmp_path, z, fd, "scrub", without=gone),
    )
    assert both.left_out == ("02",)
    one, other = both.rows
    assert (one["participants"], one["participants_retest"]) == (N - 1, N - 2)
    same = {"desc": None, "strategy": None}
    assert {**one, **same} == {**other, **same}
    z[5, 1] = z[5, 0]
    fd[5, 1] = fd[5, 0]
    keep = np.arange(N) != 2
    expected = [pearsonr(z[keep].mean(axis=1)[:, e], fd[keep].mean(axis=1))[0] for e in range(10)]
    assert one["median_abs_qcfc"] == pytest.approx(np.median(np.abs(expected)), rel=1e-5)


def test_age_and_sex_are_predicted_and_covariates_held(tmp_path: Path) -> None:
    rng = np.random.default_rng(40)
    z, fd = study(4, trait=0.05)
    age = rng.uniform(20, 60, N)
    z = z + 0.2 * (age[:, None, None] - 40) * np.sign(rng.normal(0, 1, N_EDGES))
    sexes = ["F" if value > np.median(age) else "M" for value in age]
    lines = [f"sub-{i:02d}\t{a:.2f}\t{s}" for i, (a, s) in enumerate(zip(age, sexes, strict=True))]
    (tmp_path / "participants.tsv").write_text("\n".join(["participant_id\tage\tsex", *lines]))
    chosen = ChosenColumns(read_covariates(tmp_path), ("age",), ("age", "sex"))
    folder = tmp_path / "edges"
    folder.mkdir()
    (row,) = rated(folder, strategy(folder, z, fd, "simple"), chosen=chosen).rows
    assert row["criterion_age_participants"] == N
    assert row["criterion_age_r"] > 0.9
    assert row["criterion_age_r2"] > 0.5
    assert row["criterion_sex_auc"] > 0.9
    table = pd.DataFrame({"age": np.round(age, 2), "fd": fd.mean(axis=1)})
    r = [
        pingouin.partial_corr(table.assign(z=z.mean(axis=1)[:, e]), "z", "fd", "age")["r"].iloc[0]
        for e in range(N_EDGES)
    ]
    assert row["covariates"] == "age"
    assert row["median_abs_qcfc"] == pytest.approx(np.median(np.abs(r)), rel=1e-4)


def test_two_participants_have_no_reliability(tmp_path: Path) -> None:
    z, fd = study(5)
    gone = [Unit(f"{i:02d}", session) for i in range(2, N) for session in SESSIONS]
    found = rated(tmp_path, strategy(tmp_path, z, fd, "simple", without=gone))
    (row,) = found.rows
    assert row["participants"] == 2
    assert not {"retest", "icc21_median", "fingerprint"} & set(row)
    assert found.icc21 == []
    assert row["median_abs_qcfc"] is None
