from __future__ import annotations

import pytest

from bids_labelx.suggestions import closest, listed


@pytest.mark.parametrize(
    ("word", "known", "wanted"),
    [
        ("36p", ("24P", "36P"), "36P"),
        ("1", ("11", "01", "10"), "01"),
        ("sub1", ("sub01", "sub10"), "sub01"),
        ("task", ("atlas", "task-id"), "task-id"),
        ("taks", ("atlas", "task-id", "space"), "task-id"),
        ("fd-thresh", ("fd-threshold", "std-dvars-threshold"), "fd-threshold"),
        ("agee", ("sex", "age"), "age"),
        ("MNI152Nlin6Asym", ("MNI152NLin2009cAsym", "MNI152NLin6Asym"), "MNI152NLin6Asym"),
        ("xyz", ("age", "sex"), None),
        ("age", (), None),
    ],
)
def test_the_closest_word_is_found(word: str, known: tuple[str, ...], wanted: str | None) -> None:
    assert closest(word, known) == wanted


def test_of_words_that_differ_in_case_alone_the_first_is_taken() -> None:
    assert closest("AGE", ["Age", "age"]) == "Age"


def test_a_long_list_ends_with_a_count() -> None:
    assert listed(f"{number:02}" for number in range(1, 21)).endswith("19, 20")
    assert listed(f"{number}" for number in range(1_100)).endswith("18, 19 and 1,080 more")
