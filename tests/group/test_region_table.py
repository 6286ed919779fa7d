"""The table of all regions' signals, judged by pandas from the files of the participant level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bids_labelx.group import region_table as module
from bids_labelx.group.collect import Collected, collect
from bids_labelx.group.region_table import write_region_table

RUN = {"task": "rest", "space": "MNI", "atlas": "Small", "res": "2"}


@pytest.fixture
def collected(tmp_path: Path, write_run: Callable[..., Path]) -> Collected:
    """Two participants, one of whom has a missing region, two strategies and two statistics."""
    for seed, label in enumerate(("01", "02")):
        covered = None if label == "01" else [10, 2, 10, 10]
        for strategy in ("simple", "none"):
            for statistic in ("mean", "median"):
                entities = {"sub": label, **RUN}
                write_run(
                    entities, seed=seed, covered=covered, strategy=strategy, statistic=statistic
                )
    return collect(tmp_path / "out", ["01", "02"], [])


def test_there_is_a_row_per_run_strategy_statistic_and_region(
    tmp_path: Path, collected: Collected
) -> None:
    out = tmp_path / "out"
    table = pd.read_parquet(out / write_region_table(out, collected))
    assert len(table) == 2 * 2 * 2 * 4
    keys = ["participant_id", "strategy", "statistic", "region"]
    assert not table.duplicated(keys).any()
    (path,) = out.glob("sub-02/func/*stat-mean_desc-simple_timeseries.tsv")
    series = pd.read_csv(path, sep="\t", na_values="n/a")
    labels = pd.read_csv(next(out.glob("sub-02/func/*_dseg.tsv")), sep="\t")
    own = table[
        (table["participant_id"] == "sub-02")
        & (table["strategy"] == "simple")
        & (table["statistic"] == "mean")
    ]
    assert own["region"].tolist() == list(series)
    assert own["index"].tolist() == labels["index"].astype(str).tolist()
    assert own["network"].tolist() == labels["network"].tolist()
    assert own["status"].tolist() == labels["status"].tolist()
    assert own["mean"].to_numpy() == pytest.approx(series.mean().to_numpy(), nan_ok=True)
    assert own["std"].to_numpy() == pytest.approx(series.std().to_numpy(), nan_ok=True)
    assert own["coverage"].tolist() == labels["coverage"].tolist()
    assert own["mean"].isna().tolist() == [False, True, False, False]
    assert set(own["run"]) == {"task-rest_space-MNI_res-2"}
    assert set(own["atlas"]) == {"Small"}
    assert own["session_id"].isna().all()
    assert not own["excluded"].any()


def test_what_is_excluded_is_marked(tmp_path: Path, collected: Collected) -> None:
    for key, row in collected.rows.items():
        row["excluded"] = int(key[0] == "sub-01")
    table = pd.read_parquet(tmp_path / "out" / write_region_table(tmp_path / "out", collected))
    assert (table["excluded"] == (table["participant_id"] == "sub-01")).all()


def test_it_is_the_same_in_row_groups(
    tmp_path: Path, collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pd.read_parquet(tmp_path / "out" / write_region_table(tmp_path / "out", collected))
    monkeypatch.setattr(module, "_AT_ONCE", 10)
    pieces = pd.read_parquet(tmp_path / "out" / write_region_table(tmp_path / "out", collected))
    pd.testing.assert_frame_equal(pieces, whole)


def test_a_series_that_does_not_fit_its_sidecar_is_a_problem_and_the_others_are_in(
    tmp_path: Path, collected: Collected
) -> None:
    (path,) = (tmp_path / "out").glob("sub-01/func/*stat-mean_desc-simple_timeseries.tsv")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    table = pd.read_parquet(tmp_path / "out" / write_region_table(tmp_path / "out", collected))
    assert len(table) == 7 * 4
    (problem,) = collected.problems
    assert path.name in problem.message
    assert problem.entities == {"sub": "01"}
