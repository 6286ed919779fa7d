"""Sentences on harmonisation, of records whose numbers are given."""

from __future__ import annotations

from group_site import harmonised

from bids_labelx.report.harmonize_words import (
    batches_in_words,
    harmonisation_in_words,
    harmonised_in_short,
)


def test_what_was_done_and_what_it_does_not_do_is_said() -> None:
    text = " ".join(harmonisation_in_words("site", ["age", "sex[m]"]))
    assert "between batches (site)" in text
    assert "Preserved, as linear effects: age and sex[m]." in text
    for limit in ("interaction with age", "no nonlinear one", "in the training folds alone"):
        assert limit in text
    assert "No covariate is preserved" in " ".join(harmonisation_in_words("site", []))


def test_differences_before_and_after_are_those_of_the_record() -> None:
    found = batches_in_words([harmonised(0), harmonised(1)])
    assert found[0] == "9 participants in 2 batches: 5 of A and 4 of B."
    assert "Not in the harmonised edges: sub-07 (no age) and" not in found[1]
    assert found[1] == "Not in the harmonised edges: sub-07 (no age)."
    assert "62 % before and 0 % after for simple" in found[2]
    assert "9.5 % before and 0 % after for 24P" in found[2]
    assert "12 % before and 1.5 % after for simple" in found[3]
    assert "does not know the preserved covariates" in found[4]
    assert "are n/a: 3 of 15 for 24P." in found[5]


def test_strategies_with_other_participants_are_told_apart() -> None:
    found = batches_in_words([harmonised(0), harmonised(1, counts={"A": 5, "B": 3})])
    assert found[:2] == [
        "simple: 9 participants in 2 batches: 5 of A and 4 of B.",
        "24P: 8 participants in 2 batches: 5 of A and 3 of B.",
    ]


def test_without_covariates_dropped_or_missing_edges_nothing_is_said_of_them() -> None:
    assert len(batches_in_words([harmonised(0, names=(), dropped={}, missing=0)])) == 3


def test_the_console_has_a_line_of_it() -> None:
    assert harmonised_in_short(harmonised(0)) == (
        "group_task-rest_atlas-A_meas-correlation_desc-s0_harm-combat: site harmonised "
        "(A 5, B 4, 1 dropped); edges with p < 0.05 between batches: 62 % before, 0 % after"
    )
