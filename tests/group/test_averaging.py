from __future__ import annotations

from pathlib import Path

import pytest

from bids_labelx.group.averaging import (
    AVERAGE_OVER,
    RUN_WEIGHTS,
    Averaging,
    averaging,
    combination_of,
    separated,
)
from bids_labelx.group.rows import MOTION, MatrixFile
from bids_labelx.names import ENTITY_ORDER
from bids_labelx.settings import Settings
from bids_labelx.settings.entry import options_of

FILES = [
    MatrixFile(sub, Path("x"), (sub, run)) for sub, run in (("01", "1"), ("01", "2"), ("02", "1"))
]


def rows(*dof: float | None) -> dict[tuple[str, ...], dict[str, float | None]]:
    keys = [file.row for file in FILES]
    return {key: {"effective_degrees_of_freedom": one} for key, one in zip(keys, dof, strict=True)}


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("average_over", {*AVERAGE_OVER, "none"}),
        ("run_weights", set(RUN_WEIGHTS)),
        ("qcfc_motion", set(MOTION)),
    ],
)
def test_each_choice_of_an_option_is_known(option: str, choices: set[str]) -> None:
    (found,) = [one for one in options_of(Settings) if one.name == option]
    assert set(found.choices) == choices


@pytest.mark.parametrize("over", [("run",), ("run", "session"), ("dir",), ()])
def test_matrices_are_averaged_over_what_is_asked_for_and_nothing_else(
    over: tuple[str, ...],
) -> None:
    every = dict.fromkeys(ENTITY_ORDER, "x")
    entities = {"run": "run", "session": "ses", "dir": "dir"}
    gone = {"sub", *(entities[one] for one in over)}
    assert every.keys() - combination_of(every, over).keys() == gone


def test_echoes_are_no_runs() -> None:
    assert "echo" not in AVERAGE_OVER.values()
    assert "echo" not in {one for option in options_of(Settings) for one in option.choices}


def test_weights_are_effective_degrees_of_freedom_where_all_are_known() -> None:
    known = averaging(FILES, rows(10.5, 20, 30), ("run",), "dof")
    assert [known.weight(file) for file in FILES] == [10.5, 20, 30]
    assert known.sidecar() == {
        "AveragedOver": ["run"],
        "RunWeights": "effective degrees of freedom",
    }
    equal = averaging(FILES, rows(10, 20, 30), ("run", "dir"), "equal")
    assert [equal.weight(file) for file in FILES] == [1, 1, 1]
    assert equal.sidecar() == {"AveragedOver": ["run", "dir"], "RunWeights": "equal"}


@pytest.mark.parametrize("unknown", [None, 0, float("nan"), -1])
def test_runs_count_equally_where_one_is_not_known_and_it_is_said(unknown: float | None) -> None:
    found = averaging(FILES, rows(10, 20, unknown), ("run",), "dof")
    assert [found.weight(file) for file in FILES] == [1, 1, 1]
    assert found.sidecar()["RunWeights"] == "equal"
    assert found.sidecar()["RunWeightsNote"].startswith("runs count equally: 1 of 3 have no Effec")


def test_of_one_run_each_there_is_nothing_to_note() -> None:
    alone = [FILES[0], FILES[2]]
    found = averaging(alone, rows(None, None, None), ("run",), "dof")
    assert found == Averaging(("run",))


def test_what_means_are_separated_by_is_what_differs_between_them() -> None:
    one = {"ses": "1", "task": "rest", "acq": "mb", "space": "MNI", "desc": "simple"}
    others = [{**one, "ses": "2", "space": "T1w", "desc": "raw"}, {**one, "echo": "1"}]
    assert separated([one, *others]) == ["session", "echo"]
    assert separated([one]) == separated([]) == []
