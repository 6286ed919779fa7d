"""Batches that cannot be harmonised are refused, with what is wrong named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from edge_tables import table

from bids_labelx.errors import BadDataError, UsageError
from bids_labelx.group.batches import batches_of
from bids_labelx.group.edge_rows import Unit

N = 9
UNITS = [Unit(f"{k:02d}") for k in range(N)]
COLUMNS: dict[str, Sequence[object]] = {
    "participant_id": [f"sub-{k:02d}" for k in range(N)],
    "site": [1, 1, 1, 1, 2, 2, 2, 2, 2],
    "age": [20, 30, 41, 50, "n/a", 66, 70, 33, 25],
    "sex": ["f", "m", "f", "m", "f", "m", "f", "m", "m"],
    "study": ["p"] * 4 + ["q"] * 5,
    "months": [240, 360, 492, 600, "n/a", 792, 840, 396, 300],
    "one": ["x"] * N,
}


def test_a_number_is_preserved_linearly_and_a_text_by_its_levels(tmp_path: Path) -> None:
    found = batches_of(table(tmp_path, COLUMNS), UNITS, "site", ("sex", "age"))
    assert found.labels == ("1",) * 4 + ("2",) * 4
    assert found.counts == {"1": 4, "2": 4}
    assert found.names == ("sex[m]", "age")
    assert found.design.tolist() == [
        [float(sex == "m"), float(str(age))]
        for sex, age in zip(COLUMNS["sex"], COLUMNS["age"], strict=True)
        if age != "n/a"
    ]
    assert found.dropped == {"sub-04": "no age"}
    assert found.kept.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_without_covariates_all_rows_are_kept(tmp_path: Path) -> None:
    found = batches_of(table(tmp_path, COLUMNS), UNITS, "site")
    assert found.design.shape == (N, 0)
    assert found.kept.tolist() == list(range(N))
    assert found.dropped == {}


def test_rows_of_a_session_have_the_batch_of_it(tmp_path: Path) -> None:
    covariates = table(tmp_path, {"participant_id": COLUMNS["participant_id"]})
    for k in range(N):
        path = tmp_path / f"sub-{k:02d}" / f"sub-{k:02d}_sessions.tsv"
        path.parent.mkdir()
        path.write_text(f"session_id\tscanner\nses-a\t{'PQ'[k % 2]}\nses-b\tR\n")
    covariates = table(tmp_path, {"participant_id": COLUMNS["participant_id"]})
    units = [Unit(one.participant, "a") for one in UNITS]
    assert batches_of(covariates, units, "scanner").counts == {"P": 5, "Q": 4}


@pytest.mark.parametrize(
    ("change", "batch", "preserve", "error", "message"),
    [
        ({}, "scanner", (), UsageError, "no column scanner.*it has site, age"),
        ({}, "site", ("agee",), UsageError, "no column agee, did you mean age"),
        ({}, "one", (), BadDataError, r"one: one batch only \(x\)"),
        (
            {"site": [1, 1, "n/a", 1, 2, 2, "n/a", 2, 2]},
            "site",
            (),
            BadDataError,
            "no site for sub-02, sub-06, so that",
        ),
        (
            {"site": [1, 1, 1, 1, 2, 2, 2, 3, 3]},
            "site",
            (),
            BadDataError,
            "site: 3 has 2; at least 3 participants",
        ),
        (
            {"site": [1, 1, 1, 1, 2, 2, 2, 1, 1]},
            "site",
            ("age",),
            BadDataError,
            r"site: 2 has 2 \(1 without a preserved covariate are dropped\)",
        ),
        ({}, "site", ("study",), BadDataError, r"study\[q\]: the same for all rows of a batch"),
        ({}, "site", ("one",), BadDataError, "one: the same for all rows of a batch"),
        ({}, "site", ("age", "months"), BadDataError, "months: a linear combination.* of age"),
        (
            {"age": ["n/a"] * N},
            "site",
            ("age",),
            BadDataError,
            "no participant has all of age",
        ),
        (
            {key: values[:-1] for key, values in COLUMNS.items()},
            "site",
            (),
            BadDataError,
            "sub-08 not in it",
        ),
    ],
    ids=[
        *("no-batch-column", "no-covariate-column", "one-batch", "without-batch", "few"),
        *("few-after-dropping", "confounded", "constant", "collinear", "none-known", "not-there"),
    ],
)
def test_it_is_refused(
    tmp_path: Path,
    change: Mapping[str, Sequence[object]],
    batch: str,
    preserve: tuple[str, ...],
    error: type[Exception],
    message: str,
) -> None:
    covariates = table(tmp_path, {**COLUMNS, **change})
    with pytest.raises(error, match=message) as caught:
        batches_of(covariates, UNITS, batch, preserve)
    assert str(tmp_path / "participants.tsv") in str(caught.value)


def test_participants_are_counted_and_not_their_rows(tmp_path: Path) -> None:
    """Two participants of site 1 with two sessions each are no four."""
    covariates = table(tmp_path, {**COLUMNS, "site": [1, 1, 2, 2, 2, 2, 2, 2, 2]})
    units = [Unit(one.participant, session) for one in UNITS for session in "ab"]
    with pytest.raises(BadDataError, match="site: 1 has 2; at least 3"):
        batches_of(covariates, units, "site")
