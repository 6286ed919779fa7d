"""The lines of the documentation that read files of edges work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_tables import table, write_edges
from sklearn.linear_model import Ridge

from bids_labelx.group.edge_rows import EdgeRows
from bids_labelx.group.parquet import write_edges_parquet

ROOT = Path(__file__).parents[1]
N, REGIONS = 80, 12


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EdgeRows:
    """A folder of the group level, in which the edges of 80 participants change with age."""
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, N).round(1)
    n_edges = REGIONS * (REGIONS - 1) // 2
    z = rng.normal(0.2, 0.2, (N, n_edges)) + np.outer(age - 50, rng.normal(0, 0.004, n_edges))
    z[3, 5] = np.nan
    ids = [f"sub-{k:02d}" for k in range(N)]
    ages = ["n/a", *age[1:].astype(str)]
    covariates = table(tmp_path, {"participant_id": ids, "age": ages})
    monkeypatch.chdir(tmp_path)
    names = [f"R{k}" for k in range(REGIONS)]
    rows = write_edges(tmp_path, z.astype(np.float32), covariates, names, None)
    # Of a task, as in the documentation.
    named = tmp_path / rows.path.name.replace("group_", "group_task-rest_")
    rows.path.rename(named)
    rows = EdgeRows(**{**vars(rows), "path": named})
    write_edges_parquet(tmp_path, rows)
    return rows


def snippet(page: str, word: str) -> str:
    """The one block of Python on a page that has this word."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if word in block)
    return str(found)


@pytest.mark.usefixtures("rows")
def test_eight_lines_lead_from_edges_to_a_cross_validated_ridge_regression(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = snippet("docs/howto/read.md", "RidgeCV")
    assert len([line for line in code.splitlines() if line]) == 8
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    printed = float(capsys.readouterr().out)
    assert printed > 0.3
    # The same folds by hand, with the best of the penalties known: not far above.
    z, age = np.nan_to_num(names["z"], nan=0.2), names["age"]
    assert z.shape == (N - 1, REGIONS * (REGIONS - 1) // 2)
    by_hand = []
    for alpha in 10.0 ** np.arange(-1, 6):
        scores = []
        for train, test in names["folds"].split(z):
            fitted = Ridge(alpha).fit(z[train], age[train])
            left = age[test] - fitted.predict(z[test])
            scores.append(1 - (left @ left) / ((age[test] - age[test].mean()) ** 2).sum())
        by_hand.append(np.mean(scores))
    assert min(by_hand) <= printed <= max(by_hand) + 0.02


@pytest.mark.parametrize("prefix", ["sub-", ""], ids=["with sub-", "without"])
def test_ids_are_joined_as_the_page_says(rows: EdgeRows, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text(path.read_text().replace("sub-", prefix))
    names: dict[str, Any] = {}
    exec(snippet("docs/howto/read.md", "index=file"), names)  # noqa: S102
    joined = names["table"]
    assert joined.shape == (N, 1 + rows.n_edges)
    np.testing.assert_array_equal(joined.iloc[:, 1:].to_numpy(np.float32), rows.read())
    assert joined["age"].notna().sum() == N - 1


def test_parquet_is_read_as_the_page_says(rows: EdgeRows) -> None:
    names: dict[str, Any] = {}
    exec(snippet("docs/howto/read.md", "read_parquet"), names)  # noqa: S102
    np.testing.assert_array_equal(names["z"], rows.read())
