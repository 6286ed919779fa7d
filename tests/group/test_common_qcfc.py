from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from rows_of_edges import N_EDGES, edge_rows, files_of, quality_of

from bids_labelx.group.chosen_columns import ChosenColumns
from bids_labelx.group.common_qcfc import common_qcfc
from bids_labelx.group.covariates import read_covariates
from bids_labelx.group.edge_rows import EdgeRows, Unit
from bids_labelx.group.rows import MatrixFile, Row, RowKey

N = 16
UNITS = [Unit(f"{i:02d}") for i in range(N)]
FD = np.random.default_rng(1).uniform(0.05, 0.5, N)
Z = np.random.default_rng(2).normal(0, 0.3, (2, N, N_EDGES)) + FD[:, None]
ABOVE = np.triu_indices(5, k=1)


def strategies(
    folder: Path, without: int | None = None
) -> tuple[list[EdgeRows], list[list[tuple[MatrixFile, ...]]], dict[RowKey, Row]]:
    """Two strategies; perhaps the second one lacks a participant."""
    edges, sources, rows = [], [], {}
    for number, desc in enumerate(("simple", "scrub")):
        kept = [i for i in range(N) if not (number and i == without)]
        units = [UNITS[i] for i in kept]
        edges.append(edge_rows(folder, Z[number, kept], units, desc))
        sources.append(files_of(units, desc))
        rows |= quality_of(sources[-1], FD[kept].tolist())
    return edges, sources, rows


def covariates(folder: Path) -> tuple[ChosenColumns, pd.DataFrame]:
    """Age and sex, of which one participant has no age."""
    ages = 20 + 3 * np.random.default_rng(3).integers(0, 20, N)
    table = pd.DataFrame({"participant_id": [u.participant for u in UNITS], "age": ages})
    table["sex"] = ["F" if i % 3 else "M" for i in range(N)]
    table = table.astype({"age": object})
    table.loc[4, "age"] = "n/a"
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    return ChosenColumns(read_covariates(folder), ("age", "sex")), table


def test_equal_participants_without_covariates_are_left_to_the_sums(tmp_path: Path) -> None:
    assert common_qcfc(*strategies(tmp_path), "fd", ChosenColumns()) is None


def test_strategies_are_compared_on_the_participants_that_all_have(tmp_path: Path) -> None:
    found = common_qcfc(*strategies(tmp_path, without=6), "fd", ChosenColumns())
    assert found is not None
    assert [(one.participants, one.own) for one in found] == [(15, 16), (15, 15)]
    kept = np.arange(N) != 6
    for number, one in enumerate(found):
        for edge, (i, j) in enumerate(zip(*ABOVE, strict=True)):
            expected = np.corrcoef(Z[number, kept, edge], FD[kept])[0, 1]
            assert one.r[i, j] == one.r[j, i] == pytest.approx(expected, abs=1e-6)
            assert one.n[i, j] == 15


def test_a_participant_of_unknown_motion_in_one_strategy_is_in_none(tmp_path: Path) -> None:
    edges, sources, rows = strategies(tmp_path)
    rows[sources[1][2][0].row]["mean_fd"] = None
    found = common_qcfc(edges, sources, rows, "fd", ChosenColumns())
    assert found is not None
    assert [(one.participants, one.own) for one in found] == [(15, 16), (15, 15)]


def test_covariates_are_held_constant_as_by_pingouin(tmp_path: Path) -> None:
    (tmp_path / "edges").mkdir()
    chosen, table = covariates(tmp_path)
    found = common_qcfc(*strategies(tmp_path / "edges", without=6), "fd", chosen)
    assert found is not None
    table = table.assign(fd=FD, male=(table["sex"] == "M").astype(float))
    table = table.drop(index=[4, 6]).astype({"age": float})
    for number, one in enumerate(found):
        figures = one.participants, one.own, one.without_covariates, one.columns
        assert figures == (14, 16 - number, 1, 2)
        for edge, (i, j) in enumerate(zip(*ABOVE, strict=True)):
            own = table.assign(z=Z[number, table.index, edge])
            judge = pingouin.partial_corr(own, "z", "fd", ["age", "male"])
            assert one.r[i, j] == pytest.approx(judge["r"].iloc[0], abs=1e-6)
    assert found[0].figures == {
        "participants_of_strategy": 16,
        "runs": 14,
        "covariates": "age, sex",
        "participants_without_covariates": 1,
    }


def test_without_a_common_participant_there_is_no_qcfc(tmp_path: Path) -> None:
    edges, sources, rows = strategies(tmp_path)
    for (file,) in sources[0]:
        rows[file.row]["mean_fd"] = None
    found = common_qcfc(edges, sources, rows, "fd", ChosenColumns())
    assert found is not None
    for one in found:
        assert one.participants == 0
        assert np.isnan(one.r).all()
