from __future__ import annotations

from collections.abc import Sequence

import pytest
from rated_rows import row

from bids_labelx.group.ratings import RatedStrategies
from bids_labelx.group.rows import Row
from bids_labelx.report.rating_words import ratings_in_words


def words(*rows: Row, left_out: Sequence[str] = (), without: Sequence[str] = ()) -> str:
    halves = tuple((name, "too short") for name in without)
    entities = [{"atlas": "A"}] * len(rows)
    rated = RatedStrategies(entities, list(rows), [], ("a",), tuple(left_out), (), halves)
    return "\n".join(ratings_in_words(rated))


def test_each_number_is_told_with_its_strategy() -> None:
    text = words(row("simple"), row("scrub", icc21_median=0.25, fingerprint=0.125))
    for part in (
        "All numbers are over 30 participants; all strategies have the same.",
        "Reliability is over sessions: the first 2 of 24 participants; 6 others have no second",
        "ICC(2,1), absolute agreement, is 0.40 for simple (quartiles 0.30 to 0.50) and 0.25 for",
        "ICC(3,1), consistency, is 0.45 for simple and 0.45 for scrub.",
        "with 24 participants is typically 0.10 to 0.70 for simple",
        "50 % with simple (p = 0.001) and 12 % with scrub (p = 0.001); by chance 4 %.",
        "Discriminability, 0.5 by chance and 1 at best, is 0.80 for simple and 0.80 for scrub.",
        "0.50 and 0.10 for simple",
        "System segregation (Chan et al., 2014) is 0.80 for simple",
    ):
        assert part in text
    assert "wide with so few" not in text


def test_it_always_says_that_reliable_is_not_valid() -> None:
    assert "Reliable is not valid" in words(row("simple"))
    assert "may be motion" not in words(row("simple"))


@pytest.mark.parametrize(
    ("icc", "qcfc", "told"),
    [
        ((0.6, 0.4), (0.5, 0.2), True),
        ((0.6, 0.4), (0.2, 0.5), False),
        ((0.6, 0.59), (0.5, 0.2), False),
    ],
    ids=["reliable motion", "reliable and clean", "as reliable"],
)
def test_a_strategy_that_is_reliable_and_full_of_motion_is_named(
    icc: tuple[float, float], qcfc: tuple[float, float], told: bool
) -> None:
    rows = [
        row(name, icc21_median=a, median_abs_qcfc=b)
        for name, a, b in zip(("simple", "scrub"), icc, qcfc, strict=True)
    ]
    expected = (
        "Here simple has the highest median ICC(2,1), 0.60, but a median |QC-FC| of 0.50, where "
        "scrub has 0.20: some of the reliability may come from motion."
    )
    assert (expected in words(*rows)) == told


def test_halves_are_said_to_be_no_second_session() -> None:
    text = words(row("simple", retest="halves of runs", participants_retest=8, participants=8))
    assert "it is not that of a second session" in text
    assert "which is wide with so few" in text


def test_who_is_left_out_is_named() -> None:
    text = words(row("simple"), left_out=("07", "09"), without=("11",))
    assert "excluded, because some strategies lack them: sub-07, sub-09." in text
    assert "have no halves: sub-11 (too short)." in text
    many = words(row("simple"), left_out=[f"{i:02d}" for i in range(12)])
    assert "sub-09 and 2 more." in many


def test_without_repeats_there_is_no_reliability_and_the_rest_is_told() -> None:
    only = {"strategy": "simple", "participants": 2, "within": 0.5, "between": 0.1}
    text = words({**only, "segregation": 0.8})
    assert "There is no reliability: it needs 3 participants" in text
    assert "System segregation" in text
    assert "identified" not in text
    assert "There is no segregation" in words(only)


def test_identification_by_chance_is_told() -> None:
    text = words(row("simple", fingerprint_p=0.2))
    assert "No strategy identifies more participants than expected by chance." in text
    assert "than guessing could" not in words(row("simple"))


def test_edges_that_some_lack_are_told() -> None:
    for edges, part in ((6, ""), (4, "over edges without a missing region: 4 of 6 edges are in")):
        rows = [row("simple", edges_compared=edges)]
        rated = RatedStrategies([{"atlas": "A"}], rows, [], tuple("abcd"), ())
        text = "\n".join(ratings_in_words(rated))
        assert part in text
        assert ("missing region" in text) == bool(part)
    none = row("simple", edges_compared=2, fingerprint=None)
    rated = RatedStrategies([{"atlas": "A"}], [none], [], tuple("abcd"), ())
    assert "No participant can be identified: 2 of 6 edges are in all" in "\n".join(
        ratings_in_words(rated)
    )


def test_predictions_are_told_with_what_chance_gives() -> None:
    scores = {
        "criterion_age_participants": 28,
        "criterion_age_r": 0.31,
        "criterion_age_r2": 0.05,
        "criterion_sex_participants": 27,
        "criterion_sex_auc": 0.7,
        "criterion_sex_balanced_accuracy": 0.6,
        "criterion_iq_participants": 4,
        "criterion_iq_r": None,
    }
    text = words(row("simple", **scores))
    assert (
        "the edges of 28 participants, age is predicted with an r of 0.31 for simple (0 by" in text
    )
    assert "sex is predicted with an area under the ROC curve of 0.70 for simple (0.5 by" in text
    assert "iq is not predicted: it is known for 4 participants" in text
    assert "within the training folds" in text
