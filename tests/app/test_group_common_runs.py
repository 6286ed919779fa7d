"""Strategies are compared on the runs that all of them have, beside numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_study import Study
from scipy.stats import pearsonr
from small_runs import write_run

__all__ = ["write_run"]

N = 12
ENDS = ("strategies", "qcfc")
FIGURES = (
    *("participants", "runs", "median_abs_qcfc", "share_significant", "distance_dependence"),
    *("mean_dof_lost", "within", "between", "segregation", "icc21_median", "fingerprint"),
    "discriminability",
)


def table(study: Study, end: str) -> pd.DataFrame:
    return study.read(end, "group_atlas-Small").set_index("strategy")


def label(participant: int) -> str:
    return f"{participant + 1:02d}"


@pytest.fixture
def study(tmp_path: Path, write_run: Callable[..., Path]) -> Callable[..., Study]:
    """Two runs of twelve participants, the same with two strategies; one of them lacks some."""

    def make(key: str, without: Sequence[int], **dof: float) -> Study:
        made = Study(tmp_path, write_run)
        seeds = np.random.default_rng(3).permutation(2 * N).reshape(N, 2)
        for i in range(N):
            for k in range(2):
                for strategy in ("simple", "24P"):
                    if not (strategy == "24P" and k == 1 and i in without):
                        more = {key: k + 1, "strategy": strategy}
                        if dof:
                            more["EffectiveDegreesOfFreedom"] = dof["first"] if k else dof["other"]
                        made.add(label(i), int(seeds[i, k]), **more)
        return made

    return make


@pytest.mark.parametrize(
    ("key", "arguments"),
    [("run", ()), ("ses", ("--average-over", "run", "session"))],
    ids=["runs", "sessions averaged"],
)
def test_strategies_of_the_same_series_are_rated_the_same(
    study: Callable[..., Study], key: str, arguments: tuple[str, ...]
) -> None:
    made = study(key, range(6))
    assert made.group(*arguments, "--permutations", "50") == 0
    rated = table(made, "strategies")
    for column in FIGURES:
        np.testing.assert_array_equal(*rated[column], err_msg=column)
    assert rated["runs"].tolist() == [2 * N - 6] * 2
    assert dict(rated["runs_of_strategy"]) == {"simple": 2 * N, "24P": 2 * N - 6}
    qcfc = table(made, "qcfc")
    assert qcfc["runs"].tolist() == [2 * N - 6] * 2
    for column in ("participants", "median_abs_qcfc", "share_significant"):
        np.testing.assert_array_equal(*qcfc[column], err_msg=column)
    page = (made.out / "group.html").read_text()
    assert "18 runs of 12 participants that all strategies have (by themselves they have" in page


def test_averages_over_the_common_runs_have_the_weights_of_runs(
    study: Callable[..., Study],
) -> None:
    made = study("run", range(6), first=10.0, other=30.0)
    assert made.group("--permutations", "0") == 0
    z, moved = [], []
    for i in range(N):
        runs = "1" if i < 6 else "12"
        own = [made.z(label(i), run=run, desc="simple") for run in runs]
        z.append(np.average(own, axis=0, weights=[30, 10][: len(runs)]))
        found = pd.read_csv(made.out / "group_qc.tsv", sep="\t")
        mine = found["participant_id"].eq(f"sub-{label(i)}") & found["strategy"].eq("simple")
        moved.append(
            found.loc[mine & found["run"].str.contains(f"run-[{runs}]_"), "mean_fd"].mean()
        )
    r = [pearsonr(own, moved).statistic for own in np.transpose(z)]
    for end in ENDS:
        found = table(made, end)["median_abs_qcfc"]
        np.testing.assert_allclose(found, np.median(np.abs(r)), rtol=1e-5)
    within = np.mean([own[[0, 5]].mean() for own in z])
    np.testing.assert_allclose(table(made, "strategies")["within"], within, rtol=1e-5)


def test_a_participant_without_a_common_run_is_in_no_comparison(
    study: Callable[..., Study],
) -> None:
    made = study("run", ())
    made.add("99", 77, run=1, strategy="simple")
    made.add("99", 78, run=2, strategy="24P")
    assert made.group("--permutations", "0") == 0
    for end in ENDS:
        assert table(made, end)["participants"].tolist() == [N] * 2
    assert "lack them: sub-99." in (made.out / "group.html").read_text()


def test_the_same_runs_are_counted_once_and_nothing_is_said_of_them(
    study: Callable[..., Study],
) -> None:
    made = study("run", ())
    assert made.group("--permutations", "0") == 0
    rated = table(made, "strategies")
    assert rated["runs"].tolist() == rated["runs_of_strategy"].tolist() == [2 * N] * 2
    assert "runs" not in table(made, "qcfc")
    assert "all strategies have the same." in (made.out / "group.html").read_text()
